//! One apply at a time in one root module folder.
//!
//! Terraform writes `errored.tfstate` into its working directory when it cannot save a state;
//! two applies in one folder would overwrite each other's. The lock holds between the units of a
//! run and between runs, since each holder opens the file itself.

use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{JournalError, TfwFolder, append_private, make_private_folder};

/// How often a waiting unit looks again.
const POLL: Duration = Duration::from_millis(100);

/// Held while this value lives; the operating system lets go when the process dies.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock of a root module folder; calls `waiting` once when somebody else has it.
    ///
    /// # Errors
    /// The lock file cannot be made.
    pub async fn acquire(
        tfw: &TfwFolder,
        root_module: &Path,
        waiting: impl FnOnce(),
    ) -> Result<Self, JournalError> {
        let folder = tfw.cache().join("locks");
        make_private_folder(&folder)?;
        let digest = Sha256::digest(root_module.as_os_str().as_encoded_bytes());
        let name = digest.iter().take(8).fold(String::new(), |mut name, byte| {
            let _ = write!(name, "{byte:02x}");
            name
        });
        let path = folder.join(name);
        let file = append_private(&path)?;
        let mut waiting = Some(waiting);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => {
                    if let Some(waiting) = waiting.take() {
                        waiting();
                    }
                    tokio::time::sleep(POLL).await;
                }
                Err(TryLockError::Error(source)) => {
                    return Err(JournalError::new("lock", &path, source));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_apply_in_a_folder_waits_for_the_first() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let tfw = TfwFolder::open(root.path()).expect("opens");
        let module = root.path().join("dev");
        let first = FolderLock::acquire(&tfw, &module, || panic!("free"))
            .await
            .expect("taken");
        let (told, waits) = tokio::sync::oneshot::channel();
        let second = {
            let (tfw, module) = (tfw.clone(), module.clone());
            tokio::spawn(async move {
                FolderLock::acquire(&tfw, &module, || told.send(()).expect("heard")).await
            })
        };
        waits.await.expect("the second one says that it waits");
        assert!(!second.is_finished());
        FolderLock::acquire(&tfw, &root.path().join("prod"), || panic!("another folder"))
            .await
            .expect("taken");
        drop(first);
        second
            .await
            .expect("ran")
            .expect("taken after the first let go");
    }
}
