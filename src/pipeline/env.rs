//! `tfw env`: the credentials of one unit, for other tools than Terraform.

use crate::aws::{AwsError, Session};
use crate::events::Phase;
use crate::model::{AccountId, Diagnostic, Region, UnitId};
use crate::stage::Context;
use crate::stage::backend;
use crate::stage::failure::Failure;
use crate::stage::record::Record;

/// Credentials on their way out of tfw. `Debug` redacts.
#[derive(Debug, Clone)]
pub struct Handout {
    /// Whose they are.
    pub unit: UnitId,
    /// The account that AWS says they belong to: the manifest's.
    pub account_id: AccountId,
    /// The unit's region.
    pub region: Option<Region>,
    /// The keys, and when they end.
    pub session: Session,
}

/// Gets the credentials of the one selected unit, proven to be of its account. `None`: it did not
/// come to that, and the unit's outcome says why.
pub async fn env(ctx: &Context) -> Option<Handout> {
    let unit = ctx.units().next()?;
    let record = Record::new(ctx, unit);
    let handout = tokio::select! {
        biased;
        () = ctx.signals.stopped() => Err(Failure::not_started()),
        handout = hand_out(&record) => handout,
    };
    match handout {
        Ok(handout) => {
            record.finish(Ok(()));
            Some(handout)
        }
        Err(failure) => {
            record.finish(Err(failure));
            None
        }
    }
}

async fn hand_out(record: &Record<'_>) -> Result<Handout, Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    let doing = "handing out credentials";
    ctx.consent.can_answer(unit, doing)?;
    record.phase(Phase::Credentials);
    let account = backend::verify_account(record).await?;
    let Some(account_id) = account.account_id() else {
        return Err(no_credentials(record));
    };
    let question = || {
        let who = account.principal().unwrap_or_default();
        format!("tfw will print credentials of `{}`\n    as {who}", unit.id)
    };
    ctx.consent
        .obtain_protection(ctx, unit, question, doing)
        .await?;
    // After the question, so that they are fresh.
    let session = account
        .session()
        .await
        .map_err(|error| Failure::aws("getting credentials", &error))?
        .ok_or_else(|| no_credentials(record))?;
    Ok(Handout {
        unit: unit.id.clone(),
        account_id: account_id.clone(),
        region: unit.region.clone(),
        session,
    })
}

fn no_credentials(record: &Record<'_>) -> Failure {
    let unit = record.unit;
    if unit.account_id.is_none() {
        let summary = format!(
            "`{}` has no credentials: the manifest names no account for it",
            unit.id
        );
        return Failure::failed(Diagnostic::error(summary).with_hint(
            "set its `account_id`, so that it is known whose credentials are handed out",
        ));
    }
    let nothing = AwsError::NoCredentials {
        detail: format!(
            "`{}` asks for none in particular, and this machine has none",
            unit.id
        ),
    };
    Failure::aws("getting credentials", &nothing)
}
