//! The state bucket: its name, against S3's rules, and what it must be like.

use std::collections::BTreeMap;

use super::backend;
use super::context::{Context, Reported};
use crate::manifest::problem::{Collector, Problem};
use crate::manifest::raw;
use crate::model::{AccountId, BucketName, BucketSpec, Encryption, Principal, Region};

/// Resolves the bucket's name.
pub(super) fn name(
    context: &Context<'_>,
    name: Option<&str>,
    problems: &mut Collector,
) -> Result<BucketName, Reported> {
    let path = "backend.bucket";
    match name {
        Some(name) => parse(context, path, name, problems),
        None if context.is_invalid(path) => Err(Reported),
        None => backend::present(context, path, None, problems),
    }
}

/// What the bucket must be like.
pub(super) fn spec(
    context: &Context<'_>,
    raw: Option<&raw::Bucket>,
    encryption: Result<&Encryption, &Reported>,
    region: &Result<Region, Reported>,
    owner: &Result<AccountId, Reported>,
    problems: &mut Collector,
) -> Result<BucketSpec, Reported> {
    let nothing = raw::Bucket::default();
    let raw = raw.unwrap_or(&nothing);
    let principals = principals(context, raw, problems);
    let logs = log_bucket(context, raw, problems);
    let tags = tags(context, raw, problems);
    let encryption = encryption.map_err(|reported| *reported)?.clone();
    let create_kms_key = raw.create_kms_key.unwrap_or(false);
    if create_kms_key {
        let owned = format!(":{}:{}:alias/", region.clone()?, owner.clone()?);
        let key = match &encryption {
            Encryption::Kms { key } => key.as_deref(),
            Encryption::Aes256 => None,
        };
        if !key.is_some_and(|key| key.contains(&owned)) {
            return Err(context.wrong(problems, "bucket.create_kms_key", || {
                Problem::error("there is no key that tfw could create")
                    .label("takes `encryption = \"aws:kms\"`, and an alias as `kms_key`")
                    .detail("the alias must be of the account and the region of the bucket")
                    .hint("set `bucket.kms_key = \"alias/terraform-state\"`, or take `create_kms_key` out")
            }));
        }
    }
    Ok(BucketSpec {
        encryption,
        create_kms_key,
        allowed_principals: principals?,
        noncurrent_days: raw.noncurrent_days,
        access_log_bucket: logs?,
        tags: tags?,
        force_tls: raw.force_tls,
    })
}

fn principals(
    context: &Context<'_>,
    raw: &raw::Bucket,
    problems: &mut Collector,
) -> Result<Vec<Principal>, Reported> {
    let path = "bucket.allowed_principals";
    let given = raw.allowed_principals.as_deref().unwrap_or_default();
    let parsed = given.iter().map(|principal| {
        principal.parse().map_err(|_| {
            context.wrong(problems, path, || {
                Problem::error(format!("`{principal}` is nobody that a policy can let in"))
                    .label(format!("must be {}", Principal::EXPECTED))
                    .maybe_hint(role_of_session(principal).map(|role| {
                        format!(
                            "for whoever assumes the role, name the role with its path: `{role}`"
                        )
                    }))
            })
        })
    });
    parsed.collect()
}

/// The role of a session's ARN, `arn:aws:sts::111111111111:assumed-role/NAME/SESSION`. One of IAM
/// Identity Center lies below a path of its own, in most regions with the region in it.
fn role_of_session(arn: &str) -> Option<String> {
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", partition, "sts", "", account, resource] = parts[..] else {
        return None;
    };
    let name = resource.strip_prefix("assumed-role/")?.split('/').next()?;
    let path = if name.starts_with("AWSReservedSSO_") {
        "aws-reserved/sso.amazonaws.com/*"
    } else {
        ""
    };
    Some(format!("arn:{partition}:iam::{account}:role/{path}{name}"))
}

fn log_bucket(
    context: &Context<'_>,
    raw: &raw::Bucket,
    problems: &mut Collector,
) -> Result<Option<BucketName>, Reported> {
    let path = "bucket.access_log_bucket";
    let Some(name) = raw.access_log_bucket.as_deref() else {
        return if context.is_invalid(path) {
            Err(Reported)
        } else {
            Ok(None)
        };
    };
    let own = context.leaf("backend.bucket");
    if own.is_some_and(|own| own.node.value.as_str() == Some(name)) {
        return Err(context.wrong(problems, path, || {
            Problem::error("the state bucket would get the logs of its own accesses")
                .label("is the state bucket itself")
                .detail("each log that S3 writes would be logged in turn, without an end")
                .hint("name another bucket")
        }));
    }
    parse(context, path, name, problems).map(Some)
}

fn tags(
    context: &Context<'_>,
    raw: &raw::Bucket,
    problems: &mut Collector,
) -> Result<BTreeMap<String, String>, Reported> {
    for (key, value) in &raw.tags {
        // https://docs.aws.amazon.com/AmazonS3/latest/API/API_Tag.html
        let rule = if key.is_empty() || key.chars().count() > 128 {
            "a tag's key has 1 to 128 characters"
        } else if value.chars().count() > 256 {
            "a tag's value has at most 256 characters"
        } else if key.starts_with("aws:") {
            "AWS keeps keys that begin with `aws:` to itself"
        } else {
            continue;
        };
        return Err(context.wrong(problems, "bucket.tags", || {
            Problem::error(format!("AWS does not allow the tag `{key}`")).label(rule)
        }));
    }
    Ok(raw.tags.clone())
}

fn parse(
    context: &Context<'_>,
    path: &'static str,
    name: &str,
    problems: &mut Collector,
) -> Result<BucketName, Reported> {
    match (BucketName::new(name), broken_rule(name)) {
        (Ok(name), None) => Ok(name),
        (_, rule) => Err(context.wrong(problems, path, || {
            Problem::error(format!("S3 does not allow a bucket named `{name}`"))
                .label(rule.unwrap_or(BucketName::EXPECTED))
        })),
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
    fn the_role_of_a_session_of_identity_center_is_named_with_its_path() {
        let role = |name: &str| {
            role_of_session(&format!("arn:aws:sts::111111111111:assumed-role/{name}/me"))
        };
        assert_eq!(
            role("Deploy").as_deref(),
            Some("arn:aws:iam::111111111111:role/Deploy")
        );
        assert_eq!(
            role("AWSReservedSSO_Admin_0123").as_deref(),
            Some(
                "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Admin_0123"
            )
        );
    }

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
