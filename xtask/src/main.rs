//! Developer tools of tfw. `cargo xtask test` runs every test, `cargo xtask demo` shows tfw at work
//! and `cargo xtask bench` what it costs; they need Rust, Python 3 with pip and Terraform (or
//! OpenTofu), and fetch the rest themselves, pinned, into a private folder.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tfw's rules about rooms; this program is not part of it"
)]

mod bench;
mod chaos;
mod demo;
mod docs;
mod emulator;
mod provider;
mod test;
mod tools;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

/// Developer tools of tfw
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Runs every test: fetches the tools, builds once, starts the emulators once
    Test {
        /// Only tests whose name contains one of these; other arguments of the test binaries too
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filters: Vec<String>,
    },
    /// Plans and applies the example of this repository on an emulator, and shows what came of it
    Demo,
    /// Writes the pages in `docs/` that are generated: the command and the manifest reference
    Docs,
    /// Breaks migrations and rollbacks off at every request, in every way, and writes `docs/chaos.md`
    Chaos {
        /// Only these; what the page has of the others stays [default: all]
        subjects: Vec<chaos::Subject>,
    },
    /// Measures what tfw costs beside Terraform typed by hand; a quiet machine is needed
    Bench(bench::Options),
    /// Runs a program, for `bench`, and writes what it cost into a file
    #[command(name = bench::SUBCOMMAND, hide = true)]
    Measured {
        /// Where to
        result: PathBuf,
        /// The program and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
    /// Fetches the tools that check sources (typos, cargo-deny) and prints the folder they are in
    Checkers,
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Test { filters } => test::run(&filters),
        Command::Demo => demo::run().map(|()| ExitCode::SUCCESS),
        Command::Docs => docs::run(),
        Command::Chaos { subjects } => chaos::run(&subjects),
        Command::Bench(options) => bench::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Measured { result, command } => {
            bench::measured(&result, &command).map(|()| ExitCode::SUCCESS)
        }
        Command::Checkers => tools::Tools::locate().and_then(|tools| {
            println!("{}", tools.checkers()?.display());
            Ok(ExitCode::SUCCESS)
        }),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// The root of this repository.
fn repository() -> Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.parent().context("xtask has no parent folder")?;
    Ok(root.to_owned())
}

/// A folder for what one task leaves behind, beside what cargo builds: this program is
/// `TARGET/debug/xtask`.
fn scratch(task: &str) -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let target = program
        .ancestors()
        .nth(2)
        .context("this program is not in a target folder")?;
    let folder = target.join("xtask").join(task);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create `{}`", folder.display()))?;
    Ok(folder)
}

/// The `cargo` that runs this program.
fn cargo() -> std::process::Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    std::process::Command::new(cargo)
}
