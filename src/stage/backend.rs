//! Backends that are safe to use: the account is proven, and the place of the state is there.

use std::fmt::Write as _;

use super::buckets::{self, Absent};
use super::context::at_once;
use super::failure::Failure;
use super::provider_guard;
use super::record::Record;
use crate::aws::VerifiedAccount;
use crate::credentials::CredentialsError;
use crate::events::Phase;
use crate::model::Unit;

/// Credentials that are proven to be of the unit's account, and a backend that exists there. Only
/// [`prepare`] gives it to the stages that run Terraform.
#[derive(Debug, Clone)]
pub struct SafeBackend {
    account: VerifiedAccount,
    state_account: VerifiedAccount,
}

impl SafeBackend {
    /// The credentials for the resources.
    pub(crate) fn account(&self) -> &VerifiedAccount {
        &self.account
    }

    /// The credentials for the state: the same, but where it lives in another account.
    pub(crate) fn state_account(&self) -> &VerifiedAccount {
        &self.state_account
    }
}

/// Proves the accounts of these units and looks at their backends, all at once; what is absent is
/// created after one question about all of it.
pub(crate) async fn prepare(
    records: &[&Record<'_>],
    absent: Absent,
) -> Vec<Result<SafeBackend, Failure>> {
    for record in records {
        record.phase(Phase::Credentials);
    }
    let mut prepared: Vec<Result<SafeBackend, Failure>> =
        at_once(records.iter().map(|record| verify(record))).await;
    let failures = buckets::ensure(records, &prepared, absent).await;
    for (index, failure) in failures {
        prepared[index] = Err(failure);
    }
    prepared
}

/// The credentials of one unit, each proven to be of the account that the manifest names.
pub(crate) async fn verify(record: &Record<'_>) -> Result<SafeBackend, Failure> {
    let sessions = &record.ctx.sessions;
    let account = if record.unit.provider_assumes_role {
        let chains = provider_guard::assumed_roles(record.unit);
        sessions.verify_for_provider(record.unit, &chains).await
    } else {
        sessions.verify(record.unit).await
    };
    let account = account.map_err(|error| untrusted(&error))?;
    if record.unit.account_id.is_some() && !account.has_credentials() {
        record.note(
            "no AWS credentials were found: goes on without any, since its backend needs none",
        );
    }
    let state_account = record
        .ctx
        .sessions
        .verify_backend(record.unit, &account)
        .await
        .map_err(|error| untrusted(&error))?;
    Ok(SafeBackend {
        account,
        state_account,
    })
}

/// The credentials for the resources of one unit, proven to be of its account.
pub(crate) async fn verify_account(record: &Record<'_>) -> Result<VerifiedAccount, Failure> {
    let account = record.ctx.sessions.verify(record.unit).await;
    account.map_err(|error| untrusted(&error))
}

fn untrusted(error: &CredentialsError) -> Failure {
    Failure::fact(error.to_string(), error.hint(), error.is_refusal())
}

/// Where something is about to happen, and in whose name: lines below the one that says what.
pub(crate) fn where_and_who(unit: &Unit, backend: &SafeBackend) -> String {
    let mut text = String::new();
    if let Some(principal) = backend.account().principal() {
        let _ = write!(text, "\n    as {principal}");
        if let Some(region) = &unit.region {
            let _ = write!(text, ", {region}");
        }
    }
    let _ = write!(text, "\n    state in {}", unit.backend.place());
    text
}
