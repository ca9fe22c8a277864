//! What of a state must not be shown.
//!
//! Terraform records in `sensitive_attributes` what the configuration, and since 1.10 also the
//! provider's schema, calls sensitive. Older states lack the latter, so attributes that are named
//! as secrets are usually named are masked too; and so is every value that contains a sensitive
//! string of the state, since a provider may copy one into an attribute that nothing marks.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Instance, StateDocument};
use crate::model::MASK;

/// Shorter sensitive strings are not looked for in other values: they would be found everywhere.
const SHORTEST_SECRET: usize = 4;
/// What names of secret attributes end with.
const SECRET_NAMES: [&str; 13] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "secret_key",
    "secret_string",
    "secret_binary",
    "secret_access_key",
    "private_key",
    "private_key_pem",
    "private_key_openssh",
    "token",
    "api_key",
];
/// Attributes that are secret although their names do not say so, by the type of the resource.
const SECRET_ATTRIBUTES: [(&str, &str); 4] = [
    ("random_password", "result"),
    ("random_password", "bcrypt_hash"),
    ("tls_private_key", "private_key_pem_pkcs8"),
    ("aws_iam_access_key", "ses_smtp_password_v4"),
];

/// Which parts of one value are sensitive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Marks {
    /// None that is marked.
    None,
    /// All of it.
    All,
    /// Some: by the name of an attribute, or the number of an element.
    Some(BTreeMap<String, Marks>),
}

/// What is known to be secret in one state or several.
pub struct Secrets {
    strings: Vec<String>,
    reveal: bool,
}

impl Marks {
    /// The marks of an instance.
    pub(super) fn of(instance: &Instance<'_>) -> Self {
        let mut marks = Self::None;
        for path in instance.sensitive_paths() {
            match path.as_array() {
                Some(steps) => marks.mark(steps),
                None => marks = Self::All,
            }
        }
        marks.mark_names(instance.kind(), instance.attributes());
        marks
    }

    /// Marks what is named as secrets are, however deep it lies; in flat attributes (`user.0.name`)
    /// the last part of a name counts.
    fn mark_names(&mut self, kind: &str, value: &Value) {
        let parts: Vec<(String, &Value)> = match value {
            Value::Object(parts) => parts
                .iter()
                .map(|(name, part)| (name.clone(), part))
                .collect(),
            Value::Array(parts) => {
                let parts = parts.iter().zip(0..);
                parts
                    .map(|(part, index): (_, usize)| (index.to_string(), part))
                    .collect()
            }
            _ => return,
        };
        for (name, part) in parts {
            let last = name.rsplit('.').next().unwrap_or(&name);
            if value.is_object() && is_secret(kind, last) {
                self.mark_part(name, &[]);
                continue;
            }
            let mut below = self.below(&name).clone();
            below.mark_names(kind, part);
            if below != Self::None {
                self.put(name, below);
            }
        }
    }

    /// The marks below a name or a number.
    pub(super) fn below(&self, part: &str) -> &Self {
        match self {
            Self::Some(parts) => parts.get(part).unwrap_or(&Self::None),
            all_or_none => all_or_none,
        }
    }

    /// `[{"type": "get_attr", "value": "a"}, {"type": "index", "value": {"value": 0, …}}]`.
    fn mark(&mut self, steps: &[Value]) {
        let Some((step, rest)) = steps.split_first() else {
            *self = Self::All;
            return;
        };
        let value = &step["value"];
        let part = match value.get("value").unwrap_or(value) {
            Value::String(name) => name.clone(),
            Value::Number(index) => index.to_string(),
            // An element of a set is named by itself: then all of the set is masked.
            _ => {
                *self = Self::All;
                return;
            }
        };
        self.mark_part(part, rest);
    }

    fn mark_part(&mut self, part: String, rest: &[Value]) {
        let mut below = self.below(&part).clone();
        below.mark(rest);
        self.put(part, below);
    }

    fn put(&mut self, part: String, marks: Self) {
        if *self == Self::None {
            *self = Self::Some(BTreeMap::new());
        }
        if let Self::Some(parts) = self {
            parts.insert(part, marks);
        }
    }
}

