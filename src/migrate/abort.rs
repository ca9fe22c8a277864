//! `tfw migrate --abort`: everything is put back as it was before an unfinished migration.

use std::fs;
use std::path::{Path, PathBuf};

use super::block::write_file;
use super::copies::DATA_FILES;
use super::desk::{Desk, Plan};
use super::locks::Locks;
use super::{io_failure, source, survey};
use crate::journal::migration::{Copied, Entry, Role, Surveyed};
use crate::journal::{Migration, write_private};
use crate::model::{Diagnostic, Workspace, sha256};
use crate::stage::Context;
use crate::stage::backend::where_and_who;
use crate::stage::consent::Matter;
use crate::stage::failure::Failure;
use crate::stage::fingerprint::Fingerprint;
use crate::stage::record::Record;
use crate::stage::states::unreadable;
use crate::state::{S3State, StateDocument, StateStore, content_hash};

/// Aborts the unfinished migrations of these units, after one question.
pub(super) async fn all(ctx: &Context, desks: Vec<Desk<'_>>) {
    let at_work: Vec<&Desk<'_>> = desks
        .iter()
        .filter(|desk| {
            desk.plan
                .as_ref()
                .is_some_and(|plan| plan.unfinished.is_some())
        })
        .collect();
    let units: Vec<_> = at_work.iter().map(|desk| desk.record.unit).collect();
    let question = || {
        let lines: Vec<String> = at_work.iter().flat_map(|desk| describe(desk)).collect();
        format!(
            "tfw will put back what these migrations did:\n{}",
            lines.join("\n")
        )
    };
    let agreed = if units.is_empty() {
        Ok(())
    } else {
        ctx.consent
            .obtain(ctx, Matter::Tfw, &units, question, "putting it back")
            .await
    };
    for desk in desks {
        let Desk {
            mut record,
            plan,
            failure,
            ..
        } = desk;
        let end = match (plan, failure, &agreed) {
            (_, Some(failure), _) => Err(failure),
            (Some(_), None, Err(refusal)) => Err(refusal.clone()),
            (None, None, _) => Err(Failure::not_started()),
            (Some(plan), None, Ok(())) => one(&mut record, plan).await,
        };
        super::finish(record, end);
    }
}

fn describe(desk: &Desk<'_>) -> Vec<String> {
    let Some(Plan {
        safe,
        unfinished: Some(migration),
        ..
    }) = &desk.plan
    else {
        return Vec::new();
    };
    let unit = desk.record.unit;
    let mut lines = vec![format!(
        "  {}: from the copies in {}",
        unit.id,
        desk.record.ctx.shown(migration.folder())
    )];
    lines.extend(
        where_and_who(unit, safe)
            .lines()
            .filter(|line| line.starts_with("    as "))
            .map(str::to_owned),
    );
    let ctx = desk.record.ctx;
    for copied in migration.copies() {
        if copied.role == Role::State && !copied.original.exists() {
            lines.push(format!("    puts back {}", ctx.shown(&copied.original)));
        }
    }
    for entry in migration.entries() {
        if let Entry::EditingBlock { file, .. } = entry {
            lines.push(format!("    undoes the edit of {}", ctx.shown(file)));
        }
        if let Entry::Begun { to, .. } = entry
            && migration.versions_before().is_some()
        {
            lines.push(format!("    removes what it wrote to {to}"));
        }
    }
    lines.dedup();
    lines
}

