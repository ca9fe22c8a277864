//! `tfw init`.

use clap::Args;

use super::args::{ConsentArgs, GlobalArgs, RunArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::EnvSnapshot;
use crate::pipeline;
use crate::report::ExitCode;

/// See that backends exist and are safe, and run `terraform init`
///
/// A state bucket that does not exist is created after you agree: versioned, encrypted, closed to
/// the public. One that exists is left as it is; what is weak in it is told. `plan`, `apply` and
/// the others run init themselves where it is needed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw init dev                       ask before the state bucket is created
  tfw init --all --yes               create absent buckets without asking
  tfw init prod --approve prod       prod is protected, so it is named")]
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
