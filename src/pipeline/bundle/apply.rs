//! `tfw apply --from DIR`: the plans of a bundle go the way of every other plan.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::super::apply::carry_out;
use super::super::approval::Doing;
use super::super::order;
use super::super::plan::{self, Planned, SavedPlan};
use super::super::plans::Plans;
use super::super::preflight::{self, Intent, Work};
use super::Bundle;
use super::check::{self, Reviewed};
use crate::journal::remove_if_there;
use crate::manifest::OrderMode;
use crate::model::{Outcome, UnitId};
use crate::stage::Context;
use crate::stage::failure::Failure;
use crate::stage::initialise::initialise;
use crate::stage::record::Record;

/// The units of a bundle that have passed its checks, until their turn comes.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Admitted(RefCell<BTreeMap<UnitId, Reviewed>>);

/// `tfw apply --from`.
pub async fn apply_bundle(ctx: &Context, bundle: &Bundle) {
    let admitted = Admitted::default();
    let units = preflight::run_after(ctx, Intent::ApplyReviewed, async || {
        let checked = check::check(ctx, bundle).await;
        let units = ctx.units().zip(checked);
        let verdicts = units.map(|(unit, checked)| {
            let reviewed = checked?;
            admitted.0.borrow_mut().insert(unit.id.clone(), reviewed);
            Ok(())
        });
        verdicts.collect()
    })
    .await;
    carry_out(
        ctx,
        units,
        &order::plan(ctx, OrderMode::Apply),
        Doing::Apply,
        Plans::Reviewed(&admitted),
    )
    .await;
    for Reviewed { plan, .. } in admitted.0.into_inner().into_values() {
        // Copies of units that never had their turn. They are private, and pruned with their run.
        let _ = plan.map(|plan| remove_if_there(&plan.into_path()));
    }
}

/// In place of planning: initialises a unit where needed, and shows the plan of the bundle. A unit
/// that has nothing to apply ends here.
pub(in crate::pipeline) async fn take_up<'c>(
    work: Work<'c>,
    admitted: &Admitted,
) -> Result<Planned<'c, SavedPlan>, Outcome> {
    let Work {
        mut record,
        module,
        backend,
    } = work;
    record.resume();
    let reviewed = admitted.0.borrow_mut().remove(&record.unit.id);
    let Some(Reviewed { plan, variables }) = reviewed else {
        // Not admitted, it has been refused.
        return Err(record.finish(Err(Failure::not_started())));
    };
    let Some(plan) = plan else {
        return Err(without_changes(record));
    };
    let shown = async {
        let site = initialise(&mut record, &module, backend).await?;
        let plan = plan::take_over(&mut record, &site, &variables, plan).await?;
        Ok((site, plan))
    }
    .await;
    match shown {
        Ok((site, plan)) => {
            record.pause();
            Ok(Planned {
                record,
                site,
                variables,
                plan,
            })
        }
        Err(failure) => Err(record.finish(Err(failure))),
    }
}

fn without_changes(mut record: Record<'_>) -> Outcome {
    plan::take_over_none(&mut record);
    record.finish(Ok(()))
}
