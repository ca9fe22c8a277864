//! The steps of one unit's migration, each announced in the journal before it begins.

use std::fs;
use std::path::PathBuf;

use super::block::{edit_block, write_edit};
use super::copies::{DATA_FILES, back_up};
use super::desk::Plan;
use super::locks::Locks;
use super::mover::Mover;
use super::survey::{self, Survey};
use super::{Options, cleanup, io_failure, plan_check, proposal, source};
use crate::journal::migration::Entry;
use crate::journal::{Migration, write_private};
use crate::model::{Backend, Diagnostic, Severity, UnitResult, Workspace};
use crate::root_module::BackendEdit;
use crate::stage::SafeBackend;
use crate::stage::failure::Failure;
use crate::stage::guards;
use crate::stage::initialise::initialise;
use crate::stage::record::Record;
use crate::stage::states::unreadable;
use crate::state::StateStore;
use crate::terraform::Recorded;

/// Migrates one unit. What goes wrong also says what is where by then, and how to go on.
pub(super) async fn run(
    record: &mut Record<'_>,
    plan: Plan,
    options: &Options,
) -> Result<(), Failure> {
    record.resume();
    let end = migrate(record, plan, options).await;
    end.map_err(|failure| {
        let begun = Migration::unfinished(record.ctx.run.tfw(), &record.unit.id);
        let Ok(Some(migration)) = begun else {
            return failure;
        };
        let what = if migration.is_proven() {
            "the state is moved and proven, and nothing is lost"
        } else {
            "nothing was removed: the state is where it was"
        };
        add_hint(failure, what, &record.unit.id.to_string())
    })
}

async fn migrate(record: &mut Record<'_>, plan: Plan, options: &Options) -> Result<(), Failure> {
    let Plan {
        turn,
        safe,
        destination,
        new_bucket: _,
        survey,
        edit,
        lock_table,
        other_workspace: _,
        files: _,
        unfinished,
    } = plan;
    if unfinished.as_ref().is_some_and(Migration::is_proven)
        && let Some(migration) = unfinished
    {
        // Proven, and broken off before the end: only the clean-up is left.
        let locks = Locks::new(&safe, &destination);
        return finish(record, migration, &locks, options, &safe, &destination).await;
    }
    let Some(survey) = survey else {
        return in_place(
            record,
            edit.as_ref(),
            &safe,
            lock_table.as_deref(),
            &destination,
        )
        .await;
    };
    let mut migration = match unfinished {
        // What is at the destination tells how far it came.
        Some(migration) => migration,
        None => begin(record, &survey, &destination)?,
    };
    let files = back_up(
        record,
        &migration,
        &survey,
        &safe,
        &destination,
        edit.as_ref(),
    )
    .await?;
    migration.note(Entry::BackedUp { files })?;
    migration.note(Entry::Surveyed {
        workspaces: survey.to_journal(),
    })?;
    let has_baseline = migration.has(|entry| matches!(entry, Entry::Baseline { .. }));
    if options.verify_plan && !has_baseline {
        let hash = plan_check::baseline(record, &survey, &safe).await?;
        migration.note(Entry::Baseline { hash })?;
    }
    if let Some(edit) = &edit {
        edit_block(record, &mut migration, edit)?;
    }
    let locks = Locks::new(&safe, &destination);
    not_stopped(record)?;
    locks.take(record, &mut migration, &survey.names()).await?;
    let mover = Mover {
        record,
        survey: &survey,
        safe: &safe,
        destination: &destination,
        turn: turn.as_deref(),
    };
    let moved = mover.under_locks(&mut migration, options).await;
    if let Err(failure) = moved {
        // Whatever went wrong, nobody shall find a lock that nobody holds.
        return Err(match locks.release(record, &migration).await {
            Ok(()) => {
                // Where the journal does not take it, the next run looks for the lock.
                let _ = migration.note(Entry::Unlocked);
                failure
            }
            Err(left) => failure.beside(&left),
        });
    }
    if let Some(table) = lock_table {
        record.note(table_stays(&table));
    }
    finish(record, migration, &locks, options, &safe, &destination).await
}

fn table_stays(table: &str) -> String {
    format!(
        "the DynamoDB table `{table}` is used no longer by this unit; remove it when no other state needs it"
    )
}

pub(super) fn not_stopped(record: &Record<'_>) -> Result<(), Failure> {
    if record.ctx.signals.is_stopping() {
        return Err(Failure::interrupted(
            "stopped before anything was moved: the run was interrupted",
        ));
    }
    Ok(())
}

/// No state is moved: the block is set right, and Terraform initialised for it.
async fn in_place(
    record: &mut Record<'_>,
    edit: Option<&BackendEdit>,
    safe: &SafeBackend,
    lock_table: Option<&str>,
    destination: &Backend,
) -> Result<(), Failure> {
    forget_empty_place(record, destination)?;
    if let Some(edit) = edit
        && write_edit(edit)?
    {
        record.note(format!("edited {}", record.ctx.shown(&edit.file)));
    }
    if record.unit.backend == *destination {
        let module = guards::check(record.ctx, record.unit)?;
        initialise(record, &module, safe.clone()).await?;
    }
    if let Some(table) = lock_table {
        record.note(table_stays(table));
    }
    Ok(())
}

