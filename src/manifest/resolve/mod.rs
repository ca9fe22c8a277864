//! From the checked document to [`Project`]: merged, expanded, and everything in it proven.
//!
//! Each step goes on after a problem, so that all of them come out at once; a value that has been
//! reported is [`Reported`], and whatever needs it is left out in silence.

mod backend;
mod bucket;
mod context;
mod credentials;
mod cycles;
mod duration;
mod encryption;
mod env_name;
mod files;
mod identity;
mod options;
mod references;
mod roles;
mod unit;
mod variables;

use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::expand::{Scope, Slot};
use super::problem::{Collector, Problem};
use super::raw;
use super::source::Span;
use super::tree::{Entry, Node, Table, Value};
use crate::model::{
    AccountId, Dependencies, Environment, EnvironmentName, Project, StackName, TerraformSettings,
    UnitId,
};
use crate::root_module::normalize;
use context::Reported;
use references::{Edge, Index};

pub(crate) use duration::parse as parse_duration;
pub(super) use unit::merged;

/// Checks a version constraint; the error is one line that says why it is none.
pub type VersionCheck = fn(&str) -> Result<(), String>;

/// An environment before its units are resolved.
pub(super) struct EnvironmentDraft<'a> {
    pub(super) name: EnvironmentName,
    key: &'a Span,
    table: &'a Table,
    keys: raw::EnvironmentKeys,
    account: Result<Option<AccountId>, Reported>,
    /// `path` or the name, with placeholders expanded.
    path: Result<String, Reported>,
    has_stacks: bool,
    /// Its units.
    units: Range<usize>,
    /// Names of its stacks, where it has some.
    stacks: Vec<&'a str>,
}

/// A unit before it is resolved.
pub(super) struct UnitDraft<'a> {
    pub(super) id: UnitId,
    environment: usize,
    /// Where it is declared.
    key: &'a Span,
    stack_table: Option<&'a Table>,
}

impl<'a> EnvironmentDraft<'a> {
    fn stack_names(&self) -> impl Iterator<Item = &'a str> {
        self.stacks.iter().copied()
    }

    /// Whether a stack of this name stands there and was refused.
    fn has_broken_stack(&self, name: &str) -> bool {
        stacks_of(self.table).is_some_and(|stacks| stacks.contains_key(name))
            && !self.stacks.contains(&name)
    }
}

fn stacks_of(environment: &Table) -> Option<&Table> {
    environment
        .get("stacks")
        .and_then(|entry| entry.node.value.as_table())
}

