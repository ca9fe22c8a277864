//! One unit: its layers merged, expanded and resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use super::context::{Context, Reported};
use super::files::{Files, Folder, similar};
use super::references::InputEdge;
use super::{
    EnvironmentDraft, UnitDraft, backend, credentials, duration, env_name, roles, slot, variables,
};
use crate::manifest::expand::{ExpandError, Scope, Slot};
use crate::manifest::layers::{self, Entries, Expander, Layer, Merged};
use crate::manifest::problem::{Collector, Problem};
use crate::manifest::source::Span;
use crate::manifest::tree::{Node, Table, Value};
use crate::manifest::{raw, schema};
use crate::model::{AccountId, Region, Unit, UnitId};
use crate::root_module::normalize;

/// Resolves units one after the other; what they share is read once.
pub(super) struct Resolver<'a> {
    document: &'a Table,
    root: &'a Path,
    project: &'a str,
    files: Files,
    /// For each unit, where its backend is set.
    pub(super) places: Vec<&'a Span>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(document: &'a Table, root: &'a Path, project: &'a str) -> Self {
        Self {
            document,
            root,
            project,
            files: Files::default(),
            places: Vec::new(),
        }
    }

    /// Resolves one unit.
    pub(super) fn unit(
        &mut self,
        environment: &'a EnvironmentDraft<'a>,
        draft: &'a UnitDraft<'a>,
        depends_on: Vec<UnitId>,
        inputs: &BTreeMap<String, InputEdge<'_>>,
        problems: &mut Collector,
    ) -> Result<Unit, Reported> {
        let merged = merged(self.document, environment.table, draft.stack_table);
        let region = region(environment, draft, &merged, problems);
        let scope = Scope {
            environment: environment.name.as_str(),
            stack: draft.id.stack.as_ref().map(AsRef::as_ref),
            account_id: slot(environment.account.as_ref().map(Option::as_ref)),
            region: slot(region.as_ref().map(Option::as_ref)),
        };
        let mut expander = Expander {
            scope,
            report: |node: &Node, error: &ExpandError| {
                report_expansion(&draft.id, node, error, problems);
            },
            invalid: BTreeSet::new(),
        };
        let settings = expander.settings(&merged);
        let invalid = expander.invalid;
        // The schema that the document was checked against comes from the same type.
        let settings: raw::Settings = serde_json::from_value(settings).unwrap_or_default();
        let context = Context {
            id: &draft.id,
            key: draft.key,
            environment_key: environment.key,
            merged,
            invalid,
            account: environment.account.clone(),
            region: region.clone(),
        };
        self.places.push(context.place("backend.key"));

        let folder = self.folder(environment, draft, scope, problems);
        let backend = backend::backend(&context, &settings, self.project, problems);
        let extra_account_ids = extra_accounts(&context, &settings, problems);
        let assume_role = roles::assume_role(&context, settings.assume_role.as_ref(), problems);
        let credentials =
            credentials::credentials(&context, settings.credentials.as_ref(), problems);
        let env = env(&context, &settings, problems);
        let lock_timeout = lock_timeout(&context, settings.lock_timeout.as_deref(), problems);
        let var_files = settings.var_files.as_deref().unwrap_or_default();
        let var_files =
            variables::var_files(&context, var_files, self.root, &mut self.files, problems);
        let places = inputs
            .iter()
            .map(|(name, input)| (name.clone(), input.key))
            .collect();
        let names = match &folder {
            Ok(folder) => variables::check(
                &context,
                &places,
                folder,
                var_files.as_deref().unwrap_or_default(),
                &mut self.files,
                problems,
            ),
            Err(Reported) => Err(Reported),
        };
        names?;
        if !context.invalid.is_empty() {
            return Err(Reported);
        }
        let (mut backend, bucket) = backend?;
        let assume_role = assume_role?;
        let provider_assumes_role = settings.provider_assumes_role.unwrap_or(false);
        if provider_assumes_role {
            context.required_account(problems, "its provider assumes a role")?;
            backend::leave_role_to_terraform(&mut backend, assume_role.last());
        }
        Ok(Unit {
            id: draft.id.clone(),
            folder: folder?,
            shares_folder: false,
            account_id: context.account?,
            provider_assumes_role,
            extra_account_ids: extra_account_ids?,
            region: context.region?,
            protected: environment.keys.protected.unwrap_or(false),
            tags: environment.keys.tags.clone().unwrap_or_default(),
            depends_on,
            backend,
            bucket,
            credentials: credentials?,
            assume_role,
            var_files: var_files?,
            vars: settings.vars,
            inputs: inputs
                .iter()
                .map(|(name, edge)| (name.clone(), edge.input.clone()))
                .collect(),
            env: env?,
            lock_timeout: lock_timeout?,
        })
    }

    /// The root module's folder, which must be one.
    fn folder(
        &mut self,
        environment: &EnvironmentDraft<'a>,
        draft: &UnitDraft<'a>,
        scope: Scope<'_>,
        problems: &mut Collector,
    ) -> Result<PathBuf, Reported> {
        let table = draft.stack_table.unwrap_or(environment.table);
        let given = table.get("path").map(|entry| &entry.node);
        let given = given.filter(|node| node.value.as_str() != Some(""));
        let path = match (given, &draft.id.stack) {
            (
                Some(Node {
                    value: Value::Invalid,
                    ..
                }),
                _,
            ) => return Err(Reported),
            (Some(node), Some(_)) => expand_path(node, scope, &draft.id, problems)?,
            (None, Some(stack)) => format!(
                "{}/{stack}",
                environment.path.as_deref().map_err(|error| *error)?
            ),
            (_, None) => environment.path.clone()?,
        };
        let folder = normalize(&self.root.join(path));
        let problem = match self.files.folder(&folder) {
            Folder::RootModule => return Ok(folder),
            Folder::Missing => "there is no folder",
            Folder::NoConfiguration => "no Terraform configuration in",
            Folder::Unreadable(_) => "cannot read",
        };
        let place = given.map_or(draft.key, |node| &node.span);
        problems.add_for(&draft.id, "folder", Some(place), |problems| {
            let summary = format!("{problem} `{}`", problems.name(&folder));
            let report = Problem::error(summary);
            if problem != "there is no folder" {
                return report.detail("a root module is a folder with `.tf` files");
            }
            match (similar(&folder), given) {
                (Some(found), Some(_)) => report.label(format!("did you mean `{found}`?")),
                (Some(found), None) => report.hint(format!("there is `{found}`: set `path`")),
                (None, Some(_)) => report.detail("paths are relative to the manifest's folder"),
                (None, None) => report.hint("create it, or set `path` to the root module's folder"),
            }
        });
        Err(Reported)
    }
}

