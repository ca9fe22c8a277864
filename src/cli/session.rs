//! `tfw session list` and `clear`: the MFA sessions that are kept. `tfw session revoke`: all that
//! were issued.

use std::fmt::Write as _;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::{ConsentArgs, GlobalArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame, Purpose};
use crate::credentials::{REVOKING_POLICY, SessionCache};
use crate::env_vars::{EnvSnapshot, TFW_UNIT};
use crate::model::{Diagnostic, UnitResult};
use crate::pipeline::{self, Change, Revocation, Revoked};
use crate::report::{ExitCode, to_document};
use crate::ui;

/// Show or forget the MFA sessions that tfw keeps, or revoke what was issued
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  tfw session list         which sessions are kept, and until when
  tfw session clear        forget them: the next run asks for a code
  tfw session revoke dev   deny all older sessions everything, after showing how")]
pub(super) enum SessionCommand {
    List(ListArgs),
    Clear(ClearArgs),
    Revoke(RevokeArgs),
}

impl SessionCommand {
    /// The command's name, as reports have it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "session list",
            Self::Clear(_) => "session clear",
            Self::Revoke(_) => "session revoke",
        }
    }
}

/// List the MFA sessions that are kept, and when they end
///
/// They lie in your cache folder, readable by you alone, and are the only credentials that outlive a
/// run. Nothing is asked of AWS.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw session list
  tfw session list --json | jq -r '.sessions[].expires'")]
pub(super) struct ListArgs {}

/// Forget the MFA sessions that are kept
///
/// The files are removed; AWS goes on taking the sessions until they end.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  tfw session clear        the next run asks for a code")]
pub(super) struct ClearArgs {}

/// Revoke the sessions of the base credentials: whatever was issued before now is denied everything
///
/// Writes an inline policy on the user or the role that the units' base credentials belong to, with
/// these credentials and without MFA, after showing it and asking. Access keys of a user go on
/// working. So do sessions of roles that were assumed before, in this account or another, until they
/// end: they are listed. The kept MFA sessions are forgotten. `--undo` removes the policy.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw session revoke dev                   show the policy, ask, write it
  tfw session revoke --profile acme --yes  of a profile, without asking
  tfw session revoke dev --undo            remove the policy")]
pub(super) struct RevokeArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    /// The base credentials of this profile, whichever units use them
    #[arg(
        long,
        value_name = "PROFILE",
        help_heading = "Credentials",
        conflicts_with_all = ["units", "all", "tag", "exclude", "with_dependencies", "with_dependents"]
    )]
    profile: Option<String>,
    /// Remove the policy: what it denies works again, as far as it has not ended
    #[arg(long, help_heading = "Credentials")]
    undo: bool,
}

pub(super) fn run(
    command: SessionCommand,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    let cache = SessionCache::of_user(environment);
    let text = match command {
        SessionCommand::List(ListArgs {}) => list(cache.as_ref(), global),
        SessionCommand::Revoke(args) => return revoke(args, global, environment),
        SessionCommand::Clear(ClearArgs {}) => {
            let cleared = cache.map_or(Ok(0), |cache| cache.clear());
            let cleared = cleared.map_err(|problem| Error::failed(problem.to_string()))?;
            if global.json {
                to_document(&json!({ "schema": 1, "cleared": cleared }))
            } else {
                let s = if cleared == 1 { "" } else { "s" };
                format!("forgot {cleared} session{s}\n")
            }
        }
    };
    ui::print_document(&text).map_err(|error| Error::stdout(&error))?;
    Ok(ExitCode::Done)
}

fn list(cache: Option<&SessionCache>, global: &GlobalArgs) -> String {
    let (sessions, problems) = cache.map(SessionCache::list).unwrap_or_default();
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if global.json {
        return to_document(&json!({
            "schema": 1,
            "sessions": sessions,
            "diagnostics": problems,
        }));
    }
    ui::sessions(&sessions, &problems, Timestamp::now())
}

