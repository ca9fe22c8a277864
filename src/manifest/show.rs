//! `tfw manifest show`: what each unit's settings are, and where each of them comes from.

mod sheet;

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::Manifest;
use super::source::display_name;
use super::tree::Table;
use crate::model::{Unit, UnitId};
use sheet::{Origin, Sheet, Shown};

impl Manifest {
    /// Resolved values and their origins, for `manifest show --json`.
    pub fn show(&self, units: &[UnitId]) -> Json {
        let project = &self.project;
        let file = self.file_name();
        let units: Vec<Json> = self
            .chosen(units)
            .map(|unit| {
                let values: Map<String, Json> = self
                    .values(unit)
                    .into_iter()
                    .map(|shown| {
                        let origin = match shown.origin {
                            Some(Origin { table, line }) => {
                                json!({"value": shown.value, "from": table, "file": file, "line": line})
                            }
                            None => {
                                json!({"value": shown.value, "from": "default", "file": null, "line": null})
                            }
                        };
                        (shown.name, origin)
                    })
                    .collect();
                json!({"unit": unit.id, "values": values})
            })
            .collect();
        json!({
            "schema": 1,
            "manifest": project.manifest,
            "project": {"name": project.name},
            "terraform": {
                "binary": project.terraform.binary,
                "version": project.terraform.version,
                "parallelism": project.terraform.parallelism,
            },
            "units": units,
        })
    }

    /// The same for people.
    pub fn show_text(&self, units: &[UnitId]) -> String {
        let file = self.file_name();
        let mut text = String::new();
        for unit in self.chosen(units) {
            if !text.is_empty() {
                text.push('\n');
            }
            let lines: Vec<(String, String)> = self
                .values(unit)
                .into_iter()
                .map(|shown| {
                    let origin = match shown.origin {
                        Some(Origin { table, line }) => format!("{table}, {file}:{line}"),
                        None => "default".to_owned(),
                    };
                    (
                        format!("{} = {}", shown.name, toml_like(&shown.value)),
                        origin,
                    )
                })
                .collect();
            // A long value must not push all the others' origins off the screen.
            let width = lines.iter().map(|(line, _)| line.chars().count());
            let width = width.filter(|width| *width <= 56).max().unwrap_or(0);
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{}", unit.id);
            for (line, origin) in lines {
                let _ = writeln!(text, "  {line:width$}  # {origin}");
            }
        }
        text
    }

    fn chosen<'m>(&'m self, units: &'m [UnitId]) -> impl Iterator<Item = &'m Unit> {
        let units: std::collections::HashSet<&UnitId> = units.iter().collect();
        self.project
            .units
            .iter()
            .filter(move |unit| units.contains(&unit.id))
    }

    fn file_name(&self) -> String {
        display_name(&self.project.manifest, Some(&self.project.root))
    }

    fn table(&self, unit: &UnitId) -> Option<(&Table, Option<&Table>)> {
        let environments = self.document.get("environments")?.node.value.as_table()?;
        let environment = environments
            .get(unit.environment.as_str())?
            .node
            .value
            .as_table()?;
        let stack = unit.stack.as_ref().and_then(|stack| {
            let stacks = environment.get("stacks")?.node.value.as_table()?;
            stacks.get(stack.as_str())?.node.value.as_table()
        });
        Some((environment, stack))
    }

    fn values(&self, unit: &Unit) -> Vec<Shown> {
        let Some((environment, stack)) = self.table(&unit.id) else {
            return Vec::new();
        };
        Sheet::new(self, unit, environment, stack).fill()
    }
}

fn relative(path: &Path, root: &Path) -> String {
    // `..` is shorter than an absolute path only for what lies beside the manifest's folder.
    match root
        .parent()
        .map(|parent| (path.strip_prefix(root), path.strip_prefix(parent)))
    {
        Some((Err(_), Ok(rest))) => format!("../{}", rest.display()),
        _ if path == root => ".".to_owned(),
        _ => display_name(path, Some(root)),
    }
}

/// A value on one line, as it could stand in the manifest.
fn toml_like(value: &Json) -> String {
    match value {
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(toml_like).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(object) if object.is_empty() => "{}".to_owned(),
        Json::Object(object) => {
            let items: Vec<String> = object
                .iter()
                .map(|(key, value)| format!("{key} = {}", toml_like(value)))
                .collect();
            format!("{{ {} }}", items.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
