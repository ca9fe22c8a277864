//! How two states differ: by instance and attribute, and in numbers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::mask::{Marks, Secrets};
use super::{Instance, Output, StateDocument};
use crate::model::{
    Happened, InstanceChange, InstanceChanges, MASK, OutputChange, ValueChange, Values,
};

/// What it takes to tell how many instances of two states differ, and nothing of what they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<String, [u8; 32]>);

impl Fingerprint {
    /// The fingerprint of a state. Data sources are not a part of it: they are read anew each time.
    pub fn of(state: &StateDocument) -> Self {
        let managed = state.instances().filter(Instance::is_managed);
        Self(
            managed
                .map(|instance| (instance.address(), instance.digest()))
                .collect(),
        )
    }

    /// What changed since the state with the other one.
    pub fn since(&self, before: &Self) -> InstanceChanges {
        let mut changes = InstanceChanges::default();
        for (address, digest) in &self.0 {
            match before.0.get(address) {
                None => changes.add += 1,
                Some(before) if before != digest => changes.change += 1,
                Some(_) => {}
            }
        }
        let gone = before.0.keys().filter(|each| !self.0.contains_key(*each));
        changes.destroy = gone.count();
        changes
    }
}

/// How each instance and each root output differs, in the order of the addresses. Values are
/// compared as they are, and told as `secrets` allows.
pub fn compare(
    before: &StateDocument,
    after: &StateDocument,
    secrets: &Secrets,
) -> (Vec<InstanceChange>, Vec<OutputChange>) {
    let (old, new) = (by_address(before), by_address(after));
    let mut instances = Vec::new();
    for address in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let action = match (old.contains_key(address), new.contains_key(address)) {
            (false, _) => Happened::Add,
            (_, false) => Happened::Destroy,
            _ => Happened::Change,
        };
        let (one, other) = (old.get(address), new.get(address));
        if one.map(Instance::digest) == other.map(Instance::digest) {
            continue;
        }
        let mut attributes = Vec::new();
        if let (Some(one), Some(other)) = (one, other) {
            for ((name, before), (_, after)) in one.traits().into_iter().zip(other.traits()) {
                if before != after {
                    attributes.push(ValueChange {
                        path: format!("({name})"),
                        values: Values {
                            before: before.clone(),
                            after: after.clone(),
                        },
                    });
                }
            }
        }
        let side = |instance: Option<&Instance<'_>>| {
            instance.map_or((Value::Null, Marks::None), |instance| {
                (instance.attributes().clone(), Marks::of(instance))
            })
        };
        let (one, other) = (side(one), side(other));
        let sides = Sides {
            before: (&one.0, &one.1),
            after: (&other.0, &other.1),
            secrets,
        };
        sides.walk("", &mut attributes);
        instances.push(InstanceChange {
            address: address.clone(),
            action,
            attributes,
        });
    }
    (instances, outputs(before, after, secrets))
}

fn by_address(state: &StateDocument) -> BTreeMap<String, Instance<'_>> {
    let instances = state.instances();
    instances.map(|each| (each.address(), each)).collect()
}

fn outputs(before: &StateDocument, after: &StateDocument, secrets: &Secrets) -> Vec<OutputChange> {
    let names: BTreeSet<&String> = before.outputs.keys().chain(after.outputs.keys()).collect();
    let changes = names.into_iter().filter_map(|name| {
        let (old, new) = (before.outputs.get(name), after.outputs.get(name));
        let action = match (old, new) {
            (None, _) => Happened::Add,
            (_, None) => Happened::Destroy,
            (Some(old), Some(new)) if old == new => return None,
            _ => Happened::Change,
        };
        // Sensitive on one side is sensitive.
        let sensitive = [old, new].into_iter().flatten().any(|each| each.sensitive);
        let shown = |output: Option<&Output>| {
            output.map_or(Value::Null, |output| {
                secrets.output(&Output {
                    sensitive,
                    ..output.clone()
                })
            })
        };
        Some(OutputChange {
            name: name.clone(),
            action,
            values: Values {
                before: shown(old),
                after: shown(new),
            },
        })
    });
    changes.collect()
}

