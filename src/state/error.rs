//! Why a state cannot be read.

use super::NotAState;
use crate::aws::AwsError;

/// A state, or its lock, cannot be read. Each names the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// S3 could not or would not.
    #[error("cannot read `{place}`: {cause}")]
    Aws {
        /// `s3://BUCKET/KEY`.
        place: String,
        /// Why.
        cause: AwsError,
    },
    /// S3 could not or would not.
    #[error("cannot write `{place}`: {cause}")]
    Unwritable {
        /// `s3://BUCKET/KEY`.
        place: String,
        /// Why.
        cause: AwsError,
    },
    /// The file system could not or would not.
    #[error("cannot read `{place}`: {cause}")]
    File {
        /// The file.
        place: String,
        /// Why, in the system's words.
        cause: String,
    },
    /// What lies there is no state that tfw can read.
    #[error("cannot read the state in `{place}`: {cause}")]
    NotAState {
        /// Where.
        place: String,
        /// Why.
        cause: NotAState,
    },
    /// What lies there is no lock document.
    #[error("there is a lock in `{place}`, but it does not say whose")]
    NotALock {
        /// Where.
        place: String,
    },
    /// A backend whose states tfw does not read itself.
    #[error("tfw cannot read the state of a `{kind}` backend itself")]
    OtherBackend {
        /// Terraform's name of the backend.
        kind: String,
    },
}

impl StateError {
    /// Whether AWS itself says that this is somebody else's: a refusal.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Aws { cause, .. } | Self::Unwritable { cause, .. } => cause.is_refusal(),
            _ => false,
        }
    }

    /// What to do next, where something can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Aws { cause, .. } => match cause {
                AwsError::AccessDenied { action, .. } if action.contains("Version") => {
                    Some(format!("allow `{action}` for the history of states"))
                }
                // Without `s3:ListBucket`, S3 answers 403 for a key that is not there.
                AwsError::AccessDenied { .. } => Some(
                    "allow `s3:GetObject` on the key and `s3:ListBucket` on the bucket, and `kms:Decrypt` where the bucket uses a KMS key"
                        .to_owned(),
                ),
                other => other.hint(),
            },
            Self::Unwritable { cause, .. } => match cause {
                AwsError::AccessDenied { .. } => Some(
                    "allow `s3:PutObject`, `s3:DeleteObject` and `s3:DeleteObjectVersion` on the key and on `KEY.tflock`, and `kms:GenerateDataKey` where a KMS key is used"
                        .to_owned(),
                ),
                other => other.hint(),
            },
            Self::NotAState { cause, .. } => Some(
                match cause {
                    NotAState::Malformed { .. } => {
                        "`tfw state history` lists its older versions, and `tfw state rollback` brings one back"
                    }
                    NotAState::Encrypted => "turn OpenTofu's state encryption off for states that tfw reads",
                    NotAState::OtherVersion { .. } => {
                        "let the Terraform in use write it once: `terraform apply -refresh-only`"
                    }
                }
                .to_owned(),
            ),
            Self::OtherBackend { .. } => {
                Some("`inputs` need an `s3` or a `local` backend upstream".to_owned())
            }
            Self::File { .. } | Self::NotALock { .. } => None,
        }
    }
}
