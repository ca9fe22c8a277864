//! The locks of one unit, in every workspace of its key.

use std::collections::BTreeSet;

use super::super::workspaces::belongs_to_another;
use super::kind::{self, Kind};
use super::release::to_native_locks;
use super::whose::{Runs, is_local_host};
use crate::aws::VerifiedAccount;
use crate::events::Phase;
use crate::model::{Backend, Diagnostic, HeldLock, S3Backend, Unit, Workspace};
use crate::stage::backend;
use crate::stage::context::at_once;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::states;
use crate::state::{LocalState, LockFile, StateStore};

/// The locks; `None`: they cannot be told, and a warning says why.
pub(super) async fn look(
    record: &mut Record<'_>,
    runs: &Runs<'_>,
) -> Result<Option<Vec<HeldLock>>, Failure> {
    record.phase(Phase::State);
    let unit = record.unit;
    let mut workspaces = BTreeSet::from([unit.backend.workspace().clone(), Workspace::default()]);
    let account = match &unit.backend {
        Backend::Other(other) => {
            record.diagnostic(unknown_to_tfw(unit, &other.kind));
            return Ok(None);
        }
        Backend::Local(local) => {
            let found = LocalState::workspaces(&unit.folder, local);
            workspaces.extend(found.iter().filter_map(|name| name.parse().ok()));
            VerifiedAccount::without_credentials()
        }
        Backend::S3(s3) => {
            if !has_files(record, s3) {
                return Ok(None);
            }
            let safe = backend::verify(record).await?;
            let found = named_workspaces(record, s3, safe.state_account()).await?;
            workspaces.extend(found);
            safe.state_account().clone()
        }
    };
    workspaces.retain(|workspace| !belongs_to_another(record.ctx, unit, workspace));
    let files = at_once(
        workspaces
            .iter()
            .map(|workspace| read(unit, workspace, &account)),
    )
    .await;
    let mut locks = Vec::new();
    for (workspace, file) in workspaces.iter().zip(files) {
        if let Some(file) = file? {
            locks.push(held(unit, workspace, file, runs));
        }
    }
    Ok(Some(locks))
}

fn unknown_to_tfw(unit: &Unit, kind: &str) -> Diagnostic {
    Diagnostic::warning(format!(
        "its lock is not looked at: only Terraform knows the locks of a `{kind}` backend"
    ))
    .with_hint(format!(
        "`tfw exec {} -- force-unlock ID` releases one by its id",
        unit.id
    ))
}

/// Whether the state is locked by files. What is in a table of DynamoDB is not looked at, and said.
fn has_files(record: &mut Record<'_>, s3: &S3Backend) -> bool {
    let unit = record.unit;
    match kind::of(unit, s3) {
        Kind::File => true,
        Kind::Table { table, with_file } => {
            record.diagnostic(
                Diagnostic::warning(format!(
                    "its lock in the DynamoDB table `{table}` is not looked at"
                ))
                .with_hint(format!(
                    "`tfw exec {} -- force-unlock ID` releases one by its id",
                    unit.id
                ))
                .with_hint(to_native_locks(unit)),
            );
            with_file
        }
        Kind::Nothing => {
            record.diagnostic(
                Diagnostic::warning(
                    "nothing locks its state: `use_lockfile` is false, and no table is named",
                )
                .with_hint("set `backend.use_lockfile = true`"),
            );
            false
        }
    }
}

/// The other workspaces of the key that are locked. Where they may not be listed, the unit's own
/// is looked at all the same.
async fn named_workspaces(
    record: &mut Record<'_>,
    s3: &S3Backend,
    account: &VerifiedAccount,
) -> Result<Vec<Workspace>, Failure> {
    let StateStore::S3(state) = states::open(record.unit, account).await? else {
        return Ok(Vec::new());
    };
    match state.locked_workspaces(s3).await {
        Ok(names) => Ok(names.iter().filter_map(|name| name.parse().ok()).collect()),
        Err(error) => {
            let mut warning = Diagnostic::warning(format!(
                "locks of other workspaces are not looked at: {error}"
            ));
            if let Some(hint) = error.hint() {
                warning = warning.with_hint(hint);
            }
            record.diagnostic(warning);
            Ok(Vec::new())
        }
    }
}

async fn read(
    unit: &Unit,
    workspace: &Workspace,
    account: &VerifiedAccount,
) -> Result<Option<LockFile>, Failure> {
    let backend = unit.backend.with_workspace(workspace.clone());
    let store = StateStore::at(&unit.folder, &backend, account)
        .await
        .map_err(|error| states::unreadable(&error))?;
    let file = store.lock_file().await;
    file.map_err(|error| states::unreadable(&error))
}

/// A lock file of a unit, as documents and people have it.
pub(super) fn held(
    unit: &Unit,
    workspace: &Workspace,
    file: LockFile,
    runs: &Runs<'_>,
) -> HeldLock {
    let mine = file
        .document
        .as_ref()
        .and_then(|document| runs.of(unit, document));
    let (lock, info, version) = match file.document {
        Some(document) => (
            Some(document.lock),
            document.info,
            Some(document.version).filter(|version| !version.is_empty()),
        ),
        None => (None, String::new(), None),
    };
    let text = |text: fn(&crate::model::Lock) -> &String| {
        lock.as_ref()
            .map(text)
            .filter(|text| !text.is_empty())
            .cloned()
    };
    let id = text(|lock| &lock.id);
    let release = id
        .as_ref()
        .filter(|_| matches!(&unit.backend, Backend::S3(s3) if kind::of(unit, s3) == Kind::File))
        .map(|id| {
            let mut command = format!("tfw lock release {} --id {id}", unit.id);
            if unit.backend.workspace() != workspace {
                command = format!("{command} --workspace {workspace}");
            }
            command
        });
    let who = text(|lock| &lock.who);
    HeldLock {
        unit: unit.id.clone(),
        workspace: workspace.to_string(),
        is_local_host: who.as_deref().is_some_and(is_local_host),
        operation: text(|lock| &lock.operation),
        created: text(|lock| &lock.created),
        id,
        who,
        terraform_version: version,
        mine,
        place: file.place,
        info,
        release,
    }
}
