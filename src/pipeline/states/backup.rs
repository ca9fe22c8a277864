//! The folder of a backup: `manifest.json` says which file is which state. `tfw state pull` writes
//! it, `tfw state push --from DIR` takes it up again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::journal::{FreshFolder, JournalError, write_private};
use crate::model::{Diagnostic, PulledState, UnitId, describe_io, sha256};

/// What says which file is which state.
const MANIFEST: &str = "manifest.json";
/// The shape of that.
const SCHEMA: u64 = 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Manifest {
    schema: u64,
    run_id: String,
    created: String,
    states: Vec<PulledState>,
}

/// Writes which file of a folder is which state.
///
/// # Errors
/// It cannot be written.
pub(super) fn describe(
    folder: &FreshFolder,
    run_id: &str,
    states: &[PulledState],
) -> Result<(), JournalError> {
    let manifest = Manifest {
        schema: SCHEMA,
        run_id: run_id.to_owned(),
        created: Timestamp::now().to_string(),
        states: states.to_vec(),
    };
    // Nothing in it can fail to be JSON.
    let text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    write_private(&folder.path().join(MANIFEST), &text)
}

/// A backup that was made before.
#[derive(Debug, Clone)]
pub struct Backup {
    folder: PathBuf,
    states: Vec<PulledState>,
}

/// Why a backup, or a file of it, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// There is nothing that says what is what.
    #[error("`{}` is no backup: it has no `{MANIFEST}`", .0.display())]
    NoManifest(PathBuf),
    /// That cannot be understood.
    #[error("`{}` is no list of states: {problem}", path.display())]
    BadManifest {
        /// The list.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`: {problem}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// A file is not what was pulled.
    #[error("`{}` is not what was pulled: its SHA-256 is not the one in `{MANIFEST}`", .0.display())]
    Changed(PathBuf),
}

impl BackupError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoManifest(_) | Self::BadManifest { .. } => {
                "`tfw state pull --all --out DIR` makes one"
            }
            Self::Unreadable { .. } => "take another backup, or check the file's permissions",
            Self::Changed(_) => {
                "take another backup; a file that you changed yourself goes by `tfw state push UNIT FILE`"
            }
        }
    }

    /// The error with its hint.
    pub fn to_diagnostic(&self) -> Diagnostic {
        Diagnostic::error(self.to_string()).with_hint(self.hint())
    }
}

impl Backup {
    /// Reads what is what. No state is read yet.
    ///
    /// # Errors
    /// The folder is no backup.
    pub fn read(folder: &Path) -> Result<Self, BackupError> {
        let path = folder.join(MANIFEST);
        let text = fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                BackupError::NoManifest(folder.to_owned())
            }
            _ => unreadable(&path, &error),
        })?;
        let bad = |problem: String| BackupError::BadManifest {
            path: path.clone(),
            problem,
        };
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
        if manifest.schema != SCHEMA {
            return Err(bad(format!(
                "its schema is {}, and this tfw knows {SCHEMA}",
                manifest.schema
            )));
        }
        for state in &manifest.states {
            // A list from elsewhere must not lead out of its folder.
            if Path::new(&state.file).file_name() != Some(state.file.as_ref()) {
                return Err(bad(format!("`{}` is not a file beside it", state.file)));
            }
        }
        Ok(Self {
            folder: folder.to_owned(),
            states: manifest.states,
        })
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The units of which it has a state.
    pub fn units(&self) -> impl Iterator<Item = &UnitId> {
        self.states.iter().map(|state| &state.unit)
    }

    /// The states of one unit, in several workspaces.
    pub(super) fn of(&self, unit: &UnitId) -> impl Iterator<Item = &PulledState> {
        self.states.iter().filter(move |state| state.unit == *unit)
    }

    /// One of its files, which is what was pulled.
    ///
    /// # Errors
    /// It cannot be read, or is something else.
    pub(super) fn content(&self, state: &PulledState) -> Result<(PathBuf, Vec<u8>), BackupError> {
        let path = self.folder.join(&state.file);
        let bytes = fs::read(&path).map_err(|error| unreadable(&path, &error))?;
        if sha256(&bytes) != state.sha256 {
            return Err(BackupError::Changed(path));
        }
        Ok((path, bytes))
    }
}

fn unreadable(path: &Path, error: &io::Error) -> BackupError {
    BackupError::Unreadable {
        path: path.to_owned(),
        problem: describe_io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulled(file: &str, bytes: &[u8]) -> PulledState {
        PulledState {
            unit: "dev".to_owned().try_into().expect("a unit"),
            workspace: "default".to_owned(),
            place: "s3://b/k".to_owned(),
            version_id: None,
            serial: Some(1),
            lineage: Some("l".to_owned()),
            sha256: sha256(bytes),
            file: file.to_owned(),
        }
    }

    fn backup(states: &[PulledState]) -> (tempfile::TempDir, Result<Backup, BackupError>) {
        let root = tempfile::tempdir().expect("a temporary folder");
        let folder = FreshFolder::prepare(root.path()).expect("prepared");
        describe(&folder, "run", states).expect("written");
        let read = Backup::read(root.path());
        (root, read)
    }

    #[test]
    fn what_was_pulled_is_read_again_and_nothing_else_is() {
        let (root, read) = backup(&[pulled("dev.tfstate", b"state")]);
        let read = read.expect("a backup");
        let state = read.of(read.units().next().expect("a unit")).next();
        let state = state.expect("its state");
        let lacks = read.content(state).expect_err("not there");
        assert!(matches!(lacks, BackupError::Unreadable { .. }), "{lacks}");
        let file = root.path().join("dev.tfstate");
        fs::write(&file, "state").expect("written");
        assert_eq!(read.content(state), Ok((file.clone(), b"state".to_vec())));
        fs::write(&file, "changed").expect("written");
        assert_eq!(read.content(state), Err(BackupError::Changed(file)));
    }

    #[test]
    fn a_list_that_leads_out_of_its_folder_is_none() {
        for file in ["../x.tfstate", "/etc/passwd", "a/b", "..", ""] {
            let (_root, read) = backup(&[pulled(file, b"")]);
            let error = read.expect_err(file);
            assert!(
                error.to_string().contains("not a file beside it"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_no_backup_is_told_from_one_of_another_time() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let path = root.path();
        let error = Backup::read(path).expect_err("empty");
        assert_eq!(error, BackupError::NoManifest(path.to_owned()));
        for (text, problem) in [
            ("{", "EOF"),
            (
                r#"{"schema": 2, "run_id": "", "created": "", "states": []}"#,
                "its schema is 2, and this tfw knows 1",
            ),
        ] {
            fs::write(path.join(MANIFEST), text).expect("written");
            let error = Backup::read(path).expect_err(text);
            assert!(error.to_string().contains(problem), "{error}");
        }
    }
}
