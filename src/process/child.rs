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

/// A command in its own process group, with nothing inherited but the standard streams.
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
        .process_group(0)
        .kill_on_drop(false);
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
mod tests {
    use super::*;
    use crate::events;
    use crate::process::Signal;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Instant;
    use tempfile::TempDir;

    /// A shell script, with `PATH` and nothing else in its environment.
    fn script(folder: &Path, text: &str) -> Spec {
        Spec {
            program: PathBuf::from("/bin/sh"),
            args: vec!["-c".into(), text.into()],
            env: Variables::from_iter([("PATH", "/usr/bin:/bin")]),
            folder: folder.to_owned(),
            stdout: Output::Log(folder.join("log")),
            stderr: Output::Log(folder.join("log")),
        }
    }

    #[tokio::test]
    async fn every_line_is_given_and_the_log_is_appended_to() {
        let folder = TempDir::new().expect("folder");
        std::fs::write(folder.path().join("log"), "from before\n").expect("write");
        let mut lines = Vec::new();
        let exit = run(
            script(
                folder.path(),
                "echo one; echo two >&2; printf 'no newline'; exit 3",
            ),
            &Signals::never(),
            |line| lines.push(line.to_owned()),
        )
        .await
        .expect("runs");
        assert_eq!(exit.status, Status::Code(3));
        assert!(!exit.interrupted);
        assert_eq!(lines, ["one", "two", "no newline"]);
        let log = std::fs::read_to_string(folder.path().join("log")).expect("log");
        assert_eq!(log, "from before\none\ntwo\nno newline");
    }

    #[tokio::test]
    async fn lines_come_while_the_child_runs() {
        let folder = TempDir::new().expect("folder");
        let gate = folder.path().join("gate");
        // The child ends only when its first line has been seen.
        let spec = script(
            folder.path(),
            "echo ready; while [ ! -e gate ]; do sleep 0.01; done; echo done",
        );
        let mut lines = Vec::new();
        let exit = run(spec, &Signals::never(), |line| {
            if line == "ready" {
                std::fs::write(&gate, "").expect("write");
            }
            lines.push(line.to_owned());
        })
        .await
        .expect("runs");
        assert!(exit.status.success());
        assert_eq!(lines, ["ready", "done"]);
    }

