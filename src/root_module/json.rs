//! Reads a `*.tf.json` file.
//!
//! In Terraform's JSON syntax a block is an object whose keys are its labels, and wherever a block
//! may stand an array of them may stand too
//! (<https://developer.hashicorp.com/terraform/language/syntax/json>).

use std::path::Path;

use serde_json::{Map, Value};

use super::files::Lines;
use super::part::{Part, VariablePart};
use super::{BackendBlock, Location, ModuleCall, ReadError};

/// What one file says.
pub(super) fn part(path: &Path, text: &str) -> Result<Part, ReadError> {
    let document = object(path, text)?;
    let file = File { path, text };
    let mut part = Part::default();
    for (keyword, value) in &document {
        match keyword.as_str() {
            "terraform" => blocks(value).for_each(|body| file.terraform(body, &mut part)),
            "variable" => {
                for (name, body) in labelled(value) {
                    part.variables
                        .push((name.clone(), file.variable(name, body)));
                }
            }
            "module" => {
                for (name, body) in labelled(value) {
                    part.modules.push((name.clone(), file.module(name, body)));
                }
            }
            "provider" => blocks(value)
                .flat_map(Map::keys)
                .for_each(|name| part.names_provider(name)),
            "resource" | "data" | "ephemeral" => {
                for (resource_type, named) in labelled(value) {
                    for body in named.values().flat_map(blocks) {
                        match body.get("provider").and_then(Value::as_str) {
                            Some(provider) => part.names_provider(provider),
                            None => part.implies(resource_type),
                        }
                    }
                }
            }
            _ => {}
        }
    }
    Ok(part)
}

/// Parses a file that must hold an object.
pub(super) fn object(path: &Path, text: &str) -> Result<Map<String, Value>, ReadError> {
    serde_json::from_str(text).map_err(|error| ReadError::Syntax {
        file: path.to_owned(),
        line: u32::try_from(error.line()).unwrap_or(u32::MAX).max(1),
        message: error.to_string(),
    })
}

/// The line of the first `"name"` in a text: close enough, as the JSON parser keeps no places.
pub(super) fn locate(path: &Path, text: &str, name: &str) -> Location {
    let offset = text.find(&format!("\"{name}\"")).unwrap_or(0);
    Location {
        file: path.to_owned(),
        line: Lines::new(&text[..offset]).at(offset),
    }
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn terraform(&self, body: &Map<String, Value>, part: &mut Part) {
        let version = body.get("required_version").and_then(Value::as_str);
        part.required_version.extend(version.map(str::to_owned));
        for (kind, backend) in body.get("backend").into_iter().flat_map(labelled) {
            part.backend = Some(BackendBlock {
                kind: kind.clone(),
                location: locate(self.path, self.text, "backend"),
                arguments: backend.clone(),
                lines: backend
                    .keys()
                    .map(|name| (name.clone(), locate(self.path, self.text, name).line))
                    .collect(),
            });
        }
        if body.contains_key("cloud") {
            part.cloud = Some(locate(self.path, self.text, "cloud"));
        }
        for providers in body.get("required_providers").into_iter().flat_map(blocks) {
            for (name, requirement) in providers {
                part.required_providers
                    .insert(name.clone(), canonical(requirement));
            }
        }
    }

    fn variable(&self, name: &str, body: &Map<String, Value>) -> VariablePart {
        VariablePart {
            location: locate(self.path, self.text, name),
            sensitive: body.get("sensitive").and_then(Value::as_bool),
            has_default: body.contains_key("default"),
            type_text: body.get("type").and_then(Value::as_str).map(str::to_owned),
        }
    }

    fn module(&self, name: &str, body: &Map<String, Value>) -> ModuleCall {
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        ModuleCall {
            location: locate(self.path, self.text, name),
            source: text("source"),
            version: text("version"),
        }
    }
}

/// The bodies at a place where one block or several may stand.
fn blocks(value: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    let several = value.as_array().map_or(&[][..], Vec::as_slice);
    value
        .as_object()
        .into_iter()
        .chain(several.iter().filter_map(Value::as_object))
}

/// Label and body of each block at a place; `//` is a comment.
fn labelled(value: &Value) -> impl Iterator<Item = (&String, &Map<String, Value>)> {
    blocks(value)
        .flatten()
        .filter(|(label, _)| *label != "//")
        .flat_map(|(label, bodies)| blocks(bodies).map(move |body| (label, body)))
}

/// The same text as for the same value in HCL.
fn canonical(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(object) => {
            let mut items: Vec<String> = object
                .iter()
                .map(|(key, value)| format!("{key}={}", canonical(value)))
                .collect();
            items.sort_unstable();
            format!("{{{}}}", items.join(","))
        }
        other => other.to_string(),
    }
}
