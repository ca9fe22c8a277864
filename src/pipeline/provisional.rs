//! Plans that may not be the last word: one whose upstream has changes that are not applied yet
//! may be another one after that.

use crate::events::Event;
use crate::manifest::{Direction, Graph};
use crate::model::{Outcome, UnitResult};
use crate::stage::Context;

/// Tells which plans are provisional; gives for each selected unit, in their order, the index of an
/// upstream unit whose changes make it so.
pub(super) fn tell(ctx: &Context, outcomes: &[Option<Outcome>]) -> Vec<Option<usize>> {
    let units = &ctx.project.units;
    let changing: Vec<usize> = ctx
        .selected
        .iter()
        .zip(outcomes)
        .filter(|(_, outcome)| outcome.as_ref().is_some_and(|outcome| outcome.differs))
        .map(|(&index, _)| index)
        .collect();
    let planned = |outcome: &Outcome| outcome.result == UnitResult::Succeeded;
    let graph = Graph::new(&ctx.project);
    let downstream = graph.closure(&changing, Direction::Downstream);
    let selected = ctx.selected.iter().zip(outcomes);
    let because = selected.map(|(&index, outcome)| {
        if !downstream[index] || !outcome.as_ref().is_some_and(planned) {
            return None;
        }
        let upstream = graph.closure(&[index], Direction::Upstream);
        let mut changing = changing.iter().copied();
        let because = changing.find(|&other| other != index && upstream[other])?;
        ctx.events.emit(Event::Provisional {
            unit: units[index].id.clone(),
            because: units[because].id.clone(),
        });
        Some(because)
    });
    because.collect()
}
