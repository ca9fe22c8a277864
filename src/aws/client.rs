//! The way to AWS: one HTTP client, one set of timeouts and retries for everything.

use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region as SdkRegion, SdkConfig};
use aws_credential_types::Credentials;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_smithy_runtime_api::client::interceptors::context::InterceptorContext;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction};
use aws_smithy_types::checksum_config::{RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::sync::OnceCell;

use super::AwsError;
use super::chain::text as chain_text;
use super::http::Http;
use crate::env_vars::{
    AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_CLOUDTRAIL, AWS_ENDPOINT_URL_IAM, AWS_ENDPOINT_URL_KMS,
    AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL_STS, AWS_PROFILE, EnvSnapshot,
};
use crate::model::Region;

/// How long a connection, TLS included, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the first byte of an answer may take.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Everything that reaches AWS goes through this. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Aws(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    http: Http,
    endpoints: Endpoints,
    profile_variable: Option<String>,
    settings: OnceCell<SdkConfig>,
}

impl Aws {
    /// Prepares the way. Asks nobody yet.
    ///
    /// # Errors
    /// `AWS_CA_BUNDLE` cannot be used.
    pub fn new(environment: &EnvSnapshot) -> Result<Self, AwsError> {
        Ok(Self(Arc::new(Inner {
            http: Http::new(environment)?,
            endpoints: Endpoints::new(environment),
            profile_variable: environment
                .get(AWS_PROFILE)
                .map(|name| name.to_string_lossy().into_owned()),
            settings: OnceCell::new(),
        })))
    }

    pub(super) fn http(&self) -> &Http {
        &self.0.http
    }

    /// The profile that the SDK's chain uses; `None`: `default`, where there is one.
    pub(super) fn profile_variable(&self) -> Option<&str> {
        self.0.profile_variable.as_deref()
    }

    /// The endpoint of a service, for messages.
    pub(super) fn endpoint(&self, service: Service, region: &Region) -> String {
        self.0.endpoints.of(service, region)
    }

    /// What the clients of services are made from.
    ///
    /// Endpoints, retries and FIPS come from the environment's variables. The person's shared
    /// files are for base credentials alone: Terraform, which does not see them, must get to the
    /// same endpoints as tfw.
    pub(super) async fn settings(&self, region: &Region, keys: Option<Credentials>) -> SdkConfig {
        let common = self
            .0
            .settings
            .get_or_init(|| async {
                let no_files = EnvConfigFiles::builder()
                    .with_contents(EnvConfigFileKind::Config, "")
                    .build();
                aws_config::defaults(BehaviorVersion::latest())
                    .profile_files(no_files)
                    // A placeholder, so that the SDK does not look for a region; see below.
                    .region(SdkRegion::from_static("us-east-1"))
                    .no_credentials()
                    .http_client(self.0.http.proxied.clone())
                    .timeout_config(timeouts())
                    // S3 servers other than AWS know neither trailing checksums nor CRC64.
                    .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                    .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
                    .load()
                    .await
            })
            .await;
        let mut settings = common
            .to_builder()
            .region(SdkRegion::new(region.to_string()));
        settings.set_credentials_provider(
            keys.map(aws_credential_types::provider::SharedCredentialsProvider::new),
        );
        settings.build()
    }
}

/// The timeouts of every request.
pub(super) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .build()
}

/// Gives up after the first connection that timed out. The SDK would try three times, and an
/// endpoint that is not there should be told of in seconds.
#[derive(Debug)]
pub(super) struct OneConnectTimeout;

impl ClassifyRetry for OneConnectTimeout {
    fn name(&self) -> &'static str {
        "OneConnectTimeout"
    }

    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let timed_out = context
            .output_or_error()
            .and_then(Result::err)
            .and_then(|error| error.as_connector_error())
            .is_some_and(|error| error.is_timeout() && chain_text(error).contains("connect"));
        if timed_out {
            RetryAction::RetryForbidden
        } else {
            RetryAction::NoActionIndicated
        }
    }
}

/// A service that tfw calls.
#[derive(Debug, Clone, Copy)]
pub(super) enum Service {
    S3,
    Sts,
    Kms,
    CloudTrail,
    /// One for each partition.
    Iam,
}

/// The endpoints that the environment names. The SDK reads the variables itself; this is for
/// messages, since a connection that failed does not say where it went.
#[derive(Debug)]
struct Endpoints {
    any: Option<String>,
    s3: Option<String>,
    sts: Option<String>,
    kms: Option<String>,
    cloudtrail: Option<String>,
    iam: Option<String>,
}

impl Endpoints {
    fn new(environment: &EnvSnapshot) -> Self {
        let get = |name| {
            environment
                .get(name)
                .map(|url| url.to_string_lossy().into_owned())
        };
        Self {
            any: get(AWS_ENDPOINT_URL),
            s3: get(AWS_ENDPOINT_URL_S3),
            sts: get(AWS_ENDPOINT_URL_STS),
            kms: get(AWS_ENDPOINT_URL_KMS),
            cloudtrail: get(AWS_ENDPOINT_URL_CLOUDTRAIL),
            iam: get(AWS_ENDPOINT_URL_IAM),
        }
    }

    fn of(&self, service: Service, region: &Region) -> String {
        let (named, prefix) = match service {
            Service::S3 => (&self.s3, "s3"),
            Service::Sts => (&self.sts, "sts"),
            Service::Kms => (&self.kms, "kms"),
            Service::CloudTrail => (&self.cloudtrail, "cloudtrail"),
            Service::Iam => (&self.iam, "iam"),
        };
        let suffix = match region.partition() {
            "aws-cn" => "amazonaws.com.cn",
            _ => "amazonaws.com",
        };
        named
            .as_ref()
            .or(self.any.as_ref())
            .cloned()
            .unwrap_or_else(|| match (service, region.partition()) {
                // IAM User Guide, "AWS Identity and Access Management endpoints and quotas".
                (Service::Iam, "aws-cn") => format!("https://iam.cn-north-1.{suffix}"),
                (Service::Iam, "aws-us-gov") => format!("https://iam.us-gov.{suffix}"),
                (Service::Iam, _) => format!("https://iam.{suffix}"),
                _ => format!("https://{prefix}.{region}.{suffix}"),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_endpoint_in_messages_is_the_one_that_the_sdk_uses() {
        let region: Region = "ap-northeast-1".parse().unwrap();
        let china: Region = "cn-north-1".parse().unwrap();
        let none = Endpoints::new(&EnvSnapshot::default());
        assert_eq!(
            none.of(Service::Sts, &region),
            "https://sts.ap-northeast-1.amazonaws.com"
        );
        assert_eq!(
            none.of(Service::S3, &china),
            "https://s3.cn-north-1.amazonaws.com.cn"
        );
        assert_eq!(none.of(Service::Iam, &region), "https://iam.amazonaws.com");
        let named = Endpoints::new(
            &[
                ("AWS_ENDPOINT_URL", "http://all"),
                ("AWS_ENDPOINT_URL_S3", "http://s3"),
            ]
            .into_iter()
            .collect(),
        );
        assert_eq!(named.of(Service::S3, &region), "http://s3");
        assert_eq!(named.of(Service::Sts, &region), "http://all");
    }
}
