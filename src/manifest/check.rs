//! Holds a document against the schema: unknown keys, wrong types, values out of range.
//!
//! What is wrong is reported and becomes [`Value::Invalid`], so that everything after this can rely
//! on the schema and no mistake is reported twice.

use serde_json::{Map, Value as Json};

use super::problem::{Collector, Problem, list};
use super::source::Span;
use super::suggest::nearest;
use super::tree::{Entry, Node, Table, Value};
use super::{raw, schema};
use crate::model::{AccountId, EnvironmentName};

/// Checks a whole document.
pub(super) fn check(document: &mut Table, problems: &mut Collector) {
    let checker = Checker {
        root: schema::checked(),
    };
    checker.table(document, checker.root, &mut Vec::new(), problems);
}

struct Checker<'a> {
    root: &'a Json,
}

/// The keys that lead to a place, from the top.
type Path = Vec<String>;

impl Checker<'_> {
    fn table(&self, table: &mut Table, schema: &Json, path: &mut Path, problems: &mut Collector) {
        let properties = object(schema, "properties");
        let patterns = object(schema, "patternProperties");
        let mut meant = Vec::new();
        for (key, entry) in table.iter_mut() {
            let own = properties.and_then(|known| known.get(key));
            let inner = match (own, patterns, schema.get("additionalProperties")) {
                (None, Some(patterns), _) => {
                    let named = patterns.iter().find(|(pattern, _)| matches(pattern, key));
                    let Some((_, inner)) = named else {
                        problems.add(bad_name(key, &entry.key, path));
                        entry.node.value = Value::Invalid;
                        continue;
                    };
                    inner
                }
                (None, None, Some(Json::Bool(false))) => {
                    let known = properties
                        .into_iter()
                        .flat_map(Map::keys)
                        .map(String::as_str);
                    let found = nearest(key, known);
                    meant.extend(found.map(|name| (name.to_owned(), entry.key.clone())));
                    problems.add(self.unknown_key(key, &entry.key, found, properties, path));
                    entry.node.value = Value::Invalid;
                    continue;
                }
                (Some(inner), _, _) | (None, None, Some(inner)) => inner,
                (None, None, None) => continue,
            };
            path.push(key.clone());
            self.node(key, &mut entry.node, inner, path, problems);
            path.pop();
        }
        for (name, key) in meant {
            // The misspelt key counts as the one that was meant: it is not missing as well.
            let span = key.clone();
            table.entry(name).or_insert(Entry {
                key,
                node: Node {
                    value: Value::Invalid,
                    span,
                },
            });
        }
        for name in schema
            .get("required")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(name) = name.as_str().filter(|name| !table.contains_key(*name)) {
                problems.add(missing(name));
            }
        }
    }

    fn node(
        &self,
        key: &str,
        node: &mut Node,
        schema: &Json,
        path: &mut Path,
        problems: &mut Collector,
    ) {
        if matches!(node.value, Value::Invalid) {
            return;
        }
        let branches = schema.get("anyOf").and_then(Json::as_array);
        let schemas = branches.map_or(std::slice::from_ref(schema), Vec::as_slice);
        let Some(schema) = schemas.iter().find(|schema| accepts(schema, &node.value)) else {
            problems.add(wrong_type(key, node, schemas));
            node.value = Value::Invalid;
            return;
        };
        let mut wrong = None;
        match &mut node.value {
            Value::Table(table) => self.table(table, schema, path, problems),
            Value::Array(items) => {
                if let Some(inner) = schema.get("items") {
                    for item in items {
                        self.node(key, item, inner, path, problems);
                    }
                }
            }
            // `""` unsets an inherited string, whatever else the string must look like.
            Value::String(text) if !text.is_empty() => {
                wrong = bad_text(key, text, &node.span, schema);
            }
            Value::Integer(number) => {
                let minimum = schema.get("minimum").and_then(Json::as_i64);
                wrong = minimum.filter(|minimum| *number < *minimum).map(|minimum| {
                    Problem::error(format!("`{key}` must be at least {minimum}")).at(&node.span)
                });
            }
            _ => {}
        }
        if let Some(problem) = wrong {
            problems.add(problem);
            node.value = Value::Invalid;
        }
    }

    fn unknown_key(
        &self,
        key: &str,
        span: &Span,
        found: Option<&str>,
        known: Option<&Map<String, Json>>,
        path: &Path,
    ) -> Problem {
        let problem = Problem::error(format!("unknown key `{key}`")).at(span);
        let in_backend = path.last().is_some_and(|table| table == "backend");
        if let Some(found) = found {
            return problem.label(format!("did you mean `{found}`?"));
        }
        if let Some(place) = self.place_of(key, path) {
            return problem.hint(format!("`{key}` belongs in `[{place}]`"));
        }
        if in_backend {
            return problem.hint(match key {
                "access_key" | "secret_key" | "token" => {
                    "credentials come from `credentials` and `assume_role`, and never stand in a file"
                }
                _ => "other arguments of Terraform's backend belong in `backend.options`",
            });
        }
        let names: Vec<&str> = known
            .into_iter()
            .flat_map(Map::keys)
            .map(String::as_str)
            .collect();
        match names.as_slice() {
            [] => problem,
            names => problem.hint(format!(
                "known here: {}",
                list(
                    names
                        .iter()
                        .copied()
                        .filter(|name| *name != "$schema")
                        .collect::<Vec<_>>()
                        .into_iter(),
                    16
                )
            )),
        }
    }

    /// The table nearest to `path` in which a key of this name may stand.
    fn place_of(&self, key: &str, path: &Path) -> Option<String> {
        let mut places = Vec::new();
        tables(self.root, &mut Vec::new(), &mut |place, properties| {
            if properties.contains_key(key) {
                places.push(place.to_vec());
            }
        });
        let shared = |place: &[String]| {
            place
                .iter()
                .zip(path)
                .take_while(|(a, b)| a == b || a.as_str() == ANY)
                .count()
        };
        places
            .into_iter()
            .filter(|place| !place.is_empty())
            .min_by_key(|place| (usize::MAX - shared(place), place.len()))
            .map(|mut place| {
                for (index, name) in place
                    .iter_mut()
                    .enumerate()
                    .filter(|(_, name)| *name == ANY)
                {
                    *name = path
                        .get(index)
                        .filter(|_| path.first().is_some_and(|first| first == "environments"))
                        .cloned()
                        .unwrap_or_else(|| if index > 1 { "STACK" } else { "NAME" }.to_owned());
                }
                place.join(".")
            })
    }
}

