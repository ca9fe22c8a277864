//! The journal of one migration, and the copies of all that it may take away.
//!
//! `.tfw/backups/UNIT.RUN_ID/` holds `journal.jsonl` and the copies, 0600. An entry is on disk
//! before the step that it announces begins, and again after it: whoever finds an unfinished
//! journal knows what may have happened, and nothing else can have.

mod entry;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::{JournalError, TfwFolder, append_private, make_private_folder, write_private};
use crate::model::{UnitId, sha256};

pub use entry::{Copied, Entry, Place, Role, Surveyed};

const JOURNAL: &str = "journal.jsonl";

/// One migration of one unit.
#[derive(Debug)]
pub struct Migration {
    folder: PathBuf,
    journal: File,
    /// Bytes of whole entries; what lies behind them was torn.
    whole: u64,
    entries: Vec<Entry>,
}

impl Migration {
    /// Begins one.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn begin(
        tfw: &TfwFolder,
        unit: &UnitId,
        run_id: &str,
        begun: Entry,
    ) -> Result<Self, JournalError> {
        let folder = tfw.backup(unit, run_id);
        make_private_folder(&folder)?;
        let journal = append_private(&folder.join(JOURNAL))?;
        let mut migration = Self {
            folder,
            journal,
            whole: 0,
            entries: Vec::new(),
        };
        migration.note(begun)?;
        Ok(migration)
    }

    /// The migration of a unit that has neither been completed nor aborted.
    ///
    /// # Errors
    /// A journal cannot be read.
    pub fn unfinished(tfw: &TfwFolder, unit: &UnitId) -> Result<Option<Self>, JournalError> {
        let all = Self::of_unit(tfw, unit)?;
        Ok(all.into_iter().rev().find(|each| !each.is_over()))
    }

    /// All migrations of a unit, the oldest first.
    ///
    /// # Errors
    /// A journal cannot be read.
    pub fn of_unit(tfw: &TfwFolder, unit: &UnitId) -> Result<Vec<Self>, JournalError> {
        let parent = tfw.backups();
        let entries = match fs::read_dir(&parent) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(JournalError::new("read", &parent, error)),
        };
        let prefix = format!("{}.", unit.file_stem());
        let mut folders: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .filter(|entry| {
                let name = entry.file_name();
                let rest = name.to_str().and_then(|name| name.strip_prefix(&prefix));
                // Names of units have no dots.
                rest.is_some_and(|rest| !rest.contains('.'))
            })
            .map(|entry| entry.path())
            .filter(|folder| folder.join(JOURNAL).exists())
            .collect();
        // Run ids sort by time.
        folders.sort_unstable();
        folders.into_iter().map(Self::open).collect()
    }

    fn open(folder: PathBuf) -> Result<Self, JournalError> {
        let path = folder.join(JOURNAL);
        let text =
            fs::read_to_string(&path).map_err(|error| JournalError::new("read", &path, error))?;
        let mut entries = Vec::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            match serde_json::from_str(line) {
                Ok(entry) => entries.push(entry),
                // The disk was full, or the power went: what was not written whole has not begun.
                Err(_) if lines.peek().is_none() => {}
                Err(error) => {
                    return Err(JournalError::new("understand", &path, error.into()));
                }
            }
        }
        // Whoever only looks must not mend it: another process may be writing just now.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        Ok(Self {
            journal: append_private(&path)?,
            folder,
            whole: whole as u64,
            entries,
        })
    }

    /// Its folder, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What has been noted so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether it has come as far as an entry that `is` so.
    pub fn has(&self, is: impl Fn(&Entry) -> bool) -> bool {
        self.entries.iter().any(is)
    }

    /// Whether it has been completed or aborted, or never began: then not even its first entry
    /// came onto the disk.
    pub fn is_over(&self) -> bool {
        self.entries.is_empty() || self.has(|entry| matches!(entry, Entry::Done | Entry::Aborted))
    }

    /// Whether everything at the destination has been proven, and nobody began to take it back
    /// since.
    pub fn is_proven(&self) -> bool {
        let last = |wanted: &Entry| self.entries.iter().rposition(|entry| entry == wanted);
        let verified = last(&Entry::Verified);
        verified.is_some() && verified > last(&Entry::Aborting)
    }

    /// Where it comes from, and where it goes.
    pub fn places(&self) -> Option<(&Place, &Place)> {
        self.entries.iter().find_map(|entry| match entry {
            Entry::Begun {
                source,
                destination,
                ..
            } => Some((source, destination)),
            _ => None,
        })
    }

    /// The versions that were at the destination before the migration wrote there; `None`: it did
    /// not come to that.
    pub fn versions_before(&self) -> Option<&[(String, Vec<String>)]> {
        let moving = self
            .entries
            .iter()
            .position(|entry| *entry == Entry::Moving)?;
        let mut looked = self.entries[..moving].iter().rev();
        looked.find_map(|entry| match entry {
            Entry::Looked { versions } => Some(versions.as_slice()),
            _ => None,
        })
    }

    /// The ids of locks that may still be held, by workspace.
    pub fn locks_held(&self) -> Vec<(&str, &str)> {
        let released = self
            .entries
            .iter()
            .rposition(|entry| *entry == Entry::Unlocked)
            .map_or(0, |position| position + 1);
        let taken = self.entries[released..].iter();
        taken
            .filter_map(|entry| match entry {
                Entry::Locking { workspace, id } => Some((workspace.as_str(), id.as_str())),
                _ => None,
            })
            .collect()
    }

    /// The ids of all locks that it has taken or was about to take, by workspace.
    pub fn locks(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Locking { workspace, id } => Some((workspace.as_str(), id.as_str())),
            _ => None,
        })
    }

    /// The files that have been copied.
    pub fn copies(&self) -> &[Copied] {
        let copies = self.entries.iter().rev().find_map(|entry| match entry {
            Entry::BackedUp { files } => Some(files.as_slice()),
            _ => None,
        });
        copies.unwrap_or_default()
    }

    /// Where a copy lies.
    pub fn copy_path(&self, copied: &Copied) -> PathBuf {
        self.folder.join(&copied.copy)
    }

    /// Writes an entry, onto the disk.
    ///
    /// # Errors
    /// The journal cannot be written; then the step must not begin.
    pub fn note(&mut self, entry: Entry) -> Result<(), JournalError> {
        #[derive(Serialize)]
        struct Line<'a> {
            time: String,
            #[serde(flatten)]
            entry: &'a Entry,
        }
        let path = self.folder.join(JOURNAL);
        let line = Line {
            time: Timestamp::now().to_string(),
            entry: &entry,
        };
        let written = serde_json::to_string(&line)
            .map_err(io::Error::from)
            .and_then(|line| self.append(&format!("{line}\n")));
        written.map_err(|error| JournalError::new("write", &path, error))?;
        self.entries.push(entry);
        Ok(())
    }

    /// The next entry must not be glued to a torn one.
    fn append(&mut self, line: &str) -> io::Result<()> {
        if self.journal.metadata()?.len() != self.whole {
            self.journal.set_len(self.whole)?;
        }
        self.journal.write_all(line.as_bytes())?;
        self.journal.sync_data()?;
        self.whole += line.len() as u64;
        Ok(())
    }

    /// Copies a file into the migration's folder, under a name of its own there.
    ///
    /// # Errors
    /// It cannot be read, or the copy cannot be written.
    pub fn keep(&self, original: &Path, copy: &Path, role: Role) -> Result<Copied, JournalError> {
        let bytes =
            fs::read(original).map_err(|error| JournalError::new("read", original, error))?;
        self.keep_bytes(original, &bytes, copy, role)
    }

    /// The same, of bytes that have been read already.
    ///
    /// # Errors
    /// The copy cannot be written.
    pub fn keep_bytes(
        &self,
        original: &Path,
        bytes: &[u8],
        copy: &Path,
        role: Role,
    ) -> Result<Copied, JournalError> {
        let path = self.folder.join(copy);
        make_private_folder(path.parent().unwrap_or(&self.folder))?;
        write_private(&path, bytes)?;
        Ok(Copied {
            original: original.to_owned(),
            copy: copy.to_owned(),
            sha256: sha256(bytes),
            role,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn begun() -> Entry {
        Entry::Begun {
            run_id: "r1".to_owned(),
            from: "terraform.tfstate".to_owned(),
            to: "s3://b/k".to_owned(),
            source: Place::Local {
                path: None,
                workspace_dir: None,
                alone: false,
            },
            destination: Place::S3 {
                bucket: "b".to_owned(),
                key: "k".to_owned(),
                region: "eu-west-1".to_owned(),
                workspace_key_prefix: None,
            },
        }
    }

    fn tfw() -> (tempfile::TempDir, TfwFolder) {
        let root = tempfile::tempdir().unwrap();
        let tfw = TfwFolder::open(root.path()).unwrap();
        (root, tfw)
    }

    #[test]
    fn an_unfinished_one_is_found_again_with_all_that_it_noted() {
        let (_root, tfw) = tfw();
        let unit = "dev".parse().unwrap();
        assert!(Migration::unfinished(&tfw, &unit).unwrap().is_none());
        let mut first = Migration::begin(&tfw, &unit, "20260101", begun()).unwrap();
        first.note(Entry::Aborted).unwrap();
        let mut second = Migration::begin(&tfw, &unit, "20260102", begun()).unwrap();
        let locking = Entry::Locking {
            workspace: "default".to_owned(),
            id: "l-1".to_owned(),
        };
        second.note(locking).unwrap();
        // Another unit whose name begins alike.
        let other = "dev-2".parse().unwrap();
        Migration::begin(&tfw, &other, "20260103", begun()).unwrap();

        let found = Migration::unfinished(&tfw, &unit).unwrap().unwrap();
        assert_eq!(found.entries(), second.entries());
        assert_eq!(found.locks().collect::<Vec<_>>(), [("default", "l-1")]);
        second.note(Entry::Done).unwrap();
        assert!(Migration::unfinished(&tfw, &unit).unwrap().is_none());
    }

    #[test]
    fn what_is_taken_back_is_no_longer_proven() {
        let (_root, tfw) = tfw();
        let unit = "dev".parse().unwrap();
        let mut migration = Migration::begin(&tfw, &unit, "r1", begun()).unwrap();
        let locking = |id: &str| Entry::Locking {
            workspace: "default".to_owned(),
            id: id.to_owned(),
        };
        assert!(!migration.is_proven());
        for entry in [
            locking("l-1"),
            Entry::Looked {
                versions: vec![("default".to_owned(), vec!["v-0".to_owned()])],
            },
            Entry::Moving,
            Entry::Looked { versions: vec![] },
            Entry::Verified,
        ] {
            migration.note(entry).unwrap();
        }
        assert!(migration.is_proven());
        assert_eq!(migration.versions_before().unwrap()[0].1, ["v-0"]);
        assert_eq!(migration.locks_held(), [("default", "l-1")]);
        migration.note(Entry::Unlocked).unwrap();
        assert_eq!(migration.locks_held(), []);
        migration.note(Entry::Aborting).unwrap();
        assert!(!migration.is_proven());
    }

    #[test]
    fn a_journal_without_an_entry_never_began() {
        let (_root, tfw) = tfw();
        let unit = "dev".parse().unwrap();
        let migration = Migration::begin(&tfw, &unit, "r1", begun()).unwrap();
        fs::write(migration.folder().join(JOURNAL), "{\"time\":").unwrap();
        assert!(Migration::unfinished(&tfw, &unit).unwrap().is_none());
    }

    #[test]
    fn a_torn_last_line_has_not_happened() {
        let (_root, tfw) = tfw();
        let unit = "dev".parse().unwrap();
        let migration = Migration::begin(&tfw, &unit, "r1", begun()).unwrap();
        let path = migration.folder().join(JOURNAL);
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("{\"time\":\"x\",\"entry\":\"lo");
        fs::write(&path, text).unwrap();
        let mut found = Migration::unfinished(&tfw, &unit).unwrap().unwrap();
        assert_eq!(found.entries(), [begun()]);
        found.note(Entry::Locked).unwrap();
        let again = Migration::unfinished(&tfw, &unit).unwrap().unwrap();
        assert_eq!(again.entries(), [begun(), Entry::Locked]);
    }

    #[test]
    fn copies_are_private_and_say_what_was_in_them() {
        let (root, tfw) = tfw();
        let original = root.path().join("terraform.tfstate");
        fs::write(&original, "secret").unwrap();
        let unit = "dev".parse().unwrap();
        let migration = Migration::begin(&tfw, &unit, "r1", begun()).unwrap();
        let kept = migration
            .keep(
                &original,
                Path::new("source/terraform.tfstate"),
                Role::State,
            )
            .unwrap();
        assert_eq!(kept.sha256, sha256(b"secret"));
        let copy = migration.copy_path(&kept);
        assert_eq!(fs::read(&copy).unwrap(), b"secret");
        let mode = fs::metadata(&copy).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }
}
