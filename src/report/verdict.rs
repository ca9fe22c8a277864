//! From what came of the units to one result and one exit code.

use serde::Serialize;

use crate::model::{Outcome, UnitResult};

/// How a run ended as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunResult {
    /// Nothing failed.
    Succeeded,
    /// A unit failed, or the command could not begin.
    Failed,
    /// A guard or a missing consent stopped units.
    Refused,
    /// Somebody else holds a state lock.
    Locked,
    /// A signal ended the run.
    Interrupted,
}

/// tfw's exit codes. They are API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// Done; nothing failed.
    Done,
    /// A unit failed.
    Failed,
    /// Differences were found, and the command was asked to say so.
    Differences,
    /// The command line, the manifest or the tools are wrong; nothing was touched.
    Usage,
    /// Refused by a guard or for want of consent.
    Refused,
    /// A state lock is held by someone else.
    Locked,
    /// A signal, as 128 + its number.
    Signal(u8),
    /// What the child of `exec` ended with.
    Child(u8),
}

impl ExitCode {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Differences => 2,
            Self::Usage => 3,
            Self::Refused => 4,
            Self::Locked => 5,
            Self::Signal(code) | Self::Child(code) => code,
        }
    }
}

impl Serialize for ExitCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.code())
    }
}

/// What is known of the end of a run beside its units.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ending {
    /// The exit code of the signal that ended it: 129, 130, 143.
    pub signal: Option<u8>,
    /// Whether differences are to be told by the exit code.
    pub detailed_exit_code: bool,
    /// Something beside the units is not as it should be, and the exit code is to tell it.
    pub differs: bool,
    /// The command could not begin: wrong command line, manifest or tools.
    pub usage: bool,
    /// What the child of `exec` ended with: its code is tfw's.
    pub child: Option<u8>,
    /// The run as a whole was refused.
    pub refused: bool,
    /// The run as a whole failed, whatever its units did.
    pub failed: bool,
}

/// One result and one exit code; several at once: interrupted, 1, 4, 5, 2.
pub(super) fn judge(outcomes: &[&Outcome], ending: Ending) -> (RunResult, ExitCode) {
    let any = |result| outcomes.iter().any(|outcome| outcome.result == result);
    if let Some(code) = ending.child {
        let result = if code == 0 {
            RunResult::Succeeded
        } else {
            RunResult::Failed
        };
        (result, ExitCode::Child(code))
    } else if let Some(code) = ending.signal {
        (RunResult::Interrupted, ExitCode::Signal(code))
    } else if ending.usage {
        (RunResult::Failed, ExitCode::Usage)
    } else if ending.failed || any(UnitResult::Failed) || any(UnitResult::Interrupted) {
        // A unit can be interrupted without a signal to tfw: somebody signalled its child alone.
        (RunResult::Failed, ExitCode::Failed)
    } else if ending.refused || any(UnitResult::Refused) {
        (RunResult::Refused, ExitCode::Refused)
    } else if any(UnitResult::Locked) {
        (RunResult::Locked, ExitCode::Locked)
    } else if ending.differs
        || ending.detailed_exit_code && outcomes.iter().any(|outcome| outcome.differs)
    {
        (RunResult::Succeeded, ExitCode::Differences)
    } else {
        (RunResult::Succeeded, ExitCode::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(result: UnitResult) -> Outcome {
        Outcome {
            result,
            ..Outcome::blank()
        }
    }

    #[test]
    fn several_ends_at_once_rank_as_the_design_says() {
        use UnitResult::{Failed, Locked, Refused, Skipped, Succeeded};
        let code = |results: &[UnitResult], ending| {
            let outcomes: Vec<Outcome> = results.iter().copied().map(outcome).collect();
            judge(&outcomes.iter().collect::<Vec<_>>(), ending).1.code()
        };
        let plain = Ending::default();
        assert_eq!(code(&[Succeeded, Skipped], plain), 0);
        assert_eq!(code(&[Locked, Succeeded], plain), 5);
        assert_eq!(code(&[Locked, Refused], plain), 4);
        assert_eq!(code(&[Locked, Refused, Failed], plain), 1);
        assert_eq!(
            code(
                &[Failed],
                Ending {
                    signal: Some(130),
                    ..plain
                }
            ),
            130
        );
        assert_eq!(
            code(
                &[],
                Ending {
                    usage: true,
                    ..plain
                }
            ),
            3
        );
        assert_eq!(
            code(
                &[],
                Ending {
                    failed: true,
                    ..plain
                }
            ),
            1
        );
    }

    #[test]
    fn differences_are_told_only_when_asked_for() {
        let changed = Outcome {
            differs: true,
            ..outcome(UnitResult::Succeeded)
        };
        let detailed = Ending {
            detailed_exit_code: true,
            ..Ending::default()
        };
        assert_eq!(judge(&[&changed], detailed).1, ExitCode::Differences);
        assert_eq!(judge(&[&changed], Ending::default()).1, ExitCode::Done);
        let unchanged = outcome(UnitResult::Succeeded);
        assert_eq!(judge(&[&unchanged], detailed).1, ExitCode::Done);
        let differs = Ending {
            differs: true,
            ..Ending::default()
        };
        assert_eq!(judge(&[&unchanged], differs).1, ExitCode::Differences);
        let failed = outcome(UnitResult::Failed);
        assert_eq!(judge(&[&failed], differs).1, ExitCode::Failed);
    }
}
