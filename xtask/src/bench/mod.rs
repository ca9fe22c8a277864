//! `cargo xtask bench`: what tfw costs, beside Terraform typed by hand.
//!
//! - [`measure`] runs one command and says what its whole tree of processes cost.
//! - [`rounds`] interleaves several ways to do the same work, and compares within each round.
//! - [`fleet`] is the environments that plans are measured on, [`many`] the manifests of thousands
//!   of units that tfw alone is measured on.
//! - [`scenarios`] is what is measured, and the goals.
//! - [`page`] writes it down.

mod fleet;
mod many;
mod measure;
mod page;
mod rounds;
mod scenarios;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::provider::{self, Mirrors};
use crate::tools::{PythonPackages, Tools};
use crate::{cargo, repository};

pub(crate) use measure::{SUBCOMMAND, measured};

/// Fewer pairs are for whoever works on tfw, and not for a page.
const FEWEST_PAIRS: u16 = 9;

/// What `cargo xtask bench` takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Environments that are planned
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    units: u16,
    /// Interleaved pairs: rounds in which each way runs once
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..))]
    pairs: u16,
    /// Terraform processes at once, of `xargs -P` and of tfw [default: the cores, at least 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    parallelism: Option<u16>,
    /// Only scenarios whose names contain one of these: version, resolve, memory, builtin-warm,
    /// builtin-changes, builtin-cold, aws-warm, aws-changes, aws-cold
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Write the table and the raw samples into docs/performance.md
    #[arg(long, conflicts_with_all = ["only", "tfw"])]
    write: bool,
    /// Measure this program, in place of a release build of this checkout
    #[arg(long, value_name = "FILE")]
    tfw: Option<PathBuf>,
}

/// What every scenario needs.
struct Bench {
    units: usize,
    pairs: usize,
    parallelism: usize,
    tfw: PathBuf,
    terraform: PathBuf,
    packages: PythonPackages,
    mirrors: Mirrors,
}

/// Measures, prints the table, and writes it where that is asked for.
pub(crate) fn run(options: &Options) -> Result<()> {
    ensure!(
        !options.write || options.pairs >= FEWEST_PAIRS,
        "fewer than {FEWEST_PAIRS} pairs say too little to be written down"
    );
    fleet::require_tools()?;
    scenarios::require_known(&options.only)?;
    let tools = Tools::locate()?;
    let terraform = Tools::terraform()?;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let bench = Bench {
        units: options.units.into(),
        pairs: options.pairs.into(),
        // As tfw chooses by itself.
        parallelism: options.parallelism.map_or(cores.max(2), usize::from),
        tfw: match &options.tfw {
            Some(program) => program
                .canonicalize()
                .with_context(|| format!("there is no `{}`", program.display()))?,
            None => release_build()?,
        },
        packages: tools.emulators()?,
        mirrors: provider::mirrors(&tools, &terraform)?,
        terraform,
    };
    let machine = page::Machine::look(&bench)?;
    println!("{}", machine.text());
    let results = scenarios::run(&bench, &options.only)?;
    println!("\n{}", results.tables());
    if options.write {
        let file = page::write(&repository()?, &machine, &results)?;
        println!("written to {}", file.display());
    }
    Ok(())
}

/// Builds tfw as it is released.
fn release_build() -> Result<PathBuf> {
    eprintln!("bench: building tfw in the release profile; the first time takes minutes");
    let status = cargo()
        .args(["build", "--release", "--package", "tfw", "--bin", "tfw"])
        .current_dir(repository()?)
        .status()
        .context("cannot run `cargo`")?;
    ensure!(status.success(), "the build failed");
    // This program is TARGET/debug/xtask.
    let program = std::env::current_exe().context("cannot find this program")?;
    let target: &Path = program
        .ancestors()
        .nth(2)
        .context("this program is not in a target folder")?;
    Ok(target.join("release/tfw"))
}
