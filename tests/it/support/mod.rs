//! The harness of the integration tests.
//!
//! A test is a story: it builds a [`TestEnvironment`] (a repository of its own, with its own
//! account numbers, buckets and home folder), runs one tfw command in it, and asserts on what a
//! person sees ([`Run`]) and on what the world holds (state in S3, files, requests). Between tfw
//! and the emulator stands a [`Proxy`] that belongs to the test: it records who asked for what,
//! and fails requests on demand. Tests share the emulators and nothing else, so all run at once.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests read their set-up from the environment, spawn tfw, and end where that fails"
)]

mod boto;
mod command;
mod disks;
mod environment;
mod faults;
pub(crate) mod fixtures;
mod git;
mod http;
mod http_state;
mod mirror;
pub(crate) mod preload;
mod proxy;
mod reports;
mod requests;
mod screen;
mod stacks;
pub(crate) mod states;
mod terminal;
mod tls;
mod world;

pub(crate) use command::{Run, Running, TestCommand};
pub(crate) use environment::TestEnvironment;
pub(crate) use http_state::HttpState;
pub(crate) use mirror::TINY;
pub(crate) use proxy::Proxy;
pub(crate) use reports::{texts, the_unit};
pub(crate) use requests::{Client, Request};
pub(crate) use screen::{Screen, normal};
pub(crate) use stacks::stacks;
pub(crate) use terminal::Terminal;
pub(crate) use tls::Tls;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Longer than anything that a test waits for may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// A variable that `cargo xtask test` sets.
#[track_caller]
pub(crate) fn from_xtask(name: &str) -> String {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => value,
        _ => panic!("`{name}` is not set: run `cargo xtask test`, which starts the emulators"),
    }
}

/// The folder in which `cargo xtask chaos` wants its tables; otherwise nobody wants one.
pub(crate) fn chaos_tables() -> Option<PathBuf> {
    std::env::var_os("TFW_TEST_CHAOS").map(PathBuf::from)
}

/// Terraform, or OpenTofu where there is no other.
fn terraform() -> PathBuf {
    PathBuf::from(from_xtask("TFW_TEST_TERRAFORM"))
}

/// Waits until `ready` gives something: for what another process does, where there is no event to
/// wait for.
#[track_caller]
pub(crate) fn wait_until<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
