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
}

impl Lifecycle {
    /// What matters of each rule.
    pub fn facts(&self) -> Vec<LifecycleRuleFacts> {
        self.rules.iter().map(facts).collect()
    }

    /// The same rules, with tfw's own for old versions in its place: `None` takes it out.
    #[must_use]
    pub fn with_noncurrent_days(&self, id: &str, days: Option<u32>) -> Self {
        let mut changed = self.clone();
        changed.rules.retain(|rule| rule.id() != Some(id));
        let rule = days.and_then(|days| {
            LifecycleRule::builder()
                .id(id)
                .status(ExpirationStatus::Enabled)
                .filter(LifecycleRuleFilter::builder().prefix("").build())
                .noncurrent_version_expiration(
                    NoncurrentVersionExpiration::builder()
                        .noncurrent_days(i32::try_from(days).unwrap_or(i32::MAX))
                        .build(),
                )
                .build()
                // Only a rule without a status cannot be built.
                .ok()
        });
        changed.rules.extend(rule);
        changed
    }
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