/// The settings of a unit, layer upon layer.
pub(in crate::manifest) fn merged<'a>(
    document: &'a Table,
    environment: &'a Table,
    stack: Option<&'a Table>,
) -> Entries<'a> {
    let defaults = document
        .get("defaults")
        .and_then(|entry| entry.node.value.as_table());
    let layers: Vec<(Layer, &Table)> = defaults
        .map(|table| (Layer::Defaults, table))
        .into_iter()
        .chain([(Layer::Environment, environment)])
        .chain(stack.map(|table| (Layer::Stack, table)))
        .collect();
    layers::merge(&layers, setting_names())
}

/// The keys that may stand in every layer.
pub(in crate::manifest) fn setting_names() -> &'static BTreeSet<&'static str> {
    static NAMES: OnceLock<BTreeSet<&'static str>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let settings = &schema::checked()["properties"]["defaults"]["properties"];
        settings
            .as_object()
            .map(|properties| properties.keys().map(String::as_str).collect())
            .unwrap_or_default()
    })
}

/// Expands a path.
pub(super) fn expand_path(
    node: &Node,
    scope: Scope<'_>,
    owner: &dyn std::fmt::Display,
    problems: &mut Collector,
) -> Result<String, Reported> {
    let mut expander = Expander {
        scope,
        report: |node: &Node, error: &ExpandError| report_expansion(owner, node, error, problems),
        invalid: BTreeSet::new(),
    };
    match expander.node(node, "path") {
        Some(serde_json::Value::String(path)) => Ok(path),
        _ => Err(Reported),
    }
}

