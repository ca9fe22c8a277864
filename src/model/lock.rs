//! Who holds a state lock.

use jiff::Timestamp;
use serde::Serialize;

/// Who holds a state lock, from Terraform's lock document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lock {
    /// The lock's id.
    pub id: String,
    /// `user@host`.
    pub who: String,
    /// `OperationTypePlan`, `OperationTypeApply`, …
    pub operation: String,
    /// When it was taken, as the holder wrote it (RFC 3339).
    pub created: String,
}

impl Lock {
    /// A lock that was gone before its document could be read.
    pub fn unknown() -> Self {
        Self {
            id: "(unknown)".to_owned(),
            who: "somebody".to_owned(),
            operation: "(unknown)".to_owned(),
            created: "just now".to_owned(),
        }
    }

    /// What the holder does: `apply` for `OperationTypeApply`.
    pub fn doing(&self) -> String {
        let operation = &self.operation;
        operation
            .strip_prefix("OperationType")
            .map_or_else(|| operation.clone(), str::to_lowercase)
    }

    /// Since when, to the second: `2026-01-02 03:04:05 UTC`; what the holder wrote where that is no
    /// time.
    pub fn since(&self) -> String {
        match self.created.parse::<Timestamp>() {
            Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            Err(_) => self.created.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_in_words() {
        let mut lock = Lock {
            id: "1".to_owned(),
            who: "alice@host".to_owned(),
            operation: "OperationTypeApply".to_owned(),
            created: "2026-01-02T03:04:05.678912Z".to_owned(),
        };
        assert_eq!(lock.doing(), "apply");
        assert_eq!(lock.since(), "2026-01-02 03:04:05 UTC");
        lock.operation = "migration source state".to_owned();
        lock.created = "yesterday".to_owned();
        assert_eq!(lock.doing(), "migration source state");
        assert_eq!(lock.since(), "yesterday");
    }
}