/// One value in two states.
#[derive(Clone, Copy)]
struct Sides<'a> {
    before: (&'a Value, &'a Marks),
    after: (&'a Value, &'a Marks),
    secrets: &'a Secrets,
}

impl<'a> Sides<'a> {
    fn walk(self, path: &str, found: &mut Vec<ValueChange>) {
        if self.before.0 == self.after.0 {
            return;
        }
        let is_marked = *self.before.1 == Marks::All || *self.after.1 == Marks::All;
        if !is_marked && let Some(parts) = self.parts(path) {
            for (path, sides) in parts {
                sides.walk(&path, found);
            }
            return;
        }
        let shown = |(value, marks): (&Value, &Marks)| {
            let marks = if is_marked { &Marks::All } else { marks };
            self.secrets.masked(value, marks)
        };
        found.push(ValueChange {
            path: path.to_owned(),
            values: Values {
                before: shown(self.before),
                after: shown(self.after),
            },
        });
    }

    /// The parts of what is an object or an array on one side, and the same or nothing on the
    /// other; `None`: it is told as a whole.
    fn parts(self, path: &str) -> Option<Vec<(String, Self)>> {
        let parts: Vec<(String, Self)> = match (self.before.0, self.after.0) {
            (Value::Object(_) | Value::Null, Value::Object(_))
            | (Value::Object(_), Value::Null) => {
                let of = |value: &'a Value| value.as_object().into_iter().flat_map(|o| o.keys());
                let names: BTreeSet<&String> = of(self.before.0).chain(of(self.after.0)).collect();
                let parts = names.into_iter().map(|name| {
                    let part = |value: &'a Value| value.get(name).unwrap_or(&Value::Null);
                    (self.secrets.named(path, name), self.below(name, part))
                });
                parts.collect()
            }
            (Value::Array(_) | Value::Null, Value::Array(_)) | (Value::Array(_), Value::Null) => {
                let length = |value: &Value| value.as_array().map_or(0, Vec::len);
                let longest = length(self.before.0).max(length(self.after.0));
                let parts = (0..longest).map(|index| {
                    let part = |value: &'a Value| value.get(index).unwrap_or(&Value::Null);
                    let sides = self.below(&index.to_string(), part);
                    (format!("{path}[{index}]"), sides)
                });
                parts.collect()
            }
            _ => return None,
        };
        // Nothing to take apart: `tags: {}`.
        (!parts.is_empty()).then_some(parts)
    }

