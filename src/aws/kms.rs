//! KMS keys: looked up, created, and given a name.

use std::collections::BTreeMap;

use aws_sdk_kms::Client;
use aws_sdk_kms::config::IdentityCache;
use aws_sdk_kms::types::{KeyState, MultiRegionConfiguration, MultiRegionKeyType, OriginType, Tag};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::client::{OneConnectTimeout, Service};
use super::failure::Endpoint;
use super::{AwsError, VerifiedAccount};
use crate::model::Region;

/// KMS of one region, asked with the credentials of a verified account.
#[derive(Debug, Clone)]
pub struct Kms {
    client: Client,
    endpoint: Endpoint,
}

/// A key as KMS tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsKey {
    /// Its ARN.
    pub arn: String,
    /// Whether it encrypts and decrypts; otherwise its state in AWS's word: `PendingDeletion`.
    pub state: Result<(), String>,
    /// Whether KMS can make new material for it: not where that is imported, lies in a key store of
    /// one's own, or comes from a key of another region
    /// (<https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html>).
    pub can_rotate: bool,
}

impl VerifiedAccount {
    /// KMS of a region.
    ///
    /// # Errors
    /// There are no credentials.
    pub async fn kms(&self, region: &Region) -> Result<Kms, AwsError> {
        let (aws, credentials) = self.access_to("KMS")?;
        let settings = aws.settings(region, None).await;
        let config = aws_sdk_kms::config::Builder::from(&settings)
            .credentials_provider(credentials)
            // The session is cached behind the provider, and renewed by one rule for everybody.
            .identity_cache(IdentityCache::no_cache())
            .retry_classifier(OneConnectTimeout);
        Ok(Kms {
            client: Client::from_conf(config.build()),
            endpoint: Endpoint(aws.endpoint(Service::Kms, region)),
        })
    }
}

impl Kms {
    /// The key of an ARN, of a key or an alias; `None`: there is none.
    ///
    /// # Errors
    /// KMS could not or would not say.
    pub async fn find(&self, arn: &str) -> Result<Option<KmsKey>, AwsError> {
        let answer = match self.client.describe_key().key_id(arn).send().await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("NotFoundException") => return Ok(None),
            Err(error) => return Err(self.endpoint.failure("kms:DescribeKey", arn, &error)),
        };
        Ok(answer.key_metadata.map(|key| KmsKey {
            state: match key.key_state() {
                None | Some(KeyState::Enabled) => Ok(()),
                Some(other) => Err(other.as_str().to_owned()),
            },
            can_rotate: matches!(key.origin(), None | Some(OriginType::AwsKms))
                && key
                    .multi_region_configuration()
                    .and_then(MultiRegionConfiguration::multi_region_key_type)
                    .is_none_or(|kind| *kind != MultiRegionKeyType::Replica),
            arn: key.arn.unwrap_or(key.key_id),
        }))
    }

    /// Creates a symmetric key, and gives its ARN.
    ///
    /// # Errors
    /// KMS could not or would not.
    pub async fn create(
        &self,
        description: &str,
        policy: &str,
        tags: &BTreeMap<String, String>,
    ) -> Result<String, AwsError> {
        let action = "kms:CreateKey";
        let tags: Vec<Tag> = tags
            .iter()
            .map(|(key, value)| Tag::builder().tag_key(key).tag_value(value).build())
            .collect::<Result<_, _>>()
            .map_err(|error| AwsError::Other {
                action: action.to_owned(),
                code: "request not sent".to_owned(),
                message: error.to_string(),
                request_id: None,
            })?;
        let answer = self
            .client
            .create_key()
            .description(description)
            .policy(policy)
            .set_tags((!tags.is_empty()).then_some(tags))
            .send()
            .await
            .map_err(|error| self.endpoint.failure(action, "the new key", &error))?;
        answer
            .key_metadata
            .map(|key| key.arn.unwrap_or(key.key_id))
            .ok_or_else(|| AwsError::Other {
                action: action.to_owned(),
                code: "unreadable answer".to_owned(),
                message: "KMS does not say which key it created".to_owned(),
                request_id: None,
            })
    }

    /// Gives a key a name, `alias/…`; `false`: another key has it.
    ///
    /// # Errors
    /// KMS could not or would not.
    pub async fn name(&self, alias: &str, key: &str) -> Result<bool, AwsError> {
        let answer = self
            .client
            .create_alias()
            .alias_name(alias)
            .target_key_id(key)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("AlreadyExistsException") => Ok(false),
            Err(error) => Err(self.endpoint.failure("kms:CreateAlias", alias, &error)),
        }
    }

    /// Whether KMS makes new key material every year.
    ///
    /// # Errors
    /// KMS could not or would not say.
    pub async fn rotates(&self, key: &str) -> Result<bool, AwsError> {
        let answer = self.client.get_key_rotation_status().key_id(key).send();
        let answer = answer.await.map_err(|error| {
            self.endpoint
                .failure("kms:GetKeyRotationStatus", key, &error)
        })?;
        Ok(answer.key_rotation_enabled)
    }

    /// Has KMS make new key material every year.
    ///
    /// # Errors
    /// KMS could not or would not.
    pub async fn rotate(&self, key: &str) -> Result<(), AwsError> {
        let answer = self.client.enable_key_rotation().key_id(key).send().await;
        answer
            .map(drop)
            .map_err(|error| self.endpoint.failure("kms:EnableKeyRotation", key, &error))
    }

    /// The policy of a key, as it was written.
    ///
    /// # Errors
    /// KMS could not or would not say.
    pub async fn policy(&self, key: &str) -> Result<Option<String>, AwsError> {
        let answer = self
            .client
            .get_key_policy()
            .key_id(key)
            .policy_name("default")
            .send()
            .await
            .map_err(|error| self.endpoint.failure("kms:GetKeyPolicy", key, &error))?;
        Ok(answer.policy)
    }

    /// Replaces the policy of a key.
    ///
    /// # Errors
    /// KMS could not or would not.
    pub async fn set_policy(&self, key: &str, policy: &str) -> Result<(), AwsError> {
        let answer = self
            .client
            .put_key_policy()
            .key_id(key)
            .policy_name("default")
            .policy(policy)
            .send()
            .await;
        answer
            .map(drop)
            .map_err(|error| self.endpoint.failure("kms:PutKeyPolicy", key, &error))
    }

    /// Has KMS delete a key that nothing was encrypted with, after the shortest wait that it allows.
    ///
    /// # Errors
    /// KMS could not or would not.
    pub async fn discard(&self, key: &str) -> Result<(), AwsError> {
        let answer = self
            .client
            .schedule_key_deletion()
            // Some servers know the key by its id alone.
            .key_id(key.rsplit('/').next().unwrap_or(key))
            .pending_window_in_days(SHORTEST_WAIT_DAYS)
            .send()
            .await;
        answer.map(drop).map_err(|error| {
            self.endpoint
                .failure("kms:ScheduleKeyDeletion", key, &error)
        })
    }
}

/// The shortest wait of `ScheduleKeyDeletion` (KMS API reference).
const SHORTEST_WAIT_DAYS: i32 = 7;
