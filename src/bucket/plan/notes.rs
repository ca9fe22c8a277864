//! Access logs and tags.

use super::{Change, Findings, Setting};
use crate::aws::LogTarget;
use crate::bucket::{Actual, Wanted};

pub(super) fn logging(actual: &Actual, wanted: &Wanted, found: &mut Findings) {
    let Some(bucket) = &wanted.spec.access_log_bucket else {
        return;
    };
    let setting = Setting::AccessLogBucket;
    let Some(logging) = found.known(&actual.logging, setting, bucket.as_str()) else {
        return;
    };
    let is = logging.as_ref().map(|target| target.bucket.clone());
    if is.as_deref() == Some(bucket.as_str()) {
        return;
    }
    found.add(setting, is, bucket.as_str());
    found.change(Change::Logging(LogTarget {
        bucket: bucket.to_string(),
        prefix: format!("{}/", wanted.bucket),
    }));
}

/// Tags that the manifest names; all others stay.
pub(super) fn tags(actual: &Actual, wanted: &Wanted, found: &mut Findings) {
    let asked = wanted.tags();
    if asked.is_empty() {
        return;
    }
    if actual.tags.is_err() && wanted.spec.tags.is_empty() {
        // Only tfw's own is missing, which nobody asked for.
        return;
    }
    let text = |key: &str, value: &str| format!("{key}={value}");
    let all: Vec<String> = asked.iter().map(|(key, value)| text(key, value)).collect();
    let Some(tags) = found.known(&actual.tags, Setting::Tags, &all.join(", ")) else {
        return;
    };
    let mut merged = tags.clone();
    for (key, value) in &asked {
        let is = tags.get(key);
        if is != Some(value) {
            found.add(Setting::Tags, is.map(|is| text(key, is)), text(key, value));
            merged.insert(key.clone(), value.clone());
        }
    }
    if merged != *tags {
        found.change(Change::Tags(merged));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::testing::{lines, wanted};
    use super::*;

    fn map(tags: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = tags
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        owned.collect()
    }

    #[test]
    fn tags_are_merged() {
        let mut wanted = wanted();
        wanted.spec.tags = map(&[("team", "platform"), ("env", "dev")]);
        let mut actual = Actual::bare();
        actual.tags = Ok(map(&[("team", "other"), ("cost", "42")]));
        let mut found = Findings::default();
        tags(&actual, &wanted, &mut found);
        insta::assert_snapshot!(lines(&found.differences).join("\n"), @r"
        Add tags - → env=dev
        Change tags team=other → team=platform
        ");
        let merged = map(&[("cost", "42"), ("env", "dev"), ("team", "platform")]);
        assert_eq!(found.changes, [Change::Tags(merged)]);
    }

    #[test]
    fn a_new_bucket_is_tagged_with_the_project() {
        let mut wanted = wanted();
        wanted.project = Some("acme".to_owned());
        let tagged = |wanted: &Wanted| {
            let mut found = Findings::default();
            tags(&Actual::bare(), wanted, &mut found);
            found.changes
        };
        assert!(tagged(&wanted).is_empty());
        wanted.is_new = true;
        let tags = map(&[("tfw:project", "acme")]);
        assert_eq!(tagged(&wanted), [Change::Tags(tags)]);
    }

    #[test]
    fn logs_go_where_the_manifest_says_under_any_prefix() {
        let mut wanted = wanted();
        wanted.spec.access_log_bucket = Some("logs".parse().unwrap());
        let mut actual = Actual::bare();
        let mut found = Findings::default();
        logging(&actual, &wanted, &mut found);
        assert_eq!(
            lines(&found.differences),
            ["Add access_log_bucket - → logs"]
        );
        actual.logging = Ok(Some(LogTarget {
            bucket: "logs".to_owned(),
            prefix: "any".to_owned(),
        }));
        let mut found = Findings::default();
        logging(&actual, &wanted, &mut found);
        assert!(found.differences.is_empty());
    }
}
