//! What a bucket must be like, in AWS's terms.

use std::collections::{BTreeMap, BTreeSet};

use super::policy::Insiders;
use super::{BucketError, Setting};
use crate::aws::Bucket;
use crate::model::{AccountId, BucketSpec, Encryption, RoleArn, S3Backend};

/// The wishes of the manifest for one bucket, with what follows from the units that use it.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub(super) bucket: String,
    pub(super) region: String,
    pub(super) partition: &'static str,
    pub(super) owner: AccountId,
    pub(super) spec: BucketSpec,
    pub(super) force_tls: bool,
    /// `None`: the policy is not about that.
    pub(super) insiders: Option<Insiders>,
    /// The keys of the states in it.
    pub(super) keys: Vec<String>,
    /// Settings that may be made weaker.
    pub(super) weaker: BTreeSet<Setting>,
    /// The project, for tags of what is created.
    pub(super) project: Option<String>,
}

impl Wanted {
    /// What `spec` comes to for a bucket. `roles` are those that tfw uses for units in it, `keys`
    /// the keys of their states.
    pub fn new(
        backend: &S3Backend,
        bucket: &Bucket,
        spec: &BucketSpec,
        roles: &[RoleArn],
        keys: Vec<String>,
    ) -> Self {
        let partition = backend.region.partition();
        let insiders = (!spec.allowed_principals.is_empty())
            .then(|| Insiders::new(&spec.allowed_principals, roles, &backend.owner, partition));
        Self {
            bucket: backend.bucket.to_string(),
            region: backend.region.to_string(),
            partition,
            owner: backend.owner.clone(),
            force_tls: spec.force_tls.unwrap_or(bucket.is_reached_by_tls()),
            spec: spec.clone(),
            insiders,
            keys,
            weaker: BTreeSet::new(),
            project: None,
        }
    }

    /// The same, with settings that may be made weaker.
    #[must_use]
    pub fn allowing_weaker(mut self, settings: &BTreeSet<Setting>) -> Self {
        self.weaker.clone_from(settings);
        self
    }

    /// The same, for a project, which stands in the tags of what is created.
    #[must_use]
    pub fn of_project(mut self, project: Option<&str>) -> Self {
        self.project = project.map(str::to_owned);
        self
    }

    /// Refuses a policy that would lock out whoever is about to set it.
    ///
    /// # Errors
    /// [`BucketError::LocksOut`].
    pub fn check_lockout(&self, bucket: &Bucket, arn: &str) -> Result<(), BucketError> {
        let refusal = |setting, because: String, hint: String| {
            Err(BucketError::LocksOut {
                bucket: self.bucket.clone(),
                setting,
                because,
                hint,
            })
        };
        if self.force_tls && !bucket.is_reached_by_tls() {
            return refusal(
                Setting::ForceTls,
                "S3 is reached without TLS here".to_owned(),
                "take `bucket.force_tls` out, or reach S3 by `https://`".to_owned(),
            );
        }
        match &self.insiders {
            Some(insiders) if !insiders.include(arn) => refusal(
                Setting::AllowedPrincipals,
                format!("`{arn}`, which tfw uses, is not among those let in"),
                "add it to `bucket.allowed_principals`, or let tfw use a role (`assume_role`), which is let in by itself"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }

    /// The key that the bucket encrypts with, where the manifest names one.
    pub(super) fn kms_key(&self) -> Option<&str> {
        match &self.spec.encryption {
            Encryption::Kms { key } => key.as_deref(),
            Encryption::Aes256 => None,
        }
    }

    pub(super) fn may_weaken(&self, setting: Setting) -> bool {
        self.weaker.contains(&setting)
    }

    /// The tags of what is created.
    pub(super) fn new_tags(&self) -> BTreeMap<String, String> {
        let mut tags = self.spec.tags.clone();
        if let Some(project) = &self.project {
            tags.entry("tfw:project".to_owned())
                .or_insert_with(|| project.clone());
        }
        tags
    }
}
