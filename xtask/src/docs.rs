//! `cargo xtask docs`: the pages that are generated from tfw itself.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::{cargo, repository};

/// Writes `docs/commands.md` and `docs/manifest.md`. The tests that hold them up to date write them
/// when they are asked to, so that this program need not be built with all of tfw in it.
pub(crate) fn run() -> Result<ExitCode> {
    let status = cargo()
        .args(["test", "--quiet", "--test", "it", "_is_up_to_date"])
        .current_dir(repository()?)
        .env("TFW_WRITE_DOCS", "1")
        .status()
        .context("cannot run `cargo test`")?;
    if status.success() {
        println!("docs/commands.md and docs/manifest.md are up to date");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
