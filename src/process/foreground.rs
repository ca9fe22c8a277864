//! Runs a program that talks to the person: it gets the terminal.
//!
//! The child leads its own process group, and that group becomes the terminal's foreground group.
//! So Ctrl-C reaches the child alone, straight from the terminal, and whatever signal reaches tfw
//! was meant for tfw and is passed on once. The price is job control, which a shell does for its
//! jobs and tfw must do here: when Ctrl-Z stops the child, tfw takes the terminal back and stops
//! too, so that the person's shell is in charge; when that continues tfw, so is the child.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpgrp, kill_process_group, test_kill_process_group,
    waitid,
};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use tokio::signal::unix::{SignalKind, signal};

use super::child::command;
use super::leash::Leash;
use super::signals::{Signals, Wish};
use super::{SpawnError, Status, Variables};

type Continued = tokio::signal::unix::Signal;

/// SIGCONT.
const CONTINUED: SignalKind = SignalKind::from_raw(Signal::CONT.as_raw());
/// How long a process may take to stop after it has sent itself the signal.
const STOPPING: Duration = Duration::from_millis(200);

/// What to run on the person's terminal.
#[derive(Debug, Clone)]
pub struct Foreground {
    /// The program: a path, or a name for the `PATH` in `env`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Its complete environment: nothing is inherited.
    pub env: Variables,
    /// The folder it runs in.
    pub folder: PathBuf,
    /// What the child gets for a SIGTERM or SIGHUP that reaches tfw.
    pub forward: Forward,
}

/// What a child gets for a SIGTERM or SIGHUP that reaches tfw. A SIGINT is always a SIGINT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// SIGINT, for Terraform: its providers die of a SIGTERM, and it dies itself of a SIGHUP with
    /// its state unsaved.
    Interrupt,
    /// SIGHUP, for a shell: interactive shells ignore SIGINT and SIGTERM.
    Hangup,
}

impl Foreground {
    /// Runs the program to its end, on tfw's own standard streams.
    ///
    /// Returns how it ended; the exit code for the person is [`Status::shell_code`].
    ///
    /// # Errors
    /// The run is being stopped already, or the program cannot be started.
    pub async fn run(self, signals: &Signals) -> Result<Status, SpawnError> {
        let name = self.program.to_string_lossy().into_owned();
        let lost = |source| SpawnError::Lost {
            program: name.clone(),
            source,
        };
        let mut wishes = signals.subscribe();
        if wishes.borrow_and_update().first.is_some() {
            return Err(SpawnError::Stopping { program: name });
        }
        // Before the child starts, so that no stop of it is missed.
        let mut changes = signal(SignalKind::child()).map_err(lost)?;
        let mut continued = signal(CONTINUED).map_err(lost)?;
        let mut child = command(&self.program, &self.args, &self.env, &self.folder)
            .spawn()
            .map_err(|source| {
                SpawnError::from_spawn(self.program.as_os_str(), &self.folder, source)
            })?;
        let mut leash = child.id().and_then(Leash::new);
        let terminal = leash.as_ref().and_then(|leash| Terminal::lend(leash.pid()));

        let mut listening = true;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                changed = wishes.changed(), if listening => {
                    listening = changed.is_ok();
                    if let Some(leash) = &mut leash {
                        let wish = *wishes.borrow_and_update();
                        leash.follow_with(wish, self.translate(wish));
                    }
                }
                Some(()) = changes.recv() => {
                    if let Some(terminal) = &terminal {
                        terminal.follow_stop(&mut continued).await;
                    }
                }
            }
        };
        // Back to tfw before anything else is printed or asked.
        drop(terminal);
        status.map(Status::from).map_err(lost)
    }

    fn translate(&self, wish: Wish) -> Signal {
        let direct = wish.interrupts > 1 || wish.first == Some(super::Signal::Interrupt);
        match self.forward {
            Forward::Hangup if !direct => Signal::HUP,
            Forward::Hangup | Forward::Interrupt => Signal::INT,
        }
    }
}

/// The terminal on standard input, lent to a child's process group until this is dropped.
struct Terminal {
    tty: OwnedFd,
    child: Pid,
}

