//! A saved plan as `terraform show -json` describes it (format 1.x), for review.
//!
//! The document holds secrets in the clear; what leaves this file is masked, and nothing of it
//! is printed by `Debug`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::attributes::{Trees, changes, holds_true};
use crate::model::{AttributeChange, Changes, ResourceChange};

/// The parts of a plan that a review needs.
#[derive(Deserialize)]
pub struct PlanDocument {
    #[serde(default)]
    resource_changes: Vec<Resource>,
    /// What was found to be otherwise than the state says.
    #[serde(default)]
    resource_drift: Vec<Resource>,
    #[serde(default)]
    output_changes: BTreeMap<String, OutputChange>,
}

/// Why a plan cannot be reviewed.
#[derive(Debug, Error)]
pub enum PlanDocumentError {
    /// It is not what `terraform show -json` writes. Where, but not what: the text holds secrets.
    #[error(
        "cannot read the plan that `terraform show -json` described: unexpected content at line {line}, column {column}\nhint: see whether the Terraform in use is one that tfw knows"
    )]
    Unreadable {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
}

#[derive(Deserialize)]
struct Resource {
    address: String,
    previous_address: Option<String>,
    deposed: Option<String>,
    /// Why Terraform replaces or destroys it, where the attributes do not tell.
    action_reason: Option<String>,
    change: Change,
}

#[derive(Deserialize)]
struct Change {
    actions: Vec<String>,
    #[serde(default)]
    before: Value,
    #[serde(default)]
    after: Value,
    #[serde(default)]
    after_unknown: Value,
    #[serde(default)]
    before_sensitive: Value,
    #[serde(default)]
    after_sensitive: Value,
    #[serde(default)]
    replace_paths: Vec<Vec<Value>>,
    importing: Option<Importing>,
}

#[derive(Deserialize)]
struct Importing {
    /// Absent while it is unknown.
    id: Option<String>,
}

#[derive(Deserialize)]
struct OutputChange {
    actions: Vec<String>,
    #[serde(default)]
    after_unknown: Value,
}

impl fmt::Debug for PlanDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlanDocument")
            .field("resource_changes", &self.resource_changes.len())
            .field("output_changes", &self.output_changes.len())
            .finish_non_exhaustive()
    }
}

impl PlanDocument {
    /// Reads the document.
    ///
    /// # Errors
    /// It is not what Terraform writes.
    pub fn parse(json: &[u8]) -> Result<Self, PlanDocumentError> {
        serde_json::from_slice(json).map_err(|error| PlanDocumentError::Unreadable {
            line: error.line(),
            column: error.column(),
        })
    }

    /// Each resource that the plan changes, moves, imports or forgets, in Terraform's order.
    /// Reads of data sources are left out: they change nothing.
    ///
    /// Values that hold one of these `secrets`, which Terraform may not know as such, are masked
    /// too: a sensitive output of another unit that goes into a variable which is not sensitive.
    pub fn resources(&self, secrets: &[String]) -> Vec<ResourceChange> {
        let changes = self.resource_changes.iter();
        changes
            .filter_map(|change| change.reviewed(secrets))
            .collect()
    }

    /// How much the plan changes, counted as Terraform counts.
    pub fn changes(&self) -> Changes {
        let mut changes = Changes {
            outputs: u32::try_from(self.outputs().len()).unwrap_or(u32::MAX),
            ..Changes::default()
        };
        for Resource { change, .. } in &self.resource_changes {
            let has = |action: &str| u32::from(change.actions.iter().any(|each| each == action));
            let (create, delete) = (has("create"), has("delete"));
            changes.add += create;
            changes.change += has("update");
            changes.destroy += delete;
            changes.replace += create * delete;
            changes.import += u32::from(change.importing.is_some());
        }
        changes
    }

    /// Root outputs that the plan changes: `+ name`, `~ name`, `- name`. Never a value.
    pub fn outputs(&self) -> Vec<String> {
        let changes = self.output_changes.iter();
        changes
            .filter_map(|(name, change)| Some(format!("{} {name}", change.symbol()?)))
            .collect()
    }

