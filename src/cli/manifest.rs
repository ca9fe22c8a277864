//! `tfw manifest show` and `tfw manifest schema`.

use clap::{Args, Subcommand};

use super::args::GlobalArgs;
use super::error::Error;
use crate::env_vars::EnvSnapshot;
use crate::manifest::{self, SelectionRequest};
use crate::model::UnitId;
use crate::report::{ExitCode, to_document};
use crate::settings::Settings;
use crate::ui;

/// Show the manifest as tfw understands it, or its JSON Schema
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  tfw manifest show dev        what dev resolves to, and where it was set
  tfw manifest schema          for editors

Exit codes:
  0  done
  1  the document could not be written
  3  the command line or the manifest is wrong")]
pub(super) enum ManifestCommand {
    Show(ShowArgs),
    Schema(SchemaArgs),
}

/// Print resolved values, and where each comes from
///
/// After merging `[defaults]`, environment and stack, and after expanding placeholders. Runs no
/// Terraform and needs no credentials.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw manifest show               every unit
  tfw manifest show prod/eks      one unit
  tfw manifest show dev --json    for programs")]
pub(super) struct ShowArgs {
    /// Units: dev, prod/eks, globs [default: every unit]
    #[arg(value_name = "UNIT")]
    units: Vec<String>,
}

/// Print the JSON Schema of the manifest, for editors
///
/// JSON Schema draft 7, which editors' TOML plugins (Even Better TOML, Taplo) read: with
/// `#:schema ./tfw.schema.json` in the manifest's first line they complete and check keys.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  tfw manifest schema > environments/tfw.schema.json")]
pub(super) struct SchemaArgs {}

pub(super) fn run(
    command: &ManifestCommand,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    let text = match command {
        ManifestCommand::Schema(SchemaArgs {}) => to_document(&manifest::schema()),
        ManifestCommand::Show(args) => show(args, global, environment)?,
    };
    ui::print_document(&text).map_err(|error| Error::stdout(&error))?;
    Ok(ExitCode::Done)
}

fn show(args: &ShowArgs, global: &GlobalArgs, environment: &EnvSnapshot) -> Result<String, Error> {
    let settings = Settings::resolve(global.settings(), environment)?;
    let selected = settings.select(&SelectionRequest {
        patterns: args.units.clone(),
        all: args.units.is_empty(),
        working_dir: settings.working_dir.clone(),
        ..SelectionRequest::default()
    })?;
    let units: Vec<UnitId> = selected
        .indices()
        .into_iter()
        .map(|index| settings.project().units[index].id.clone())
        .collect();
    Ok(if global.json {
        to_document(&settings.manifest.show(&units))
    } else {
        settings.manifest.show_text(&units)
    })
}
