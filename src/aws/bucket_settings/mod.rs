//! The settings of a bucket, read and written one by one.
//!
//! Each is asked for in one shape: from the bucket's owner only, the answer turned into facts, and
//! "there is no such setting", for which S3 has a code per setting, into `None`.

mod access;
mod encryption;
mod lifecycle;
mod notes;

pub use access::{PublicAccessBlock, Versioning};
pub use encryption::DefaultEncryption;
pub use lifecycle::{Lifecycle, LifecycleRuleFacts};
pub use notes::LogTarget;

use aws_smithy_types::error::operation::BuildError;

use super::AwsError;

/// One request about a setting: `ask!(bucket, get_bucket_policy, "s3:GetBucketPolicy")`, with what
/// the request says beside the bucket and its owner as `name(value)`.
macro_rules! ask {
    ($bucket:expr, $operation:ident, $action:literal $(, $set:ident($value:expr))* $(,)?) => {
        $bucket
            .client
            .$operation()
            .bucket($bucket.name().as_str())
            .expected_bucket_owner($bucket.owner().as_str())
            $(.$set($value))*
            .send()
            .await
            .map_err(|error| $bucket.failure($action, "", &error))
    };
}
use ask;

/// What S3 answers, with a 404, of a setting that was never made.
const UNSET: [&str; 7] = [
    "ServerSideEncryptionConfigurationNotFoundError",
    "NoSuchPublicAccessBlockConfiguration",
    "OwnershipControlsNotFoundError",
    "NoSuchBucketPolicy",
    "NoSuchLifecycleConfiguration",
    "NoSuchTagSet",
    "ReplicationConfigurationNotFoundError",
];

/// The answer; `None`: the setting was never made.
fn unless_unset<T>(answer: Result<T, AwsError>) -> Result<Option<T>, AwsError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(AwsError::Other { code, .. }) if UNSET.contains(&code.as_str()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A request that cannot even be written down.
fn unbuilt(action: &'static str) -> impl Fn(BuildError) -> AwsError {
    move |error| AwsError::Other {
        action: action.to_owned(),
        code: "request not sent".to_owned(),
        message: error.to_string(),
        request_id: None,
    }
}
