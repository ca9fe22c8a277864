//! One apply at a time in one root module folder.
//!
//! Terraform writes `errored.tfstate` into its working directory when it cannot save a state;
//! two applies in one folder would overwrite each other's. The lock holds between the units of a
//! run and between runs, since each holder opens the file itself. It dies with tfw while the
//! Terraform that tfw started goes on, so the file names that process, and whoever comes next waits
//! for it too.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};
use sha2::{Digest, Sha256};

use super::{JournalError, TfwFolder, append_private, make_private_folder};
use crate::model::hex;

/// How often a waiting unit looks again.
const POLL: Duration = Duration::from_millis(100);

/// Held while this value lives; the operating system lets go when the process dies.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
    path: PathBuf,
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
        let path = lock_file(tfw, root_module);
        if let Some(folder) = path.parent() {
            make_private_folder(folder)?;
        }
        let file = append_private(&path)?;
        let mut waiting = Some(waiting);
        loop {
            match file.try_lock() {
                Ok(()) if works_on(&path, root_module) => {
                    // Whoever waits beside this one takes the same look.
                    file.unlock()
                        .map_err(|source| JournalError::new("unlock", &path, source))?;
                }
                Ok(()) => return Ok(Self { _file: file, path }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => {
                    return Err(JournalError::new("lock", &path, source));
                }
            }
            if let Some(waiting) = waiting.take() {
                waiting();
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Writes down which process works under this lock. One that cannot be written down works all
    /// the same; then only tfw's own death would let another one in.
    pub fn names(path: &Path, worker: u32) {
        let _ = fs::write(path, worker.to_string());
    }

    /// Whether the process that this lock names last still works in the root module: an apply, also
    /// one whose tfw has died.
    pub fn is_worked_under(tfw: &TfwFolder, root_module: &Path) -> bool {
        works_on(&lock_file(tfw, root_module), root_module)
    }

    /// The lock's file, for [`FolderLock::names`].
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// One lock for one folder, however its path is written.
fn lock_file(tfw: &TfwFolder, root_module: &Path) -> PathBuf {
    let root_module = root_module
        .canonicalize()
        .unwrap_or_else(|_| root_module.to_owned());
    let digest = Sha256::digest(root_module.as_os_str().as_encoded_bytes());
    tfw.cache().join("locks").join(hex(&digest[..8]))
}

/// Whether the process that a lock file names still works in the root module: a Terraform whose
/// tfw has died.
fn works_on(lock: &Path, root_module: &Path) -> bool {
    let worker = fs::read_to_string(lock)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let Some(worker) = worker.and_then(Pid::from_raw) else {
        return false;
    };
    if test_kill_process(worker).is_err() {
        return false;
    }
    // The number may be another process's by now; Linux tells where that one works.
    match fs::read_link(format!("/proc/{}/cwd", worker.as_raw_nonzero())) {
        Ok(folder) => root_module
            .canonicalize()
            .is_ok_and(|module| module == folder),
        Err(_) => !Path::new("/proc/self").exists(),
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
