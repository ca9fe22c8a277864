//! Versions, and who gets at the bucket: blocks of public access, object ownership, the policy.

use aws_sdk_s3::types::{
    BucketVersioningStatus, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PublicAccessBlockConfiguration, VersioningConfiguration,
};

use super::{ask, unbuilt, unless_unset};
use crate::aws::{AwsError, Bucket};

/// Whether a bucket keeps old versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versioning {
    /// It does.
    Enabled,
    /// It did once.
    Suspended,
    /// It never did.
    Off,
}

/// The four blocks of public access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent switches of S3"
)]
pub struct PublicAccessBlock {
    /// New public ACLs are refused.
    pub block_public_acls: bool,
    /// Public ACLs have no effect.
    pub ignore_public_acls: bool,
    /// New public policies are refused.
    pub block_public_policy: bool,
    /// Public policies let in only the account itself.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// All four on.
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };
}

impl Bucket {
    /// Whether old versions are kept.
    ///
    /// # Errors
    /// S3 could not or would not say.
    pub async fn versioning(&self) -> Result<Versioning, AwsError> {
        let answer = ask!(self, get_bucket_versioning, "s3:GetBucketVersioning")?;
        Ok(match answer.status() {
            Some(BucketVersioningStatus::Enabled) => Versioning::Enabled,
            Some(BucketVersioningStatus::Suspended) => Versioning::Suspended,
            _ => Versioning::Off,
        })
    }

    /// Keeps old versions from now on.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn enable_versioning(&self) -> Result<(), AwsError> {
        let enabled = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Enabled)
            .build();
        ask!(
            self,
            put_bucket_versioning,
            "s3:PutBucketVersioning",
            versioning_configuration(enabled)
        )
        .map(drop)
    }

    /// Which public access is blocked.
    ///
    /// # Errors
    /// S3 could not or would not say.
    pub async fn public_access_block(&self) -> Result<PublicAccessBlock, AwsError> {
        let answer = ask!(
            self,
            get_public_access_block,
            "s3:GetBucketPublicAccessBlock"
        );
        let configuration = unless_unset(answer)?
            .and_then(|answer| answer.public_access_block_configuration)
            .map(|block| PublicAccessBlock {
                block_public_acls: block.block_public_acls().unwrap_or_default(),
                ignore_public_acls: block.ignore_public_acls().unwrap_or_default(),
                block_public_policy: block.block_public_policy().unwrap_or_default(),
                restrict_public_buckets: block.restrict_public_buckets().unwrap_or_default(),
            });
        Ok(configuration.unwrap_or_default())
    }

    /// Blocks all public access.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn block_public_access(&self) -> Result<(), AwsError> {
        let all = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        ask!(
            self,
            put_public_access_block,
            "s3:PutBucketPublicAccessBlock",
            public_access_block_configuration(all)
        )
        .map(drop)
    }

    /// Who owns new objects: `BucketOwnerEnforced`, `BucketOwnerPreferred`, `ObjectWriter`; `None`:
    /// not set.
    ///
    /// # Errors
    /// S3 could not or would not say.
    pub async fn object_ownership(&self) -> Result<Option<String>, AwsError> {
        let answer = ask!(
            self,
            get_bucket_ownership_controls,
            "s3:GetBucketOwnershipControls"
        );
        let controls = unless_unset(answer)?.and_then(|answer| answer.ownership_controls);
        let rule = controls.and_then(|controls| controls.rules.into_iter().next());
        Ok(rule.map(|rule| rule.object_ownership().as_str().to_owned()))
    }

    /// Switches ACLs off: the bucket's owner owns every object.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn enforce_object_ownership(&self) -> Result<(), AwsError> {
        let unbuilt = unbuilt("s3:PutBucketOwnershipControls");
        let rule = OwnershipControlsRule::builder()
            .object_ownership(ObjectOwnership::BucketOwnerEnforced)
            .build()
            .map_err(&unbuilt)?;
        let controls = OwnershipControls::builder()
            .rules(rule)
            .build()
            .map_err(&unbuilt)?;
        ask!(
            self,
            put_bucket_ownership_controls,
            "s3:PutBucketOwnershipControls",
            ownership_controls(controls)
        )
        .map(drop)
    }

    /// The bucket's policy, as it was written; `None`: it has none.
    ///
    /// # Errors
    /// S3 could not or would not say.
    pub async fn policy(&self) -> Result<Option<String>, AwsError> {
        let answer = ask!(self, get_bucket_policy, "s3:GetBucketPolicy");
        let policy = unless_unset(answer)?.and_then(|answer| answer.policy);
        Ok(policy.filter(|policy| !policy.trim().is_empty()))
    }

    /// Replaces the bucket's policy.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn set_policy(&self, policy: &str) -> Result<(), AwsError> {
        ask!(
            self,
            put_bucket_policy,
            "s3:PutBucketPolicy",
            policy(policy)
        )
        .map(drop)
    }

    /// Takes the bucket's policy away. That there is none is well, too.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn remove_policy(&self) -> Result<(), AwsError> {
        let answer = ask!(self, delete_bucket_policy, "s3:DeleteBucketPolicy");
        unless_unset(answer).map(drop)
    }

    /// The role that S3 replicates the bucket with; `None`: it is not replicated.
    ///
    /// # Errors
    /// S3 could not or would not say.
    pub async fn replication_role(&self) -> Result<Option<String>, AwsError> {
        let answer = ask!(
            self,
            get_bucket_replication,
            "s3:GetReplicationConfiguration"
        );
        let configuration =
            unless_unset(answer)?.and_then(|answer| answer.replication_configuration);
        Ok(configuration
            .map(|configuration| configuration.role)
            .filter(|role| !role.is_empty()))
    }
}
