//! `tfw man`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, ValueHint};

use super::error::Error;
use super::manual::Page;
use crate::model::describe_io;
use crate::report::ExitCode;
use crate::ui;

/// Print tfw's manual page, or write the pages of all commands into a folder
///
/// The folder is created where it does not exist; pages in it are overwritten. `man` finds them
/// where the folder is `man1` in a folder of its search path, such as `~/.local/share/man`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tfw man | man -l -                         read it now
  tfw man --out ~/.local/share/man/man1      then `man tfw`, `man tfw-plan`

Exit codes:
  0  done
  1  a page could not be written
  3  the command line is wrong")]
pub(super) struct ManArgs {
    /// Write tfw.1, tfw-plan.1 and the others into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &ManArgs, command: &Command) -> Result<ExitCode, Error> {
    let pages = Page::all(command);
    match &args.out {
        None => {
            let page = pages.first().map(Page::roff).unwrap_or_default();
            ui::print_document(&page).map_err(|error| Error::stdout(&error))?;
        }
        Some(folder) => write(&pages, folder).map_err(|error| {
            Error::failed(format!(
                "cannot write manual pages into `{}`: {}",
                folder.display(),
                describe_io(&error)
            ))
        })?,
    }
    Ok(ExitCode::Done)
}

fn write(pages: &[Page], folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    pages
        .iter()
        .try_for_each(|page| fs::write(folder.join(page.file_name()), page.roff()))
}
