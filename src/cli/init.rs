//! `tfw init`.

use clap::Args;

use super::args::{ConsentArgs, GlobalArgs, RunArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::EnvSnapshot;
use crate::pipeline;
use crate::report::ExitCode;

/// See that each backend exists and is safe, then run `terraform init` with its configuration
///
/// A state bucket that does not exist is created after you agree: versioned, encrypted, closed to
/// the public. One that exists is left as it is; what is weak in it is told.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw init dev            initialise dev
  tfw init --all --yes    initialise everything, create absent buckets without asking")]
pub(super) struct InitArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    run: RunArgs,
}

pub(super) fn run(
    args: InitArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    Frame {
        consent: args.consent,
        fail_fast: args.run.fail_fast,
        ..Frame::new("init", global, environment, args.selection)
    }
    .run(async |ctx| {
        pipeline::init(ctx).await;
        Done::default()
    })
}
