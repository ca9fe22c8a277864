//! What a state bucket must be like, and how it differs from that.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::{AccountId, BucketName, Principal, UnitId};

/// What the state bucket must be like. Versioned, closed to the public and owned by its owner it
/// must be in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSpec {
    /// The default encryption of the bucket.
    pub encryption: Encryption,
    /// Whether tfw creates the KMS key, and its alias, where they are absent.
    pub create_kms_key: bool,
    /// The only ones that the bucket policy lets at the objects, beside the account's root user and
    /// the roles that tfw uses; empty: the policy is not about that.
    pub allowed_principals: Vec<Principal>,
    /// How many days old versions of states are kept for; `None`: for ever.
    pub noncurrent_days: Option<NonZeroU32>,
    /// The bucket that S3 writes access logs to.
    pub access_log_bucket: Option<BucketName>,
    /// Tags that the bucket has among others.
    pub tags: BTreeMap<String, String>,
    /// Whether the policy denies what does not come over TLS. `None`: it does, but where S3 itself
    /// is reached without TLS.
    pub force_tls: Option<bool>,
}

impl BucketSpec {
    /// What is asked for where the manifest says nothing else.
    pub fn new(encryption: Encryption) -> Self {
        Self {
            encryption,
            create_kms_key: false,
            allowed_principals: Vec::new(),
            noncurrent_days: None,
            access_log_bucket: None,
            tags: BTreeMap::new(),
            force_tls: None,
        }
    }
}

/// Server-side encryption of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// SSE-S3.
    Aes256,
    /// SSE-KMS.
    Kms {
        /// The ARN of the key or alias; `None`: AWS's own key for S3 in the account.
        key: Option<String>,
    },
}

/// A bucket, the units that keep their state in it, and what is not as the manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BucketCondition {
    /// The bucket.
    pub bucket: String,
    /// The account that owns it.
    pub account_id: AccountId,
    /// The units that were looked at it for.
    pub units: Vec<UnitId>,
    /// In the order in which they are mended.
    pub differences: Vec<Difference>,
}

/// A setting of a backend that is not as the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The setting, in the manifest's words where it has one: `versioning`, `encryption`.
    pub setting: &'static str,
    /// What it is; `None`: it is not set, or cannot be told.
    pub actual: Option<String>,
    /// What it should be.
    pub desired: String,
    /// What tfw does about it.
    pub action: Action,
    /// Why it is kept as it is.
    pub reason: Option<Reason>,
}

/// What tfw does about a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Sets what is not set.
    Add,
    /// Sets it otherwise.
    Change,
    /// Leaves it as it is.
    Keep,
}

/// Why a difference is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It is stronger than asked for; only `--allow-weaker` changes it.
    Stronger,
    /// It is weaker than asked for, and somebody else's.
    Foreign(String),
    /// It may not be read, so that nobody knows: what AWS says.
    Unreadable(String),
    /// It takes `--reencrypt`.
    Reencrypt,
}

impl Reason {
    /// As documents have it.
    fn word(&self) -> &'static str {
        match self {
            Self::Stronger => "stronger",
            Self::Foreign(_) => "foreign",
            Self::Unreadable(_) => "unreadable",
            Self::Reencrypt => "reencrypt",
        }
    }

    fn detail(&self) -> Option<&str> {
        match self {
            Self::Foreign(detail) | Self::Unreadable(detail) => Some(detail),
            Self::Stronger | Self::Reencrypt => None,
        }
    }
}

/// As documents have it: the reason is a word, and what there is to say of it stands in `detail`.
impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = serializer.serialize_struct("Difference", 6)?;
        document.serialize_field("setting", &self.setting)?;
        document.serialize_field("actual", &self.actual)?;
        document.serialize_field("desired", &self.desired)?;
        document.serialize_field("action", &self.action)?;
        document.serialize_field("reason", &self.reason.as_ref().map(Reason::word))?;
        let detail = self.reason.as_ref().and_then(Reason::detail);
        document.serialize_field("detail", &detail)?;
        document.end()
    }
}

/// As people see it: `+ versioning Enabled`, `~ encryption AES256 → aws:kms alias/state`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            setting,
            actual,
            desired,
            ..
        } = self;
        match (&self.reason, actual) {
            (None, None) => write!(f, "+ {setting} {desired}"),
            (None, Some(actual)) => write!(f, "~ {setting} {actual} → {desired}"),
            (Some(Reason::Stronger), actual) => write!(
                f,
                "! {setting} {}: stronger than asked ({desired}), kept",
                actual.as_deref().unwrap_or("as it is")
            ),
            (Some(Reason::Foreign(why)), None) => write!(f, "! {setting} {desired}: {why}"),
            (Some(Reason::Foreign(why)), Some(actual)) => {
                write!(f, "! {setting} {actual}, should be {desired}: {why}")
            }
            (Some(Reason::Unreadable(why)), _) => {
                write!(
                    f,
                    "? {setting} should be {desired}, but may not be read: {why}"
                )
            }
            (Some(Reason::Reencrypt), actual) => write!(
                f,
                "! {setting} {} → {desired}: takes `--reencrypt`",
                actual.as_deref().unwrap_or_default()
            ),
        }
    }
}

impl Difference {
    /// Whether the backend is in sync in spite of it: it is stronger than asked for.
    pub fn is_harmless(&self) -> bool {
        matches!(self.reason, Some(Reason::Stronger))
    }

    /// Whether it is not even known.
    pub fn is_unknown(&self) -> bool {
        matches!(self.reason, Some(Reason::Unreadable(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_have_the_reason_as_a_word() {
        let difference = |reason| {
            let difference = Difference {
                setting: "tags",
                actual: None,
                desired: "a=b".to_owned(),
                action: Action::Keep,
                reason,
            };
            let document = serde_json::to_value(difference).unwrap();
            (document["reason"].clone(), document["detail"].clone())
        };
        let text = |text: &str| serde_json::Value::from(text);
        let null = serde_json::Value::Null;
        assert_eq!(difference(None), (null.clone(), null.clone()));
        assert_eq!(difference(Some(Reason::Stronger)), (text("stronger"), null));
        let unreadable = Reason::Unreadable("access denied".to_owned());
        assert_eq!(
            difference(Some(unreadable)),
            (text("unreadable"), text("access denied"))
        );
    }
}
