//! Trails, and whether one logs who reads an object: S3 data events, which the event history
//! never shows.

use aws_sdk_cloudtrail::types::{
    AdvancedEventSelector, AdvancedFieldSelector, EventSelector, ReadWriteType,
};

use super::{AwsError, CloudTrail};
use crate::model::Region;

/// A trail that reaches the region.
#[derive(Debug, Clone)]
pub struct Trail {
    /// Its name.
    pub name: String,
    /// The account that it was made in; of an organization's trail, the one that manages that.
    pub account: Option<String>,
    /// Where it is changed.
    pub home_region: Option<String>,
    /// The bucket of its log files.
    pub log_bucket: Option<String>,
    /// Whether it logs at all just now.
    pub is_logging: bool,
    /// Why it is not known what it logs.
    pub unreadable: Option<AwsError>,
    selectors: Vec<EventSelector>,
    advanced: Vec<AdvancedEventSelector>,
}

impl CloudTrail {
    /// The trails that log events of this region, with what they select.
    ///
    /// # Errors
    /// CloudTrail could not or would not say.
    pub async fn trails(&self) -> Result<Vec<Trail>, AwsError> {
        let answer = self
            .client
            .describe_trails()
            .send()
            .await
            .map_err(|error| {
                self.endpoint
                    .failure("cloudtrail:DescribeTrails", "trails", &error)
            })?;
        let mut trails = Vec::new();
        for trail in answer.trail_list.unwrap_or_default() {
            // By its ARN: of another region or account it is known by nothing else.
            let Some(arn) = trail.trail_arn.or_else(|| trail.name.clone()) else {
                continue;
            };
            let elsewhere = self.home_of(trail.home_region.as_deref()).await?;
            let home = elsewhere.as_ref().unwrap_or(self);
            let (selectors, status) = tokio::join!(
                home.client.get_event_selectors().trail_name(&arn).send(),
                home.client.get_trail_status().name(&arn).send(),
            );
            let selectors = selectors.map_err(|error| {
                home.endpoint
                    .failure("cloudtrail:GetEventSelectors", &arn, &error)
            });
            let status = status.map_err(|error| {
                home.endpoint
                    .failure("cloudtrail:GetTrailStatus", &arn, &error)
            });
            let account = arn.split(':').nth(4).map(str::to_owned);
            let mut found = Trail {
                account: account.filter(|account| !account.is_empty()),
                name: trail.name.unwrap_or(arn),
                home_region: trail.home_region,
                log_bucket: trail.s3_bucket_name,
                is_logging: false,
                unreadable: None,
                selectors: Vec::new(),
                advanced: Vec::new(),
            };
            match (selectors, status) {
                (Ok(selectors), Ok(status)) => {
                    found.is_logging = status.is_logging.unwrap_or_default();
                    found.selectors = selectors.event_selectors.unwrap_or_default();
                    found.advanced = selectors.advanced_event_selectors.unwrap_or_default();
                }
                (Err(error), _) | (_, Err(error)) => found.unreadable = Some(error),
            }
            trails.push(found);
        }
        Ok(trails)
    }

    /// CloudTrail where a trail was made; `None`: that is here. Elsewhere it does not tell what the
    /// trail selects (CloudTrail API reference, `InvalidHomeRegionException`).
    async fn home_of(&self, region: Option<&str>) -> Result<Option<Self>, AwsError> {
        match region.and_then(|region| region.parse::<Region>().ok()) {
            Some(home) if home != self.region => self.account.cloudtrail(&home).await.map(Some),
            _ => Ok(None),
        }
    }
}

impl Trail {
    /// Whether it selects what a new trail does: all management events, and nothing else
    /// (CloudTrail API reference, `PutEventSelectors`).
    pub fn selects_as_new(&self) -> bool {
        let is_default = |selector: &EventSelector| {
            selector
                .read_write_type()
                .is_none_or(|kind| *kind == ReadWriteType::All)
                && selector.include_management_events().unwrap_or(true)
                && selector.exclude_management_event_sources().is_empty()
                && selector.data_resources().is_empty()
        };
        self.unreadable.is_none()
            && self.advanced.is_empty()
            && self.selectors.len() < 2
            && self.selectors.iter().all(is_default)
    }

    /// Whether it logs `GetObject` of the object with this ARN.
    pub fn logs_reads_of(&self, object_arn: &str) -> bool {
        self.is_logging
            && (self.selectors.iter().any(|each| selects(each, object_arn))
                || self
                    .advanced
                    .iter()
                    .any(|each| each.field_selectors().iter().all(|f| meets(f, object_arn))))
    }
}

/// CloudTrail API reference, `DataResource`: a value is the beginning of an ARN, `arn:aws:s3` that
/// of all.
fn selects(selector: &EventSelector, object_arn: &str) -> bool {
    !matches!(selector.read_write_type(), Some(ReadWriteType::WriteOnly))
        && selector.data_resources().iter().any(|resource| {
            resource.r#type() == Some("AWS::S3::Object")
                && resource
                    .values()
                    .iter()
                    .any(|value| object_arn.starts_with(value.as_str()))
        })
}

