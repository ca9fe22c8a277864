//! What a bucket is like: everything that tfw cares for, read at once.

use std::collections::BTreeMap;

use super::{BucketError, Wanted};
use crate::aws::{
    AwsError, Bucket, DefaultEncryption, Kms, Lifecycle, LogTarget, PublicAccessBlock, Versioning,
};
use crate::model::Encryption;

/// A setting, or why it may not be read.
pub(super) type Read<T> = Result<T, String>;

/// A bucket and its key as they are.
#[derive(Debug, Clone)]
pub struct Actual {
    /// Whether there is a bucket; otherwise the rest is what a new one would be without settings.
    pub(super) exists: bool,
    pub(super) key: Key,
    pub(super) versioning: Read<Versioning>,
    pub(super) encryption: Read<Option<DefaultEncryption>>,
    /// The ARN of the key of that, where it is another name than the manifest's.
    pub(super) encryption_key_arn: Option<String>,
    pub(super) public_access: Read<PublicAccessBlock>,
    pub(super) ownership: Read<Option<String>>,
    pub(super) policy: Read<Option<String>>,
    pub(super) lifecycle: Read<Lifecycle>,
    pub(super) logging: Read<Option<LogTarget>>,
    pub(super) tags: Read<BTreeMap<String, String>>,
    /// The role that S3 replicates the bucket with, as far as it is known.
    pub(super) replication_role: Option<String>,
}

/// The KMS key that the manifest names.
#[derive(Debug, Clone)]
pub(super) enum Key {
    /// It names none.
    NotAsked,
    /// There is none.
    Absent,
    /// It may not be looked at.
    Unreadable(String),
    /// It encrypts nothing: AWS's word for why.
    Unusable(String),
    /// It is there.
    There(KeyFacts),
}

/// What matters of a key. Rotation and policy are looked at only where tfw cares for the key.
#[derive(Debug, Clone)]
pub(super) struct KeyFacts {
    pub(super) arn: String,
    /// Whether KMS can make new key material for it.
    pub(super) can_rotate: bool,
    pub(super) rotates: Option<Read<bool>>,
    pub(super) policy: Option<Read<Option<String>>>,
}

impl Actual {
    /// A bucket that is not there.
    fn absent(key: Key) -> Self {
        Self {
            exists: false,
            key,
            versioning: Ok(Versioning::Off),
            encryption: Ok(None),
            encryption_key_arn: None,
            public_access: Ok(PublicAccessBlock::default()),
            ownership: Ok(None),
            policy: Ok(None),
            lifecycle: Ok(Lifecycle::default()),
            logging: Ok(None),
            tags: Ok(BTreeMap::new()),
            replication_role: None,
        }
    }

    /// The ARN of the KMS key that the manifest names, as far as it is known.
    pub fn key_arn(&self) -> Option<&str> {
        match &self.key {
            Key::There(facts) => Some(&facts.arn),
            _ => None,
        }
    }

    /// Whether the key that the manifest names is not there.
    pub fn lacks_key(&self) -> bool {
        matches!(self.key, Key::Absent)
    }
}

/// Reads a bucket and its key; `exists`: whether there is a bucket to read.
///
/// # Errors
/// AWS could not be asked. What may not be read is noted, and is no error.
pub async fn inspect(
    bucket: &Bucket,
    kms: Option<&Kms>,
    wanted: &Wanted,
    exists: bool,
) -> Result<Actual, BucketError> {
    if !exists {
        return Ok(Actual::absent(key(kms, wanted).await?));
    }
    let logging_matters = wanted.spec.access_log_bucket.is_some();
    let tags_matter = !wanted.tags().is_empty();
    let (
        key,
        versioning,
        encryption,
        public_access,
        ownership,
        policy,
        lifecycle,
        logging,
        tags,
        replication,
    ) = tokio::join!(
        key(kms, wanted),
        bucket.versioning(),
        bucket.encryption(),
        bucket.public_access_block(),
        bucket.object_ownership(),
        bucket.policy(),
        bucket.lifecycle(),
        only_if(logging_matters, bucket.logging()),
        only_if(tags_matter, bucket.tags()),
        only_if(wanted.insiders.is_some(), bucket.replication_role()),
    );
    let encryption = readable(encryption)?;
    let mut actual = Actual {
        exists: true,
        key: key?,
        versioning: readable(versioning)?,
        encryption_key_arn: None,
        public_access: readable(public_access)?,
        ownership: readable(ownership)?,
        policy: readable(policy)?,
        lifecycle: readable(lifecycle)?,
        logging: readable(logging)?.map(Option::flatten),
        tags: readable(tags)?.map(Option::unwrap_or_default),
        // Who may not look at that is not told of it.
        replication_role: replication.ok().flatten().flatten(),
        encryption,
    };
    actual.encryption_key_arn = other_name(kms, wanted, &actual).await;
    Ok(actual)
}

/// The key that the bucket encrypts with may be the right one by another name: then KMS knows.
async fn other_name(kms: Option<&Kms>, wanted: &Wanted, actual: &Actual) -> Option<String> {
    wanted.kms_key()?;
    let encryption = actual.encryption.as_ref().ok()?.as_ref()?;
    let name = encryption.key.as_deref()?;
    if !name.contains("alias/") || Some(name) == wanted.kms_key() {
        return None;
    }
    // It only tells whether two names are one; where it cannot be told, they are two.
    let key = kms?.find(name).await.ok()??;
    Some(key.arn)
}

async fn key(kms: Option<&Kms>, wanted: &Wanted) -> Result<Key, BucketError> {
    let (Encryption::Kms { key: Some(arn) }, Some(kms)) = (&wanted.spec.encryption, kms) else {
        return Ok(Key::NotAsked);
    };
    let key = match readable(kms.find(arn).await)? {
        Ok(Some(key)) => key,
        Ok(None) => return Ok(Key::Absent),
        Err(denied) => return Ok(Key::Unreadable(denied)),
    };
    if let Err(state) = key.state {
        return Ok(Key::Unusable(state));
    }
    let mut facts = KeyFacts {
        arn: key.arn,
        can_rotate: key.can_rotate,
        rotates: None,
        policy: None,
    };
    if wanted.spec.create_kms_key {
        let (rotates, policy) = tokio::join!(kms.rotates(&facts.arn), kms.policy(&facts.arn));
        facts.rotates = Some(readable(rotates)?);
        facts.policy = Some(readable(policy)?);
    }
    Ok(Key::There(facts))
}

async fn only_if<T>(
    asked: bool,
    read: impl Future<Output = Result<T, AwsError>>,
) -> Result<Option<T>, AwsError> {
    if asked {
        read.await.map(Some)
    } else {
        Ok(None)
    }
}

/// What is denied, or unknown to a server that is not AWS, is noted.
fn readable<T>(read: Result<T, AwsError>) -> Result<Read<T>, BucketError> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(error @ AwsError::AccessDenied { .. }) => Ok(Err(error.to_string())),
        Err(AwsError::Other { action, code, .. })
            if matches!(code.as_str(), "NotImplemented" | "MethodNotAllowed") =>
        {
            Ok(Err(format!("the server does not have it ({action})")))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
impl Actual {
    /// A bucket that is there, without any settings.
    pub(super) fn bare() -> Self {
        Self {
            exists: true,
            ..Self::absent(Key::NotAsked)
        }
    }
}
