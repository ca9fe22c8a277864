//! The variables of a unit: `vars` of the manifest, and `inputs` from other units' outputs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::failure::Failure;
use super::record::Record;
use super::states;
use super::terraform_step::Variables;
use crate::model::{Diagnostic, Input, Unit, UnitId, nearest};
use crate::state::StateDocument;

/// What to do about an upstream output that does not exist yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Skip the unit: in a plan, its upstream may not have been applied yet.
    Skip,
    /// Fail: in an apply, its upstream has been.
    Fail,
    /// Leave the variable unset: a hand-typed command may set it itself.
    Leave,
}

/// The `TF_VAR_*` of a unit.
pub(crate) async fn variables(
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
        let state = states.get(&input.unit).and_then(Option::as_ref);
        let output = state.and_then(|state| state.outputs.get(&input.output));
        if let Some(output) = output {
            variables.set(name, &output.value);
            if output.sensitive {
                variables.keep_secret(&output.value);
            }
            continue;
        }
        let absent = Absent {
            unit,
            name,
            input,
            state,
        };
        match missing {
            Missing::Skip => return Err(Failure::skipped(absent.summary())),
            Missing::Fail => return Err(absent.failure()),
            Missing::Leave => record.note(format!("{}: `{name}` is not set", absent.summary())),
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

/// An output that an input names, and that is not there.
struct Absent<'a> {
    unit: &'a Unit,
    name: &'a str,
    input: &'a Input,
    state: Option<&'a StateDocument>,
}

impl Absent<'_> {
    fn summary(&self) -> String {
        let Self { name, input, .. } = self;
        let mut summary = format!(
            "input `{name}` waits for output `{}` of `{}`, which does not exist yet",
            input.output, input.unit
        );
        // Where the upstream has other outputs, a slip is as likely as an apply that is to come.
        let others = self
            .state
            .into_iter()
            .flat_map(|state| state.outputs.keys());
        if let Some(nearest) = nearest(&input.output, others.map(String::as_str)) {
            let _ = write!(summary, " (did you mean `{nearest}`?)");
        }
        summary
    }

    fn failure(&self) -> Failure {
        let (unit, upstream) = (&self.unit.id, &self.input.unit);
        Failure::failed(Diagnostic::error(self.summary()).with_hint(format!(
            "`tfw apply {upstream} {unit}` makes both, in order; to destroy without it, \
             `tfw exec {unit} -- destroy -var {}=…`; or correct `inputs` of `{unit}`",
            self.name
        )))
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