/// Puts aside what `.terraform` records of another place, in which there is no state: an init would
/// stop at it. The run's folder keeps it.
fn forget_empty_place(record: &Record<'_>, destination: &Backend) -> Result<(), Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    let data_dir = ctx.data_dir(unit);
    let leads_elsewhere = Recorded::read(&data_dir, &unit.folder)
        .is_ok_and(|recorded| !recorded.location_differences(destination).is_empty());
    if !leads_elsewhere {
        return Ok(());
    }
    for name in DATA_FILES {
        let file = data_dir.join(name);
        let Ok(bytes) = fs::read(&file) else { continue };
        let kept = format!("{}.{name}", unit.id.file_stem());
        write_private(&ctx.run.folder().join(kept), &bytes)?;
        fs::remove_file(&file).map_err(|error| io_failure("remove", &ctx.shown(&file), &error))?;
    }
    Ok(())
}

/// A fresh journal.
fn begin(
    record: &Record<'_>,
    survey: &Survey,
    destination: &Backend,
) -> Result<Migration, Failure> {
    let begun = Entry::Begun {
        run_id: record.ctx.run.id().to_owned(),
        from: proposal::from(record, survey),
        to: proposal::to(record, destination),
        source: survey.source.clone(),
        destination: source::place_of(destination).ok_or_else(Failure::not_started)?,
    };
    Ok(Migration::begin(
        record.ctx.run.tfw(),
        &record.unit.id,
        record.ctx.run.id(),
        begun,
    )?)
}

/// Everything is proven: locks are released, local files go, Terraform is set up.
async fn finish(
    record: &mut Record<'_>,
    mut migration: Migration,
    locks: &Locks<'_>,
    options: &Options,
    safe: &SafeBackend,
    destination: &Backend,
) -> Result<(), Failure> {
    // The locks go whether or not the journal takes it.
    let noted = migration.note(Entry::Unlocking);
    locks.release(record, &migration).await?;
    noted?;
    migration.note(Entry::Unlocked)?;
    if record.ctx.signals.is_stopping() {
        return Err(Failure::interrupted(
            "stopped before the local files were removed: the run was interrupted",
        ));
    }
    let at_destination = still_there(record, &migration, safe, destination).await?;
    migration.note(Entry::Removing)?;
    let deleted = cleanup::remove(record, &migration, &at_destination, options.keep_local).await?;
    let deleted = if options.keep_local {
        record.note(format!(
            "the local files are kept in {}/kept",
            record.ctx.shown(migration.folder())
        ));
        Vec::new()
    } else {
        deleted
    };
    let report = cleanup::report(record, &migration, &deleted);
    record.migrated(report);
    migration.note(Entry::Done)?;
    if record.unit.backend == *destination {
        match guards::check(record.ctx, record.unit) {
            Ok(module) => drop(initialise(record, &module, safe.clone()).await?),
            // Another state is left in the folder: the migration is done, and the next command
            // says this again.
            Err(refusal) => {
                for diagnostic in refusal.diagnostics {
                    record.diagnostic(Diagnostic {
                        severity: Severity::Warning,
                        ..diagnostic
                    });
                }
            }
        }
    } else {
        record.note(format!(
            "the manifest still says that the state of `{}` lives in {}: set `backend.type = \"local\"` there",
            record.unit.id,
            record.unit.backend.place()
        ));
    }
    Ok(())
}

/// The last look before something is removed: there is a state in every place that was proven to
/// have it. Gives the files among these places.
async fn still_there(
    record: &Record<'_>,
    migration: &Migration,
    safe: &SafeBackend,
    destination: &Backend,
) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for surveyed in survey::surveyed(migration) {
        let Ok(name) = surveyed.name.parse::<Workspace>() else {
            continue;
        };
        let store = survey::store(record, safe, destination, &name).await?;
        let found = store.raw().await.map_err(|error| unreadable(&error))?;
        if found.is_none() && surveyed.content.is_some() {
            return Err(Failure::refused(Diagnostic::error(format!(
                "the state that was moved to `{}` is there no longer, and nothing is removed",
                store.place()
            ))));
        }
        if let StateStore::Local(local) = store {
            files.push(local.path().to_owned());
        }
    }
    Ok(files)
}

/// A failure, with what is where and how to go on.
fn add_hint(mut failure: Failure, what: &str, unit: &str) -> Failure {
    let hint = format!(
        "{what}; `tfw migrate {unit}` goes on from here, `tfw migrate --abort {unit}` puts everything back"
    );
    if let Some(last) = failure.diagnostics.last_mut() {
        *last = last.clone().with_hint(hint);
    } else {
        let diagnostic = match failure.result {
            UnitResult::Interrupted => Diagnostic::warning(failure.reason.clone()),
            _ => Diagnostic::error(failure.reason.clone()),
        };
        failure.diagnostics.push(diagnostic.with_hint(hint));
    }
    failure
}