    /// Each resource that a refresh-only plan found changed or gone, with its attributes in the
    /// state and in the world, masked as in [`Self::resources`]. A resource that the configuration
    /// moved has not drifted.
    pub fn drift(&self, secrets: &[String]) -> Vec<ResourceChange> {
        let drifted = self.resource_drift.iter();
        drifted
            .filter(|resource| resource.change.actions != ["no-op"])
            .filter_map(|resource| resource.reviewed(secrets))
            .collect()
    }

    /// Root outputs that a refresh-only plan found changed. One that waits for a resource which
    /// does not exist yet, or that the configuration no longer has, is no drift: Terraform does
    /// not count it either (1.11.4).
    pub fn drifted_outputs(&self) -> Vec<String> {
        let found = self.output_changes.iter();
        found
            .filter(|(_, change)| !holds_true(&change.after_unknown))
            .filter_map(|(name, change)| match change.symbol()? {
                '-' => None,
                symbol => Some(format!("{symbol} {name}")),
            })
            .collect()
    }
}

impl OutputChange {
    /// `None`: it does not change.
    fn symbol(&self) -> Option<char> {
        match self.actions.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["no-op"] => None,
            ["create"] => Some('+'),
            ["delete"] => Some('-'),
            _ => Some('~'),
        }
    }
}

impl Resource {
    fn reviewed(&self, secrets: &[String]) -> Option<ResourceChange> {
        let change = &self.change;
        let mut notes = self.notes();
        let mut attributes = Vec::new();
        match change
            .actions
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()[..]
        {
            ["no-op"] if notes.is_empty() => return None,
            ["no-op"] => {}
            ["read"] => return None,
            ["forget"] => {
                notes.push("no longer managed by Terraform, but not destroyed".to_owned());
            }
            ["delete"] => attributes.extend(change.identity()),
            _ => attributes = changes(change.trees(), &change.replace_paths, secrets),
        }
        Some(ResourceChange {
            address: self.address.clone(),
            actions: change.actions.clone(),
            notes,
            attributes,
        })
    }

