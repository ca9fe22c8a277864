//! Merges what a unit inherits: `[defaults]`, then its environment, then its stack.
//!
//! Tables merge key by key; everything else replaces. Nothing is copied: the result points into the
//! document, and each value in it still knows its place and its layer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Number, Value as Json};

use super::expand::{ExpandError, Scope, expand};
use super::source::Span;
use super::tree::{Node, Table, Value};

/// Where a value was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    Defaults,
    Environment,
    Stack,
}

/// A value after merging.
#[derive(Debug, Clone)]
pub(super) enum Merged<'a> {
    Leaf(Leaf<'a>),
    Table(Entries<'a>),
}

/// The entries of a merged table.
pub(super) type Entries<'a> = BTreeMap<&'a str, Merged<'a>>;

/// A value that replaces what was inherited.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf<'a> {
    pub(super) node: &'a Node,
    pub(super) key: &'a Span,
    pub(super) layer: Layer,
}

/// Merges the settings of some layers, the strongest last. Other keys are left out.
pub(super) fn merge<'a>(layers: &[(Layer, &'a Table)], settings: &BTreeSet<&str>) -> Entries<'a> {
    let mut merged = Entries::new();
    for (layer, table) in layers {
        for (key, entry) in table
            .iter()
            .filter(|(key, _)| settings.contains(key.as_str()))
        {
            let new = build(&entry.node, &entry.key, *layer);
            match (merged.get_mut(key.as_str()), new) {
                (Some(Merged::Table(old)), Merged::Table(new)) if !replaces(key, old, &new) => {
                    merge_into(old, new);
                }
                (_, new) => {
                    merged.insert(key, new);
                }
            }
        }
    }
    merged
}

/// Whether a table replaces the inherited one whole: another type of backend has other keys, and
/// another role's external id must not travel along.
fn replaces(key: &str, old: &Entries<'_>, new: &Entries<'_>) -> bool {
    match key {
        "backend" => match (text(old, "type"), text(new, "type")) {
            (Some(old), Some(new)) => old != new,
            _ => false,
        },
        "assume_role" => new.contains_key("role_arn"),
        _ => false,
    }
}

fn text<'a>(entries: &Entries<'a>, key: &str) -> Option<&'a str> {
    match entries.get(key) {
        Some(Merged::Leaf(leaf)) => leaf.node.value.as_str(),
        _ => None,
    }
}

fn merge_into<'a>(old: &mut Entries<'a>, new: Entries<'a>) {
    for (key, new) in new {
        match (old.get_mut(key), new) {
            (Some(Merged::Table(old)), Merged::Table(new)) => merge_into(old, new),
            (_, new) => {
                old.insert(key, new);
            }
        }
    }
}

fn build<'a>(node: &'a Node, key: &'a Span, layer: Layer) -> Merged<'a> {
    match &node.value {
        Value::Table(table) => Merged::Table(
            table
                .iter()
                .map(|(name, entry)| (name.as_str(), build(&entry.node, &entry.key, layer)))
                .collect(),
        ),
        _ => Merged::Leaf(Leaf { node, key, layer }),
    }
}

/// Looks a value up.
pub(super) fn find<'m, 'a>(entries: &'m Entries<'a>, path: &[&str]) -> Option<&'m Merged<'a>> {
    let (last, tables) = path.split_last()?;
    let mut entries = entries;
    for name in tables {
        match entries.get(*name)? {
            Merged::Table(inner) => entries = inner,
            // Something wrong stands in the table's place, and stands for all that is in it.
            leaf @ Merged::Leaf(Leaf { node, .. }) if matches!(node.value, Value::Invalid) => {
                return Some(leaf);
            }
            Merged::Leaf(_) => return None,
        }
    }
    entries.get(*last)
}

impl<'a> Merged<'a> {
    /// The value that was set last in it: for a table, that of its strongest layer.
    pub(super) fn latest(&self) -> Option<Leaf<'a>> {
        match self {
            Self::Leaf(leaf) => Some(*leaf),
            Self::Table(entries) => entries
                .values()
                .filter_map(Self::latest)
                .max_by_key(|leaf| leaf.layer as u8),
        }
    }
}

/// Turns merged values into JSON, with placeholders expanded.
pub(super) struct Expander<'s, F> {
    /// What placeholders stand for.
    pub(super) scope: Scope<'s>,
    /// Told of every text that does not expand.
    pub(super) report: F,
    /// Dotted paths of what is wrong and was left out.
    pub(super) invalid: BTreeSet<String>,
}

