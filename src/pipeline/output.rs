//! `tfw output`: outputs, read from the states.

use serde_json::{Map, Value, json};

use super::Context;
use super::order;
use super::preflight::{self, Intent, Work};
use super::schedule::{self, Scheduled, Step, end_unrun, verdict};
use super::states;
use crate::events::Phase;
use crate::model::UnitId;
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
    let plan = order::unordered(ctx);
    let units = preflight::run(ctx, Intent::Read)
        .await
        .into_iter()
        .map(Some)
        .collect();
    let scheduled = schedule::run(ctx, &plan, units, async |work| {
        let Work { mut record, .. } = *work;
        record.resume();
        record.phase(Phase::Output);
        let read = states::read(&mut record).await;
        let unit = record.unit.id.clone();
        let (end, outputs) = match read {
            Ok(state) => (
                Ok(()),
                Some(UnitOutputs {
                    unit,
                    outputs: of(state),
                }),
            ),
            Err(failure) => (Err(failure), None),
        };
        Step {
            verdict: verdict(&record.finish(end)),
            value: outputs,
        }
    })
    .await;
    scheduled
        .into_iter()
        .filter_map(|unit| match unit? {
            Scheduled::Worked(outputs) => outputs,
            Scheduled::Ended(_) => None,
            Scheduled::Held(work, because) => {
                end_unrun(*work, Some(because));
                None
            }
            Scheduled::NotStarted(work) => {
                end_unrun(*work, None);
                None
            }
        })
        .collect()
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
