//! `tfw completions`.

use clap::{Args, Command};
use clap_complete::Shell;

use super::error::Error;
use crate::report::ExitCode;
use crate::ui;

/// Print a completion script for a shell
///
/// Put it where the shell looks for completions.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw completions bash > ~/.local/share/bash-completion/completions/tfw
  tfw completions zsh > ~/.zfunc/_tfw
  tfw completions fish > ~/.config/fish/completions/tfw.fish")]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs, command: &mut Command) -> Result<ExitCode, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "tfw", &mut script);
    ui::print_document(&String::from_utf8_lossy(&script)).map_err(|error| Error::stdout(&error))?;
    Ok(ExitCode::Done)
}
