//! The variables of a unit: `vars` of the manifest, and `inputs` from other units' outputs.

use std::collections::BTreeMap;

use super::failure::Failure;
use super::record::Record;
use super::states;
use super::terraform_step::Variables;
use crate::model::{Diagnostic, Unit, UnitId};
use crate::state::StateDocument;

/// What to do about an upstream output that does not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Skip the unit: in a plan, its upstream may not have been applied yet.
    Skip,
    /// Fail: in an apply, its upstream has been.
    Fail,
}

/// The `TF_VAR_*` of a unit.
pub(super) async fn variables(
    record: &mut Record<'_>,
    missing: Missing,
) -> Result<Variables, Failure> {
    let unit = record.unit;
    let mut variables = Variables::of_manifest(unit);
    let mut states: BTreeMap<&UnitId, Option<StateDocument>> = BTreeMap::new();
    for (name, input) in &unit.inputs {
        if !states.contains_key(&input.unit) {
            states.insert(&input.unit, upstream_state(record, &input.unit).await?);
        }
        let output = states
            .get(&input.unit)
            .and_then(Option::as_ref)
            .and_then(|state| state.outputs.get(&input.output));
        match output {
            Some(output) => {
                variables.set(name, &output.value);
                if output.sensitive {
                    variables.keep_secret(&output.value);
                }
            }
            None => return Err(absent(unit, name, &input.unit, &input.output, missing)),
        }
    }
    Ok(variables)
}

async fn upstream_state(
    record: &Record<'_>,
    id: &UnitId,
) -> Result<Option<StateDocument>, Failure> {
    let ctx = record.ctx;
    let Some(upstream) = ctx.project.units.iter().find(|unit| unit.id == *id) else {
        // The manifest's checks know every name in `inputs`.
        return Ok(None);
    };
    let mut reader = Record::new(ctx, upstream);
    states::read(&mut reader).await.map_err(|mut failure| {
        failure.reason = format!("reading the outputs of `{id}`: {}", failure.reason);
        if let Some(first) = failure.diagnostics.first_mut() {
            first.summary.clone_from(&failure.reason);
        }
        failure
    })
}

fn absent(unit: &Unit, name: &str, upstream: &UnitId, output: &str, missing: Missing) -> Failure {
    let summary = format!(
        "input `{name}` waits for output `{output}` of `{upstream}`, which does not exist yet"
    );
    match missing {
        Missing::Skip => Failure::skipped(summary),
        Missing::Fail => Failure::failed(Diagnostic::error(summary).with_hint(format!(
            "`tfw apply {upstream} {}` makes both, in order; or correct `inputs` of `{}`",
            unit.id, unit.id
        ))),
    }
}

impl Variables {
    fn of_manifest(unit: &Unit) -> Self {
        let mut variables = Self::default();
        for (name, value) in &unit.vars {
            variables.set(name, value);
        }
        variables
    }
}
