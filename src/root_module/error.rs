//! What can go wrong while a root module is read.

use std::io;
use std::path::PathBuf;

/// Why a root module, or a tfvars file, could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The folder is not there, or is no folder.
    #[error("there is no folder `{}`", folder.display())]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder holds no `*.tf` and no `*.tf.json`.
    #[error("`{}` holds no Terraform configuration (no `.tf` file)", folder.display())]
    NoConfiguration {
        /// The folder.
        folder: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot read `{}`: {}", file.display(), source.kind())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not HCL, or not JSON.
    #[error("`{}` line {line}: {message}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: u32,
        /// What the parser says.
        message: String,
    },
}
