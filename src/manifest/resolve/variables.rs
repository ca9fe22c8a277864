//! `var_files`, `vars` and `inputs` against what lies on disk.
//!
//! Terraform ignores a `TF_VAR_*` that no `variable` block declares, and lets every tfvars file win
//! over it; both in silence. So both are errors here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::context::{Context, Reported};
use super::files::{Files, similar};
use crate::manifest::problem::{Collector, Problem, list};
use crate::manifest::source::Span;
use crate::manifest::suggest::nearest;
use crate::manifest::tree::Value;
use crate::root_module::{Location, normalize};

/// Resolves `var_files` to files that exist.
pub(super) fn var_files(
    context: &Context<'_>,
    names: &[String],
    root: &Path,
    files: &mut Files,
    problems: &mut Collector,
) -> Result<Vec<PathBuf>, Reported> {
    let leaf = context.leaf("var_files");
    let items = leaf
        .and_then(|leaf| leaf.node.value.as_array())
        .unwrap_or_default();
    let mut result = Ok(Vec::with_capacity(names.len()));
    for (index, name) in names.iter().enumerate() {
        let path = normalize(&root.join(name));
        if files.is_file(&path) {
            if let Ok(paths) = &mut result {
                paths.push(path);
            }
            continue;
        }
        let place = items.get(index).map_or(context.key, |item| &item.span);
        problems.add_for(context.id, "var_files", Some(place), |problems| {
            let problem = Problem::error(format!("there is no file `{}`", problems.name(&path)));
            match similar(&path) {
                Some(found) => problem.label(format!("did you mean `{found}`?")),
                None => problem.detail("paths are relative to the manifest's folder"),
            }
        });
        result = Err(Reported);
    }
    result
}

/// A variable that tfw sets.
struct Setting<'a> {
    name: &'a str,
    key: &'a Span,
    table: &'static str,
}

/// Checks each name in `vars` and `inputs`.
pub(super) fn check(
    context: &Context<'_>,
    inputs: &BTreeMap<String, &Span>,
    folder: &Path,
    var_files: &[PathBuf],
    files: &mut Files,
    problems: &mut Collector,
) -> Result<(), Reported> {
    let mut settings: Vec<Setting<'_>> = Vec::new();
    if let Some(crate::manifest::layers::Merged::Table(vars)) = context.merged.get("vars") {
        settings.extend(vars.iter().filter_map(|(name, value)| {
            let leaf = value.latest()?;
            (!matches!(leaf.node.value, Value::Invalid)).then_some(Setting {
                name,
                key: leaf.key,
                table: "vars",
            })
        }));
    }
    settings.extend(inputs.iter().map(|(name, key)| Setting {
        name,
        key,
        table: "inputs",
    }));
    if settings.is_empty() {
        return Ok(());
    }
    let mut result = Ok(());
    let declared = files.declared(folder);
    let automatic = files.automatic(folder);
    for setting in settings {
        let unknown = declared
            .as_ref()
            .filter(|declared| !declared.contains_key(setting.name));
        if let Some(declared) = unknown {
            // It may be declared in a file that is not valid HCL just now; Terraform will tell.
            if !files.is_valid(folder) {
                continue;
            }
            undeclared(context, &setting, folder, declared, problems);
            result = Err(Reported);
            continue;
        }
        let mut in_files = automatic.iter().chain(var_files);
        let twice = in_files.find_map(|file| files.tfvars(file)?.get(setting.name).cloned());
        if let Some(location) = twice {
            set_twice(context, &setting, &location, problems);
            result = Err(Reported);
        }
    }
    result
}

fn undeclared(
    context: &Context<'_>,
    setting: &Setting<'_>,
    folder: &Path,
    declared: &super::files::Names,
    problems: &mut Collector,
) {
    let Setting { name, key, table } = setting;
    problems.add_for(context.id, "undeclared variable", Some(key), |problems| {
        let folder = problems.name(folder);
        let problem = Problem::error(format!(
            "`{name}` in `{table}` is no variable of the root module `{folder}`"
        ));
        let near = nearest(name, declared.keys().map(String::as_str));
        if let Some(found) = near {
            let place = &declared[found];
            let label = "this one is declared".to_owned();
            let related = problems.place(&place.file, place.line, label);
            let mut problem = problem.label(format!("did you mean `{found}`?"));
            problem.related.extend(related);
            return problem;
        }
        let known = match declared.len() {
            0 => "it declares no variables".to_owned(),
            _ => format!("it declares {}", list(declared.keys().map(String::as_str), 8)),
        };
        problem
            .label("Terraform would ignore it in silence")
            .detail(known)
            .hint(format!("add `variable \"{name}\" {{}}` in `{folder}`, or set `{name}` only where it is declared"))
    });
}

fn set_twice(
    context: &Context<'_>,
    setting: &Setting<'_>,
    location: &Location,
    problems: &mut Collector,
) {
    let Setting { name, key, table } = setting;
    problems.add_for(context.id, "variable set twice", Some(key), |problems| {
        let related = problems.place(&location.file, location.line, "and here".to_owned());
        let file = problems.name(&location.file);
        let mut problem = Problem::error(format!("`{name}` is set twice"))
            .label(format!("here in `{table}`"))
            .detail(format!("Terraform would let `{file}` win"))
            .hint("keep one of the two");
        problem.related.extend(related);
        problem
    });
}
