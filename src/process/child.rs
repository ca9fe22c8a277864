//! Runs a program in the background and follows what it writes.

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::leash::Leash;
use super::signals::Signals;
use super::tail::Tail;
use super::{SpawnError, Status, Variables};

/// How soon after something was read the file is looked at again.
const SOON: Duration = Duration::from_millis(20);
/// How long a silent child is left alone at most.
const LATE: Duration = Duration::from_millis(100);

/// What to run, and where its output goes.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The program: a path, or a name for the `PATH` in `env`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its complete environment: nothing is inherited.
    pub env: Variables,
    /// The folder it runs in.
    pub folder: PathBuf,
    /// Where its standard output goes.
    pub stdout: Output,
    /// Where its standard error goes; may be the same log.
    pub stderr: Output,
}

/// Where a child writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Appended to this file, which is made with mode 0600 where it is not there. It is tailed.
    Log(PathBuf),
    /// Kept from every file that has a name, and handed back: it may hold secrets.
    Private,
    /// Thrown away.
    Discard,
}

/// How a child ended.
#[derive(Debug)]
pub struct Exit {
    /// Its end.
    pub status: Status,
    /// Whether tfw sent it a signal.
    pub interrupted: bool,
    /// What it wrote to a [`Output::Private`] standard output; else empty.
    pub stdout: Captured,
    /// What it wrote to a [`Output::Private`] standard error; else empty.
    pub stderr: Captured,
}

/// Output that may hold secrets: `Debug` shows its length only.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct Captured(Vec<u8>);

impl Captured {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text; what is not UTF-8 is replaced.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Captured({} bytes)", self.0.len())
    }
}

/// Runs a program to its end and gives `on_line` each line that it appends to its logs.
///
/// The child leads its own process group, reads nothing and inherits no variable. It gets what
/// `signals` says: one SIGINT per step, and the kill. Where this future is dropped, and where tfw
/// dies, the child goes on.
///
/// # Errors
/// The run is being stopped already, the program cannot be started, or its output cannot be
/// written or read.
pub async fn run(
    spec: Spec,
    signals: &Signals,
    on_line: impl FnMut(&str),
) -> Result<Exit, SpawnError> {
    run_known(spec, signals, |_| {}, on_line).await
}

/// As [`run`]; gives `on_start` the child's process id.
///
/// # Errors
/// As [`run`].
pub async fn run_known(
    spec: Spec,
    signals: &Signals,
    on_start: impl FnOnce(u32),
    mut on_line: impl FnMut(&str),
) -> Result<Exit, SpawnError> {
    let name = spec.program.to_string_lossy().into_owned();
    let mut wishes = signals.subscribe();
    if wishes.borrow_and_update().first.is_some() {
        return Err(SpawnError::Stopping { program: name });
    }

    let mut stdout = Sink::open(&spec.stdout).map_err(|error| error.of(&name))?;
    let mut stderr = Sink::open(&spec.stderr).map_err(|error| error.of(&name))?;
    if spec.stdout == spec.stderr {
        // One file has one tail.
        stderr.tail = None;
    }
    let mut child = command(&spec.program, &spec.args, &spec.env, &spec.folder)
        .stdin(Stdio::null())
        .stdout(stdout.stdio().map_err(|error| error.of(&name))?)
        .stderr(stderr.stdio().map_err(|error| error.of(&name))?)
        .spawn()
        .map_err(|source| SpawnError::from_spawn(spec.program.as_os_str(), &spec.folder, source))?;
    if let Some(id) = child.id() {
        on_start(id);
    }
    let mut leash = child.id().and_then(Leash::new);

    let mut interval = SOON;
    let mut listening = true;
    // A log that cannot be read is told about at the end: the child must be waited for.
    let mut unread = None;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            changed = wishes.changed(), if listening => {
                listening = changed.is_ok();
                if let Some(leash) = &mut leash {
                    leash.follow(*wishes.borrow_and_update());
                }
            }
            () = tokio::time::sleep(interval), if unread.is_none() => {
                let out = stdout.read(&mut on_line);
                match out.and_then(|any| Ok(stderr.read(&mut on_line)? || any)) {
                    Ok(true) => interval = SOON,
                    Ok(false) => interval = (interval * 2).min(LATE),
                    Err(error) => unread = Some(error),
                }
            }
        }
    };
    let status = status.map_err(|source| SpawnError::Lost {
        program: name.clone(),
        source,
    })?;
    if let Some(error) = unread {
        return Err(error.of(&name));
    }
    Ok(Exit {
        status: status.into(),
        interrupted: leash.is_some_and(|leash| leash.pulled()),
        stdout: stdout
            .finish(&mut on_line)
            .map_err(|error| error.of(&name))?,
        stderr: stderr
            .finish(&mut on_line)
            .map_err(|error| error.of(&name))?,
    })
}

