//! The document in which Terraform says who holds a lock.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::StateError;
use crate::model::Lock;

/// A lock that tfw is about to take.
#[derive(Debug, Clone, Copy)]
pub struct NewLock<'a> {
    /// Its id, which is known before it is taken: whoever finds it can tell whose it is.
    pub id: &'a str,
    /// What it is for: `migration`.
    pub operation: &'a str,
    /// Anything else: `tfw run 20261121T233550Z-3f9a2c`.
    pub info: &'a str,
    /// `user@host`.
    pub who: &'a str,
}

impl NewLock<'_> {
    /// The document that Terraform would write; `path` is `BUCKET/KEY`.
    pub(super) fn document(&self, path: &str) -> Vec<u8> {
        let document = json!({
            "ID": self.id,
            "Operation": self.operation,
            "Info": self.info,
            "Who": self.who,
            "Version": concat!("tfw ", env!("CARGO_PKG_VERSION")),
            "Created": Timestamp::now().to_string(),
            "Path": path,
        });
        document.to_string().into_bytes()
    }
}

/// Terraform's lock document (`statemgr.LockInfo`). All of it is optional: a lock is one even when
/// its document was cut short by a newer or an older version.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct LockInfo {
    #[serde(rename = "ID")]
    id: String,
    who: String,
    operation: String,
    created: String,
    info: String,
    version: String,
}

/// All that a lock document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockDocument {
    /// Who holds it.
    pub lock: Lock,
    /// Anything else: `tfw run ID` of tfw's own.
    pub info: String,
    /// The Terraform, or the tfw, that took it.
    pub version: String,
}

/// A lock file as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockFile {
    /// `s3://BUCKET/KEY.tflock`, or the file.
    pub place: String,
    /// What it says; `None`: it is no lock document, and locks all the same.
    pub document: Option<LockDocument>,
}

impl LockFile {
    /// The holder.
    ///
    /// # Errors
    /// It does not say whose it is.
    pub(super) fn holder(self) -> Result<Lock, StateError> {
        match self.document {
            Some(document) => Ok(document.lock),
            None => Err(StateError::NotALock { place: self.place }),
        }
    }
}

/// Reads a lock document; `None`: it is none.
pub(super) fn parse(bytes: &[u8]) -> Option<LockDocument> {
    let info: LockInfo = serde_json::from_slice(bytes).ok()?;
    Some(LockDocument {
        lock: Lock {
            id: info.id,
            who: info.who,
            operation: info.operation,
            created: info.created,
        },
        info: info.info,
        version: info.version,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terraforms_lock_document_is_read() {
        let document = parse(
            br#"{"ID":"a-1","Operation":"OperationTypeApply","Info":"","Who":"me@host",
                "Version":"1.11.4","Created":"2026-01-02T03:04:05.6Z","Path":"b/k"}"#,
        )
        .unwrap();
        assert_eq!(
            (document.version.as_str(), document.info.as_str()),
            ("1.11.4", "")
        );
        let lock = document.lock;
        assert_eq!((lock.id.as_str(), lock.who.as_str()), ("a-1", "me@host"));
        assert_eq!(lock.operation, "OperationTypeApply");
        assert_eq!(lock.created, "2026-01-02T03:04:05.6Z");
    }

    #[test]
    fn what_tfw_writes_is_read_as_terraforms() {
        let new = NewLock {
            id: "t-1",
            operation: "migration",
            info: "run 1",
            who: "me@host",
        };
        let document = parse(&new.document("b/k")).unwrap();
        assert_eq!(document.info, "run 1");
        let lock = document.lock;
        assert_eq!((lock.id.as_str(), lock.who.as_str()), ("t-1", "me@host"));
        assert_eq!(lock.doing(), "migration");
        assert!(lock.created.parse::<Timestamp>().is_ok());
    }

    #[test]
    fn a_short_document_is_still_a_lock_and_garbage_is_none() {
        assert_eq!(parse(br#"{"ID":"a-1"}"#).unwrap().lock.id, "a-1");
        assert_eq!(parse(b"garbage"), None);
        assert_eq!(parse(b""), None);
    }
}
