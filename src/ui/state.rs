//! What a state says, and how two differ.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::history::changes;
use super::review::{self, UnitPlan};
use super::style::{BOLD, DIM, YELLOW};
use super::{Options, coloured, stdout_width};
use crate::model::{
    Happened, InstanceChange, ShownResource, ShownState, StateDiff, StateId, shown,
};

/// What `tfw state show` prints: addresses and outputs, or attributes.
pub fn state(state: &ShownState, options: Options) -> String {
    let mut text = String::new();
    for resource in &state.resources {
        let tainted = if resource.tainted {
            format!(" {YELLOW}(tainted){YELLOW:#}")
        } else {
            String::new()
        };
        match &resource.attributes {
            None => {
                let _ = writeln!(text, "{}{tainted}", resource.address);
            }
            Some(attributes) => {
                if !text.is_empty() {
                    text.push('\n');
                }
                in_full(&mut text, resource, attributes, &tainted);
            }
        }
    }
    if !state.outputs.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        let outputs = state.outputs.iter();
        let named: Map<String, Value> = outputs
            .map(|(name, output)| (format!("output.{name}"), output["value"].clone()))
            .collect();
        fields(&mut text, &named, "");
    }
    coloured(text, options)
}

fn in_full(text: &mut String, resource: &ShownResource, attributes: &Value, tainted: &str) {
    let _ = writeln!(text, "{BOLD}{}{BOLD:#}{tainted}", resource.address);
    if let Some(attributes) = attributes.as_object() {
        fields(text, attributes, "  ");
    }
}

/// `  name = value`; a value of several parts as JSON on lines of their own.
fn fields(text: &mut String, fields: &Map<String, Value>, indent: &str) {
    let width = fields
        .keys()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    for (name, value) in fields {
        let is_large = match value {
            Value::Object(parts) => !parts.is_empty(),
            Value::Array(parts) => !parts.is_empty(),
            _ => false,
        };
        let value = if is_large {
            let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
            pretty.replace('\n', &format!("\n{indent}"))
        } else {
            shown(value)
        };
        let _ = writeln!(text, "{indent}{name:width$} = {value}");
    }
}

/// What `tfw state diff` prints.
pub fn state_diff(diff: &StateDiff, options: Options) -> String {
    coloured(render(diff, stdout_width().unwrap_or(usize::MAX)), options)
}

/// The same as lines of a run.
pub(super) fn difference(diff: &StateDiff) -> String {
    render(diff, usize::MAX)
}

fn render(diff: &StateDiff, width: usize) -> String {
    let mut text = String::new();
    for (sign, state) in [("-", &diff.from), ("+", &diff.to)] {
        let _ = writeln!(text, "{sign} {}", described(state));
    }
    if diff.from.lineage != diff.to.lineage {
        let _ = writeln!(
            text,
            "{YELLOW}they are of different lineages: the one does not come from the other{YELLOW:#}"
        );
    }
    let versions = (&diff.from.terraform_version, &diff.to.terraform_version);
    if versions.0 != versions.1 {
        let _ = writeln!(text, "Terraform {} → {}", versions.0, versions.1);
    }
    if diff.resources.is_empty() && diff.outputs.is_empty() {
        text.push_str("\nno resource and no output differs\n");
        return text;
    }
    let outputs = diff.outputs.iter().map(|output| {
        let sign = match output.action {
            Happened::Add => "+",
            Happened::Change => "~",
            Happened::Destroy => "-",
        };
        let values = [&output.values.before, &output.values.after];
        let told = values
            .into_iter()
            .filter(|value| !value.is_null())
            .map(shown);
        let told = told.collect::<Vec<_>>().join(" → ");
        format!("{sign} {} {told}", output.name)
    });
    let plan = UnitPlan {
        unit: diff.unit.clone(),
        resources: diff
            .resources
            .iter()
            .map(InstanceChange::to_review)
            .collect(),
        outputs: outputs.collect(),
        text: None,
    };
    text.push_str(&review::render(&[plan], "Differences", width));
    let _ = writeln!(text, "\n{BOLD}resources: {}{BOLD:#}", changes(diff.changes));
    text
}

/// `serial 9, 2026-01-02 11:55:00 UTC, version v4`.
fn described(state: &StateId) -> String {
    let mut text = format!("serial {}", state.serial);
    if let Some(modified) = state.modified {
        let _ = write!(text, ", {}", modified.strftime("%Y-%m-%d %H:%M:%S UTC"));
    }
    if let Some(version) = &state.version_id {
        let _ = write!(text, " {DIM}(version {version}){DIM:#}");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{InstanceChanges, MASK, OutputChange, ValueChange, Values};

    fn id(serial: u64, lineage: &str) -> StateId {
        StateId {
            version_id: Some(format!("v{serial}")),
            modified: Some("2026-01-02T11:55:00Z".parse().expect("a time")),
            serial,
            lineage: lineage.to_owned(),
            terraform_version: "1.11.4".to_owned(),
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn a_difference_is_told_as_plans_are() {
        let values = |before, after| Values { before, after };
        let change = |address: &str, action, path: &str, values| InstanceChange {
            address: address.to_owned(),
            action,
            attributes: vec![ValueChange {
                path: path.to_owned(),
                values,
            }],
        };
        let diff = StateDiff {
            unit: "dev".parse().expect("a unit"),
            from: id(7, "a"),
            to: id(9, "a"),
            changes: InstanceChanges {
                add: 1,
                change: 1,
                destroy: 1,
            },
            resources: vec![
                change(
                    "a.new",
                    Happened::Add,
                    "id",
                    values(Value::Null, json!("i-1")),
                ),
                change(
                    "a.x",
                    Happened::Change,
                    "tags.a",
                    values(json!("old"), Value::Null),
                ),
                change(
                    "a.gone",
                    Happened::Destroy,
                    "id",
                    values(json!("i-2"), Value::Null),
                ),
            ],
            outputs: vec![OutputChange {
                name: "pin".to_owned(),
                action: Happened::Change,
                values: values(json!(MASK), json!(MASK)),
            }],
        };
        insta::assert_snapshot!(plain(&render(&diff, 100)), @r#"
        - serial 7, 2026-01-02 11:55:00 UTC (version v7)
        + serial 9, 2026-01-02 11:55:00 UTC (version v9)

        Differences in dev
          + a.new
              id: "i-1"
          ~ a.x
              tags.a: "old" → null
          - a.gone
              id: "i-2"
          output ~ pin (sensitive value) → (sensitive value)

        resources: +1 ~1 -1
        "#);
        let same = StateDiff {
            resources: Vec::new(),
            outputs: Vec::new(),
            to: id(8, "b"),
            ..diff
        };
        insta::assert_snapshot!(plain(&render(&same, 100)), @r"
        - serial 7, 2026-01-02 11:55:00 UTC (version v7)
        + serial 8, 2026-01-02 11:55:00 UTC (version v8)
        they are of different lineages: the one does not come from the other

        no resource and no output differs
        ");
    }
}
