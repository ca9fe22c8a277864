//! States in S3, with Terraform's native lock file beside them.

use super::{Found, StateDocument, StateError, StateVersion, lock};
use crate::aws::{AwsError, Bucket, VerifiedAccount};
use crate::model::{Lock, S3Backend};

/// The state of one workspace in a bucket.
#[derive(Debug, Clone)]
pub struct S3State {
    bucket: Bucket,
    key: String,
}

impl S3State {
    pub(super) async fn open(
        account: &VerifiedAccount,
        backend: &S3Backend,
    ) -> Result<Self, StateError> {
        let key = backend.object_key();
        let bucket = account
            .bucket(backend)
            .await
            .map_err(|cause| StateError::Aws {
                place: format!("s3://{}/{key}", backend.bucket),
                cause,
            })?;
        Ok(Self { bucket, key })
    }

    pub(super) fn place(&self) -> String {
        self.bucket.url(&self.key)
    }

    pub(super) async fn find(&self) -> Result<Found, StateError> {
        let object = match self.bucket.get(&self.key).await {
            Ok(object) => object,
            Err(AwsError::NotFound { .. }) => return Ok(Found::NoState),
            Err(AwsError::NoSuchBucket { .. }) => return Ok(Found::NoBucket),
            Err(cause) => return Err(self.unreadable(&self.key, cause)),
        };
        let bytes = object.body.0;
        if bytes.is_empty() {
            return Ok(Found::NoState);
        }
        let document = StateDocument::parse(&bytes).map_err(|cause| StateError::NotAState {
            place: self.place(),
            cause,
        })?;
        Ok(Found::State(Box::new(StateVersion {
            document,
            size: bytes.len() as u64,
            version_id: object.version_id,
            modified: object.modified,
        })))
    }

    /// Terraform's S3 backend writes the lock to `KEY.tflock`.
    pub(super) async fn lock_holder(&self) -> Result<Option<Lock>, StateError> {
        let key = format!("{}.tflock", self.key);
        let object = match self.bucket.get(&key).await {
            Ok(object) => object,
            // Where there is no bucket yet, there is no lock yet.
            Err(AwsError::NotFound { .. } | AwsError::NoSuchBucket { .. }) => return Ok(None),
            Err(cause) => return Err(self.unreadable(&key, cause)),
        };
        match lock::parse(&object.body.0) {
            Some(lock) => Ok(Some(lock)),
            None => Err(StateError::NotALock {
                place: self.bucket.url(&key),
            }),
        }
    }

    fn unreadable(&self, key: &str, cause: AwsError) -> StateError {
        StateError::Aws {
            place: self.bucket.url(key),
            cause,
        }
    }
}
