//! tfw's own locks on the states of a destination, from the second look until all is proven.

use std::collections::BTreeMap;

use super::survey;
use crate::aws::AwsError;
use crate::journal::Migration;
use crate::journal::migration::Entry;
use crate::model::{Backend, Diagnostic, Workspace};
use crate::stage::SafeBackend;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::states::unreadable;
use crate::state::{NewLock, S3State, StateError, StateStore};

/// Where locks are taken, and in whose name.
pub(super) struct Locks<'a> {
    safe: &'a SafeBackend,
    destination: &'a Backend,
}

impl<'a> Locks<'a> {
    pub(super) fn new(safe: &'a SafeBackend, destination: &'a Backend) -> Self {
        Self { safe, destination }
    }

    /// Takes the lock of each of these workspaces; of local files, Terraform's own will do.
    ///
    /// # Errors
    /// Somebody else was faster, or S3 would not; then those that were taken are released.
    pub(super) async fn take(
        &self,
        record: &Record<'_>,
        migration: &mut Migration,
        names: &[Workspace],
    ) -> Result<(), Failure> {
        let taken = self.take_all(record, migration, names).await;
        let Err(failure) = taken else { return Ok(()) };
        // The first reason is the one that counts.
        Err(match self.release(record, migration).await {
            Ok(()) => failure,
            Err(left) => with_details(failure, &left),
        })
    }

    async fn take_all(
        &self,
        record: &Record<'_>,
        migration: &mut Migration,
        names: &[Workspace],
    ) -> Result<(), Failure> {
        for name in names {
            self.take_one(record, migration, name).await?;
        }
        Ok(migration.note(Entry::Locked)?)
    }

    async fn take_one(
        &self,
        record: &Record<'_>,
        migration: &mut Migration,
        name: &Workspace,
    ) -> Result<(), Failure> {
        let Some(state) = self.state(record, name).await? else {
            return Ok(());
        };
        // One of an earlier try makes room for a fresh one, which says since when.
        let holder = state.holder().await.map_err(|error| unreadable(&error))?;
        if let Some(holder) = holder
            && survey::own_locks(record)?.contains(&holder.id)
        {
            state
                .unlock(&holder.id)
                .await
                .map_err(|error| left_behind(&state, &holder.id, Some(&error)))?;
        }
        let id = new_id();
        migration.note(Entry::Locking {
            workspace: name.to_string(),
            id: id.clone(),
        })?;
        let info = format!("tfw run {}", record.ctx.run.id());
        let lock = NewLock {
            id: &id,
            operation: "migration",
            info: &info,
            who: &who(record),
        };
        match state.lock(&lock).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(holder)) => Err(Failure::held(&state.url(), holder)),
            Err(error) => Err(Failure::fact(
                format!("cannot take the lock: {error}"),
                error.hint(),
                error.is_refusal(),
            )),
        }
    }

    /// Releases every lock that this migration has ever taken and that is still there.
    ///
    /// # Errors
    /// One could not be released: it is named, with its id.
    pub(super) async fn release(
        &self,
        record: &Record<'_>,
        migration: &Migration,
    ) -> Result<(), Failure> {
        // The last one of each workspace; those before it made room for it.
        let last: BTreeMap<&str, &str> = migration.locks().collect();
        let mut left: Option<Failure> = None;
        for (workspace, id) in last {
            let Ok(name) = workspace.parse() else {
                continue;
            };
            let ours: Vec<&str> = migration.locks().map(|(_, id)| id).collect();
            if let Err(failure) = self.release_one(record, &name, id, &ours).await {
                left = Some(match left {
                    Some(first) => with_details(first, &failure),
                    None => failure,
                });
            }
        }
        left.map_or(Ok(()), Err)
    }

    /// Whatever goes wrong, the lock is named: it may still be there.
    async fn release_one(
        &self,
        record: &Record<'_>,
        name: &Workspace,
        id: &str,
        ours: &[&str],
    ) -> Result<(), Failure> {
        let Some(state) = self.state(record, name).await? else {
            return Ok(());
        };
        let holder = state
            .holder()
            .await
            .map_err(|error| left_behind(&state, id, Some(&error)))?;
        let Some(holder) = holder else {
            return Ok(());
        };
        let is_ours = ours.contains(&holder.id.as_str())
            || survey::own_locks(record).is_ok_and(|ours| ours.contains(&holder.id));
        if !is_ours {
            // Somebody else's, taken since.
            return Ok(());
        }
        let unlocked = state.unlock(&holder.id).await;
        unlocked.map_err(|error| left_behind(&state, &holder.id, Some(&error)))?;
        // A server may say that it is done and keep it: only a look tells.
        match state.holder().await {
            Ok(Some(still)) if still.id == holder.id => Err(left_behind(&state, &holder.id, None)),
            Ok(_) => Ok(()),
            Err(error) => Err(left_behind(&state, &holder.id, Some(&error))),
        }
    }

    async fn state(
        &self,
        record: &Record<'_>,
        name: &Workspace,
    ) -> Result<Option<S3State>, Failure> {
        match survey::store(record, self.safe, self.destination, name).await? {
            StateStore::S3(state) => Ok(Some(state)),
            StateStore::Local(_) => Ok(None),
        }
    }
}

/// A lock of tfw's own that stays, or may.
fn left_behind(state: &S3State, id: &str, error: Option<&StateError>) -> Failure {
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
            diagnostic = diagnostic
                .with_hint("allow `s3:DeleteObject` and `s3:DeleteObjectVersion` on `*.tflock`");
        }
    }
    Failure::failed(
        diagnostic.with_hint("run the same command again: it releases the lock and goes on"),
    )
}

/// A failure that also tells of another one.
pub(super) fn with_details(mut failure: Failure, other: &Failure) -> Failure {
    failure
        .diagnostics
        .extend(other.diagnostics.iter().cloned());
    failure
}

/// A random id in the form of Terraform's.
fn new_id() -> String {
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
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let user = record.ctx.inherited.get(crate::env_vars::USER).map_or_else(
        || "tfw".to_owned(),
        |user| user.to_string_lossy().into_owned(),
    );
    format!("{user}@{host}")
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
