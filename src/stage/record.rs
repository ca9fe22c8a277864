//! What is known of one unit's work so far; in the end, its line in the report.

use std::time::Instant;

use serde_json::json;

use super::Context;
use super::failure::Failure;
use crate::events::{Event, Phase};
use crate::journal::{Step, StepState};
use crate::model::{
    Changes, Diagnostic, InitRun, Lock, Migration, Outcome, ReplacedState, Unit, UnitResult,
};

/// The outcome of a unit in the making. Dropped unfinished it says nothing; every path ends in
/// [`Record::finish`].
#[derive(Debug)]
pub(crate) struct Record<'c> {
    pub(crate) ctx: &'c Context,
    pub(crate) unit: &'c Unit,
    /// `None` while it waits for others.
    busy_since: Option<Instant>,
    outcome: Outcome,
}

impl<'c> Record<'c> {
    pub(crate) fn new(ctx: &'c Context, unit: &'c Unit) -> Self {
        let outcome = Outcome::pending(unit);
        Self {
            ctx,
            unit,
            busy_since: Some(Instant::now()),
            outcome,
        }
    }

    /// Says that the work goes on now: time spent waiting for others is not the unit's.
    pub(crate) fn resume(&mut self) {
        self.busy_since.get_or_insert_with(Instant::now);
    }

    /// Says that the unit waits for others, or for a person.
    pub(crate) fn pause(&mut self) {
        let Some(since) = self.busy_since.take() else {
            return;
        };
        let spent = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        *self.outcome.duration_ms.get_or_insert_default() += spent;
        self.ctx.events.emit(Event::Waits {
            unit: self.unit.id.clone(),
        });
    }

    pub(crate) fn phase(&self, phase: Phase) {
        self.ctx.events.phase(&self.unit.id, phase);
    }

    pub(crate) fn note(&self, message: impl Into<String>) {
        self.ctx.events.note(Some(&self.unit.id), message);
    }

    pub(crate) fn detail(&self, message: impl Into<String>) {
        self.ctx.events.detail(Some(&self.unit.id), message);
    }

    /// Tells a diagnostic and keeps it for the report; what several processes of the unit say
    /// alike, once.
    pub(crate) fn diagnostic(&mut self, diagnostic: Diagnostic) {
        if self.outcome.diagnostics.contains(&diagnostic) {
            return;
        }
        self.ctx.events.emit(Event::Diagnostic {
            unit: Some(self.unit.id.clone()),
            diagnostic: diagnostic.clone(),
        });
        self.outcome.diagnostics.push(diagnostic);
    }

    /// Notes the end of a step in the journal. Where that does not take it, a warning is all: what
    /// the step left behind must be seen to now, and the journal says at least that it began.
    pub(crate) fn step_ended(&mut self, step: Step, state: StepState) {
        let noted = self.ctx.run.step(&self.unit.id, step, state, &json!({}));
        if let Err(error) = noted {
            self.diagnostic(
                Diagnostic::warning(error.to_string())
                    .with_hint("check the free space and the permissions of that folder"),
            );
        }
    }

    /// Says that the unit has a log, and where.
    pub(crate) fn has_log(&mut self) {
        let log = self.ctx.run.log(&self.unit.id);
        self.outcome.log = Some(self.ctx.shown(&log));
    }

    pub(crate) fn init(&mut self, init: InitRun) {
        self.outcome.init = Some(init);
    }

    /// What the plan would change.
    pub(crate) fn planned(&mut self, changes: Changes, differs: bool, plan_file: Option<String>) {
        self.outcome.changes = Some(changes);
        self.outcome.differs = differs;
        self.outcome.provisional = Some(false);
        self.outcome.plan_file = plan_file;
    }

    /// Something is not as it should be, which the exit code tells.
    pub(crate) fn differs(&mut self) {
        self.outcome.differs = true;
    }

    /// What a refresh-only plan found, of which nothing is kept.
    pub(crate) fn drifted(&mut self, changes: Changes) {
        self.outcome.changes = Some(changes);
        self.outcome.differs = changes != Changes::default();
    }

    /// What was really done, as Terraform counts it at the end of an apply.
    pub(crate) fn applied(&mut self, changes: Changes) {
        self.outcome.applied = true;
        self.outcome.changes = Some(changes);
    }

    /// Says that the unit is one of a migration.
    pub(crate) fn migrates(&mut self) {
        self.outcome.migration = Some(None);
    }

    /// What was moved.
    pub(crate) fn migrated(&mut self, migration: Migration) {
        self.outcome.migration = Some(Some(migration));
    }

    /// A state was put in the place of another.
    pub(crate) fn replaced(&mut self, state: ReplacedState) {
        self.outcome.replaced.get_or_insert_default().push(state);
    }

    /// Says that the unit is one whose states are to be replaced.
    pub(crate) fn replaces(&mut self) {
        self.outcome.replaced.get_or_insert_default();
    }

    /// A lock is left behind.
    pub(crate) fn locked(&mut self, lock: Lock) {
        self.outcome.lock = Some(lock);
    }

    /// The saved plan has been removed.
    pub(crate) fn plan_is_gone(&mut self) {
        self.outcome.plan_file = None;
    }

    /// Ends the unit: the outcome, told to all.
    pub(crate) fn finish(mut self, end: Result<(), Failure>) -> Outcome {
        self.pause();
        match end {
            Ok(()) => self.outcome.result = UnitResult::Succeeded,
            Err(failure) => {
                for diagnostic in failure.diagnostics {
                    self.diagnostic(diagnostic);
                }
                self.outcome.result = failure.result;
                self.outcome.reason = Some(failure.reason);
                if let Some(lock) = failure.lock {
                    self.outcome.lock = Some(*lock);
                }
            }
        }
        self.ctx.events.emit(Event::UnitFinished {
            unit: self.unit.id.clone(),
            outcome: Box::new(self.outcome.clone()),
        });
        self.outcome
    }
}