impl Terminal {
    /// Lends the terminal, where there is one and tfw has it. A tfw in the background has nothing
    /// to lend: its child stops when it reads, as tfw itself would.
    fn lend(child: Pid) -> Option<Self> {
        let stdin = io::stdin();
        if !stdin.is_terminal() || tcgetpgrp(&stdin).ok()? != getpgrp() {
            return None;
        }
        let terminal = Self {
            tty: stdin.as_fd().try_clone_to_owned().ok()?,
            child,
        };
        terminal.give_to_child();
        Some(terminal)
    }

    fn give_to_child(&self) {
        set_foreground(&self.tty, self.child);
        // A child that was faster than tfw and read from the terminal has been stopped for it
        // (SIGTTIN); to any other this means nothing.
        let _ = kill_process_group(self.child, Signal::CONT);
    }

    /// Looks whether the child has been stopped, and does what a shell does for a stopped job.
    async fn follow_stop(&self, continued: &mut Continued) {
        // Without EXITED, so that the end of the child is left for whoever waits for it.
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        let Ok(Some(status)) = waitid(WaitId::Pid(self.child), options) else {
            return;
        };
        let Some(signal) = status.stopping_signal() else {
            return;
        };
        let wants_terminal = signal == Signal::TTIN.as_raw() || signal == Signal::TTOU.as_raw();
        let holder = tcgetpgrp(&self.tty).ok();
        let ours = Some(getpgrp());
        if wants_terminal && (holder == ours || holder == Some(self.child)) {
            self.give_to_child();
            return;
        }
        if holder == Some(self.child) {
            set_foreground(&self.tty, getpgrp());
        }
        // The whole job, as the terminal would have done. Any thread may take the signal, so this
        // one may still run a little; the wait ends when the person's shell continues tfw, or soon
        // where there is no such shell and nothing stops (an orphaned group).
        let _ = kill_process_group(getpgrp(), Signal::TSTP);
        let _ = tokio::time::timeout(STOPPING, continued.recv()).await;
        if tcgetpgrp(&self.tty).ok() == ours {
            self.give_to_child();
        } else {
            // Continued in the background (`bg`): the terminal is the shell's now.
            let _ = kill_process_group(self.child, Signal::CONT);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Where the person's shell has the terminal (tfw was sent to the background), it keeps it.
        let taken = tcgetpgrp(&self.tty).is_ok_and(|holder| {
            holder != self.child && test_kill_process_group(holder) != Err(Errno::SRCH)
        });
        if !taken {
            set_foreground(&self.tty, getpgrp());
        }
    }
}

/// Makes a group the terminal's foreground group.
///
/// Whoever does that from the background is stopped by SIGTTOU, unless it blocks that signal. It
/// is blocked for this call alone: children inherit the mask.
fn set_foreground(tty: &OwnedFd, group: Pid) {
    let mut mask = nix::sys::signal::SigSet::empty();
    mask.add(nix::sys::signal::Signal::SIGTTOU);
    let Ok(before) = mask.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK) else {
        return;
    };
    // A terminal that has gone away cannot be given to anybody, and nothing is lost by that.
    let _ = tcsetpgrp(tty, group);
    let _ = before.thread_set_mask();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env_vars::EnvSnapshot;
    use crate::events;
    use std::path::Path;
    use std::time::Instant;
    use tempfile::TempDir;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

    fn shell(script: &str, folder: &Path) -> Foreground {
        Foreground {
            program: "/bin/bash".into(),
            args: vec!["-c".into(), script.into()],
            env: Variables::from_iter([("PATH", "/usr/bin:/bin")]),
            folder: folder.to_owned(),
            forward: Forward::Interrupt,
        }
    }

    #[tokio::test]
    async fn a_signal_that_reaches_tfw_is_passed_on_once_as_sigint() {
        let folder = TempDir::new().expect("folder");
        let fifo = folder.path().join("ready");
        let made = command(
            Path::new("mkfifo"),
            &[fifo.clone().into()],
            &Variables::from_iter([("PATH", "/usr/bin:/bin")]),
            folder.path(),
        )
        .status()
        .await
        .expect("mkfifo");
        assert!(made.success());

        let (emitter, _told) = events::channel();
        let (mut source, signals) = Signals::manual(emitter);
        let child = shell(
            "trap 'exit 42' INT; trap 'exit 1' TERM HUP; echo ready > ready; while [ -e ready ]; do sleep 0.01; done",
            folder.path(),
        );
        let (status, ()) = tokio::join!(child.run(&signals), async {
            tokio::fs::read(&fifo).await.expect("the child is ready");
            source.deliver(super::super::Signal::Terminate, Instant::now());
        });
        assert_eq!(status.expect("runs"), Status::Code(42));
    }

