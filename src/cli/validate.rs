//! `tfw validate`.

use clap::Args;

use super::args::{GlobalArgs, RunArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::EnvSnapshot;
use crate::pipeline;
use crate::report::ExitCode;

/// Run `terraform validate`, without a backend and without credentials
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw validate --all
  tfw validate '*/network' --json")]
pub(super) struct ValidateArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    run: RunArgs,
}

pub(super) fn run(
    args: ValidateArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    Frame {
        fail_fast: args.run.fail_fast,
        ..Frame::new("validate", global, environment, args.selection)
    }
    .run(async |ctx| {
        pipeline::validate(ctx).await;
        Done::default()
    })
}
