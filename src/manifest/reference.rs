//! The manifest reference, `docs/manifest.md`: every key, from the JSON Schema, between an
//! introduction and worked examples.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use super::schema;

const INTRODUCTION: &str = include_str!("reference/introduction.md");
const EXAMPLES: &str = include_str!("reference/examples.md");

/// Where settings may stand.
const LAYERS: [&str; 3] = [
    "defaults",
    "environments.NAME",
    "environments.NAME.stacks.STACK",
];

/// The reference in Markdown.
pub fn reference() -> String {
    let schema = schema::checked();
    let settings = properties(at(schema, "defaults"));
    let environment = named(at(schema, "environments"));
    let stack = named(at(environment, "stacks"));
    let own = |schema: &Json| -> Map<String, Json> {
        let keys = properties(schema).into_iter();
        keys.filter(|(key, _)| !settings.contains_key(key))
            .collect()
    };

    let mut text = String::from(
        "<!-- Written by `cargo xtask docs` from the manifest's schema; do not edit. -->\n\n",
    );
    text.push_str(INTRODUCTION);
    text.push_str("\n## Keys\n");
    let top = properties(schema).into_iter();
    let top: Map<String, Json> = top.filter(|(_, schema)| !is_table(schema)).collect();
    table(&mut text, "At the top of the file", None, &top);
    for name in ["project", "terraform"] {
        let schema = at(schema, name);
        table(
            &mut text,
            &format!("`[{name}]`"),
            about(schema),
            &properties(schema),
        );
    }
    let heading = "`[environments.NAME]`";
    table(&mut text, heading, about(environment), &own(environment));
    let heading = "`[environments.NAME.stacks.STACK]`";
    table(&mut text, heading, about(stack), &own(stack));

    let [defaults, environment, stack] = LAYERS;
    let _ = write!(
        text,
        "\n### Settings\n\nThey may stand in `[{defaults}]`, in `[{environment}]` and in `[{stack}]`; \
         the later place wins.\n"
    );
    let (tables, plain): (Map<String, Json>, Map<String, Json>) = settings
        .into_iter()
        .partition(|(_, schema)| is_table(schema));
    rows(&mut text, &plain);
    for (name, schema) in &tables {
        let heading = format!("`{name}`");
        let inner = keys_of(schema);
        table(&mut text, &heading, about(schema), &inner);
        let _ = write!(
            text,
            "\nAs a table: `[{defaults}.{name}]`, `[{environment}.{name}]` or `[{stack}.{name}]`.\n"
        );
    }
    text.push('\n');
    text.push_str(EXAMPLES);
    text
}

/// One table of the manifest.
fn table(text: &mut String, heading: &str, about: Option<&str>, keys: &Map<String, Json>) {
    let _ = write!(text, "\n### {heading}\n");
    if let Some(about) = about {
        let _ = write!(text, "\n{about}\n");
    }
    rows(text, keys);
}

fn rows(text: &mut String, keys: &Map<String, Json>) {
    text.push_str("\n| key | type | default | what it is |\n|---|---|---|---|\n");
    for (key, schema) in keys {
        // A table with keys of its own has a section of its own.
        let (description, default) = split_default(about(schema).unwrap_or_default());
        let examples: Vec<String> = schema
            .get("examples")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
            .map(|example| format!("`{}`", toml(example)))
            .collect();
        let example = match examples.as_slice() {
            [] => String::new(),
            examples => format!(" Example: {}", examples.join(", ")),
        };
        let _ = writeln!(
            text,
            "| `{key}` | {} | {} | {}{} |",
            kind(schema),
            cell(default.unwrap_or_default()),
            cell(description),
            cell(&example)
        );
    }
}

/// A description, and what stands after its `Default:`.
fn split_default(text: &str) -> (&str, Option<&str>) {
    match text.split_once("Default: ") {
        Some((description, default)) => {
            (description.trim_end(), Some(default.trim_end_matches('.')))
        }
        None => (text, None),
    }
}

/// What kind of value a key takes.
fn kind(schema: &Json) -> String {
    if let Some(values) = schema.get("enum").and_then(Json::as_array) {
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        return values.join(" or ");
    }
    match schema.get("type").and_then(Json::as_str) {
        Some("array") => "array of strings".to_owned(),
        Some("object") if schema.get("patternProperties").is_some() => "tables".to_owned(),
        Some("object") => match schema.pointer("/additionalProperties/type") {
            Some(_) => "table of strings".to_owned(),
            None => "table".to_owned(),
        },
        Some(name) => name.to_owned(),
        None => "table".to_owned(),
    }
}

