//! The lifecycle of a bucket: what S3 removes by itself.

use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleRule, LifecycleRuleFilter,
    NoncurrentVersionExpiration, TransitionDefaultMinimumObjectSize,
};

use super::{ask, unbuilt, unless_unset};
use crate::aws::{AwsError, Bucket};

/// The rules of a bucket. Those of others are kept as S3 tells them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lifecycle {
    rules: Vec<LifecycleRule>,
    minimum_size: Option<TransitionDefaultMinimumObjectSize>,
}

/// What matters of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleRuleFacts {
    /// Its name.
    pub id: String,
    /// Whether S3 obeys it.
    pub enabled: bool,
    /// What the keys that it is about begin with; empty: all.
    pub prefix: String,
    /// Whether it is about all keys with the prefix, whatever their tags and sizes.
    pub whole: bool,
    /// After how many days as an old one it removes a version.
    pub noncurrent_days: Option<u32>,
    /// Whether it spares some old versions however old they are.
    pub spares_versions: bool,
    /// Whether it removes current versions.
    pub removes_current: bool,
    /// Where it moves current versions to, if nobody can read them there until they are restored:
    /// `GLACIER`, `DEEP_ARCHIVE`.
    pub archive: Option<String>,
}

impl LifecycleRuleFacts {
    /// Whether S3 obeys it for every object.
    pub fn is_about_all(&self) -> bool {
        self.enabled && self.whole && self.prefix.is_empty()
    }
}

impl Lifecycle {
    /// What matters of each rule.
    pub fn facts(&self) -> Vec<LifecycleRuleFacts> {
        self.rules.iter().map(facts).collect()
    }

    /// The same rules, of which the one of this name removes the old versions of all objects after so
    /// many days; `None`: it removes none. Whatever else it does it goes on doing, and for the objects
    /// that it did it for: if need be under another name.
    #[must_use]
    pub fn with_noncurrent_days(&self, id: &str, days: Option<u32>) -> Self {
        let mut changed = self.clone();
        let place = changed.rules.iter().position(|rule| rule.id() == Some(id));
        let old = place.map(|place| changed.rules.remove(place));
        let rule = match (old, days) {
            (old, None) => old.and_then(without_expiration),
            (Some(mut old), Some(days)) if facts(&old).is_about_all() => {
                old.noncurrent_version_expiration = Some(after(days));
                Some(old)
            }
            (old, Some(days)) => {
                let left = old.and_then(without_expiration);
                changed.rules.extend(left.map(|mut left| {
                    left.id = Some(format!("{id}-as-it-was"));
                    left
                }));
                changed.rule_for_all(id, days)
            }
        };
        changed.rules.extend(rule);
        changed
    }

    /// The same rules, of which the one of this name waits so many days, and is about what it was.
    #[must_use]
    pub fn with_longer_wait(&self, id: &str, days: u32) -> Self {
        let mut changed = self.clone();
        for rule in &mut changed.rules {
            if rule.id() == Some(id)
                && let Some(expiration) = &mut rule.noncurrent_version_expiration
            {
                expiration.noncurrent_days = after(days).noncurrent_days;
            }
        }
        changed
    }

    fn rule_for_all(&self, id: &str, days: u32) -> Option<LifecycleRule> {
        let mut rule = LifecycleRule::builder()
            .id(id)
            .status(ExpirationStatus::Enabled)
            .noncurrent_version_expiration(after(days))
            .build()
            // Only a rule without a status cannot be built.
            .ok()?;
        #[expect(
            deprecated,
            reason = "S3 takes no rules with filters beside rules without"
        )]
        if self.rules.iter().any(|other| other.prefix().is_some()) {
            rule.prefix = Some(String::new());
        } else {
            rule.filter = Some(LifecycleRuleFilter::builder().prefix("").build());
        }
        Some(rule)
    }
}

fn after(days: u32) -> NoncurrentVersionExpiration {
    NoncurrentVersionExpiration::builder()
        .noncurrent_days(i32::try_from(days).unwrap_or(i32::MAX))
        .build()
}

/// What is left of a rule that no longer removes old versions; `None`: nothing.
fn without_expiration(mut rule: LifecycleRule) -> Option<LifecycleRule> {
    rule.noncurrent_version_expiration = None;
    let does_more = rule.expiration().is_some()
        || rule.abort_incomplete_multipart_upload().is_some()
        || !rule.transitions().is_empty()
        || !rule.noncurrent_version_transitions().is_empty();
    does_more.then_some(rule)
}

