//! Why a bucket cannot be used.

use super::Setting;
use super::plan::Change;
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
    /// A policy has locked out whoever has set it.
    #[error(
        "the new policy of the bucket `{bucket}` locked out `{arn}`, and {}",
        match left {
            None => "the one before is in its place again".to_owned(),
            Some(cause) => format!("the one before could not be put in its place again: {cause}"),
        }
    )]
    LockedOut {
        /// The bucket.
        bucket: String,
        /// Whose credentials set it.
        arn: String,
        /// Why it is still there; `None`: it is not.
        left: Option<Box<AwsError>>,
    },
    /// The bucket is not what somebody has agreed to change.
    #[error("the bucket `{bucket}` has changed since it was shown: `{difference}` is new")]
    Changed {
        /// The bucket.
        bucket: String,
        /// What was not shown.
        difference: String,
    },
    /// Settings could not be made; all others were.
    #[error("{}", failures.iter().map(|failure| failure.text(bucket)).collect::<Vec<_>>().join("; "))]
    SettingsFailed {
        /// The bucket.
        bucket: String,
        /// Which, and why.
        failures: Vec<SettingFailure>,
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
    /// A key was created, and it is not known whether it has its name.
    #[error("the new KMS key `{key}` may not be `{alias}`, and is not deleted again: {cause}")]
    KeyLeft {
        /// The key's ARN.
        key: String,
        /// The name that it was to have.
        alias: String,
        /// Why.
        cause: Box<AwsError>,
    },
}

/// Settings that are written at once and could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingFailure {
    settings: Vec<Setting>,
    cause: AwsError,
    /// Whether it is a policy that lets in everybody.
    is_public_policy: bool,
}

impl SettingFailure {
    pub(super) fn of(change: &Change, cause: AwsError) -> Self {
        Self {
            settings: change.settings(),
            cause,
            is_public_policy: matches!(
                change,
                Change::Policy {
                    is_public: true,
                    ..
                }
            ),
        }
    }

    fn text(&self, bucket: &str) -> String {
        let names: Vec<String> = self
            .settings
            .iter()
            .map(|each| format!("`{each}`"))
            .collect();
        format!(
            "{} of the bucket `{bucket}` could not be set: {}",
            names.join(" and "),
            self.cause
        )
    }

    fn hint(&self) -> String {
        let hint = match &self.cause {
            AwsError::AccessDenied { message, .. }
                if self.is_public_policy || message.contains("BlockPublicPolicy") =>
            {
                Some("a statement of the policy that is not tfw's lets everybody in, which the blocks of public access refuse: take it out first".to_owned())
            }
            cause => cause.hint(),
        };
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("everything else is made{hint}")
    }
}

impl BucketError {
    /// What there is to say, each with what to do about it.
    pub fn parts(&self) -> Vec<(String, Option<String>)> {
        match self {
            Self::SettingsFailed { bucket, failures } => failures
                .iter()
                .map(|failure| (failure.text(bucket), Some(failure.hint())))
                .collect(),
            _ => vec![(self.to_string(), self.hint())],
        }
    }

    /// Whether a guard said no (exit code 4), in contrast to something that failed (exit code 1).
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Aws(cause) => cause.is_refusal(),
            Self::NotTheOwner { .. } | Self::LocksOut { .. } | Self::Changed { .. } => true,
            Self::NoKey { .. }
            | Self::LockedOut { .. }
            | Self::SettingsFailed { .. }
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
            Self::LockedOut { left: None, .. } => Some(
                "see who is let in: something that tfw does not know denies it".to_owned(),
            ),
            Self::LockedOut { left: Some(_), .. } => Some(
                "the account's root user is let in: have it correct the policy".to_owned(),
            ),
            Self::Changed { .. } => {
                Some("run it again: then it shows what there is to do now".to_owned())
            }
            Self::SettingsFailed { failures, .. } => failures.first().map(SettingFailure::hint),
            Self::NotReadBack { .. } => Some(
                "look at the bucket: something else, such as a policy of the organisation, may have changed it"
                    .to_owned(),
            ),
            Self::KeyLeft { key, .. } => Some(format!(
                "see whether it has an alias (`aws kms list-aliases --key-id {key}`); if not, `aws kms schedule-key-deletion --key-id {key}` deletes it, and nothing is encrypted with it"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(message: &str) -> AwsError {
        AwsError::AccessDenied {
            action: "s3:PutBucketPolicy".to_owned(),
            message: message.to_owned(),
        }
    }

    fn policy(is_public: bool) -> Change {
        Change::Policy {
            text: None,
            before: None,
            settings: vec![Setting::ForceTls, Setting::AllowedPrincipals],
            is_public,
        }
    }

    #[test]
    fn each_failure_is_told_by_the_settings_that_it_is_about() {
        let failed = BucketError::SettingsFailed {
            bucket: "b".to_owned(),
            failures: vec![
                SettingFailure::of(&policy(false), denied("no")),
                SettingFailure::of(&Change::EnableVersioning, denied("no")),
            ],
        };
        let parts = failed.parts();
        assert!(
            parts[0]
                .0
                .starts_with("`force_tls` and `allowed_principals` of the bucket `b` could not")
        );
        assert!(parts[1].0.starts_with("`versioning` of the bucket `b`"));
    }

    #[test]
    fn a_public_statement_that_is_refused_is_said_to_be_in_the_way() {
        for (is_public, message, told) in [
            (true, "no", true),
            (false, "prevented by the BlockPublicPolicy setting", true),
            (false, "no", false),
        ] {
            let failure = SettingFailure::of(&policy(is_public), denied(message));
            assert_eq!(
                failure.hint().contains("lets everybody in"),
                told,
                "{message}"
            );
        }
    }
}
