//! Copies of everything that a migration may take away or change.

use std::fs;
use std::path::{Path, PathBuf};

use super::io_failure;
use super::reading::older;
use super::survey::{self, Survey, There};
use crate::journal::Migration;
use crate::journal::migration::{Copied, Entry, Role};
use crate::model::{Backend, Workspace};
use crate::root_module::BackendEdit;
use crate::stage::SafeBackend;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::state::StateStore;

/// Files of the data folder that say which backend and workspace are in use.
pub(super) const DATA_FILES: [&str; 2] = ["terraform.tfstate", "environment"];

/// Copies everything that the migration may take away or change. What an earlier try copied of
/// things that it then changed is the older truth, and stays as it is.
pub(super) async fn back_up(
    record: &Record<'_>,
    migration: &Migration,
    survey: &Survey,
    safe: &SafeBackend,
    destination: &Backend,
    edit: Option<&BackendEdit>,
) -> Result<Vec<Copied>, Failure> {
    let is_resumed = migration.has(|entry| matches!(entry, Entry::BackedUp { .. }));
    if !is_resumed {
        // A try that broke off in here left copies that nobody has looked at.
        for name in ["source", "older", "destination"] {
            let folder = migration.folder().join(name);
            if folder.exists() {
                fs::remove_dir_all(&folder)
                    .map_err(|error| io_failure("remove", &record.ctx.shown(&folder), &error))?;
            }
        }
    }
    let mut copies: Vec<Copied> = migration.copies().to_vec();
    let has = |copies: &[Copied], file: &Path, roles: &[Role]| {
        copies
            .iter()
            .any(|copied| copied.original == file && roles.contains(&copied.role))
    };
    for workspace in &survey.workspaces {
        let name = &workspace.name;
        let store = survey::store(record, safe, &survey.from, name).await?;
        let original = PathBuf::from(store.place());
        let role = match store {
            StateStore::Local(_) => Role::State,
            StateStore::S3(_) => Role::Remote,
        };
        if let Some(raw) = &workspace.raw
            && !has(&copies, &original, &[role])
        {
            copies.push(migration.keep_bytes(&original, &raw.bytes, &state_copy(name), role)?);
        }
        let older = older(&original);
        if role == Role::State && older.exists() && !has(&copies, &older, &[role]) {
            let copy = Path::new("older").join(state_copy(name));
            copies.push(migration.keep(&older, &copy, Role::State)?);
        }
        if let StateStore::Local(local) = survey::store(record, safe, destination, name).await?
            && local.path().exists()
            && !(is_resumed && matches!(workspace.there, There::Equal(_)))
        {
            // Of a second try, what lies there now is another one than at the first.
            let place = Path::new("destination").join(copies.len().to_string());
            let copy = place.join(state_copy(name));
            copies.push(migration.keep(local.path(), &copy, Role::Destination)?);
        }
    }
    if !is_resumed {
        let data_dir = record.ctx.data_dir(record.unit);
        for name in DATA_FILES {
            let file = data_dir.join(name);
            if file.exists() {
                let copy = Path::new("data").join(name);
                copies.push(migration.keep(&file, &copy, Role::DataFolder)?);
            }
        }
    }
    if let Some(edit) = edit.filter(|edit| edit.before.is_some())
        && !has(&copies, &edit.file, &[Role::Configuration])
    {
        let name = edit.file.file_name().unwrap_or_default();
        let copy = Path::new("configuration").join(name);
        copies.push(migration.keep(&edit.file, &copy, Role::Configuration)?);
    }
    Ok(copies)
}

/// Where the copy of a workspace's state lies: as the local backend would have it, so that
/// Terraform can be told to take it from there.
fn state_copy(workspace: &Workspace) -> PathBuf {
    if workspace.is_default() {
        PathBuf::from("source/terraform.tfstate")
    } else {
        Path::new("source/terraform.tfstate.d")
            .join(workspace.as_str())
            .join("terraform.tfstate")
    }
}
