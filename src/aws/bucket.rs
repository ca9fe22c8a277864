//! One state bucket in S3, with the credentials and the owner that belong to it.
//!
//! Every request but `CreateBucket` carries `ExpectedBucketOwner`, since there is no way to make one
//! without it: a bucket of the right name in a wrong account answers 403.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::IdentityCache;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::client::{OneConnectTimeout, Service};
use super::failure::{Asked, Failure};
use super::{AwsError, VerifiedAccount};
use crate::model::{AccountId, BucketName, Region, S3Backend};

/// A bucket, asked with the credentials of a verified account.
#[derive(Debug, Clone)]
pub struct Bucket {
    pub(super) client: Client,
    name: BucketName,
    owner: AccountId,
    region: Region,
    arn: String,
    pub(super) endpoint: String,
}

/// How `CreateBucket` went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// It is new. In `us-east-1`, S3 says so of a bucket that one has already, too.
    Created,
    /// The account has it already: somebody was faster.
    AlreadyOurs,
}

impl VerifiedAccount {
    /// The bucket of a backend, in the backend's region.
    ///
    /// # Errors
    /// There are no credentials.
    pub async fn bucket(&self, backend: &S3Backend) -> Result<Bucket, AwsError> {
        let (aws, credentials) = self.access_to(&format!("the bucket `{}`", backend.bucket))?;
        let settings = aws.settings(&backend.region, None).await;
        let mut config = aws_sdk_s3::config::Builder::from(&settings)
            .credentials_provider(credentials)
            // The session is cached behind the provider, and renewed by one rule for everybody.
            .identity_cache(IdentityCache::no_cache())
            .retry_classifier(OneConnectTimeout)
            .force_path_style(backend.use_path_style);
        // Where Terraform goes, whatever the environment says.
        if let Some(endpoint) = backend.endpoint() {
            config = config.endpoint_url(endpoint);
        }
        Ok(Bucket {
            client: Client::from_conf(config.build()),
            name: backend.bucket.clone(),
            owner: backend.owner.clone(),
            region: backend.region.clone(),
            arn: self.arn().unwrap_or_default().to_owned(),
            endpoint: backend
                .endpoint()
                .map_or_else(|| aws.endpoint(Service::S3, &backend.region), str::to_owned),
        })
    }
}

impl Bucket {
    /// Its name.
    pub fn name(&self) -> &BucketName {
        &self.name
    }

    /// The account that must own it.
    pub fn owner(&self) -> &AccountId {
        &self.owner
    }

    /// Who asks.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Whether requests to it go over TLS.
    pub fn is_reached_by_tls(&self) -> bool {
        !self.endpoint.starts_with("http://")
    }

    /// The URL of an object, for messages.
    pub fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// Asks whether the bucket is there (one `HeadBucket`).
    ///
    /// # Errors
    /// [`AwsError::NoSuchBucket`], [`AwsError::ForeignOrForbidden`], [`AwsError::WrongRegion`],
    /// or S3 could not be asked.
    pub async fn head(&self) -> Result<(), AwsError> {
        let answer = self
            .client
            .head_bucket()
            .bucket(self.name.as_str())
            .expected_bucket_owner(self.owner.as_str())
            .send()
            .await;
        let Err(error) = answer else { return Ok(()) };
        match self.failure_by("s3:ListBucket", "", true, &error) {
            AwsError::NotFound { .. } => Err(AwsError::NoSuchBucket {
                bucket: self.name.to_string(),
            }),
            // An answer to HEAD has no body, so nothing tells a foreign bucket from a missing
            // permission.
            AwsError::AccessDenied { .. } => Err(AwsError::ForeignOrForbidden {
                bucket: self.name.to_string(),
                owner: self.owner.clone(),
                arn: self.arn.clone(),
            }),
            AwsError::Other { code, .. } if code == "HTTP 400" => {
                Err(AwsError::InvalidCredentials {
                    code,
                    message: "the answer gives no reason; often a session that has ended"
                        .to_owned(),
                })
            }
            other => Err(other),
        }
    }

    /// Creates the bucket in its region, with S3's own defaults for everything else.
    ///
    /// # Errors
    /// [`AwsError::BucketTaken`], [`AwsError::Busy`], or S3 could not or would not.
    pub async fn create(&self) -> Result<Creation, AwsError> {
        let answer = self
            .client
            .create_bucket()
            .bucket(self.name.as_str())
            .set_create_bucket_configuration(location(&self.region))
            .send()
            .await;
        let Err(error) = answer else {
            return Ok(Creation::Created);
        };
        match error.code() {
            Some("BucketAlreadyOwnedByYou") => Ok(Creation::AlreadyOurs),
            Some("BucketAlreadyExists") => Err(AwsError::BucketTaken {
                bucket: self.name.to_string(),
            }),
            _ => Err(self.failure("s3:CreateBucket", "", &error)),
        }
    }

    /// The fact in an error of one of the bucket's requests. An empty key: of the bucket itself.
    pub(super) fn failure<E>(
        &self,
        action: &'static str,
        key: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> AwsError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        self.failure_by(action, key, false, error)
    }

    pub(super) fn failure_by<E>(
        &self,
        action: &'static str,
        key: &str,
        by_head: bool,
        error: &SdkError<E, HttpResponse>,
    ) -> AwsError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let what = if key.is_empty() {
            format!("the bucket `{}`", self.name)
        } else {
            self.url(key)
        };
        let asked = Asked {
            action,
            endpoint: &self.endpoint,
            what: &what,
            by_head,
        };
        let failure = Failure::of(error, asked);
        if let Failure::Refused(refusal) = &failure {
            let elsewhere = refusal
                .bucket_region
                .as_deref()
                .filter(|actual| *actual != self.region.as_str());
            let redirected = refusal.status == 301 || refusal.code(asked) == "PermanentRedirect";
            if elsewhere.is_some() || redirected {
                return AwsError::WrongRegion {
                    bucket: self.name.to_string(),
                    asked: self.region.to_string(),
                    actual: elsewhere.unwrap_or("(S3 does not say)").to_owned(),
                };
            }
            match refusal.code(asked) {
                "NoSuchBucket" => {
                    return AwsError::NoSuchBucket {
                        bucket: self.name.to_string(),
                    };
                }
                "OperationAborted" => {
                    return AwsError::Busy {
                        what: format!("the bucket `{}`", self.name),
                    };
                }
                _ => {}
            }
        }
        failure.into_fact(asked)
    }
}

/// `us-east-1` must not have a `LocationConstraint`, and every other region must have one (S3 API
/// reference, `CreateBucket`).
fn location(region: &Region) -> Option<CreateBucketConfiguration> {
    (region.as_str() != "us-east-1").then(|| {
        CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(region.as_str()))
            .build()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_us_east_1_has_no_location_constraint() {
        let constraint = |region: &str| {
            location(&region.parse().unwrap())
                .and_then(|configuration| configuration.location_constraint)
                .map(|constraint| constraint.as_str().to_owned())
        };
        assert_eq!(constraint("us-east-1"), None);
        for region in ["ap-northeast-1", "eu-west-1", "xx-future-9"] {
            assert_eq!(constraint(region).as_deref(), Some(region));
        }
    }
}
