//! The versions of a state, and what one of them says: the words of `tfw state`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AttributeChange, ResourceChange, UnitId};

/// One entry in the history of a state. What is not known or does not apply is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryEntry {
    /// The version of the object; `None` of a file.
    pub version_id: Option<String>,
    /// When it was written.
    pub modified: Option<Timestamp>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Counts up with each change.
    pub serial: Option<u64>,
    /// Tells one state from another.
    pub lineage: Option<String>,
    /// The Terraform that wrote it.
    pub terraform_version: Option<String>,
    /// How many managed resources it has, every instance by itself.
    pub resources: Option<usize>,
    /// Whether it is the current one.
    pub latest: bool,
    /// Whether the state was deleted then.
    pub deleted: bool,
    /// What changed against the state before; `None`: there is none to hold it against.
    pub changes: Option<InstanceChanges>,
    /// `latest~N`: how many states are newer.
    #[serde(skip)]
    pub back: Option<usize>,
    /// Why it cannot be read.
    #[serde(skip)]
    pub problem: Option<String>,
}

/// How many resource instances differ between two states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceChanges {
    /// New ones.
    pub add: usize,
    /// Ones with other attributes.
    pub change: usize,
    /// Ones that are gone.
    pub destroy: usize,
}

/// Which state something was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StateId {
    /// The version of the object; `None` of a file.
    pub version_id: Option<String>,
    /// When it was written.
    pub modified: Option<Timestamp>,
    /// Counts up with each change.
    pub serial: u64,
    /// Tells one state from another.
    pub lineage: String,
    /// The Terraform that wrote it.
    pub terraform_version: String,
}

/// What a state says, with secrets masked unless they were asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownState {
    /// The unit.
    pub unit: UnitId,
    /// The Terraform workspace.
    pub workspace: String,
    /// Which state.
    #[serde(flatten)]
    pub state: StateId,
    /// Its resources.
    pub resources: Vec<ShownResource>,
    /// Root outputs by name: `sensitive`, `type`, `value`.
    pub outputs: Map<String, Value>,
}

/// One instance of a resource or data source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownResource {
    /// `module.a.aws_vpc.this[0]`.
    pub address: String,
    /// `managed` or `data`.
    pub mode: &'static str,
    /// `aws_vpc`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `provider["registry.terraform.io/hashicorp/aws"]`.
    pub provider: String,
    /// Whether the next apply replaces it.
    pub tainted: bool,
    /// Its attributes; `None` where only addresses were asked for.
    pub attributes: Option<Value>,
}

/// How two states of a unit differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StateDiff {
    /// The unit.
    pub unit: UnitId,
    /// The one.
    pub from: StateId,
    /// The other.
    pub to: StateId,
    /// How many resource instances differ.
    pub changes: InstanceChanges,
    /// Each of them, data sources among them.
    pub resources: Vec<InstanceChange>,
    /// Root outputs that differ.
    pub outputs: Vec<OutputChange>,
}

/// What happened to an instance or an output from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// It is new.
    Add,
    /// It differs.
    Change,
    /// It is gone.
    Destroy,
}

/// How one instance differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InstanceChange {
    /// Its address.
    pub address: String,
    /// What happened to it.
    pub action: Happened,
    /// Each attribute that differs.
    pub attributes: Vec<ValueChange>,
}

/// How one root output differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutputChange {
    /// Its name.
    pub name: String,
    /// What happened to it.
    pub action: Happened,
    /// What it was, and what it is.
    #[serde(flatten)]
    pub values: Values,
}

/// One attribute that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueChange {
    /// `tags["a.b"]`, `ingress[0].port`.
    pub path: String,
    /// What it was, and what it is.
    #[serde(flatten)]
    pub values: Values,
}

/// Two values, masked where they are secret.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Values {
    /// Before; `null` where there was none.
    pub before: Value,
    /// After; `null` where there is none.
    pub after: Value,
}

/// A state that was put in the place of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplacedState {
    /// The Terraform workspace.
    pub workspace: String,
    /// Where it lies.
    pub place: String,
    /// Its serial.
    pub serial: u64,
    /// Its version; `None`: the bucket keeps none.
    pub version_id: Option<String>,
    /// The version of what was there; `None`: nothing was, or the bucket does not keep it.
    pub before: Option<String>,
    /// The copy of what was there and no version keeps, relative to the manifest's folder.
    pub backup: Option<String>,
}

/// A state in a backup of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulledState {
    /// The unit.
    pub unit: UnitId,
    /// The Terraform workspace.
    pub workspace: String,
    /// Where it was read.
    pub place: String,
    /// The version of the object; `None` of a file.
    pub version_id: Option<String>,
    /// Counts up with each change; `None`: it is no state that tfw can read.
    pub serial: Option<u64>,
    /// Tells one state from another.
    pub lineage: Option<String>,
    /// The SHA-256 of the file.
    pub sha256: String,
    /// The file in the folder.
    pub file: String,
}

impl InstanceChange {
    /// As a review has it.
    pub fn to_review(&self) -> ResourceChange {
        let action = match self.action {
            Happened::Add => "create",
            Happened::Change => "update",
            Happened::Destroy => "delete",
        };
        let shown = |value: &Value| (!value.is_null()).then(|| shown(value));
        let attributes = self.attributes.iter().map(|change| AttributeChange {
            path: change.path.clone(),
            before: shown(&change.values.before),
            after: match (&change.values.after, self.action) {
                (Value::Null, Happened::Change) => Some("null".to_owned()),
                (after, _) => shown(after),
            },
            unknown: false,
            forces_replacement: false,
        });
        ResourceChange {
            address: self.address.clone(),
            actions: vec![action.to_owned()],
            notes: Vec::new(),
            attributes: attributes.collect(),
        }
    }
}

/// A value on one line; what stands for a secret, without quotes.
pub fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if text == MASK => text.clone(),
        value => value.to_string(),
    }
}

/// What stands for a value that is not shown.
pub const MASK: &str = "(sensitive value)";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mask_is_no_string_of_the_state() {
        assert_eq!(shown(&json!(MASK)), "(sensitive value)");
        assert_eq!(shown(&json!("open")), "\"open\"");
    }
}
