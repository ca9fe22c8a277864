//! A folder of a person's choice that tfw fills: there, empty and private before anything begins.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{JournalError, make_private_folder};

/// A folder that holds what one command writes, and nothing else.
#[derive(Debug)]
pub struct FreshFolder {
    path: PathBuf,
    /// Whether it was not there before.
    is_new: bool,
}

/// Why a folder cannot be had for oneself. Nothing has been written.
#[derive(Debug, thiserror::Error)]
pub enum FreshFolderError {
    /// Something is there already.
    #[error("`{}` is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// A file is in the way.
    #[error("`{}` is no folder", .0.display())]
    NotAFolder(PathBuf),
    /// It cannot be made or listed.
    #[error(transparent)]
    Failed(#[from] JournalError),
}

impl FreshFolder {
    /// Makes the folder, or takes an empty one.
    ///
    /// # Errors
    /// Something is there already, or the folder cannot be made.
    pub fn prepare(path: &Path) -> Result<Self, FreshFolderError> {
        let failed = |doing, source| JournalError::new(doing, path, source);
        let is_new = match fs::read_dir(path) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(FreshFolderError::NotEmpty(path.to_owned()));
                }
                fs::set_permissions(path, Permissions::from_mode(0o700))
                    .map_err(|source| failed("protect", source))?;
                false
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_private_folder(path)?;
                true
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(FreshFolderError::NotAFolder(path.to_owned()));
            }
            Err(source) => return Err(failed("list", source).into()),
        };
        Ok(Self {
            path: path.to_owned(),
            is_new,
        })
    }

    /// As it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for FreshFolder {
    /// A command that came to nothing leaves no empty folder.
    fn drop(&mut self) {
        if self.is_new {
            // What is not empty stays.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_private_and_for_itself_and_goes_again_while_it_is_empty() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let path = root.path().join("a/b");
        drop(FreshFolder::prepare(&path).expect("made"));
        assert!(!path.exists(), "an empty one goes again");
        let folder = FreshFolder::prepare(&path).expect("made");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::write(path.join("x"), "").expect("written");
        drop(folder);
        let refused = FreshFolder::prepare(&path).expect_err("something is there");
        assert!(matches!(refused, FreshFolderError::NotEmpty(_)));
        let refused = FreshFolder::prepare(&path.join("x")).expect_err("a file is in the way");
        assert!(matches!(refused, FreshFolderError::NotAFolder(_)));
    }
}
