//! The settings of a bucket that make it safe for state: read and written one by one.

use aws_sdk_s3::types::{
    BucketVersioningStatus, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, VersioningConfiguration,
};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{AwsError, Bucket};
use crate::model::Encryption;

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

/// The default encryption of a bucket, as S3 tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefaultEncryption {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub algorithm: String,
    /// The KMS key; `None`: AWS's own.
    pub key: Option<String>,
    /// Whether S3 asks KMS once per bucket and time instead of once per object.
    pub bucket_key: bool,
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
        let answer = self
            .client
            .get_bucket_versioning()
            .bucket(self.name().as_str())
            .expected_bucket_owner(self.owner().as_str())
            .send()
            .await
            .map_err(|error| self.failure("s3:GetBucketVersioning", "", &error))?;
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
        self.client
            .put_bucket_versioning()
            .bucket(self.name().as_str())
            .expected_bucket_owner(self.owner().as_str())
            .versioning_configuration(
                VersioningConfiguration::builder()
                    .status(BucketVersioningStatus::Enabled)
                    .build(),
            )
            .send()
            .await
            .map_err(|error| self.failure("s3:PutBucketVersioning", "", &error))?;
        Ok(())
    }

    /// The default encryption; `None`: there is none (S3 has one in every bucket since 2023, other
    /// servers need not).
    ///
    /// # Errors
    /// S3 could not or would not say.
    pub async fn encryption(&self) -> Result<Option<DefaultEncryption>, AwsError> {
        let answer = self
            .client
            .get_bucket_encryption()
            .bucket(self.name().as_str())
            .expected_bucket_owner(self.owner().as_str())
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if is_unset(&error) => return Ok(None),
            Err(error) => return Err(self.failure("s3:GetEncryptionConfiguration", "", &error)),
        };
        let rule = answer
            .server_side_encryption_configuration()
            .and_then(|configuration| configuration.rules().first());
        Ok(rule.and_then(|rule| {
            let default = rule.apply_server_side_encryption_by_default()?;
            Some(DefaultEncryption {
                algorithm: default.sse_algorithm().as_str().to_owned(),
                key: default
                    .kms_master_key_id()
                    .filter(|key| !key.is_empty())
                    .map(str::to_owned),
                bucket_key: rule.bucket_key_enabled().unwrap_or_default(),
            })
        }))
    }

    /// Sets the default encryption. KMS always with a bucket key, which saves most of KMS's cost.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn set_encryption(&self, encryption: &Encryption) -> Result<(), AwsError> {
        let (default, bucket_key) = match encryption {
            Encryption::Aes256 => (
                ServerSideEncryptionByDefault::builder()
                    .sse_algorithm(ServerSideEncryption::Aes256),
                None,
            ),
            Encryption::Kms { key } => (
                ServerSideEncryptionByDefault::builder()
                    .sse_algorithm(ServerSideEncryption::AwsKms)
                    .set_kms_master_key_id(key.clone()),
                Some(true),
            ),
        };
        let unbuilt = |error: aws_smithy_types::error::operation::BuildError| AwsError::Other {
            action: "s3:PutEncryptionConfiguration".to_owned(),
            code: "request not sent".to_owned(),
            message: error.to_string(),
            request_id: None,
        };
        let configuration = ServerSideEncryptionConfiguration::builder()
            .rules(
                ServerSideEncryptionRule::builder()
                    .apply_server_side_encryption_by_default(default.build().map_err(unbuilt)?)
                    .set_bucket_key_enabled(bucket_key)
                    .build(),
            )
            .build()
            .map_err(unbuilt)?;
        self.client
            .put_bucket_encryption()
            .bucket(self.name().as_str())
            .expected_bucket_owner(self.owner().as_str())
            .server_side_encryption_configuration(configuration)
            .send()
            .await
            .map_err(|error| self.failure("s3:PutEncryptionConfiguration", "", &error))?;
        Ok(())
    }

    /// Which public access is blocked.
    ///
    /// # Errors
    /// S3 could not or would not say.
    pub async fn public_access_block(&self) -> Result<PublicAccessBlock, AwsError> {
        let answer = self
            .client
            .get_public_access_block()
            .bucket(self.name().as_str())
            .expected_bucket_owner(self.owner().as_str())
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if is_unset(&error) => return Ok(PublicAccessBlock::default()),
            Err(error) => return Err(self.failure("s3:GetBucketPublicAccessBlock", "", &error)),
        };
        Ok(answer
            .public_access_block_configuration()
            .map(|block| PublicAccessBlock {
                block_public_acls: block.block_public_acls().unwrap_or_default(),
                ignore_public_acls: block.ignore_public_acls().unwrap_or_default(),
                block_public_policy: block.block_public_policy().unwrap_or_default(),
                restrict_public_buckets: block.restrict_public_buckets().unwrap_or_default(),
            })
            .unwrap_or_default())
    }

    /// Blocks all public access.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn block_public_access(&self) -> Result<(), AwsError> {
        self.client
            .put_public_access_block()
            .bucket(self.name().as_str())
            .expected_bucket_owner(self.owner().as_str())
            .public_access_block_configuration(
                PublicAccessBlockConfiguration::builder()
                    .block_public_acls(true)
                    .ignore_public_acls(true)
                    .block_public_policy(true)
                    .restrict_public_buckets(true)
                    .build(),
            )
            .send()
            .await
            .map_err(|error| self.failure("s3:PutBucketPublicAccessBlock", "", &error))?;
        Ok(())
    }

    /// Who owns new objects: `BucketOwnerEnforced`, `BucketOwnerPreferred`, `ObjectWriter`; `None`:
    /// not set.
    ///
    /// # Errors
    /// S3 could not or would not say.
    pub async fn object_ownership(&self) -> Result<Option<String>, AwsError> {
        let answer = self
            .client
            .get_bucket_ownership_controls()
            .bucket(self.name().as_str())
            .expected_bucket_owner(self.owner().as_str())
            .send()
            .await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if is_unset(&error) => return Ok(None),
            Err(error) => return Err(self.failure("s3:GetBucketOwnershipControls", "", &error)),
        };
        Ok(answer
            .ownership_controls()
            .and_then(|controls| controls.rules().first())
            .map(|rule| rule.object_ownership().as_str().to_owned()))
    }

    /// Switches ACLs off: the bucket's owner owns every object.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn enforce_object_ownership(&self) -> Result<(), AwsError> {
        let action = "s3:PutBucketOwnershipControls";
        let unbuilt = |error: aws_smithy_types::error::operation::BuildError| AwsError::Other {
            action: action.to_owned(),
            code: "request not sent".to_owned(),
            message: error.to_string(),
            request_id: None,
        };
        let rule = OwnershipControlsRule::builder()
            .object_ownership(ObjectOwnership::BucketOwnerEnforced)
            .build()
            .map_err(unbuilt)?;
        self.client
            .put_bucket_ownership_controls()
            .bucket(self.name().as_str())
            .expected_bucket_owner(self.owner().as_str())
            .ownership_controls(
                OwnershipControls::builder()
                    .rules(rule)
                    .build()
                    .map_err(unbuilt)?,
            )
            .send()
            .await
            .map_err(|error| self.failure(action, "", &error))?;
        Ok(())
    }
}

/// Whether S3 says that a setting was never made, which it does with a 404 and a code per setting.
fn is_unset<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    matches!(
        error.code(),
        Some(
            "ServerSideEncryptionConfigurationNotFoundError"
                | "NoSuchPublicAccessBlockConfiguration"
                | "OwnershipControlsNotFoundError"
        )
    )
}
