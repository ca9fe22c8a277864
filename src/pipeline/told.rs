//! One unit of a command that only looks: what was found, and what there is to say of it.

use crate::model::{Diagnostic, Outcome, Unit, UnitId};
use crate::stage::Context;
use crate::stage::failure::Failure;
use crate::stage::record::Record;

/// Looks at a unit. `found` is filled in as far as it can be told; each diagnostic names the unit.
pub(super) async fn look<'c, T>(
    ctx: &'c Context,
    unit: &'c Unit,
    mut found: T,
    look: impl AsyncFnOnce(&mut Record<'c>, &mut T) -> Result<(), Failure>,
) -> (T, Vec<Diagnostic>) {
    let mut record = Record::new(ctx, unit);
    let end = tokio::select! {
        biased;
        () = ctx.signals.stopped() => Err(Failure::not_begun(ctx)),
        end = look(&mut record, &mut found) => end,
    };
    (found, of(&unit.id, record.finish(end)))
}

/// The diagnostics of a unit, each with the unit's name in it.
pub(super) fn of(unit: &UnitId, outcome: Outcome) -> Vec<Diagnostic> {
    let name = format!("`{unit}`");
    let mut diagnostics = outcome.diagnostics;
    for diagnostic in &mut diagnostics {
        if !diagnostic.summary.contains(&name) {
            diagnostic.summary = format!("{name}: {}", diagnostic.summary);
        }
    }
    diagnostics
}
