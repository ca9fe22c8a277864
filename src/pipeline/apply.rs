//! `tfw apply` and `tfw destroy`: exactly what was shown, and then a look at what is there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::approval::{self, Approved, Doing};
use super::order;
use super::plan::{Planned, discard};
use super::plans::Plans;
use super::preflight::{self, Checked, Intent};
use super::schedule::{self, Plan, Step, verdict};
use super::waves;
use crate::events::Phase;
use crate::journal::{Step as JournalStep, StepState};
use crate::manifest::OrderMode;
use crate::model::{Backend, Diagnostic, Outcome, UnitResult};
use crate::runner::{self, Node, Schedule};
use crate::stage::Context;
use crate::stage::Initialised;
use crate::stage::failure::Failure;
use crate::stage::guards;
use crate::stage::record::Record;
use crate::stage::state_lock::left_lock;
use crate::stage::states;
use crate::stage::terraform_step::Call;
use crate::terraform::command;

/// `tfw apply`.
pub async fn apply(ctx: &Context) {
    let units = preflight::run(ctx, Intent::Apply).await;
    carry_out(
        ctx,
        units,
        &order::plan(ctx, OrderMode::Apply),
        Doing::Apply,
        Plans::Made(Doing::Apply),
    )
    .await;
}

/// `tfw destroy`.
pub async fn destroy(ctx: &Context) {
    let units = preflight::run(ctx, Intent::Destroy).await;
    carry_out(
        ctx,
        units,
        &order::plan(ctx, OrderMode::Destroy),
        Doing::Destroy,
        Plans::Made(Doing::Destroy),
    )
    .await;
}

/// Brings units to their plans, and those to their end.
pub(super) async fn carry_out<'c>(
    ctx: &'c Context,
    units: Vec<Checked<'c>>,
    plan: &Plan,
    doing: Doing,
    plans: Plans<'_>,
) {
    let answered =
        ctx.consent.auto_approve && ctx.units().all(|unit| ctx.consent.covers_protection(unit));
    if answered {
        // Nobody is asked: each unit goes on as soon as its dependencies are done.
        let units = units.into_iter().map(Some).collect();
        let scheduled = schedule::run(ctx, plan, units, async |work| {
            let outcome = match plans.of(*work).await {
                Ok(planned) if !planned.plan.has_changes() => planned.end_without_changes(),
                Ok(planned) => match approval::approve(ctx, vec![planned], doing).await {
                    Ok(approved) => one(apply_approved(ctx, approved).await),
                    Err((plans, refusal)) => one(plans
                        .into_iter()
                        .map(|plan| plan.end(refusal.clone()))
                        .collect()),
                },
                Err(outcome) => outcome,
            };
            Step {
                verdict: verdict(&outcome),
                value: outcome,
            }
        })
        .await;
        schedule::outcomes(scheduled);
    } else {
        waves::run(ctx, plan, units, doing, plans).await;
    }
}

/// The outcome of a schedule's single unit.
fn one(outcomes: Vec<Outcome>) -> Outcome {
    outcomes
        .into_iter()
        .next()
        .unwrap_or_else(|| unreachable!("one unit, one outcome"))
}

/// Applies approved plans at once; the outcomes stand in their order. An apply that has begun is
/// never abandoned: signals reach the child, and its end is waited for.
pub(super) async fn apply_approved<'c>(ctx: &Context, approved: Vec<Approved<'c>>) -> Vec<Outcome> {
    let nodes = approved.iter().map(|_| Node::default()).collect();
    let schedule = Schedule {
        nodes,
        limit: ctx.parallelism,
        fail_fast: ctx.fail_fast,
    };
    let slots: Vec<std::cell::Cell<Option<Approved<'c>>>> = approved
        .into_iter()
        .map(|unit| std::cell::Cell::new(Some(unit)))
        .collect();
    let slots = &slots;
    let ended = runner::run(
        &schedule,
        |index| async move {
            let outcome = match slots[index].take() {
                Some(unit) => Some(apply_one(unit).await),
                None => None,
            };
            let verdict = outcome.as_ref().map_or(runner::Verdict::NotDone, verdict);
            (verdict, outcome)
        },
        ctx.signals.stopped(),
    )
    .await;
    ended
        .into_iter()
        .zip(slots)
        .filter_map(|(ended, slot)| match (ended, slot.take()) {
            (runner::Ended::Finished(outcome), _) => outcome,
            (_, Some(unit)) => {
                let Planned {
                    mut record, plan, ..
                } = unit.planned;
                discard(plan.saved());
                record.plan_is_gone();
                Some(record.finish(Err(Failure::not_started())))
            }
            (_, None) => None,
        })
        .collect()
}

