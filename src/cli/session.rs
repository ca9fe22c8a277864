//! `tfw session list` and `tfw session clear`: the MFA sessions that are kept.

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use super::args::GlobalArgs;
use super::error::Error;
use crate::credentials::SessionCache;
use crate::env_vars::EnvSnapshot;
use crate::report::{ExitCode, to_document};
use crate::ui;

/// Show or forget the MFA sessions that tfw keeps
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  tfw session list         which sessions are kept, and until when
  tfw session clear        forget them: the next run asks for a code")]
pub(super) enum SessionCommand {
    List(ListArgs),
    Clear(ClearArgs),
}

impl SessionCommand {
    /// The command's name, as reports have it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "session list",
            Self::Clear(_) => "session clear",
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

pub(super) fn run(
    command: &SessionCommand,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    let cache = SessionCache::of_user(environment);
    let text = match command {
        SessionCommand::List(ListArgs {}) => list(cache.as_ref(), global),
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
