//! Runs units in order, and turns what never ran into outcomes.

use std::cell::RefCell;
use std::future::Future;

use super::order;
use super::preflight::{Checked, Work};
use crate::model::{Outcome, Unit, UnitResult};
use crate::runner::{self, Ended, Schedule, Verdict};
use crate::stage::Context;
use crate::stage::failure::Failure;
use crate::stage::record::Record;

/// What a unit's work gives the schedule.
pub(super) struct Step<T> {
    /// Whether units downstream may go on.
    pub(super) verdict: Verdict,
    /// What came of it.
    pub(super) value: T,
}

/// What became of a unit in a schedule.
pub(super) enum Scheduled<'c, T> {
    /// Its work gave this.
    Worked(T),
    /// It had ended before.
    Ended(Outcome),
    /// Something upstream was not done: the position of the first cause.
    Held(Box<Work<'c>>, usize),
    /// The schedule was stopped first.
    NotStarted(Box<Work<'c>>),
}

/// A schedule, and for each of its nodes the position of the unit that it stands for.
pub(super) struct Plan {
    pub(super) schedule: Schedule,
    /// `None`: a gate.
    pub(super) units: Vec<Option<usize>>,
}

/// Whether units downstream of this one may go on.
pub(super) fn verdict(outcome: &Outcome) -> Verdict {
    if outcome.result == UnitResult::Succeeded {
        Verdict::Done
    } else {
        Verdict::NotDone
    }
}

/// Runs `each` on the units that are ready. The answers stand at the positions of the units;
/// `None` where no node stood for one.
pub(super) async fn run<'c, T, F, Fut>(
    ctx: &'c Context,
    plan: &Plan,
    units: Vec<Option<Checked<'c>>>,
    each: F,
) -> Vec<Option<Scheduled<'c, T>>>
where
    F: Fn(Box<Work<'c>>) -> Fut,
    Fut: Future<Output = Step<T>>,
{
    let slots = RefCell::new(units);
    let take =
        |node: usize| plan.units[node].and_then(|position| slots.borrow_mut()[position].take());
    let ended = runner::run(
        &plan.schedule,
        |node| {
            let unit = take(node);
            let each = &each;
            async move {
                match unit {
                    Some(Checked::Ready(work)) => {
                        let step = each(work).await;
                        (step.verdict, Some(Scheduled::Worked(step.value)))
                    }
                    Some(Checked::Ended(outcome)) => {
                        (verdict(&outcome), Some(Scheduled::Ended(outcome)))
                    }
                    None => (Verdict::NotDone, None),
                }
            }
        },
        ctx.signals.stopped(),
    )
    .await;
    let mut answers: Vec<Option<Scheduled<'c, T>>> = std::iter::repeat_with(|| None)
        .take(slots.borrow().len())
        .collect();
    for (node, ended) in ended.into_iter().enumerate() {
        let Some(position) = plan.units[node] else {
            continue;
        };
        let left = |held: Option<usize>| {
            take(node).map(|unit| match (unit, held) {
                (Checked::Ended(outcome), _) => Scheduled::Ended(outcome),
                (Checked::Ready(work), Some(because)) => Scheduled::Held(work, because),
                (Checked::Ready(work), None) => Scheduled::NotStarted(work),
            })
        };
        answers[position] = match ended {
            Ended::Finished(answer) => answer,
            Ended::Held { because } => left(Some(plan.units[because].unwrap_or(position))),
            Ended::Passed | Ended::NotStarted => left(None),
        };
    }
    answers
}

/// Works on the selected units in no order and without a preflight, for commands that neither
/// write nor initialise. The answers stand at the positions of the units; `None` where the work
/// on one did not succeed.
pub(super) async fn each_by_itself<'c, T>(
    ctx: &'c Context,
    work: impl AsyncFn(&mut Record<'c>) -> Result<T, Failure>,
) -> Vec<Option<T>> {
    let plan = order::unordered(ctx);
    let units: Vec<&Unit> = ctx.units().collect();
    let (units, work) = (&units, &work);
    let ended = runner::run(
        &plan.schedule,
        |position| async move {
            let mut record = Record::new(ctx, units[position]);
            let (end, answer) = match work(&mut record).await {
                Ok(answer) => (Ok(()), Some(answer)),
                Err(failure) => (Err(failure), None),
            };
            (verdict(&record.finish(end)), answer)
        },
        ctx.signals.stopped(),
    )
    .await;
    let answers = units.iter().zip(ended).map(|(unit, ended)| match ended {
        Ended::Finished(answer) => answer,
        Ended::Held { .. } | Ended::Passed | Ended::NotStarted => {
            Record::new(ctx, unit).finish(Err(Failure::not_begun(ctx)));
            None
        }
    });
    answers.collect()
}

/// Ends a unit that never ran: `because` is the position of what held it up.
pub(super) fn end_unrun(work: Work<'_>, because: Option<usize>) -> Outcome {
    let ctx = work.record.ctx;
    let failure = match because.and_then(|position| ctx.units().nth(position)) {
        Some(upstream) => Failure::skipped(format!(
            "not started: it waits for `{}`, which did not succeed",
            upstream.id
        )),
        None => Failure::not_begun(ctx),
    };
    work.record.finish(Err(failure))
}

/// The outcomes of a schedule in which each unit's work ends it.
pub(super) fn outcomes(scheduled: Vec<Option<Scheduled<'_, Outcome>>>) -> Vec<Option<Outcome>> {
    scheduled
        .into_iter()
        .map(|unit| {
            Some(match unit? {
                Scheduled::Worked(outcome) | Scheduled::Ended(outcome) => outcome,
                Scheduled::Held(work, because) => end_unrun(*work, Some(because)),
                Scheduled::NotStarted(work) => end_unrun(*work, None),
            })
        })
        .collect()
}
