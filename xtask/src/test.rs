//! `cargo xtask test`: one build, one set of emulators, every test, and where the time went.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::emulator::{CERTIFICATE, Emulator, Kind};
use crate::provider::{self, Mirrors};
use crate::tools::{PythonPackages, Tools};
use crate::{cargo, repository, scratch};

/// How many of the slowest integration tests are named at the end.
const SLOWEST: usize = 10;

/// Runs the tests whose names contain one of `filters`, or all; the exit code is the tests'.
pub(crate) fn run(filters: &[String]) -> Result<ExitCode> {
    run_with(filters, &[])
}

/// The same, with these variables for the tests.
pub(crate) fn run_with(filters: &[String], variables: &[(&str, &Path)]) -> Result<ExitCode> {
    let started = Instant::now();
    let tools = Tools::locate()?;
    let terraform = Tools::terraform()?;
    let (packages, mirrors) = build_and_fetch(&tools, &terraform)?;
    let built = started.elapsed();

    let logs = scratch("test")?;
    let timings = logs.join("timings");
    fs::write(&timings, "")?;
    let [moto, ministack, strict, seaweedfs, tls] = Emulator::start_all(
        [
            Kind::Moto,
            Kind::MiniStack,
            Kind::MiniStackWithPolicies,
            Kind::SeaweedFs,
            Kind::SeaweedFsOverTls,
        ],
        &packages,
        &logs,
    )?;

    let mut tests = cargo();
    tests
        .args(["test", "--workspace", "--no-fail-fast"])
        .arg("--")
        .args(filters)
        .current_dir(repository()?)
        .env("TFW_TEST_MOTO", moto.url())
        .env("TFW_TEST_MINISTACK", ministack.url())
        .env("TFW_TEST_MINISTACK_STRICT", strict.url())
        .env("TFW_TEST_SEAWEEDFS", seaweedfs.url())
        .env("TFW_TEST_SEAWEEDFS_TLS", tls.tls_url())
        .env("TFW_TEST_SEAWEEDFS_CLEAR", tls.url())
        .env("TFW_TEST_SEAWEEDFS_CA", logs.join(CERTIFICATE))
        .env("TFW_TEST_MIRROR", &mirrors.unpacked)
        .env("TFW_TEST_MIRROR_PACKED", &mirrors.packed)
        .env("TFW_TEST_TERRAFORM", &terraform)
        .env("TFW_TEST_TOOLS", packages.folder())
        .env("TFW_TEST_TIMINGS", &timings)
        .envs(variables.iter().copied());
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        // Integration tests mostly wait for Terraform, which mostly waits for the emulator.
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        tests.env("RUST_TEST_THREADS", (cores * 2).to_string());
    }
    let status = tests.status().context("cannot run `cargo test`")?;

    println!(
        "\n{} in all, {} of it to build and to fetch tools",
        seconds(started.elapsed()),
        seconds(built)
    );
    for (time, name) in slowest(&fs::read_to_string(&timings)?) {
        println!("{:>8}  {name}", seconds(time));
    }
    Ok(match status.code().map(u8::try_from) {
        Some(Ok(code)) => ExitCode::from(code),
        _ => ExitCode::FAILURE,
    })
}

/// Fetches the tools while cargo builds: the one waits for the network, the other for the cores.
fn build_and_fetch(tools: &Tools, terraform: &Path) -> Result<(PythonPackages, Mirrors)> {
    std::thread::scope(|scope| {
        let fetched = scope.spawn(|| {
            let packages = tools.emulators()?;
            let mirrors = provider::mirrors(tools, terraform)?;
            anyhow::Ok((packages, mirrors))
        });
        let built = cargo()
            .args(["test", "--workspace", "--no-run"])
            .current_dir(repository()?)
            .status()
            .context("cannot run `cargo`")?;
        let fetched = match fetched.join() {
            Ok(fetched) => fetched?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        if !built.success() {
            bail!("the build failed");
        }
        Ok(fetched)
    })
}

/// The slowest tests of a file with one `SECONDS NAME` a line, the slowest first.
fn slowest(timings: &str) -> Vec<(Duration, &str)> {
    let mut timings: Vec<_> = timings
        .lines()
        .filter_map(|line| {
            let (time, name) = line.split_once(' ')?;
            let time = Duration::try_from_secs_f64(time.parse().ok()?).ok()?;
            Some((time, name))
        })
        .collect();
    timings.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
    timings.truncate(SLOWEST);
    timings
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_come_first_and_torn_lines_are_left_out() {
        let timings = "0.5 a::quick\n12.25 b::slow\ntorn\nx c\n";
        assert_eq!(
            slowest(timings),
            [
                (Duration::from_millis(12_250), "b::slow"),
                (Duration::from_millis(500), "a::quick"),
            ]
        );
        assert_eq!(seconds(Duration::from_millis(12_250)), "12.2 s");
    }
}
