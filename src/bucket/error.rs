//! Why a bucket cannot be used.

use super::Setting;
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
    /// The manifest wants a KMS key that does not exist.
    #[error("the KMS key `{key}` does not exist")]
    NoKey {
        /// The key.
        key: String,
        /// Whether it is an alias, which tfw could create a key for.
        is_alias: bool,
    },
    /// The policy would lock out whoever sets it, or everybody.
    #[error("`{setting}` would lock tfw out of the bucket `{bucket}`: {because}")]
    LocksOut {
        /// The bucket.
        bucket: String,
        /// The setting.
        setting: Setting,
        /// Why.
        because: String,
        /// What to do.
        hint: String,
    },
    /// A setting could not be made.
    #[error("`{setting}` of the bucket `{bucket}` could not be set: {cause}")]
    SettingFailed {
        /// The bucket.
        bucket: String,
        /// The setting.
        setting: Setting,
        /// Why.
        cause: AwsError,
    },
    /// A setting that was made reads back as something else.
    #[error(
        "`{setting}` of the bucket `{bucket}` was set to {desired}, and reads back as {actual}"
    )]
    NotReadBack {
        /// The bucket.
        bucket: String,
        /// The setting.
        setting: Setting,
        /// What it is.
        actual: String,
        /// What was set.
        desired: String,
    },
    /// A key was created in vain, and could not be deleted.
    #[error("the new KMS key `{key}` is neither `{alias}` nor deleted again: {cause}")]
    KeyLeft {
        /// The key's ARN.
        key: String,
        /// The name that it was to have.
        alias: String,
        /// Why.
        cause: Box<AwsError>,
    },
}

impl BucketError {
    /// Whether a guard said no (exit code 4), in contrast to something that failed (exit code 1).
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Aws(cause) => cause.is_refusal(),
            Self::NotTheOwner { .. } | Self::LocksOut { .. } => true,
            Self::NoKey { .. }
            | Self::SettingFailed { .. }
            | Self::NotReadBack { .. }
            | Self::KeyLeft { .. } => false,
        }
    }

    /// What to do next, where something can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Aws(cause) => cause.hint(),
            Self::NotTheOwner { owner, .. } => Some(format!(
                "set `backend.role_arn` to a role of account {owner}, or create the bucket there by other means"
            )),
            Self::NoKey { is_alias: true, .. } => Some(
                "`bucket.create_kms_key = true` has tfw create it, or name one that exists".to_owned(),
            ),
            Self::NoKey { is_alias: false, .. } => Some("name one that exists".to_owned()),
            Self::LocksOut { hint, .. } => Some(hint.clone()),
            Self::SettingFailed { cause, .. } => Some(format!(
                "what was set before stays, and the rest is as it was{}",
                cause.hint().map(|hint| format!("; {hint}")).unwrap_or_default()
            )),
            Self::NotReadBack { .. } => Some(
                "look at the bucket: something else, such as a policy of the organisation, may have changed it"
                    .to_owned(),
            ),
            Self::KeyLeft { key, .. } => Some(format!(
                "`aws kms schedule-key-deletion --key-id {key}` deletes it; nothing is encrypted with it"
            )),
        }
    }
}
