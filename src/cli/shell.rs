//! `tfw shell`.

use std::io::{self, IsTerminal as _};

use clap::Args;

use super::args::{GlobalArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::{EnvSnapshot, TFW_UNIT};
use crate::model::Diagnostic;
use crate::pipeline::{self, Shell};
use crate::report::ExitCode;
use crate::ui;

/// Open a shell in which a hand-typed Terraform does what tfw would do
///
/// In the unit's root module, initialised where needed, with its credentials and region, its
/// variables (`TF_VAR_*`), and its var files, lock timeout and backend configuration
/// (`TF_CLI_ARGS_*`). `TFW_UNIT`, `TFW_ENVIRONMENT`, `TFW_ACCOUNT_ID` and `TFW_EXPIRES` tell where
/// one is, and `PS1="($TFW_PROMPT) $PS1"` shows it in a prompt.
///
/// It is `$SHELL`, or the command after `--`, and its exit code is tfw's. The credentials end when
/// they end, unless `credentials.delivery` is `server`: then they are renewed while it is open. In a
/// protected environment it asks for the environment's name.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw shell dev                       `terraform plan` there is tfw's plan
  tfw shell prod/eks --approve prod   without being asked for the name
  tfw shell dev -- make smoke-test    one command in place of a shell

Exit codes:
  any  that of the shell or the command, once it has run
  3    the command line, the manifest or the tools are wrong; a shell in a shell
  4    refused by a guard or for want of consent")]
pub(super) struct ShellArgs {
    /// The unit: dev, or prod/eks where the environment has stacks
    unit: String,
    /// Agree to writes in this protected environment
    #[arg(long, value_name = "ENVIRONMENT", help_heading = "Consent")]
    approve: Vec<String>,
    /// A command to run in place of a shell
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(super) fn run(
    args: ShellArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    if let Some(outer) = environment.get(TFW_UNIT) {
        let outer = outer.to_string_lossy();
        return Err(Error::Usage(
            Diagnostic::error(format!("this is a shell of `{outer}` already"))
                .with_detail("its credentials would take the place of your own")
                .with_hint(format!("leave it (`exit`), then `tfw shell {}`", args.unit)),
        ));
    }
    if args.command.is_empty() && global.no_input {
        return Err(Error::Usage(
            Diagnostic::error("with `--no-input` there is nobody for a shell").with_hint(format!(
                "name a command: `tfw shell {} -- COMMAND`",
                args.unit
            )),
        ));
    }
    let shell = Shell {
        greets: args.command.is_empty() && !global.quiet && io::stdin().is_terminal(),
        command: args.command,
    };
    let selection = SelectionArgs::of(args.unit);
    let mut frame = Frame::new("shell", global, environment, selection);
    frame.consent.approve = args.approve;
    frame.single_unit = true;
    frame.yields_stdout = true;
    frame.run(async |ctx| Done {
        child: pipeline::shell(ctx, &shell, ui::tell).await,
        ..Done::default()
    })
}