async fn one(record: &mut Record<'_>, mut plan: Plan) -> Result<(), Failure> {
    record.resume();
    let ctx = record.ctx;
    let Some(mut migration) = plan.unfinished.take() else {
        record.note("there is no unfinished migration to abort");
        return Ok(());
    };
    let surveyed = survey::surveyed(&migration);
    let names: Vec<Workspace> = surveyed
        .iter()
        .filter_map(|each| each.name.parse().ok())
        .collect();
    let locks = Locks::new(&plan.safe, &plan.destination);
    // Where nothing was written, there is nothing to be kept from others.
    if migration.versions_before().is_some() {
        locks.take(record, &mut migration, &names).await?;
    }
    let undone = undo(record, &plan, &mut migration, &surveyed).await;
    let released = locks.release(record, &migration).await;
    match (undone, released) {
        (Ok(()), Ok(())) => {}
        (Err(failure), Ok(())) => {
            let _ = migration.note(Entry::Unlocked);
            return Err(failure);
        }
        (Ok(()), Err(left)) => return Err(left),
        (Err(failure), Err(left)) => return Err(failure.beside(&left)),
    }
    migration.note(Entry::Unlocked)?;
    migration.note(Entry::Aborted)?;
    record.note(format!(
        "everything is as it was; the copies stay in {}",
        ctx.shown(migration.folder())
    ));
    Ok(())
}

/// Looks at everything first, since a refusal changes nothing; then puts back the source, and only
/// when that is whole takes away what was written at the destination.
async fn undo(
    record: &mut Record<'_>,
    plan: &Plan,
    migration: &mut Migration,
    surveyed: &[Surveyed],
) -> Result<(), Failure> {
    for copied in migration.copies() {
        read_copy(record, migration, copied)?;
    }
    let written = written(record, plan, migration, surveyed).await?;
    if !written.is_empty() {
        is_whole_at_the_source(record, plan, migration, surveyed).await?;
    }
    migration.note(Entry::Aborting)?;
    for copied in migration.copies() {
        if copied.role == Role::State {
            put_back(record, migration, copied)?;
        }
    }
    for each in written {
        match each {
            Written::Version(state, version) => {
                state
                    .remove_version(&version)
                    .await
                    .map_err(|error| unreadable(&error))?;
                record.note(format!("removed version {version} of {}", state.url()));
            }
            Written::File(path) => {
                let kept = copy_with(migration, &path, Role::Destination);
                match kept {
                    Some(copied) => {
                        let bytes = read_copy(record, migration, copied)?;
                        write_file(&path, &bytes).map_err(|error| {
                            io_failure("write", &record.ctx.shown(&path), &error)
                        })?;
                    }
                    None => remove_file(record, &path)?,
                }
            }
        }
    }
    Fingerprint::forget(record.ctx, record.unit)?;
    // Before anything was copied, nothing was changed.
    if migration.has(|entry| matches!(entry, Entry::BackedUp { .. })) {
        data_folder(record, migration)?;
        configuration(record, migration)?;
    }
    Ok(())
}

/// Refuses to take away what was moved while the source is neither what was copied from it nor a
/// later state of the same lineage. A local file that is gone is put back from its copy, which has
/// been looked at.
async fn is_whole_at_the_source(
    record: &Record<'_>,
    plan: &Plan,
    migration: &Migration,
    surveyed: &[Surveyed],
) -> Result<(), Failure> {
    let Some((source, _)) = migration.places() else {
        return Ok(());
    };
    let from = source::backend(record.unit, source)?;
    for each in surveyed {
        let Ok(name) = each.name.parse::<Workspace>() else {
            continue;
        };
        let store = survey::store(record, &plan.safe, &from, &name).await?;
        let place = store.place();
        let copied = migration.copies().iter().find(|copied| {
            matches!(copied.role, Role::State | Role::Remote)
                && copied.original == Path::new(&place)
        });
        let Some(copied) = copied else { continue };
        let raw = store.raw().await.map_err(|error| unreadable(&error))?;
        let is_whole = match &raw {
            None => copied.role == Role::State,
            Some(raw) => sha256(&raw.bytes) == copied.sha256 || is_later(&raw.bytes, each),
        };
        if !is_whole {
            return Err(Failure::refused(
                Diagnostic::error(format!(
                    "`{place}` is not what was copied from it, so what was moved is not taken away"
                ))
                .with_hint(format!(
                    "the copy is `{}`; decide which state counts",
                    record.ctx.shown(&migration.copy_path(copied))
                )),
            ));
        }
    }
    Ok(())
}

