//! `tfw man`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use super::error::Error;
use crate::model::describe_io;
use crate::report::ExitCode;
use crate::ui;

/// Print tfw's manual page, or write the pages of all commands into a folder
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw man | man -l -
  tfw man --out ~/.local/share/man/man1")]
pub(super) struct ManArgs {
    /// Write tfw.1, tfw-plan.1, … into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &ManArgs, command: Command) -> Result<ExitCode, Error> {
    let mut command = command;
    command.build();
    match &args.out {
        None => {
            let page = render(&command).map_err(|error| Error::stdout(&error))?;
            ui::print_document(&String::from_utf8_lossy(&page))
                .map_err(|error| Error::stdout(&error))?;
        }
        Some(folder) => write_pages(&command, folder).map_err(|error| {
            Error::failed(format!(
                "cannot write manual pages into `{}`: {}",
                folder.display(),
                describe_io(&error)
            ))
        })?,
    }
    Ok(ExitCode::Done)
}

fn render(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

fn write_pages(command: &Command, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // `display_name` is `tfw-manifest-show` once the command is built.
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name());
    fs::write(folder.join(format!("{name}.1")), render(command)?)?;
    command
        .get_subcommands()
        .filter(|subcommand| subcommand.get_name() != "help")
        .try_for_each(|subcommand| write_pages(subcommand, folder))
}
