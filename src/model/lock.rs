//! Who holds a state lock.

use jiff::Timestamp;
use serde::Serialize;

use super::UnitId;

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

/// A lock that was found, as a document has it: what it does not say is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldLock {
    /// The unit whose state it locks.
    pub unit: UnitId,
    /// The Terraform workspace.
    pub workspace: String,
    /// The lock's id; `None`: it is no lock document, and locks all the same.
    pub id: Option<String>,
    /// `user@host`.
    pub who: Option<String>,
    /// `OperationTypePlan`, `OperationTypeApply`, …
    pub operation: Option<String>,
    /// When it was taken, as the holder wrote it (RFC 3339).
    pub created: Option<String>,
    /// The Terraform that took it; `tfw 0.1.0` of tfw's own.
    pub terraform_version: Option<String>,
    /// The run of this machine that it is of; `None`: of none, as far as can be told.
    pub mine: Option<OwnRun>,
    /// Where it lies.
    #[serde(skip)]
    pub place: String,
    /// Anything else that the holder wrote.
    #[serde(skip)]
    pub info: String,
    /// Whether the holder says that it is this machine.
    #[serde(skip)]
    pub is_local_host: bool,
    /// The command that releases it; `None`: it is not tfw's to release.
    #[serde(skip)]
    pub release: Option<String>,
}

/// A run of this machine that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OwnRun {
    /// Its id.
    pub run_id: String,
    /// Its command.
    pub command: String,
    /// Its process.
    pub pid: u32,
    /// Whether that, or the Terraform that it started, still works on the unit.
    pub alive: bool,
    /// Whether the lock itself names the run; else it was taken on this machine while the run
    /// worked on the unit.
    pub certain: bool,
}

impl HeldLock {
    /// The holder, with words where the lock says nothing.
    pub fn holder(&self) -> Lock {
        let text = |text: &Option<String>, otherwise: &str| {
            let text = text.as_deref().filter(|text| !text.is_empty());
            text.unwrap_or(otherwise).to_owned()
        };
        Lock {
            id: text(&self.id, "(unknown)"),
            who: text(&self.who, "somebody"),
            operation: text(&self.operation, "(unknown)"),
            created: text(&self.created, "(unknown)"),
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
