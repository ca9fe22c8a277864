//! States in local files, where Terraform's `local` backend puts them.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::FlockOperation;
use serde_json::Value;

use super::lock::{self, LockFile};
use super::{RawState, StateError, StateVersion};
use crate::model::{LocalBackend, Lock};

/// The state of one workspace in a file.
#[derive(Debug, Clone)]
pub struct LocalState {
    path: PathBuf,
}

impl LocalState {
    /// `path` is for the default workspace alone: others lie in
    /// `workspace_dir/NAME/terraform.tfstate`. Relative paths start in the root module's folder,
    /// where Terraform runs.
    pub(super) fn new(folder: &Path, backend: &LocalBackend) -> Self {
        const FILE: &str = "terraform.tfstate";
        let path = if backend.workspace.is_default() {
            option(folder, backend, "path", FILE)
        } else {
            workspace_dir(folder, backend)
                .join(backend.workspace.as_str())
                .join(FILE)
        };
        Self { path }
    }

    /// The state in a file that is known.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn place(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) async fn read(&self) -> Result<Option<StateVersion>, StateError> {
        let raw = self.raw().await?;
        raw.map(|raw| raw.parse(&self.place())).transpose()
    }

    pub(super) async fn raw(&self) -> Result<Option<RawState>, StateError> {
        // After a migration away, Terraform leaves a file of zero bytes.
        let Some(bytes) = read(&self.path).await?.filter(|bytes| !bytes.is_empty()) else {
            return Ok(None);
        };
        let modified = tokio::fs::metadata(&self.path)
            .await
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|time| Timestamp::try_from(time).ok());
        Ok(Some(RawState {
            bytes,
            version_id: None,
            modified,
            etag: None,
            encryption: None,
        }))
    }

    /// What Terraform wrote beside the file. After a `kill -9` the document stays while the lock
    /// itself, a lock of the system on the state file, is gone.
    pub(super) async fn lock_file(&self) -> Result<Option<LockFile>, StateError> {
        let path = self.lock_path();
        Ok(read(&path).await?.map(|bytes| LockFile {
            place: path.display().to_string(),
            document: lock::parse(&bytes),
        }))
    }

    pub(super) async fn lock_holder(&self) -> Result<Option<Lock>, StateError> {
        self.lock_file().await?.map(LockFile::holder).transpose()
    }

    /// The names of the workspaces that have a folder beside the default one's state.
    pub fn workspaces(folder: &Path, backend: &LocalBackend) -> Vec<String> {
        let entries = std::fs::read_dir(workspace_dir(folder, backend));
        let mut names: Vec<String> = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        names
    }

    /// What Terraform keeps of the state before the last change.
    #[must_use]
    pub fn backup(&self) -> Self {
        let mut path = self.path.clone().into_os_string();
        path.push(".backup");
        Self { path: path.into() }
    }

    /// Who works on the file just now, by the lock of the system that Terraform holds on it; a
    /// document that was left behind by a dead one counts for nothing.
    ///
    /// # Errors
    /// There is a holder, and what it wrote of itself cannot be read.
    pub async fn holder_at_work(&self) -> Result<Option<Lock>, StateError> {
        let file = match std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&self.path)
        {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            // A file that cannot be written is locked by nobody; reading it says what is wrong.
            Err(_) => return Ok(None),
        };
        // Closing the file gives the lock back.
        match rustix::fs::fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(None),
            Err(_) => Ok(Some(
                self.lock_holder().await?.unwrap_or_else(Lock::unknown),
            )),
        }
    }

    /// `.NAME.lock.info`; of a name that begins with a dot, without that dot (Terraform,
    /// `statemgr.Filesystem`).
    fn lock_path(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_prefix('.').unwrap_or(&name);
        self.path.with_file_name(format!(".{name}.lock.info"))
    }
}

fn workspace_dir(folder: &Path, backend: &LocalBackend) -> PathBuf {
    option(folder, backend, "workspace_dir", "terraform.tfstate.d")
}

fn option(folder: &Path, backend: &LocalBackend, name: &str, default: &str) -> PathBuf {
    let set = backend.options.get(name).and_then(Value::as_str);
    folder.join(set.filter(|path| !path.is_empty()).unwrap_or(default))
}

async fn read(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match tokio::fs::read(path).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StateError::File {
            place: path.display().to_string(),
            cause: error.kind().to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(workspace: &str, options: &Value) -> LocalBackend {
        LocalBackend {
            workspace: workspace.parse().unwrap(),
            options: options.as_object().cloned().unwrap_or_default(),
        }
    }

    fn path(workspace: &str, options: &Value) -> PathBuf {
        LocalState::new(Path::new("/r"), &local(workspace, options)).path
    }

    #[test]
    fn files_lie_where_terraform_puts_them() {
        let none = Value::Null;
        let set = serde_json::json!({"path": "s/my.tfstate", "workspace_dir": "/w"});
        assert_eq!(path("default", &none), Path::new("/r/terraform.tfstate"));
        assert_eq!(path("default", &set), Path::new("/r/s/my.tfstate"));
        assert_eq!(
            path("blue", &none),
            Path::new("/r/terraform.tfstate.d/blue/terraform.tfstate")
        );
        assert_eq!(path("blue", &set), Path::new("/w/blue/terraform.tfstate"));
    }

    #[test]
    fn the_lock_document_lies_beside_the_state() {
        let lock = |file: &str| {
            LocalState {
                path: Path::new("/r").join(file),
            }
            .lock_path()
        };
        assert_eq!(
            lock("terraform.tfstate"),
            Path::new("/r/.terraform.tfstate.lock.info")
        );
        assert_eq!(lock(".hidden"), Path::new("/r/.hidden.lock.info"));
    }

    #[tokio::test]
    async fn no_file_and_an_empty_file_are_no_state() {
        let folder = tempfile::tempdir().unwrap();
        let state = LocalState::new(folder.path(), &local("default", &Value::Null));
        assert!(state.read().await.unwrap().is_none());
        std::fs::write(&state.path, "").unwrap();
        assert!(state.read().await.unwrap().is_none());
        assert_eq!(state.lock_holder().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_state_is_read_with_its_size_and_time() {
        let folder = tempfile::tempdir().unwrap();
        let state = LocalState::new(folder.path(), &local("default", &Value::Null));
        let text = r#"{"version": 4, "serial": 3, "lineage": "l"}"#;
        std::fs::write(&state.path, text).unwrap();
        std::fs::write(state.lock_path(), r#"{"ID": "x", "Who": "me"}"#).unwrap();
        let version = state.read().await.unwrap().unwrap();
        assert_eq!(version.document.serial, 3);
        assert_eq!(version.size, text.len() as u64);
        assert!(version.modified.is_some() && version.version_id.is_none());
        assert_eq!(state.lock_holder().await.unwrap().unwrap().who, "me");
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let state = LocalState::new(folder.path(), &local("default", &Value::Null));
        std::fs::write(&state.path, "garbage").unwrap();
        let garbage = state.read().await.unwrap_err().to_string();
        assert!(
            garbage.contains("terraform.tfstate`") && garbage.contains("not a Terraform state")
        );
        std::fs::write(state.lock_path(), "garbage").unwrap();
        assert!(matches!(
            state.lock_holder().await,
            Err(StateError::NotALock { .. })
        ));
        std::fs::remove_file(&state.path).unwrap();
        std::fs::create_dir(&state.path).unwrap();
        let folder = state.read().await.unwrap_err().to_string();
        assert!(folder.ends_with("is a directory"), "{folder}");
    }
}
