//! What changes in one resource, attribute by attribute.
//!
//! `terraform show -json` gives values before and after, and beside them trees of the same shape
//! that say what is sensitive and what is not known yet. A value is masked as soon as *either*
//! side calls it, or anything that it is part of, sensitive. A provider may copy a sensitive argument into
//! an attribute that nothing marks (`terraform_data` does, from `input` to `output`), so a value
//! that contains a sensitive string of its resource is masked too.

use serde_json::Value;

use crate::model::AttributeChange;

const SENSITIVE: &str = "(sensitive value)";
const UNKNOWN: &str = "(known after apply)";
/// Shorter sensitive strings are not looked for in other values: they would be found everywhere.
const SHORTEST_SECRET: usize = 4;

/// The five trees of one change.
#[derive(Clone, Copy)]
pub(super) struct Trees<'a> {
    pub(super) before: &'a Value,
    pub(super) after: &'a Value,
    pub(super) unknown: &'a Value,
    pub(super) before_sensitive: &'a Value,
    pub(super) after_sensitive: &'a Value,
}

/// Each attribute that differs, in the order of the paths.
pub(super) fn changes(
    trees: Trees<'_>,
    replace_paths: &[Vec<Value>],
    secrets: &[String],
) -> Vec<AttributeChange> {
    let mut known = Known {
        created: trees.before.is_null(),
        forcing: replace_paths.iter().map(|path| dotted(path)).collect(),
        secrets: Vec::new(),
    };
    let others = Value::from(secrets.to_vec());
    collect(&others, &Value::Bool(true), &mut known.secrets);
    collect(trees.before, trees.before_sensitive, &mut known.secrets);
    collect(trees.after, trees.after_sensitive, &mut known.secrets);
    let mut found = Vec::new();
    walk("", trees, &known, &mut found);
    found
}

/// What is known of the whole resource.
struct Known {
    /// Whether there is nothing before: what nobody knows yet is then not worth a line.
    created: bool,
    /// Paths that force a replacement.
    forcing: Vec<String>,
    /// Its sensitive strings, as JSON without the quotes.
    secrets: Vec<String>,
}

/// Collects the strings that marks call sensitive, but for those too short to be secrets.
fn collect(value: &Value, marks: &Value, secrets: &mut Vec<String>) {
    match (value, marks) {
        (Value::String(text), Value::Bool(true)) if text.len() >= SHORTEST_SECRET => {
            secrets.push(
                Value::from(text.as_str())
                    .to_string()
                    .trim_matches('"')
                    .to_owned(),
            );
        }
        (Value::Object(parts), _) => {
            for (name, part) in parts {
                let below = if is_true(marks) {
                    Some(marks)
                } else {
                    marks.get(name)
                };
                collect(part, below.unwrap_or(&Value::Null), secrets);
            }
        }
        (Value::Array(parts), _) => {
            for (i, part) in parts.iter().enumerate() {
                let below = if is_true(marks) {
                    Some(marks)
                } else {
                    marks.get(i)
                };
                collect(part, below.unwrap_or(&Value::Null), secrets);
            }
        }
        _ => {}
    }
}

fn walk(path: &str, trees: Trees<'_>, known: &Known, found: &mut Vec<AttributeChange>) {
    let Trees {
        before,
        after,
        unknown,
        before_sensitive,
        after_sensitive,
    } = trees;
    let is_unknown = unknown == &Value::Bool(true);
    let masked = is_true(before_sensitive) || is_true(after_sensitive);
    let equal = before == after && !holds_true(unknown);
    if equal && (before.is_null() || holds_true(before_sensitive) == holds_true(after_sensitive)) {
        return;
    }
    // A force on a whole block is told where the block is not taken apart, and on each part
    // where it is.
    let forces_replacement = known.forcing.iter().any(|forced| covers(forced, path));
    if !masked && !is_unknown {
        if let Some(parts) = parts(path, trees) {
            for (path, trees) in parts {
                walk(&path, trees, known, found);
            }
            return;
        }
        if let (Some(before), Some(after)) = (document(before), document(after))
            && before != after
        {
            let nothing = &Value::Null;
            let trees = Trees {
                before: &before,
                after: &after,
                unknown: nothing,
                before_sensitive: nothing,
                after_sensitive: nothing,
            };
            walk(path, trees, known, found);
            return;
        }
    }
    let path = if path.is_empty() {
        "(all attributes)"
    } else {
        path
    };
    let mut change = AttributeChange {
        path: path.to_owned(),
        before: None,
        after: None,
        unknown: is_unknown,
        forces_replacement,
    };
    if equal {
        // Unequal marks brought it here; a plain part beside the marked one is no change.
        if masked {
            change.after = Some(format!("{SENSITIVE}, only its sensitivity changes"));
            found.push(change);
        }
        return;
    }
    if known.created && is_unknown {
        return;
    }
    if !before.is_null() {
        change.before = Some(shown(before, before_sensitive, masked, known));
    }
    change.after = Some(if is_unknown {
        UNKNOWN.to_owned()
    } else {
        shown(after, after_sensitive, masked, known)
    });
    found.push(change);
}