fn is_secret(kind: &str, name: &str) -> bool {
    SECRET_NAMES.iter().any(|secret| {
        name.strip_suffix(secret)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
    }) || SECRET_ATTRIBUTES.contains(&(kind, name))
}

impl Secrets {
    /// The secrets of these states. With `reveal`, nothing is masked.
    pub fn of(states: &[&StateDocument], reveal: bool) -> Self {
        let mut strings = Vec::new();
        if !reveal {
            for state in states {
                for output in state.outputs.values().filter(|output| output.sensitive) {
                    collect(&output.value, &Marks::All, &mut strings);
                }
                for instance in state.instances() {
                    collect(instance.attributes(), &Marks::of(&instance), &mut strings);
                }
            }
            strings.sort_unstable();
            strings.dedup();
        }
        Self { strings, reveal }
    }

    /// The value of an output, as it may be shown.
    pub fn output(&self, output: &super::Output) -> Value {
        let marks = if output.sensitive {
            Marks::All
        } else {
            Marks::None
        };
        self.masked(&output.value, &marks)
    }

    /// The attributes of an instance, as they may be shown.
    pub fn attributes(&self, instance: &Instance<'_>) -> Value {
        self.masked(instance.attributes(), &Marks::of(instance))
    }

    pub(super) fn masked(&self, value: &Value, marks: &Marks) -> Value {
        if self.reveal || value.is_null() {
            return value.clone();
        }
        if *marks == Marks::All {
            return Value::from(MASK);
        }
        match value {
            Value::String(text) if self.has(text) => Value::from(MASK),
            Value::Object(parts) => {
                let parts = parts.iter().map(|(name, part)| {
                    // A key may be secret, too; what is below it is then not told either.
                    if self.has(name) {
                        return (MASK.to_owned(), Value::from(MASK));
                    }
                    (name.clone(), self.masked(part, marks.below(name)))
                });
                Value::Object(parts.collect())
            }
            Value::Array(parts) => {
                let parts = parts.iter().zip(0..);
                parts
                    .map(|(part, index): (_, usize)| {
                        self.masked(part, marks.below(&index.to_string()))
                    })
                    .collect()
            }
            value => value.clone(),
        }
    }

    /// Whether a text contains a secret.
    fn has(&self, text: &str) -> bool {
        text.len() >= SHORTEST_SECRET && self.strings.iter().any(|secret| text.contains(secret))
    }
}

fn is_dynamic(parts: &serde_json::Map<String, Value>) -> bool {
    parts.len() == 2 && parts.contains_key("value") && parts.contains_key("type")
}

