//! `tfw status`: every unit at a glance, from what is on disk and from the state objects.
//!
//! No Terraform runs, and nothing is changed. It costs one role for each distinct one, for each unit
//! in S3 one read of its state and one of its lock, and for each bucket one of each setting.

use super::told;
use crate::aws::VerifiedAccount;
use crate::events::Phase;
use crate::journal::Migration;
use crate::model::{Backend, Condition, Diagnostic, Lock, StatePresence, Unit, UnitStatus};
use crate::stage::backend;
use crate::stage::context::at_once;
use crate::stage::failure::Failure;
use crate::stage::fingerprint::Fingerprint;
use crate::stage::guards;
use crate::stage::initialise::agrees_on_disk;
use crate::stage::record::Record;
use crate::stage::site::{self, Site};
use crate::stage::states;
use crate::stage::{Context, SafeBackend};
use crate::state::{Found, StateError, StateStore};
use crate::terraform::Recorded;

/// Looks at the selected units; the rows stand in their order. Each diagnostic names its unit.
pub async fn status(ctx: &Context) -> (Vec<UnitStatus>, Vec<Diagnostic>) {
    let units: Vec<&Unit> = ctx.units().collect();
    // Only states in S3 take credentials, which the look at the unit and the one at its bucket share.
    let in_s3 = |unit: &&Unit| matches!(unit.backend, Backend::S3(_));
    let records: Vec<Record<'_>> = units
        .iter()
        .copied()
        .filter(in_s3)
        .map(|unit| Record::new(ctx, unit))
        .collect();
    let verified = at_once(records.iter().map(|record| verify(ctx, record))).await;
    let references: Vec<&Record<'_>> = records.iter().collect();
    let sites = site::sites(&references, &verified);
    let mut accounts = verified.iter();
    let looks: Vec<_> = units
        .iter()
        .map(|&unit| {
            let account = if in_s3(&unit) { accounts.next() } else { None };
            let row = UnitStatus::unknown(unit);
            told::look(ctx, unit, row, async move |record, row| {
                look(record, row, account).await
            })
        })
        .collect();
    let (looked, conditions) = tokio::join!(at_once(looks), conditions(ctx, &sites, records.len()));
    let (mut rows, diagnostics): (Vec<_>, Vec<_>) = looked.into_iter().unzip();
    let rows_in_s3 = rows.iter_mut().zip(&units).filter(|(_, unit)| in_s3(unit));
    for ((row, _), condition) in rows_in_s3.zip(conditions) {
        row.condition = condition;
    }
    (rows, diagnostics.into_iter().flatten().collect())
}

async fn verify(ctx: &Context, record: &Record<'_>) -> Result<SafeBackend, Failure> {
    record.phase(Phase::State);
    tokio::select! {
        biased;
        () = ctx.signals.stopped() => Err(Failure::not_begun(ctx)),
        verified = backend::verify(record) => verified,
    }
}

/// What the buckets are like, each looked at once, by the positions of the `users` units that use
/// them. What cannot be told is told by the look at the unit, too.
async fn conditions(ctx: &Context, sites: &[Site<'_, '_>], users: usize) -> Vec<Option<Condition>> {
    let look = async {
        let looked = at_once(sites.iter().map(Site::condition)).await;
        let mut conditions = vec![None; users];
        for (site, condition) in sites.iter().zip(looked) {
            for &user in &site.users {
                conditions[user] = condition;
            }
        }
        conditions
    };
    tokio::select! {
        biased;
        () = ctx.signals.stopped() => vec![None; users],
        conditions = look => conditions,
    }
}

/// Fills in a row as far as it can be told.
async fn look(
    record: &mut Record<'_>,
    row: &mut UnitStatus,
    verified: Option<&Result<SafeBackend, Failure>>,
) -> Result<(), Failure> {
    let on_disk = is_initialised(record.ctx, record.unit);
    row.initialised = on_disk.as_ref().ok().copied();
    row.unmigrated = is_unmigrated(record)?;
    let state = match &record.unit.backend {
        Backend::Other(other) => {
            record.diagnostic(
                Diagnostic::warning(format!(
                    "the state is not looked at: only Terraform reads a `{}` backend",
                    other.kind
                ))
                .with_hint(format!(
                    "`tfw exec {} -- state list` shows what is in it",
                    record.unit.id
                )),
            );
            Ok(())
        }
        Backend::S3(_) | Backend::Local(_) => look_at_state(record, row, verified).await,
    };
    all([on_disk.map(drop), state])
}

