//! `tfw drift`.

use clap::Args;

use super::args::{GlobalArgs, RunArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::EnvSnapshot;
use crate::pipeline;
use crate::report::ExitCode;

/// Show what changed outside of Terraform, by `terraform plan -refresh-only`
///
/// Compares each state with the world, and changes neither. Exits 2 when something drifted. In
/// the report, `change` counts the resources that were changed outside of Terraform, `destroy`
/// those that are gone, and `outputs` the outputs that follow. A unit without a state has not
/// drifted; one whose bucket, or whose upstream's output, does not exist fails.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw drift --all                            every unit
  tfw drift prod --json                      the report, for a scheduled job
  tfw plan prod/eks                          what an apply would set back
  tfw exec prod/eks -- apply -refresh-only   accept the drift into the state")]
pub(super) struct DriftArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    run: RunArgs,
}

pub(super) fn run(
    args: DriftArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    Frame {
        fail_fast: args.run.fail_fast,
        detailed_exit_code: true,
        ..Frame::new("drift", global, environment, args.selection)
    }
    .run(async |ctx| {
        pipeline::drift(ctx).await;
        Done::default()
    })
}
