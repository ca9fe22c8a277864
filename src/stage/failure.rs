//! Why a unit did not succeed.

use super::Context;
use crate::aws::AwsError;
use crate::journal::JournalError;
use crate::model::{Diagnostic, Lock, UnitId, UnitResult};

/// The end of a unit that did not succeed: how, why, and what there is to say.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// Never `Succeeded`.
    pub(crate) result: UnitResult,
    /// One line: what was being done, and what happened.
    pub(crate) reason: String,
    /// All of it, with hints.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// The lock that stood in the way.
    pub(crate) lock: Option<Box<Lock>>,
}

impl Failure {
    /// Something went wrong.
    pub(crate) fn failed(diagnostic: Diagnostic) -> Self {
        Self::from_diagnostic(UnitResult::Failed, diagnostic)
    }

    /// A guard or a missing consent.
    pub(crate) fn refused(diagnostic: Diagnostic) -> Self {
        Self::from_diagnostic(UnitResult::Refused, diagnostic)
    }

    /// What a person ran by hand ended with this code.
    pub(crate) fn of_child(what: &str, code: u8) -> Self {
        let reason = format!("{what} ended with exit code {code}");
        Self {
            result: UnitResult::Failed,
            ..Self::skipped(reason)
        }
    }

    /// Somebody else holds the lock of a state.
    pub(crate) fn held(place: &str, lock: Lock) -> Self {
        let reason = format!(
            "the state in `{place}` is locked by {} since {}, for `{}`",
            lock.who,
            lock.since(),
            lock.doing()
        );
        let diagnostic = Diagnostic::error(reason)
            .with_detail(format!("lock id: {}", lock.id))
            .with_hint("wait until that is done, then run again");
        Self {
            lock: Some(Box::new(lock)),
            ..Self::from_diagnostic(UnitResult::Locked, diagnostic)
        }
    }

    /// Nothing to be done for a reason that is no error.
    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self {
            result: UnitResult::Skipped,
            reason: reason.into(),
            diagnostics: Vec::new(),
            lock: None,
        }
    }

    /// A signal came.
    pub(crate) fn interrupted(reason: impl Into<String>) -> Self {
        Self {
            result: UnitResult::Interrupted,
            ..Self::skipped(reason)
        }
    }

    /// A signal came before this unit began.
    pub(crate) fn not_started() -> Self {
        Self::interrupted("not started: the run was interrupted")
    }

    /// Another unit was refused, which stops the run before it starts.
    pub(crate) fn not_started_beside(refused: &UnitId) -> Self {
        Self::skipped(format!(
            "not started: `{refused}` was refused, and then no unit runs"
        ))
    }

    /// The schedule stopped before this unit: by a signal, or by `--fail-fast`.
    pub(crate) fn not_begun(ctx: &Context) -> Self {
        if ctx.signals.is_stopping() {
            Self::not_started()
        } else {
            Self::skipped("not started: another unit did not succeed, and `--fail-fast` was given")
        }
    }

    /// The same with one more hint.
    pub(crate) fn with_hint(mut self, hint: impl AsRef<str>) -> Self {
        if let Some(diagnostic) = self.diagnostics.pop() {
            self.diagnostics.push(diagnostic.with_hint(hint));
        }
        self
    }

    /// The same, which also tells of another one.
    pub(crate) fn beside(mut self, other: &Self) -> Self {
        self.diagnostics.extend(other.diagnostics.iter().cloned());
        self
    }

    /// Whether a guard or a missing consent said no.
    pub(crate) fn is_refusal(&self) -> bool {
        self.result == UnitResult::Refused
    }

    fn from_diagnostic(result: UnitResult, diagnostic: Diagnostic) -> Self {
        Self {
            result,
            reason: diagnostic.summary.clone(),
            diagnostics: vec![diagnostic],
            lock: None,
        }
    }

    /// A fact of another room, with its hint: a refusal where the room says so.
    pub(crate) fn fact(summary: String, hint: Option<String>, refusal: bool) -> Self {
        let diagnostic = Diagnostic::error(summary);
        let diagnostic = match hint {
            Some(hint) => diagnostic.with_hint(hint),
            None => diagnostic,
        };
        if refusal {
            Self::refused(diagnostic)
        } else {
            Self::failed(diagnostic)
        }
    }

    /// An error of AWS while `doing` something: "reading the state".
    pub(crate) fn aws(doing: &str, error: &AwsError) -> Self {
        Self::fact(
            format!("{doing}: {error}"),
            error.hint(),
            error.is_refusal(),
        )
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::failed(
            Diagnostic::error(error.to_string()).with_hint(
                "check the free space and the permissions of that folder, then run again",
            ),
        )
    }
}
