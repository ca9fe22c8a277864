//! The KMS key that tfw creates: once, however many processes want it at once.

use std::time::Duration;

use backon::Retryable;

use super::patience::{is_passing, patience};
use super::plan::{new_key_policy, short};
use super::{BucketError, Plan, Wanted};
use crate::aws::{AwsError, Bucket, Kms, KmsKey, NO_VERSION, Written};

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
    plan: &Plan,
    alias: &str,
) -> Result<(String, bool), BucketError> {
    if let Some(key) = kms.find(alias).await? {
        return Ok((key.arn, false));
    }
    let mutex = Mutex::take(kms, bucket, alias).await?;
    // Somebody else may have had it before.
    let made = match kms.find(alias).await {
        Ok(Some(key)) => Ok((key.arn, false)),
        Ok(None) => create(kms, wanted, plan, alias).await,
        Err(error) => Err(error.into()),
    };
    mutex.release(bucket).await;
    made
}

async fn create(
    kms: &Kms,
    wanted: &Wanted,
    plan: &Plan,
    alias: &str,
) -> Result<(String, bool), BucketError> {
    let description = format!("Terraform states in {}", wanted.bucket);
    let policy = new_key_policy(wanted, &plan.let_in);
    let key = kms
        .create(&description, &policy, &wanted.new_tags())
        .await?;
    // A new key is not known everywhere at once.
    let named = async {
        (|| kms.rotate(&key))
            .retry(patience())
            .when(is_passing)
            .await?;
        (|| kms.name(short(alias), &key))
            .retry(patience())
            .when(is_passing)
            .await
    };
    let cause = match named.await {
        Ok(true) => {
            look_patiently(kms, alias).await?;
            return Ok((key, true));
        }
        Ok(false) => None,
        Err(cause) => Some(cause),
    };
    // The name may be given all the same: an answer that was lost on the way is asked for again, and
    // then the alias "exists already". A key with a name may be in use, and is not thrown away.
    let found = match &cause {
        // Nothing was done: there is nothing to wait for.
        Some(cause) if !is_open(cause) => kms.find(alias).await,
        _ => look_patiently(kms, alias).await,
    };
    let settled = settle(&key, cause.as_ref(), found);
    match (settled, cause) {
        (Settled::Ours, _) => Ok((key, true)),
        (Settled::Theirs(theirs), _) => {
            let left = |cause| left(&key, alias, cause);
            kms.discard(&key).await.map_err(left)?;
            Ok((theirs, false))
        }
        (Settled::Nobodys, Some(cause)) => Err(match kms.discard(&key).await {
            Ok(()) => cause.into(),
            Err(_) => left(&key, alias, cause),
        }),
        (Settled::Open | Settled::Nobodys, cause) => {
            let nowhere = || AwsError::NotFound {
                what: alias.to_owned(),
            };
            Err(left(&key, alias, cause.unwrap_or_else(nowhere)))
        }
    }
}

/// Whose an alias is.
#[derive(Debug, PartialEq, Eq)]
enum Settled {
    Ours,
    /// That of another key, which is this one.
    Theirs(String),
    Nobodys,
    /// It cannot be told.
    Open,
}

/// Whose the alias is, after naming a key went wrong (`cause`), or the name was taken (`None`).
fn settle(key: &str, cause: Option<&AwsError>, found: Result<Option<KmsKey>, AwsError>) -> Settled {
    match (found, cause) {
        (Ok(Some(found)), _) if found.arn == key => Settled::Ours,
        // Somebody with another bucket was faster: theirs it is.
        (Ok(Some(found)), _) => Settled::Theirs(found.arn),
        (Ok(None), Some(cause)) if !is_open(cause) => Settled::Nobodys,
        (Ok(None) | Err(_), _) => Settled::Open,
    }
}

/// Whether something may have been done in spite of the error.
fn is_open(cause: &AwsError) -> bool {
    match cause {
        AwsError::Unreachable { .. } => true,
        AwsError::Other { code, .. } => {
            code.starts_with("HTTP 5")
                || matches!(
                    code.as_str(),
                    "KMSInternalException" | "DependencyTimeoutException" | "unreadable answer"
                )
        }
        _ => false,
    }
}

/// The key of an alias that was just given, which KMS may not know everywhere yet.
async fn look_patiently(kms: &Kms, alias: &str) -> Result<Option<KmsKey>, AwsError> {
    for _ in 0..LOOKS_FOR_OWN {
        if let Some(key) = kms.find(alias).await? {
            return Ok(Some(key));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(None)
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
            let version = self.version.as_deref().unwrap_or(NO_VERSION);
            let _ = bucket.remove_version(MUTEX, version).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "arn:aws:kms:eu-central-1:111111111111:key/1";

    fn key(arn: &str) -> KmsKey {
        KmsKey {
            arn: arn.to_owned(),
            state: Ok(()),
            can_rotate: true,
        }
    }

    #[test]
    fn a_key_that_may_have_its_name_is_not_thrown_away() {
        let denied = AwsError::AccessDenied {
            action: "kms:CreateAlias".to_owned(),
            message: "no".to_owned(),
        };
        let broken = AwsError::Unreachable {
            endpoint: "https://kms".to_owned(),
            cause: "no answer in time".to_owned(),
        };
        for cause in [None, Some(&denied), Some(&broken)] {
            assert_eq!(settle(OWN, cause, Ok(Some(key(OWN)))), Settled::Ours);
            let theirs = settle(OWN, cause, Ok(Some(key("other"))));
            assert_eq!(theirs, Settled::Theirs("other".to_owned()));
            assert_eq!(settle(OWN, cause, Err(denied.clone())), Settled::Open);
        }
        assert_eq!(settle(OWN, Some(&denied), Ok(None)), Settled::Nobodys);
        assert_eq!(settle(OWN, Some(&broken), Ok(None)), Settled::Open);
        assert_eq!(settle(OWN, None, Ok(None)), Settled::Open);
    }
}
