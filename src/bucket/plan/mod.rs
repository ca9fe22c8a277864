//! The difference between what a bucket is and what it must be, as data.

mod access;
mod basics;
mod encryption;
mod key;
mod lifecycle;
mod lockout;
mod notes;

pub(super) use access::LetIn;
pub use encryption::{same_key, short};
pub(super) use key::new_key_policy;

use std::collections::BTreeMap;
use std::fmt;

use super::actual::Read;
use super::{Actual, BucketError, Wanted};
use crate::aws::{DefaultEncryption, Lifecycle, LogTarget};
use crate::model::{Action, Difference, Reason};

/// A setting that tfw cares for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// Whether there is a bucket.
    Bucket,
    /// Whether there is a KMS key.
    KmsKey,
    /// KMS makes new key material every year.
    KmsKeyRotation,
    /// The account is in charge of the key, and those of other accounts may use it.
    KmsKeyPolicy,
    /// The four blocks of public access.
    PublicAccessBlock,
    /// ACLs are off.
    ObjectOwnership,
    /// Old versions of states are kept.
    Versioning,
    /// Objects are encrypted as the manifest says.
    Encryption,
    /// The policy denies what does not come over TLS.
    ForceTls,
    /// The policy denies everybody else.
    AllowedPrincipals,
    /// Old versions are removed in time, and current ones never.
    NoncurrentDays,
    /// S3 writes access logs.
    AccessLogBucket,
    /// Tags.
    Tags,
    /// The states themselves are encrypted as the manifest says.
    StateEncryption,
}

impl Setting {
    /// Those that can be stronger than asked for, so that there is something to weaken.
    pub const WEAKENED: [Self; 5] = [
        Self::KmsKeyPolicy,
        Self::Encryption,
        Self::ForceTls,
        Self::AllowedPrincipals,
        Self::NoncurrentDays,
    ];

    /// Its name: the manifest's, where it has one.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::KmsKey => "kms_key",
            Self::KmsKeyRotation => "kms_key_rotation",
            Self::KmsKeyPolicy => "kms_key_policy",
            Self::PublicAccessBlock => "public_access_block",
            Self::ObjectOwnership => "object_ownership",
            Self::Versioning => "versioning",
            Self::Encryption => "encryption",
            Self::ForceTls => "force_tls",
            Self::AllowedPrincipals => "allowed_principals",
            Self::NoncurrentDays => "noncurrent_days",
            Self::AccessLogBucket => "access_log_bucket",
            Self::Tags => "tags",
            Self::StateEncryption => "state_encryption",
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is to be done, and what is shown of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// In the order in which they are mended.
    pub differences: Vec<Difference>,
    /// In a safe order: nothing is open for a moment that is closed in the end.
    pub(super) changes: Vec<Change>,
    /// Why carrying it out would lock somebody out who uses the bucket.
    pub(super) lockout: Option<BucketError>,
    /// Who gets at the states afterwards.
    pub(super) let_in: LetIn,
}

impl Plan {
    /// Refuses a policy that would lock out whoever is about to set it.
    ///
    /// # Errors
    /// [`BucketError::LocksOut`].
    pub fn check_lockout(&self) -> Result<(), BucketError> {
        self.lockout.clone().map_or(Ok(()), Err)
    }

    /// As it was shown, where the rest was made by another look.
    pub(super) fn after(self, shown: Self) -> Self {
        Self {
            differences: shown.differences,
            ..self
        }
    }

    /// The same, with TLS that is not forced, since that would lock everybody out.
    pub(super) fn without_tls(mut self) -> Self {
        let of_tls = self.differences.iter_mut();
        for difference in of_tls.filter(|each| each.setting == Setting::ForceTls.name()) {
            difference.action = Action::Keep;
            difference.reason = Some(Reason::Foreign(
                "this server takes requests over TLS for others, and would lock everybody out; `bucket.force_tls = false` says that this is well".to_owned(),
            ));
        }
        self
    }

    /// The first thing that this one does and another one, which was shown, did not say.
    pub(super) fn beyond(&self, shown: &Self) -> Option<&Difference> {
        let done = self.differences.iter();
        done.filter(|each| each.action != Action::Keep)
            .find(|each| !shown.differences.contains(each))
    }

    /// The names of the settings that are set or changed, each once.
    pub fn settings_set(&self) -> Vec<&'static str> {
        let set = self.differences.iter();
        let mut names: Vec<&'static str> = set
            .filter(|difference| difference.action != Action::Keep)
            .map(|difference| difference.setting)
            .collect();
        names.dedup();
        names
    }

    /// Whether nothing is to be written.
    pub fn is_done(&self) -> bool {
        self.changes.is_empty()
            && !self
                .differences
                .iter()
                .any(|difference| difference.action != Action::Keep)
    }
}

/// One write.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    BlockPublicAccess,
    EnforceObjectOwnership,
    EnableVersioning,
    RotateKey(String),
    KeyPolicy {
        key: String,
        policy: String,
    },
    Encryption(DefaultEncryption),
    Policy {
        /// `None`: there is to be none.
        text: Option<String>,
        /// What is there.
        before: Option<String>,
        /// What it is changed for.
        settings: Vec<Setting>,
        /// Whether a statement in it lets in everybody, which blocks of public access refuse.
        is_public: bool,
    },
    Lifecycle(Lifecycle),
    Logging(LogTarget),
    Tags(BTreeMap<String, String>),
}

