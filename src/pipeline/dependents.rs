//! What a destroy would take away from under units that stay.

use crate::manifest::{Direction, Graph};
use crate::model::{Diagnostic, Unit};
use crate::stage::Context;
use crate::stage::context::at_once;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::states;

/// A unit that is not selected, and what its state says.
struct Staying<'c> {
    index: usize,
    unit: &'c Unit,
    resources: Result<usize, Failure>,
}

/// For each selected unit whether it may be destroyed, as far as those go that depend on it by
/// `depends_on` or `inputs` and are not selected: not while one of them still has resources.
pub(super) async fn check(ctx: &Context) -> Vec<Result<(), Failure>> {
    let graph = Graph::new(&ctx.project);
    let dependents = graph.closure(&ctx.selected, Direction::Downstream);
    let units = ctx.project.units.iter().enumerate().zip(dependents);
    let staying = units.filter(|((index, _), depends)| *depends && !ctx.selected.contains(index));
    let staying = at_once(staying.map(async |((index, unit), _)| Staying {
        index,
        unit,
        resources: resources(ctx, unit).await,
    }))
    .await;
    let verdicts = ctx.selected.iter().map(|&selected| {
        let dependents = graph.closure(&[selected], Direction::Downstream);
        staying
            .iter()
            .filter(|staying| dependents[staying.index])
            .try_for_each(|staying| staying.lets_go(&ctx.project.units[selected]))
    });
    verdicts.collect()
}

async fn resources(ctx: &Context, unit: &Unit) -> Result<usize, Failure> {
    let state = states::read(&mut Record::new(ctx, unit)).await?;
    Ok(state.map_or(0, |state| state.resource_count()))
}

impl Staying<'_> {
    fn lets_go(&self, destroyed: &Unit) -> Result<(), Failure> {
        let dependent = &self.unit.id;
        match &self.resources {
            Ok(0) => Ok(()),
            Ok(count) => {
                let s = if *count == 1 { "" } else { "s" };
                Err(Failure::refused(
                    Diagnostic::error(format!(
                        "`{dependent}` depends on `{}` and still has {count} resource{s}",
                        destroyed.id
                    ))
                    .with_hint(format!(
                        "`tfw destroy {} {dependent}` destroys both, in order",
                        destroyed.id
                    )),
                ))
            }
            Err(failure) => {
                let mut failure = failure.clone();
                failure.reason = format!(
                    "whether `{dependent}`, which depends on `{}`, still has resources is not \
                     known: {}",
                    destroyed.id, failure.reason
                );
                if let Some(first) = failure.diagnostics.first_mut() {
                    first.summary.clone_from(&failure.reason);
                }
                Err(failure)
            }
        }
    }
}