/// Collects the strings that are sensitive, also as they stand in a JSON document in a string.
fn collect(value: &Value, marks: &Marks, strings: &mut Vec<String>) {
    match value {
        Value::String(text) if *marks == Marks::All && text.len() >= SHORTEST_SECRET => {
            let quoted = value.to_string();
            let quoted = quoted[1..quoted.len() - 1].to_owned();
            if quoted != *text {
                strings.push(quoted);
            }
            strings.push(text.clone());
        }
        // A value of any type is written with its type, which is no secret: `terraform_data`'s input.
        Value::Object(parts) if is_dynamic(parts) => {
            collect(&parts["value"], marks.below("value"), strings);
        }
        Value::Object(parts) => {
            for (name, part) in parts {
                collect(part, marks.below(name), strings);
            }
        }
        Value::Array(parts) => {
            for (index, part) in parts.iter().enumerate() {
                collect(part, marks.below(&index.to_string()), strings);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state() -> StateDocument {
        let instance = json!({
            "attributes": {
                "id": "i-1", "user": "admin", "copy": "see hunter2!", "db_password": "pa$$word",
                "token_ttl": 3600, "api_token": null,
                "policy": "{\"key\":\"two\\nlines\"}",
                "list": [{ "key": "open" }, { "key": "hunter2" }],
                "tags": { "a.b": "closed", "c": "open" }, "set": ["one", "two-two"],
                "multi": "two\nlines",
                "users": [{ "name": "root", "password": "nested-one" }], "user.0.password": "flat-one",
            },
            "sensitive_attributes": [
                [{ "type": "get_attr", "value": "list" },
                 { "type": "index", "value": { "value": 1, "type": "number" } },
                 { "type": "get_attr", "value": "key" }],
                [{ "type": "get_attr", "value": "tags" },
                 { "type": "index", "value": { "value": "a.b", "type": "string" } }],
                [{ "type": "get_attr", "value": "set" },
                 { "type": "index", "value": { "value": { "x": 1 }, "type": ["object", {}] } }],
                [{ "type": "get_attr", "value": "multi" }],
            ],
            "private": "hunter2",
        });
        let state = json!({
            "version": 4,
            "outputs": {
                "open": { "value": "fine", "type": "string" },
                "leak": { "value": ["hunter2"], "type": ["list", "string"] },
                "closed": { "value": { "a": "deep" }, "type": "string", "sensitive": true },
            },
            "resources": [
                { "mode": "managed", "type": "a", "name": "x", "instances": [instance] },
                { "mode": "managed", "type": "random_password", "name": "y",
                  "instances": [{ "attributes": { "result": "s3cret", "length": 6 } }] },
            ],
        });
        StateDocument::parse(state.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_is_marked_named_or_copied_is_masked() {
        let state = state();
        let secrets = Secrets::of(&[&state], false);
        let shown: Vec<Value> = state.instances().map(|i| secrets.attributes(&i)).collect();
        assert_eq!(
            shown[0],
            json!({
                "id": "i-1", "user": "admin", "copy": MASK, "db_password": MASK,
                "token_ttl": 3600, "api_token": null,
                "policy": MASK,
                "list": [{ "key": "open" }, { "key": MASK }],
                "tags": { "a.b": MASK, "c": "open" }, "set": MASK,
                "multi": MASK,
                "users": [{ "name": "root", "password": MASK }], "user.0.password": MASK,
            })
        );
        assert_eq!(shown[1], json!({ "result": MASK, "length": 6 }));
        let output = |name: &str| secrets.output(&state.outputs[name]);
        assert_eq!(output("open"), "fine");
        assert_eq!(output("leak"), json!([MASK]));
        assert_eq!(output("closed"), MASK);
    }

    #[test]
    fn the_type_of_a_secret_is_no_secret() {
        let dynamic = json!({ "value": "hunter2", "type": "string" });
        let mark = json!([[{ "type": "get_attr", "value": "input" }]]);
        let state = json!({ "version": 4, "resources": [
            { "mode": "managed", "type": "terraform_data", "name": "x", "instances": [
                { "attributes": { "input": dynamic }, "sensitive_attributes": mark },
                { "attributes": { "input": { "value": "open", "type": "string" }, "copy": "hunter2" } },
            ] },
        ] });
        let state = StateDocument::parse(state.to_string().as_bytes()).unwrap();
        let secrets = Secrets::of(&[&state], false);
        let shown: Vec<Value> = state.instances().map(|i| secrets.attributes(&i)).collect();
        assert_eq!(shown[0], json!({ "input": MASK }));
        let open = json!({ "value": "open", "type": "string" });
        assert_eq!(shown[1], json!({ "input": open, "copy": MASK }));
    }

    #[test]
    fn what_is_revealed_is_as_it_is() {
        let state = state();
        let secrets = Secrets::of(&[&state], true);
        for instance in state.instances() {
            assert_eq!(&secrets.attributes(&instance), instance.attributes());
        }
        assert_eq!(secrets.output(&state.outputs["closed"])["a"], "deep");
    }

    #[test]
    fn a_name_must_end_as_secrets_do() {
        for (name, secret) in [
            ("password", true),
            ("master_password", true),
            ("token", true),
            ("token_ttl", false),
            ("secret_arn", false),
            ("broken", false),
            ("mytoken", false),
        ] {
            assert_eq!(is_secret("a", name), secret, "{name}");
        }
    }
}
