//! Creating a bucket, with every setting read back.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};

use super::{BucketError, Setting};
use crate::aws::{AwsError, Bucket, Creation, VerifiedAccount};
use crate::model::{BucketSpec, S3Backend};

/// How a bucket came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// This process made it.
    New,
    /// Another process of the same account was faster; the settings are as they should be.
    Raced,
}

/// Creates the bucket of a backend in its region, makes every setting, and reads each back.
///
/// Two processes that do this at once both succeed: they make the same settings, and S3's
/// complaints about the other one (`BucketAlreadyOwnedByYou`, `OperationAborted`) are no errors. A
/// process that dies between creation and settings leaves a bucket that the next run finds weak.
///
/// # Errors
/// The name is taken by another account or the credentials are not the owner's (refusals), S3
/// would not, or a setting does not stay.
pub async fn create(
    account: &VerifiedAccount,
    backend: &S3Backend,
    spec: &BucketSpec,
) -> Result<Created, BucketError> {
    let bucket = account.bucket(backend).await?;
    if let Some(own) = account.account_id()
        && *own != backend.owner
    {
        return Err(BucketError::NotTheOwner {
            bucket: backend.bucket.to_string(),
            account: own.clone(),
            owner: backend.owner.clone(),
        });
    }
    let creation = (|| bucket.create())
        .retry(patience())
        .when(is_passing)
        .await?;
    for setting in Setting::ALL {
        (|| setting.set(&bucket, spec))
            .retry(patience())
            .when(is_passing)
            .await
            .map_err(|cause| failed(&bucket, setting, cause))?;
    }
    for setting in Setting::ALL {
        read_back(&bucket, setting, spec).await?;
    }
    Ok(match creation {
        Creation::Created => Created::New,
        Creation::AlreadyOurs => Created::Raced,
    })
}

/// Reads a setting until it is what was set: another node of S3 may answer that has not heard of
/// it yet.
async fn read_back(
    bucket: &Bucket,
    setting: Setting,
    spec: &BucketSpec,
) -> Result<(), BucketError> {
    let read = || async {
        match setting.compare(bucket, spec).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(actual)) => Err(BucketError::NotReadBack {
                bucket: bucket.name().to_string(),
                setting: setting.name(),
                actual,
                desired: setting.desired(spec),
            }),
            Err(cause) => Err(failed(bucket, setting, cause)),
        }
    };
    read.retry(patience())
        .when(|error| match error {
            BucketError::NotReadBack { .. } => true,
            BucketError::SettingFailed { cause, .. } => is_passing(cause),
            BucketError::Aws(_) | BucketError::NotTheOwner { .. } => false,
        })
        .await
}

fn failed(bucket: &Bucket, setting: Setting, cause: AwsError) -> BucketError {
    BucketError::SettingFailed {
        bucket: bucket.name().to_string(),
        setting: setting.name(),
        cause,
    }
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

    #[tokio::test]
    async fn without_credentials_nothing_is_created() {
        let backend = S3Backend {
            bucket: "acme-tfstate".parse().unwrap(),
            key: "k".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            workspace: "default".parse().unwrap(),
            use_lockfile: true,
            kms_key_id: None,
            role_arn: None,
            owner: "111111111111".parse().unwrap(),
            use_path_style: false,
            options: serde_json::Map::new(),
        };
        let spec = BucketSpec {
            encryption: crate::model::Encryption::Aes256,
        };
        let account = VerifiedAccount::without_credentials();
        let error = create(&account, &backend, &spec).await.unwrap_err();
        assert!(matches!(
            error,
            BucketError::Aws(AwsError::NoCredentials { .. })
        ));
    }
}
