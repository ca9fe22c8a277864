//! Reads a `*.tf` file.

use std::collections::BTreeMap;
use std::path::Path;

use hcl_edit::Span;
use hcl_edit::expr::{Expression, ObjectKey};
use hcl_edit::structure::{Attribute, Block, Body};
use serde_json::{Map, Value};

use super::files::Lines;
use super::part::{Part, VariablePart};
use super::provider::{ARGUMENTS, Argument, ProviderBlock, ProviderRole, ROLES};
use super::{BackendBlock, Location, ModuleCall, ReadError};

/// Blocks whose first label is a type that implies a provider.
const TYPED_BLOCKS: [&str; 3] = ["resource", "data", "ephemeral"];

/// What one file says.
pub(super) fn part(path: &Path, text: &str) -> Result<Part, ReadError> {
    let body = body(path, text)?;
    let file = File {
        path,
        lines: Lines::new(text),
    };
    let mut part = Part::default();
    for block in body.blocks() {
        file.block(block, &mut part);
    }
    Ok(part)
}

/// Parses a file.
pub(super) fn body(path: &Path, text: &str) -> Result<Body, ReadError> {
    // Terraform accepts a byte order mark, the parser does not.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    hcl_edit::parser::parse_body(text).map_err(|error| ReadError::Syntax {
        file: path.to_owned(),
        line: u32::try_from(error.location().line()).unwrap_or(u32::MAX),
        message: error.message().to_owned(),
    })
}

struct File<'a> {
    path: &'a Path,
    lines: Lines,
}

impl File<'_> {
    fn location(&self, of: &impl Span) -> Location {
        Location {
            file: self.path.to_owned(),
            line: self.lines.at(of.span().map_or(0, |span| span.start)),
        }
    }

    fn block(&self, block: &Block, part: &mut Part) {
        let label = block
            .labels
            .first()
            .map(hcl_edit::structure::BlockLabel::as_str);
        match (block.ident.as_str(), label) {
            ("terraform", _) => self.terraform(&block.body, part),
            ("variable", Some(name)) => {
                let variable = self.variable(block);
                part.variables.push((name.to_owned(), variable));
            }
            ("module", Some(name)) => {
                let call = self.module(block);
                part.modules.push((name.to_owned(), call));
            }
            ("provider", Some(name)) => {
                part.names_provider(name);
                part.providers.push(self.provider(name, block));
                if let Some(version) = attribute_text(&block.body, "version") {
                    // Deprecated since Terraform 0.13, but it still constrains what init installs.
                    let requirement = format!("version {version}");
                    part.required_providers
                        .entry(format!("{name} (provider block)"))
                        .or_insert(requirement);
                }
            }
            (kind, Some(resource_type)) if TYPED_BLOCKS.contains(&kind) => {
                match block.body.get_attribute("provider") {
                    Some(provider) => {
                        let reference = provider
                            .value
                            .as_str()
                            .map_or_else(|| provider.value.to_string(), str::to_owned);
                        part.names_provider(&reference);
                    }
                    None => part.implies(resource_type),
                }
            }
            ("check", _) => {
                for data in block.body.get_blocks("data") {
                    self.block(data, part);
                }
            }
            _ => {}
        }
    }

    fn terraform(&self, body: &Body, part: &mut Part) {
        part.required_version
            .extend(attribute_text(body, "required_version"));
        for block in body.blocks() {
            match block.ident.as_str() {
                "backend" => {
                    let kind = block.labels.first().map_or("", |label| label.as_str());
                    part.backend = Some(BackendBlock {
                        kind: kind.to_owned(),
                        location: self.location(&block.ident),
                        arguments: arguments(&block.body),
                        lines: self.lines_of(&block.body),
                    });
                }
                "cloud" => part.cloud = Some(self.location(&block.ident)),
                "required_providers" => {
                    for attribute in block.body.attributes() {
                        part.required_providers
                            .insert(attribute.key.to_string(), canonical(&attribute.value));
                    }
                }
                _ => {}
            }
        }
    }

    /// The line of each attribute and block of a body.
    fn lines_of(&self, body: &Body) -> BTreeMap<String, u32> {
        let attributes = body.attributes().map(|attribute| {
            (
                attribute.key.to_string(),
                self.location(&attribute.key).line,
            )
        });
        let blocks = body
            .blocks()
            .map(|block| (block.ident.to_string(), self.location(&block.ident).line));
        attributes.chain(blocks).collect()
    }

    fn variable(&self, block: &Block) -> VariablePart {
        VariablePart {
            location: self.location(&block.ident),
            sensitive: block
                .body
                .get_attribute("sensitive")
                .and_then(|attribute| attribute.value.as_bool()),
            has_default: block.body.has_attribute("default"),
            type_text: block
                .body
                .get_attribute("type")
                .map(|attribute| attribute.value.to_string().trim().to_owned()),
        }
    }

    fn provider(&self, name: &str, block: &Block) -> ProviderBlock {
        let mut provider = ProviderBlock::empty(name, self.location(&block.ident));
        for attribute in block.body.attributes() {
            match attribute.key.as_str() {
                "alias" => {
                    // Before 0.13 it could be a bare word, which Terraform still takes.
                    let alias = attribute.value.as_str().map(str::to_owned);
                    let word = || attribute.value.to_string().trim().to_owned();
                    provider.alias = Some(alias.unwrap_or_else(word));
                    continue;
                }
                "version" => continue,
                key if ROLES.contains(&key) => {
                    let roles = self.roles_of_attribute(attribute);
                    provider.roles(key).extend(roles);
                }
                key if ARGUMENTS.contains(&key) => {
                    let argument = self.argument(attribute);
                    provider.arguments.insert(key.to_owned(), argument);
                }
                _ => {}
            }
            provider.is_proxy = false;
        }
        for inner in block.body.blocks() {
            provider.is_proxy = false;
            let location = self.location(&inner.ident);
            let label = inner
                .labels
                .first()
                .map(hcl_edit::structure::BlockLabel::as_str);
            match (inner.ident.as_str(), label) {
                ("dynamic", Some(kind)) if ROLES.contains(&kind) => {
                    provider.roles(kind).push(ProviderRole {
                        location,
                        arguments: None,
                    });
                }
                (kind, _) if ROLES.contains(&kind) => {
                    let arguments = inner
                        .body
                        .attributes()
                        .map(|attribute| (attribute.key.to_string(), self.argument(attribute)));
                    let arguments = Some(arguments.collect());
                    provider.roles(kind).push(ProviderRole {
                        location,
                        arguments,
                    });
                }
                _ => {}
            }
        }
        provider
    }

    fn argument(&self, attribute: &Attribute) -> Argument {
        Argument {
            location: self.location(&attribute.key),
            literal: literal(&attribute.value),
        }
    }

    /// Roles as an attribute: one object, or a list of them.
    fn roles_of_attribute(&self, attribute: &Attribute) -> Vec<ProviderRole> {
        let location = self.location(&attribute.key);
        let items: Vec<&Expression> = match &attribute.value {
            Expression::Array(items) => items.iter().collect(),
            Expression::Null(_) => return Vec::new(),
            other => vec![other],
        };
        let role = |item: &Expression| {
            let Expression::Object(object) = item else {
                return None;
            };
            let entries = object.iter().map(|(key, value)| {
                let argument = Argument {
                    location: location.clone(),
                    literal: literal(value.expr()),
                };
                (key_text(key), argument)
            });
            Some(entries.collect())
        };
        let items = items.into_iter().map(|item| ProviderRole {
            location: location.clone(),
            arguments: role(item),
        });
        items.collect()
    }

    fn module(&self, block: &Block) -> ModuleCall {
        ModuleCall {
            location: self.location(&block.ident),
            source: block
                .body
                .get_attribute("source")
                .and_then(|attribute| attribute.value.as_str())
                .map(str::to_owned),
            version: attribute_text(&block.body, "version"),
        }
    }
}

