//! CloudTrail's event history of one region: who asked for what.

use std::time::Duration;

use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::config::IdentityCache;
use aws_sdk_cloudtrail::types::{Event, LookupAttribute, LookupAttributeKey};
use aws_smithy_types::DateTime;
use backon::{ExponentialBuilder, Retryable};
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::client::{OneConnectTimeout, Service};
use super::failure::Endpoint;
use super::{AwsError, VerifiedAccount};
use crate::model::Region;

/// `LookupEvents` may be asked twice a second in each account and region (CloudTrail API
/// reference, `LookupEvents`).
const PACE: Duration = Duration::from_millis(500);
/// Tries beside the first where others use up the same quota; the SDK's own come within a second.
const RETRIES: usize = 6;

/// CloudTrail of one region, asked with the credentials of a verified account.
#[derive(Debug)]
pub struct CloudTrail {
    pub(super) client: Client,
    pub(super) endpoint: Endpoint,
    pub(super) account: VerifiedAccount,
    pub(super) region: Region,
    pace: Pace,
}

/// Lets requests leave one after the other, [`PACE`] apart: when the next one may.
#[derive(Debug, Default)]
struct Pace(Mutex<Option<Instant>>);

/// An event of the history, as CloudTrail tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEvent {
    /// When.
    pub time: Timestamp,
    /// What was asked for: `Decrypt`.
    pub name: String,
    /// The names of what it was about: the ARN of a key, the name of a bucket, the key of an object.
    pub resources: Vec<String>,
    /// The record itself, in JSON.
    pub record: String,
}

impl VerifiedAccount {
    /// CloudTrail of a region.
    ///
    /// # Errors
    /// There are no credentials.
    pub async fn cloudtrail(&self, region: &Region) -> Result<CloudTrail, AwsError> {
        let (aws, credentials) = self.access_to("CloudTrail")?;
        let settings = aws.settings(region, None).await;
        let config = aws_sdk_cloudtrail::config::Builder::from(&settings)
            .credentials_provider(credentials)
            // The session is cached behind the provider, and renewed by one rule for everybody.
            .identity_cache(IdentityCache::no_cache())
            .retry_classifier(OneConnectTimeout);
        Ok(CloudTrail {
            client: Client::from_conf(config.build()),
            endpoint: Endpoint(aws.endpoint(Service::CloudTrail, region)),
            account: self.clone(),
            region: region.clone(),
            pace: Pace::default(),
        })
    }
}

impl CloudTrail {
    /// Whether the history may have data events, `GetObject` for example. AWS keeps them out of it
    /// (CloudTrail User Guide, "Working with CloudTrail event history"); other servers have them
    /// there.
    pub fn may_have_data_events(&self) -> bool {
        !is_of_aws(&self.endpoint.0)
    }

    /// Every event about a resource in this time, the newest first. A KMS key is looked up by its
    /// ARN, a bucket by its name. Each page is `found` as it comes, so that it is not lost where a
    /// later one fails or is not waited for.
    ///
    /// # Errors
    /// CloudTrail could not or would not say, or goes on throttling.
    pub async fn lookup(
        &self,
        resource: &str,
        since: Timestamp,
        until: Timestamp,
        mut found: impl FnMut(Vec<HistoryEvent>),
    ) -> Result<(), AwsError> {
        let mut token: Option<String> = None;
        loop {
            let page = || async {
                self.pace.turn().await;
                let attribute = LookupAttribute::builder()
                    .attribute_key(LookupAttributeKey::ResourceName)
                    .attribute_value(resource)
                    .build()
                    .map_err(|error| AwsError::Other {
                        action: "cloudtrail:LookupEvents".to_owned(),
                        code: "request not sent".to_owned(),
                        message: error.to_string(),
                        request_id: None,
                    })?;
                self.client
                    .lookup_events()
                    .lookup_attributes(attribute)
                    .start_time(DateTime::from_secs(since.as_second()))
                    // The second that has begun is asked for, too.
                    .end_time(DateTime::from_secs(until.as_second() + 1))
                    .set_next_token(token.clone())
                    .send()
                    .await
                    .map_err(|error| {
                        self.endpoint
                            .failure("cloudtrail:LookupEvents", resource, &error)
                    })
            };
            let answer = page
                .retry(patience())
                .when(|error| matches!(error, AwsError::Throttled { .. }))
                .await?;
            let next = answer.next_token.filter(|token| !token.is_empty());
            let events = answer.events.unwrap_or_default();
            found(events.into_iter().filter_map(told).collect());
            // A server that gives the same page again would have us ask for ever.
            if next.is_none() || next == token {
                return Ok(());
            }
            token = next;
        }
    }
}

impl Pace {
    /// Waits for a request's turn.
    async fn turn(&self) {
        let mut next = self.0.lock().await;
        if let Some(turn) = *next {
            tokio::time::sleep_until(turn).await;
        }
        *next = Some(Instant::now() + PACE);
    }
}

/// Whether a URL leads to AWS itself, also through an endpoint of its own network.
fn is_of_aws(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
    [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"]
        .iter()
        .any(|suffix| host.ends_with(suffix))
}

fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(8))
        .with_max_times(RETRIES)
        .with_jitter()
}

/// An event without a time or a name tells nothing.
fn told(event: Event) -> Option<HistoryEvent> {
    let time = Timestamp::from_second(event.event_time?.secs()).ok()?;
    let resources = event.resources.unwrap_or_default();
    Some(HistoryEvent {
        time,
        name: event.event_name?,
        resources: resources
            .into_iter()
            .filter_map(|resource| resource.resource_name)
            .collect(),
        record: event.cloud_trail_event.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_servers_than_awss_are_asked_about_data_events() {
        for (url, expected) in [
            ("https://cloudtrail.eu-central-1.amazonaws.com", true),
            ("https://cloudtrail.cn-north-1.amazonaws.com.cn/", true),
            (
                "https://vpce-1-2.cloudtrail.eu-central-1.vpce.amazonaws.com:443",
                true,
            ),
            ("http://127.0.0.1:4566", false),
            ("http://amazonaws.com.example.org/x.amazonaws.com", false),
        ] {
            assert_eq!(is_of_aws(url), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn requests_leave_one_after_the_other_however_many_wait() {
        let pace = Pace::default();
        let begun = Instant::now();
        tokio::join!(pace.turn(), pace.turn(), pace.turn());
        assert!(begun.elapsed() >= PACE * 2, "{:?}", begun.elapsed());
    }
}
