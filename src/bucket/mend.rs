//! Makes a bucket what it must be, and reads back what was made.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use super::plan::Change;
use super::{Actual, BucketError, Plan, Wanted, inspect, plan};
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
/// back. Gives the plan that was carried out.
///
/// Two processes that do this at once both succeed: they make the same settings, and S3's
/// complaint about the other one (`OperationAborted`) is no error.
///
/// # Errors
/// AWS could not or would not, or a setting does not stay. The message says which.
pub async fn mend(
    bucket: &Bucket,
    kms: Option<&Kms>,
    wanted: &Wanted,
) -> Result<Plan, BucketError> {
    let look = || inspect(bucket, kms, wanted, true);
    let actual = look.retry(patience()).when(is_passing_error).await?;
    let planned = plan(&actual, wanted);
    for change in &planned.changes {
        (|| make(bucket, kms, change))
            .retry(patience())
            .when(is_passing)
            .await
            .map_err(|cause| BucketError::SettingFailed {
                bucket: bucket.name().to_string(),
                setting: change.setting(),
                cause,
            })?;
    }
    if !planned.changes.is_empty() {
        read_back(bucket, kms, wanted).await?;
    }
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
        (Change::Policy(policy), _) => bucket.set_policy(policy).await,
        (Change::Lifecycle(lifecycle), _) => bucket.set_lifecycle(lifecycle).await,
        (Change::Logging(target), _) => bucket.set_logging(target).await,
        (Change::Tags(tags), _) => bucket.set_tags(tags).await,
    }
}

/// Reads until nothing is left to do: another node of S3 may answer that has not heard of it yet.
async fn read_back(bucket: &Bucket, kms: Option<&Kms>, wanted: &Wanted) -> Result<(), BucketError> {
    let read = || async {
        let actual: Actual = inspect(bucket, kms, wanted, true).await?;
        let left = plan(&actual, wanted);
        let Some(change) = left.changes.first() else {
            return Ok(());
        };
        let difference = left
            .differences
            .iter()
            .find(|difference| difference.setting == change.setting().name());
        Err(BucketError::NotReadBack {
            bucket: bucket.name().to_string(),
            setting: change.setting(),
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

fn is_passing_error(error: &BucketError) -> bool {
    matches!(error, BucketError::Aws(cause) if is_passing(cause))
}

/// Whether a moment later the answer may be another one: somebody else is at it, or the new
/// bucket is not known everywhere yet.
fn is_passing(error: &AwsError) -> bool {
    matches!(
        error,
        AwsError::Busy { .. } | AwsError::NoSuchBucket { .. } | AwsError::NotFound { .. }
    )
}

/// About ten seconds in six attempts.
fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(300))
        .with_max_delay(Duration::from_secs(4))
        .with_max_times(6)
        .with_jitter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_is_tried_again() {
        assert!(is_passing(&AwsError::Busy {
            what: "the bucket `b`".to_owned()
        }));
        assert!(!is_passing(&AwsError::BucketTaken {
            bucket: "b".to_owned()
        }));
        assert!(!is_passing(&AwsError::AccessDenied {
            action: "s3:CreateBucket".to_owned(),
            message: "no".to_owned()
        }));
    }
}