fn report_expansion(
    owner: &dyn std::fmt::Display,
    node: &Node,
    error: &ExpandError,
    problems: &mut Collector,
) {
    let Some(explanation) = error.explain() else {
        return;
    };
    problems.add_for(owner, "placeholder", Some(&node.span), |problems| {
        let place = problems.piece(&node.span, &explanation.piece);
        let mut problem = Problem::error(explanation.summary).at(&place);
        problem.label = explanation.label;
        problem.maybe_hint(explanation.hint)
    });
}

/// The region comes first: other settings may name it.
fn region(
    environment: &EnvironmentDraft<'_>,
    draft: &UnitDraft<'_>,
    merged: &Entries<'_>,
    problems: &mut Collector,
) -> Result<Option<Region>, Reported> {
    let Some(Merged::Leaf(leaf)) = merged.get("region") else {
        return Ok(None);
    };
    match &leaf.node.value {
        Value::Invalid => return Err(Reported),
        Value::String(text) if text.is_empty() => return Ok(None),
        _ => {}
    }
    let scope = Scope {
        environment: environment.name.as_str(),
        stack: draft.id.stack.as_ref().map(AsRef::as_ref),
        account_id: slot(environment.account.as_ref().map(Option::as_ref)),
        region: Slot::Missing,
    };
    let text = expand_path(leaf.node, scope, &draft.id, problems)?;
    Region::new(text).map(Some).map_err(|error| {
        problems.add_for(&draft.id, "region", Some(&leaf.node.span), |_| {
            Problem::error(error.to_string())
        });
        Reported
    })
}

fn env(
    context: &Context<'_>,
    settings: &raw::Settings,
    problems: &mut Collector,
) -> Result<BTreeMap<String, String>, Reported> {
    let mut result = Ok(());
    for name in settings.env.keys() {
        if let Some(reason) = env_name::refusal(name) {
            // Names may hold dots, so that this is not looked up as a path.
            let entry = match context.merged.get("env") {
                Some(Merged::Table(entries)) => entries.get(name.as_str()).and_then(Merged::latest),
                _ => None,
            };
            let place = entry.map_or(context.key, |leaf| leaf.key);
            problems.add_for(context.id, "env", Some(place), |_| {
                Problem::error(format!("`env` cannot set `{name}`")).hint(reason)
            });
            result = Err(Reported);
        }
    }
    result.map(|()| settings.env.clone())
}

fn extra_accounts(
    context: &Context<'_>,
    settings: &raw::Settings,
    problems: &mut Collector,
) -> Result<Vec<AccountId>, Reported> {
    let given = settings.extra_account_ids.as_deref().unwrap_or_default();
    let parsed = given.iter().map(|account| {
        account.parse().map_err(|_| {
            context.wrong(problems, "extra_account_ids", || {
                Problem::error(format!("`{account}` is not {}", AccountId::EXPECTED))
            })
        })
    });
    parsed.collect()
}

fn lock_timeout(
    context: &Context<'_>,
    text: Option<&str>,
    problems: &mut Collector,
) -> Result<Duration, Reported> {
    let Some(text) = text else {
        return Ok(Duration::ZERO);
    };
    duration::parse(text).ok_or_else(|| {
        context.wrong(problems, "lock_timeout", || {
            Problem::error(format!("`{text}` is not {}", duration::EXPECTED))
        })
    })
}
