//! The only room that starts other programs and touches signals.
//!
//! - [`escalation`] decides, purely, what a signal means after those before it.
//! - [`signals`] listens, runs that machine and publishes what it decided.
//! - [`child`] runs a program in the background: its own process group, output to files that are
//!   tailed. Files, not pipes: Terraform dies of SIGPIPE when its reader goes, with the state lost
//!   and the lock left, so tfw's own death must not close anything that a child writes to.
//! - [`foreground`] runs a program that talks to the person: it gets the terminal.
//!
//! No child is killed when a future is dropped or when tfw ends: it may be writing state.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};

pub mod child;
pub mod escalation;
pub mod foreground;
mod leash;
pub mod signals;
mod tail;

use crate::model::describe_io;

pub use child::{Captured, Exit, Output, Spec, run, run_known};
pub use escalation::Signal;
pub use foreground::{Foreground, Forward};
pub use signals::{SignalSource, Signals};

/// The complete environment of a child. Its `Debug` shows names only, since values may be secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<OsString, OsString>);

impl Variables {
    /// Sets a variable.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// A variable's value.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.0.get(name.as_ref()).map(OsString::as_os_str)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Variables {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It ended by itself, with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
}

impl Status {
    /// Whether it ended by itself with code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }

    /// The code that a shell would show: 128 and the signal's number where a signal ended it.
    pub fn shell_code(self) -> u8 {
        let code = match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }
}

impl From<std::process::ExitStatus> for Status {
    fn from(status: std::process::ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            // Neither exited nor killed: not a status that wait(2) gives for an ended process.
            (None, None) => Self::Code(1),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Why a child could not be started, or not be followed.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The run is being stopped: nothing new starts.
    #[error("`{program}` was not started: the run was interrupted")]
    Stopping {
        /// What would have run.
        program: String,
    },
    /// There is no such program.
    #[error("`{program}` was not found")]
    ProgramMissing {
        /// What was to run.
        program: String,
    },
    /// The folder to run in is not there.
    #[error("`{program}` could not be started: its folder `{}` does not exist", folder.display())]
    FolderMissing {
        /// What was to run.
        program: String,
        /// Where.
        folder: PathBuf,
    },
    /// The file is there, but it cannot be run.
    #[error("`{program}` could not be started: {}", describe_io(source))]
    NotStarted {
        /// What was to run.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// The file for its output cannot be written or read.
    #[error("the output of `{program}` cannot go to `{}`: {}", path.display(), describe_io(source))]
    Output {
        /// What was to run.
        program: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system did not tell how it ended.
    #[error(
        "`{program}` was started, but how it ended is not known: {}",
        describe_io(source)
    )]
    Lost {
        /// What ran.
        program: String,
        /// Why.
        source: io::Error,
    },
}

impl SpawnError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Stopping { .. } => None,
            Self::ProgramMissing { program } => Some(format!(
                "install `{program}`, or set `terraform.binary` in the manifest or `--terraform` to its path"
            )),
            Self::FolderMissing { folder, .. } => Some(format!(
                "create `{}`, or correct `path` in the manifest",
                folder.display()
            )),
            Self::NotStarted { program, .. } => Some(format!(
                "check that `{program}` is a program for this machine and that you may run it"
            )),
            Self::Output { path, .. } => Some(format!(
                "check the free space and the permissions of `{}`",
                path.parent().unwrap_or(path).display()
            )),
            Self::Lost { .. } => {
                Some("look at its log, and at the state, before you try again".to_owned())
            }
        }
    }

    /// Tells the reasons of a failed spawn apart: a missing folder and a missing program are the
    /// same `ENOENT`.
    fn from_spawn(program: &OsStr, folder: &Path, source: io::Error) -> Self {
        let program = program.to_string_lossy().into_owned();
        if source.kind() != io::ErrorKind::NotFound {
            Self::NotStarted { program, source }
        } else if folder.is_dir() {
            Self::ProgramMissing { program }
        } else {
            Self::FolderMissing {
                program,
                folder: folder.to_owned(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_variables_are_never_debug_printed() {
        let variables = Variables::from_iter([("AWS_SECRET_ACCESS_KEY", "s3cret")]);
        let shown = format!("{variables:?}");
        assert!(shown.contains("AWS_SECRET_ACCESS_KEY"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn a_status_has_the_code_that_a_shell_shows() {
        assert_eq!(Status::Code(2).shell_code(), 2);
        assert_eq!(Status::Signal(2).shell_code(), 130);
    }
}
