//! Reading the source: its workspaces, their states, and what each says.

use std::fs;
use std::path::{Path, PathBuf};

use super::survey::{self, Content, surveyed};
use crate::journal::migration::Role;
use crate::journal::{Migration, make_private_folder, write_private};
use crate::model::{Backend, Diagnostic, Workspace};
use crate::stage::SafeBackend;
use crate::stage::failure::Failure;
use crate::stage::plugin_cache;
use crate::stage::record::Record;
use crate::stage::states::unreadable;
use crate::stage::terraform_step::{self, Call, Surroundings, Variables};
use crate::state::{NotAState, RawState, StateDocument, StateStore, content_hash};
use crate::terraform::command;

/// The workspaces of the source; `default` is always one.
pub(super) async fn names(
    record: &Record<'_>,
    safe: &SafeBackend,
    from: &Backend,
    alone: bool,
    unfinished: Option<&Migration>,
) -> Result<Vec<Workspace>, Failure> {
    let mut found = match from {
        Backend::Local(_) if alone => Vec::new(),
        Backend::Local(_) => {
            let folder = workspace_dir(record, from);
            let mut names = Vec::new();
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    names.push(entry.file_name().to_string_lossy().into_owned());
                }
            }
            names
        }
        Backend::S3(s3) => match survey::store(record, safe, from, &Workspace::default()).await? {
            StateStore::S3(state) => state
                .workspaces(s3)
                .await
                .map_err(|error| unreadable(&error))?,
            StateStore::Local(_) => Vec::new(),
        },
        Backend::Other(_) => Vec::new(),
    };
    // A clean-up that was broken off has removed some of them already.
    if let Some(unfinished) = unfinished {
        found.extend(surveyed(unfinished).iter().map(|each| each.name.clone()));
    }
    found.retain(|name| name != Workspace::DEFAULT);
    found.sort_unstable();
    found.dedup();
    let named = found.into_iter().map(|name| {
        name.parse::<Workspace>().map_err(|error| {
            Failure::refused(
                Diagnostic::error(format!(
                    "a workspace has a name that tfw cannot use: {error}"
                ))
                .with_hint("rename it, or remove it where it is none of Terraform's"),
            )
        })
    });
    std::iter::once(Ok(Workspace::default()))
        .chain(named)
        .collect()
}

/// Where a local backend keeps its named workspaces.
fn workspace_dir(record: &Record<'_>, local: &Backend) -> PathBuf {
    let option = match local {
        Backend::Local(local) => local.options.get("workspace_dir"),
        _ => None,
    };
    let set = option.and_then(serde_json::Value::as_str);
    record
        .unit
        .folder
        .join(set.unwrap_or("terraform.tfstate.d"))
}

/// The older state that Terraform keeps beside a local one.
pub(super) fn older(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".backup");
    PathBuf::from(name)
}

/// Reads one workspace of the source, and whether that comes from the older file.
pub(super) async fn read(
    record: &Record<'_>,
    safe: &SafeBackend,
    from: &Backend,
    name: &Workspace,
    unfinished: Option<&Migration>,
) -> Result<(Option<RawState>, bool), Failure> {
    let store = survey::store(record, safe, from, name).await?;
    let raw = store.raw().await.map_err(|error| unreadable(&error))?;
    let copy = unfinished.and_then(|migration| copy_of(migration, &store));
    if let Some((copied, sha256)) = copy {
        return match raw {
            // A truncated or a finished move empties the file, and the copy has all of it.
            None => Ok((Some(copied), false)),
            Some(raw) if crate::model::sha256(&raw.bytes) == sha256 => Ok((Some(raw), false)),
            Some(_) => Err(changed_since(record, &store.place())),
        };
    }
    if raw.is_some() {
        return Ok((raw, false));
    }
    let StateStore::Local(local) = &store else {
        return Ok((None, false));
    };
    // Terraform empties the file and keeps what was in it in the older one. A truncated upload
    // leaves it so, too (Terraform 1.11.4).
    if !local.path().exists() {
        return Ok((None, false));
    }
    let older = older(local.path());
    match fs::read(&older) {
        Ok(bytes) if !bytes.is_empty() => {
            record.note(format!(
                "`{}` is empty, as a hand-typed migration leaves it; the state is taken from `{}`",
                record.ctx.shown(local.path()),
                record.ctx.shown(&older)
            ));
            let raw = RawState {
                bytes,
                version_id: None,
                modified: None,
                etag: None,
                encryption: None,
            };
            Ok((Some(raw), true))
        }
        _ => Ok((None, false)),
    }
}