impl Change {
    /// What it changes.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let setting = match self {
            Self::BlockPublicAccess => Setting::PublicAccessBlock,
            Self::EnforceObjectOwnership => Setting::ObjectOwnership,
            Self::EnableVersioning => Setting::Versioning,
            Self::RotateKey(_) => Setting::KmsKeyRotation,
            Self::KeyPolicy { .. } => Setting::KmsKeyPolicy,
            Self::Encryption(_) => Setting::Encryption,
            Self::Policy { settings, .. } => return settings.clone(),
            Self::Lifecycle(_) => Setting::NoncurrentDays,
            Self::Logging(_) => Setting::AccessLogBucket,
            Self::Tags(_) => Setting::Tags,
        };
        vec![setting]
    }
}

/// Holds a bucket against what it must be.
pub fn plan(actual: &Actual, wanted: &Wanted) -> Plan {
    let mut found = Findings::default();
    if !actual.exists {
        found.add(
            Setting::Bucket,
            None,
            format!("{} in {}", wanted.bucket, wanted.region),
        );
    }
    let let_in = access::let_in(actual, wanted);
    basics::access(actual, &mut found);
    basics::versioning(actual, &mut found);
    key::key(actual, wanted, &let_in, &mut found);
    encryption::bucket(actual, wanted, &mut found);
    access::policy(actual, wanted, &let_in, &mut found);
    lifecycle::old_versions(actual, wanted, &mut found);
    notes::logging(actual, wanted, &mut found);
    notes::tags(actual, wanted, &mut found);
    Plan {
        differences: found.differences,
        changes: found.changes,
        lockout: found.lockout,
        let_in,
    }
}

/// Differences while they are collected.
#[derive(Debug, Default)]
struct Findings {
    differences: Vec<Difference>,
    changes: Vec<Change>,
    lockout: Option<BucketError>,
}

impl Findings {
    /// Something that is not set, or is set otherwise: `actual` says which.
    fn add(&mut self, setting: Setting, actual: Option<String>, desired: impl Into<String>) {
        let action = match actual {
            None => Action::Add,
            Some(_) => Action::Change,
        };
        self.differences.push(Difference {
            setting: setting.name(),
            actual,
            desired: desired.into(),
            action,
            reason: None,
        });
    }

    /// Something that is kept as it is.
    fn keep(
        &mut self,
        setting: Setting,
        actual: Option<String>,
        desired: impl Into<String>,
        reason: Reason,
    ) {
        self.differences.push(Difference {
            setting: setting.name(),
            actual,
            desired: desired.into(),
            action: Action::Keep,
            reason: Some(reason),
        });
    }

    fn change(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// The value, where it could be read; that it could not is noted.
    fn known<'a, T>(
        &mut self,
        read: &'a Read<T>,
        setting: Setting,
        desired: &str,
    ) -> Option<&'a T> {
        match read {
            Ok(value) => Some(value),
            Err(why) => {
                self.keep(setting, None, desired, Reason::Unreadable(why.clone()));
                None
            }
        }
    }
}

#[cfg(test)]
pub(in crate::bucket) mod testing {
    use std::collections::BTreeSet;

    use super::*;
    use crate::bucket::policy::Insiders;
    use crate::model::{BucketSpec, Encryption};

    /// A bucket that is asked for nothing special.
    pub(in crate::bucket) fn wanted() -> Wanted {
        Wanted {
            bucket: "b".to_owned(),
            region: "eu-central-1".to_owned(),
            partition: "aws",
            owner: "111111111111".parse().unwrap(),
            spec: BucketSpec::new(Encryption::Aes256),
            force_tls: false,
            insiders: None,
            keys: vec!["app/terraform.tfstate".to_owned()],
            states_have_key: false,
            callers: Vec::new(),
            by_tls: true,
            is_new: false,
            weaker: BTreeSet::new(),
            project: None,
        }
    }

    /// Those who are let in.
    pub(in crate::bucket) fn insiders(arns: &[&str]) -> Insiders {
        Insiders(arns.iter().map(|arn| (*arn).to_owned()).collect())
    }

    /// The findings of one part, a line each.
    pub(in crate::bucket) fn lines(plan: &[Difference]) -> Vec<String> {
        let line = |each: &Difference| {
            let actual = each.actual.as_deref().unwrap_or("-");
            let reason = each.reason.as_ref().map(|reason| format!(" ({reason:?})"));
            format!(
                "{:?} {} {actual} → {}{}",
                each.action,
                each.setting,
                each.desired,
                reason.unwrap_or_default()
            )
        };
        plan.iter().map(line).collect()
    }

    #[test]
    fn a_plan_goes_beyond_another_by_what_that_did_not_say() {
        let mut actual = Actual::bare();
        let shown = plan(&actual, &wanted());
        assert_eq!(shown.beyond(&shown), None);
        actual.versioning = Ok(crate::aws::Versioning::Enabled);
        let less = plan(&actual, &wanted());
        assert_eq!(less.beyond(&shown), None, "somebody has done a part of it");
        let more = shown.beyond(&less).map(|each| each.setting);
        assert_eq!(more, Some("versioning"));
    }
}
