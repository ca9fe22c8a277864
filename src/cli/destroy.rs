//! `tfw destroy`.

use clap::Args;

use super::args::{ConsentArgs, GlobalArgs, RunArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::EnvSnapshot;
use crate::model::Delivery;
use crate::pipeline;
use crate::report::ExitCode;

/// Plan to destroy, show, confirm, and destroy, in reverse order
///
/// A protected environment takes part only when it is named itself: patterns and `--all` leave it
/// out. A unit is refused while another one that depends on it, and is not selected, still has
/// resources.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw destroy dev                             every stack of dev, last one first
  tfw destroy dev/eks --auto-approve          one stack, without asking
  tfw destroy dev/network --with-dependents   what uses it first, then itself")]
pub(super) struct DestroyArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    /// Approve every plan; protected ones need `--approve` as well
    #[arg(long, help_heading = "Consent")]
    auto_approve: bool,
    #[command(flatten)]
    run: RunArgs,
}

pub(super) fn run(
    args: DestroyArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    Frame {
        consent: args.consent,
        auto_approve: args.auto_approve,
        fail_fast: args.run.fail_fast,
        spares_protected: true,
        delivery: Delivery::Server,
        ..Frame::new("destroy", global, environment, args.selection)
    }
    .run(async |ctx| {
        pipeline::destroy(ctx).await;
        Done::default()
    })
}