/// Resolves a checked document. `None`: there are problems.
pub(super) fn project(
    document: &Table,
    manifest: &Path,
    check_version: VersionCheck,
    problems: &mut Collector,
) -> Option<Project> {
    let root = manifest.parent().unwrap_or(Path::new("/"));
    let name = part::<raw::Project>(document, "project")
        .name
        .filter(|name| !name.is_empty());
    let terraform = terraform(document, check_version, problems);
    let empty = Table::new();
    let entry = document.get("environments");
    let table = entry.and_then(|entry| entry.node.value.as_table());
    if let (Some(entry), Some(true)) = (entry, table.map(Table::is_empty)) {
        problems.add(
            Problem::error("there are no environments")
                .at(&entry.key)
                .hint("add one:\n\n[environments.dev]\naccount_id = \"111111111111\""),
        );
    }
    let table = table.unwrap_or(&empty);
    let (environments, drafts) = drafts(table, problems);
    let index = Index::new(table, &environments, &drafts);
    let environment_edges: Vec<Option<Vec<Edge<'_>>>> = environments
        .iter()
        .map(|environment| index.environment_depends_on(environment, problems))
        .collect();
    let mut resolver = unit::Resolver::new(document, root, name.as_deref().unwrap_or("acme"));
    let mut edges = Vec::with_capacity(drafts.len());
    let mut units = Vec::with_capacity(drafts.len());
    for draft in &drafts {
        let depends_on = index.stack_depends_on(draft, problems);
        let inputs = index.inputs(draft, problems);
        let siblings = depends_on
            .iter()
            .map(|edge| drafts[edge.to].id.clone())
            .collect();
        let environment = &environments[draft.environment];
        units.push(resolver.unit(environment, draft, siblings, &inputs, problems));
        edges.push((depends_on, inputs));
    }
    cycles::check(&environments, &drafts, &environment_edges, &edges, problems);
    identity::check_names(&drafts, problems);
    identity::check_states(&drafts, &units, &resolver.places, problems);
    identity::check_buckets(&drafts, &units, problems);
    if !problems.is_empty() {
        return None;
    }
    let Ok(mut units) = units.into_iter().collect::<Result<Vec<_>, Reported>>() else {
        // What is left out has been reported, so that this cannot happen. If it does, say so.
        problems.add(
            Problem::error("the manifest cannot be resolved, and it is not clear why")
                .hint("this is a fault of tfw: please report it, with the manifest"),
        );
        return None;
    };
    identity::note_shared_folders(&mut units);
    let resolved = environments
        .iter()
        .zip(&environment_edges)
        .map(|(environment, edges)| Environment {
            name: environment.name.clone(),
            folder: normalize(&root.join(environment.path.as_deref().unwrap_or_default())),
            protected: environment.keys.protected.unwrap_or(false),
            tags: environment.keys.tags.clone().unwrap_or_default(),
            depends_on: match edges {
                None => Dependencies::Position,
                Some(edges) => Dependencies::Explicit(
                    edges
                        .iter()
                        .map(|edge| environments[edge.to].name.clone())
                        .collect(),
                ),
            },
            has_stacks: environment.has_stacks,
        })
        .collect();
    Some(Project {
        name,
        manifest: manifest.to_owned(),
        root: root.to_owned(),
        terraform,
        environments: resolved,
        units,
    })
}

fn terraform(
    document: &Table,
    check_version: VersionCheck,
    problems: &mut Collector,
) -> TerraformSettings {
    let raw = part::<raw::Terraform>(document, "terraform");
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let version = given(raw.version);
    if let Some(reason) = version
        .as_deref()
        .and_then(|version| check_version(version).err())
    {
        let table = document
            .get("terraform")
            .and_then(|entry| entry.node.value.as_table());
        if let Some(entry) = table.and_then(|table| table.get("version")) {
            let version = version.as_deref().unwrap_or_default();
            problems.add(
                Problem::error(format!("`{version}` is not a version constraint"))
                    .at(&entry.node.span)
                    .label(reason)
                    .hint("constraints look like `~> 1.11` or `>= 1.11, < 2.0`"),
            );
        }
    }
    TerraformSettings {
        binary: given(raw.binary).unwrap_or_else(|| "terraform".to_owned()),
        version,
        parallelism: raw.parallelism.map(Into::into),
    }
}

/// Names all environments and units.
fn drafts<'a>(
    table: &'a Table,
    problems: &mut Collector,
) -> (Vec<EnvironmentDraft<'a>>, Vec<UnitDraft<'a>>) {
    let mut environments = Vec::with_capacity(table.len());
    let mut units = Vec::with_capacity(table.len());
    for (name, entry) in table {
        // What is not a table, or has no valid name, has been reported.
        let (Some(table), Ok(name)) = (entry.node.value.as_table(), EnvironmentName::new(name))
        else {
            continue;
        };
        let first = units.len();
        let stacks = table.get("stacks");
        if let Some(stacks) = stacks.and_then(|entry| entry.node.value.as_table()) {
            for (stack, entry) in stacks {
                let (Some(table), Ok(stack)) = (entry.node.value.as_table(), StackName::new(stack))
                else {
                    continue;
                };
                units.push(UnitDraft {
                    id: UnitId {
                        environment: name.clone(),
                        stack: Some(stack),
                    },
                    environment: environments.len(),
                    key: &entry.key,
                    stack_table: Some(table),
                });
            }
        } else if stacks.is_none() {
            units.push(UnitDraft {
                id: UnitId {
                    environment: name.clone(),
                    stack: None,
                },
                environment: environments.len(),
                key: &entry.key,
                stack_table: None,
            });
        }
        environments.push(environment(
            name,
            entry,
            table,
            first..units.len(),
            problems,
        ));
    }
    (environments, units)
}

