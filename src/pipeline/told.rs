//! What there is to say of a unit, for documents that have all of it in one list.

use crate::model::{Diagnostic, Outcome, UnitId};

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
