//! Units that would get in each other's way.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::UnitDraft;
use super::context::Reported;
use crate::manifest::problem::{Collector, Problem};
use crate::manifest::source::Span;
use crate::model::{Backend, S3Backend, Unit};

/// Two units must not have the same state.
pub(super) fn check_states(
    drafts: &[UnitDraft<'_>],
    units: &[Result<Unit, Reported>],
    places: &[&Span],
    problems: &mut Collector,
) {
    let mut known: HashMap<String, usize> = HashMap::new();
    for (index, unit) in units.iter().enumerate() {
        let Ok(unit) = unit else { continue };
        let identity = identity(&unit.backend, &unit.folder);
        let Some(&first) = known.get(&identity) else {
            known.insert(identity, index);
            continue;
        };
        let (one, other) = (&drafts[first], &drafts[index]);
        let shared = places[index];
        let problem = Problem::error(format!(
            "`{}` and `{}` would have the same state",
            one.id, other.id
        ))
        .at(other.key)
        .label(describe(&unit.backend))
        .related(one.key, "so does this one");
        let problem = if places[first] == shared && shared != other.key {
            problem.related(shared, "this gives both the same key")
        } else {
            problem
        };
        let problem = problem.hint(match &unit.backend {
            Backend::S3(_) => {
                "put `{environment}` or `{stack}/` into `backend.key` or `backend.bucket`"
            }
            Backend::Local(_) => {
                "set `options.path` or `workspace`, or give each a folder of its own"
            }
            Backend::Other(_) => "put `{environment}` or `{stack}` into `backend.options`",
        });
        problems.add_for(&other.id, "same state", Some(shared), |_| problem);
    }
}

/// Two units must not want different things of one bucket.
pub(super) fn check_buckets(
    drafts: &[UnitDraft<'_>],
    units: &[Result<Unit, Reported>],
    problems: &mut Collector,
) {
    let mut known: HashMap<String, usize> = HashMap::new();
    for (index, unit) in units.iter().enumerate() {
        let Ok(unit) = unit else { continue };
        let Backend::S3(s3) = &unit.backend else {
            continue;
        };
        let place = format!("{} {} {}", server(s3), s3.region, s3.bucket);
        let Some(&first) = known.get(&place) else {
            known.insert(place, index);
            continue;
        };
        if units[first]
            .as_ref()
            .is_ok_and(|first| first.bucket == unit.bucket)
        {
            continue;
        }
        let (one, other) = (&drafts[first], &drafts[index]);
        problems.add_for(&other.id, "same bucket", Some(other.key), |_| {
            Problem::error(format!(
                "`{}` and `{}` want different things of one bucket",
                one.id, other.id
            ))
            .at(other.key)
            .label(format!("its state is in `{}`", s3.bucket))
            .related(one.key, "so is the state of this one")
            .hint("let `bucket` be the same for both, or give them buckets of their own")
        });
    }
}

/// What tells one state from another: two units with the same one would overwrite each other.
fn identity(backend: &Backend, folder: &Path) -> String {
    match backend {
        Backend::S3(s3) => {
            format!("s3 {} {}/{}", server(s3), s3.bucket, s3.object_key())
        }
        Backend::Local(local) => {
            let text = |key| local.options.get(key).and_then(Json::as_str);
            let path = folder.join(text("path").unwrap_or("terraform.tfstate"));
            let workspaces = folder.join(text("workspace_dir").unwrap_or("terraform.tfstate.d"));
            if local.workspace.is_default() {
                format!("local {}", path.display())
            } else {
                format!("local {} {}", workspaces.display(), local.workspace)
            }
        }
        Backend::Other(other) => {
            let options = Json::Object(other.options.clone());
            format!("{} {options} {}", other.kind, other.workspace)
        }
    }
}

/// What tells one S3 from another.
fn server(s3: &S3Backend) -> String {
    let endpoints = s3
        .options
        .get("endpoints")
        .or_else(|| s3.options.get("endpoint"));
    let server = endpoints.map(Json::to_string).unwrap_or_default();
    format!("{} {server}", s3.region.partition())
}

fn describe(backend: &Backend) -> String {
    match backend {
        Backend::S3(s3) => format!("its state is s3://{}/{}", s3.bucket, s3.object_key()),
        Backend::Local(_) => "its state is the same file".to_owned(),
        Backend::Other(other) => format!("its `{}` backend is the same", other.kind),
    }
}

/// Names become files in `.tfw/`, and some file systems cannot tell `Dev` from `dev`.
pub(super) fn check_names(drafts: &[UnitDraft<'_>], problems: &mut Collector) {
    let mut known: HashMap<String, usize> = HashMap::with_capacity(drafts.len());
    for (index, draft) in drafts.iter().enumerate() {
        let name = draft.id.to_string().to_lowercase();
        if let Some(&first) = known.get(&name) {
            let first = &drafts[first];
            problems.add(
                Problem::error(format!(
                    "`{}` and `{}` differ only in upper and lower case",
                    first.id, draft.id
                ))
                .at(draft.key)
                .related(first.key, "the other one")
                .detail("their files would be the same on macOS and Windows"),
            );
        } else {
            known.insert(name, index);
        }
    }
}

/// Notes which units use the same folder, so that each needs its own data folder.
pub(super) fn note_shared_folders(units: &mut [Unit]) {
    // Two paths may lead to one folder through a link.
    let folders: Vec<PathBuf> = units
        .iter()
        .map(|unit| {
            unit.folder
                .canonicalize()
                .unwrap_or_else(|_| unit.folder.clone())
        })
        .collect();
    let mut counts: HashMap<&PathBuf, usize> = HashMap::with_capacity(folders.len());
    for folder in &folders {
        *counts.entry(folder).or_default() += 1;
    }
    for (unit, folder) in units.iter_mut().zip(&folders) {
        unit.shares_folder = counts[folder] > 1;
    }
}