    #[tokio::test]
    async fn a_missing_program_is_told() {
        let folder = TempDir::new().expect("folder");
        let mut child = shell("", folder.path());
        child.program = "/nowhere/terraform".into();
        let error = child.run(&Signals::never()).await.expect_err("missing");
        assert!(matches!(error, SpawnError::ProgramMissing { .. }));
    }

    const ON_TERMINAL: &str = "TFW_TEST_FOREGROUND";

    /// Not a test by itself: what the tests below run on a terminal of their own.
    #[tokio::test]
    async fn on_terminal() {
        if EnvSnapshot::capture().get(ON_TERMINAL).is_none() {
            return;
        }
        let (emitter, _told) = events::channel();
        let signals = Signals::install(emitter).expect("handlers");
        let child = shell(
            "until [ $(ps -o tpgid= -p $$) -eq $$ ]; do :; done; \
             trap 'echo child got INT' INT; echo child is ready; \
             until read line; do :; done; echo \"child read $line\"; exit 7",
            Path::new("/"),
        );
        let status = child.run(&signals).await.expect("runs");
        let back = tcgetpgrp(io::stdin()).ok() == Some(getpgrp());
        std::fs::write(
            "/dev/tty",
            format!(
                "child ended with {status}, tfw stopping: {}, terminal back: {back}\n",
                signals.is_stopping()
            ),
        )
        .expect("terminal");
    }

    /// Talks to a program on a terminal, by way of `script` (util-linux): what is written to its
    /// standard input is typed there.
    struct Typist {
        child: tokio::process::Child,
        lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    }

    impl Typist {
        fn start(program: &str) -> Self {
            let environment = EnvSnapshot::capture();
            let mut child = command(
                Path::new("script"),
                &["-qfec", program, "/dev/null"].map(OsString::from),
                &Variables::from_iter([
                    (
                        "PATH",
                        environment.get("PATH").unwrap_or_default().to_owned(),
                    ),
                    ("PS1", "$ ".into()),
                    (ON_TERMINAL, "1".into()),
                ]),
                Path::new("/"),
            )
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("this test needs `script`: install util-linux (Debian: bsdutils)");
            let stdout = child.stdout.take().expect("it is piped");
            Self {
                child,
                lines: BufReader::new(stdout).lines(),
            }
        }

        async fn types(&mut self, keys: &str) {
            let terminal = self.child.stdin.as_mut().expect("stdin");
            terminal.write_all(keys.as_bytes()).await.expect("typed");
        }

        /// Reads up to the first line with this text.
        async fn sees(&mut self, text: &str) -> String {
            let mut seen = Vec::new();
            while let Some(line) = self.lines.next_line().await.expect("terminal") {
                if line.contains(text) {
                    return line;
                }
                seen.push(line);
            }
            panic!("`{text}` never came, but {seen:#?}");
        }
    }

    fn this_test() -> String {
        let program = std::env::current_exe().expect("this test");
        format!(
            "{} --exact process::foreground::tests::on_terminal --nocapture",
            program.display()
        )
    }

    #[tokio::test]
    async fn ctrl_c_reaches_the_child_and_not_tfw() {
        let mut person = Typist::start(&this_test());
        person.sees("child is ready").await;
        person.types("\x03").await;
        person.sees("child got INT").await;
        person.types("hello\n").await;
        person.sees("child read hello").await;
        let end = person.sees("child ended").await;
        assert!(
            end.contains("with exit code 7, tfw stopping: false, terminal back: true"),
            "{end}"
        );
    }

    #[tokio::test]
    async fn ctrl_z_gives_the_terminal_back_to_the_shell_until_fg() {
        let mut person = Typist::start("bash --norc --noprofile -i");
        person.types(&format!("{}\n", this_test())).await;
        person.sees("child is ready").await;
        person.types("\x1a").await;
        person.sees("Stopped").await;
        person.types("echo the shell is $((40 + 2))\n").await;
        person.sees("the shell is 42").await;
        person.types("fg\n").await;
        person.types("hello\n").await;
        person.sees("child read hello").await;
        let end = person.sees("child ended").await;
        assert!(end.contains("exit code 7"), "{end}");
        assert!(end.contains("terminal back: true"), "{end}");
        person.types("exit\n").await;
    }
}
