//! States in S3, with Terraform's native lock file beside them.

use super::lock::{LockFile, NewLock};
use super::{Found, RawState, StateError, lock};
use crate::aws::{
    AwsError, Bucket, Object, ObjectEncryption, ObjectNotes, ObjectVersion, VerifiedAccount,
    Written,
};
use crate::model::{Lock, S3Backend};

/// What Terraform's S3 backend appends to the key of a state for its lock.
const LOCK_SUFFIX: &str = ".tflock";
/// So often a lock that changes hands is looked at.
const UNLOCK_TRIES: usize = 3;
/// Tries to take a lock that is there and gone again.
const LOCK_TRIES: usize = 5;

/// How releasing a lock by its id went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlocked {
    /// It is gone.
    Removed,
    /// There was none.
    NoLock,
    /// Another one is there, and was left as it is.
    Other(Lock),
}

/// The state of one workspace in a bucket.
#[derive(Debug, Clone)]
pub struct S3State {
    bucket: Bucket,
    key: String,
    kms_key: Option<String>,
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
        Ok(Self {
            bucket,
            key,
            kms_key: backend.kms_key_id.clone(),
        })
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
        let raw = RawState::from(object);
        if raw.bytes.is_empty() {
            return Ok(Found::NoState);
        }
        Ok(Found::State(Box::new(raw.parse(&self.place())?)))
    }

    pub(super) async fn raw(&self) -> Result<Option<RawState>, StateError> {
        let object = self.object().await?;
        Ok(object.filter(|raw| !raw.bytes.is_empty()))
    }

    /// Reads the object, be it a state or not, and also where it has no content.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn object(&self) -> Result<Option<RawState>, StateError> {
        match self.bucket.get(&self.key).await {
            Ok(object) => Ok(Some(object.into())),
            Err(AwsError::NotFound { .. } | AwsError::NoSuchBucket { .. }) => Ok(None),
            Err(cause) => Err(self.unreadable(&self.key, cause)),
        }
    }

    /// Reads the state in one version.
    ///
    /// # Errors
    /// There is no such version, or it cannot be read.
    pub async fn version(&self, version_id: &str) -> Result<RawState, StateError> {
        let object = self.bucket.get_version(&self.key, version_id).await;
        object
            .map(RawState::from)
            .map_err(|cause| self.unreadable(&self.key, cause))
    }

    /// The versions of the state, the newest first, delete markers among them.
    ///
    /// # Errors
    /// S3 could not or would not list them.
    pub async fn versions(&self) -> Result<Vec<ObjectVersion>, StateError> {
        let versions = self.bucket.versions(&self.key).await;
        versions.map_err(|cause| self.unreadable(&self.key, cause))
    }

    /// Writes a state where none is; `false`: one is there already.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn write_new(&self, content: &[u8]) -> Result<bool, StateError> {
        let written = self
            .bucket
            .put_new(&self.key, content, self.kms_key.as_deref())
            .await
            .map_err(|cause| self.unwritable(&self.key, cause))?;
        Ok(matches!(written, Written::New(_)))
    }

    /// What stands on the object beside the state.
    ///
    /// # Errors
    /// S3 could not or would not say.
    pub async fn notes(&self) -> Result<ObjectNotes, AwsError> {
        self.bucket.object_notes(&self.key).await
    }

    /// Writes the same content anew, as long as the object has this entity tag, so that it is
    /// encrypted as the backend says.
    ///
    /// # Errors
    /// Somebody else has written since, or S3 could not or would not.
    pub async fn write_again(
        &self,
        content: &[u8],
        etag: &str,
        notes: &ObjectNotes,
    ) -> Result<(), StateError> {
        self.bucket
            .put_over(&self.key, content, etag, notes, self.kms_key.as_deref())
            .await
            .map(drop)
            .map_err(|cause| self.unwritable(&self.key, cause))
    }

    /// Writes a state in the place of the one with this entity tag; `None`: where none is.
    ///
    /// # Errors
    /// Somebody else has written since, or S3 could not or would not.
    pub async fn replace(&self, etag: Option<&str>, content: &[u8]) -> Result<(), StateError> {
        if let Some(etag) = etag {
            return self
                .write_again(content, etag, &ObjectNotes::default())
                .await;
        }
        if self.write_new(content).await? {
            return Ok(());
        }
        let what = self.url();
        Err(self.unwritable(&self.key, AwsError::PreconditionFailed { what }))
    }

    /// How the state is encrypted; `None`: there is no state, or the server does not say.
    ///
    /// # Errors
    /// S3 could not or would not say.
    pub async fn encryption(&self) -> Result<Option<ObjectEncryption>, StateError> {
        match self.bucket.object_encryption(&self.key).await {
            Ok(encryption) => Ok(encryption),
            Err(AwsError::NotFound { .. } | AwsError::NoSuchBucket { .. }) => Ok(None),
            Err(cause) => Err(self.unreadable(&self.key, cause)),
        }
    }

    /// Removes one version for good.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn remove_version(&self, version_id: &str) -> Result<(), StateError> {
        let removed = self.bucket.remove_version(&self.key, version_id).await;
        removed.map_err(|cause| self.unwritable(&self.key, cause))
    }

    /// Takes the lock as Terraform would, by a lock file that may not be there yet. The answer is
    /// who holds it otherwise.
    ///
    /// # Errors
    /// S3 could not or would not.
    pub async fn lock(&self, lock: &NewLock<'_>) -> Result<Result<(), Lock>, StateError> {
        let key = self.lock_key();
        let path = format!("{}/{}", self.bucket.name(), self.key);
        let document = lock.document(&path);
        for _ in 0..LOCK_TRIES {
            let written = self
                .bucket
                .put_new(&key, &document, self.kms_key.as_deref())
                .await
                .map_err(|cause| self.unwritable(&key, cause))?;
            match written {
                Written::New(_) => return Ok(Ok(())),
                // Also when a first try of the same request came through, and its answer did not.
                Written::AlreadyThere => match self.holder().await? {
                    Some(holder) if holder.id == lock.id => return Ok(Ok(())),
                    Some(holder) => return Ok(Err(holder)),
                    // Whoever had it has released it between the two.
                    None => {}
                },
            }
        }
        Ok(Err(Lock::unknown()))
    }

    /// Removes the lock as long as it has this id.
    ///
    /// # Errors
    /// S3 could not or would not, or the lock does not say whose it is.
    pub async fn unlock(&self, id: &str) -> Result<Unlocked, StateError> {
        let key = self.lock_key();
        let mut tries = 0;
        loop {
            let object = match self.bucket.get(&key).await {
                Ok(object) => object,
                Err(AwsError::NotFound { .. } | AwsError::NoSuchBucket { .. }) => {
                    return Ok(Unlocked::NoLock);
                }
                Err(cause) => return Err(self.unreadable(&key, cause)),
            };
            let holder = self.lock_file_of(&object).holder()?;
            if holder.id != id {
                return Ok(Unlocked::Other(holder));
            }
            let removed = self.bucket.remove_as_read(&key, &object).await;
            tries += 1;
            match removed {
                Ok(()) => return Ok(Unlocked::Removed),
                // It changed hands between the two: whose it is now decides.
                Err(AwsError::PreconditionFailed { .. } | AwsError::NotFound { .. })
                    if tries < UNLOCK_TRIES => {}
                Err(cause) => return Err(self.unwritable(&key, cause)),
            }
        }
    }

    /// The names of the workspaces that have a state beside this key; `default` always counts.
    ///
    /// # Errors
    /// S3 could not or would not list them.
    pub async fn workspaces(&self, backend: &S3Backend) -> Result<Vec<String>, StateError> {
        self.workspaces_with(backend, "").await
    }

    /// The names of the workspaces of this key, but for the default one, that have a lock file.
    ///
    /// # Errors
    /// S3 could not or would not list them.
    pub async fn locked_workspaces(&self, backend: &S3Backend) -> Result<Vec<String>, StateError> {
        self.workspaces_with(backend, LOCK_SUFFIX).await
    }

    async fn workspaces_with(
        &self,
        backend: &S3Backend,
        ending: &str,
    ) -> Result<Vec<String>, StateError> {
        let prefix = format!("{}/", backend.workspace_prefix());
        let suffix = format!("/{}{ending}", backend.key);
        let keys = match self.bucket.keys(&prefix).await {
            Ok(keys) => keys,
            Err(AwsError::NoSuchBucket { .. }) => return Ok(Vec::new()),
            Err(cause) => return Err(self.unreadable(&prefix, cause)),
        };
        let named = keys.iter().filter_map(|key| {
            let name = key.strip_prefix(&prefix)?.strip_suffix(&suffix)?;
            (!name.contains('/')).then(|| name.to_owned())
        });
        Ok(named.collect())
    }

    /// Terraform's S3 backend writes the lock to `KEY.tflock`.
    pub(super) async fn lock_file(&self) -> Result<Option<LockFile>, StateError> {
        let key = self.lock_key();
        match self.bucket.get(&key).await {
            Ok(object) => Ok(Some(self.lock_file_of(&object))),
            // Where there is no bucket yet, there is no lock yet.
            Err(AwsError::NotFound { .. } | AwsError::NoSuchBucket { .. }) => Ok(None),
            Err(cause) => Err(self.unreadable(&key, cause)),
        }
    }

    fn lock_file_of(&self, object: &Object) -> LockFile {
        LockFile {
            place: self.lock_url(),
            document: lock::parse(&object.body.0),
        }
    }

    /// Who holds the lock, by Terraform's lock document.
    ///
    /// # Errors
    /// It cannot be read, or is no lock document.
    pub async fn holder(&self) -> Result<Option<Lock>, StateError> {
        self.lock_file().await?.map(LockFile::holder).transpose()
    }

    /// The URL of the state.
    pub fn url(&self) -> String {
        self.bucket.url(&self.key)
    }

    /// The URL of its lock file.
    pub fn lock_url(&self) -> String {
        self.bucket.url(&self.lock_key())
    }

    fn lock_key(&self) -> String {
        format!("{}{LOCK_SUFFIX}", self.key)
    }

    fn unwritable(&self, key: &str, cause: AwsError) -> StateError {
        StateError::Unwritable {
            place: self.bucket.url(key),
            cause,
        }
    }

    fn unreadable(&self, key: &str, cause: AwsError) -> StateError {
        StateError::Aws {
            place: self.bucket.url(key),
            cause,
        }
    }
}

impl From<Object> for RawState {
    fn from(object: Object) -> Self {
        Self {
            bytes: object.body.0,
            version_id: object.version_id,
            modified: object.modified,
            etag: object.etag,
            encryption: object.encryption,
        }
    }
}