/// Stands for any name in the path of a table.
const ANY: &str = "*";

/// Takes the path of a table and its properties.
type Visit<'v> = dyn FnMut(&[String], &Map<String, Json>) + 'v;

/// Visits every table of the schema.
fn tables(schema: &Json, path: &mut Path, visit: &mut Visit<'_>) {
    if let Some(properties) = object(schema, "properties") {
        visit(path, properties);
        for (name, inner) in properties {
            path.push(name.clone());
            tables(inner, path, visit);
            path.pop();
        }
    }
    for inner in object(schema, "patternProperties")
        .into_iter()
        .flat_map(Map::values)
    {
        path.push(ANY.to_owned());
        tables(inner, path, visit);
        path.pop();
    }
    let branches = schema.get("anyOf").and_then(Json::as_array);
    for branch in branches.into_iter().flatten() {
        tables(branch, path, visit);
    }
}

fn object<'a>(schema: &'a Json, key: &str) -> Option<&'a Map<String, Json>> {
    schema.get(key).and_then(Json::as_object)
}

/// Whether a value has the type that a schema asks for; one that asks for none takes any.
fn accepts(schema: &Json, value: &Value) -> bool {
    match schema.get("type").and_then(Json::as_str) {
        None => true,
        Some("string") => matches!(value, Value::String(_)),
        Some("integer") => matches!(value, Value::Integer(_)),
        Some("number") => matches!(value, Value::Integer(_) | Value::Float(_)),
        Some("boolean") => matches!(value, Value::Boolean(_)),
        Some("array") => matches!(value, Value::Array(_)),
        Some(_) => matches!(value, Value::Table(_)),
    }
}