/// A value as TOML writes it in one line.
fn toml(value: &Json) -> String {
    match value {
        Json::Object(object) => {
            let entries: Vec<String> = object
                .iter()
                .map(|(key, value)| format!("{key} = {}", toml(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(toml).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// Text in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn about(schema: &Json) -> Option<&str> {
    schema.get("description").and_then(Json::as_str)
}

/// Whether a key holds a table whose keys tfw knows.
fn is_table(schema: &Json) -> bool {
    !keys_of(schema).is_empty() || schema.get("patternProperties").is_some()
}

/// The keys of a table, or of each table in an array of tables.
fn keys_of(schema: &Json) -> Map<String, Json> {
    let branches = schema.get("anyOf").and_then(Json::as_array);
    let first = branches.and_then(|branches| branches.first());
    properties(first.unwrap_or(schema))
}

fn properties(schema: &Json) -> Map<String, Json> {
    let properties = schema.get("properties").and_then(Json::as_object);
    properties.cloned().unwrap_or_default()
}

/// The schema of a key.
fn at<'a>(schema: &'a Json, key: &str) -> &'a Json {
    &schema["properties"][key]
}

/// The schema of tables whose names people choose.
fn named(schema: &Json) -> &Json {
    let patterns = schema.get("patternProperties").and_then(Json::as_object);
    patterns
        .and_then(|patterns| patterns.values().next())
        .unwrap_or(&Json::Null)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Repository;
    use super::*;

    /// The folders and variables that the examples speak of.
    fn repository() -> Repository {
        let variables: String = [
            "owner",
            "vpc_id",
            "zone_id",
            "name",
            "replicas",
            "cidr_block",
        ]
        .map(|name| format!("variable \"{name}\" {{}}\n"))
        .concat();
        let repository = Repository::new(&[("common.tfvars", "")]);
        let modules = [
            "dev",
            "prod",
            "staging",
            "dns",
            "shared",
            "prod/network",
            "prod/eks",
            "dev/network",
            "dev/app",
            "prod/app",
            "stacks/network",
            "stacks/app",
        ];
        for module in modules {
            let outputs = "output \"vpc_id\" { value = 1 }\noutput \"zone_id\" { value = 1 }\n";
            repository.file(
                &format!("{module}/main.tf"),
                &format!("{variables}{outputs}"),
            );
        }
        repository
    }

    #[test]
    fn every_manifest_in_it_is_right() {
        let repository = repository();
        let text = reference();
        let blocks: Vec<&str> = text
            .split("```toml\n")
            .skip(1)
            .filter_map(|block| block.split("```").next())
            .collect();
        assert!(blocks.len() >= 5, "{}", blocks.len());
        for block in blocks {
            repository.manifest(block);
        }
    }

    #[test]
    fn every_key_of_the_schema_stands_in_it() {
        fn visit(schema: &Json, text: &str, count: &mut usize) {
            let inner = keys_of(schema);
            for (key, schema) in &inner {
                let is_section = text.contains(&format!("### `{key}`\n"))
                    || text.contains(&format!("### `[{key}]`\n"))
                    || matches!(key.as_str(), "defaults" | "environments" | "stacks");
                assert!(
                    is_section || text.contains(&format!("| `{key}` | ")),
                    "`{key}` is not in the reference"
                );
                *count += 1;
                visit(schema, text, count);
            }
            if schema.get("patternProperties").is_some() {
                visit(named(schema), text, count);
            }
        }
        let (text, mut count) = (reference(), 0);
        visit(schema::checked(), &text, &mut count);
        assert!(count > 50, "{count} keys in all places");
        let in_rows = text.lines().filter(|line| line.starts_with("| `"));
        for row in in_rows {
            assert!(!row.contains("Default: "), "a default has a column: {row}");
        }
    }

    #[test]
    fn values_are_written_as_toml() {
        let value = serde_json::json!({ "a": ["x", 1], "b": { "c": true } });
        assert_eq!(toml(&value), "{ a = [\"x\", 1], b = { c = true } }");
        assert_eq!(
            split_default("How long. Default: `0s`."),
            ("How long.", Some("`0s`"))
        );
    }
}
