//! The state of a unit as it is now, wherever it lives: outputs for `inputs` and `tfw output`,
//! resources for `destroy`.

use super::backend;
use super::buckets::Absent;
use super::failure::Failure;
use super::guards;
use super::initialise::initialise;
use super::record::Record;
use super::terraform_step::{Call, Variables};
use crate::aws::VerifiedAccount;
use crate::model::{Backend, Diagnostic, Lock, Unit};
use crate::state::{StateDocument, StateError, StateStore};
use crate::terraform::command;

/// Reads the state of the record's unit; `None`: it has none yet.
///
/// `s3` and `local` are read directly, without a Terraform process; any other backend is only
/// known to Terraform, so that is asked.
pub(crate) async fn read(record: &mut Record<'_>) -> Result<Option<StateDocument>, Failure> {
    let unit = record.unit;
    if matches!(unit.backend, Backend::Other(_)) {
        return pull(record).await;
    }
    // A bucket that does not exist holds no state; `read` says so itself.
    let accounts = backend::verify(record).await?;
    let store = open(unit, accounts.state_account()).await?;
    let version = store.read().await.map_err(|error| unreadable(&error))?;
    Ok(version.map(|version| version.document))
}

/// The store of a unit's state.
pub(crate) async fn open(
    unit: &Unit,
    state_account: &VerifiedAccount,
) -> Result<StateStore, Failure> {
    StateStore::open(unit, state_account)
        .await
        .map_err(|error| unreadable(&error))
}

/// Who holds the lock of a unit's state, where tfw can tell.
pub(crate) async fn lock_holder(
    unit: &Unit,
    state_account: &VerifiedAccount,
) -> Result<Option<Lock>, Failure> {
    if matches!(unit.backend, Backend::Other(_)) {
        return Ok(None);
    }
    let store = open(unit, state_account).await?;
    store
        .lock_holder()
        .await
        .map_err(|error| unreadable(&error))
}

pub(crate) fn unreadable(error: &StateError) -> Failure {
    Failure::fact(error.to_string(), error.hint(), false)
}

async fn pull(record: &mut Record<'_>) -> Result<Option<StateDocument>, Failure> {
    let module = guards::check(record.ctx, record.unit)?;
    let prepared = backend::prepare(&[&*record], Absent::Fail).await;
    let backend = prepared
        .into_iter()
        .next()
        .unwrap_or_else(|| Err(Failure::not_started()))?;
    let site = initialise(record, &module, backend).await?;
    let call = Call::new(command::state_pull()).private();
    let finished = site.terraform(record, call, &Variables::default()).await?;
    let finished = finished.succeeded("terraform state pull")?;
    let bytes = finished.private_output();
    if bytes.trim_ascii().is_empty() {
        return Ok(None);
    }
    StateDocument::parse(bytes).map(Some).map_err(|error| {
        Failure::failed(Diagnostic::error(format!(
            "`terraform state pull`: {error}"
        )))
    })
}