/// A string attribute, or the canonical text of any other expression.
fn attribute_text(body: &Body, name: &str) -> Option<String> {
    let value = &body.get_attribute(name)?.value;
    Some(
        value
            .as_str()
            .map_or_else(|| canonical(value), str::to_owned),
    )
}

/// An expression as text in which neither layout nor comments show, as far as it is literal.
fn canonical(expression: &Expression) -> String {
    match expression {
        Expression::Array(array) => {
            let items: Vec<String> = array.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        Expression::Object(object) => {
            let mut items: Vec<String> = object
                .iter()
                .map(|(key, value)| format!("{}={}", key_text(key), canonical(value.expr())))
                .collect();
            items.sort_unstable();
            format!("{{{}}}", items.join(","))
        }
        other => literal(other).map_or_else(
            || other.to_string().trim().to_owned(),
            |value| value.to_string(),
        ),
    }
}

/// The attributes of a body: their values where they are plain, else the text of the expression;
/// nested blocks become objects.
fn arguments(body: &Body) -> Map<String, Value> {
    let mut values = Map::new();
    for attribute in body.attributes() {
        let value = literal(&attribute.value)
            .unwrap_or_else(|| Value::String(attribute.value.to_string().trim().to_owned()));
        values.insert(attribute.key.to_string(), value);
    }
    for block in body.blocks() {
        values.insert(
            block.ident.to_string(),
            Value::Object(arguments(&block.body)),
        );
    }
    values
}

/// The value of an expression that needs no evaluation.
fn literal(expression: &Expression) -> Option<Value> {
    match expression {
        Expression::Null(_) => Some(Value::Null),
        Expression::Bool(value) => Some(Value::Bool(*value.value())),
        Expression::Number(number) => serde_json::from_str(&number.value().to_string()).ok(),
        Expression::String(text) => Some(Value::String(text.value().clone())),
        Expression::Array(array) => array
            .iter()
            .map(literal)
            .collect::<Option<_>>()
            .map(Value::Array),
        Expression::Object(object) => object
            .iter()
            .map(|(key, value)| Some((key_text(key), literal(value.expr())?)))
            .collect::<Option<_>>()
            .map(Value::Object),
        Expression::Parenthesis(inner) => literal(inner.inner()),
        _ => None,
    }
}

fn key_text(key: &ObjectKey) -> String {
    match key {
        ObjectKey::Ident(name) => name.to_string().trim().to_owned(),
        ObjectKey::Expression(expression) => expression
            .as_str()
            .map_or_else(|| expression.to_string().trim().to_owned(), str::to_owned),
    }
}
