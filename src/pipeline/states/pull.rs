//! `tfw state pull`: copies of states, byte by byte.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::told;
use super::super::workspaces::belongs_to_another;
use super::versions::Versions;
use super::{backup, versions};
use crate::aws::VerifiedAccount;
use crate::events::Phase;
use crate::journal::{FreshFolder, JournalError, write_private};
use crate::model::{Backend, Diagnostic, PulledState, Workspace, sha256};
use crate::stage::Context;
use crate::stage::backend;
use crate::stage::context::at_once;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::states;
use crate::state::{LocalState, StateDocument, StateStore};

/// The current state of the selected unit as it is, or one of its versions; `None`: it could not be
/// read.
pub async fn raw(ctx: &Context, version: Option<&str>) -> (Option<String>, Vec<Diagnostic>) {
    let Some(unit) = ctx.units().next() else {
        return (None, Vec::new());
    };
    told::look(ctx, unit, None, async |record, text| {
        let (raw, place) = match version {
            None => versions::current(record).await?,
            Some(name) => {
                let versions = Versions::list(record).await?;
                let raw = versions.raw(versions.find(record, name).await?).await?;
                (raw, versions.place)
            }
        };
        let found = String::from_utf8(raw.bytes).map_err(|_| {
            Failure::failed(Diagnostic::error(format!(
                "the state in `{place}` is no text"
            )))
        })?;
        *text = Some(found);
        Ok(())
    })
    .await
}

/// Copies the current state of every workspace of the selected units into a folder, and writes
/// which is which. What is copied stays where others fail.
///
/// # Errors
/// What says which file is which cannot be written.
pub async fn pull(
    ctx: &Context,
    folder: &FreshFolder,
) -> Result<(Vec<PulledState>, Vec<Diagnostic>), JournalError> {
    let pulled = at_once(ctx.units().map(|unit| {
        told::look(ctx, unit, Vec::new(), async |record, states| {
            copy(record, states, folder.path()).await
        })
    }))
    .await;
    let (states, diagnostics): (Vec<_>, Vec<_>) = pulled.into_iter().unzip();
    let states: Vec<PulledState> = states.into_iter().flatten().collect();
    if !states.is_empty() {
        backup::describe(folder, ctx.run.id(), &states)?;
    }
    Ok((states, diagnostics.into_iter().flatten().collect()))
}

async fn copy(
    record: &mut Record<'_>,
    copied: &mut Vec<PulledState>,
    folder: &Path,
) -> Result<(), Failure> {
    record.phase(Phase::State);
    let unit = record.unit;
    let mut workspaces = BTreeSet::from([unit.backend.workspace().clone(), Workspace::default()]);
    let account = match &unit.backend {
        Backend::Local(local) => {
            let names = LocalState::workspaces(&unit.folder, local);
            workspaces.extend(names.iter().filter_map(|name| name.parse().ok()));
            VerifiedAccount::without_credentials()
        }
        Backend::S3(s3) => {
            let safe = backend::verify(record).await?;
            let account = safe.state_account().clone();
            if let StateStore::S3(state) = states::open(unit, &account).await? {
                let names = state.workspaces(s3).await;
                let names = names.map_err(|error| states::unreadable(&error))?;
                workspaces.extend(names.iter().filter_map(|name| name.parse().ok()));
            }
            account
        }
        Backend::Other(_) => return versions::store(record).await.map(drop),
    };
    workspaces.retain(|workspace| !belongs_to_another(record.ctx, unit, workspace));
    let mut found = false;
    for workspace in workspaces {
        let place = unit.backend.with_workspace(workspace.clone());
        let store = StateStore::at(&unit.folder, &place, &account).await;
        let store = store.map_err(|error| states::unreadable(&error))?;
        let raw = store
            .raw()
            .await
            .map_err(|error| states::unreadable(&error))?;
        let Some(raw) = raw else { continue };
        found = true;
        let file = format!("{}.{workspace}.tfstate", unit.id.file_stem());
        write_private(&folder.join(&file), &raw.bytes)?;
        let document = match StateDocument::parse(&raw.bytes) {
            Ok(document) => Some(document),
            Err(why) => {
                record.diagnostic(Diagnostic::warning(format!(
                    "`{file}` is copied as it is, although {why}"
                )));
                None
            }
        };
        copied.push(PulledState {
            unit: unit.id.clone(),
            workspace: workspace.to_string(),
            place: store.place(),
            version_id: raw.version_id,
            serial: document.as_ref().map(|document| document.serial),
            lineage: document.map(|document| document.lineage),
            sha256: sha256(&raw.bytes),
            file,
        });
    }
    if !found {
        record.diagnostic(Diagnostic::warning("there is no state to copy"));
    }
    Ok(())
}
