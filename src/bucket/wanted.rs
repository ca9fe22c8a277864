//! What a bucket must be like, in AWS's terms.

use std::collections::{BTreeMap, BTreeSet};

use super::Setting;
use super::policy::{Caller, Insiders};
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
    /// Whether Terraform is given a KMS key for them.
    pub(super) states_have_key: bool,
    /// All that tfw acts as in the bucket.
    pub(super) callers: Vec<Caller>,
    /// Whether S3 is reached by TLS.
    pub(super) by_tls: bool,
    /// Whether tfw creates the bucket.
    pub(super) is_new: bool,
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
            states_have_key: backend.kms_key_id.is_some(),
            callers: Vec::new(),
            by_tls: bucket.is_reached_by_tls(),
            is_new: false,
            weaker: BTreeSet::new(),
            project: None,
        }
    }

    /// The same, for all that tfw acts as in the bucket: none of them may be locked out.
    #[must_use]
    pub fn acting_as(mut self, callers: &[Caller]) -> Self {
        self.callers = callers.to_vec();
        self
    }

    /// The same, for a bucket that is created.
    #[must_use]
    pub fn of_new_bucket(mut self, is_new: bool) -> Self {
        self.is_new = is_new;
        self
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

    /// Whether TLS is forced by default alone.
    pub(super) fn presumes_tls(&self) -> bool {
        self.force_tls && self.spec.force_tls.is_none() && self.insiders.is_none()
    }

    /// The same without that.
    pub(super) fn without_tls(&self) -> Self {
        Self {
            force_tls: false,
            ..self.clone()
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

    /// The tags that the bucket must have.
    pub(super) fn tags(&self) -> BTreeMap<String, String> {
        if self.is_new {
            self.new_tags()
        } else {
            self.spec.tags.clone()
        }
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
