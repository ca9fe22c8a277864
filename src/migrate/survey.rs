//! What is where: every workspace of the source, and what lies at its destination.

use super::reading::{content, names, normalise, read};
use super::refusals::{apart, in_its_workspace, refuse_different};
use super::source;
use crate::journal::Migration;
use crate::journal::migration::{Entry, Place, Surveyed};
use crate::model::{Backend, Lock, Workspace};
use crate::stage::SafeBackend;
use crate::stage::context::at_once;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::states::unreadable;
use crate::state::{RawState, StateStore};

/// All that is known before anything is done.
#[derive(Debug)]
pub(super) struct Survey {
    /// Where the state is now.
    pub(super) source: Place,
    /// The same, to be read.
    pub(super) from: Backend,
    /// `default` first, then the others by name.
    pub(super) workspaces: Vec<WorkspaceSurvey>,
}

/// One workspace.
#[derive(Debug)]
pub(super) struct WorkspaceSurvey {
    /// Its name.
    pub(super) name: Workspace,
    /// Its state at the source; `None`: a workspace without one.
    pub(super) raw: Option<RawState>,
    /// The state comes from the older copy that Terraform keeps, since the file itself is empty.
    pub(super) recovered: bool,
    /// What it says.
    pub(super) content: Content,
    /// What lies at the destination.
    pub(super) there: There,
}

/// What a state says, as the Terraform in use would write it.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    /// The hash of everything but lineage, serial and version; `None`: it is empty.
    pub(super) hash: Option<String>,
    pub(super) resources: usize,
    pub(super) addresses: Vec<String>,
    pub(super) serial: u64,
    pub(super) lineage: String,
    pub(super) terraform_version: String,
}

/// What lies at the destination of one workspace.
#[derive(Debug, Clone)]
pub(super) enum There {
    /// Nothing.
    Nothing,
    /// A state without resources and outputs, in this version.
    Empty(Option<String>),
    /// The same content, in this version.
    Equal(Option<String>),
    /// Another state, which somebody agreed to replace.
    Replaceable(Option<String>, Content),
    /// Another state.
    Different(String, Content),
}

impl Survey {
    /// Whether every workspace is at the destination already.
    pub(super) fn is_moved(&self) -> bool {
        self.workspaces.iter().all(WorkspaceSurvey::is_moved)
    }

    /// Whether there is no state in any workspace, and no workspace but `default`.
    pub(super) fn is_empty(&self) -> bool {
        self.workspaces
            .iter()
            .all(|each| each.raw.is_none() && each.name.is_default())
    }

    /// The names of all workspaces.
    pub(super) fn names(&self) -> Vec<Workspace> {
        self.workspaces
            .iter()
            .map(|each| each.name.clone())
            .collect()
    }

    /// For the journal.
    pub(super) fn to_journal(&self) -> Vec<Surveyed> {
        self.workspaces
            .iter()
            .map(|each| Surveyed {
                name: each.name.to_string(),
                resources: each.content.resources,
                addresses: each.content.addresses.clone(),
                content: each.content.hash.clone(),
                serial: each.content.serial,
                lineage: each.content.lineage.clone(),
                terraform_version: each.content.terraform_version.clone(),
                replaces: match &each.there {
                    There::Replaceable(version, _) => version.clone(),
                    _ => None,
                },
            })
            .collect()
    }
}

impl WorkspaceSurvey {
    fn is_moved(&self) -> bool {
        match (&self.content.hash, &self.there) {
            // A workspace without resources is there by its name; for an empty `default`, Terraform
            // writes nothing.
            (Some(_), There::Equal(_)) | (None, There::Equal(_) | There::Empty(_)) => true,
            (None, There::Nothing) => self.name.is_default(),
            _ => false,
        }
    }
}

