//! States: the document, and where it lies.
//!
//! [`StateStore`] reads the state of one workspace, and who holds its lock, without Terraform:
//! that is how the outputs of one unit become the inputs of another. [`S3State`] also takes and
//! releases locks, and knows versions; [`content_hash`] says whether two states say the same.

mod canonical;
mod compare;
mod document;
mod error;
mod instances;
mod local;
mod lock;
mod mask;
mod s3;

pub use canonical::content_hash;
pub use compare::{Fingerprint, compare};
pub use document::{NotAState, Output, StateDocument, with_serial};
pub use error::StateError;
pub use instances::Instance;
pub use local::LocalState;
pub use lock::{LockDocument, LockFile, NewLock};
pub use mask::Secrets;
pub use s3::{S3State, Unlocked};

use std::path::Path;

use jiff::Timestamp;

use crate::aws::{NO_VERSION, ObjectEncryption, VerifiedAccount};
use crate::model::{Backend, Lock, Unit};

/// Where the state of one workspace lies.
#[derive(Debug, Clone)]
pub enum StateStore {
    /// In a bucket.
    S3(S3State),
    /// In a file.
    Local(LocalState),
}

/// A state as it was read.
#[derive(Debug, Clone)]
pub struct StateVersion {
    /// The state.
    pub document: StateDocument,
    /// Its size in bytes.
    pub size: u64,
    /// Its version in the bucket.
    pub version_id: Option<String>,
    /// When it was written.
    pub modified: Option<Timestamp>,
}

/// The bytes of a state, whatever they are. They hold secrets: `Debug` prints only how many.
#[derive(Clone)]
pub struct RawState {
    /// The whole document.
    pub bytes: Vec<u8>,
    /// Its version in the bucket.
    pub version_id: Option<String>,
    /// When it was written.
    pub modified: Option<Timestamp>,
    /// The object's entity tag.
    pub etag: Option<String>,
    /// How the object is encrypted; `None`: the server does not say, or it is a file.
    pub encryption: Option<ObjectEncryption>,
}

impl RawState {
    /// What was read from a file.
    pub fn of_file(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            version_id: None,
            modified: None,
            etag: None,
            encryption: None,
        }
    }

    /// Its version, where the bucket keeps that whatever is written next.
    pub fn lasting_version(&self) -> Option<&str> {
        let version_id = self.version_id.as_deref();
        version_id.filter(|version_id| *version_id != NO_VERSION)
    }

    /// Reads the document. `place` is for messages.
    ///
    /// # Errors
    /// It is no state that tfw can read.
    pub fn parse(&self, place: &str) -> Result<StateVersion, StateError> {
        let document =
            StateDocument::parse(&self.bytes).map_err(|cause| StateError::NotAState {
                place: place.to_owned(),
                cause,
            })?;
        Ok(StateVersion {
            document,
            size: self.bytes.len() as u64,
            version_id: self.version_id.clone(),
            modified: self.modified,
        })
    }
}

impl std::fmt::Debug for RawState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawState")
            .field("bytes", &self.bytes.len())
            .field("version_id", &self.version_id)
            .finish_non_exhaustive()
    }
}

/// What lies at the place of a state.
#[derive(Debug, Clone)]
pub enum Found {
    /// A state.
    State(Box<StateVersion>),
    /// None, or one of zero bytes, as Terraform leaves it after a migration.
    NoState,
    /// Not even the bucket.
    NoBucket,
}

impl StateStore {
    /// The store of a unit, read with the credentials of its backend (`verify_backend` of
    /// `credentials`). Asks nobody yet.
    ///
    /// # Errors
    /// The backend is neither `s3` nor `local`, or there are no credentials for S3.
    pub async fn open(unit: &Unit, account: &VerifiedAccount) -> Result<Self, StateError> {
        Self::at(&unit.folder, &unit.backend, account).await
    }

    /// The store of any backend, as seen from a root module's folder. Asks nobody yet.
    ///
    /// # Errors
    /// The backend is neither `s3` nor `local`, or there are no credentials for S3.
    pub async fn at(
        folder: &Path,
        backend: &Backend,
        account: &VerifiedAccount,
    ) -> Result<Self, StateError> {
        match backend {
            Backend::S3(backend) => Ok(Self::S3(S3State::open(account, backend).await?)),
            Backend::Local(backend) => Ok(Self::Local(LocalState::new(folder, backend))),
            Backend::Other(other) => Err(StateError::OtherBackend {
                kind: other.kind.clone(),
            }),
        }
    }

    /// The place, for messages: `s3://BUCKET/KEY`, or the file.
    pub fn place(&self) -> String {
        match self {
            Self::S3(state) => state.place(),
            Self::Local(state) => state.place(),
        }
    }

    /// Reads the current state, where there is one.
    ///
    /// # Errors
    /// It cannot be read, or what lies there is no state.
    pub async fn read(&self) -> Result<Option<StateVersion>, StateError> {
        Ok(match self.find().await? {
            Found::State(version) => Some(*version),
            Found::NoState | Found::NoBucket => None,
        })
    }

    /// Reads the current state, or says what is there in its stead.
    ///
    /// # Errors
    /// It cannot be read, or what lies there is no state.
    pub async fn find(&self) -> Result<Found, StateError> {
        match self {
            Self::S3(state) => state.find().await,
            Self::Local(state) => Ok(match state.read().await? {
                Some(version) => Found::State(Box::new(version)),
                None => Found::NoState,
            }),
        }
    }

    /// Reads the current state as bytes; an object or a file of zero bytes is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn raw(&self) -> Result<Option<RawState>, StateError> {
        match self {
            Self::S3(state) => state.raw().await,
            Self::Local(state) => state.raw().await,
        }
    }

    /// The lock file, where there is one.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn lock_file(&self) -> Result<Option<LockFile>, StateError> {
        match self {
            Self::S3(state) => state.lock_file().await,
            Self::Local(state) => state.lock_file().await,
        }
    }

    /// Who holds the lock, by the document that Terraform keeps while it does.
    ///
    /// # Errors
    /// It cannot be read, or is not a lock document.
    pub async fn lock_holder(&self) -> Result<Option<Lock>, StateError> {
        self.lock_file().await?.map(LockFile::holder).transpose()
    }
}
