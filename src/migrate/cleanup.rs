//! After the proof: local states leave the root module.

use std::fs;
use std::path::{Path, PathBuf};

use super::io_failure;
use super::source::one_file;
use crate::journal::migration::{Copied, Entry, Place, Role};
use crate::journal::{Migration, make_private_folder};
use crate::model::{Diagnostic, MigratedWorkspace, Migration as Migrated, sha256};
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::states::unreadable;
use crate::state::LocalState;

/// Removes the local files that were copied, or moves them into the backup; one that has changed
/// since is left, and said so, and so is one that is a state at the destination. Gives those that
/// are gone now.
///
/// # Errors
/// The file system refuses, or somebody works on one of the files.
pub(super) async fn remove(
    record: &mut Record<'_>,
    migration: &Migration,
    at_destination: &[PathBuf],
    keep_local: bool,
) -> Result<Vec<PathBuf>, Failure> {
    let ctx = record.ctx;
    let mut gone = Vec::new();
    let states: Vec<Copied> = migration
        .copies()
        .iter()
        .filter(|copied| copied.role == Role::State)
        .cloned()
        .collect();
    let at_destination: Vec<PathBuf> = at_destination.iter().map(|file| one_file(file)).collect();
    // All of them first: one that is in use keeps the others, too.
    for copied in &states {
        let at_work = LocalState::at(&copied.original).holder_at_work().await;
        if let Some(holder) = at_work.map_err(|error| unreadable(&error))? {
            return Err(Failure::held(&ctx.shown(&copied.original), holder));
        }
    }
    for copied in &states {
        let file = &copied.original;
        if at_destination.contains(&one_file(file)) {
            continue;
        }
        match fs::read(file) {
            // A try before this one removed it.
            Err(_) if !file.exists() => gone.push(file.clone()),
            Err(error) => return Err(io_failure("read", &ctx.shown(file), &error)),
            Ok(bytes) if sha256(&bytes) != copied.sha256 && !bytes.is_empty() => {
                record.diagnostic(
                    Diagnostic::warning(format!(
                        "`{}` has changed since it was copied, and stays",
                        ctx.shown(file)
                    ))
                    .with_hint("compare it with the state in the backend, then remove it"),
                );
            }
            Ok(_) => {
                take_away(file, migration, keep_local)
                    .map_err(|error| io_failure("remove", &ctx.shown(file), &error))?;
                gone.push(file.clone());
            }
        }
    }
    let alone = matches!(
        migration.places(),
        Some((Place::Local { alone: true, .. }, _))
    );
    if !alone {
        remove_folders(&record.unit.folder, &states);
    }
    Ok(gone)
}

fn take_away(file: &Path, migration: &Migration, keep_local: bool) -> std::io::Result<()> {
    if !keep_local {
        return fs::remove_file(file);
    }
    let name = sha256(file.as_os_str().as_encoded_bytes());
    let folder = migration.folder().join("kept").join(&name[..12]);
    make_private_folder(&folder).map_err(|error| error.source)?;
    let kept = folder.join(file.file_name().unwrap_or_default());
    // A rename does not cross file systems; the copy is the same, and proven to be.
    fs::rename(file, &kept).or_else(|_| {
        fs::copy(file, &kept)?;
        fs::remove_file(file)
    })
}

/// Folders of workspaces that are empty now, those of workspaces without a state included. One
/// that holds something else stays.
fn remove_folders(root_module: &Path, states: &[Copied]) {
    let mut parents: Vec<PathBuf> = states
        .iter()
        .filter_map(|copied| copied.original.parent()?.parent().map(Path::to_owned))
        .collect();
    parents.push(root_module.join("terraform.tfstate.d"));
    parents.sort_unstable();
    parents.dedup();
    for parent in parents {
        if parent
            .file_name()
            .is_none_or(|name| name != "terraform.tfstate.d")
        {
            continue;
        }
        for entry in fs::read_dir(&parent).into_iter().flatten().flatten() {
            let _ = fs::remove_dir(entry.path());
        }
        let _ = fs::remove_dir(&parent);
    }
}

/// What the journal knows of a migration, for the report.
pub(super) fn report(record: &Record<'_>, migration: &Migration, deleted: &[PathBuf]) -> Migrated {
    let ctx = record.ctx;
    let mut report = Migrated {
        from: String::new(),
        to: String::new(),
        workspaces: Vec::new(),
        deleted: deleted.iter().map(|file| ctx.shown(file)).collect(),
        backup: Some(ctx.shown(migration.folder())),
    };
    let mut written: &[(String, Option<String>)] = &[];
    for entry in migration.entries() {
        match entry {
            Entry::Begun { from, to, .. } => {
                report.from.clone_from(from);
                report.to.clone_from(to);
            }
            Entry::Written { versions } => written = versions,
            _ => {}
        }
    }
    for surveyed in super::survey::surveyed(migration) {
        if surveyed.content.is_none() && surveyed.name == "default" {
            continue;
        }
        let version = written.iter().find(|(name, _)| *name == surveyed.name);
        report.workspaces.push(MigratedWorkspace {
            version_id: version.and_then(|(_, version)| version.clone()),
            name: surveyed.name,
            resources: surveyed.resources,
            sha256: surveyed.content,
        });
    }
    report
}
