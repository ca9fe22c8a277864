//! One command of a test: tfw, or a bare Terraform.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{Terminal, wait_until};

/// A command that is being put together; it has the test's environment and nothing else.
pub(crate) struct TestCommand {
    command: Command,
    line: String,
    stdin: String,
    outputs: tempfile::TempDir,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) line: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command at work. Its output goes to files: it outlives a reader as it would in real life.
pub(crate) struct Running {
    child: Child,
    line: String,
    outputs: tempfile::TempDir,
}

impl TestCommand {
    pub(super) fn new(program: &Path, folder: &Path) -> Self {
        let mut command = Command::new(program);
        command.current_dir(folder).env_clear();
        Self {
            command,
            line: program.file_name().unwrap().to_string_lossy().into_owned(),
            stdin: String::new(),
            outputs: tempfile::tempdir().unwrap(),
        }
    }

    /// Arguments, after those that are there.
    pub(crate) fn args<I: IntoIterator<Item: AsRef<OsStr>>>(mut self, args: I) -> Self {
        for arg in args {
            self.line.push(' ');
            self.line.push_str(&arg.as_ref().to_string_lossy());
            self.command.arg(arg);
        }
        self
    }

    /// A variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Without a variable that the test's environment has.
    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// In another folder than the repository's root.
    pub(crate) fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// What is typed; otherwise standard input is empty.
    pub(crate) fn stdin(mut self, typed: &str) -> Self {
        typed.clone_into(&mut self.stdin);
        self
    }

    /// Starts it and waits for its end.
    #[track_caller]
    pub(crate) fn run(self) -> Run {
        self.spawn().wait()
    }

    /// Starts it.
    #[track_caller]
    pub(crate) fn spawn(mut self) -> Running {
        let file = |name| File::create(self.outputs.path().join(name)).unwrap();
        let stdin = self.outputs.path().join("stdin");
        fs::write(&stdin, &self.stdin).unwrap();
        let child = self
            .command
            .stdin(Stdio::from(File::open(stdin).unwrap()))
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start `{}`: {error}", self.line));
        Running {
            child,
            line: self.line,
            outputs: self.outputs,
        }
    }
}

impl TestCommand {
    /// Starts it on a terminal of its own, as if a person had typed it.
    #[track_caller]
    pub(crate) fn on_terminal(self) -> Terminal {
        self.on_terminal_of(140, 50)
    }

    /// The same, on a terminal of another size.
    #[track_caller]
    pub(crate) fn on_terminal_of(self, columns: u16, rows: u16) -> Terminal {
        let (command, line) = self.for_terminal();
        Terminal::start(command, line, (columns, rows))
    }

    /// The same, with its standard output in a file.
    #[track_caller]
    pub(crate) fn on_terminal_but_stdout(self, file: &Path) -> Terminal {
        let (command, line) = self.for_terminal();
        Terminal::start(command.stdout(File::create(file).unwrap()), line, (140, 50))
    }

    /// Terminals say what they are, unless the test does.
    fn for_terminal(mut self) -> (pty_process::blocking::Command, String) {
        if !self.command.get_envs().any(|(name, _)| name == "TERM") {
            self.command.env("TERM", "xterm-256color");
        }
        (self.command.into(), self.line)
    }
}

impl Running {
    /// What it has written so far, standard output first.
    pub(crate) fn output(&self) -> String {
        self.read("stdout") + &self.read("stderr")
    }

    /// Waits until it has written `text`.
    #[track_caller]
    pub(crate) fn wait_for_output(&self, text: &str) {
        wait_until(&format!("`{text}` from `{}`", self.line), || {
            self.output().contains(text).then_some(())
        });
    }

    /// Waits until a file is there that its children make; it must not end before.
    #[track_caller]
    pub(crate) fn wait_for_file(&mut self, file: &Path) {
        wait_until(&file.display().to_string(), || {
            let ended = self.child.try_wait().unwrap().is_some();
            let there = file.exists();
            assert!(there || !ended, "`{}` ended:\n{}", self.line, self.output());
            there.then_some(())
        });
    }

    /// Sends it, and not its children, a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Run {
        let what = format!("the end of `{}`", self.line);
        let status = wait_until(&what, || self.child.try_wait().unwrap());
        Run {
            line: self.line.clone(),
            status,
            stdout: self.read("stdout"),
            stderr: self.read("stderr"),
        }
    }

    fn read(&self, name: &str) -> String {
        let file: PathBuf = self.outputs.path().join(name);
        String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned()
    }
}

impl Drop for Running {
    /// A test that failed in between leaves nothing running.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Run {
    /// The exit code, as a shell sees it: 128 and the signal where one ended the command.
    pub(crate) fn code(&self) -> i32 {
        let signal = || self.status.signal().map(|signal| 128 + signal);
        self.status.code().or_else(signal).unwrap()
    }

    /// Asserts the exit code; the whole output is in the failure.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert!(
            self.code() == code,
            "`{}` ended with {}, not {code}\n--- stdout\n{}\n--- stderr\n{}",
            self.line,
            self.code(),
            self.stdout,
            self.stderr
        );
        self
    }

    /// Asserts exit code 0.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        self.exits(0)
    }

    /// Asserts that a person sees `text`, whichever of the two outputs it is on.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "`{}` does not say `{text}`\n--- stdout\n{}\n--- stderr\n{}",
            self.line,
            self.stdout,
            self.stderr
        );
    }

    /// The one document on standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!(
                "`{}` printed no JSON ({error}):\n{}",
                self.line, self.stdout
            )
        })
    }
}
