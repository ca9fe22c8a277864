//! What changes in one resource, attribute by attribute.
//!
//! `terraform show -json` gives values before and after, and beside them trees of the same shape
//! that say what is sensitive and what is not known yet. A value is masked as soon as *either*
//! side calls it, or anything that it is part of, sensitive. A provider may copy a sensitive argument into
//! an attribute that nothing marks (`terraform_data` does, from `input` to `output`), so a value
//! that contains a sensitive string of its resource is masked too.

use serde_json::Value;

const SENSITIVE: &str = "(sensitive value)";
const UNKNOWN: &str = "(known after apply)";
/// Longer values are cut: a review needs to see that a policy changes, not all of it.
const LONGEST: usize = 80;
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

/// Lines of `path: before → after`; of `path: value` where there was nothing before.
pub(super) fn lines(
    trees: Trees<'_>,
    replace_paths: &[Vec<Value>],
    secrets: &[String],
) -> Vec<String> {
    let mut known = Known {
        created: trees.before.is_null(),
        forcing: replace_paths.iter().map(|path| dotted(path)).collect(),
        secrets: Vec::new(),
    };
    let others = Value::from(secrets.to_vec());
    collect(&others, &Value::Bool(true), &mut known.secrets);
    collect(trees.before, trees.before_sensitive, &mut known.secrets);
    collect(trees.after, trees.after_sensitive, &mut known.secrets);
    let mut lines = Vec::new();
    walk("", trees, &known, &mut lines);
    lines
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

fn walk(path: &str, trees: Trees<'_>, known: &Known, lines: &mut Vec<String>) {
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
    let mark = if known.forcing.iter().any(|forced| covers(forced, path)) {
        " # forces replacement"
    } else {
        ""
    };
    if !masked
        && !is_unknown
        && let Some(parts) = parts(path, trees)
    {
        for (path, trees) in parts {
            walk(&path, trees, known, lines);
        }
        return;
    }
    let path = if path.is_empty() {
        "(all attributes)"
    } else {
        path
    };
    if equal {
        // Unequal marks brought it here; a plain part beside the marked one is no change.
        if masked {
            lines.push(format!("{path}: {SENSITIVE}, only its sensitivity changes"));
        }
        return;
    }
    if known.created && is_unknown {
        return;
    }
    let old = shown(before, before_sensitive, masked, known);
    let new = if is_unknown {
        UNKNOWN.to_owned()
    } else {
        shown(after, after_sensitive, masked, known)
    };
    lines.push(if before.is_null() {
        format!("{path}: {new}{mark}")
    } else {
        format!("{path}: {old} → {new}{mark}")
    });
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

/// A value as text, on one line.
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
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
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
        lines(trees, &[], &[])
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
    fn long_values_are_cut_at_a_letter() {
        let no = json!({});
        let long = json!({"policy": "ä".repeat(200)});
        let [line] = &diff(&Value::Null, &long, &no, &no, &no)[..] else {
            panic!("one line");
        };
        assert_eq!(line.chars().count(), "policy: ".len() + LONGEST + 1);
        assert!(line.ends_with('…'));
    }
}
