//! The release of one lock, by its id, as long as that id still holds.

use std::fmt::Write as _;

use serde_json::json;

use super::kind::{self, Kind};
use super::look::held;
use super::whose::Runs;
use crate::events::Phase;
use crate::journal::{Step, StepState};
use crate::model::{Backend, Diagnostic, HeldLock, Lock, Outcome, Unit, Workspace};
use crate::stage::Context;
use crate::stage::SafeBackend;
use crate::stage::backend::{self, where_and_who};
use crate::stage::consent::Matter;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::states;
use crate::state::{S3State, StateStore, Unlocked};

const DOING: &str = "releasing the lock";

/// Which lock.
#[derive(Debug, Clone)]
pub struct Release {
    /// Its id.
    pub id: String,
    /// Its workspace; `None`: the unit's.
    pub workspace: Option<Workspace>,
}

/// Releases the lock of each selected unit that has this id, after a question.
pub async fn release(ctx: &Context, wanted: &Release) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for unit in ctx.units() {
        let mut record = Record::new(ctx, unit);
        let end = release_one(&mut record, wanted).await;
        outcomes.push(record.finish(end));
    }
    outcomes
}

async fn release_one(record: &mut Record<'_>, wanted: &Release) -> Result<(), Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    let by_terraform = format!(
        "`tfw exec {} -- force-unlock {}` asks Terraform to release it",
        unit.id, wanted.id
    );
    guard(unit, &by_terraform)?;
    ctx.consent.can_obtain(Matter::Tfw, unit, DOING)?;
    record.phase(Phase::State);
    let safe = backend::verify(record).await?;
    let workspace = wanted.workspace.as_ref();
    let workspace = workspace.unwrap_or_else(|| unit.backend.workspace());
    let place = unit.backend.with_workspace(workspace.clone());
    let store = StateStore::at(&unit.folder, &place, safe.state_account()).await;
    let store = store.map_err(|error| states::unreadable(&error))?;
    let found = store.lock_file().await;
    let found = found.map_err(|error| states::unreadable(&error))?;
    let StateStore::S3(state) = store else {
        return Err(not_tfws(unit));
    };
    let Some(file) = found else {
        return Err(no_lock(unit, &state));
    };
    let lock = held(unit, workspace, file, &Runs::new(ctx));
    match &lock.id {
        Some(id) if *id == wanted.id => {}
        Some(_) => return Err(another(&state, &wanted.id, lock.holder())),
        None => return Err(says_nothing(&state)),
    }
    let question = || question(unit, &safe, &lock);
    record.pause();
    ctx.consent
        .obtain(ctx, Matter::Tfw, &[unit], question, DOING)
        .await?;
    record.resume();
    remove(record, &state, &lock.holder()).await
}

async fn remove(record: &mut Record<'_>, state: &S3State, lock: &Lock) -> Result<(), Failure> {
    let detail = json!({ "id": lock.id, "who": lock.who, "place": state.lock_url() });
    let (run, unit) = (&record.ctx.run, &record.unit.id);
    run.step(unit, Step::ReleaseLock, StepState::Begun, &detail)?;
    let unlocked = state.unlock(&lock.id).await;
    let end = match unlocked {
        Ok(Unlocked::Removed) => look_again(record, state, lock).await,
        Ok(Unlocked::NoLock) => Err(no_lock(record.unit, state)),
        Ok(Unlocked::Other(holder)) => Err(another(state, &lock.id, holder)),
        Err(error) => Err(left_behind(state, lock, &error.to_string(), error.hint())),
    };
    let ended = if end.is_ok() {
        StepState::Done
    } else {
        StepState::Failed
    };
    record.step_ended(Step::ReleaseLock, ended);
    end
}

/// A server may say that it is done, and keep it.
async fn look_again(record: &Record<'_>, state: &S3State, lock: &Lock) -> Result<(), Failure> {
    let released = format!("released the lock of {} (id {})", lock.who, lock.id);
    match state.holder().await {
        Ok(None) => record.note(released),
        Ok(Some(still)) if still.id == lock.id => {
            let why = "the server said that it was gone, and has it still";
            return Err(left_behind(state, lock, why, None));
        }
        Ok(Some(next)) => record.note(format!(
            "{released}; {} holds it now, since {}, for `{}`",
            next.who,
            next.since(),
            next.doing()
        )),
        // What is there now is no longer the one that was released.
        Err(error) => record.note(format!(
            "{released}; what is there now is not known: {error}"
        )),
    }
    Ok(())
}

