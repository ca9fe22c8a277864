//! Arguments that several commands share.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args};
use secrecy::SecretString;

use crate::credentials::is_code;
use crate::env_vars::{CI, EnvSnapshot, NO_COLOR, TERM, TFW_MFA_CODE};
use crate::manifest::SelectionRequest;
use crate::settings::Arguments;
use crate::ui;

/// Arguments that every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct GlobalArgs {
    /// The manifest [default: found walking up]
    ///
    /// Without it: `$TFW_MANIFEST`, else the first `tfw.toml` or `environments/tfw.toml` found
    /// walking up from the working directory.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
    /// Terraform or OpenTofu, a name or a path [default: the manifest's]
    ///
    /// Without it: `$TFW_TERRAFORM`, else `terraform.binary` of the manifest, else `terraform`.
    #[arg(long, global = true, value_name = "BINARY")]
    pub(super) terraform: Option<String>,
    /// Print one JSON document on stdout, all else on stderr
    ///
    /// For commands over units it is the report of the run, whatever happened; the same report is
    /// kept in `.tfw/runs/ID/report.json`.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print only problems and questions
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Also print what tfw does on the way
    #[arg(short, long, global = true)]
    pub(super) verbose: bool,
    /// No colours (also: `$NO_COLOR`)
    #[arg(long, global = true)]
    pub(super) no_color: bool,
    /// Never ask; refuse what would have been asked
    ///
    /// The refusal names the flag which answers the question. It is the same where nobody can be
    /// asked: with a pipe in place of the terminal, for example.
    #[arg(long, global = true)]
    pub(super) no_input: bool,
    /// A code of the MFA device in the manifest [default: `$TFW_MFA_CODE`, or asked for]
    ///
    /// Needed once in a while, where `credentials.mfa_serial` is set: the session that it makes is
    /// kept in your cache folder.
    #[arg(long, global = true, value_name = "CODE", value_parser = parse_code)]
    pub(super) mfa_code: Option<String>,
    /// Print help; `-h` is shorter
    #[arg(short, long, global = true, action = ArgAction::Help)]
    pub(super) help: Option<bool>,
}

impl GlobalArgs {
    /// How to talk to a person.
    pub(super) fn output(&self, environment: &EnvSnapshot) -> ui::Options {
        let terminal = if self.json {
            io::stderr().is_terminal()
        } else {
            io::stdout().is_terminal() && io::stderr().is_terminal()
        };
        let dumb = environment.get(TERM).is_some_and(|term| term == "dumb");
        let ci = environment.get(CI).is_some_and(|ci| ci != "false");
        ui::Options {
            document_on_stdout: self.json,
            quiet: self.quiet,
            verbose: self.verbose,
            colour: terminal && !dumb && !self.no_color && environment.get(NO_COLOR).is_none(),
            terminal: terminal && !dumb && !ci,
        }
    }

    /// What of these concerns the settings.
    pub(super) fn settings(&self) -> Arguments<'_> {
        Arguments {
            manifest: self.manifest.as_deref(),
            terraform: self.terraform.as_deref(),
        }
    }

    /// The MFA code that was given: good for one try.
    pub(super) fn code(&self, environment: &EnvSnapshot) -> Option<SecretString> {
        let of_variable = || {
            let code = environment.get(TFW_MFA_CODE)?;
            Some(code.to_string_lossy().trim().to_owned())
        };
        let code = self.mfa_code.clone().or_else(of_variable)?;
        Some(SecretString::from(code))
    }

    /// Whether somebody can be asked: who answers must see what is asked about, and that is on
    /// stdout unless the command `yields_stdout`.
    pub(super) fn interactive(&self, yields_stdout: bool) -> bool {
        let sees = self.json || yields_stdout || io::stdout().is_terminal();
        !self.no_input && sees && io::stdin().is_terminal() && io::stderr().is_terminal()
    }
}

/// A typing error is told before anything is asked.
fn parse_code(text: &str) -> Result<String, String> {
    if is_code(text) {
        Ok(text.to_owned())
    } else {
        Err("a code has six digits".to_owned())
    }
}