fn environment<'a>(
    name: EnvironmentName,
    entry: &'a Entry,
    table: &'a Table,
    units: Range<usize>,
    problems: &mut Collector,
) -> EnvironmentDraft<'a> {
    let keys: raw::EnvironmentKeys = own_keys(table);
    let is_given = |key| table.get(key).is_some();
    let account = match keys.account_id.as_deref() {
        Some("") => Ok(None),
        Some(account) => AccountId::new(account).map(Some).map_err(|_| Reported),
        None if is_given("account_id") => Err(Reported),
        None => Ok(None),
    };
    if let Some(stacks) = stacks_of(table) {
        let key = &table["stacks"].key;
        if stacks.is_empty() {
            problems.add(
                Problem::error(format!(
                    "`{name}` has a table of stacks, but no stack in it"
                ))
                .at(key)
                .hint("add a stack, or take `stacks` out: then the environment is one root module"),
            );
        }
        if let Some(inputs) = table.get("inputs") {
            problems.add(
                Problem::error(format!("`inputs` of `{name}` belong into its stacks"))
                    .at(&inputs.key)
                    .related(key, "it has stacks, and each is a root module")
                    .hint(format!("move them to `[environments.{name}.stacks.STACK]`")),
            );
        }
    }
    let path = match table.get("path").map(|entry| &entry.node) {
        Some(Node {
            value: Value::Invalid,
            ..
        }) => Err(Reported),
        Some(node) if node.value.as_str() != Some("") => {
            let account = account.as_ref().map(Option::as_ref);
            let scope = Scope {
                environment: name.as_str(),
                stack: None,
                account_id: slot(account),
                region: Slot::Missing,
            };
            unit::expand_path(node, scope, &name, problems)
        }
        _ => Ok(name.to_string()),
    };
    EnvironmentDraft {
        key: &entry.key,
        table,
        keys,
        account,
        path,
        has_stacks: table.get("stacks").is_some(),
        units,
        stacks: stacks_of(table)
            .into_iter()
            .flatten()
            .filter(|(stack, entry)| {
                entry.node.value.as_table().is_some() && StackName::new(stack.as_str()).is_ok()
            })
            .map(|(stack, _)| stack.as_str())
            .collect(),
        name,
    }
}

/// What a placeholder stands for.
fn slot<'v, T: AsRef<str>>(value: Result<Option<&'v T>, &Reported>) -> Slot<'v> {
    match value {
        Ok(Some(value)) => Slot::Value(value.as_ref()),
        Ok(None) => Slot::Missing,
        Err(Reported) => Slot::Invalid,
    }
}

/// A table at the top of the document.
fn part<T: DeserializeOwned + Default>(document: &Table, name: &str) -> T {
    let table = document
        .get(name)
        .and_then(|entry| entry.node.value.as_table());
    table.map(own_keys).unwrap_or_default()
}

/// The keys of a table that the type has, without placeholders. What is wrong is left out.
fn own_keys<T: DeserializeOwned + Default>(table: &Table) -> T {
    let mut plain = serde_json::Map::new();
    for (name, entry) in table.iter().filter(|(name, _)| *name != "stacks") {
        if let Some(value) = plain_value(&entry.node) {
            plain.insert(name.clone(), value);
        }
    }
    // The schema that the document was checked against comes from the same type.
    serde_json::from_value(serde_json::Value::Object(plain)).unwrap_or_default()
}

/// A value as it is written; `None` where something in it is wrong.
fn plain_value(node: &Node) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    Some(match &node.value {
        Value::String(text) => Json::String(text.clone()),
        Value::Integer(number) => Json::from(*number),
        Value::Float(number) => Json::from(*number),
        Value::Boolean(value) => Json::Bool(*value),
        Value::Array(items) => Json::Array(items.iter().map(plain_value).collect::<Option<_>>()?),
        Value::Table(table) => Json::Object(
            table
                .iter()
                .filter_map(|(name, entry)| Some((name.clone(), plain_value(&entry.node)?)))
                .collect(),
        ),
        Value::Invalid => return None,
    })
}

#[cfg(test)]
mod tests;
