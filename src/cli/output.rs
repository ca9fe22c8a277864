//! `tfw output`.

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::args::{GlobalArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::EnvSnapshot;
use crate::pipeline::{self, UnitOutputs};
use crate::report::{ExitCode, to_document};

/// Print the outputs of units
///
/// Read from the states directly. For people, sensitive values are masked; `--json` has them all,
/// since that is what it was asked for.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw output dev                  sensitive values are masked
  tfw output --all --json         all of them, as Terraform's `output -json`
  tfw output dev/network --json | jq '.units[\"dev/network\"].vpc_id.value'")]
pub(super) struct OutputArgs {
    #[command(flatten)]
    selection: SelectionArgs,
}

pub(super) fn run(
    args: OutputArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    Frame {
        yields_stdout: true,
        ..Frame::new("output", global, environment, args.selection)
    }
    .run(async |ctx| {
        let outputs = pipeline::output(ctx).await;
        Done {
            document: Some(document(&outputs)),
            text: Some(text(&outputs)),
            ..Done::default()
        }
    })
}

fn document(outputs: &[UnitOutputs]) -> String {
    let units: serde_json::Map<String, Value> = outputs
        .iter()
        .map(|unit| (unit.unit.to_string(), Value::Object(unit.outputs.clone())))
        .collect();
    to_document(&json!({ "schema": 1, "units": units }))
}

/// `dev/network`, and below it `  vpc_id = "vpc-1"`.
fn text(outputs: &[UnitOutputs]) -> String {
    let mut text = String::new();
    for unit in outputs {
        let _ = writeln!(text, "{}", unit.unit);
        if unit.outputs.is_empty() {
            text.push_str("  (no outputs)\n");
        }
        let width = unit.outputs.keys().map(String::len).max().unwrap_or(0);
        for (name, output) in &unit.outputs {
            let value = if output["sensitive"] == Value::Bool(true) {
                "(sensitive value)".to_owned()
            } else {
                output["value"].to_string()
            };
            let _ = writeln!(text, "  {name:width$} = {value}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs() -> Vec<UnitOutputs> {
        let Value::Object(outputs) = json!({
            "id": { "sensitive": false, "type": "string", "value": "vpc-1" },
            "password": { "sensitive": true, "type": "string", "value": "hunter2" },
        }) else {
            unreachable!("an object")
        };
        vec![UnitOutputs {
            unit: "dev".parse().expect("a unit"),
            outputs,
        }]
    }

    #[test]
    fn people_do_not_see_sensitive_values_and_programs_do() {
        insta::assert_snapshot!(text(&outputs()), @r#"
        dev
          id       = "vpc-1"
          password = (sensitive value)
        "#);
        let document: Value = serde_json::from_str(&document(&outputs())).expect("JSON");
        assert_eq!(document["units"]["dev"]["password"]["value"], "hunter2");
    }
}
