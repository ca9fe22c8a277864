//! Owns `.tfw/`: the folder beside the manifest where tfw keeps its files.
//!
//! A leaf. Everything in it is private (folders 0700, files 0600) and kept out of git by a
//! `.gitignore` of its own. Each run has a folder with a journal (what was begun, what is done),
//! one log a unit and the report; the journal is what a later command reads when tfw died.

mod folder_lock;
mod fresh_folder;
pub mod migration;
mod past;
mod run;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::model::UnitId;

pub use folder_lock::FolderLock;
pub use fresh_folder::{FreshFolder, FreshFolderError};
pub use migration::Migration;
pub use past::PastRun;
pub use run::{Run, Step, StepState, host};

/// What the name of a kept state ends with.
const ERRORED_STATE: &str = ".errored.tfstate";

/// Something in `.tfw/` could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} `{}`: {}", path.display(), crate::model::describe_io(source))]
pub struct JournalError {
    /// What was tried: "create", "write".
    pub doing: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

impl JournalError {
    pub(crate) fn new(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}

/// The folder `.tfw/` of one manifest.
#[derive(Debug, Clone)]
pub struct TfwFolder {
    path: PathBuf,
}

impl TfwFolder {
    /// Opens, or makes, the folder beside a manifest.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn open(manifest_root: &Path) -> Result<Self, JournalError> {
        let folder = Self {
            path: manifest_root.join(".tfw"),
        };
        make_private_folder(&folder.path)?;
        let gitignore = folder.path.join(".gitignore");
        if !gitignore.exists() {
            write_private(&gitignore, b"*\n")?;
        }
        Ok(folder)
    }

    /// The folder itself, absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a run keeps its files.
    pub fn run(&self, run_id: &str) -> PathBuf {
        self.path.join("runs").join(run_id)
    }

    /// The command of a run that was begun here and is kept still: `plan`.
    pub fn command_of(&self, run_id: &str) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Begun {
            command: String,
        }
        let journal = File::open(self.run(run_id).join("journal.jsonl")).ok()?;
        let mut first = String::new();
        io::BufReader::new(journal).read_line(&mut first).ok()?;
        let begun: Begun = serde_json::from_str(&first).ok()?;
        Some(begun.command)
    }

    /// Where a run keeps the state of a unit that Terraform could not save.
    pub fn errored_state(&self, run_id: &str, unit: &UnitId) -> PathBuf {
        self.run(run_id)
            .join(format!("{}{ERRORED_STATE}", unit.file_stem()))
    }

    /// The states of a unit that runs keep because Terraform could not save them, the oldest first.
    pub fn errored_states(&self, unit: &UnitId) -> Vec<PathBuf> {
        let runs = fs::read_dir(self.path.join("runs"));
        let ids = runs.into_iter().flatten().filter_map(Result::ok);
        let states =
            ids.map(|entry| self.errored_state(&entry.file_name().to_string_lossy(), unit));
        // Run ids sort by time.
        let mut found: Vec<PathBuf> = states.filter(|state| state.exists()).collect();
        found.sort_unstable();
        found
    }

    /// Where a run keeps its saved plans. They hold secrets, as every Terraform plan does.
    pub fn plans(&self, run_id: &str) -> PathBuf {
        self.path.join("plans").join(run_id)
    }

    /// What a run takes away from a unit, or overwrites: the states are in clear.
    pub fn backup(&self, unit: &UnitId, run_id: &str) -> PathBuf {
        self.backups()
            .join(format!("{}.{run_id}", unit.file_stem()))
    }

    fn backups(&self) -> PathBuf {
        self.path.join("backups")
    }

    /// What tfw keeps of a unit from run to run.
    pub fn data(&self, unit: &UnitId) -> PathBuf {
        self.path.join("data").join(unit.file_stem())
    }

    /// An empty file, for settings that must name one.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn empty_file(&self) -> Result<PathBuf, JournalError> {
        let path = self.cache().join("empty");
        if !fs::metadata(&path).is_ok_and(|metadata| metadata.len() == 0) {
            make_private_folder(&self.cache())?;
            write_private(&path, b"")?;
        }
        Ok(path)
    }

    /// What can be made again: provider plugins, answers of `terraform version`.
    pub fn cache(&self) -> PathBuf {
        self.path.join("cache")
    }
}

/// Makes a folder and its parents, readable by its owner alone.
///
/// # Errors
/// The operating system refuses.
pub fn make_private_folder(path: &Path) -> Result<(), JournalError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| JournalError::new("create", path, source))
}

/// Writes a file whole or not at all, readable by its owner alone.
///
/// # Errors
/// The operating system refuses; what stood there before still stands.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), JournalError> {
    let write = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        // `tempfile` makes its files 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_data()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|source| JournalError::new("write", path, source))
}

/// Opens a file for appending, readable by its owner alone.
///
/// # Errors
/// The operating system refuses.
pub fn append_private(path: &Path) -> Result<File, JournalError> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| JournalError::new("open", path, source))
}

/// Removes a file; one that is not there is no error.
///
/// # Errors
/// The operating system refuses.
pub fn remove_if_there(path: &Path) -> Result<(), JournalError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(JournalError::new("remove", path, source))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_folder_is_private_and_ignored_by_git() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let folder = TfwFolder::open(root.path()).expect("opens");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        let gitignore = folder.path().join(".gitignore");
        assert_eq!(fs::read_to_string(&gitignore).expect("there"), "*\n");
        assert_eq!(mode(&gitignore), 0o600);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let root = tempfile::tempdir().expect("a temporary folder");
        fs::write(root.path().join(".tfw"), "a file in the way").expect("written");
        let error = TfwFolder::open(root.path()).expect_err("not a folder");
        assert!(error.to_string().starts_with("cannot create `"), "{error}");
    }
}
