//! Makes a bucket what it must be, and reads back what was made.

use std::mem::{Discriminant, discriminant};

use backon::{BackoffBuilder, Retryable};

use super::error::SettingFailure;
use super::patience::{is_passing, is_passing_error, patience};
use super::plan::Change;
use super::{BucketError, Plan, Wanted, inspect, plan};
use crate::aws::{AwsError, Bucket, Creation, Kms};
use crate::model::AccountId;

/// Creates the bucket in its region, where it is not there; `false`: another process of the same
/// account was faster. Its settings are [`mend`]'s.
///
/// # Errors
/// The name is taken by another account or `account`, whose credentials these are, is not the
/// owner's (refusals), or S3 would not.
pub async fn create(bucket: &Bucket, account: Option<&AccountId>) -> Result<bool, BucketError> {
    if let Some(own) = account
        && own != bucket.owner()
    {
        return Err(BucketError::NotTheOwner {
            bucket: bucket.name().to_string(),
            account: own.clone(),
            owner: bucket.owner().clone(),
        });
    }
    let creation = (|| bucket.create())
        .retry(patience())
        .when(is_passing)
        .await?;
    Ok(creation == Creation::Created)
}

/// Makes the settings of a bucket that exists, whose key exists where it has one, and reads them
/// back. Gives the plan that was carried out. `shown` is what somebody has agreed to; `None`: to a
/// new bucket, whatever it takes.
///
/// Two processes that do this at once both succeed: they make the same settings, and S3's
/// complaint about the other one (`OperationAborted`) is no error. After it everything is read
/// again, so that nothing that somebody else has written meanwhile is written over.
///
/// # Errors
/// The bucket has changed since it was shown, or somebody would be locked out (refusals); AWS could
/// not or would not, or a setting does not stay. The message says which. What fails does not keep
/// the rest from being made.
pub async fn mend(
    bucket: &Bucket,
    kms: Option<&Kms>,
    wanted: &Wanted,
    shown: Option<&Plan>,
) -> Result<Plan, BucketError> {
    let look = || look_again(bucket, kms, wanted, shown);
    let first = look().await?;
    let mut current = first.clone();
    let mut done: Vec<Discriminant<Change>> = Vec::new();
    let mut failures = Vec::new();
    let mut pauses = patience().build();
    let next = |plan: &Plan, done: &[Discriminant<Change>]| {
        let mut changes = plan.changes.iter();
        changes
            .find(|change| !done.contains(&discriminant(*change)))
            .cloned()
    };
    while let Some(change) = next(&current, &done) {
        let gets_in = match change {
            Change::Policy { .. } => gets_at_objects(bucket, wanted).await,
            _ => false,
        };
        let made = make(bucket, kms, &change).await;
        if made.as_ref().is_err_and(is_passing)
            && let Some(pause) = pauses.next()
        {
            tokio::time::sleep(pause).await;
            current = look().await?;
            continue;
        }
        done.push(discriminant(&change));
        pauses = patience().build();
        match made {
            Ok(()) => match still_let_in(bucket, wanted, &change, gets_in).await {
                // Nobody has asked for it, and the server does not know what TLS is.
                Err(BucketError::LockedOut { left: None, .. }) if wanted.presumes_tls() => {
                    let without = wanted.without_tls();
                    let rest = Box::pin(mend(bucket, kms, &without, shown)).await?;
                    return Ok(rest.after(first).without_tls());
                }
                other => other?,
            },
            Err(cause) => failures.push(SettingFailure::of(&change, cause)),
        }
    }
    if !failures.is_empty() {
        return Err(BucketError::SettingsFailed {
            bucket: bucket.name().to_string(),
            failures,
        });
    }
    if !done.is_empty() {
        read_back(bucket, kms, wanted).await?;
    }
    Ok(first)
}

