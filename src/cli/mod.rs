//! What people type: one file a command, and the edge where errors become words and exit codes.

mod apply;
mod args;
mod completions;
mod destroy;
mod drift;
mod error;
mod exec;
mod frame;
mod init;
mod man;
mod manifest;
mod output;
mod plan;
mod status;
mod validate;

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};

use crate::env_vars::EnvSnapshot;
use crate::report::ExitCode;
use args::GlobalArgs;
use error::Error;

/// Run Terraform over many environments: backends, credentials, init, plan and apply, in order
#[derive(Debug, Parser)]
#[command(
    name = "tfw",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = EXAMPLES
)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tfw plan --all                  plan every environment of the manifest
  tfw apply dev                   plan dev, show it, ask, apply exactly that
  tfw plan '*/network' --json     the report of every network stack, on stdout
  tfw exec prod/eks -- state list

Exit codes: 0 done, 1 a unit failed, 2 differences (drift, --detailed-exitcode), 3 wrong
command line, manifest or tools, 4 refused, 5 a state lock is held, 129/130/143 interrupted.";

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    Plan(plan::PlanArgs),
    Apply(apply::ApplyArgs),
    Destroy(destroy::DestroyArgs),
    Drift(drift::DriftArgs),
    Status(status::StatusArgs),
    Validate(validate::ValidateArgs),
    Output(output::OutputArgs),
    Exec(exec::ExecArgs),
    #[command(subcommand)]
    Manifest(manifest::ManifestCommand),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

impl Command {
    /// The command's name, as reports have it.
    fn name(&self) -> &'static str {
        match self {
            Self::Init(_) => "init",
            Self::Plan(_) => "plan",
            Self::Apply(_) => "apply",
            Self::Destroy(_) => "destroy",
            Self::Drift(_) => "drift",
            Self::Status(_) => "status",
            Self::Validate(_) => "validate",
            Self::Output(_) => "output",
            Self::Exec(_) => "exec",
            Self::Manifest(_) => "manifest",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }
}

/// Runs tfw on this process's arguments and environment; returns the exit code.
pub fn main() -> u8 {
    let environment = EnvSnapshot::capture();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(parse) => return error::report_parse_error(&parse, &arguments, &environment).code(),
    };
    let name = cli.command.name();
    let output = cli.global.output(&environment);
    match run(cli, &environment) {
        Ok(code) => code.code(),
        Err(error) => error::report(&error, name, output).code(),
    }
}

fn run(cli: Cli, environment: &EnvSnapshot) -> Result<ExitCode, Error> {
    let global = &cli.global;
    match cli.command {
        Command::Init(args) => init::run(args, global, environment),
        Command::Plan(args) => plan::run(args, global, environment),
        Command::Apply(args) => apply::run(args, global, environment),
        Command::Destroy(args) => destroy::run(args, global, environment),
        Command::Drift(args) => drift::run(args, global, environment),
        Command::Status(args) => status::run(args, global, environment),
        Command::Validate(args) => validate::run(args, global, environment),
        Command::Output(args) => output::run(args, global, environment),
        Command::Exec(args) => exec::run(args, global, environment),
        Command::Manifest(command) => manifest::run(&command, global, environment),
        Command::Completions(args) => completions::run(&args, &mut Cli::command()),
        Command::Man(args) => man::run(&args, Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