/// The patterns of the schema, all of which [`raw`] declares. An unknown one holds nothing back.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern {
        raw::NAME => EnvironmentName::new(text).is_ok(),
        raw::ACCOUNT_ID => AccountId::new(text).is_ok(),
        _ => true,
    }
}

fn bad_text(key: &str, text: &str, span: &Span, schema: &Json) -> Option<Problem> {
    if let Some(values) = schema.get("enum").and_then(Json::as_array) {
        let values: Vec<&str> = values.iter().filter_map(Json::as_str).collect();
        if values.contains(&text) {
            return None;
        }
        let names: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        let mut problem =
            Problem::error(format!("`{key}` must be {}", names.join(" or "))).at(span);
        problem.label = nearest(text, values).map(|found| format!("did you mean `{found}`?"));
        return Some(problem);
    }
    let pattern = schema.get("pattern").and_then(Json::as_str)?;
    let expected = match pattern {
        raw::ACCOUNT_ID => AccountId::EXPECTED,
        _ => EnvironmentName::EXPECTED,
    };
    (!matches(pattern, text))
        .then(|| Problem::error(format!("`{text}` is not {expected}")).at(span))
}

fn wrong_type(key: &str, node: &Node, schemas: &[Json]) -> Problem {
    let expected: Vec<&str> = schemas
        .iter()
        .map(|schema| match schema.get("type").and_then(Json::as_str) {
            Some("string") => "a string",
            Some("integer") => "an integer",
            Some("boolean") => "a boolean",
            Some("array") => "an array",
            _ => "a table",
        })
        .collect();
    let hint = match (&node.value, expected.as_slice()) {
        (Value::Integer(number), ["a string"]) => Some(format!("put it in quotes: \"{number}\"")),
        (Value::Float(number), ["a string"]) => Some(format!("put it in quotes: \"{number}\"")),
        (Value::Boolean(value), ["a string"]) => Some(format!("put it in quotes: \"{value}\"")),
        (Value::String(name), ["a table"]) if key == "bucket" => Some(format!(
            "this table says what the bucket must be like; its name is `backend.bucket = \"{name}\"`"
        )),
        (Value::String(text), ["an array"]) => Some(format!("put it in brackets: [\"{text}\"]")),
        (Value::String(text), ["a boolean"]) if matches!(text.as_str(), "true" | "false") => {
            Some(format!("write it without quotes: {text}"))
        }
        (Value::String(text), ["an integer"]) if text.parse::<i64>().is_ok() => {
            Some(format!("write it without quotes: {text}"))
        }
        _ => None,
    };
    Problem::error(format!("`{key}` must be {}", expected.join(" or ")))
        .at(&node.span)
        .label(format!("found {}", node.value.kind()))
        .maybe_hint(hint)
}

fn bad_name(key: &str, span: &Span, path: &Path) -> Problem {
    let what = match path.last().map(String::as_str) {
        Some("environments") => "an environment",
        _ => "a stack",
    };
    Problem::error(format!("`{key}` cannot be the name of {what}"))
        .at(span)
        .label("letters, digits, `_` and `-`, not starting with a sign")
}

fn missing(name: &str) -> Problem {
    let problem = Problem::error(format!("`{name}` is missing"));
    match name {
        "environments" => problem.hint(
            "a manifest has at least one environment:\n\n[environments.dev]\naccount_id = \"111111111111\"",
        ),
        _ => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_of_the_schema_is_known_here() {
        fn patterns(schema: &Json, found: &mut Vec<String>) {
            match schema {
                Json::Object(object) => {
                    if let Some(Json::String(pattern)) = object.get("pattern") {
                        found.push(pattern.clone());
                    }
                    if let Some(Json::Object(named)) = object.get("patternProperties") {
                        found.extend(named.keys().cloned());
                    }
                    object.values().for_each(|inner| patterns(inner, found));
                }
                Json::Array(items) => items.iter().for_each(|inner| patterns(inner, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        patterns(schema::checked(), &mut found);
        assert!(!found.is_empty());
        for pattern in found {
            assert!(
                !matches(&pattern, "not valid!"),
                "{pattern} holds nothing back"
            );
        }
    }
}
