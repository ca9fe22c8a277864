//! Reads a `*.tf.json` file.
//!
//! In Terraform's JSON syntax a block is an object whose keys are its labels, and wherever a block
//! may stand an array of them may stand too
//! (<https://developer.hashicorp.com/terraform/language/syntax/json>).

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::files::Lines;
use super::part::{Part, VariablePart};
use super::provider::{ARGUMENTS, Argument, ProviderBlock, ProviderRole, ROLES};
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
            "provider" => {
                for (name, body) in labelled(value) {
                    part.names_provider(name);
                    part.providers.push(file.provider(name, body));
                }
            }
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

    fn provider(&self, name: &str, body: &Map<String, Value>) -> ProviderBlock {
        let alias = body.get("alias").and_then(Value::as_str);
        // The alias, where there is one, tells blocks of one name apart.
        let at = |key: &str| {
            let words = ["provider", name].into_iter().chain(alias).chain([key]);
            self.locate_after(words)
        };
        let mut provider = ProviderBlock::empty(name, self.locate_after(["provider", name]));
        provider.alias = alias.map(str::to_owned);
        let content = body
            .iter()
            .filter(|(key, _)| !matches!(key.as_str(), "alias" | "version" | "//"));
        for (key, value) in content {
            provider.is_proxy = false;
            let location = at(key);
            if ARGUMENTS.contains(&key.as_str()) {
                let argument = Argument {
                    location,
                    literal: literal(value),
                };
                provider.arguments.insert(key.clone(), argument);
            } else if ROLES.contains(&key.as_str()) {
                let items = value
                    .as_array()
                    .map_or_else(|| vec![value], |items| items.iter().collect());
                let given = items.into_iter().filter(|item| !item.is_null());
                provider.roles(key).extend(given.map(|item| ProviderRole {
                    arguments: item.as_object().map(|object| arguments(object, &location)),
                    location: location.clone(),
                }));
            }
        }
        provider
    }

    /// The line of the last of these names, each looked for behind the one before it.
    fn locate_after<'w>(&self, words: impl IntoIterator<Item = &'w str>) -> Location {
        let mut offset = 0;
        for word in words {
            let found = self.text[offset..].find(&format!("\"{word}\""));
            offset += found.map_or(0, |at| at + 1);
        }
        Location {
            file: self.path.to_owned(),
            line: Lines::new(&self.text[..offset]).at(offset),
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

/// What stands in an object, all of it at this place.
fn arguments(object: &Map<String, Value>, location: &Location) -> BTreeMap<String, Argument> {
    let entries = object.iter().map(|(key, value)| {
        let argument = Argument {
            location: location.clone(),
            literal: literal(value),
        };
        (key.clone(), argument)
    });
    entries.collect()
}

/// A value without templates: strings of Terraform's JSON syntax may hold expressions.
fn literal(value: &Value) -> Option<Value> {
    let has_template = |text: &str| text.contains("${") || text.contains("%{");
    let is_literal = match value {
        Value::String(text) => !has_template(text),
        Value::Array(items) => items.iter().all(|item| literal(item).is_some()),
        Value::Object(object) => object.values().all(|value| literal(value).is_some()),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    };
    is_literal.then(|| value.clone())
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
