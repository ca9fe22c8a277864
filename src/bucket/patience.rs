//! How long to wait for what passes by itself.

use std::time::Duration;

use backon::ExponentialBuilder;

use super::BucketError;
use crate::aws::AwsError;

/// Whether a moment later the answer may be another one: somebody else is at it, or what is new is
/// not known everywhere yet.
pub(super) fn is_passing(error: &AwsError) -> bool {
    matches!(
        error,
        AwsError::Busy { .. } | AwsError::NoSuchBucket { .. } | AwsError::NotFound { .. }
    )
}

/// The same of an error with more about it.
pub(super) fn is_passing_error(error: &BucketError) -> bool {
    matches!(error, BucketError::Aws(cause) if is_passing(cause))
}

/// About ten seconds in six attempts.
pub(super) fn patience() -> ExponentialBuilder {
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