/// Whether a state has yet to be moved to the backend; what is known of it is said.
fn is_unmigrated(record: &mut Record<'_>) -> Result<bool, Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    let told = if Migration::unfinished(ctx.run.tfw(), &unit.id)?.is_some() {
        Some((
            "a migration of its state is not finished".to_owned(),
            format!(
                "`tfw migrate {}` goes on with it, `--abort` puts it back",
                unit.id
            ),
        ))
    } else if matches!(unit.backend, Backend::Local(_)) {
        None
    } else {
        guards::local_state_file(&unit.folder).map(|file| {
            (
                format!(
                    "`{}` is a local state that was not migrated",
                    ctx.shown(&file)
                ),
                format!("`tfw migrate {}` moves it to its backend", unit.id),
            )
        })
    };
    let Some((warning, hint)) = told else {
        return Ok(false);
    };
    record.diagnostic(Diagnostic::warning(warning).with_hint(hint));
    Ok(true)
}

async fn look_at_state(
    record: &mut Record<'_>,
    row: &mut UnitStatus,
    verified: Option<&Result<SafeBackend, Failure>>,
) -> Result<(), Failure> {
    record.phase(Phase::State);
    let unit = record.unit;
    let account = match verified {
        Some(Ok(safe)) => safe.state_account().clone(),
        Some(Err(failure)) => return Err(failure.clone()),
        // A file, which takes no credentials.
        None => VerifiedAccount::without_credentials(),
    };
    let locks = match &unit.backend {
        // Without the lock file, a lock is in DynamoDB, or there is none.
        Backend::S3(s3) => s3.use_lockfile,
        Backend::Local(_) | Backend::Other(_) => true,
    };
    let store = states::open(unit, &account).await?;
    let state = async {
        // A state may be large, so no more of it is kept than the row needs.
        match store.find().await? {
            Found::State(version) => {
                row.state = StatePresence::There;
                row.serial = Some(version.document.serial);
                row.resources = Some(version.document.resource_count());
                row.modified = version.modified;
            }
            Found::NoState => row.state = StatePresence::Absent,
            Found::NoBucket => row.state = StatePresence::NoBucket,
        }
        Ok(())
    };
    let (state, lock) = tokio::join!(state, lock_of(&store, locks));
    let state = state.map_err(|error| states::unreadable(&error));
    let lock = lock.map(|lock| row.lock = lock);
    // What is denied for the one is denied for the other: said once.
    if state.is_err() { state } else { lock }
}

async fn lock_of(store: &StateStore, locks: bool) -> Result<Option<Lock>, Failure> {
    if !locks {
        return Ok(None);
    }
    match store.lock_holder().await {
        // It locks, whoever it is.
        Err(StateError::NotALock { .. }) => Ok(Some(Lock::unknown())),
        holder => holder.map_err(|error| states::unreadable(&error)),
    }
}

/// Whether the unit's data folder is initialised for the backend of the manifest.
fn is_initialised(ctx: &Context, unit: &Unit) -> Result<bool, Failure> {
    let module = guards::read_module(ctx, unit)?;
    let recorded = Recorded::read(&ctx.data_dir(unit), &unit.folder)
        .map_err(|error| Failure::fact(error.to_string(), Some(error.hint()), false))?;
    Ok(match (&module.backend, &unit.backend) {
        _ if module.cloud.is_some() => false,
        (Some(block), backend) if block.kind == backend.kind() => {
            let arguments = guards::arguments_beside(backend, block)?;
            agrees_on_disk(&recorded, unit, Some(&arguments))
        }
        // Of a local backend without a block Terraform records nothing, nor of an init that
        // installs nothing: that is known from tfw's own record.
        (None, Backend::Local(local)) if local.options.is_empty() => {
            let installed = ctx.data_dir(unit).is_dir() || Fingerprint::was_recorded(ctx, unit);
            installed && agrees_on_disk(&recorded, unit, None)
        }
        _ => false,
    })
}

/// The first failure, with what the others have to say.
fn all<const N: usize>(ends: [Result<(), Failure>; N]) -> Result<(), Failure> {
    let failures = ends.into_iter().filter_map(Result::err);
    let merged = failures.reduce(|mut first, other| {
        first.diagnostics.extend(other.diagnostics);
        first
    });
    merged.map_or(Ok(()), Err)
}
