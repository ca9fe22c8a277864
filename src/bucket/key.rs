//! The KMS key that tfw creates: once, however many processes want it at once.

use std::time::Duration;

use super::plan::{new_key_policy, short};
use super::{BucketError, Wanted};
use crate::aws::{AwsError, Bucket, Kms, Written};

/// Whoever has put this object into the bucket creates the key; KMS itself has no such thing.
const MUTEX: &str = ".tfw/creating-kms-key";

/// How often, and how many times, the others look whether the key is there: for ten seconds, since
/// who creates it may have died.
const PAUSE: Duration = Duration::from_millis(500);
const LOOKS: u32 = 20;

/// How often to look for a key that was just given its name, which KMS may not know everywhere yet.
const LOOKS_FOR_OWN: u32 = 10;

/// Creates the key of an alias, where it is not there, and gives its ARN and whether it is new.
///
/// # Errors
/// KMS could not or would not.
pub async fn ensure_key(
    kms: &Kms,
    bucket: &Bucket,
    wanted: &Wanted,
    alias: &str,
) -> Result<(String, bool), BucketError> {
    if let Some(key) = kms.find(alias).await? {
        return Ok((key.arn, false));
    }
    let mutex = Mutex::take(kms, bucket, alias).await?;
    // Somebody else may have had it before.
    let made = match kms.find(alias).await {
        Ok(Some(key)) => Ok((key.arn, false)),
        Ok(None) => create(kms, wanted, alias).await,
        Err(error) => Err(error.into()),
    };
    mutex.release(bucket).await;
    made
}

async fn create(kms: &Kms, wanted: &Wanted, alias: &str) -> Result<(String, bool), BucketError> {
    let description = format!("Terraform states in {}", wanted.bucket);
    let key = kms
        .create(&description, &new_key_policy(wanted), &wanted.new_tags())
        .await?;
    let named = async {
        kms.rotate(&key).await?;
        kms.name(short(alias), &key).await
    };
    match named.await {
        Ok(true) => {
            for _ in 0..LOOKS_FOR_OWN {
                if kms.find(alias).await?.is_some() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            Ok((key, true))
        }
        // Somebody with another bucket was faster: theirs it is.
        Ok(false) => {
            let left = |cause| left(&key, alias, cause);
            kms.discard(&key).await.map_err(left)?;
            let found = kms.find(alias).await?;
            let other = found.ok_or_else(|| AwsError::NotFound {
                what: alias.to_owned(),
            })?;
            Ok((other.arn, false))
        }
        // A key without a name is of no use, and would be paid for.
        Err(cause) => Err(match kms.discard(&key).await {
            Ok(()) => cause.into(),
            Err(_) => left(&key, alias, cause),
        }),
    }
}

fn left(key: &str, alias: &str, cause: AwsError) -> BucketError {
    BucketError::KeyLeft {
        key: key.to_owned(),
        alias: short(alias).to_owned(),
        cause: Box::new(cause),
    }
}

/// The right to create the key.
struct Mutex {
    held: bool,
    version: Option<String>,
}

impl Mutex {
    /// Takes it, or waits until whoever has it has created the key. Where it cannot be had, the
    /// alias still goes to one key alone.
    async fn take(kms: &Kms, bucket: &Bucket, alias: &str) -> Result<Self, BucketError> {
        for _ in 0..LOOKS {
            match bucket.put_new(MUTEX, b"{}", None).await {
                Ok(Written::New(version)) => {
                    return Ok(Self {
                        held: true,
                        version,
                    });
                }
                Ok(Written::AlreadyThere) => {}
                Err(_) => {
                    return Ok(Self {
                        held: false,
                        version: None,
                    });
                }
            }
            tokio::time::sleep(PAUSE).await;
            if kms.find(alias).await?.is_some() {
                return Ok(Self {
                    held: false,
                    version: None,
                });
            }
        }
        // Left by somebody who died.
        let left = bucket.get(MUTEX).await.ok();
        Ok(Self {
            held: true,
            version: left.and_then(|object| object.version_id),
        })
    }

    /// Gives it back. What stays costs the next one ten seconds, and nothing else.
    async fn release(self, bucket: &Bucket) {
        if self.held {
            // In a bucket that keeps versions since a moment ago, an older object is `null`.
            let version = self.version.as_deref().unwrap_or("null");
            let _ = bucket.remove(MUTEX, Some(version), None).await;
        }
    }
}
