//! `tfw doctor`.

use clap::{Arg, Args};
use serde_json::json;

use super::args::{GlobalArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::doctor;
use crate::env_vars::EnvSnapshot;
use crate::model::Check;
use crate::report::{ExitCode, to_document};
use crate::settings::{Settings, SettingsError};
use crate::ui;

/// Show what is right and wrong with the whole set-up, and how to mend it
///
/// Looks at Terraform and git, the manifest, credentials and accounts, state buckets and their KMS
/// keys, locks held for more than an hour, backend blocks, provider lock files, and states and plans
/// that lie about or that git tracks. Nothing is changed, and no Terraform runs but to tell its
/// version. What cannot be looked at for want of something else is left out.
///
/// Exits 0 when all of it is well, and 2 when anything is not: a warning, a problem, or something
/// that could not be told; also where the manifest is wrong or Terraform is missing.
#[derive(Debug, Args)]
#[command(
    mut_arg("units", every_unit),
    after_help = "Examples:
  tfw doctor                     the whole set-up
  tfw doctor prod '*/network'    what concerns these units
  tfw doctor --json | jq -r '.checks[] | select(.status != \"ok\") | .message'"
)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    selection: SelectionArgs,
}

/// Other commands take the working directory's environment by default.
fn every_unit(units: Arg) -> Arg {
    units
        .help("Units: dev, prod/eks, '*/network' [default: all]")
        .long_help(
            "Units: dev, prod/eks, '*/network' [default: all]\n\n\
             An environment (with all its stacks), ENVIRONMENT/STACK, or a glob of either, in which \
             `*` does not cross `/`.",
        )
}

pub(super) fn run(
    args: DoctorArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    let output = global.output(environment);
    let settings = match Settings::resolve(global.settings(), environment) {
        Ok(settings) => settings,
        Err(error @ (SettingsError::NoManifest(_) | SettingsError::Manifest { .. })) => {
            return without_manifest(&error, output);
        }
        Err(error) => return Err(error.into()),
    };
    let binary = settings.binary();
    let mut selection = args.selection;
    selection.flags.all |= selection.units.is_empty() && selection.flags.tag.is_empty();
    Frame {
        without_terraform: true,
        yields_stdout: true,
        ..Frame::new("doctor", global, environment, selection)
    }
    .run_with(settings, async |ctx| {
        let checks = doctor::examine(ctx, binary).await;
        Done {
            document: Some(document(&checks)),
            text: Some(ui::doctor(&checks, output)),
            differs: !checks.iter().all(Check::is_ok),
            ..Done::default()
        }
    })
}

/// Of a set-up whose manifest is wrong no more can be told than that.
fn without_manifest(error: &SettingsError, output: ui::Options) -> Result<ExitCode, Error> {
    let checks = doctor::without_manifest(&error.to_diagnostics());
    let text = if output.document_on_stdout {
        document(&checks)
    } else {
        ui::doctor(&checks, output)
    };
    ui::print_document(&text).map_err(|error| Error::stdout(&error))?;
    Ok(ExitCode::Differences)
}

fn document(checks: &[Check]) -> String {
    let entries: Vec<_> = checks.iter().flat_map(Check::of_units).collect();
    to_document(&json!({ "schema": 1, "checks": entries }))
}
