//! `tfw plan`.

use std::path::PathBuf;

use clap::Args;

use super::args::{ConsentArgs, GlobalArgs, RunArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::EnvSnapshot;
use crate::pipeline::{self, Draft};
use crate::report::ExitCode;

/// Initialise where needed, and run `terraform plan` into a saved plan
///
/// Units run at once, up to `terraform.parallelism`; one whose `inputs` come from another
/// selected unit waits for it, and is skipped while that output does not exist yet. A plan writes
/// nothing but, where it is agreed to, a state bucket.
///
/// `--out DIR` writes a bundle: the plans, and a record of what each was made from (account,
/// backend, state, versions, files, variables, commit), for a review and an apply of exactly that
/// by `tfw apply --from DIR`. A plan that may be another one after an apply of its upstream does
/// not go in. Plans hold secrets in clear: keep the folder as you would keep the states.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw plan --all                           every unit
  tfw plan prod --with-dependencies        prod, and what it depends on
  tfw plan --tag eu --exclude 'prod/*'     by label, without some
  tfw plan --all --detailed-exitcode       exit 2 when there are changes
  tfw plan prod --out review               keep the plans for a review")]
pub(super) struct PlanArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    run: RunArgs,
    /// Exit 2 when there are changes, 0 when there are none
    #[arg(long)]
    detailed_exitcode: bool,
    /// Write a bundle for review into this folder, which is new or empty; it holds secrets in clear
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(
    args: PlanArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    let draft = match &args.out {
        Some(folder) => Some(Draft::prepare(folder, args.selection.typed())?),
        None => None,
    };
    Frame {
        out: args.out.as_deref(),
        consent: args.consent,
        fail_fast: args.run.fail_fast,
        detailed_exit_code: args.detailed_exitcode,
        ..Frame::new("plan", global, environment, args.selection)
    }
    .run(async |ctx| {
        let failed = if let Some(draft) = &draft {
            !pipeline::plan_bundle(ctx, draft).await
        } else {
            pipeline::plan(ctx).await;
            false
        };
        Done {
            failed,
            ..Done::default()
        }
    })
}