    fn below(self, name: &str, part: impl Fn(&'a Value) -> &'a Value) -> Self {
        let side = |(value, marks): (&'a Value, &'a Marks)| (part(value), marks.below(name));
        Self {
            before: side(self.before),
            after: side(self.after),
            secrets: self.secrets,
        }
    }
}

impl Secrets {
    /// A path and a name below it; names that are not plain words are quoted: `tags["a.b"]`. A
    /// key that is secret is not told.
    fn named(&self, path: &str, name: &str) -> String {
        let name = match self.masked(&Value::from(name), &Marks::None) {
            Value::String(shown) => shown,
            _ => MASK.to_owned(),
        };
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || !name.chars().all(plain) {
            format!("{path}[{}]", Value::from(name))
        } else if path.is_empty() {
            name
        } else {
            format!("{path}.{name}")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(resources: &Value, outputs: &Value) -> StateDocument {
        let state = json!({ "version": 4, "resources": resources, "outputs": outputs });
        StateDocument::parse(state.to_string().as_bytes()).unwrap()
    }

    fn instance(name: &str, attributes: &Value) -> Value {
        json!({ "mode": "managed", "type": "a", "name": name, "instances": [{
            "attributes": attributes,
            "sensitive_attributes": [[{ "type": "get_attr", "value": "pin" }]],
        }] })
    }

    fn both() -> (StateDocument, StateDocument) {
        let before = state(
            &json!([
                instance("gone", &json!({ "id": 1 })),
                instance("same", &json!({ "id": 2 })),
                instance(
                    "x",
                    &json!({
                        "id": 3, "pin": "1234", "copy": "1234", "tags": { "a.b": "old" }, "list": [1, 2],
                        "was": { "k": "v" },
                    })
                ),
            ]),
            &json!({
                "kept": { "value": 1 }, "open": { "value": "a" },
                "closed": { "value": "hunter2", "sensitive": true },
            }),
        );
        let after = state(
            &json!([
                instance("same", &json!({ "id": 2 })),
                instance(
                    "x",
                    &json!({
                        "id": 3, "pin": "5678", "copy": "5678", "tags": { "a.b": "new" }, "list": [1],
                        "was": null,
                    })
                ),
                instance("new", &json!({ "id": 4, "none": null })),
            ]),
            &json!({ "kept": { "value": 1 }, "open": { "value": "b" }, "closed": { "value": "x" } }),
        );
        (before, after)
    }

    fn lines(reveal: bool) -> Vec<String> {
        let (before, after) = both();
        let secrets = Secrets::of(&[&before, &after], reveal);
        let (instances, outputs) = compare(&before, &after, &secrets);
        let mut lines = Vec::new();
        for instance in instances {
            lines.push(format!("{:?} {}", instance.action, instance.address));
            for ValueChange { path, values } in instance.attributes {
                lines.push(format!("  {path}: {} → {}", values.before, values.after));
            }
        }
        for OutputChange { name, values, .. } in outputs {
            lines.push(format!(
                "output {name}: {} → {}",
                values.before, values.after
            ));
        }
        lines
    }

    #[test]
    fn a_difference_is_told_attribute_by_attribute_without_secrets() {
        assert_eq!(
            lines(false),
            [
                "Destroy a.gone",
                "  id: 1 → null",
                "Add a.new",
                "  id: null → 4",
                "Change a.x",
                "  copy: \"(sensitive value)\" → \"(sensitive value)\"",
                "  list[1]: 2 → null",
                "  pin: \"(sensitive value)\" → \"(sensitive value)\"",
                "  tags[\"a.b\"]: \"old\" → \"new\"",
                "  was.k: \"v\" → null",
                "output closed: \"(sensitive value)\" → \"(sensitive value)\"",
                "output open: \"a\" → \"b\"",
            ]
        );
        let revealed = lines(true).join("\n");
        assert!(revealed.contains("pin: \"1234\" → \"5678\""), "{revealed}");
        assert!(
            revealed.contains("closed: \"hunter2\" → \"x\""),
            "{revealed}"
        );
    }

    #[test]
    fn in_numbers_instances_count_and_data_sources_do_not() {
        let (before, mut after) = both();
        let count = |state: &StateDocument| Fingerprint::of(state).since(&Fingerprint::of(&before));
        let changes = InstanceChanges {
            add: 1,
            change: 1,
            destroy: 1,
        };
        assert_eq!(count(&after), changes);
        let data = json!({ "mode": "data", "type": "d", "name": "z", "instances": [{}] });
        after.resources.push(data);
        assert_eq!(count(&after), changes);
        assert_eq!(count(&before), InstanceChanges::default());
    }

    #[test]
    fn what_is_true_beside_the_attributes_differs_too() {
        let state = |provider: &str, version: u64, status: Value| {
            let instance = json!({
                "schema_version": version, "status": status, "attributes": { "id": "1" },
            });
            let state = json!({ "version": 4, "resources": [{
                "mode": "managed", "type": "a", "name": "x", "provider": provider,
                "instances": [instance],
            }] });
            StateDocument::parse(state.to_string().as_bytes()).unwrap()
        };
        let before = state("old", 1, Value::Null);
        let after = state("new", 2, json!("tainted"));
        let secrets = Secrets::of(&[&before, &after], false);
        let (resources, _) = compare(&before, &after, &secrets);
        let told: Vec<String> = resources[0]
            .attributes
            .iter()
            .map(|each| {
                format!(
                    "{}: {} {}",
                    each.path, each.values.before, each.values.after
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                r#"(provider): "old" "new""#,
                "(schema version): 1 2",
                r#"(status): null "tainted""#,
            ]
        );
        let changes = Fingerprint::of(&after).since(&Fingerprint::of(&before));
        assert_eq!(changes.change, 1);
    }

    #[test]
    fn equal_states_do_not_differ() {
        let (before, _) = both();
        let secrets = Secrets::of(&[&before], false);
        assert_eq!(
            compare(&before, &before, &secrets),
            (Vec::new(), Vec::new())
        );
    }
}
