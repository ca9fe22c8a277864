//! Listens for signals, and publishes what they mean.
//!
//! One task runs the [`Escalation`] and writes the [`Wish`] into a watch channel; whoever runs a
//! child subscribes and sends its own child what is due, so that exactly one SIGINT per step
//! reaches each.

use std::io;
use std::time::Instant;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::escalation::{Escalation, Reaction, Signal};
use crate::events::{Emitter, Event};

/// What has been asked of the run so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// The first signal: it decides the exit code.
    pub first: Option<Signal>,
    /// How many SIGINTs each child must have had by now.
    pub interrupts: u8,
    /// Whether children are to be killed.
    pub kill: bool,
}

/// The receiving end: whether the run is being stopped. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Signals(watch::Receiver<Wish>);

/// The sending end: takes signals, decides, publishes and tells people.
#[derive(Debug)]
pub struct SignalSource {
    escalation: Escalation,
    wishes: watch::Sender<Wish>,
    events: Emitter,
}

impl Signals {
    /// Listens for SIGINT, SIGTERM and SIGHUP from now on, and tells people through `events`.
    ///
    /// A SIGHUP that was ignored when tfw started stays ignored: that is what `nohup` asks for.
    /// Needs a Tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub fn install(events: Emitter) -> io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = if hangup_is_ignored() {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        let (mut source, signals) = Self::manual(events);
        tokio::spawn(async move {
            loop {
                let came = tokio::select! {
                    Some(()) = interrupt.recv() => Signal::Interrupt,
                    Some(()) = terminate.recv() => Signal::Terminate,
                    Some(()) = receive(&mut hangup) => Signal::Hangup,
                    else => return,
                };
                source.deliver(came, Instant::now());
            }
        });
        Ok(signals)
    }

    /// Signals that somebody else delivers.
    pub fn manual(events: Emitter) -> (SignalSource, Self) {
        let (wishes, receiver) = watch::channel(Wish::default());
        let source = SignalSource {
            escalation: Escalation::default(),
            wishes,
            events,
        };
        (source, Self(receiver))
    }

    /// Signals that never come.
    pub fn never() -> Self {
        Self(watch::channel(Wish::default()).1)
    }

    /// Whether the run is being stopped.
    pub fn is_stopping(&self) -> bool {
        self.0.borrow().first.is_some()
    }

    /// Ends when the run is to be stopped.
    pub async fn stopped(&self) {
        let mut receiver = self.0.clone();
        if receiver
            .wait_for(|wish| wish.first.is_some())
            .await
            .is_err()
        {
            // The source is gone: no signal can come any more.
            std::future::pending::<()>().await;
        }
    }

    /// The exit code of the run, once a signal has come.
    pub fn exit_code(&self) -> Option<u8> {
        self.0.borrow().first.map(Signal::exit_code)
    }

    /// What has been asked so far, and what will be.
    pub fn subscribe(&self) -> watch::Receiver<Wish> {
        self.0.clone()
    }
}

impl SignalSource {
    /// Takes a signal that came at this time.
    pub fn deliver(&mut self, signal: Signal, at: Instant) -> Reaction {
        let reaction = self.escalation.on(signal, at);
        let message = match reaction {
            Reaction::Ignore => return reaction,
            Reaction::Stop => format!(
                "{}: starting nothing new, waiting for what runs to finish; \
                 a second Ctrl-C makes Terraform give up at once and can lose resources from the state",
                signal.name()
            ),
            Reaction::InterruptAgain => {
                "interrupted again: Terraform gives up at once, and resources in the making may be \
                 missing from the state; a third Ctrl-C kills it, and then state is lost and locks stay"
                    .to_owned()
            }
            Reaction::Kill => {
                "killed what was running: look at the state and its lock before the next run"
                    .to_owned()
            }
        };
        self.wishes.send_modify(|wish| {
            wish.first.get_or_insert(signal);
            match reaction {
                Reaction::Ignore => {}
                Reaction::Stop | Reaction::InterruptAgain => wish.interrupts += 1,
                Reaction::Kill => wish.kill = true,
            }
        });
        self.events.emit(Event::Interrupted { message });
        reaction
    }
}

async fn receive(signal: &mut Option<tokio::signal::unix::Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether SIGHUP was ignored when tfw started. Only Linux tells (proc(5), `SigIgn`); elsewhere a
/// SIGHUP is always taken for a wish to stop.
fn hangup_is_ignored() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

fn ignores_hangup(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        // Bit n-1 stands for signal n; SIGHUP is 1.
        .is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events;
    use std::time::Duration;

    #[tokio::test]
    async fn the_first_signal_stops_the_run_and_decides_its_exit_code() {
        let (emitter, mut told) = events::channel();
        let (mut source, signals) = Signals::manual(emitter);
        assert!(!signals.is_stopping());
        assert_eq!(signals.exit_code(), None);

        let start = Instant::now();
        source.deliver(Signal::Terminate, start);
        signals.stopped().await;
        source.deliver(Signal::Interrupt, start + Duration::from_secs(3));
        assert_eq!(signals.exit_code(), Some(143));
        assert_eq!(signals.subscribe().borrow().interrupts, 2);
        assert!(!signals.subscribe().borrow().kill);

        let mut messages = Vec::new();
        while let Ok(Event::Interrupted { message }) = told.try_recv() {
            messages.push(message);
        }
        assert_eq!(messages.len(), 2);
        assert!(
            messages[0].starts_with("SIGTERM: starting nothing new"),
            "{messages:?}"
        );
        assert!(
            messages[0].contains("lose resources from the state"),
            "{messages:?}"
        );
    }

    #[tokio::test]
    async fn a_real_signal_arrives() {
        let (emitter, mut told) = events::channel();
        // SIGHUP is used, since test runners themselves listen for SIGINT and SIGTERM.
        if hangup_is_ignored() {
            return;
        }
        let signals = Signals::install(emitter).expect("handlers");
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::HUP)
            .expect("kill");
        signals.stopped().await;
        assert_eq!(signals.exit_code(), Some(129));
        assert!(matches!(told.recv().await, Some(Event::Interrupted { .. })));
    }

    #[test]
    fn nohup_is_recognised() {
        assert!(ignores_hangup(
            "SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n"
        ));
        assert!(!ignores_hangup("SigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangup(""));
    }
}
