//! tfw's own locks on the states of a destination, from the second look until all is proven.

use std::collections::BTreeMap;

use super::survey;
use crate::journal::Migration;
use crate::journal::migration::Entry;
use crate::model::{Backend, Workspace};
use crate::stage::SafeBackend;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::state_lock::{self, new_id};
use crate::stage::states::unreadable;
use crate::state::{S3State, StateError, StateStore};

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
            Err(left) => failure.beside(&left),
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
        state_lock::take(record, &state, &id, "migration").await
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
                    Some(first) => first.beside(&failure),
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
        state_lock::release(&state, &holder.id).await.map_err(again)
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

/// A lock of the migration that stays, or may.
fn left_behind(state: &S3State, id: &str, error: Option<&StateError>) -> Failure {
    again(state_lock::left_behind(state, id, error))
}

fn again(failure: Failure) -> Failure {
    failure.with_hint("run the same command again: it releases the lock and goes on")
}
