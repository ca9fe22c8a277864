//! What a signal means, given those before it. Pure: signals and times in, a reaction out.
//!
//! Terraform answers a first SIGINT by finishing what it does and saving its state. A second one
//! makes it give up at once: resources in the making exist then, but no state knows them (measured
//! with Terraform 1.11.4). So a second one must be meant, and a kill asked for three times:
//!
//! - The first signal of any kind asks all children to end, and decides the exit code.
//! - A Ctrl-C within two seconds of it is the same wish, uttered twice.
//! - Only Ctrl-C escalates. CI systems send SIGINT and then SIGTERM for one cancellation, and a
//!   closing terminal sends SIGHUP behind either.

use std::time::{Duration, Instant};

/// A signal that asks tfw to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP: the terminal went away.
    Hangup,
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signal {
    /// The exit code of a run that this signal ended: 128 and the signal's number.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Hangup => 129,
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }

    /// Its name: `SIGINT`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hangup => "SIGHUP",
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }
}

/// What to do about a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing.
    Ignore,
    /// Start nothing new; send each child one SIGINT.
    Stop,
    /// Send each child one more SIGINT.
    InterruptAgain,
    /// Kill each child's process group.
    Kill,
}

/// How long after the first signal a Ctrl-C still counts as the same.
pub const SAME_WISH: Duration = Duration::from_secs(2);

/// The machine. It starts calm.
#[derive(Debug, Clone, Copy, Default)]
pub struct Escalation {
    stage: Stage,
}

#[derive(Debug, Clone, Copy, Default)]
enum Stage {
    #[default]
    Calm,
    Stopping {
        since: Instant,
    },
    InterruptedAgain,
    Killed,
}

impl Escalation {
    /// Takes a signal that came at this time.
    pub fn on(&mut self, signal: Signal, at: Instant) -> Reaction {
        let (next, reaction) = match (self.stage, signal) {
            (Stage::Calm, _) => (Stage::Stopping { since: at }, Reaction::Stop),
            (Stage::Stopping { since }, Signal::Interrupt)
                if at.saturating_duration_since(since) >= SAME_WISH =>
            {
                (Stage::InterruptedAgain, Reaction::InterruptAgain)
            }
            (Stage::InterruptedAgain, Signal::Interrupt) => (Stage::Killed, Reaction::Kill),
            (stage, _) => (stage, Reaction::Ignore),
        };
        self.stage = next;
        reaction
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Reaction::{Ignore, InterruptAgain, Kill, Stop};
    use Signal::{Hangup, Interrupt, Terminate};

    type Step = (Signal, u64, Reaction);

    #[test]
    fn signals_escalate_as_the_design_says() {
        let table: &[(&str, &[Step])] = &[
            (
                "three times Ctrl-C, with time to think",
                &[
                    (Interrupt, 0, Stop),
                    (Interrupt, 5_000, InterruptAgain),
                    (Interrupt, 9_000, Kill),
                    (Interrupt, 9_100, Ignore),
                ],
            ),
            (
                "a nervous Ctrl-C counts once",
                &[
                    (Interrupt, 0, Stop),
                    (Interrupt, 300, Ignore),
                    (Interrupt, 1_999, Ignore),
                    (Interrupt, 2_000, InterruptAgain),
                ],
            ),
            (
                "a CI system cancels: INT, then TERM, then TERM",
                &[
                    (Interrupt, 0, Stop),
                    (Terminate, 7_500, Ignore),
                    (Terminate, 10_000, Ignore),
                ],
            ),
            (
                "the terminal closes after a TERM",
                &[(Terminate, 0, Stop), (Hangup, 3_000, Ignore)],
            ),
            (
                "a person may still escalate after a TERM or HUP",
                &[
                    (Hangup, 0, Stop),
                    (Interrupt, 1_000, Ignore),
                    (Interrupt, 4_000, InterruptAgain),
                    (Terminate, 4_100, Ignore),
                    (Interrupt, 4_200, Kill),
                ],
            ),
        ];
        let start = Instant::now();
        for (story, steps) in table {
            let mut machine = Escalation::default();
            for (signal, after, expected) in *steps {
                let at = start + Duration::from_millis(*after);
                assert_eq!(
                    machine.on(*signal, at),
                    *expected,
                    "{story}: {signal:?} after {after} ms"
                );
            }
        }
    }
}