/// Which units.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct SelectionArgs {
    /// Units: dev, prod/eks, '*/network' [default: the working directory's]
    ///
    /// An environment (with all its stacks), ENVIRONMENT/STACK, or a glob of either, in which `*`
    /// does not cross `/`. Without any, and without a flag that selects, the environment in whose
    /// folder the command runs.
    #[arg(value_name = "UNIT", help_heading = None::<&str>)]
    pub(super) units: Vec<String>,
    #[command(flatten)]
    pub(super) flags: SelectionFlags,
}

/// What selects but names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct SelectionFlags {
    /// Every unit of the manifest
    #[arg(long)]
    pub(super) all: bool,
    /// Units of environments with this tag (repeatable: any of them)
    #[arg(long, value_name = "TAG")]
    pub(super) tag: Vec<String>,
    /// Leave these units out: names or globs (repeatable)
    #[arg(long, value_name = "UNIT")]
    pub(super) exclude: Vec<String>,
    /// Also what the selected units depend on
    ///
    /// By `depends_on` and `inputs`; the order of environments in the manifest is no dependency.
    #[arg(long)]
    pub(super) with_dependencies: bool,
    /// Also what depends on the selected units
    ///
    /// By `depends_on` and `inputs`; the order of environments in the manifest is no dependency.
    #[arg(long)]
    pub(super) with_dependents: bool,
}

impl SelectionArgs {
    /// One unit that was named.
    pub(super) fn of(unit: String) -> Self {
        Self {
            units: vec![unit],
            ..Self::default()
        }
    }

    /// The selection, typed in this folder.
    pub(super) fn request(&self, working_dir: &Path) -> SelectionRequest {
        SelectionRequest {
            patterns: self.units.clone(),
            all: self.flags.all,
            tags: self.flags.tag.clone(),
            exclude: self.flags.exclude.clone(),
            with_dependencies: self.flags.with_dependencies,
            with_dependents: self.flags.with_dependents,
            working_dir: working_dir.to_owned(),
        }
    }

    /// The selection as words of a command line.
    pub(super) fn typed(&self) -> Vec<String> {
        let repeated = |flag: &str, values: &[String]| -> Vec<String> {
            let words = values
                .iter()
                .flat_map(|value| [flag.to_owned(), value.clone()]);
            words.collect()
        };
        let flags = [
            (self.flags.all, "--all"),
            (self.flags.with_dependencies, "--with-dependencies"),
            (self.flags.with_dependents, "--with-dependents"),
        ];
        let given = flags.into_iter().filter(|(given, _)| *given);
        let mut words = self.units.clone();
        words.extend(given.map(|(_, flag)| flag.to_owned()));
        words.extend(repeated("--tag", &self.flags.tag));
        words.extend(repeated("--exclude", &self.flags.exclude));
        words
    }
}

/// What a person agrees to beforehand.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Consent")]
pub(super) struct ConsentArgs {
    /// Agree to what tfw itself asks, such as creating a bucket
    ///
    /// It never approves a plan, and never suffices in a protected environment.
    #[arg(short, long)]
    pub(super) yes: bool,
    /// Agree to writes in this protected environment (repeatable)
    ///
    /// Takes the place of typing the name where a `protected` environment is asked about. Beside it,
    /// the flag that answers the question elsewhere (`--yes`, `--auto-approve`) is still needed.
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(super) approve: Vec<String>,
}

/// How a run over several units goes on when one fails.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Run")]
pub(super) struct RunArgs {
    /// Start nothing new after the first unit that did not succeed
    ///
    /// What runs already is not stopped. Without it, only what depends on the unit is skipped.
    #[arg(long)]
    pub(super) fail_fast: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_is_told_as_it_could_be_typed() {
        let selection = SelectionArgs {
            units: vec!["dev".to_owned(), "prod/*".to_owned()],
            flags: SelectionFlags {
                tag: vec!["eu".to_owned()],
                exclude: vec!["prod/eks".to_owned()],
                with_dependencies: true,
                ..SelectionFlags::default()
            },
        };
        assert_eq!(
            selection.typed().join(" "),
            "dev prod/* --with-dependencies --tag eu --exclude prod/eks"
        );
    }
}
