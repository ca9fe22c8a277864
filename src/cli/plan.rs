//! `tfw plan`.

use clap::Args;

use super::args::{ConsentArgs, GlobalArgs, RunArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::EnvSnapshot;
use crate::pipeline;
use crate::report::ExitCode;

/// Initialise where needed, and run `terraform plan` into a saved plan
///
/// Units run at once, up to `terraform.parallelism`; one whose `inputs` come from another
/// selected unit waits for it, and is skipped while that output does not exist yet. A plan writes
/// nothing but, where it is agreed to, a state bucket.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw plan --all                           every unit
  tfw plan prod --with-dependencies        prod, and what it depends on
  tfw plan --tag eu --exclude 'prod/*'     by label, without some
  tfw plan --all --detailed-exitcode       exit 2 when there are changes")]
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
}

pub(super) fn run(
    args: PlanArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    Frame {
        consent: args.consent,
        fail_fast: args.run.fail_fast,
        detailed_exit_code: args.detailed_exitcode,
        ..Frame::new("plan", global, environment, args.selection)
    }
    .run(async |ctx| {
        pipeline::plan(ctx).await;
        Done::default()
    })
}