async fn apply_one(approved: Approved<'_>) -> Outcome {
    let Planned {
        mut record,
        site,
        variables,
        plan,
    } = approved.planned;
    record.resume();
    let end = async {
        let (ctx, unit) = (record.ctx, record.unit);
        let turn = ctx
            .lock_folder(&unit.folder, || {
                record.note("waits for another apply in the same root module");
            })
            .await?;
        guards::errored_state(ctx, unit)?;
        record.phase(Phase::Apply);
        let begun = json!({ "plan": ctx.shown(plan.saved().path()) });
        ctx.run
            .step(&unit.id, JournalStep::Apply, StepState::Begun, &begun)?;
        let call = Call::new(command::apply(plan.saved().path(), unit.lock_timeout)).under(&turn);
        let ran = site.terraform(&mut record, call, &variables).await;
        let state = match &ran {
            Ok(finished) if finished.status.success() => StepState::Done,
            _ => StepState::Failed,
        };
        rescue_errored_state(&mut record);
        record.step_ended(JournalStep::Apply, state);
        let finished = ran?;
        if finished.status.success() {
            match finished.lost {
                None => record.applied(finished.changes),
                // What the plan would change is what was done, all of it.
                Some(lost) => {
                    record.applied(plan.saved().changes());
                    record.diagnostic(
                        Diagnostic::warning(format!("the log is not complete: {lost}"))
                            .with_hint("make room on that disk"),
                    );
                }
            }
            for warning in finished.diagnostics {
                record.diagnostic(warning);
            }
            read_back(&mut record, &site).await
        } else {
            record.applied(finished.changes);
            let mut failure = finished.failure("terraform apply");
            // One that was held before is somebody else's, and told about already.
            if failure.result != UnitResult::Locked {
                failure.lock = left_lock(&mut record, site.backend().state_account())
                    .await
                    .map(Box::new);
            }
            Err(failure)
        }
    }
    .await;
    discard(plan.saved());
    record.plan_is_gone();
    record.finish(end)
}

/// Terraform writes a state that it could not save into its working directory, where the next
/// failing apply would overwrite it. It goes into the run's folder at once.
pub(super) fn rescue_errored_state(record: &mut Record<'_>) {
    let (ctx, unit) = (record.ctx, record.unit);
    let file = unit.folder.join("errored.tfstate");
    if !file.exists() {
        return;
    }
    let safe = ctx.run.tfw().errored_state(ctx.run.id(), &unit.id);
    // Terraform makes it readable by all (1.11.4), and a state holds secrets. Where this fails, so
    // does the move, which is told about.
    let _ = fs::set_permissions(&file, Permissions::from_mode(0o600));
    // Across file systems a rename does not work; a copy does.
    let moved = fs::rename(&file, &safe)
        .or_else(|_| fs::copy(&file, &safe).and_then(|_| fs::remove_file(&file)));
    let (place, problem) = match moved {
        Ok(()) => (safe, None),
        Err(error) => (file, Some(error)),
    };
    let mut diagnostic = Diagnostic::error(format!(
        "Terraform could not save the state of `{}`; it is in `{}`",
        unit.id,
        ctx.shown(&place)
    ));
    if let Some(error) = problem {
        diagnostic = diagnostic.with_detail(format!(
            "it could not be moved away ({}): nothing may be applied in that folder before it is pushed",
            crate::model::describe_io(&error)
        ));
    }
    record.diagnostic(diagnostic.with_hint(format!(
        "`tfw exec {} -- state push {}` saves it",
        unit.id,
        shlex::try_quote(&place.display().to_string()).unwrap_or_default()
    )));
}

/// After an apply: the state is there, and nobody holds its lock. Terraform 1.11.4 tells a refused
/// deletion of the lock after an apply, but not after a migration; other versions may tell neither.
async fn read_back(record: &mut Record<'_>, site: &Initialised) -> Result<(), Failure> {
    let unit = record.unit;
    if matches!(unit.backend, Backend::Other(_)) {
        return Ok(());
    }
    let store = states::open(unit, site.backend().state_account()).await?;
    match store.read().await {
        Ok(Some(version)) => record.detail(format!(
            "the state has serial {} and {} resources",
            version.document.serial,
            version.document.resource_count()
        )),
        Ok(None) => {
            return Err(Failure::failed(
                Diagnostic::error(format!(
                    "Terraform says that it applied the plan, and there is no state in {}",
                    store.place()
                ))
                .with_hint("look at the log and the bucket before you apply again"),
            ));
        }
        Err(error) => return Err(states::unreadable(&error)),
    }
    if let Some(lock) = left_lock(record, site.backend().state_account()).await {
        record.locked(lock);
    }
    Ok(())
}
