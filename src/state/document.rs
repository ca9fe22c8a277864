//! Terraform's state document, version 4 (Terraform 0.12 and later, OpenTofu).
//!
//! Read tolerantly: what tfw does not know is kept, so that a newer Terraform's document goes
//! through it unharmed.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Instance;

/// A state. It holds secrets in plain text: `Debug` prints none of its values.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct StateDocument {
    /// The format: always 4.
    pub version: u64,
    /// The Terraform that wrote it.
    #[serde(default)]
    pub terraform_version: String,
    /// Counts up with each change.
    #[serde(default)]
    pub serial: u64,
    /// Tells one state from another, for its whole life.
    #[serde(default)]
    pub lineage: String,
    /// Root outputs, by name.
    #[serde(default)]
    pub outputs: BTreeMap<String, Output>,
    /// Resources, as Terraform wrote them.
    #[serde(default)]
    pub resources: Vec<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// A root output. `Debug` does not print its value.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// Its value.
    pub value: Value,
    /// Its type, in Terraform's JSON notation.
    #[serde(rename = "type", default)]
    pub value_type: Value,
    /// Whether it must not be shown.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sensitive: bool,
}

/// Why bytes are no state that tfw can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAState {
    /// They are not JSON, or JSON of something else.
    #[error("it is not a Terraform state (line {line}, column {column})")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// OpenTofu has encrypted it.
    #[error("it is encrypted by OpenTofu")]
    Encrypted,
    /// Another format.
    #[error("it has the format version {found}, and tfw reads version 4")]
    OtherVersion {
        /// The version found.
        found: u64,
    },
}

impl StateDocument {
    /// Reads a document.
    ///
    /// # Errors
    /// [`NotAState`]. The messages quote nothing of the content.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotAState> {
        // Serde's own message may quote a value, so only the place is taken from it.
        let malformed = |error: serde_json::Error| NotAState::Malformed {
            line: error.line(),
            column: error.column(),
        };
        let head: Head = serde_json::from_slice(bytes).map_err(malformed)?;
        if head.encrypted_data.is_some() {
            return Err(NotAState::Encrypted);
        }
        match head.version {
            Some(4) => serde_json::from_slice(bytes).map_err(malformed),
            Some(found) => Err(NotAState::OtherVersion { found }),
            None => Err(NotAState::Malformed { line: 1, column: 1 }),
        }
    }

    /// Whether it has neither resources nor outputs, as `terraform workspace new` makes it.
    pub fn is_empty(&self) -> bool {
        self.resources.is_empty() && self.outputs.is_empty()
    }

    /// How many managed resources it has: every instance of `count` and `for_each` by itself, and
    /// deposed objects too, since they still exist. Data sources are not counted.
    pub fn resource_count(&self) -> usize {
        self.resources
            .iter()
            .filter(|resource| resource.get("mode").and_then(Value::as_str) == Some("managed"))
            .filter_map(|resource| resource.get("instances").and_then(Value::as_array))
            .map(Vec::len)
            .sum()
    }
}

impl StateDocument {
    /// The addresses of its managed resources, each instance by itself, as Terraform prints them:
    /// `module.a["x"].aws_vpc.this[0]`.
    pub fn addresses(&self) -> Vec<String> {
        self.instances()
            .filter(Instance::is_managed)
            .map(|instance| instance.address())
            .collect()
    }
}

/// What decides how to read on.
#[derive(Deserialize)]
struct Head {
    version: Option<u64>,
    encrypted_data: Option<serde::de::IgnoredAny>,
}

impl fmt::Debug for StateDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateDocument")
            .field("terraform_version", &self.terraform_version)
            .field("serial", &self.serial)
            .field("lineage", &self.lineage)
            .field("outputs", &self.outputs)
            .field("resources", &self.resource_count())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("type", &self.value_type)
            .field("sensitive", &self.sensitive)
            .finish_non_exhaustive()
    }
}

