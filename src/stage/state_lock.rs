//! tfw's own lock on a state, in Terraform's form: known before it is taken, and named when it
//! stays.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use super::failure::Failure;
use super::record::Record;
use super::states::{lock_holder, unreadable};
use crate::aws::{AwsError, VerifiedAccount};
use crate::env_vars::USER;
use crate::journal::{Step, StepState, host};
use crate::model::{Backend, Diagnostic, Lock, Unit, UnitId};
use crate::state::{NewLock, S3State, StateError};

/// How long a lock that somebody else holds is left alone between two tries.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// A lock that is held. [`StateLock::release`] it, whatever happens.
#[must_use]
pub(crate) struct StateLock<'a> {
    state: &'a S3State,
    id: String,
}

impl<'a> StateLock<'a> {
    /// Takes the lock, for an operation that people can read: `reencryption`. Its id is in the
    /// journal before it is taken. Where somebody else has it, waits as long as the manifest lets
    /// Terraform wait.
    ///
    /// # Errors
    /// Somebody else holds it, or S3 would not: then no lock stays that is not named.
    pub(crate) async fn take(
        record: &mut Record<'_>,
        state: &'a S3State,
        operation: &str,
    ) -> Result<Self, Failure> {
        let id = new_id();
        let detail = json!({ "id": id, "place": state.lock_url(), "operation": operation });
        let run = &record.ctx.run;
        run.step(&record.unit.id, Step::LockState, StepState::Begun, &detail)?;
        let until = Instant::now() + record.unit.lock_timeout;
        let mut waits = false;
        loop {
            let failure = match take(record, state, &id, operation).await {
                Ok(()) => return Ok(Self { state, id }),
                Err(failure) => failure,
            };
            let left = until.saturating_duration_since(Instant::now());
            match &failure.lock {
                Some(holder) if !left.is_zero() => {
                    if !waits {
                        record.note(waits_for(Some(holder)));
                        waits = true;
                    }
                    tokio::select! {
                        biased;
                        () = record.ctx.signals.stopped() => {}
                        () = sleep(left.min(BETWEEN_TRIES)) => continue,
                    }
                }
                Some(_) => {}
                // The request may have been done all the same.
                None => {
                    record.step_ended(Step::LockState, StepState::Failed);
                    return Err(match release(state, &id).await {
                        Ok(()) => failure,
                        Err(_) => failure.beside(&doubtful(record.unit, state, &id)),
                    });
                }
            }
            record.step_ended(Step::LockState, StepState::Failed);
            return Err(failure);
        }
    }

    /// Looks whether it is still held: somebody may have released it by its id.
    ///
    /// # Errors
    /// It is not, or cannot be read.
    pub(crate) async fn must_hold(&self) -> Result<(), Failure> {
        let holder = self.state.holder().await;
        let lost = match holder.map_err(|error| unreadable(&error))? {
            Some(holder) if holder.id == self.id => return Ok(()),
            Some(holder) => format!("{} holds `{}` now", holder.who, self.state.lock_url()),
            None => format!("`{}` is gone", self.state.lock_url()),
        };
        Err(Failure::refused(
            Diagnostic::error(format!(
                "{lost}: somebody released tfw's own lock by its id"
            ))
            .with_detail(format!("lock id: {}", self.id))
            .with_hint("run it again"),
        ))
    }

    /// Releases it, and looks whether it is gone.
    ///
    /// # Errors
    /// It may still be there: the message names it.
    pub(crate) async fn release(self, record: &mut Record<'_>) -> Result<(), Failure> {
        let released = release(self.state, &self.id).await;
        if released.is_ok() {
            record.step_ended(Step::LockState, StepState::Done);
        }
        let way_out = WayOut::of(record.unit).release(&self.id);
        released.map_err(|failure| failure.with_hint(format!("{way_out} removes it")))
    }
}

/// Takes the lock of a state under this id.
///
/// # Errors
/// Somebody else holds it, or S3 would not.
pub(crate) async fn take(
    record: &Record<'_>,
    state: &S3State,
    id: &str,
    operation: &str,
) -> Result<(), Failure> {
    let info = format!("tfw run {}", record.ctx.run.id());
    let lock = NewLock {
        id,
        operation,
        info: &info,
        who: &who(record),
    };
    match state.lock(&lock).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(holder)) => {
            let hint = WayOut::of(record.unit).hint(&holder.id);
            Err(Failure::held(&state.url(), holder).with_hint(hint))
        }
        Err(error) => Err(Failure::fact(
            format!("cannot take the lock: {error}"),
            error.hint(),
            error.is_refusal(),
        )),
    }
}

/// Releases the lock with this id, and looks whether it is gone: a server may say that it is done
/// and keep it.
///
/// # Errors
/// It may still be there.
pub(crate) async fn release(state: &S3State, id: &str) -> Result<(), Failure> {
    let unlocked = state.unlock(id).await;
    unlocked.map_err(|error| left_behind(state, id, Some(&error)))?;
    match state.holder().await {
        Ok(Some(still)) if still.id == id => Err(left_behind(state, id, None)),
        Ok(_) => Ok(()),
        Err(error) => Err(left_behind(state, id, Some(&error))),
    }
}