/// What an unfinished migration copied from a place, where the copy is still what it was.
fn copy_of(migration: &Migration, store: &StateStore) -> Option<(RawState, String)> {
    let place = PathBuf::from(store.place());
    let is_of = |role| matches!(role, Role::State | Role::Remote);
    let copied = migration
        .copies()
        .iter()
        .find(|copied| is_of(copied.role) && copied.original == place)?;
    let bytes = fs::read(migration.copy_path(copied)).ok()?;
    (crate::model::sha256(&bytes) == copied.sha256 && !bytes.is_empty()).then(|| {
        let raw = RawState {
            bytes,
            version_id: None,
            modified: None,
            etag: None,
            encryption: None,
        };
        (raw, copied.sha256.clone())
    })
}

fn changed_since(record: &Record<'_>, place: &str) -> Failure {
    let unit = &record.unit.id;
    Failure::refused(
        Diagnostic::error(format!(
            "`{place}` has changed since an unfinished migration of `{unit}` copied it"
        ))
        .with_hint(format!(
            "`tfw migrate --abort {unit}` puts back what that migration did; then migrate again"
        )),
    )
}

/// What a state says: `terraform state pull` writes any format that Terraform reads in the one
/// that it would write itself.
pub(super) async fn normalise(
    record: &mut Record<'_>,
    safe: &SafeBackend,
    bytes: &[u8],
) -> Result<Content, Failure> {
    let ctx = record.ctx;
    if let Err(error @ (NotAState::Malformed { .. } | NotAState::Encrypted)) =
        StateDocument::parse(bytes)
    {
        return Err(Failure::refused(not_a_state("the source", &error)));
    }
    let folder = tempfile::Builder::new()
        .prefix("normalise-")
        .tempdir_in(ctx.run.folder())
        .map_err(|source| crate::journal::JournalError {
            doing: "create a folder in",
            path: ctx.run.folder().to_owned(),
            source,
        })?;
    write_private(&folder.path().join("terraform.tfstate"), bytes)?;
    let plugin_cache = plugin_cache::shared(ctx);
    make_private_folder(&plugin_cache)?;
    let surroundings = Surroundings {
        data_dir: &folder.path().join("data"),
        plugin_cache: &plugin_cache,
        variables: &Variables::default(),
    };
    let call = Call::new(command::state_pull())
        .private()
        .in_folder(folder.path());
    let finished = terraform_step::run(record, safe.account(), surroundings, call)
        .await?
        .succeeded("terraform state pull")?;
    let pulled = finished.private_output();
    if pulled.trim_ascii().is_empty() {
        return Ok(Content::default());
    }
    let document = StateDocument::parse(pulled)
        .map_err(|error| Failure::failed(not_a_state("the source", &error)))?;
    content(pulled, &document, "the source")
}

/// What a document says.
pub(super) fn content(
    bytes: &[u8],
    document: &StateDocument,
    place: &str,
) -> Result<Content, Failure> {
    let hash = content_hash(bytes).map_err(|error| Failure::failed(not_a_state(place, &error)))?;
    Ok(Content {
        hash: (!document.is_empty()).then_some(hash),
        resources: document.resource_count(),
        addresses: document.addresses(),
        serial: document.serial,
        lineage: document.lineage.clone(),
        terraform_version: document.terraform_version.clone(),
    })
}

fn not_a_state(place: &str, error: &NotAState) -> Diagnostic {
    Diagnostic::error(format!("cannot read the state in {place}: {error}"))
}