/// Refuses what is not locked by a file in S3. `instead` says what can be typed where Terraform
/// alone knows the locks.
pub(in crate::pipeline) fn guard(unit: &Unit, instead: &str) -> Result<(), Failure> {
    let refused = |why: String| Failure::refused(Diagnostic::error(why));
    match &unit.backend {
        Backend::Local(_) => Err(not_tfws(unit)),
        Backend::Other(other) => {
            let why = format!("tfw does not know the locks of a `{}` backend", other.kind);
            Err(refused(why).with_hint(instead))
        }
        Backend::S3(s3) => match kind::of(unit, s3) {
            Kind::File => Ok(()),
            Kind::Table { table, .. } => {
                let failure = refused(format!(
                    "the state is locked in the DynamoDB table `{table}`, which tfw leaves alone"
                ));
                Err(failure.with_hint(instead).with_hint(to_native_locks(unit)))
            }
            Kind::Nothing => {
                let why = "nothing locks the state: `use_lockfile` is false, and no table is named";
                Err(refused(why.to_owned()).with_hint("set `backend.use_lockfile = true`"))
            }
        },
    }
}

/// The way from a table of DynamoDB to locks that tfw knows.
pub(super) fn to_native_locks(unit: &Unit) -> String {
    format!("`tfw migrate {}` changes to S3's own locks", unit.id)
}

/// A local state is locked by the system: the file beside it only says by whom.
fn not_tfws(unit: &Unit) -> Failure {
    Failure::refused(
        Diagnostic::error(
            "a local state is locked by the process that works on it, and by nothing else",
        )
        .with_detail(
            "the file beside it only tells who that is; one that was left behind stops nobody",
        )
        .with_hint(format!(
            "`tfw lock show {}` tells whose it is; end that process",
            unit.id
        )),
    )
}

fn no_lock(unit: &Unit, state: &S3State) -> Failure {
    Failure::refused(
        Diagnostic::error(format!(
            "there is no lock on `{}`: nothing is to be released",
            state.url()
        ))
        .with_hint(format!(
            "`tfw lock list {}` lists the locks of its other workspaces, too",
            unit.id
        )),
    )
}

/// The lock was released, and taken by somebody else.
fn another(state: &S3State, id: &str, holder: Lock) -> Failure {
    let diagnostic = Diagnostic::error(format!(
        "`{id}` does not hold the lock of `{}`: {} does, since {}, for `{}`",
        state.url(),
        holder.who,
        holder.since(),
        holder.doing()
    ))
    .with_detail(format!("lock id: {}", holder.id))
    .with_hint("wait for them, or ask them; a lock is released by its own id alone");
    Failure {
        lock: Some(Box::new(holder)),
        ..Failure::refused(diagnostic)
    }
}

fn says_nothing(state: &S3State) -> Failure {
    Failure::refused(
        Diagnostic::error(format!(
            "the lock `{}` does not say whose it is, so that no id can be its",
            state.lock_url()
        ))
        .with_hint("find out who wrote it; then remove the object yourself"),
    )
}

fn left_behind(state: &S3State, lock: &Lock, why: &str, hint: Option<String>) -> Failure {
    let failure = Failure::fact(
        format!(
            "the lock `{}` of {} (id {}) could not be released: {why}",
            state.lock_url(),
            lock.who,
            lock.id
        ),
        hint,
        false,
    );
    Failure {
        lock: Some(Box::new(lock.clone())),
        ..failure
    }
}

/// Whose lock it is, where, and what speaks against it.
fn question(unit: &Unit, safe: &SafeBackend, lock: &HeldLock) -> String {
    let holder = lock.holder();
    let mut text = format!(
        "tfw will release the lock of {}:\n  {} since {}, for `{}` (id {})",
        unit.id,
        holder.who,
        holder.since(),
        holder.doing(),
        holder.id
    );
    text.push_str(&where_and_who(unit, safe));
    if lock.workspace != unit.backend.workspace().as_str() {
        let _ = write!(text, "\n    workspace {}", lock.workspace);
    }
    match &lock.mine {
        Some(own) if own.alive => {
            let _ = write!(
                text,
                "\n  warning: it is of the tfw run {} (`{}`, process {}) on this machine, which is still at work",
                own.run_id, own.command, own.pid
            );
        }
        Some(own) => {
            let _ = write!(
                text,
                "\n  it is of the tfw run {} (`{}`) on this machine, which no longer works",
                own.run_id, own.command
            );
        }
        None => text.push_str("\n  whoever holds it must have stopped: two who write lose a state"),
    }
    text
}
