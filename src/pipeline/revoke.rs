//! `tfw session revoke`: ends the sessions of the base credentials' identity.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::aws::{IamIdentity, Session};
use crate::credentials::{
    Outliving, REVOKING_POLICY, SessionCache, cutoff, outliving, revoking_policy,
};
use crate::events::Event;
use crate::journal::{Step, StepState};
use crate::model::{AccountId, Diagnostic, Unit, UnitResult};
use crate::stage::Context;
use crate::stage::consent::Matter;
use crate::stage::failure::Failure;

/// What was asked for.
#[derive(Debug, Clone, Default)]
pub struct Revocation {
    /// The profile whose credentials are meant; `None`: those of the selected units.
    pub profile: Option<String>,
    /// Take the policy away.
    pub undo: bool,
}

/// What was done.
#[derive(Debug, Clone)]
pub struct Revoked {
    /// Whose sessions.
    pub identity: IamIdentity,
    /// The same, as AWS calls it.
    pub arn: String,
    /// Its account.
    pub account_id: AccountId,
    /// Whether the credentials that asked are one of the sessions.
    pub is_session: bool,
    /// What happened to the policy.
    pub change: Change,
    /// What goes on.
    pub outliving: Vec<Outliving>,
}

/// What happened to the policy.
#[derive(Debug, Clone)]
pub enum Change {
    /// It is there.
    Written {
        /// All of it.
        policy: Value,
        /// Sessions that were issued before then are revoked.
        before: Timestamp,
        /// How many kept sessions of MFA were forgotten.
        forgotten: usize,
    },
    /// It is gone.
    Removed,
    /// There was none to remove.
    NotThere,
}

/// Writes the policy that revokes, or removes it. What there is to say of an end that is none of
/// these has been said.
///
/// # Errors
/// How it ended: refused, failed or interrupted.
pub async fn revoke(ctx: &Context, what: &Revocation) -> Result<Revoked, UnitResult> {
    revoke_(ctx, what).await.map_err(|failure| {
        for diagnostic in failure.diagnostics {
            tell(ctx, diagnostic);
        }
        failure.result
    })
}

async fn revoke_(ctx: &Context, what: &Revocation) -> Result<Revoked, Failure> {
    let units: Vec<&Unit> = ctx.units().collect();
    let of_units = units
        .first()
        .and_then(|unit| unit.credentials.profile.as_ref());
    let profile = what.profile.as_ref().or(of_units);
    let near = units.first().copied().or(ctx.project.units.first());
    let base = tokio::select! {
        biased;
        () = ctx.signals.stopped() => return Err(Failure::not_started()),
        base = ctx.sessions.base(profile.map(String::as_str), near) => base,
    };
    let (session, iam) =
        base.map_err(|error| Failure::aws("asking whose the base credentials are", &error))?;
    let identity = IamIdentity::of_caller(&session.arn).map_err(|error| {
        Failure::refused(Diagnostic::error(error.to_string()).with_hint(error.hint()))
    })?;
    let before = cutoff(Timestamp::now());
    let policy = revoking_policy(before);
    let (doing, question) = if what.undo {
        ("removing the policy", undo_question(&identity, &session))
    } else {
        ("revoking sessions", question(&identity, &session, &policy))
    };
    ctx.consent
        .obtain(ctx, Matter::Tfw, &units, || question, doing)
        .await?;
    let detail = json!({ "identity": session.arn, "undo": what.undo });
    ctx.run
        .step_of_run(Step::Revoke, StepState::Begun, &detail)?;
    let changed = if what.undo {
        iam.delete_policy(&identity, REVOKING_POLICY).await
    } else {
        let document = policy.to_string();
        let written = iam.put_policy(&identity, REVOKING_POLICY, &document).await;
        written.map(|()| true)
    };
    let state = match changed {
        Ok(_) => StepState::Done,
        Err(_) => StepState::Failed,
    };
    if let Err(error) = ctx.run.step_of_run(Step::Revoke, state, &detail) {
        tell(ctx, Diagnostic::warning(error.to_string()));
    }
    let was_there = changed.map_err(|error| {
        let mut failure = Failure::aws(doing, &error);
        if what.undo && error.is_denied() && session.session_token.is_some() {
            let hint = "where the policy denies this session too, sign in again first";
            failure.diagnostics = failure
                .diagnostics
                .into_iter()
                .map(|diagnostic| diagnostic.with_hint(hint))
                .collect();
        }
        failure
    })?;
    if !what.undo {
        wait_until(before).await;
    }
    let change = match (what.undo, was_there) {
        (true, true) => Change::Removed,
        (true, false) => Change::NotThere,
        (false, _) => Change::Written {
            policy,
            before,
            forgotten: forget_kept(ctx),
        },
    };
    Ok(Revoked {
        outliving: if what.undo {
            Vec::new()
        } else {
            outliving(&ctx.project.units)
        },
        is_session: session.session_token.is_some(),
        arn: session.arn,
        account_id: session.account_id,
        identity,
        change,
    })
}

/// Waits the rest of the second that is revoked, so that a login that follows is not caught by it.
async fn wait_until(moment: Timestamp) {
    let left = moment.duration_since(Timestamp::now());
    tokio::time::sleep(left.try_into().unwrap_or_default()).await;
}

/// Forgets the MFA sessions that are kept: AWS denies them everything now, which no run would take
/// for a reason to ask for a code.
fn forget_kept(ctx: &Context) -> usize {
    let Some(cache) = SessionCache::of_user(&ctx.inherited) else {
        return 0;
    };
    cache.clear().unwrap_or_else(|problem| {
        tell(
            ctx,
            Diagnostic::warning(problem.to_string())
                .with_hint("`tfw session clear` removes what is kept"),
        );
        0
    })
}

fn tell(ctx: &Context, diagnostic: Diagnostic) {
    ctx.events.emit(Event::Diagnostic {
        unit: None,
        diagnostic,
    });
}

fn question(identity: &IamIdentity, session: &Session, policy: &Value) -> String {
    let whose = whose(identity, session);
    let policy = serde_json::to_string_pretty(policy).unwrap_or_default();
    let others = match identity {
        IamIdentity::User(_) => "its access keys go on working",
        IamIdentity::Role(_) => "whoever holds one; this session is among them",
    };
    format!(
        "tfw will write the policy `{REVOKING_POLICY}` on {whose}\n{policy}\n\
         all its sessions that were issued before now are denied everything: {others}"
    )
}

fn undo_question(identity: &IamIdentity, session: &Session) -> String {
    let whose = whose(identity, session);
    format!(
        "tfw will remove the policy `{REVOKING_POLICY}` of {whose}\n\
         what it denies works again, as far as it has not ended"
    )
}

/// ``the user `ci` in account 111111111111``.
fn whose(identity: &IamIdentity, session: &Session) -> String {
    format!(
        "the {} `{}` in account {}",
        identity.kind(),
        identity.name(),
        session.account_id
    )
}
