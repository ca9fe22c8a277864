//! What people type: one file a command, and the edge where errors become words and exit codes.

mod apply;
mod args;
mod audit;
mod backend;
mod completions;
mod consumers;
mod destroy;
mod doctor;
mod drift;
mod env;
mod error;
mod exec;
mod frame;
mod held;
mod init;
mod lock;
mod man;
mod manifest;
mod manual;
mod migrate;
mod output;
mod plan;
mod session;
mod shell;
mod state;
mod status;
mod validate;

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};

use crate::env_vars::EnvSnapshot;
use crate::report::ExitCode;
use args::GlobalArgs;
use error::Error;

/// Run Terraform over many environments: backends, credentials, init, plan and apply, in order
///
/// One manifest, `tfw.toml`, names the environments with their accounts, backends and root
/// modules. An environment, or each of its stacks, is a unit: what one Terraform process works on.
/// Commands take units (`dev`, `prod/eks`, `'*/network'`) or a selection such as `--all`, and work
/// on them in the manifest's order.
#[derive(Debug, Parser)]
#[command(
    name = "tfw",
    version,
    max_term_width = 100,
    disable_help_flag = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{REFERENCE}")
)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tfw plan --all                   plan every environment of the manifest
  tfw apply dev                    plan dev, show it, ask, apply exactly that
  tfw plan '*/network' --json      the report of every network stack, on stdout
  tfw exec prod/eks -- state list  any Terraform command, with tfw's credentials

Exit codes:
  0              done; nothing failed
  1              a unit failed
  2              differences were found (drift, doctor, --detailed-exitcode)
  3              the command line, the manifest or the tools are wrong
  4              refused by a guard or for want of consent
  5              a state lock is held by someone else
  129, 130, 143  interrupted by SIGHUP, SIGINT, SIGTERM";

/// What the long help and the manual page say beyond that.
const REFERENCE: &str = "\
Environment:
  TFW_MANIFEST         the manifest, where `--manifest` is not given
  TFW_TERRAFORM        the Terraform binary, where `--terraform` is not given
  TFW_MFA_CODE         an MFA code, where `--mfa-code` is not given
  NO_COLOR             any value: no colours
  CI                   set by CI systems: nothing is redrawn, even on a terminal
  TF_PLUGIN_CACHE_DIR  a plugin cache to use in place of tfw's own
  AWS_CA_BUNDLE        a PEM file of certificates to trust
  AWS_PROFILE          and the rest of what the AWS SDK reads: base credentials

Files:
  tfw.toml       the manifest, in the working directory or above it
  .tfw/runs/ID/  beside the manifest: report, journal, a log for each unit
  .tfw/plans/    saved plans; they hold secrets, and are yours alone to read
  .tfw/backups/  copies of what migrations took away; they hold secrets, too";

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    Plan(plan::PlanArgs),
    Apply(apply::ApplyArgs),
    Destroy(destroy::DestroyArgs),
    Drift(drift::DriftArgs),
    Migrate(migrate::MigrateArgs),
    #[command(subcommand)]
    Backend(backend::BackendCommand),
    Status(status::StatusArgs),
    Audit(audit::AuditArgs),
    Doctor(doctor::DoctorArgs),
    #[command(subcommand)]
    Lock(lock::LockCommand),
    #[command(subcommand)]
    State(state::StateCommand),
    Validate(validate::ValidateArgs),
    Output(output::OutputArgs),
    Exec(exec::ExecArgs),
    Env(env::EnvArgs),
    Shell(shell::ShellArgs),
    #[command(subcommand)]
    Session(session::SessionCommand),
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
            Self::Migrate(_) => "migrate",
            Self::Backend(command) => command.name(),
            Self::Status(_) => "status",
            Self::Audit(_) => "audit",
            Self::Doctor(_) => "doctor",
            Self::Lock(command) => command.name(),
            Self::State(command) => command.name(),
            Self::Validate(_) => "validate",
            Self::Output(_) => "output",
            Self::Exec(_) => "exec",
            Self::Env(_) => "env",
            Self::Shell(_) => "shell",
            Self::Session(command) => command.name(),
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
    if let Some(code) = completions::answer(Cli::command(), &arguments, &environment) {
        return code.code();
    }
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

/// The command reference in Markdown: `docs/commands.md`.
pub fn reference() -> String {
    manual::reference(&Cli::command())
}

fn run(cli: Cli, environment: &EnvSnapshot) -> Result<ExitCode, Error> {
    let global = &cli.global;
    match cli.command {
        Command::Init(args) => init::run(args, global, environment),
        Command::Plan(args) => plan::run(args, global, environment),
        Command::Apply(args) => apply::run(args, global, environment),
        Command::Destroy(args) => destroy::run(args, global, environment),
        Command::Drift(args) => drift::run(args, global, environment),
        Command::Migrate(args) => migrate::run(args, global, environment),
        Command::Backend(command) => backend::run(command, global, environment),
        Command::Status(args) => status::run(args, global, environment),
        Command::Audit(args) => audit::run(args, global, environment),
        Command::Doctor(args) => doctor::run(args, global, environment),
        Command::Lock(command) => lock::run(command, global, environment),
        Command::State(command) => state::run(command, global, environment),
        Command::Validate(args) => validate::run(args, global, environment),
        Command::Output(args) => output::run(args, global, environment),
        Command::Exec(args) => exec::run(args, global, environment),
        Command::Env(args) => env::run(args, global, environment),
        Command::Shell(args) => shell::run(args, global, environment),
        Command::Session(command) => session::run(command, global, environment),
        Command::Manifest(command) => manifest::run(&command, global, environment),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args, &Cli::command()),
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
