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

/// What is broken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Subject {
    Migration,
    Rollback,
}

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

impl Subject {
    const ALL: [Self; 2] = [Self::Migration, Self::Rollback];

    /// The name of its room in `tests/it/chaos/`, and of its table.
    fn name(self) -> &'static str {
        match self {
            Self::Migration => "migration",
            Self::Rollback => "rollback",
        }
    }

    /// The heading of its section.
    fn heading(self) -> &'static str {
        match self {
            Self::Migration => "## Migrations",
            Self::Rollback => "## Rollbacks",
        }
    }

    /// What its table shows.
    fn shown(self) -> &'static str {
        match self {
            Self::Migration => {
                "\
`tfw migrate dev` of two workspaces, twice. After each run the whole state had to be at one end at
least, and every lock that was left had to be named (by the message, or by the journal where tfw was
killed); after the second, both states had to be at the destination, equal, the local files gone and no
lock left.
"
            }
            Self::Rollback => {
                "\
`tfw state rollback dev`, twice, with the plan that follows. After the first run the state had to be
the old one or the new one, every version of before had to be there, and a lock that was left had to be
named: by the message, or, where tfw was killed, by `tfw lock list`, as one of a run that is no longer
at work. Such a lock was then released by its id. After the second run the older state had to be the
current one, with the next serial, and no lock left.
"
            }
        }
    }

    /// The test with its stories.
    fn test(self) -> String {
        format!("chaos::{}::{TEST}", self.name())
    }

    /// Its section of the page as it was.
    fn section_of(self, page: &str) -> Option<&str> {
        let start = page.find(&format!("{}\n", self.heading()))?;
        let rest = &page[start..];
        let end = rest.find("\n## ").map_or(rest.len(), |end| end + 1);
        Some(rest[..end].trim_end())
    }
}

/// Runs all stories of these subjects, or of all, and keeps the sections of the others; the exit code
/// is the tests'.
pub(crate) fn run(subjects: &[Subject]) -> Result<ExitCode> {
    let chosen = |subject: &Subject| subjects.is_empty() || subjects.contains(subject);
    let folder = scratch("chaos")?;
    let table = |subject: Subject| folder.join(format!("{}.md", subject.name()));
    let mut tests = Vec::new();
    for subject in Subject::ALL.into_iter().filter(chosen) {
        let _ = fs::remove_file(table(subject));
        tests.push(subject.test());
    }
    let code = test::run_with(&tests, &[("TFW_TEST_CHAOS", &folder)])?;
    let told = |program: &str, args: &[&str]| -> Result<String> {
        let output = captured(Command::new(program).args(args).current_dir(repository()?))?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let day = told("date", &["-u", "+%Y-%m-%d"])?;
    let terraform = told("terraform", &["version"])?;
    let terraform = terraform.lines().next().unwrap_or_default();
    let file = repository()?.join(FILE);
    let before = fs::read_to_string(&file).unwrap_or_default();
    let mut page = INTRODUCTION.to_owned();
    for subject in Subject::ALL {
        let section = if chosen(&subject) {
            let Ok(table) = fs::read_to_string(table(subject)) else {
                return Ok(code);
            };
            let (heading, shown) = (subject.heading(), subject.shown());
            format!(
                "{heading}\n\n{day}, {terraform}.\n\n{shown}\n{}",
                table.trim()
            )
        } else {
            let kept = subject.section_of(&before);
            kept.map(str::to_owned).unwrap_or_default()
        };
        page = format!("{page}\n{section}\n");
    }
    fs::write(&file, page).with_context(|| format!("cannot write `{}`", file.display()))?;
    println!("written to {}", file.display());
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_found_again() {
        let page = "# A\n\n## Migrations\n\none\n\n### Moto\n\n## Rollbacks\n\ntwo\n";
        let section = |subject: Subject| subject.section_of(page);
        assert_eq!(
            section(Subject::Migration),
            Some("## Migrations\n\none\n\n### Moto")
        );
        assert_eq!(section(Subject::Rollback), Some("## Rollbacks\n\ntwo"));
        assert_eq!(Subject::Rollback.section_of("# A"), None);
    }
}
