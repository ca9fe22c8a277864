//! The report: what `--json` prints and `.tfw/runs/ID/report.json` holds.
//!
//! A consumer of events. Its fields are API (see `docs/` and the design): every selected unit is
//! in it, whatever happened, and every field is there; what does not apply is `null`.

mod verdict;

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::events::Event;
use crate::model::{
    BucketCondition, Diagnostic, EnvironmentName, Outcome, StackName, UnitId, UnitResult,
};

pub use verdict::{Ending, ExitCode, RunResult};

/// The version of the document's form.
const SCHEMA: u32 = 1;

/// The document.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    schema: u32,
    /// `null` when it did not come to a run.
    run_id: Option<String>,
    command: String,
    #[serde(serialize_with = "rfc3339")]
    started: Timestamp,
    #[serde(serialize_with = "rfc3339")]
    finished: Timestamp,
    result: RunResult,
    exit_code: ExitCode,
    diagnostics: Vec<Diagnostic>,
    units: Vec<UnitReport>,
    /// How the state buckets differed; only `backend ensure` has the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    backends: Option<Vec<BucketCondition>>,
}

/// One unit in the document.
#[derive(Debug, Clone, Serialize)]
pub struct UnitReport {
    /// `dev/network`.
    pub unit: UnitId,
    /// `dev`.
    pub environment: EnvironmentName,
    /// `network`; `null` in an environment without stacks.
    pub stack: Option<StackName>,
    /// The rest.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Gathers a report from events.
#[derive(Debug)]
pub struct Builder {
    run_id: Option<String>,
    command: String,
    started: Timestamp,
    diagnostics: Vec<Diagnostic>,
    units: Vec<(UnitId, Outcome)>,
    index: HashMap<UnitId, usize>,
    backends: Option<Vec<BucketCondition>>,
}

impl Builder {
    /// An empty report of a command.
    pub fn new(command: &str, started: Timestamp) -> Self {
        Self {
            run_id: None,
            command: command.to_owned(),
            started,
            diagnostics: Vec::new(),
            units: Vec::new(),
            index: HashMap::new(),
            backends: None,
        }
    }

    /// Takes in one fact.
    pub fn observe(&mut self, event: &Event) {
        match event {
            Event::RunStarted { run_id, units, .. } => {
                self.run_id = Some(run_id.clone());
                self.select(
                    units
                        .iter()
                        .map(|(unit, pending)| (unit.clone(), lost(pending))),
                );
            }
            Event::Diagnostic {
                unit: None,
                diagnostic,
            } => {
                self.diagnostics.push(diagnostic.clone());
            }
            Event::UnitFinished { unit, outcome } => {
                if let Some(entry) = self.entry(unit) {
                    let before = std::mem::replace(entry, (**outcome).clone());
                    entry.follows(before);
                }
            }
            Event::Provisional { unit, .. } => {
                if let Some(outcome) = self.entry(unit) {
                    outcome.provisional = Some(true);
                }
            }
            Event::Bundled { unit, plan_file } => {
                if let Some(outcome) = self.entry(unit) {
                    outcome.plan_file.clone_from(plan_file);
                }
            }
            Event::Backends { conditions } => self.backends = Some(conditions.clone()),
            _ => {}
        }
    }

    fn entry(&mut self, unit: &UnitId) -> Option<&mut Outcome> {
        let index = *self.index.get(unit)?;
        self.units.get_mut(index).map(|(_, outcome)| outcome)
    }

    fn select(&mut self, units: impl Iterator<Item = (UnitId, Outcome)>) {
        self.units = units.collect();
        self.index = self
            .units
            .iter()
            .map(|(unit, _)| unit.clone())
            .zip(0..)
            .collect();
    }

    /// Lets all units end like this for one reason, which stopped the command before a run.
    pub fn all_ended(&mut self, units: Vec<(UnitId, Outcome)>, result: UnitResult, reason: &str) {
        self.select(units.into_iter().map(|(unit, pending)| {
            let reason = Some(reason.to_owned());
            (
                unit,
                Outcome {
                    result,
                    reason,
                    ..pending
                },
            )
        }));
    }

    /// Adds problems that stopped the command before a run.
    pub fn problems(&mut self, problems: impl IntoIterator<Item = Diagnostic>) {
        self.diagnostics.extend(problems);
    }

    /// The finished document.
    pub fn finish(self, ending: Ending) -> Report {
        let units: Vec<UnitReport> = self
            .units
            .into_iter()
            .map(|(unit, outcome)| UnitReport {
                environment: unit.environment.clone(),
                stack: unit.stack.clone(),
                unit,
                outcome,
            })
            .collect();
        let outcomes: Vec<&Outcome> = units.iter().map(|unit| &unit.outcome).collect();
        let (result, exit_code) = verdict::judge(&outcomes, ending);
        Report {
            schema: SCHEMA,
            run_id: self.run_id,
            command: self.command,
            started: self.started,
            finished: Timestamp::now(),
            result,
            exit_code,
            diagnostics: self.diagnostics,
            units,
            backends: self.backends,
        }
    }
}

impl Report {
    /// The code that tfw ends with.
    pub fn exit_code(&self) -> ExitCode {
        self.exit_code
    }

    /// The units, in manifest order.
    pub fn units(&self) -> &[UnitReport] {
        &self.units
    }

    /// The document as text.
    pub fn to_json(&self) -> String {
        to_document(self)
    }
}

/// Any document of tfw as text: indented, with a newline at its end.
pub fn to_document(document: &impl Serialize) -> String {
    // The documents are plain structs with string keys, which always serialise.
    let text = serde_json::to_string_pretty(document).unwrap_or_default();
    format!("{text}\n")
}

/// What the report says of a unit of which no end is told: tfw itself failed on it.
fn lost(pending: &Outcome) -> Outcome {
    let reason = "tfw lost track of this unit; its log tells how far it came";
    Outcome {
        result: UnitResult::Failed,
        reason: Some(reason.to_owned()),
        ..pending.clone()
    }
}

fn rfc3339<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Typed;
    use serde_json::Value;

    #[test]
    fn every_selected_unit_is_in_it_with_every_field() {
        let mut builder = Builder::new("plan", Timestamp::UNIX_EPOCH);
        builder.observe(&Event::RunStarted {
            run_id: "r1".to_owned(),
            command: "plan",
            typed: Typed::default(),
            units: vec![("dev/network".parse().expect("a unit"), Outcome::blank())],
        });
        let report = builder.finish(Ending::default());
        let json: Value = serde_json::from_str(&report.to_json()).expect("JSON");
        let unit = json["units"][0].as_object().expect("an object");
        let fields: Vec<&str> = unit.keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            [
                "unit",
                "environment",
                "stack",
                "result",
                "reason",
                "account_id",
                "region",
                "backend",
                "init",
                "provisional",
                "changes",
                "lock",
                "diagnostics",
                "duration_ms",
                "log",
                "plan_file",
            ]
        );
        assert_eq!(unit["result"], "failed");
        assert_eq!(json["exit_code"], 1);
        assert_eq!(json["started"], "1970-01-01T00:00:00.000Z");
    }
}