    #[tokio::test]
    async fn private_output_is_returned_and_written_nowhere_else() {
        let folder = TempDir::new().expect("folder");
        let mut spec = script(folder.path(), "echo secret; echo trouble >&2");
        spec.stdout = Output::Private;
        let mut lines = Vec::new();
        let exit = run(spec, &Signals::never(), |line| lines.push(line.to_owned()))
            .await
            .expect("runs");
        assert_eq!(exit.stdout.bytes(), b"secret\n");
        assert_eq!(lines, ["trouble"]);
        assert!(!format!("{exit:?}").contains("secret"));
        let log = folder.path().join("log");
        assert_eq!(std::fs::read_to_string(&log).expect("log"), "trouble\n");
        let mode = std::fs::metadata(&log)
            .expect("metadata")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn the_environment_is_complete_and_the_child_leads_its_group() {
        let folder = TempDir::new().expect("folder");
        let mut lines = Vec::new();
        run(
            script(
                folder.path(),
                "echo home=${HOME-unset}; [ $$ = $(ps -o pgid= -p $$ | tr -d ' ') ] && echo leads; cat",
            ),
            &Signals::never(),
            |line| lines.push(line.to_owned()),
        )
        .await
        .expect("runs");
        assert_eq!(lines, ["home=unset", "leads"]);
    }

    #[tokio::test]
    async fn each_step_sends_one_sigint_and_the_last_one_kills() {
        let folder = TempDir::new().expect("folder");
        let (emitter, _told) = events::channel();
        let (mut source, signals) = Signals::manual(emitter);
        let start = Instant::now();
        // `wait` returns when a trap has run, so that each SIGINT is counted. A background job of
        // sh ignores SIGINT, and belongs to the group that is killed.
        let spec = script(
            folder.path(),
            "n=0; trap 'n=$((n+1)); echo got $n' INT; sleep 1000 & echo ready; while :; do wait; done",
        );
        let mut lines = Vec::new();
        let exit = run(spec, &signals, |line| {
            let at = |seconds| start + Duration::from_secs(seconds);
            match line {
                "ready" => {
                    source.deliver(Signal::Interrupt, at(0));
                    source.deliver(Signal::Terminate, at(1));
                }
                "got 1" => {
                    source.deliver(Signal::Interrupt, at(10));
                    source.deliver(Signal::Hangup, at(11));
                }
                "got 2" => {
                    source.deliver(Signal::Interrupt, at(20));
                }
                _ => {}
            }
            lines.push(line.to_owned());
        })
        .await
        .expect("runs");
        assert_eq!(lines, ["ready", "got 1", "got 2"]);
        assert_eq!(exit.status, Status::Signal(9));
        assert!(exit.interrupted);
    }

    #[tokio::test]
    async fn nothing_starts_once_the_run_is_being_stopped() {
        let folder = TempDir::new().expect("folder");
        let (emitter, _told) = events::channel();
        let (mut source, signals) = Signals::manual(emitter);
        source.deliver(Signal::Interrupt, Instant::now());
        let error = run(script(folder.path(), "touch started"), &signals, |_| {})
            .await
            .expect_err("refused");
        assert!(matches!(error, SpawnError::Stopping { .. }), "{error}");
        assert!(!folder.path().join("started").exists());
    }

    #[tokio::test]
    async fn failures_to_start_are_told_apart() {
        let folder = TempDir::new().expect("folder");
        let never = Signals::never();
        let missing = Spec {
            program: "/nowhere/terraform".into(),
            ..script(folder.path(), "")
        };
        let error = run(missing, &never, |_| {}).await.expect_err("missing");
        assert_eq!(error.to_string(), "`/nowhere/terraform` was not found");
        assert!(error.hint().expect("hint").contains("install"));

        let mut spec = script(folder.path(), "");
        spec.folder = folder.path().join("gone");
        let error = run(spec, &never, |_| {}).await.expect_err("folder");
        assert!(
            error.to_string().contains("gone` does not exist"),
            "{error}"
        );

        let mut spec = script(folder.path(), "");
        spec.stdout = Output::Log(folder.path().join("no/such/log"));
        let error = run(spec, &never, |_| {}).await.expect_err("log");
        assert!(
            error.to_string().ends_with("no such file or directory"),
            "{error}"
        );

        let not_a_program = folder.path().join("text");
        std::fs::write(&not_a_program, "text").expect("write");
        let spec = Spec {
            program: not_a_program,
            ..script(folder.path(), "")
        };
        let error = run(spec, &never, |_| {}).await.expect_err("not executable");
        assert!(error.to_string().ends_with("permission denied"), "{error}");
    }

    const DYING_PARENT: &str = "TFW_TEST_DYING_PARENT";

    /// Not a test by itself: the process that `a_child_survives_the_death_of_tfw` kills.
    #[tokio::test]
    async fn dying_parent() {
        let Some(folder) = crate::env_vars::EnvSnapshot::capture()
            .get(DYING_PARENT)
            .map(PathBuf::from)
        else {
            return;
        };
        let spec = script(
            &folder,
            "echo ready; read line < gate; echo $line; echo end",
        );
        let _ = run(spec, &Signals::never(), |line| {
            if line == "ready" {
                rustix::process::kill_process(
                    rustix::process::getpid(),
                    rustix::process::Signal::KILL,
                )
                .expect("kill");
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_child_survives_the_death_of_tfw() {
        let folder = TempDir::new().expect("folder");
        let gate = folder.path().join("gate");
        let log = folder.path().join("log");
        let made = command(
            Path::new("mkfifo"),
            &[gate.clone().into()],
            &Variables::from_iter([("PATH", "/usr/bin:/bin")]),
            folder.path(),
        )
        .status()
        .await
        .expect("mkfifo");
        assert!(made.success());

        let env = Variables::from_iter([(DYING_PARENT, folder.path())]);
        let parent = Spec {
            program: std::env::current_exe().expect("this test"),
            args: ["--exact", "process::child::tests::dying_parent"]
                .map(Into::into)
                .into(),
            env,
            folder: folder.path().to_owned(),
            stdout: Output::Discard,
            stderr: Output::Discard,
        };
        let exit = run(parent, &Signals::never(), |_| {}).await.expect("runs");
        assert_eq!(exit.status, Status::Signal(9));

        // Opening waits for the reader, which is the orphan: it lives, and goes on to its end.
        let mut tail = Tail::at_end(&log).expect("log");
        std::fs::write(&gate, "go on\n").expect("orphan reads");
        let mut lines: Vec<String> = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(20);
        while lines.last().is_none_or(|line| line != "end") && Instant::now() < deadline {
            tail.read(&mut |line: &str| lines.push(line.to_owned()))
                .expect("read");
            tokio::task::yield_now().await;
        }
        assert_eq!(lines, ["go on", "end"]);
    }
}
