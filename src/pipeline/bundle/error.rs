//! What is wrong with a bundle as a whole.

use std::io;
use std::path::PathBuf;

use crate::journal::{FreshFolderError, JournalError};
use crate::model::{Diagnostic, describe_io};

/// A bundle cannot be written, or not be worked from. Nothing has been done.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Something is there already.
    #[error("`{}` is not empty: a bundle has its folder for itself", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
    },
    /// A file is in the way.
    #[error("`{}` is no folder", folder.display())]
    NotAFolder {
        /// What was named.
        folder: PathBuf,
    },
    /// The folder cannot be made or listed.
    #[error(transparent)]
    Folder(#[from] JournalError),
    /// There is no document.
    #[error("there is no bundle in `{}`", folder.display())]
    Absent {
        /// What was named.
        folder: PathBuf,
    },
    /// The document is there, and cannot be read.
    #[error("cannot read `{}`: {}", file.display(), describe_io(source))]
    Unreadable {
        /// The document.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no document of this tfw's.
    #[error("`{}` is no bundle that this tfw can apply: {why}", file.display())]
    NotABundle {
        /// The document.
        file: PathBuf,
        /// Why.
        why: String,
    },
}

impl From<FreshFolderError> for BundleError {
    fn from(error: FreshFolderError) -> Self {
        match error {
            FreshFolderError::NotEmpty(folder) => Self::NotEmpty { folder },
            FreshFolderError::NotAFolder(folder) => Self::NotAFolder { folder },
            FreshFolderError::Failed(error) => Self::Folder(error),
        }
    }
}

impl BundleError {
    /// Whether a guard says no; else the command line is wrong.
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::Absent { .. })
    }

    /// What to do next.
    fn hint(&self) -> &'static str {
        match self {
            Self::NotEmpty { .. } => {
                "name another folder, or remove this one; one without `bundle.json` was left by a run that was broken off"
            }
            Self::NotAFolder { .. } => "name another folder",
            Self::Folder(_) => "check the free space and the permissions of the folder above it",
            Self::Absent { .. } => "`tfw plan --out DIR` makes one",
            Self::Unreadable { .. } => "check its permissions",
            Self::NotABundle { .. } => "plan again with this tfw: `tfw plan --out DIR`",
        }
    }

    /// The error as reports have it.
    pub fn to_diagnostic(&self) -> Diagnostic {
        Diagnostic::error(self.to_string()).with_hint(self.hint())
    }
}
