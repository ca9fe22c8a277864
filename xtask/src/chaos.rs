//! `cargo xtask chaos`: migrations and rollbacks that are broken off at every request that they make,
//! in every way, on two S3 servers. The stories are those of `tests/it/chaos/`; this runs all of
//! them, and writes down what came of each.

use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::tools::captured;
use crate::{repository, scratch, test};

const FILE: &str = "docs/chaos.md";
const TEST: &str = "every_fault_at_every_request";

const INTRODUCTION: &str = "\
# Migrations and rollbacks that were broken off

`cargo xtask chaos` lets a command run undisturbed, records every request that tfw and Terraform make,
and then lets each fault happen at each of them, in a world of its own. A cell says how the first run
ended and how the second one did: `1 → 0` failed and was then completed, 137 is a kill. A story for
which what is asserted does not hold fails the command, and there is no table then.

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

/// What is broken off: the table's name, and what it shows.
const SUBJECTS: [(&str, &str); 2] = [
    (
        "migration",
        "\
## Migrations

`tfw migrate dev` of two workspaces, twice. After each run the whole state had to be at one end at
least, and every lock that was left had to be named (by the message, or by the journal where tfw was
killed); after the second, both states had to be at the destination, equal, the local files gone and no
lock left.
",
    ),
    (
        "rollback",
        "\
## Rollbacks

`tfw state rollback dev`, twice, with the plan that follows. After the first run the state had to be
the old one or the new one, every version of before had to be there, and a lock that was left had to be
named: by the message, or, where tfw was killed, by `tfw lock list`, as one of a run that is no longer
at work. Such a lock was then released by its id. After the second run the older state had to be the
current one, with the next serial, and no lock left.
",
    ),
];

/// Runs all stories; the exit code is the tests'.
pub(crate) fn run() -> Result<ExitCode> {
    let folder = scratch("chaos")?;
    let table = |subject| folder.join(format!("{subject}.md"));
    for (subject, _) in SUBJECTS {
        let _ = fs::remove_file(table(subject));
    }
    let code = test::run_with(&[TEST.to_owned()], &[("TFW_TEST_CHAOS", &folder)])?;
    let mut tables = String::new();
    for (subject, shown) in SUBJECTS {
        let Ok(text) = fs::read_to_string(table(subject)) else {
            return Ok(code);
        };
        tables = format!("{tables}\n{shown}{text}");
    }
    let told = |program: &str, args: &[&str]| -> Result<String> {
        let output = captured(Command::new(program).args(args).current_dir(repository()?))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let day = told("date", &["-u", "+%Y-%m-%d"])?;
    let terraform = told("terraform", &["version"])?;
    let terraform = terraform.lines().next().unwrap_or_default();
    let page = format!("{INTRODUCTION}\n{day}, {terraform}.\n{tables}");
    let file = repository()?.join(FILE);
    fs::write(&file, page).with_context(|| format!("cannot write `{}`", file.display()))?;
    println!("written to {}", file.display());
    Ok(code)
}
