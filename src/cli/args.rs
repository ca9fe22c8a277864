//! Arguments that several commands share.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::Args;

use crate::env_vars::{EnvSnapshot, NO_COLOR};
use crate::settings::Arguments;
use crate::ui;

/// Arguments that every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct GlobalArgs {
    /// The manifest [default: `$TFW_MANIFEST`, else the first `tfw.toml` or
    /// `environments/tfw.toml` found walking up]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
    /// Terraform or OpenTofu: a name or a path [default: `$TFW_TERRAFORM`, else the manifest's]
    #[arg(long, global = true, value_name = "BINARY")]
    pub(super) terraform: Option<String>,
    /// Print one machine-readable document on stdout; people's output goes to stderr
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print only problems and questions
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Also print what tfw does on the way
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
    /// No colours (also: `NO_COLOR`)
    #[arg(long, global = true)]
    pub(super) no_color: bool,
    /// Never ask; what would have been asked is a refusal that names the flag which answers it
    #[arg(long, global = true)]
    pub(super) no_input: bool,
}

impl GlobalArgs {
    /// How to talk to a person.
    pub(super) fn output(&self, environment: &EnvSnapshot) -> ui::Options {
        let terminal = if self.json {
            io::stderr().is_terminal()
        } else {
            io::stdout().is_terminal() && io::stderr().is_terminal()
        };
        let dumb = environment.get("TERM").is_some_and(|term| term == "dumb");
        ui::Options {
            document_on_stdout: self.json,
            quiet: self.quiet,
            verbose: self.verbose,
            colour: terminal && !dumb && !self.no_color && environment.get(NO_COLOR).is_none(),
            terminal: terminal && !dumb,
        }
    }

    /// What of these concerns the settings.
    pub(super) fn settings(&self) -> Arguments<'_> {
        Arguments {
            manifest: self.manifest.as_deref(),
            terraform: self.terraform.as_deref(),
        }
    }

    /// Whether somebody can be asked: who answers must see what is asked about, and that is on
    /// stdout unless the command `yields_stdout`.
    pub(super) fn interactive(&self, yields_stdout: bool) -> bool {
        let sees = self.json || yields_stdout || io::stdout().is_terminal();
        !self.no_input && sees && io::stdin().is_terminal() && io::stderr().is_terminal()
    }
}

/// Which units.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct SelectionArgs {
    /// Units: dev (with all its stacks), prod/eks, globs such as '*/network' [default: the
    /// environment of the working directory]
    #[arg(value_name = "UNIT")]
    pub(super) units: Vec<String>,
    /// Every unit of the manifest
    #[arg(long)]
    pub(super) all: bool,
    /// Units of environments with this tag (repeatable: any of them)
    #[arg(long, value_name = "TAG")]
    pub(super) tag: Vec<String>,
    /// Leave these units out (repeatable)
    #[arg(long, value_name = "UNIT")]
    pub(super) exclude: Vec<String>,
    /// Also what the selected units depend on
    #[arg(long)]
    pub(super) with_dependencies: bool,
    /// Also what depends on the selected units
    #[arg(long)]
    pub(super) with_dependents: bool,
}

/// What a person agrees to beforehand.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Consent")]
pub(super) struct ConsentArgs {
    /// Agree to what tfw itself asks, such as creating a state bucket; never approves a plan
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Agree to writes in a protected environment, by its name (repeatable)
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(super) approve: Vec<String>,
}

/// How a run over several units goes on when one fails.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Run")]
pub(super) struct RunArgs {
    /// Start nothing new after the first unit that did not succeed
    #[arg(long)]
    pub(super) fail_fast: bool,
}
