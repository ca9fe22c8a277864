//! How a bucket and the states in it are encrypted: what CloudTrail can show of them.

use std::collections::{BTreeMap, BTreeSet};

use super::history;
use crate::aws::{AwsError, DefaultEncryption, Kms, ObjectEncryption};
use crate::model::{Backend, S3Backend};
use crate::stage::context::at_once;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::site::Site;

/// What is known of one bucket.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// There is none.
    pub(super) no_bucket: bool,
    /// Its default encryption; `None`: that may not be read, or there is none.
    pub(super) default: Option<DefaultEncryption>,
    /// How the state of each unit is encrypted, where there is one and it may be looked at.
    pub(super) states: BTreeMap<usize, ObjectEncryption>,
    /// The ARNs of the keys that any of it is encrypted with.
    pub(super) keys: BTreeSet<String>,
    /// What is not known of the keys, and why.
    pub(super) unknown: Vec<AwsError>,
}

impl Facts {
    /// Whether neither the state of a unit, nor what it would be written with, has a key of KMS.
    pub(super) fn is_without_key(&self, user: usize) -> bool {
        match self.states.get(&user) {
            Some(state) => !state.algorithm.starts_with("aws:kms"),
            None => self.keys.is_empty() && self.unknown.is_empty(),
        }
    }

    /// Whether S3 asks KMS for the bucket in place of the state: as the object is, or, without one,
    /// as it would be written.
    pub(super) fn has_bucket_key(&self, user: usize) -> bool {
        let default = self.default.as_ref();
        let by_default = default.is_some_and(|default| default.is_kms() && default.bucket_key);
        self.states
            .get(&user)
            .map_or(by_default, |state| state.bucket_key)
    }
}

/// Looks at a bucket and at the states of its units.
pub(super) async fn of(site: &Site<'_, '_>, records: &[Record<'_>]) -> Result<Facts, Failure> {
    let failed = |error: AwsError| history::failure("cannot look at the state bucket", &error);
    let bucket = site.account.bucket(site.s3).await.map_err(failed)?;
    let states = at_once(site.users.iter().map(async |&user| {
        let Backend::S3(s3) = &records[user].unit.backend else {
            return (user, Ok(None));
        };
        (user, bucket.object_encryption(&s3.object_key()).await)
    }));
    let (default, states) = tokio::join!(bucket.encryption(), states);
    let mut facts = Facts::default();
    match default {
        Ok(default) => facts.default = default,
        Err(AwsError::NoSuchBucket { .. }) => facts.no_bucket = true,
        Err(error @ (AwsError::AccessDenied { .. } | AwsError::Other { .. })) => {
            facts.unknown.push(error);
        }
        Err(error) => return Err(failed(error)),
    }
    for (user, state) in states {
        match state {
            Ok(Some(state)) => {
                facts.states.insert(user, state);
            }
            Ok(None) | Err(AwsError::NotFound { .. } | AwsError::NoSuchBucket { .. }) => {}
            Err(error) if error.is_denied() => {
                if !facts.unknown.contains(&error) {
                    facts.unknown.push(error);
                }
            }
            Err(error) => return Err(failed(error)),
        }
    }
    let kms = site.account.kms(&site.s3.region).await.map_err(failed)?;
    for name in names(site.s3, site, &facts, records) {
        match key_arn(&kms, &name).await {
            Ok(arn) => facts.keys.extend(arn),
            Err(error) => facts.unknown.push(error),
        }
    }
    Ok(facts)
}

/// The names of all keys, in any form.
fn names(
    s3: &S3Backend,
    site: &Site<'_, '_>,
    facts: &Facts,
    records: &[Record<'_>],
) -> BTreeSet<String> {
    let of_states = facts.states.values().filter_map(|s| s.kms_key.clone());
    let mut names: BTreeSet<String> = of_states.collect();
    let of_manifest = site.users.iter().filter_map(|&user| {
        let Backend::S3(s3) = &records[user].unit.backend else {
            return None;
        };
        s3.kms_key_id.clone()
    });
    names.extend(of_manifest);
    if let Some(default) = facts.default.as_ref().filter(|default| default.is_kms()) {
        names.insert(default.key.clone().unwrap_or_else(|| {
            // AWS's own key for S3 in the account.
            let partition = s3.region.partition();
            format!(
                "arn:{partition}:kms:{}:{}:alias/aws/s3",
                s3.region, s3.owner
            )
        }));
    }
    names
}

/// CloudTrail knows a key by its ARN, and not by an alias.
async fn key_arn(kms: &Kms, name: &str) -> Result<Option<String>, AwsError> {
    if name.contains(":key/") {
        return Ok(Some(name.to_owned()));
    }
    Ok(kms.find(name).await?.map(|key| key.arn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_tells_before_its_bucket_does() {
        let state = |algorithm: &str, bucket_key| ObjectEncryption {
            algorithm: algorithm.to_owned(),
            kms_key: None,
            bucket_key,
        };
        let facts = Facts {
            default: Some(DefaultEncryption::new("aws:kms", None, true)),
            states: [
                (0, state("aws:kms", false)),
                (1, state("aws:kms", true)),
                (2, state("AES256", false)),
            ]
            .into(),
            keys: ["arn:aws:kms:eu-central-1:1:key/x".to_owned()].into(),
            ..Facts::default()
        };
        assert_eq!(
            [0, 1, 2, 3].map(|user| facts.has_bucket_key(user)),
            [false, true, false, true]
        );
        assert_eq!(
            [0, 1, 2, 3].map(|user| facts.is_without_key(user)),
            [false, false, true, false]
        );
    }
}
