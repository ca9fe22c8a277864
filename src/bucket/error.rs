//! Why a bucket cannot be used.

use crate::aws::AwsError;
use crate::model::AccountId;

/// A bucket cannot be looked at, or created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BucketError {
    /// AWS could not or would not.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// The bucket would be created in another account than the manifest says.
    #[error(
        "the bucket `{bucket}` does not exist, and account {account} cannot create it in account {owner}"
    )]
    NotTheOwner {
        /// The bucket.
        bucket: String,
        /// The account of the credentials.
        account: AccountId,
        /// The account that should own the bucket.
        owner: AccountId,
    },
    /// The bucket exists now, and one of its settings could not be made.
    #[error("the bucket `{bucket}` was created, but {setting} could not be set: {cause}")]
    SettingFailed {
        /// The bucket.
        bucket: String,
        /// The setting.
        setting: &'static str,
        /// Why.
        cause: AwsError,
    },
    /// The bucket exists now, and a setting that was made reads back as something else.
    #[error("the bucket `{bucket}` was created, but {setting} is {actual} instead of {desired}")]
    NotReadBack {
        /// The bucket.
        bucket: String,
        /// The setting.
        setting: &'static str,
        /// What it is.
        actual: String,
        /// What was set.
        desired: String,
    },
}

impl BucketError {
    /// Whether a guard said no (exit code 4), in contrast to something that failed (exit code 1).
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Aws(cause) => cause.is_refusal(),
            Self::NotTheOwner { .. } => true,
            Self::SettingFailed { .. } | Self::NotReadBack { .. } => false,
        }
    }

    /// What to do next, where something can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Aws(cause) => cause.hint(),
            Self::NotTheOwner { owner, .. } => Some(format!(
                "set `backend.role_arn` to a role of account {owner}, or create the bucket there by other means"
            )),
            Self::SettingFailed { cause, .. } => Some(format!(
                "the bucket stays as it is{}",
                cause.hint().map(|hint| format!("; {hint}")).unwrap_or_default()
            )),
            Self::NotReadBack { .. } => Some(
                "look at the bucket: something else, such as a policy of the organisation, may have changed it"
                    .to_owned(),
            ),
        }
    }
}