/// What is to be done now, as far as somebody has agreed to it.
async fn look_again(
    bucket: &Bucket,
    kms: Option<&Kms>,
    wanted: &Wanted,
    shown: Option<&Plan>,
) -> Result<Plan, BucketError> {
    let look = || async {
        let actual = inspect(bucket, kms, wanted, true).await?;
        match wanted.kms_key() {
            // One that is new is not known everywhere yet.
            Some(key) if actual.lacks_key() && wanted.spec.create_kms_key => {
                let what = key.to_owned();
                Err(BucketError::from(AwsError::NotFound { what }))
            }
            _ => Ok(actual),
        }
    };
    let actual = look.retry(patience()).when(is_passing_error).await?;
    let planned = plan(&actual, wanted);
    if let Some(difference) = shown.and_then(|shown| planned.beyond(shown)) {
        return Err(BucketError::Changed {
            bucket: bucket.name().to_string(),
            difference: difference.to_string(),
        });
    }
    planned.check_lockout()?;
    Ok(planned)
}

async fn make(bucket: &Bucket, kms: Option<&Kms>, change: &Change) -> Result<(), AwsError> {
    match (change, kms) {
        (Change::BlockPublicAccess, _) => bucket.block_public_access().await,
        (Change::EnforceObjectOwnership, _) => bucket.enforce_object_ownership().await,
        (Change::EnableVersioning, _) => bucket.enable_versioning().await,
        (Change::RotateKey(key), Some(kms)) => kms.rotate(key).await,
        (Change::KeyPolicy { key, policy }, Some(kms)) => kms.set_policy(key, policy).await,
        // Nothing is planned for a key that was not looked at.
        (Change::RotateKey(_) | Change::KeyPolicy { .. }, None) => Ok(()),
        (Change::Encryption(encryption), _) => bucket.set_encryption(encryption).await,
        (Change::Policy { text, .. }, _) => match text {
            Some(text) => bucket.set_policy(text).await,
            None => bucket.remove_policy().await,
        },
        (Change::Lifecycle(lifecycle), _) => bucket.set_lifecycle(lifecycle).await,
        (Change::Logging(target), _) => bucket.set_logging(target).await,
        (Change::Tags(tags), _) => bucket.set_tags(tags).await,
    }
}

/// Looks whether a policy that was just written lets tfw in, and puts the one before back otherwise:
/// to write a policy is not denied by it.
async fn still_let_in(
    bucket: &Bucket,
    wanted: &Wanted,
    change: &Change,
    got_in: bool,
) -> Result<(), BucketError> {
    let Change::Policy { before, .. } = change else {
        return Ok(());
    };
    let is_shut = matches!(
        bucket.head().await,
        Err(AwsError::ForeignOrForbidden { .. })
    );
    if !is_shut && (!got_in || gets_at_objects(bucket, wanted).await) {
        return Ok(());
    }
    let arn = bucket.arn().to_owned();
    let put_back = match before {
        Some(before) => bucket.set_policy(before).await,
        None => bucket.remove_policy().await,
    };
    Err(BucketError::LockedOut {
        bucket: bucket.name().to_string(),
        arn,
        left: put_back.err().map(Box::new),
    })
}

/// Whether tfw may read a state, there or not.
async fn gets_at_objects(bucket: &Bucket, wanted: &Wanted) -> bool {
    let key = wanted
        .keys
        .first()
        .map_or("terraform.tfstate", String::as_str);
    let looked = bucket.object_encryption(key).await;
    !matches!(looked, Err(AwsError::AccessDenied { .. }))
}

/// Reads until nothing is left to do: another node of S3 may answer that has not heard of it yet.
async fn read_back(bucket: &Bucket, kms: Option<&Kms>, wanted: &Wanted) -> Result<(), BucketError> {
    let read = || async {
        let left = plan(&inspect(bucket, kms, wanted, true).await?, wanted);
        let setting = left.changes.first().and_then(|change| {
            let settings = change.settings();
            settings.first().copied()
        });
        let Some(setting) = setting else {
            return Ok(());
        };
        let difference = left
            .differences
            .iter()
            .find(|difference| difference.setting == setting.name());
        Err(BucketError::NotReadBack {
            bucket: bucket.name().to_string(),
            setting,
            actual: difference
                .and_then(|difference| difference.actual.clone())
                .unwrap_or_else(|| "not set".to_owned()),
            desired: difference.map_or_else(String::new, |difference| difference.desired.clone()),
        })
    };
    read.retry(patience())
        .when(|error| matches!(error, BucketError::NotReadBack { .. }) || is_passing_error(error))
        .await
}