/// Whether a state has gone on from the one that was copied.
fn is_later(bytes: &[u8], copied: &Surveyed) -> bool {
    StateDocument::parse(bytes).is_ok_and(|document| {
        document.lineage == copied.lineage && document.serial >= copied.serial
    })
}

/// The newest copy of a file.
fn copy_with<'m>(migration: &'m Migration, file: &Path, role: Role) -> Option<&'m Copied> {
    migration
        .copies()
        .iter()
        .rev()
        .find(|copied| copied.role == role && copied.original == file)
}

/// Something at the destination that the migration wrote.
enum Written {
    /// A version of a state; without it, what lay there before is current again.
    Version(S3State, String),
    /// A file; a copy tells what it was before, where it was there.
    File(PathBuf),
}

/// All that the migration wrote at the destination.
///
/// # Errors
/// A refusal: somebody has written there since.
async fn written(
    record: &Record<'_>,
    plan: &Plan,
    migration: &Migration,
    surveyed: &[Surveyed],
) -> Result<Vec<Written>, Failure> {
    let Some(looked) = migration.versions_before() else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for (workspace, before) in looked {
        let Ok(name) = workspace.parse::<Workspace>() else {
            continue;
        };
        let known = surveyed.iter().find(|each| each.name == *workspace);
        match survey::store(record, &plan.safe, &plan.destination, &name).await? {
            StateStore::S3(state) => {
                let versions = state.versions().await.map_err(|error| unreadable(&error))?;
                for version in versions {
                    let id = version.version_id;
                    if before.contains(&id) {
                        continue;
                    }
                    if version.deleted {
                        return Err(somebody_elses(record, &state.url(), &id));
                    }
                    let raw = state
                        .version(&id)
                        .await
                        .map_err(|error| unreadable(&error))?;
                    if !ours(&raw.bytes, known) {
                        return Err(somebody_elses(record, &state.url(), &id));
                    }
                    all.push(Written::Version(state.clone(), id));
                }
            }
            StateStore::Local(local) => {
                let path = local.path().to_owned();
                let bytes = fs::read(&path).unwrap_or_default();
                let before = copy_with(migration, &path, Role::Destination);
                let is_untouched = before.is_some_and(|copied| copied.sha256 == sha256(&bytes));
                if bytes.is_empty() || is_untouched {
                    continue;
                }
                if !ours(&bytes, known) {
                    let place = path.display().to_string();
                    return Err(somebody_elses(record, &place, "now"));
                }
                all.push(Written::File(path));
            }
        }
    }
    Ok(all)
}

fn somebody_elses(record: &Record<'_>, place: &str, version: &str) -> Failure {
    let unit = &record.unit.id;
    Failure::refused(
        Diagnostic::error(format!(
            "`{place}` has changed since the migration of `{unit}`: version {version} is not what it wrote"
        ))
        .with_hint(format!(
            "the state is in use there: `tfw migrate {unit}` ends the migration; nothing was put back"
        )),
    )
}

/// Whether a state is one that the migration wrote: the content that was moved, or the empty one
/// that makes a workspace. One that a `terraform destroy` emptied has another serial.
fn ours(bytes: &[u8], known: Option<&Surveyed>) -> bool {
    let Ok(document) = StateDocument::parse(bytes) else {
        return false;
    };
    if document.is_empty() {
        return document.serial == 0;
    }
    known.is_some_and(|known| known.content.is_some() && content_hash(bytes).ok() == known.content)
}

