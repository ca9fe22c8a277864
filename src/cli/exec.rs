//! `tfw exec`.

use clap::Args;

use super::args::{GlobalArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::EnvSnapshot;
use crate::model::Diagnostic;
use crate::pipeline::{self, Exec};
use crate::report::ExitCode;

/// Run any Terraform subcommand on one unit, with its backend, credentials and variables
///
/// The child gets the terminal, so that `console` and questions work, and its exit code is tfw's.
/// In a protected environment everything but reading (plan, show, output, validate, state list,
/// state show, state pull, console, providers, version, graph) asks for the environment's name.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw exec dev -- state list                    read the state
  tfw exec dev -- console                       interactive commands work
  tfw exec prod/eks -- plan -target=module.eks  Terraform's own flags
  tfw exec prod --approve prod -- state rm aws_vpc.old

Exit codes:
  0, 1, 2  Terraform's own code, once it has run
  3        the command line, the manifest or the tools are wrong
  4        refused by a guard or for want of consent")]
pub(super) struct ExecArgs {
    /// The unit: dev, or prod/eks where the environment has stacks
    unit: String,
    /// Agree to writes in this protected environment
    #[arg(long, value_name = "ENVIRONMENT", help_heading = "Consent")]
    approve: Vec<String>,
    /// Terraform's subcommand and its arguments
    #[arg(last = true, required = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

pub(super) fn run(
    args: ExecArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    let command = Exec::parse(args.arguments).map_err(|error| {
        Error::Usage(Diagnostic::error(error.to_string()).with_hint(error.hint()))
    })?;
    let selection = SelectionArgs::of(args.unit);
    let mut frame = Frame::new("exec", global, environment, selection);
    frame.consent.approve = args.approve;
    frame.single_unit = true;
    frame.yields_stdout = true;
    frame.run(async move |ctx| Done {
        child: pipeline::exec(ctx, command).await,
        ..Done::default()
    })
}
