//! Sends one child what is due, and nothing twice.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::signals::Wish;

/// The hold on one running child, which leads its own process group.
///
/// SIGINT goes to the child alone: what it started itself (providers, `local-exec` programs) is
/// its own business. Only the kill goes to the whole group. SIGTERM goes to nobody: providers die
/// of it in the middle of a call.
#[derive(Debug)]
pub(super) struct Leash {
    pid: Pid,
    sent: u8,
    killed: bool,
}

impl Leash {
    /// Holds the child with this process id.
    pub(super) fn new(pid: u32) -> Option<Self> {
        Some(Self {
            pid: Pid::from_raw(i32::try_from(pid).ok()?)?,
            sent: 0,
            killed: false,
        })
    }

    /// The child.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends what `wish` asks for and has not been sent. Call it only while the child has not
    /// been waited for: afterwards the number may belong to somebody else.
    pub(super) fn follow(&mut self, wish: Wish) {
        self.follow_with(wish, Signal::INT);
    }

    /// Like [`Self::follow`], with another signal in SIGINT's place.
    pub(super) fn follow_with(&mut self, wish: Wish, signal: Signal) {
        // A child that is gone (ESRCH) needs no signal; there is no other failure for one's own.
        if wish.kill && !self.killed {
            let _ = kill_process_group(self.pid, Signal::KILL);
            self.killed = true;
        } else if wish.interrupts > self.sent {
            let _ = kill_process(self.pid, signal);
        }
        self.sent = self.sent.max(wish.interrupts);
    }

    /// Whether the child got a signal from tfw.
    pub(super) fn pulled(&self) -> bool {
        self.sent > 0 || self.killed
    }
}