/// Puts a state back where it is gone or empty; one that is there is somebody's.
fn put_back(record: &Record<'_>, migration: &Migration, copied: &Copied) -> Result<(), Failure> {
    let file = &copied.original;
    let shown = record.ctx.shown(file);
    let there = fs::read(file).unwrap_or_default();
    let copy = read_copy(record, migration, copied)?;
    if !there.is_empty() || copy.is_empty() && file.exists() {
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(|error| io_failure("create", &shown, &error))?;
    }
    // Whole or not at all; and private, whatever it was: it is a state.
    write_private(file, &copy)?;
    record.note(format!("put back {shown}"));
    Ok(())
}

fn read_copy(
    record: &Record<'_>,
    migration: &Migration,
    copied: &Copied,
) -> Result<Vec<u8>, Failure> {
    let path = migration.copy_path(copied);
    let shown = record.ctx.shown(&path);
    let bytes = fs::read(&path).map_err(|error| io_failure("read", &shown, &error))?;
    if sha256(&bytes) == copied.sha256 {
        return Ok(bytes);
    }
    Err(Failure::failed(
        Diagnostic::error(format!(
            "the copy `{shown}` is not what was copied, and was not used"
        ))
        .with_hint(format!(
            "put back by hand what is missing of `{}`, or let `tfw migrate {}` end the migration",
            record.ctx.shown(&copied.original),
            record.unit.id
        )),
    ))
}

/// What Terraform records of its backend, as it was; nothing, where nothing was.
fn data_folder(record: &Record<'_>, migration: &Migration) -> Result<(), Failure> {
    let data_dir = record.ctx.data_dir(record.unit);
    for name in DATA_FILES {
        let file = data_dir.join(name);
        let kept = migration
            .copies()
            .iter()
            .find(|copied| copied.role == Role::DataFolder && copied.original == file);
        match kept {
            Some(copied) => {
                let bytes = read_copy(record, migration, copied)?;
                let shown = record.ctx.shown(&data_dir);
                fs::create_dir_all(&data_dir)
                    .map_err(|error| io_failure("create", &shown, &error))?;
                write_private(&file, &bytes)?;
            }
            None => remove_file(record, &file)?,
        }
    }
    Ok(())
}

/// The configuration as it was, unless somebody has edited it since, or other units need it as it
/// is now.
fn configuration(record: &mut Record<'_>, migration: &Migration) -> Result<(), Failure> {
    if record.unit.shares_folder {
        record.note("the backend block stays as it is: other units share the root module");
        return Ok(());
    }
    let edits: Vec<(PathBuf, bool, String)> = migration
        .entries()
        .iter()
        .filter_map(|entry| match entry {
            Entry::EditingBlock {
                file,
                existed,
                after,
            } => Some((file.clone(), *existed, after.clone())),
            _ => None,
        })
        .collect();
    let ctx = record.ctx;
    for (file, existed, after) in edits {
        let shown = ctx.shown(&file);
        let now = fs::read(&file).unwrap_or_default();
        let kept = migration
            .copies()
            .iter()
            .find(|copied| copied.role == Role::Configuration && copied.original == file);
        if kept.is_some_and(|copied| sha256(&now) == copied.sha256) {
            continue;
        }
        if sha256(&now) != after {
            let copy = kept.map(|copied| ctx.shown(&migration.copy_path(copied)));
            record.diagnostic(
                Diagnostic::warning(format!(
                    "`{shown}` was edited since the migration began, and stays as it is"
                ))
                .with_hint(match copy {
                    Some(copy) => format!("as it was before, it is in `{copy}`"),
                    None => "it was not there before".to_owned(),
                }),
            );
            continue;
        }
        match kept {
            Some(copied) => {
                let bytes = read_copy(record, migration, copied)?;
                write_file(&file, &bytes).map_err(|error| io_failure("write", &shown, &error))?;
            }
            None if !existed => remove_file(record, &file)?,
            None => {}
        }
        record.note(format!("put back {shown}"));
    }
    Ok(())
}

fn remove_file(record: &Record<'_>, file: &Path) -> Result<(), Failure> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io_failure("remove", &record.ctx.shown(file), &error))
        }
        _ => Ok(()),
    }
}