fn revoke(
    args: RevokeArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    if let Some(unit) = environment.get(TFW_UNIT) {
        let unit = unit.to_string_lossy();
        let summary = format!("this is a shell of `{unit}`, whose session is not your own");
        let hint = "leave it (`exit`), and revoke from outside";
        return Err(Error::Usage(Diagnostic::error(summary).with_hint(hint)));
    }
    let what = Revocation {
        profile: args.profile,
        undo: args.undo,
    };
    let purpose = match what.profile {
        Some(_) => Purpose::Nothing,
        None => Purpose::Identity,
    };
    Frame {
        consent: args.consent,
        purpose,
        without_terraform: true,
        yields_stdout: true,
        ..Frame::new("session revoke", global, environment, args.selection)
    }
    .run(async |ctx| match pipeline::revoke(ctx, &what).await {
        Ok(revoked) => Done {
            document: Some(to_document(&document(&revoked))),
            text: Some(text(&revoked)),
            ..Done::default()
        },
        Err(end) => Done {
            refused: end == UnitResult::Refused,
            failed: end != UnitResult::Refused,
            ..Done::default()
        },
    })
}

fn document(revoked: &Revoked) -> Value {
    let (policy, before, forgotten) = match &revoked.change {
        Change::Written {
            policy,
            before,
            forgotten,
        } => (Some(policy), Some(before), *forgotten),
        Change::Removed | Change::NotThere => (None, None, 0),
    };
    let outliving = revoked.outliving.iter().map(|each| {
        json!({
            "role_arn": each.role_arn,
            "account_id": each.account_id,
            "units": each.units,
            "seconds": each.at_most.as_secs(),
        })
    });
    json!({
        "schema": 1,
        "identity": revoked.arn,
        "account_id": revoked.account_id,
        "kind": revoked.identity.kind(),
        "name": revoked.identity.name(),
        "policy_name": REVOKING_POLICY,
        "change": match revoked.change {
            Change::Written { .. } => "written",
            Change::Removed => "removed",
            Change::NotThere => "none",
        },
        "policy": policy,
        "revoked_before": before,
        "cleared": forgotten,
        "still_valid": outliving.collect::<Vec<_>>(),
    })
}

fn text(revoked: &Revoked) -> String {
    let (kind, name) = (revoked.identity.kind(), revoked.identity.name());
    let whose = format!("the {kind} `{name}` in account {}", revoked.account_id);
    let (policy, before, forgotten) = match &revoked.change {
        Change::Written {
            policy,
            before,
            forgotten,
        } => (policy, before, *forgotten),
        Change::Removed => {
            return format!(
                "removed the policy `{REVOKING_POLICY}` of {whose}; IAM takes up to a few minutes\n"
            );
        }
        Change::NotThere => {
            return format!("{whose} has no policy `{REVOKING_POLICY}`: nothing to undo\n");
        }
    };
    let mut text = format!(
        "revoked the sessions of {whose} that were issued before {before}, by the policy \
         `{REVOKING_POLICY}`\n{}IAM takes up to a few minutes; {}\n",
        to_document(policy),
        if revoked.is_session {
            "the session that wrote it is revoked too: sign in again"
        } else {
            "access keys go on working"
        }
    );
    if forgotten > 0 {
        let s = if forgotten == 1 { "" } else { "s" };
        let _ = writeln!(text, "forgot {forgotten} kept session{s} of MFA");
    }
    if !revoked.outliving.is_empty() {
        text.push_str(
            "sessions of these roles that were assumed before stay valid until they end:\n",
        );
    }
    for each in &revoked.outliving {
        let units: Vec<String> = each.units.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            text,
            "  {} ({}): as tfw assumes it, {} at most",
            each.role_arn,
            units.join(", "),
            life(each.at_most)
        );
    }
    if !revoked.outliving.is_empty() {
        text.push_str(
            "others may have made longer ones, up to a role's `MaxSessionDuration`; to end all of a \
             role's now, revoke them on the role\n",
        );
    }
    text
}

/// `1h`, `90m`: as the manifest writes it.
fn life(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        seconds if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}
