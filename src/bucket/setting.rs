//! The settings that make a bucket safe for state: how each is read, compared and set.

use std::fmt;

use crate::aws::{AwsError, Bucket, DefaultEncryption, PublicAccessBlock, Versioning};
use crate::model::{BucketSpec, Encryption};

/// A setting of a bucket that tfw cares for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Old versions of states are kept.
    Versioning,
    /// Objects are encrypted as the manifest says.
    Encryption,
    /// The four blocks of public access.
    PublicAccess,
    /// ACLs are off.
    ObjectOwnership,
}

impl Setting {
    /// All of them, in the order in which they are set.
    pub const ALL: [Self; 4] = [
        Self::Versioning,
        Self::Encryption,
        Self::PublicAccess,
        Self::ObjectOwnership,
    ];

    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Versioning => "versioning",
            Self::Encryption => "default encryption",
            Self::PublicAccess => "public access block",
            Self::ObjectOwnership => "object ownership",
        }
    }

    /// What it should be.
    pub(super) fn desired(self, spec: &BucketSpec) -> String {
        match self {
            Self::Versioning => "enabled".to_owned(),
            Self::Encryption => match &spec.encryption {
                Encryption::Aes256 => "AES256".to_owned(),
                Encryption::Kms { key: None } => "aws:kms with a bucket key".to_owned(),
                Encryption::Kms { key: Some(key) } => {
                    format!("aws:kms with `{key}` and a bucket key")
                }
            },
            Self::PublicAccess => "all four blocks".to_owned(),
            Self::ObjectOwnership => "BucketOwnerEnforced".to_owned(),
        }
    }

    /// Reads it. `Err(text)` in the answer: what it is instead of what it should be.
    pub(super) async fn compare(
        self,
        bucket: &Bucket,
        spec: &BucketSpec,
    ) -> Result<Result<(), String>, AwsError> {
        Ok(match self {
            Self::Versioning => versioning(bucket.versioning().await?),
            Self::Encryption => encryption(bucket.encryption().await?.as_ref(), &spec.encryption),
            Self::PublicAccess => public_access(bucket.public_access_block().await?),
            Self::ObjectOwnership => ownership(bucket.object_ownership().await?),
        })
    }

    /// Sets it.
    pub(super) async fn set(self, bucket: &Bucket, spec: &BucketSpec) -> Result<(), AwsError> {
        match self {
            Self::Versioning => bucket.enable_versioning().await,
            Self::Encryption => bucket.set_encryption(&spec.encryption).await,
            Self::PublicAccess => bucket.block_public_access().await,
            Self::ObjectOwnership => bucket.enforce_object_ownership().await,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn versioning(actual: Versioning) -> Result<(), String> {
    match actual {
        Versioning::Enabled => Ok(()),
        Versioning::Suspended => Err("suspended".to_owned()),
        Versioning::Off => Err("off".to_owned()),
    }
}

/// A stronger encryption than asked for is no weakness: with `AES256` in the manifest, KMS will do.
fn encryption(actual: Option<&DefaultEncryption>, desired: &Encryption) -> Result<(), String> {
    let Some(actual) = actual else {
        return Err("off".to_owned());
    };
    let is_kms = actual.algorithm.starts_with("aws:kms");
    let fits = match desired {
        Encryption::Aes256 => is_kms || actual.algorithm == "AES256",
        Encryption::Kms { key: None } => is_kms && actual.bucket_key,
        Encryption::Kms { key: Some(key) } => {
            is_kms
                && actual.bucket_key
                && actual.key.as_deref().is_some_and(|has| same_key(has, key))
        }
    };
    if fits {
        return Ok(());
    }
    let key = actual
        .key
        .as_ref()
        .map(|key| format!(" with `{key}`"))
        .unwrap_or_default();
    let without = if is_kms && !actual.bucket_key {
        ", without a bucket key"
    } else {
        ""
    };
    Err(format!("{}{key}{without}", actual.algorithm))
}

/// A key may be named by its id, by its ARN or by an alias: an id is the end of its ARN.
fn same_key(one: &str, other: &str) -> bool {
    let tail = |key: &str| {
        key.rsplit_once(":key/")
            .map_or(key, |(_, id)| id)
            .to_owned()
    };
    one == other || tail(one) == tail(other)
}

fn public_access(actual: PublicAccessBlock) -> Result<(), String> {
    if actual == PublicAccessBlock::ALL {
        return Ok(());
    }
    let switches = [
        (actual.block_public_acls, "BlockPublicAcls"),
        (actual.ignore_public_acls, "IgnorePublicAcls"),
        (actual.block_public_policy, "BlockPublicPolicy"),
        (actual.restrict_public_buckets, "RestrictPublicBuckets"),
    ];
    let off: Vec<&str> = switches
        .into_iter()
        .filter(|(on, _)| !on)
        .map(|(_, name)| name)
        .collect();
    Err(if off.len() == switches.len() {
        "off".to_owned()
    } else {
        format!("without {}", off.join(", "))
    })
}

fn ownership(actual: Option<String>) -> Result<(), String> {
    match actual {
        Some(actual) if actual == "BucketOwnerEnforced" => Ok(()),
        Some(actual) => Err(actual),
        None => Err("not set".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(algorithm: &str, key: Option<&str>, bucket_key: bool) -> DefaultEncryption {
        DefaultEncryption {
            algorithm: algorithm.to_owned(),
            key: key.map(str::to_owned),
            bucket_key,
        }
    }

    #[test]
    fn encryption_may_be_stronger_than_the_manifest_but_not_weaker() {
        let aes = Encryption::Aes256;
        assert_eq!(encryption(Some(&is("AES256", None, false)), &aes), Ok(()));
        assert_eq!(
            encryption(Some(&is("aws:kms", Some("k"), false)), &aes),
            Ok(())
        );
        assert_eq!(encryption(None, &aes), Err("off".to_owned()));

        let kms = Encryption::Kms { key: None };
        assert_eq!(encryption(Some(&is("aws:kms", None, true)), &kms), Ok(()));
        assert_eq!(
            encryption(Some(&is("AES256", None, false)), &kms),
            Err("AES256".to_owned())
        );
        assert_eq!(
            encryption(Some(&is("aws:kms", None, false)), &kms),
            Err("aws:kms, without a bucket key".to_owned())
        );
    }

    #[test]
    fn another_key_is_a_weakness_and_another_name_of_the_key_is_none() {
        let arn = "arn:aws:kms:eu-west-1:111111111111:key/abc-1";
        let kms = Encryption::Kms {
            key: Some(arn.to_owned()),
        };
        assert_eq!(
            encryption(Some(&is("aws:kms", Some(arn), true)), &kms),
            Ok(())
        );
        assert_eq!(
            encryption(Some(&is("aws:kms", Some("abc-1"), true)), &kms),
            Ok(())
        );
        assert_eq!(
            encryption(Some(&is("aws:kms", Some("other"), true)), &kms),
            Err("aws:kms with `other`".to_owned())
        );
    }

    #[test]
    fn the_blocks_that_are_off_are_named() {
        assert_eq!(public_access(PublicAccessBlock::ALL), Ok(()));
        assert_eq!(
            public_access(PublicAccessBlock::default()),
            Err("off".to_owned())
        );
        let one_off = PublicAccessBlock {
            restrict_public_buckets: false,
            ..PublicAccessBlock::ALL
        };
        assert_eq!(
            public_access(one_off),
            Err("without RestrictPublicBuckets".to_owned())
        );
    }

    #[test]
    fn versions_must_be_kept_and_acls_off() {
        assert_eq!(versioning(Versioning::Enabled), Ok(()));
        assert_eq!(
            versioning(Versioning::Suspended),
            Err("suspended".to_owned())
        );
        assert_eq!(ownership(Some("BucketOwnerEnforced".to_owned())), Ok(()));
        assert_eq!(
            ownership(Some("ObjectWriter".to_owned())),
            Err("ObjectWriter".to_owned())
        );
    }
}