    /// What is special about the change, one line each.
    fn reason(&self) -> Option<&'static str> {
        // https://developer.hashicorp.com/terraform/internals/json-format#change-representation
        Some(match self.action_reason.as_deref()? {
            "replace_because_tainted" => "tainted, so it must be replaced",
            "replace_by_request" => "replaced because `-replace` asks for it",
            "replace_by_triggers" => "replaced because of `replace_triggered_by`",
            _ => return None,
        })
    }

    fn notes(&self) -> Vec<String> {
        let moved = self.previous_address.as_ref();
        let imported = self.change.importing.as_ref();
        let deposed = self.deposed.as_ref();
        [
            moved.map(|from| format!("moved from {from}")),
            imported.map(|importing| match &importing.id {
                Some(id) => format!("imported, id {id}"),
                None => "imported".to_owned(),
            }),
            deposed.map(|key| format!("deposed object {key}")),
            self.reason().map(str::to_owned),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Change {
    fn trees(&self) -> Trees<'_> {
        Trees {
            before: &self.before,
            after: &self.after,
            unknown: &self.after_unknown,
            before_sensitive: &self.before_sensitive,
            after_sensitive: &self.after_sensitive,
        }
    }

    /// What names the object that is about to go.
    fn identity(&self) -> Option<AttributeChange> {
        let id = self.before.get("id").and_then(Value::as_str)?;
        let sensitive = self.before_sensitive.as_bool() == Some(true)
            || self.before_sensitive.get("id").is_some_and(holds_true);
        (!sensitive).then(|| AttributeChange {
            path: "id".to_owned(),
            before: Some(Value::from(id).to_string()),
            after: None,
            unknown: false,
            forces_replacement: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Terraform 1.11.4, shortened: created and imported, then replaced, moved and forgotten.
    const PLAN: &str = r#"{"format_version":"1.2","terraform_version":"1.11.4","variables":{"pw":{"value":"hunter2"}},"resource_changes":[
{"address":"terraform_data.new","mode":"managed","change":{"actions":["create"],"before":null,"after":{"input":{"list":[{"port":1}],"name":"one","secret":"hunter2"},"triggers_replace":null},"after_unknown":{"id":true,"input":{"list":[{}]},"output":true},"before_sensitive":false,"after_sensitive":{"input":{"list":[{}],"secret":true},"output":{}}}},
{"address":"terraform_data.imp","mode":"managed","change":{"actions":["update"],"before":{"id":"some-id","input":null,"output":null,"triggers_replace":null},"after":{"id":"some-id","input":"i","triggers_replace":null},"after_unknown":{"output":true},"before_sensitive":{},"after_sensitive":{},"importing":{"id":"some-id"}}},
{"address":"terraform_data.a","mode":"managed","change":{"actions":["delete","create"],"before":{"id":"3426f23e","input":{"name":"one","secret":"hunter2"},"output":{"name":"one","secret":"hunter2"},"triggers_replace":["one"]},"after":{"input":{"name":"two","secret":"hunter2"},"triggers_replace":["two"]},"after_unknown":{"id":true,"input":{},"output":true,"triggers_replace":[false]},"before_sensitive":{"input":{"secret":true},"triggers_replace":[false]},"after_sensitive":{"input":{"secret":true},"output":{},"triggers_replace":[false]},"replace_paths":[["triggers_replace"]]},"action_reason":"replace_because_cannot_update"},
{"address":"terraform_data.bb[0]","previous_address":"terraform_data.b[0]","mode":"managed","change":{"actions":["no-op"],"before":{"id":"4e"},"after":{"id":"4e"},"after_unknown":{},"before_sensitive":{},"after_sensitive":{}}},
{"address":"terraform_data.same","mode":"managed","change":{"actions":["no-op"],"before":{"id":"4e"},"after":{"id":"4e"},"after_unknown":{},"before_sensitive":{},"after_sensitive":{}}},
{"address":"data.terraform_remote_state.x","mode":"data","change":{"actions":["read"],"before":null,"after":{"backend":"local"},"after_unknown":{"outputs":true},"before_sensitive":false,"after_sensitive":{}}},
{"address":"terraform_data.gone","mode":"managed","change":{"actions":["delete"],"before":{"id":"77","input":"i"},"after":null,"after_unknown":{},"before_sensitive":{},"after_sensitive":false}},
{"address":"terraform_data.left","mode":"managed","change":{"actions":["forget"],"before":{"id":"some-id","input":"i"},"after":null,"after_unknown":{},"before_sensitive":{},"after_sensitive":false},"action_reason":"delete_because_no_resource_config"}],
"output_changes":{"n":{"actions":["create"],"before":null,"after_unknown":true,"before_sensitive":false,"after_sensitive":false},"o":{"actions":["delete"],"before":"one","after":null},"s":{"actions":["no-op"],"before":"hunter2","after":"hunter2"},"u":{"actions":["update"],"before":"one","after":"hunter2"}}}"#;

    #[test]
    fn each_change_is_told_by_its_attributes() {
        let plan = PlanDocument::parse(PLAN.as_bytes()).expect("a plan");
        let told: Vec<String> = plan
            .resources(&[])
            .iter()
            .map(|resource| {
                let attributes = resource.attributes.iter().map(|change| {
                    let before = change.before.as_deref().unwrap_or("-");
                    let after = change.after.as_deref().unwrap_or("-");
                    let mark = if change.forces_replacement { "!" } else { "" };
                    format!("{}: {before} → {after}{mark}", change.path)
                });
                let notes = resource.notes.iter().cloned();
                let told: Vec<String> = notes.chain(attributes).collect();
                format!(
                    "{} {}\n  {}",
                    resource.actions.join("-"),
                    resource.address,
                    told.join("\n  ")
                )
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        create terraform_data.new
          input.list[0].port: - → 1
          input.name: - → "one"
          input.secret: - → (sensitive value)
        update terraform_data.imp
          imported, id some-id
          input: - → "i"
          output: - → (known after apply)
        delete-create terraform_data.a
          id: "3426f23e" → (known after apply)
          input.name: "one" → "two"
          output: (sensitive value) → (known after apply)
          triggers_replace[0]: "one" → "two"!
        no-op terraform_data.bb[0]
          moved from terraform_data.b[0]
        delete terraform_data.gone
          id: "77" → -
        forget terraform_data.left
          no longer managed by Terraform, but not destroyed
        "#);
    }

    #[test]
    fn outputs_are_named_without_values() {
        let plan = PlanDocument::parse(PLAN.as_bytes()).expect("a plan");
        assert_eq!(plan.outputs(), ["+ n", "- o", "~ u"]);
    }

    /// A refresh-only plan of Terraform 1.11.4, shortened: changed, gone, and moved by the
    /// configuration.
    const DRIFT: &str = r#"{"format_version":"1.2","resource_drift":[
{"address":"aws_ssm_parameter.p","change":{"actions":["update"],"before":{"id":"p","value":"hunter2","version":1},"after":{"id":"p","value":"hunter3","version":2},"after_unknown":{},"before_sensitive":{"value":true},"after_sensitive":{"value":true}}},
{"address":"aws_vpc.gone","change":{"actions":["delete"],"before":{"id":"vpc-1","tags":null},"after":null,"after_unknown":{},"before_sensitive":{},"after_sensitive":false}},
{"address":"aws_vpc.this","previous_address":"aws_vpc.old","change":{"actions":["no-op"],"before":{"id":"vpc-2"},"after":{"id":"vpc-2"},"after_unknown":{},"before_sensitive":{},"after_sensitive":{}}}],
"output_changes":{"new":{"actions":["create"],"after_unknown":true},"left":{"actions":["delete"],"after_unknown":false},"same":{"actions":["no-op"],"after_unknown":false},"tag":{"actions":["update"],"before":"a","after":"b","after_unknown":false}}}"#;

    #[test]
    fn drift_is_what_changed_in_the_world_and_not_in_the_configuration() {
        let plan = PlanDocument::parse(DRIFT.as_bytes()).expect("a plan");
        let drift = plan.drift(&[]);
        let found: Vec<(&str, String)> = drift
            .iter()
            .map(|resource| (resource.address.as_str(), resource.actions.join("-")))
            .collect();
        assert_eq!(
            found,
            [
                ("aws_ssm_parameter.p", "update".to_owned()),
                ("aws_vpc.gone", "delete".to_owned()),
            ]
        );
        let told = format!("{drift:?}");
        assert!(told.contains("version") && told.contains("vpc-1"), "{told}");
        assert!(!told.contains("hunter"), "{told}");
        assert_eq!(plan.drifted_outputs(), ["~ tag"]);
        assert!(plan.resources(&[]).is_empty());
    }

    #[test]
    fn a_replacement_counts_as_terraform_counts_it() {
        let plan = PlanDocument::parse(PLAN.as_bytes()).expect("a plan");
        let counted = Changes {
            add: 2,
            change: 1,
            destroy: 2,
            replace: 1,
            import: 1,
            outputs: 3,
        };
        assert_eq!(plan.changes(), counted);
    }

    #[test]
    fn no_secret_is_told() {
        let plan = PlanDocument::parse(PLAN.as_bytes()).expect("a plan");
        let all = format!("{plan:?} {:?} {:?}", plan.resources(&[]), plan.outputs());
        assert!(!all.contains("hunter2"), "{all}");
        let error = PlanDocument::parse(br#"{"resource_changes":"hunter2"}"#).expect_err("no plan");
        assert!(
            !format!("{error} {error:?}").contains("hunter2"),
            "{error:?}"
        );
    }
}
