//! Commands that are broken off: by every fault, at every request that they make.
//!
//! The test command lets the faults happen at the requests that matter most; `cargo xtask chaos`
//! lets every fault happen at every request, and writes down what came of it.

mod migration;
mod rollback;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Client, Request, Run, TestCommand, TestEnvironment};

/// An S3 server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Moto,
    SeaweedFs,
}

impl Server {
    fn environment(self) -> TestEnvironment {
        match self {
            Self::Moto => TestEnvironment::new(),
            Self::SeaweedFs => TestEnvironment::on_seaweedfs(),
        }
    }
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// tfw is killed; the server never sees the request.
    KillTfw,
    /// The request is done, and tfw is killed before it hears of it.
    KillTfwAfter,
    /// Terraform is killed.
    KillTerraform,
    /// The connection breaks.
    Drop,
    /// The request is done, and the answer is lost.
    DropAfter,
    /// The answer takes a second.
    Delay,
    /// Half of the answer.
    Truncate,
    Status403,
    Status500,
    Status503,
}

const FAULTS: [Fault; 10] = [
    Fault::KillTfw,
    Fault::KillTfwAfter,
    Fault::KillTerraform,
    Fault::Drop,
    Fault::DropAfter,
    Fault::Delay,
    Fault::Truncate,
    Fault::Status403,
    Fault::Status500,
    Fault::Status503,
];

/// Lets faults happen to the tfw that it runs.
#[derive(Default)]
struct Saboteur {
    pid: Arc<AtomicI32>,
}

impl Saboteur {
    fn run(&self, command: TestCommand) -> Run {
        let running = command.spawn();
        self.pid
            .store(running.pid().as_raw_nonzero().get(), Ordering::SeqCst);
        running.wait()
    }

    /// Lets a fault happen to the first request that is as described.
    fn arm(
        &self,
        test: &TestEnvironment,
        fault: Fault,
        meets: impl Fn(&Request) -> bool + Send + 'static,
    ) {
        let when = test.proxy().when(meets).times(1);
        let pid = Arc::clone(&self.pid);
        let kill_tfw = move || {
            if let Some(pid) = Pid::from_raw(pid.load(Ordering::SeqCst)) {
                let _ = kill_process(pid, Signal::KILL);
            }
        };
        let folder = test.path("environments/dev").canonicalize().unwrap();
        match fault {
            Fault::KillTfw => when.happens_before(kill_tfw),
            Fault::KillTfwAfter => when.happens_after(kill_tfw),
            Fault::KillTerraform => when.happens_before(move || {
                for pid in processes_in(&folder) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }),
            Fault::Drop => when.disconnect(),
            Fault::DropAfter => when.happens_after(|| {}),
            Fault::Delay => when.delay(Duration::from_secs(1)),
            Fault::Truncate => when.truncate(),
            Fault::Status403 => when.refuse(403, "AccessDenied"),
            Fault::Status500 => when.refuse(500, "InternalError"),
            Fault::Status503 => when.refuse(503, "SlowDown"),
        }
    }
}

/// Every process whose working directory is this folder: a Terraform and what it has started.
fn processes_in(folder: &Path) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let there = entries
        .filter(|entry| fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == folder));
    let pids = there.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(Pid::from_raw).collect()
}

/// A request as the table names it: who, what, on what.
fn name(request: &Request) -> String {
    let client = match request.client() {
        Client::Tfw => "tfw",
        Client::Terraform => "Terraform",
        Client::Provider => "provider",
        Client::Other => "other",
    };
    let path = request.path.trim_start_matches('/');
    let key = path.split_once('/').map_or("", |(_, key)| key);
    let key = if key.is_empty() { "the bucket" } else { key };
    match request.service() {
        Some("s3") => format!("{client} {} {key}", request.operation()),
        _ => format!("{client} {}", request.operation()),
    }
}

/// The n-th request of the run, from 0.
fn nth(number: usize) -> impl Fn(&Request) -> bool + Send + 'static {
    let seen = AtomicUsize::new(0);
    move |_| seen.fetch_add(1, Ordering::SeqCst) == number
}

/// Tests of every fault at one kind of request each.
macro_rules! every_fault_at {
    ($story:ident; $($name:ident: $server:ident, $what:literal, $meets:ident;)*) => {
        $(
            #[test]
            fn $name() {
                for fault in crate::chaos::FAULTS {
                    $story(crate::chaos::Server::$server, fault, $what, $meets);
                }
            }
        )*
    };
}
use every_fault_at;

/// The exit codes of the two runs of a story.
type Codes = (i32, i32);

/// The exit codes of a story whose second run ended well.
#[track_caller]
fn ended_well(what: &str, first: &Run, second: &Run) -> Codes {
    assert_eq!(
        second.code(),
        0,
        "{what}\n--- first\n{}{}\n--- second\n{}{}",
        first.stdout,
        first.stderr,
        second.stdout,
        second.stderr
    );
    (first.code(), second.code())
}

/// Every fault at every request that a command makes, on both servers; `story` gets the fault, the
/// index of the request, and its name.
///
/// That is for `cargo xtask chaos`, which wants a table of it: the ordinary run takes every fault at
/// the first request, and at each other one those that `ordinary` says.
fn every_fault_at_every_request(
    subject: &str,
    recorded: impl Fn(Server) -> Vec<Request>,
    ordinary: impl Fn(&Request) -> &'static [Fault],
    story: impl Fn(Server, Fault, usize, &str) -> Codes + Sync,
) {
    let tables = crate::support::chaos_tables();
    let mut text = String::new();
    for server in [Server::Moto, Server::SeaweedFs] {
        let requests = recorded(server);
        let faults = |index: usize| {
            if tables.is_some() || index == 0 {
                &FAULTS
            } else {
                ordinary(&requests[index])
            }
        };
        let all = (0..requests.len())
            .flat_map(|index| faults(index).iter().map(move |fault| (index, *fault)));
        let mut stories: Vec<(usize, Fault)> = all.collect();
        stories.reverse();
        let count = stories.len();
        let todo = Mutex::new(stories);
        let done: Mutex<BTreeMap<(usize, Fault), Codes>> = Mutex::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let Some((index, fault)) = todo.lock().unwrap().pop() else {
                            break;
                        };
                        let what = format!("request {} ({})", index + 1, name(&requests[index]));
                        let codes = story(server, fault, index, &what);
                        done.lock().unwrap().insert((index, fault), codes);
                    }
                });
            }
        });
        let done = done.into_inner().unwrap();
        assert_eq!(done.len(), count);
        let heads: Vec<String> = FAULTS.iter().map(|fault| format!("{fault:?}")).collect();
        let _ = writeln!(text, "\n### {server:?}\n");
        let _ = writeln!(text, "| # | request | {} |", heads.join(" | "));
        let _ = writeln!(text, "|---|---|{}", "---|".repeat(FAULTS.len()));
        for (index, request) in requests.iter().enumerate() {
            let cells = FAULTS.iter().map(|fault| {
                done.get(&(index, *fault))
                    .map_or_else(String::new, |(first, second)| format!("{first} → {second}"))
            });
            let cells: Vec<String> = cells.collect();
            let (number, request) = (index + 1, name(request));
            let _ = writeln!(text, "| {number} | `{request}` | {} |", cells.join(" | "));
        }
    }
    if let Some(folder) = tables {
        fs::write(folder.join(format!("{subject}.md")), text).unwrap();
    }
}
