//! `tfw output`: outputs, read from the states.

use serde_json::{Map, Value, json};

use super::schedule;
use crate::events::Phase;
use crate::model::UnitId;
use crate::stage::Context;
use crate::stage::record::Record;
use crate::stage::states;
use crate::state::StateDocument;

/// The outputs of one unit, as `terraform output -json` prints them.
#[derive(Debug, Clone)]
pub struct UnitOutputs {
    /// The unit.
    pub unit: UnitId,
    /// By name: `sensitive`, `type`, `value`.
    pub outputs: Map<String, Value>,
}

/// Reads the outputs of the selected units; those that could not be read are left out, and their
/// outcome says why. A unit without a state has no outputs.
pub async fn output(ctx: &Context) -> Vec<UnitOutputs> {
    let outputs = schedule::each_by_itself(ctx, async |record: &mut Record<'_>| {
        record.phase(Phase::Output);
        let outputs = of(states::read(record).await?);
        Ok(UnitOutputs {
            unit: record.unit.id.clone(),
            outputs,
        })
    })
    .await;
    outputs.into_iter().flatten().collect()
}

fn of(state: Option<StateDocument>) -> Map<String, Value> {
    let outputs = state.map(|state| state.outputs).unwrap_or_default();
    outputs
        .into_iter()
        .map(|(name, output)| {
            let value = json!({
                "sensitive": output.sensitive,
                "type": output.value_type,
                "value": output.value,
            });
            (name, value)
        })
        .collect()
}
