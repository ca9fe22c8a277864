//! Base credentials: what the person or the machine has before any role is assumed.
//!
//! The sources and their order are the SDK's. The chain is put together here because two of its
//! members need other settings: the metadata services of the machine are asked past the proxy, and
//! EC2's, which on most machines is not there, gets a quarter of a second and one attempt.

use std::error::Error;
use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::credentials::EnvironmentVariableCredentialsProvider;
use aws_config::imds;
use aws_config::imds::client::error::ImdsError;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileSet};
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_config::{BehaviorVersion, Region as SdkRegion};
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

use super::chain::{find, text as chain_text};
use super::client::{Service, timeouts};
use super::failure::{Asked, fact};
use super::{Aws, AwsError, Keys};
use crate::model::Region;

const METADATA_CONNECT_TIMEOUT: Duration = Duration::from_millis(250);
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);

/// A source of base credentials. Asking it twice asks its origin twice: `credentials` caches.
#[derive(Debug)]
pub struct Base {
    profile: Option<String>,
    /// `AWS_PROFILE`, where no profile is given.
    variable: Option<String>,
    provider: SharedCredentialsProvider,
    /// STS, for a profile that assumes a role by itself.
    endpoint: String,
}

impl Aws {
    /// The source for a profile, or without one the SDK's chain: environment, shared files, web
    /// identity, container, instance metadata. Asks nobody yet.
    pub fn base(&self, profile: Option<&str>, region: &Region) -> Base {
        let proxied = ProviderConfig::without_region()
            .with_region(Some(SdkRegion::new(region.to_string())))
            .with_behavior_version(Some(BehaviorVersion::latest()))
            .with_timeout_config(timeouts())
            .with_http_client(self.http().proxied.clone());
        let direct = proxied.clone().with_http_client(self.http().direct.clone());
        let container = || EcsCredentialsProvider::builder().configure(&direct).build();
        let instance = || {
            let client = imds::Client::builder()
                .configure(&direct)
                .max_attempts(1)
                .connect_timeout(METADATA_CONNECT_TIMEOUT)
                .read_timeout(METADATA_TIMEOUT)
                .build();
            ImdsCredentialsProvider::builder()
                .configure(&direct)
                .imds_client(client)
                .build()
        };

        let mut profiles = ProfileFileCredentialsProvider::builder()
            .configure(&proxied)
            .with_custom_provider("EcsContainer", container())
            .with_custom_provider("Ec2InstanceMetadata", instance());
        let provider = if let Some(profile) = profile {
            profiles = profiles.profile_name(profile);
            SharedCredentialsProvider::new(profiles.build())
        } else {
            let web_identity = WebIdentityTokenCredentialsProvider::builder()
                .configure(&proxied)
                .build();
            SharedCredentialsProvider::new(
                CredentialsProviderChain::first_try(
                    "Environment",
                    EnvironmentVariableCredentialsProvider::new(),
                )
                .or_else("Profile", profiles.build())
                .or_else("WebIdentityToken", web_identity)
                .or_else("EcsContainer", container())
                .or_else("Ec2InstanceMetadata", instance()),
            )
        };
        Base {
            profile: profile.map(str::to_owned),
            variable: self.profile_variable().map(str::to_owned),
            provider,
            endpoint: self.endpoint(Service::Sts, region),
        }
    }
}

impl Base {
    /// Asks the source.
    ///
    /// # Errors
    /// There are no credentials, the profile does not exist, or the source failed.
    pub async fn keys(&self) -> Result<Keys, AwsError> {
        if let Some(profile) = &self.profile {
            require_profile(profile).await?;
        }
        match self.provider.provide_credentials().await {
            Ok(credentials) => Ok(Keys::from_sdk(&credentials)),
            Err(error) => Err(self.failure(&error).await),
        }
    }

    async fn failure(&self, error: &CredentialsError) -> AwsError {
        if let CredentialsError::InvalidConfiguration(_) = error
            && let Err(unreadable) = shared_files().await
        {
            return unreadable;
        }
        let nothing = matches!(error, CredentialsError::CredentialsNotLoaded(_))
            || find::<ImdsError>(error).is_some();
        if nothing {
            return self.nothing_found(error).await;
        }
        // A profile that assumes a role by itself fails as STS fails.
        if let Some(answer) = find::<SdkError<AssumeRoleError, HttpResponse>>(error) {
            let asked = Asked::of("sts:AssumeRole", &self.endpoint, "the role");
            let cause = fact(answer, asked);
            if matches!(cause, AwsError::Unreachable { .. }) {
                return cause;
            }
            return self.source_failed(cause.to_string());
        }
        self.source_failed(chain_text(error))
    }

    async fn nothing_found(&self, error: &CredentialsError) -> AwsError {
        let Some(profile) = &self.profile else {
            // A profile that is named and missing explains more than a chain that found nothing.
            if let Some(profile) = &self.variable
                && let Err(missing) = require_profile(profile).await
            {
                return missing;
            }
            return AwsError::NoCredentials {
                detail: "neither the environment, nor the shared configuration files, nor a role of this machine has any".to_owned(),
            };
        };
        // The SDK also calls it "not loaded" when the profile refers to one that is not there.
        match error.source().map(chain_text) {
            Some(reason) => self.source_failed(reason),
            None => AwsError::NoCredentials {
                detail: format!("the profile `{profile}` names no source of credentials"),
            },
        }
    }

    fn source_failed(&self, detail: String) -> AwsError {
        AwsError::CredentialsSource {
            profile: self.profile.clone().or_else(|| self.variable.clone()),
            detail,
        }
    }
}

/// Fails where the shared files do not have a profile, or cannot be read.
async fn require_profile(profile: &str) -> Result<(), AwsError> {
    let profiles = shared_files().await?;
    if profiles.get_profile(profile).is_some() {
        return Ok(());
    }
    Err(AwsError::ProfileNotFound {
        profile: profile.to_owned(),
        similar: most_similar(profile, profiles.profiles()),
    })
}

async fn shared_files() -> Result<ProfileSet, AwsError> {
    aws_config::profile::load(&<_>::default(), &<_>::default(), &<_>::default(), None)
        .await
        .map_err(|error| AwsError::SharedFiles {
            detail: chain_text(&error),
        })
}

fn most_similar<'a>(name: &str, among: impl Iterator<Item = &'a str>) -> Option<String> {
    among
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_profile_has_a_neighbour() {
        let known = ["default", "acme-dev", "acme-prod"];
        assert_eq!(
            most_similar("acme-devv", known.into_iter()).as_deref(),
            Some("acme-dev")
        );
        assert_eq!(most_similar("zzz", known.into_iter()), None);
    }
}
