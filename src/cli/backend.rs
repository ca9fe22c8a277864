//! `tfw backend ensure` and `tfw backend check`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::args::{ConsentArgs, GlobalArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::bucket::Setting;
use crate::env_vars::EnvSnapshot;
use crate::model::Difference;
use crate::pipeline::{self, EnsureOptions};
use crate::report::{ExitCode, to_document};
use crate::ui;

/// Make state buckets what the manifest says, or show how they differ
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  tfw backend check --all      how every bucket differs from the manifest
  tfw backend ensure dev       show that of dev, ask, mend it, read it back")]
pub(super) enum BackendCommand {
    Ensure(EnsureArgs),
    Check(CheckArgs),
}

impl BackendCommand {
    /// The command's name, as reports have it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ensure(_) => "backend ensure",
            Self::Check(_) => "backend check",
        }
    }
}

/// Create or mend state buckets, their policies and keys, after showing what differs
///
/// Each bucket is read, held against the manifest, and shown: `+` is set, `~` is changed, `!` is
/// kept. After you agree it is made so, and read back. What is stronger than asked for is kept, and
/// so is what others set: their policy statements, their lifecycle rules, their tags. What may not
/// be read is not written. A second run changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw backend ensure dev                      show, ask, mend
  tfw backend ensure --all --yes              without asking
  tfw backend ensure dev --reencrypt          also states under the wrong key
  tfw backend ensure dev --allow-weaker encryption")]
pub(super) struct EnsureArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    /// Write states anew, under their lock, that are encrypted otherwise than the manifest says
    ///
    /// The default encryption of a bucket reaches neither objects that are there already, nor what
    /// Terraform writes without a key of its own.
    #[arg(long, help_heading = "Backend")]
    reencrypt: bool,
    /// Let this setting become weaker than it is (repeatable)
    ///
    /// `encryption`: KMS may become AES256. `force_tls`, `allowed_principals`: the policy may let in
    /// whom it shut out. `kms_key_policy`: a key may obey its account, which somebody kept out of
    /// it. `noncurrent_days`: old versions may be kept for less long.
    #[arg(long, value_name = "SETTING", value_parser = setting(), help_heading = "Backend")]
    allow_weaker: Vec<String>,
}

/// Show how state buckets, policies and keys differ from the manifest
///
/// Changes nothing. Exits 2 when something differs, also where that is weaker than asked for and
/// somebody else's; what is stronger than asked for is shown, and is no difference. What may not be
/// read cannot be told: then the exit code is 1.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw backend check --all
  tfw backend check prod --json | jq '.backends[].differences'")]
pub(super) struct CheckArgs {
    #[command(flatten)]
    selection: SelectionArgs,
}

fn setting() -> clap::builder::PossibleValuesParser {
    Setting::WEAKENED.map(Setting::name).into()
}

pub(super) fn run(
    command: BackendCommand,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    let name = command.name();
    match command {
        BackendCommand::Ensure(args) => ensure(name, args, global, environment),
        BackendCommand::Check(args) => check(name, args, global, environment),
    }
}

fn ensure(
    name: &'static str,
    args: EnsureArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    let weaker = Setting::WEAKENED
        .into_iter()
        .filter(|setting| args.allow_weaker.iter().any(|name| name == setting.name()));
    let options = EnsureOptions {
        reencrypt: args.reencrypt,
        allow_weaker: weaker.collect(),
    };
    let mut flags = Vec::new();
    if args.reencrypt {
        flags.push("--reencrypt".to_owned());
    }
    for setting in &args.allow_weaker {
        flags.extend(["--allow-weaker".to_owned(), setting.clone()]);
    }
    Frame {
        consent: args.consent,
        without_terraform: true,
        flags,
        ..Frame::new(name, global, environment, args.selection)
    }
    .run(async |ctx| {
        pipeline::ensure_backends(ctx, &options).await;
        Done::default()
    })
}

fn check(
    name: &'static str,
    args: CheckArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    Frame {
        without_terraform: true,
        yields_stdout: true,
        detailed_exit_code: true,
        ..Frame::new(name, global, environment, args.selection)
    }
    .run(async |ctx| {
        let (backends, diagnostics) = pipeline::check_backends(ctx).await;
        let differences = backends.iter().flat_map(|each| &each.differences);
        let in_sync = diagnostics.is_empty() && differences.clone().all(Difference::is_harmless);
        Done {
            document: Some(to_document(&json!({
                "schema": 1,
                "result": if in_sync { "in_sync" } else { "differs" },
                "backends": backends,
                "diagnostics": diagnostics,
            }))),
            text: Some(ui::backends(&backends, global.output(environment))),
            ..Done::default()
        }
    })
}
