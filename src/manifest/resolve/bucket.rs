//! The name of the state bucket, against S3's rules.

use super::backend;
use super::context::{Context, Reported};
use crate::manifest::problem::{Collector, Problem};
use crate::model::BucketName;

/// Resolves the bucket's name.
pub(super) fn name(
    context: &Context<'_>,
    name: Option<&str>,
    problems: &mut Collector,
) -> Result<BucketName, Reported> {
    let path = "backend.bucket";
    match name {
        Some(name) => match (BucketName::new(name), broken_rule(name)) {
            (Ok(name), None) => Ok(name),
            (_, rule) => Err(context.wrong(problems, path, || {
                Problem::error(format!("S3 does not allow a bucket named `{name}`"))
                    .label(rule.unwrap_or(BucketName::EXPECTED))
            })),
        },
        None if context.is_invalid(path) => Err(Reported),
        None => backend::present(context, path, None, problems),
    }
}

/// The rule that a bucket name breaks
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>).
fn broken_rule(name: &str) -> Option<&'static str> {
    let reserved_start = ["xn--", "sthree-", "amzn-s3-demo-"];
    let reserved_end = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !(3..=63).contains(&name.len()) {
        Some("it must be 3 to 63 characters long")
    } else if name.contains(|c: char| c.is_ascii_uppercase()) {
        Some("it must not have upper-case letters")
    } else if name.contains('_') {
        Some("it must not have underscores; take `-`")
    } else if !name.chars().all(|c| is_plain(c) || matches!(c, '.' | '-')) {
        Some("only lower-case letters, digits, `.` and `-` are allowed")
    } else if !name.starts_with(is_plain) || !name.ends_with(is_plain) {
        Some("it must start and end with a letter or a digit")
    } else if name.contains("..") {
        Some("it must not have two dots in a row")
    } else if name.parse::<std::net::Ipv4Addr>().is_ok() {
        Some("it must not look like an IP address")
    } else if reserved_start.iter().any(|start| name.starts_with(start)) {
        Some("AWS reserves this beginning")
    } else if reserved_end.iter().any(|end| name.ends_with(end)) {
        Some("AWS reserves this ending")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_rule_is_named() {
        for (name, rule) in [
            ("ab", "3 to 63"),
            ("Acme", "upper-case"),
            ("a_b", "underscores"),
            ("a b", "only lower-case"),
            ("abc-", "start and end"),
            ("a..b", "two dots"),
            ("192.168.0.1", "IP address"),
            ("xn--a", "beginning"),
            ("abc--x-s3", "ending"),
        ] {
            let broken = broken_rule(name);
            assert!(
                broken.is_some_and(|text| text.contains(rule)),
                "{name}: {broken:?}"
            );
        }
        assert_eq!(broken_rule("acme-tfstate.dev"), None);
    }

    #[test]
    fn what_the_model_refuses_breaks_a_rule_here() {
        for name in ["", "ä-bucket", "-abc", "abc.", "a/b/c", "10.0.0.1"] {
            assert!(
                BucketName::new(name).is_err() && broken_rule(name).is_some(),
                "{name}"
            );
        }
    }
}
