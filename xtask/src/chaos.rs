//! `cargo xtask chaos`: migrations that are broken off at every request that they make, in every
//! way, on two S3 servers. The stories are those of `tests/it/chaos.rs`; this runs all of them, and
//! writes down what came of each.

use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::tools::captured;
use crate::{repository, scratch, test};

const FILE: &str = "docs/chaos.md";
const TEST: &str = "chaos::every_fault_at_every_request";

const INTRODUCTION: &str = "\
# Migrations that were broken off

`cargo xtask chaos` lets a `tfw migrate` of two workspaces run undisturbed, records every request that
tfw and Terraform make, and then lets each fault happen at each of them, in a migration of its own. A
cell says how the first `tfw migrate` ended and how the second one did: `1 → 0` failed and was then
completed, 137 is a kill. After each run the whole state had to be at one end at least, every lock that
was left had to be named (by the message, or by the journal where tfw was killed); after the second,
both states had to be at the destination, equal, the local files gone and no lock left. A story for
which one of these does not hold fails the command, and there is no table then.

| fault | what happens at the request |
|---|---|
| KillTfw | tfw gets SIGKILL, and the server never sees the request |
| KillTfwAfter | the server answers, and tfw gets SIGKILL before it hears of it |
| KillTerraform | Terraform gets SIGKILL, where one runs; the connection breaks |
| Drop | the connection breaks, and the server never sees the request |
| DropAfter | the server answers, and nobody gets the answer |
| Delay | the request takes a second longer |
| Truncate | half of the answer |
| Status403, 500, 503 | an error in place of an answer, once |

Clients repeat most requests by themselves, so that many faults are never seen: `0 → 0`.
";

/// Runs all stories; the exit code is the tests'.
pub(crate) fn run() -> Result<ExitCode> {
    let table = scratch("chaos")?.join("table.md");
    let _ = fs::remove_file(&table);
    let code = test::run_with(&[TEST.to_owned()], &[("TFW_TEST_CHAOS", &table)])?;
    let Ok(text) = fs::read_to_string(&table) else {
        return Ok(code);
    };
    let told = |program: &str, args: &[&str]| -> Result<String> {
        let output = captured(Command::new(program).args(args).current_dir(repository()?))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let day = told("date", &["-u", "+%Y-%m-%d"])?;
    let terraform = told("terraform", &["version"])?;
    let terraform = terraform.lines().next().unwrap_or_default();
    let page = format!("{INTRODUCTION}\n{day}, {terraform}.\n{text}");
    let file = repository()?.join(FILE);
    fs::write(&file, page).with_context(|| format!("cannot write `{}`", file.display()))?;
    println!("written to {}", file.display());
    Ok(code)
}