/// A JSON document in a string, such as a policy: what changes in it is told part by part.
fn document(value: &Value) -> Option<Value> {
    let document = serde_json::from_str(value.as_str()?).ok()?;
    matches!(document, Value::Object(_) | Value::Array(_)).then_some(document)
}

/// The parts of a value that is an object or an array on one side and the same or nothing on the
/// other. `None`: it is to be shown as a whole.
fn parts<'a>(path: &str, trees: Trees<'a>) -> Option<Vec<(String, Trees<'a>)>> {
    match (trees.before, trees.after) {
        (Value::Object(_) | Value::Null, Value::Object(_)) | (Value::Object(_), Value::Null) => {
            let mut names: Vec<&String> = Vec::new();
            for tree in [trees.before, trees.after, trees.unknown] {
                for name in tree
                    .as_object()
                    .into_iter()
                    .flat_map(|object| object.keys())
                {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
            names.sort_unstable();
            let parts = names.into_iter().map(|name| {
                let step = named(path, name);
                (step, trees.each(|tree| tree.get(name)))
            });
            Some(parts.collect::<Vec<_>>())
        }
        (Value::Array(_) | Value::Null, Value::Array(_)) | (Value::Array(_), Value::Null) => {
            let length = [trees.before, trees.after, trees.unknown]
                .into_iter()
                .filter_map(|tree| tree.as_array().map(Vec::len))
                .max()?;
            let parts =
                (0..length).map(|i| (format!("{path}[{i}]"), trees.each(|tree| tree.get(i))));
            Some(parts.collect())
        }
        _ => None,
    }
    // Nothing to take apart: `tags: {}`.
    .filter(|parts| !parts.is_empty())
}

impl<'a> Trees<'a> {
    fn each(self, part: impl Fn(&'a Value) -> Option<&'a Value>) -> Self {
        let of = |tree| part(tree).unwrap_or(&Value::Null);
        Self {
            before: of(self.before),
            after: of(self.after),
            unknown: of(self.unknown),
            before_sensitive: of(self.before_sensitive),
            after_sensitive: of(self.after_sensitive),
        }
    }
}

/// All of a value as text, on one line.
fn shown(value: &Value, sensitive: &Value, masked: bool, known: &Known) -> String {
    if value.is_null() {
        return "null".to_owned();
    }
    if masked || holds_true(sensitive) {
        return SENSITIVE.to_owned();
    }
    let text = value.to_string();
    if known.secrets.iter().any(|secret| text.contains(secret)) {
        return SENSITIVE.to_owned();
    }
    text
}

fn is_true(tree: &Value) -> bool {
    tree == &Value::Bool(true)
}

/// Whether anything in a tree of marks is marked.
pub(super) fn holds_true(tree: &Value) -> bool {
    match tree {
        Value::Bool(marked) => *marked,
        Value::Array(parts) => parts.iter().any(holds_true),
        Value::Object(parts) => parts.values().any(holds_true),
        _ => false,
    }
}

/// Whether `path` is what is forced, or a part of it.
fn covers(forced: &str, path: &str) -> bool {
    path.strip_prefix(forced)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn dotted(path: &[Value]) -> String {
    path.iter().fold(String::new(), |path, step| match step {
        Value::String(name) => named(&path, name),
        index => format!("{path}[{index}]"),
    })
}

/// Appends a name; names that are not plain words are quoted: `tags["a.b"]`.
fn named(path: &str, name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || !name.chars().all(plain) {
        format!("{path}[{}]", Value::from(name))
    } else if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(change: &AttributeChange) -> String {
        let AttributeChange {
            path,
            before,
            after,
            ..
        } = change;
        let after = after.as_deref().unwrap_or("nothing");
        match before {
            Some(before) => format!("{path}: {before} → {after}"),
            None => format!("{path}: {after}"),
        }
    }

    fn diff(
        before: &Value,
        after: &Value,
        unknown: &Value,
        was: &Value,
        is: &Value,
    ) -> Vec<String> {
        let trees = Trees {
            before,
            after,
            unknown,
            before_sensitive: was,
            after_sensitive: is,
        };
        changes(trees, &[], &[]).iter().map(told).collect()
    }

    #[test]
    fn only_what_changes_is_told_by_its_path() {
        let no = json!({});
        let before = json!({"id": "i", "tags": {"Name": "a", "a.b": "x"}, "ingress": [{"port": 80}], "gone": 1, "kind": [1]});
        let after = json!({"id": "i", "tags": {"Name": "b", "a.b": "y"}, "ingress": [{"port": 81}, {"port": 5}], "gone": null, "kind": "s"});
        assert_eq!(
            diff(&before, &after, &no, &no, &no),
            [
                "gone: 1 → null",
                "ingress[0].port: 80 → 81",
                "ingress[1].port: 5",
                "kind: [1] → \"s\"",
                "tags.Name: \"a\" → \"b\"",
                "tags[\"a.b\"]: \"x\" → \"y\"",
            ]
        );
    }

    #[test]
    fn either_side_may_call_a_value_or_its_whole_sensitive() {
        let no = json!({});
        let (before, after) = (json!({"a": {"b": "S1"}}), json!({"a": {"b": "S2"}}));
        for (was, is, path) in [
            (json!({"a": {"b": true}}), json!(false), "a.b"),
            (json!(false), json!({"a": {"b": true}}), "a.b"),
            (json!({"a": true}), json!({}), "a"),
            (json!({}), json!({"a": true}), "a"),
            (json!(true), json!({}), "(all attributes)"),
        ] {
            assert_eq!(
                diff(&before, &after, &no, &was, &is),
                [format!("{path}: {SENSITIVE} → {SENSITIVE}")]
            );
        }
        // Shown as a whole, a value is masked for any of its parts.
        let (text, unknown) = (json!({"a": "text"}), json!({"a": true}));
        let part = json!({"a": {"b": true}});
        assert_eq!(
            diff(&before, &text, &no, &part, &no),
            [format!("a: {SENSITIVE} → \"text\"")]
        );
        assert_eq!(
            diff(&before, &no, &unknown, &part, &no),
            [format!("a: {SENSITIVE} → {UNKNOWN}")]
        );
        // Equal values, of which one side is sensitive.
        assert_eq!(
            diff(&before, &before, &no, &part, &no),
            ["a.b: (sensitive value), only its sensitivity changes"]
        );
    }

    #[test]
    fn a_document_in_a_string_is_told_part_by_part() {
        let no = json!({});
        let before = json!({"policy": r#"{"Statement":[{"Effect":"Allow","Action":"s3:Get"}]}"#});
        let after = json!({"policy": r#"{"Statement":[{"Effect":"Allow","Action":"*"}]}"#});
        assert_eq!(
            diff(&before, &after, &no, &no, &no),
            ["policy.Statement[0].Action: \"s3:Get\" → \"*\""]
        );
        // Only its spelling changes: that is a change for Terraform, and for who reviews it.
        let (before, after) = (json!({"policy": "[1]"}), json!({"policy": "[ 1 ]"}));
        assert_eq!(
            diff(&before, &after, &no, &no, &no),
            ["policy: \"[1]\" → \"[ 1 ]\""]
        );
    }

    #[test]
    fn values_are_told_whole() {
        let no = json!({});
        let long = json!({"policy": "ä".repeat(200)});
        let [line] = &diff(&Value::Null, &long, &no, &no, &no)[..] else {
            panic!("one line");
        };
        assert_eq!(line.chars().count(), "policy: ".len() + 202);
    }
}