/// Whether a field of `GetObject` is as selected (CloudTrail API reference,
/// `AdvancedFieldSelector`).
fn meets(selector: &AdvancedFieldSelector, object_arn: &str) -> bool {
    let value = match selector.field() {
        "eventCategory" => "Data",
        "resources.type" => "AWS::S3::Object",
        "resources.ARN" => object_arn,
        "readOnly" => "true",
        "eventName" => "GetObject",
        "eventSource" => "s3.amazonaws.com",
        "eventType" => "AwsApiCall",
        // Who asks, for example: logs some of them at least.
        _ => return true,
    };
    let any = |values: &[String], is: fn(&str, &str) -> bool| values.iter().any(|v| is(value, v));
    // An `equals`, a `startsWith` and an `endsWith` of one selector are alternatives.
    let positive = [
        selector.equals(),
        selector.starts_with(),
        selector.ends_with(),
    ];
    let none_asked = positive.iter().all(|values| values.is_empty());
    let is_wanted = none_asked
        || any(selector.equals(), |value, wanted| value == wanted)
        || any(selector.starts_with(), |value, wanted| {
            value.starts_with(wanted)
        })
        || any(selector.ends_with(), |value, wanted| {
            value.ends_with(wanted)
        });
    is_wanted
        && !any(selector.not_equals(), |value, not| value == not)
        && !any(selector.not_starts_with(), |value, not| {
            value.starts_with(not)
        })
        && !any(selector.not_ends_with(), |value, not| value.ends_with(not))
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudtrail::types::DataResource;

    use super::*;

    const OBJECT: &str = "arn:aws:s3:::acme-tfstate/eks/terraform.tfstate";

    fn trail(selectors: Vec<EventSelector>, advanced: Vec<AdvancedEventSelector>) -> Trail {
        Trail {
            name: "main".to_owned(),
            account: None,
            home_region: None,
            log_bucket: None,
            is_logging: true,
            unreadable: None,
            selectors,
            advanced,
        }
    }

    fn classic(kind: ReadWriteType, value: &str) -> EventSelector {
        let resource = DataResource::builder()
            .r#type("AWS::S3::Object")
            .values(value)
            .build();
        EventSelector::builder()
            .read_write_type(kind)
            .data_resources(resource)
            .build()
    }

    #[test]
    fn the_beginning_of_an_arn_selects() {
        for (kind, value, logs) in [
            (ReadWriteType::All, "arn:aws:s3", true),
            (ReadWriteType::ReadOnly, "arn:aws:s3:::acme-tfstate/", true),
            (
                ReadWriteType::WriteOnly,
                "arn:aws:s3:::acme-tfstate/",
                false,
            ),
            (ReadWriteType::All, "arn:aws:s3:::other/", false),
        ] {
            let trail = trail(vec![classic(kind, value)], Vec::new());
            assert_eq!(trail.logs_reads_of(OBJECT), logs, "{value}");
        }
        let management = EventSelector::builder()
            .read_write_type(ReadWriteType::All)
            .include_management_events(true)
            .build();
        let new = trail(vec![management], Vec::new());
        assert!(!new.logs_reads_of(OBJECT));
        assert!(new.selects_as_new() && trail(Vec::new(), Vec::new()).selects_as_new());
        let all = classic(ReadWriteType::All, "arn:aws:s3");
        assert!(!trail(vec![all], Vec::new()).selects_as_new());
        let few = EventSelector::builder()
            .exclude_management_event_sources("kms.amazonaws.com")
            .build();
        assert!(!trail(vec![few], Vec::new()).selects_as_new());
        let mut stopped = trail(vec![classic(ReadWriteType::All, "arn:aws:s3")], Vec::new());
        stopped.is_logging = false;
        assert!(!stopped.logs_reads_of(OBJECT));
    }

    #[test]
    fn advanced_selectors_are_evaluated_for_a_read() {
        let field = |name: &str| AdvancedFieldSelector::builder().field(name);
        let data = || field("eventCategory").equals("Data").build();
        let objects = || field("resources.type").equals("AWS::S3::Object").build();
        let logs = |fields: Vec<AdvancedFieldSelector>| {
            let selector = AdvancedEventSelector::builder()
                .set_field_selectors(Some(fields))
                .build()
                .expect("fields");
            trail(Vec::new(), vec![selector]).logs_reads_of(OBJECT)
        };
        let arn = || field("resources.ARN");
        for (rest, expected) in [
            (None, true),
            (Some(arn().starts_with("arn:aws:s3:::acme-")), true),
            (Some(arn().starts_with("arn:aws:s3:::x")), false),
            (Some(arn().ends_with("other").ends_with(".tfstate")), true),
            (Some(arn().not_starts_with("arn:aws:s3:::acme-")), false),
            (Some(field("readOnly").equals("false")), false),
            (Some(field("eventName").equals("GetObject")), true),
            (Some(field("eventName").not_equals("GetObject")), false),
        ] {
            let rest = rest.map(|rest| rest.build().expect("a field"));
            let mut fields = vec![data().expect("a field"), objects().expect("a field")];
            let told = format!("{rest:?}");
            fields.extend(rest);
            assert_eq!(logs(fields), expected, "{told}");
        }
        let management = field("eventCategory").equals("Management").build();
        assert!(!logs(vec![management.expect("a field")]));
    }
}