/// For whom a unit waits that wants the lock of its state.
pub(crate) fn waits_for(holder: Option<&Lock>) -> String {
    let who = match holder {
        Some(lock) => format!(
            "{} holds since {}, for `{}`",
            lock.who,
            lock.since(),
            lock.doing()
        ),
        None => "somebody else holds".to_owned(),
    };
    format!("waits for the state lock, which {who}")
}

/// Whether a lock was taken is not known.
fn doubtful(unit: &Unit, state: &S3State, id: &str) -> Failure {
    Failure::failed(
        Diagnostic::error(format!(
            "tfw's own lock `{}` may be there all the same",
            state.lock_url()
        ))
        .with_detail(format!("lock id: {id}"))
        .with_hint(format!(
            "{} tells; if it is there, {} removes it",
            WayOut::of(unit).show(),
            WayOut::of(unit).release(id)
        )),
    )
}

/// A lock of tfw's own that stays, or may.
pub(crate) fn left_behind(state: &S3State, id: &str, error: Option<&StateError>) -> Failure {
    let mut diagnostic = Diagnostic::error(format!(
        "tfw's own lock `{}` could not be released",
        state.lock_url()
    ))
    .with_detail(format!("lock id: {id}"));
    if let Some(error) = error {
        diagnostic = diagnostic.with_detail(error.to_string());
        if let StateError::Unwritable {
            cause: AwsError::AccessDenied { .. },
            ..
        } = error
        {
            diagnostic = diagnostic.with_hint("allow `s3:DeleteObject` on `*.tflock`");
        }
    }
    Failure::failed(diagnostic)
}

/// After an apply, or a plan that was killed: a lock that is left is named, with its way out.
pub(crate) async fn left_lock(
    record: &mut Record<'_>,
    state_account: &VerifiedAccount,
) -> Option<Lock> {
    let unit = record.unit;
    match lock_holder(unit, state_account).await {
        Ok(lock) => {
            let lock = lock?;
            record.diagnostic(
                Diagnostic::warning(format!(
                    "a state lock is left: by {} since {}, for `{}` (id {})",
                    lock.who,
                    lock.since(),
                    lock.doing(),
                    lock.id
                ))
                .with_hint(format!(
                    "if nothing runs any more, {} releases it",
                    WayOut::of(unit).release(&lock.id)
                )),
            );
            Some(lock)
        }
        Err(failure) => {
            record.diagnostic(Diagnostic::warning(format!(
                "whether a state lock is left is not known: {}",
                failure.reason
            )));
            None
        }
    }
}

/// What can be typed about the lock of a unit's state.
#[derive(Debug, Clone)]
pub(crate) struct WayOut {
    unit: UnitId,
    /// Whether, as far as the manifest says, the lock is a file in S3 and nothing beside it.
    native: bool,
}

impl WayOut {
    pub(crate) fn of(unit: &Unit) -> Self {
        Self {
            unit: unit.id.clone(),
            native: matches!(&unit.backend, Backend::S3(s3)
                if s3.use_lockfile && !s3.options.contains_key(LOCK_TABLE)),
        }
    }

    /// The command that tells whose it is, in backticks.
    pub(crate) fn show(&self) -> String {
        format!("`tfw lock show {}`", self.unit)
    }

    /// The command that removes it by its id, in backticks.
    pub(crate) fn release(&self, id: &str) -> String {
        if self.native {
            format!("`tfw lock release {} --id {id}`", self.unit)
        } else {
            format!("`tfw exec {} -- force-unlock {id}`", self.unit)
        }
    }

    /// What to do about a lock that somebody holds: for a diagnostic.
    pub(crate) fn hint(&self, id: &str) -> String {
        format!(
            "{} tells whose it is; where nobody works any more, {}",
            self.show(),
            self.release(id)
        )
    }
}

/// The argument of Terraform's S3 backend that names a table of locks in DynamoDB.
pub(crate) const LOCK_TABLE: &str = "dynamodb_table";

/// A random id in the form of Terraform's.
pub(crate) fn new_id() -> String {
    let random = format!("{:032x}", fastrand::u128(..));
    format!(
        "{}-{}-{}-{}-{}",
        &random[..8],
        &random[8..12],
        &random[12..16],
        &random[16..20],
        &random[20..]
    )
}

/// `user@host`, as Terraform has it.
fn who(record: &Record<'_>) -> String {
    let user = record.ctx.inherited.get(USER).map_or_else(
        || "tfw".to_owned(),
        |user| user.to_string_lossy().into_owned(),
    );
    format!("{user}@{}", host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_form_of_terraforms_and_are_all_others() {
        let (one, other) = (new_id(), new_id());
        assert_ne!(one, other);
        let lengths: Vec<usize> = one.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
    }
}