impl<F: FnMut(&Node, &ExpandError)> Expander<'_, F> {
    /// The values of all settings. `""` is left out: it unsets what was inherited. In tables whose
    /// keys people choose it is a value like any other.
    pub(super) fn settings(&mut self, entries: &Entries<'_>) -> Json {
        Json::Object(self.entries(entries, ""))
    }

    fn entries(&mut self, entries: &Entries<'_>, path: &str) -> Map<String, Json> {
        let free = matches!(path, "vars" | "env" | "backend.options")
            || path.starts_with("vars.")
            || path.starts_with("backend.options.");
        let mut object = Map::new();
        for (name, merged) in entries {
            let path = if path.is_empty() {
                (*name).to_owned()
            } else {
                format!("{path}.{name}")
            };
            let value = match merged {
                Merged::Table(entries) => Some(Json::Object(self.entries(entries, &path))),
                Merged::Leaf(leaf) if !free && leaf.node.value.as_str() == Some("") => None,
                Merged::Leaf(leaf) => self.node(leaf.node, &path),
            };
            if let Some(value) = value {
                object.insert((*name).to_owned(), value);
            }
        }
        object
    }

    /// One value; `None`, and noted as invalid, where it is wrong.
    pub(super) fn node(&mut self, node: &Node, path: &str) -> Option<Json> {
        let value = match &node.value {
            Value::String(text) => match expand(text, &self.scope) {
                Ok(text) => Some(Json::String(text.into_owned())),
                Err(error) => {
                    (self.report)(node, &error);
                    None
                }
            },
            Value::Integer(number) => Some(Json::from(*number)),
            Value::Float(number) => Number::from_f64(*number).map(Json::Number),
            Value::Boolean(value) => Some(Json::Bool(*value)),
            Value::Array(items) => {
                let values: Vec<Option<Json>> =
                    items.iter().map(|item| self.node(item, path)).collect();
                // One wrong item spoils the array, but all wrong ones are reported.
                values
                    .into_iter()
                    .collect::<Option<Vec<_>>>()
                    .map(Json::Array)
            }
            Value::Table(table) => {
                let mut object = Map::new();
                for (name, entry) in table {
                    if let Some(value) = self.node(&entry.node, path) {
                        object.insert(name.clone(), value);
                    }
                }
                Some(Json::Object(object))
            }
            Value::Invalid => None,
        };
        if value.is_none() {
            self.invalid.insert(path.to_owned());
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use serde_json::json;

    use super::super::expand::Slot;
    use super::super::problem::Collector;
    use super::super::source::Source;
    use super::super::tree;
    use super::*;

    /// Merges three documents and expands the result.
    fn merged(defaults: &str, environment: &str, stack: &str) -> Json {
        let tables = [defaults, environment, stack].map(|text| {
            let source = Source::new(Path::new("/x"), None, text.to_owned());
            let mut problems = Collector::new(Arc::new(source));
            tree::parse(text, &mut problems).expect("valid TOML")
        });
        let layers = [
            (Layer::Defaults, &tables[0]),
            (Layer::Environment, &tables[1]),
            (Layer::Stack, &tables[2]),
        ];
        let keys = [
            "region",
            "vars",
            "var_files",
            "env",
            "backend",
            "assume_role",
        ];
        let entries = merge(&layers, &BTreeSet::from(keys));
        let mut expander = Expander {
            scope: Scope {
                environment: "dev",
                stack: None,
                account_id: Slot::Missing,
                region: Slot::Missing,
            },
            report: |_: &Node, error: &ExpandError| panic!("{error:?}"),
            invalid: BTreeSet::new(),
        };
        expander.settings(&entries)
    }

    #[test]
    fn tables_merge_and_the_rest_replaces() {
        for (defaults, environment, stack, expected) in [
            ("region = 'a'", "", "region = 'b'", json!({"region": "b"})),
            ("region = 'a'", "region = ''", "", json!({})),
            ("region = ''", "", "", json!({})),
            ("path = 'not a setting'", "", "", json!({})),
            (
                "vars = { a = 1, b = { c = 1, d = 2 } }",
                "vars = { b = { c = 3 } }",
                "vars.e = ''",
                json!({"vars": {"a": 1, "b": {"c": 3, "d": 2}, "e": ""}}),
            ),
            (
                "vars.a = { b = 1 }",
                "vars.a = 2",
                "",
                json!({"vars": {"a": 2}}),
            ),
            (
                "vars.a = 2",
                "vars.a = { b = 1 }",
                "",
                json!({"vars": {"a": {"b": 1}}}),
            ),
            (
                "var_files = ['a', 'b']",
                "var_files = ['c']",
                "",
                json!({"var_files": ["c"]}),
            ),
            (
                "env = { A = 'x' }",
                "env = { A = '' }",
                "",
                json!({"env": {"A": ""}}),
            ),
            (
                "region = '{environment}-1'",
                "",
                "",
                json!({"region": "dev-1"}),
            ),
        ] {
            assert_eq!(
                merged(defaults, environment, stack),
                expected,
                "{environment}"
            );
        }
    }

    #[test]
    fn a_backend_of_another_type_replaces_the_inherited_one() {
        let s3 = "backend = { type = 's3', bucket = 'b', options = { a = 1 } }";
        for (environment, expected) in [
            ("backend = { type = 'local' }", json!({"type": "local"})),
            (
                "backend = { type = 's3', key = 'k' }",
                json!({"type": "s3", "bucket": "b", "key": "k", "options": {"a": 1}}),
            ),
            (
                "backend = { options = { a = '' } }",
                json!({"type": "s3", "bucket": "b", "options": {"a": ""}}),
            ),
        ] {
            assert_eq!(merged(s3, environment, "")["backend"], expected);
        }
        let none = merged(
            "backend = { bucket = 'b' }",
            "backend = { type = 's3' }",
            "",
        );
        assert_eq!(none["backend"], json!({"type": "s3", "bucket": "b"}));
    }

    #[test]
    fn a_role_does_not_inherit_the_external_id_of_another() {
        let role = "assume_role = { role_arn = 'a', external_id = 'secret' }";
        for (environment, expected) in [
            ("assume_role = { role_arn = 'b' }", json!({"role_arn": "b"})),
            ("assume_role = { role_arn = '' }", json!({})),
            ("assume_role = []", json!([])),
            (
                "assume_role = { duration = '1h' }",
                json!({"role_arn": "a", "external_id": "secret", "duration": "1h"}),
            ),
        ] {
            assert_eq!(merged(role, environment, "")["assume_role"], expected);
        }
    }
}