/// A command in its own process group, with nothing inherited but the standard streams. Dropping
/// its child kills nothing: it may be writing state.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that starts other programs"
)]
pub(super) fn command(
    program: &Path,
    args: &[OsString],
    env: &Variables,
    folder: &Path,
) -> Command {
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(env.iter())
        .current_dir(folder)
        .process_group(0);
    command
}

/// One of a child's output streams, seen from tfw.
struct Sink {
    file: Option<File>,
    path: PathBuf,
    tail: Option<Tail>,
    private: bool,
}

/// A file that failed, before it is known for which program.
struct SinkError {
    path: PathBuf,
    source: io::Error,
}

impl SinkError {
    fn of(self, program: &str) -> SpawnError {
        SpawnError::Output {
            program: program.to_owned(),
            path: self.path,
            source: self.source,
        }
    }
}

impl Sink {
    fn open(output: &Output) -> Result<Self, SinkError> {
        let (file, path, tail, private) = match output {
            Output::Discard => (None, PathBuf::new(), None, false),
            Output::Private => {
                // It has no name from the start, so nothing is left of it however tfw ends.
                let path = std::env::temp_dir();
                let file = tempfile::tempfile().map_err(|source| SinkError {
                    path: path.clone(),
                    source,
                })?;
                (Some(file), path, None, true)
            }
            Output::Log(path) => {
                let opened = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .mode(0o600)
                    .open(path)
                    .and_then(|file| Ok((file, Tail::at_end(path)?)));
                let (file, tail) = opened.map_err(|source| SinkError {
                    path: path.clone(),
                    source,
                })?;
                (Some(file), path.clone(), Some(tail), false)
            }
        };
        Ok(Self {
            file,
            path,
            tail,
            private,
        })
    }

    /// What the child gets.
    fn stdio(&self) -> Result<Stdio, SinkError> {
        match &self.file {
            None => Ok(Stdio::null()),
            Some(file) => file
                .try_clone()
                .map(Stdio::from)
                .map_err(|source| self.error(source)),
        }
    }

    fn read(&mut self, on_line: &mut impl FnMut(&str)) -> Result<bool, SinkError> {
        match &mut self.tail {
            None => Ok(false),
            Some(tail) => tail.read(on_line).map_err(|source| SinkError {
                path: self.path.clone(),
                source,
            }),
        }
    }

    fn finish(mut self, on_line: &mut impl FnMut(&str)) -> Result<Captured, SinkError> {
        if let Some(tail) = self.tail.take() {
            tail.finish(on_line).map_err(|source| self.error(source))?;
        }
        let mut captured = Vec::new();
        if self.private
            && let Some(file) = &mut self.file
        {
            file.rewind()
                .and_then(|()| file.read_to_end(&mut captured))
                .map_err(|source| SinkError {
                    path: self.path.clone(),
                    source,
                })?;
        }
        Ok(Captured(captured))
    }

    fn error(&self, source: io::Error) -> SinkError {
        SinkError {
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests;
