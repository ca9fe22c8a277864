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

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpgrp, kill_process_group, waitid,
};
use rustix::termios::{tcgetpgrp, tcsetpgrp};
use tokio::signal::unix::{SignalKind, signal};

use super::child::command;
use super::leash::Leash;
use super::signals::{Signals, Wish};
use super::{SpawnError, Status, Variables};

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
                        terminal.follow_stop();
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
    fn follow_stop(&self) {
        // Without EXITED, so that the end of the child is left for whoever waits for it.
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        let Ok(Some(status)) = waitid(WaitId::Pid(self.child), options) else {
            return;
        };
        let Some(signal) = status.stopping_signal() else {
            return;
        };
        if signal != Signal::TTIN.as_raw() && signal != Signal::TTOU.as_raw() {
            set_foreground(&self.tty, getpgrp());
            // The whole job, as the terminal would have done. It returns when the person's shell
            // continues tfw, and at once where there is no such shell (an orphaned group).
            let _ = kill_process_group(getpgrp(), Signal::TSTP);
            if tcgetpgrp(&self.tty).ok() != Some(getpgrp()) {
                // Continued in the background (`bg`): the terminal is the shell's now.
                let _ = kill_process_group(self.child, Signal::CONT);
                return;
            }
        }
        self.give_to_child();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Where the person's shell has the terminal (tfw was sent to the background), it keeps it.
        let holder = tcgetpgrp(&self.tty);
        if holder == Ok(self.child) || holder.is_err() || is_gone(holder.ok()) {
            set_foreground(&self.tty, getpgrp());
        }
    }
}

/// Whether no process is left in the group.
fn is_gone(group: Option<Pid>) -> bool {
    group.is_some_and(|group| rustix::process::test_kill_process_group(group).is_err())
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