/// Reads source and destination.
///
/// # Errors
/// A refusal: somebody holds a lock, another state lies at the destination, or the source has changed since an unfinished migration copied it. A failure:
/// something cannot be read.
pub(super) async fn survey(
    record: &mut Record<'_>,
    safe: &SafeBackend,
    source: Place,
    destination: &Backend,
    unfinished: Option<&Migration>,
    overwrite: Option<&str>,
) -> Result<Survey, Failure> {
    let unit = record.unit;
    let from = source::backend(unit, &source)?;
    let mut workspaces = Vec::new();
    let alone = matches!(source, Place::Local { alone: true, .. });
    for name in names(record, safe, &from, alone, unfinished).await? {
        apart(record, safe, &from, destination, &name).await?;
        let (raw, recovered) = read(record, safe, &from, &name, unfinished).await?;
        let content = match &raw {
            Some(raw) => normalise(record, safe, &raw.bytes).await?,
            None => Content::default(),
        };
        workspaces.push(WorkspaceSurvey {
            name,
            raw,
            recovered,
            content,
            there: There::Nothing,
        });
    }
    let ours = own_locks(record)?;
    free(record, safe, &from, &workspaces, &ours).await?;
    free(record, safe, destination, &workspaces, &ours).await?;
    let found = at_once(
        workspaces
            .iter()
            .map(|each| there(record, safe, destination, each, overwrite)),
    )
    .await;
    for (workspace, found) in workspaces.iter_mut().zip(found) {
        workspace.there = found?;
    }
    let survey = Survey {
        source,
        from,
        workspaces,
    };
    refuse_different(record, &survey, destination)?;
    in_its_workspace(record, &survey)?;
    Ok(survey)
}

/// The ids of the locks that migrations of this unit have ever taken here: one that is still held
/// is a leftover, and nobody else's.
pub(super) fn own_locks(record: &Record<'_>) -> Result<Vec<String>, Failure> {
    let migrations = Migration::of_unit(record.ctx.run.tfw(), &record.unit.id)?;
    Ok(migrations
        .iter()
        .flat_map(Migration::locks)
        .map(|(_, id)| id.to_owned())
        .collect())
}

/// What lies at the destination of a workspace, against what is to be there.
pub(super) async fn there(
    record: &Record<'_>,
    safe: &SafeBackend,
    destination: &Backend,
    workspace: &WorkspaceSurvey,
    overwrite: Option<&str>,
) -> Result<There, Failure> {
    let store = store(record, safe, destination, &workspace.name).await?;
    let Some(raw) = store.raw().await.map_err(|error| unreadable(&error))? else {
        return Ok(There::Nothing);
    };
    let version = raw
        .parse(&store.place())
        .map_err(|error| unreadable(&error))?;
    let content = content(&raw.bytes, &version.document, &store.place())?;
    let version_id = raw.version_id;
    Ok(match (&content.hash, &workspace.content.hash) {
        (None, _) => There::Empty(version_id),
        (Some(found), Some(wanted)) if found == wanted => There::Equal(version_id),
        _ if overwrite == Some(content.lineage.as_str()) => There::Replaceable(version_id, content),
        _ => {
            let modified = raw.modified.map_or_else(
                || "at a time that is not known".to_owned(),
                |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            );
            There::Different(modified, content)
        }
    })
}

/// The store of one workspace.
pub(super) async fn store(
    record: &Record<'_>,
    safe: &SafeBackend,
    backend: &Backend,
    workspace: &Workspace,
) -> Result<StateStore, Failure> {
    let backend = backend.with_workspace(workspace.clone());
    StateStore::at(&record.unit.folder, &backend, safe.state_account())
        .await
        .map_err(|error| unreadable(&error))
}

/// What an unfinished migration found.
pub(super) fn surveyed(migration: &Migration) -> Vec<Surveyed> {
    let found = migration
        .entries()
        .iter()
        .rev()
        .find_map(|entry| match entry {
            Entry::Surveyed { workspaces } => Some(workspaces.clone()),
            _ => None,
        });
    found.unwrap_or_default()
}

/// Refuses while somebody works on the source.
pub(super) async fn source_is_free(
    record: &Record<'_>,
    safe: &SafeBackend,
    survey: &Survey,
) -> Result<(), Failure> {
    let ours = own_locks(record)?;
    free(record, safe, &survey.from, &survey.workspaces, &ours).await
}

/// Refuses while somebody works on a state.
async fn free(
    record: &Record<'_>,
    safe: &SafeBackend,
    backend: &Backend,
    workspaces: &[WorkspaceSurvey],
    ours: &[String],
) -> Result<(), Failure> {
    let holders = at_once(workspaces.iter().map(async |each| {
        let store = store(record, safe, backend, &each.name).await?;
        let holder = match &store {
            StateStore::S3(_) => store.lock_holder().await,
            StateStore::Local(local) => local.holder_at_work().await,
        };
        let holder = holder.map_err(|error| unreadable(&error))?;
        Ok::<Option<(String, Lock)>, Failure>(holder.map(|holder| (store.place(), holder)))
    }))
    .await;
    for holder in holders {
        match holder? {
            Some((place, lock)) if !ours.contains(&lock.id) => {
                return Err(Failure::held(&place, lock));
            }
            _ => {}
        }
    }
    Ok(())
}