fn facts(rule: &LifecycleRule) -> LifecycleRuleFacts {
    let filter = rule.filter();
    let and = filter.and_then(LifecycleRuleFilter::and);
    #[expect(deprecated, reason = "rules of before 2016 have their prefix there")]
    let prefix = rule.prefix();
    let prefix = prefix
        .or_else(|| filter.and_then(LifecycleRuleFilter::prefix))
        .or_else(|| and.and_then(|and| and.prefix()));
    let narrowed = filter.is_some_and(|filter| {
        filter.tag().is_some()
            || filter.object_size_greater_than().is_some()
            || filter.object_size_less_than().is_some()
    }) || and.is_some_and(|and| {
        !and.tags().is_empty()
            || and.object_size_greater_than().is_some()
            || and.object_size_less_than().is_some()
    });
    let noncurrent = rule.noncurrent_version_expiration();
    LifecycleRuleFacts {
        id: rule.id().unwrap_or_default().to_owned(),
        enabled: *rule.status() == ExpirationStatus::Enabled,
        prefix: prefix.unwrap_or_default().to_owned(),
        whole: !narrowed,
        noncurrent_days: noncurrent
            .and_then(NoncurrentVersionExpiration::noncurrent_days)
            .and_then(|days| u32::try_from(days).ok()),
        spares_versions: noncurrent
            .and_then(NoncurrentVersionExpiration::newer_noncurrent_versions)
            .is_some(),
        removes_current: rule
            .expiration()
            .is_some_and(|expiration| expiration.days().is_some() || expiration.date().is_some()),
        archive: rule.transitions().iter().find_map(|transition| {
            let class = transition.storage_class()?.as_str();
            matches!(class, "GLACIER" | "DEEP_ARCHIVE").then(|| class.to_owned())
        }),
    }
}

impl Bucket {
    /// The lifecycle; no rules where it was never set.
    ///
    /// # Errors
    /// S3 could not or would not say.
    pub async fn lifecycle(&self) -> Result<Lifecycle, AwsError> {
        let answer = ask!(
            self,
            get_bucket_lifecycle_configuration,
            "s3:GetLifecycleConfiguration"
        );
        Ok(
            unless_unset(answer)?.map_or_else(Lifecycle::default, |answer| Lifecycle {
                rules: answer.rules.unwrap_or_default(),
                minimum_size: answer.transition_default_minimum_object_size,
            }),
        )
    }

    /// Replaces the lifecycle.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn set_lifecycle(&self, lifecycle: &Lifecycle) -> Result<(), AwsError> {
        if lifecycle.rules.is_empty() {
            return ask!(
                self,
                delete_bucket_lifecycle,
                "s3:PutLifecycleConfiguration"
            )
            .map(drop);
        }
        let configuration = BucketLifecycleConfiguration::builder()
            .set_rules(Some(lifecycle.rules.clone()))
            .build()
            .map_err(unbuilt("s3:PutLifecycleConfiguration"))?;
        ask!(
            self,
            put_bucket_lifecycle_configuration,
            "s3:PutLifecycleConfiguration",
            lifecycle_configuration(configuration),
            set_transition_default_minimum_object_size(lifecycle.minimum_size.clone())
        )
        .map(drop)
    }
}

