//! The default encryption of a bucket.

use aws_sdk_s3::types::{
    BlockedEncryptionTypes, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
};

use super::{ask, unbuilt, unless_unset};
use crate::aws::{AwsError, Bucket};

/// The default encryption of a bucket, as S3 tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct DefaultEncryption {
    /// `AES256`, `aws:kms` or `aws:kms:dsse`.
    pub algorithm: String,
    /// The KMS key; `None`: AWS's own.
    pub key: Option<String>,
    /// Whether S3 asks KMS once per bucket and time instead of once per object.
    pub bucket_key: bool,
    /// What S3 refuses to be encrypted with, which is none of tfw's business and stays.
    blocked: Option<BlockedEncryptionTypes>,
}

impl DefaultEncryption {
    /// One that refuses nothing.
    pub fn new(algorithm: impl Into<String>, key: Option<String>, bucket_key: bool) -> Self {
        Self {
            algorithm: algorithm.into(),
            key,
            bucket_key,
            blocked: None,
        }
    }

    /// The same, with the rest of another one.
    #[must_use]
    pub fn in_place_of(mut self, other: Option<&Self>) -> Self {
        self.blocked = other.and_then(|other| other.blocked.clone());
        self
    }

    /// Whether S3 asks KMS for keys.
    pub fn is_kms(&self) -> bool {
        self.algorithm.starts_with("aws:kms")
    }
}

impl Bucket {
    /// The default encryption; `None`: there is none (S3 has one in every bucket since 2023, other
    /// servers need not).
    ///
    /// # Errors
    /// S3 could not or would not say.
    pub async fn encryption(&self) -> Result<Option<DefaultEncryption>, AwsError> {
        let answer = ask!(self, get_bucket_encryption, "s3:GetEncryptionConfiguration");
        let configuration =
            unless_unset(answer)?.and_then(|answer| answer.server_side_encryption_configuration);
        let rule = configuration.and_then(|configuration| configuration.rules.into_iter().next());
        Ok(rule.and_then(|rule| {
            let default = rule.apply_server_side_encryption_by_default()?;
            Some(DefaultEncryption {
                algorithm: default.sse_algorithm().as_str().to_owned(),
                key: default
                    .kms_master_key_id()
                    .filter(|key| !key.is_empty())
                    .map(str::to_owned),
                bucket_key: rule.bucket_key_enabled().unwrap_or_default(),
                blocked: rule.blocked_encryption_types,
            })
        }))
    }

    /// Sets the default encryption.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn set_encryption(&self, encryption: &DefaultEncryption) -> Result<(), AwsError> {
        let unbuilt = unbuilt("s3:PutEncryptionConfiguration");
        let default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(ServerSideEncryption::from(encryption.algorithm.as_str()))
            .set_kms_master_key_id(encryption.key.clone())
            .build()
            .map_err(&unbuilt)?;
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(default)
            .set_bucket_key_enabled(encryption.bucket_key.then_some(true))
            .set_blocked_encryption_types(encryption.blocked.clone())
            .build();
        let configuration = ServerSideEncryptionConfiguration::builder()
            .rules(rule)
            .build()
            .map_err(&unbuilt)?;
        ask!(
            self,
            put_bucket_encryption,
            "s3:PutEncryptionConfiguration",
            server_side_encryption_configuration(configuration)
        )
        .map(drop)
    }
}
