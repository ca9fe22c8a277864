//! `tfw drift`: what changed in the world behind Terraform's back.
//!
//! `terraform plan -refresh-only` compares the state with the world and leaves the configuration
//! out. Its counts are always zero, since it changes nothing; what drifted stands in the plan's
//! `resource_drift`. Its exit status is 2 also where nothing differs: Terraform 1.11.4 says "No
//! changes" and ends with 2 for every unit with an attribute that its provider calls sensitive,
//! since it compares how the state is written, too. So it is what the plan names that counts.

use std::path::Path;

use super::order;
use super::plan::{PlanMode, complete, is_plan, make_private, run_terraform};
use super::preflight::{self, Intent, Work};
use super::review::describe;
use super::schedule::{self, Step, verdict};
use crate::events::Event;
use crate::journal::remove_if_there;
use crate::manifest::OrderMode;
use crate::model::{Backend, Changes, Outcome, ResourceChange};
use crate::process::Status;
use crate::stage::Context;
use crate::stage::failure::Failure;
use crate::stage::provider_guard;
use crate::stage::record::Record;
use crate::stage::states;

/// `tfw drift`.
pub async fn drift(ctx: &Context) {
    let units = preflight::run(ctx, Intent::Drift).await;
    let schedule = order::plan(ctx, OrderMode::InputsOnly);
    let units = units.into_iter().map(Some).collect();
    schedule::run(ctx, &schedule, units, async |work| {
        let outcome = drift_unit(*work).await;
        Step {
            verdict: verdict(&outcome),
            value: outcome,
        }
    })
    .await;
}

async fn drift_unit(work: Work<'_>) -> Outcome {
    let Work {
        mut record,
        module,
        backend,
    } = work;
    record.resume();
    let end = async {
        if would_make_workspace(&mut record).await? {
            record.note("has no state yet, so nothing of it can have drifted");
            record.drifted(Changes::default());
            return Ok(());
        }
        let path = record.ctx.run.plan_file(&record.unit.id)?;
        let looked = async {
            let (site, variables, finished) =
                run_terraform(&mut record, &module, backend, &path, PlanMode::Drift).await?;
            if !is_plan(finished.status) {
                return Err(finished.failure("terraform plan -refresh-only"));
            }
            if let Some(lost) = finished.lost {
                return Err(Failure::from(lost));
            }
            for warning in finished.diagnostics {
                record.diagnostic(warning);
            }
            if finished.status == Status::Code(0) {
                return Ok((Vec::new(), Vec::new()));
            }
            complete(&record, &path)?;
            make_private(&path)?;
            provider_guard::check_plan(&mut record, &path)?;
            let document = describe(&mut record, &site, &path).await?;
            let secrets = variables.secrets();
            let found = (document.drift(secrets), document.drifted_outputs());
            if found.0.is_empty() && found.1.is_empty() {
                record.detail("Terraform would write the state anew, but names no difference");
            }
            Ok(found)
        }
        .await;
        // Nobody applies it, and it holds the state in plain text.
        remove(&path, looked.is_ok())?;
        let (resources, outputs) = looked?;
        let changes = count(&resources, &outputs);
        record.drifted(changes);
        record.ctx.events.emit(Event::Planned {
            unit: record.unit.id.clone(),
            changes,
            resources,
            outputs,
            text: None,
        });
        Ok(())
    }
    .await;
    record.finish(end)
}

/// Whether an init would have to make the unit's workspace, which writes a state: a command that
/// only looks does not do that, and there is nothing to look at.
async fn would_make_workspace(record: &mut Record<'_>) -> Result<bool, Failure> {
    let backend = &record.unit.backend;
    if backend.workspace().is_default() || matches!(backend, Backend::Other(_)) {
        return Ok(false);
    }
    Ok(states::read(record).await?.is_none())
}

/// Removes the plan. Where the unit has failed already, that is what is told.
fn remove(path: &Path, matters: bool) -> Result<(), Failure> {
    match remove_if_there(path) {
        Err(error) if matters => Err(error.into()),
        _ => Ok(()),
    }
}

/// What was changed outside of Terraform counts as `change`, what is gone as `destroy`.
fn count(resources: &[ResourceChange], outputs: &[String]) -> Changes {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let is_gone = |resource: &&ResourceChange| resource.actions == ["delete"];
    let gone = resources.iter().filter(is_gone).count();
    Changes {
        change: number(resources.len() - gone),
        destroy: number(gone),
        outputs: number(outputs.len()),
        ..Changes::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_counts_as_destroyed_and_the_rest_as_changed() {
        let resource = |action: &str| ResourceChange {
            address: "a.b".to_owned(),
            actions: vec![action.to_owned()],
            notes: Vec::new(),
            attributes: Vec::new(),
        };
        let found = [resource("update"), resource("delete"), resource("update")];
        let changes = count(&found, &["~ tag".to_owned()]);
        assert_eq!(
            (changes.change, changes.destroy, changes.outputs),
            (2, 1, 1)
        );
        assert_eq!(changes.add, 0);
        assert_eq!(count(&[], &[]), Changes::default());
    }
}