#[cfg(test)]
impl Lifecycle {
    /// Rules that come to these facts.
    pub fn for_tests(all: &[LifecycleRuleFacts]) -> Self {
        use aws_sdk_s3::types::{LifecycleExpiration, Tag, Transition};
        let rules = all.iter().map(|facts| {
            let status = if facts.enabled {
                ExpirationStatus::Enabled
            } else {
                ExpirationStatus::Disabled
            };
            let tag = Tag::builder().key("a").value("b").build().unwrap();
            let filter = LifecycleRuleFilter::builder();
            let filter = if facts.whole {
                filter.prefix(&facts.prefix)
            } else {
                filter.tag(tag)
            };
            let expiration = facts.noncurrent_days.map(|days| {
                let mut expiration = after(days);
                expiration.newer_noncurrent_versions = facts.spares_versions.then_some(5);
                expiration
            });
            let current = LifecycleExpiration::builder().days(10).build();
            let archive = facts.archive.as_deref().map(|class| {
                let transition = Transition::builder().storage_class(class.into());
                vec![transition.build()]
            });
            LifecycleRule::builder()
                .id(&facts.id)
                .status(status)
                .filter(filter.build())
                .set_noncurrent_version_expiration(expiration)
                .set_expiration(facts.removes_current.then_some(current))
                .set_transitions(archive)
                .build()
                .unwrap()
        });
        Self {
            rules: rules.collect(),
            minimum_size: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expiring(id: &str, filter: LifecycleRuleFilter, days: i32) -> LifecycleRule {
        LifecycleRule::builder()
            .id(id)
            .status(ExpirationStatus::Enabled)
            .filter(filter)
            .noncurrent_version_expiration(
                NoncurrentVersionExpiration::builder()
                    .noncurrent_days(days)
                    .build(),
            )
            .build()
            .unwrap()
    }

    #[test]
    fn the_rules_of_others_stay_as_they_are() {
        let theirs = expiring("theirs", LifecycleRuleFilter::builder().build(), 7);
        let before = Lifecycle {
            rules: vec![theirs.clone()],
            minimum_size: None,
        };
        let with = before.with_noncurrent_days("ours", Some(90));
        assert_eq!(with.rules[0], theirs);
        let ours = &with.facts()[1];
        assert_eq!((ours.prefix.as_str(), ours.whole), ("", true));
        assert_eq!(
            (ours.noncurrent_days, ours.removes_current),
            (Some(90), false)
        );
        let changed = with.with_noncurrent_days("ours", Some(30));
        assert_eq!(changed.rules.len(), 2);
        assert_eq!(changed.facts()[1].noncurrent_days, Some(30));
        assert_eq!(changed.with_noncurrent_days("ours", None), before);
    }

    #[test]
    fn what_else_tfws_rule_does_it_goes_on_doing_for_the_same_objects() {
        let filter = |prefix: &str| LifecycleRuleFilter::builder().prefix(prefix).build();
        let with = |prefix: &str| {
            let mut rule = expiring("ours", filter(prefix), 90);
            rule.abort_incomplete_multipart_upload = Some(
                aws_sdk_s3::types::AbortIncompleteMultipartUpload::builder()
                    .days_after_initiation(2)
                    .build(),
            );
            Lifecycle {
                rules: vec![rule],
                minimum_size: None,
            }
        };
        let aborts = |rule: &LifecycleRule| rule.abort_incomplete_multipart_upload().is_some();
        let of_all = with("").with_noncurrent_days("ours", Some(30));
        assert_eq!(of_all.rules.len(), 1);
        assert!(aborts(&of_all.rules[0]));
        let none = with("").with_noncurrent_days("ours", None);
        assert!(aborts(&none.rules[0]) && none.facts()[0].noncurrent_days.is_none());
        let of_some = with("logs/").with_noncurrent_days("ours", Some(30));
        let facts = of_some.facts();
        assert_eq!(facts[0].id, "ours-as-it-was");
        assert_eq!(facts[0].prefix, "logs/");
        assert!(aborts(&of_some.rules[0]) && facts[0].noncurrent_days.is_none());
        assert!(facts[1].is_about_all() && !aborts(&of_some.rules[1]));
        let longer = with("logs/").with_longer_wait("ours", 400);
        assert_eq!(longer.facts()[0].noncurrent_days, Some(400));
        assert_eq!(longer.facts()[0].prefix, "logs/");
    }

    #[test]
    #[expect(deprecated, reason = "rules of before 2016 have their prefix there")]
    fn beside_rules_of_the_first_version_tfws_is_one_of_them() {
        let mut theirs = expiring("theirs", LifecycleRuleFilter::builder().build(), 7);
        theirs.filter = None;
        theirs.prefix = Some("logs/".to_owned());
        let before = Lifecycle {
            rules: vec![theirs],
            minimum_size: None,
        };
        let ours = &before.with_noncurrent_days("ours", Some(90)).rules[1];
        assert_eq!((ours.prefix(), ours.filter()), (Some(""), None));
    }

    #[test]
    fn states_that_go_to_an_archive_cannot_be_read() {
        let to = |class: aws_sdk_s3::types::TransitionStorageClass| {
            let mut rule = expiring("theirs", LifecycleRuleFilter::builder().build(), 7);
            let transition = aws_sdk_s3::types::Transition::builder().storage_class(class);
            rule.transitions = Some(vec![transition.build()]);
            facts(&rule).archive
        };
        assert_eq!(to("DEEP_ARCHIVE".into()).as_deref(), Some("DEEP_ARCHIVE"));
        assert_eq!(to("GLACIER_IR".into()), None);
    }

    #[test]
    fn what_a_rule_is_about_stands_in_one_of_three_places() {
        let tag = aws_sdk_s3::types::Tag::builder()
            .key("a")
            .value("b")
            .build();
        let filter = LifecycleRuleFilter::builder().tag(tag.unwrap()).build();
        assert!(!facts(&expiring("tagged", filter, 1)).whole);
        let filter = LifecycleRuleFilter::builder().prefix("logs/").build();
        assert_eq!(facts(&expiring("prefixed", filter, 1)).prefix, "logs/");
        let and = aws_sdk_s3::types::LifecycleRuleAndOperator::builder()
            .prefix("big/")
            .object_size_greater_than(1)
            .build();
        let of_both = facts(&expiring(
            "both",
            LifecycleRuleFilter::builder().and(and).build(),
            1,
        ));
        assert_eq!((of_both.prefix.as_str(), of_both.whole), ("big/", false));
    }
}
