//! What one command costs: wall time, CPU time of its whole tree of processes, peak memory.
//!
//! Each command runs below a process of its own, `cargo xtask measured`. That one waits for the
//! command and for everything that outlives it (as a subreaper it inherits what the command
//! leaves), and then asks getrusage(2) for all its children: user and system time of the command,
//! of what it waited for and of what it did not.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::sys::wait::wait;

/// The subcommand that [`measured`] is behind.
pub(crate) const SUBCOMMAND: &str = "measured";

/// What one run of a command cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// From its start until it had ended.
    pub(super) wall: Duration,
    /// User and system time of the command and all its descendants.
    pub(super) cpu: Duration,
    /// The highest resident size that one process among them had, in KiB.
    pub(super) peak: u64,
}

/// A command to measure, more than once.
#[derive(Debug, Clone)]
pub(super) struct Job {
    program: PathBuf,
    args: Vec<OsString>,
    folder: PathBuf,
    env: Vec<(OsString, OsString)>,
    stdin: Option<PathBuf>,
    expected: i32,
}

impl Job {
    /// `program` in `folder`, with the environment `env` and nothing else.
    pub(super) fn new(program: &Path, folder: &Path, env: &[(OsString, OsString)]) -> Self {
        Self {
            program: program.to_owned(),
            args: Vec::new(),
            folder: folder.to_owned(),
            env: env.to_owned(),
            stdin: None,
            expected: 0,
        }
    }

    pub(super) fn args<I: IntoIterator<Item: Into<OsString>>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(super) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// What it reads; else nothing.
    pub(super) fn stdin(mut self, file: PathBuf) -> Self {
        self.stdin = Some(file);
        self
    }

    /// The exit code that it must have; else 0.
    pub(super) fn expecting(mut self, code: i32) -> Self {
        self.expected = code;
        self
    }

    /// Runs it to its end. What it prints is kept in `folder`, and is in the error where it ends
    /// otherwise than expected.
    pub(super) fn run(&self, folder: &Path) -> Result<Sample> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let (log, result) = (folder.join("output.log"), folder.join("measured"));
        let output = File::create(&log)?;
        let stdin = match &self.stdin {
            Some(file) => Stdio::from(File::open(file)?),
            None => Stdio::null(),
        };
        let status = Command::new(&program)
            .arg(SUBCOMMAND)
            .arg(&result)
            .arg(&self.program)
            .args(&self.args)
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(stdin)
            .stdout(output.try_clone()?)
            .stderr(output)
            .status()
            // A build of this checkout in the middle of it takes the program away.
            .with_context(|| format!("cannot run `{}` again", program.display()))?;
        let said = || fs::read_to_string(&log).unwrap_or_default();
        ensure!(status.success(), "the measurement failed:\n{}", said());
        let (code, sample) = parse(&fs::read_to_string(&result)?)?;
        if code != self.expected {
            bail!(
                "`{} {}` ended with {code}, and not with {}:\n{}",
                self.program.display(),
                self.args.join(&OsString::from(" ")).display(),
                self.expected,
                said()
            );
        }
        Ok(sample)
    }
}

/// `cargo xtask measured RESULT PROGRAM ARGS…`: runs a program and writes what it cost.
pub(crate) fn measured(result: &Path, command: &[OsString]) -> Result<()> {
    let (program, args) = command.split_first().context("nothing to measure")?;
    #[cfg(target_os = "linux")]
    nix::sys::prctl::set_child_subreaper(true).context("cannot inherit what the program leaves")?;
    let started = Instant::now();
    let status = Command::new(program)
        .args(args)
        .status()
        .with_context(|| format!("cannot run `{}`", program.display()))?;
    let wall = started.elapsed();
    // Providers may outlive their Terraform by a moment. There is no other child: ECHILD ends it.
    while wait().is_ok() {}
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = microseconds(usage.user_time()) + microseconds(usage.system_time());
    let text = format!(
        "{} {} {} {}\n",
        code(status),
        wall.as_micros(),
        cpu,
        usage.max_rss()
    );
    fs::write(result, text).with_context(|| format!("cannot write `{}`", result.display()))
}

fn microseconds(time: TimeVal) -> i64 {
    time.num_microseconds()
}

/// As a shell would say it.
fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    let by_signal = status.signal().map(|signal| 128 + signal);
    status.code().or(by_signal).unwrap_or(-1)
}

fn parse(text: &str) -> Result<(i32, Sample)> {
    let mut words = text.split_whitespace();
    let mut next = || words.next().context("the measurement is not complete");
    let code = next()?.parse()?;
    let sample = Sample {
        wall: Duration::from_micros(next()?.parse()?),
        cpu: Duration::from_micros(next()?.parse()?),
        peak: next()?.parse()?,
    };
    Ok((code, sample))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_and_its_orphans_cost_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let result = folder.path().join("result");
        // The inner shell outlives the outer one, and is what takes the time.
        let script = "(i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done) & exit 3";
        let command = ["/bin/sh", "-c", script].map(OsString::from);
        measured(&result, &command).unwrap();
        let (code, sample) = parse(&fs::read_to_string(&result).unwrap()).unwrap();
        assert_eq!(code, 3);
        assert!(sample.cpu > Duration::from_millis(10), "{sample:?}");
        assert!(sample.peak > 100, "{sample:?}");
    }

    #[test]
    fn a_torn_result_is_no_sample() {
        assert!(parse("0 12 13").is_err());
        let (code, sample) = parse("2 1500 2500 4096\n").unwrap();
        assert_eq!(code, 2);
        assert_eq!(sample.wall, Duration::from_micros(1500));
        assert_eq!(sample.peak, 4096);
    }
}