/// The same document with another serial; everything else stays byte for byte.
///
/// # Errors
/// It is no document: why.
pub fn with_serial(bytes: &[u8], serial: u64) -> Result<Vec<u8>, String> {
    let mut parts: IndexMap<String, Box<RawValue>> =
        serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let value = RawValue::from_string(serial.to_string()).map_err(|error| error.to_string())?;
    parts.insert("serial".to_owned(), value);
    let mut text = String::from("{");
    for (index, (name, value)) in parts.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let name = serde_json::Value::from(name.as_str());
        let _ = write!(text, "{comma}\n  {name}: {}", value.get());
    }
    text.push_str("\n}\n");
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_serial_changes_nothing_else() {
        let text = br#"{"version":4,"serial":7,"lineage":"l","resources":[{"n":1.50,"big":12345678901234567890123}]}"#;
        let changed = String::from_utf8(with_serial(text, 12).unwrap()).unwrap();
        assert!(changed.contains(r#""serial": 12"#), "{changed}");
        assert!(
            changed.contains(r#"[{"n":1.50,"big":12345678901234567890123}]"#),
            "{changed}"
        );
        assert_eq!(StateDocument::parse(changed.as_bytes()).unwrap().serial, 12);
        assert!(with_serial(b"[]", 1).is_err());
    }

    const STATE: &str = r#"{
      "version": 4, "terraform_version": "1.11.4", "serial": 7, "lineage": "l-1",
      "outputs": {
        "id": {"value": "open", "type": "string"},
        "password": {"value": "hunter2", "type": "string", "sensitive": true}
      },
      "resources": [
        {"mode": "managed", "type": "a", "name": "x", "instances": [{"index_key": 0}, {"index_key": 1}]},
        {"mode": "managed", "type": "a", "name": "y", "instances": [{}, {"deposed": "00000001"}]},
        {"mode": "data", "type": "d", "name": "z", "instances": [{"attributes": {"v": "hunter2"}}]}
      ],
      "check_results": null,
      "from_the_future": {"a": 1}
    }"#;

    #[test]
    fn instances_and_deposed_objects_count_and_data_sources_do_not() {
        let state = StateDocument::parse(STATE.as_bytes()).unwrap();
        assert_eq!(state.resource_count(), 4);
        assert_eq!((state.serial, state.lineage.as_str()), (7, "l-1"));
        assert!(state.outputs["password"].sensitive && !state.outputs["id"].sensitive);
        assert_eq!(state.outputs["id"].value, "open");
    }

    #[test]
    fn addresses_are_those_that_terraform_prints() {
        let text = r#"{"version": 4, "resources": [
            {"mode": "managed", "module": "module.m[\"k\"]", "type": "a", "name": "x",
             "instances": [{"index_key": 0}, {"index_key": "b"}]},
            {"mode": "data", "type": "d", "name": "z", "instances": [{}]},
            {"mode": "managed", "type": "a", "name": "y", "instances": [{}]}]}"#;
        let state = StateDocument::parse(text.as_bytes()).unwrap();
        assert_eq!(
            state.addresses(),
            [
                r#"module.m["k"].a.x[0]"#,
                r#"module.m["k"].a.x["b"]"#,
                "a.y"
            ]
        );
    }

    #[test]
    fn what_is_not_known_is_kept() {
        let state = StateDocument::parse(STATE.as_bytes()).unwrap();
        let written = serde_json::to_value(&state).unwrap();
        let original: Value = serde_json::from_str(STATE).unwrap();
        assert_eq!(written, original);
    }

    #[test]
    fn values_are_never_printed() {
        let state = StateDocument::parse(STATE.as_bytes()).unwrap();
        let printed = format!("{state:?}");
        assert!(printed.contains("password") && printed.contains("l-1"));
        assert!(!printed.contains("hunter2") && !printed.contains("open"));
    }

    #[test]
    fn what_is_no_state_says_so_without_quoting_it() {
        for (text, message) in [
            ("", "it is not a Terraform state (line 1, column 0)"),
            ("hunter2", "it is not a Terraform state (line 1, column 1)"),
            ("{}", "it is not a Terraform state (line 1, column 1)"),
            ("[4]", "it is not a Terraform state (line 1, column 3)"),
            (
                r#"{"version": 3}"#,
                "it has the format version 3, and tfw reads version 4",
            ),
            (
                r#"{"serial": 1, "encrypted_data": "x"}"#,
                "it is encrypted by OpenTofu",
            ),
        ] {
            assert_eq!(
                StateDocument::parse(text.as_bytes())
                    .unwrap_err()
                    .to_string(),
                message,
                "{text}"
            );
        }
        let wrong = StateDocument::parse(br#"{"version": 4, "serial": "hunter2"}"#).unwrap_err();
        assert!(!wrong.to_string().contains("hunter2"));
    }

    #[test]
    fn the_smallest_state_will_do() {
        let state = StateDocument::parse(br#"{"version": 4}"#).unwrap();
        assert_eq!(state.resource_count(), 0);
        assert!(state.outputs.is_empty());
    }
}
