//! KMS keys: of the state objects, and of the bucket.

use super::context::{Context, Reported};
use crate::manifest::problem::{Collector, Problem};
use crate::manifest::raw;
use crate::model::{AccountId, Encryption, Region};

/// The key that state objects are encrypted with, and the bucket's own encryption.
pub(super) fn keys(
    context: &Context<'_>,
    raw: &raw::Backend,
    bucket: Option<&raw::Bucket>,
    region: &Result<Region, Reported>,
    owner: &Result<AccountId, Reported>,
    problems: &mut Collector,
) -> Result<(Option<String>, Encryption), Reported> {
    let encryption = bucket.and_then(|bucket| bucket.encryption);
    let of_bucket = bucket.and_then(|bucket| bucket.kms_key.as_deref());
    for path in ["bucket.encryption", "bucket.kms_key", "backend.kms_key_id"] {
        if context.is_invalid(path) {
            return Err(Reported);
        }
    }
    if of_bucket.is_some() && encryption != Some(raw::Encryption::AwsKms) {
        return Err(context.wrong(problems, "bucket.kms_key", || {
            let problem =
                Problem::error("`kms_key` does nothing without `encryption = \"aws:kms\"`")
                    .hint("set `bucket.encryption = \"aws:kms\"`, or take `kms_key` out");
            match context.leaf("bucket.encryption") {
                Some(leaf) => problem.related(&leaf.node.span, "the encryption is this"),
                None => problem,
            }
        }));
    }
    if of_bucket.is_none() && raw.kms_key_id.is_none() {
        return Ok((None, of_encryption(encryption, None)));
    }
    let (region, owner) = (region.clone()?, owner.clone()?);
    let of_bucket = of_bucket.map(|key| key_arn(key, &region, &owner));
    let of_backend = raw
        .kms_key_id
        .as_deref()
        .map(|key| key_arn(key, &region, &owner));
    if let (Some(bucket), Some(backend)) = (&of_bucket, &of_backend)
        && bucket != backend
    {
        return Err(context.wrong(problems, "backend.kms_key_id", || {
            Problem::error("the backend and the bucket name two different KMS keys")
                .label(format!("this is {backend}"))
                .related(context.place("bucket.kms_key"), format!("this is {bucket}"))
                .hint("take `backend.kms_key_id` out: it defaults to `bucket.kms_key`")
        }));
    }
    let encryption = of_encryption(encryption, of_bucket.clone());
    Ok((of_backend.or(of_bucket), encryption))
}

fn of_encryption(encryption: Option<raw::Encryption>, key: Option<String>) -> Encryption {
    match encryption {
        Some(raw::Encryption::AwsKms) => Encryption::Kms { key },
        Some(raw::Encryption::Aes256) | None => Encryption::Aes256,
    }
}

/// A KMS key as ARN. An alias alone would be looked up in the caller's account, which need not be
/// the bucket's.
fn key_arn(key: &str, region: &Region, owner: &AccountId) -> String {
    if key.starts_with("arn:") {
        return key.to_owned();
    }
    let resource = match key.split_once('/') {
        Some(("alias" | "key", _)) => key.to_owned(),
        _ => format!("key/{key}"),
    };
    format!("arn:{}:kms:{region}:{owner}:{resource}", region.partition())
}
