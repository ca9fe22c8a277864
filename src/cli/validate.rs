//! `tfw validate`.

use clap::Args;

use super::args::{GlobalArgs, RunArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::EnvSnapshot;
use crate::pipeline;
use crate::report::ExitCode;

/// Run `terraform validate`, without a backend and without credentials
///
/// Each unit is initialised with `-backend=false` in a data folder of its own, so that the ordinary
/// `.terraform` and the state are not touched. Modules and providers are installed as usual.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw validate --all                  every root module, in CI for example
  tfw validate '*/network' --json     with diagnostics for programs")]
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
