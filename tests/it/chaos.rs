//! Migrations that are broken off: at every entry of the journal, and at every request.
//!
//! After each, the whole state is at one end at least, a second `tfw migrate` ends what the first
//! began, and no lock is left that tfw did not name. The test command runs a kill after every entry
//! and every fault at the requests that matter most; `cargo xtask chaos` runs every fault at every
//! request that a whole migration makes, and writes down what came of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::states::{content, state_of, unbacked};
use crate::support::{Client, Request, Run, TestEnvironment, fixtures, preload};

/// An S3 server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Moto,
    SeaweedFs,
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

/// The workspaces that are moved, with the keys of their states.
const WORKSPACES: [(&str, &str, &str); 2] = [
    ("default", "terraform.tfstate", "terraform.tfstate"),
    (
        "blue",
        "terraform.tfstate.d/blue/terraform.tfstate",
        "env:/blue/terraform.tfstate",
    ),
];

/// A migration that is about to happen.
struct World {
    test: TestEnvironment,
    states: BTreeMap<&'static str, String>,
    pid: Arc<AtomicI32>,
}

impl World {
    fn new(server: Server) -> Self {
        let test = match server {
            Server::Moto => TestEnvironment::new(),
            Server::SeaweedFs => TestEnvironment::on_seaweedfs(),
        };
        // On one of them Terraform has been at work before: then there is something to put back.
        let main = match server {
            Server::Moto => fixtures::local(&fixtures::builtin()),
            Server::SeaweedFs => unbacked(),
        };
        let test = test.environment_with("dev", "", &main);
        if server == Server::Moto {
            test.terraform("dev", ["init", "-input=false"])
                .run()
                .succeeds();
        }
        test.create_versioned_bucket("dev");
        let mut states = BTreeMap::new();
        for (number, (name, file, _)) in (1..).zip(WORKSPACES) {
            let state = state_of(&format!("l-{name}"), number, name);
            test.write(&format!("environments/dev/{file}"), &state);
            states.insert(name, state);
        }
        test.proxy().forget();
        Self {
            test,
            states,
            pid: Arc::default(),
        }
    }

    fn migrate(&self, kill_after: Option<usize>) -> Run {
        self.run(&[], kill_after)
    }

    fn abort(&self, kill_after: Option<usize>) -> Run {
        self.run(&["--abort"], kill_after)
    }

    fn run(&self, flags: &[&str], kill_after: Option<usize>) -> Run {
        let mut command = self.test.tfw(["migrate", "dev", "--yes"]).args(flags);
        if let Some(entry) = kill_after {
            command = command
                .env("LD_PRELOAD", preload::kill_after_entry())
                .env("TFW_TEST_KILL_AFTER_ENTRY", entry.to_string());
        }
        let running = command.spawn();
        self.pid
            .store(running.pid().as_raw_nonzero().get(), Ordering::SeqCst);
        running.wait()
    }

    /// Lets a fault happen to the first request that is as described.
    fn arm(&self, fault: Fault, meets: impl Fn(&Request) -> bool + Send + 'static) {
        let when = self.test.proxy().when(meets).times(1);
        let pid = Arc::clone(&self.pid);
        let kill_tfw = move || {
            if let Some(pid) = Pid::from_raw(pid.load(Ordering::SeqCst)) {
                let _ = kill_process(pid, Signal::KILL);
            }
        };
        let folder = self.test.path("environments/dev").canonicalize().unwrap();
        match fault {
            Fault::KillTfw => when.happens_before(kill_tfw),
            Fault::KillTfwAfter => when.happens_after(kill_tfw),
            Fault::KillTerraform => when.happens_before(move || kill_all_in(&folder)),
            Fault::Drop => when.disconnect(),
            Fault::DropAfter => when.happens_after(|| {}),
            Fault::Delay => when.delay(Duration::from_secs(1)),
            Fault::Truncate => when.truncate(),
            Fault::Status403 => when.refuse(403, "AccessDenied"),
            Fault::Status500 => when.refuse(500, "InternalError"),
            Fault::Status503 => when.refuse(503, "SlowDown"),
        }
    }

    /// Asserts what must hold whatever happened.
    #[track_caller]
    fn nothing_is_lost(&self, what: &str, run: &Run) {
        for (name, file, key) in WORKSPACES {
            let whole = content(&self.states[name]);
            let is_whole = |text: &str| {
                serde_json::from_str::<serde_json::Value>(text).is_ok() && content(text) == whole
            };
            let local = fs::read_to_string(self.test.path("environments/dev").join(file));
            let there = self.test.object("dev", key);
            assert!(
                local.is_ok_and(|text| is_whole(&text))
                    || there.is_some_and(|text| is_whole(&text)),
                "{what}: the state of `{name}` is nowhere whole\n{}\n{}",
                run.stdout,
                run.stderr
            );
        }
        // A tfw that could still speak has named every lock that it left.
        for key in self.test.locks("dev") {
            let lock = self.test.object("dev", &key).unwrap_or_default();
            let id = lock.split('"').nth(3).unwrap_or("?");
            let journals =
                self.test.backups("dev").into_iter().map(|folder| {
                    fs::read_to_string(folder.join("journal.jsonl")).unwrap_or_default()
                });
            let noted = journals.collect::<String>().contains(id);
            let said = run.stdout.contains(id) || run.stderr.contains(id);
            assert!(
                if run.code() == 137 { noted } else { said },
                "{what}: the lock {id} is left and not named\n{}\n{}",
                run.stdout,
                run.stderr
            );
        }
    }

    /// Asserts that the migration is complete.
    #[track_caller]
    fn is_done(&self, what: &str) {
        for (name, file, key) in WORKSPACES {
            let there = self.test.object("dev", key).expect("a state");
            assert_eq!(
                content(&there),
                content(&self.states[name]),
                "{what}: {name}"
            );
            let local = self.test.path("environments/dev").join(file);
            assert!(!local.exists(), "{what}: {file} is still there");
        }
        assert_eq!(self.test.locks("dev"), [""; 0], "{what}");
    }
}

/// Kills every process whose working directory is this folder.
fn kill_all_in(folder: &std::path::Path) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let there = fs::read_link(entry.path().join("cwd"));
        if there.is_ok_and(|cwd| cwd == folder)
            && let Some(pid) = Pid::from_raw(pid)
        {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// One story: the fault, and what the first and the second run came to.
#[track_caller]
fn story(
    server: Server,
    fault: Fault,
    what: &str,
    meets: impl Fn(&Request) -> bool + Send + 'static,
) -> (i32, i32) {
    let world = World::new(server);
    world.arm(fault, meets);
    let first = world.migrate(None);
    let what = format!("{server:?}, {fault:?} at {what}");
    world.nothing_is_lost(&what, &first);
    let second = world.migrate(None);
    world.nothing_is_lost(&what, &second);
    assert!(
        second.code() == 0,
        "{what}: the second run ended with {}\n--- first\n{}{}\n--- second\n{}{}",
        second.code(),
        first.stdout,
        first.stderr,
        second.stdout,
        second.stderr
    );
    world.is_done(&what);
    (first.code(), second.code())
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

/// The requests of a migration that nothing happens to.
fn recorded(server: Server) -> Vec<String> {
    let world = World::new(server);
    world.migrate(None).succeeds();
    world.is_done("nothing happened");
    world.test.proxy().requests().iter().map(name).collect()
}

/// The n-th request of the run, from 0.
fn nth(number: usize) -> impl Fn(&Request) -> bool + Send + 'static {
    let seen = AtomicUsize::new(0);
    move |_| seen.fetch_add(1, Ordering::SeqCst) == number
}

/// Every fault at one kind of request.
#[track_caller]
fn every_fault(server: Server, what: &str, meets: fn(&Request) -> bool) {
    for fault in FAULTS {
        story(server, fault, what, meets);
    }
}

fn puts_lock(request: &Request) -> bool {
    request.method == "PUT" && request.path.ends_with(".tflock")
}

fn puts_state(request: &Request) -> bool {
    request.method == "PUT" && request.path.ends_with("terraform.tfstate")
}

fn deletes_lock(request: &Request) -> bool {
    request.method == "DELETE" && request.path.ends_with(".tflock")
}

/// The first version that is read by its id.
fn reads_back(request: &Request) -> bool {
    request.method == "GET" && request.query.contains("versionId")
}

macro_rules! every_fault_at {
    ($($name:ident: $server:ident, $what:literal, $meets:ident;)*) => {
        $(
            #[test]
            fn $name() {
                every_fault(Server::$server, $what, $meets);
            }
        )*
    };
}

every_fault_at! {
    faults_at_put_lock_on_moto: Moto, "PUT lock", puts_lock;
    faults_at_put_state_on_moto: Moto, "PUT state", puts_state;
    faults_at_delete_lock_on_moto: Moto, "DELETE lock", deletes_lock;
    faults_at_reading_back_on_moto: Moto, "reading back", reads_back;
    faults_at_put_lock_on_seaweedfs: SeaweedFs, "PUT lock", puts_lock;
    faults_at_put_state_on_seaweedfs: SeaweedFs, "PUT state", puts_state;
    faults_at_delete_lock_on_seaweedfs: SeaweedFs, "DELETE lock", deletes_lock;
    faults_at_reading_back_on_seaweedfs: SeaweedFs, "reading back", reads_back;
}

/// Kills tfw after the n-th entry of the journal, and lets a second run end what it began; then
/// the same, and puts everything back. Even or odd entries, so that two tests share the time.
fn kills_after_every_entry(server: Server, remainder: usize) {
    let world = World::new(server);
    world.migrate(None).succeeds();
    let journal = world.test.backups("dev")[0].join("journal.jsonl");
    let entries = fs::read_to_string(journal).unwrap().lines().count();
    assert!(entries > 10, "{entries}");
    for entry in (1..=entries).filter(|entry| entry % 2 == remainder) {
        let what = format!("{server:?}, killed after entry {entry} of {entries}");
        let world = World::new(server);
        let first = world.migrate(Some(entry)).exits(137);
        world.nothing_is_lost(&what, &first);
        world.migrate(None).succeeds();
        world.is_done(&what);
        if entry == entries {
            continue;
        }
        // Put back, after one broken try and after two.
        for again in [false, true] {
            let world = World::new(server);
            let before = states_of(&world);
            world.migrate(Some(entry)).exits(137);
            if again {
                world.migrate(Some(3)).exits(137);
            }
            let aborted = world.abort(None).succeeds();
            world.nothing_is_lost(&what, &aborted);
            assert_eq!(states_of(&world), before, "{what}, then aborted");
            assert_eq!(world.test.locks("dev"), [""; 0], "{what}, then aborted");
            // And then it can be done after all.
            world.migrate(None).succeeds();
            world.is_done(&what);
        }
    }
}

/// Both sides but for lock files, which come and go and leave their history in the bucket.
fn states_of(world: &World) -> Vec<String> {
    let sides = world.test.both_sides("dev");
    let lines = sides.lines().filter(|line| !line.contains(".tflock"));
    lines.map(str::to_owned).collect()
}

/// Kills tfw after the n-th entry that a way back writes, from a migration that was proven already;
/// then either command must end well.
#[test]
fn a_kill_after_every_entry_of_the_way_back() {
    let server = Server::Moto;
    // As far as it gets before the local files go.
    let proven = |world: &World| {
        let text = |world: &World| {
            let journal = world.test.backups("dev")[0].join("journal.jsonl");
            fs::read_to_string(journal).unwrap()
        };
        world.migrate(None).succeeds();
        let entries = text(world);
        let line = entries
            .lines()
            .position(|line| line.contains("\"verified\""));
        line.expect("it is verified") + 1
    };
    let entry = proven(&World::new(server));
    for killed_at in 1..=8 {
        for ends in ["migrate", "abort"] {
            let what = format!("the way back killed after its entry {killed_at}, then {ends}");
            let world = World::new(server);
            let before = states_of(&world);
            world.migrate(Some(entry)).exits(137);
            let back = world.abort(Some(killed_at));
            world.nothing_is_lost(&what, &back);
            if ends == "migrate" {
                world.migrate(None).succeeds();
                world.is_done(&what);
            } else {
                world.abort(None).succeeds();
                assert_eq!(states_of(&world), before, "{what}");
                assert_eq!(world.test.locks("dev"), [""; 0], "{what}");
            }
        }
    }
}

#[test]
fn a_kill_after_every_even_journal_entry_on_moto() {
    kills_after_every_entry(Server::Moto, 0);
}

#[test]
fn a_kill_after_every_odd_journal_entry_on_moto() {
    kills_after_every_entry(Server::Moto, 1);
}

#[test]
fn a_kill_after_every_even_journal_entry_on_seaweedfs() {
    kills_after_every_entry(Server::SeaweedFs, 0);
}

#[test]
fn a_kill_after_every_odd_journal_entry_on_seaweedfs() {
    kills_after_every_entry(Server::SeaweedFs, 1);
}

/// Every fault at every request: hours of Terraform in one test would be minutes for everybody, so
/// the ordinary run takes the first request of all, and `cargo xtask chaos` takes all of them.
#[test]
fn every_fault_at_every_request() {
    let table = crate::support::chaos_table();
    let mut text = String::new();
    for server in [Server::Moto, Server::SeaweedFs] {
        let requests = recorded(server);
        let count = if table.is_some() { requests.len() } else { 1 };
        let todo: Mutex<Vec<(usize, Fault)>> = Mutex::new(
            (0..count)
                .rev()
                .flat_map(|number| FAULTS.into_iter().rev().map(move |fault| (number, fault)))
                .collect(),
        );
        let done: Mutex<BTreeMap<(usize, Fault), (i32, i32)>> = Mutex::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let Some((number, fault)) = todo.lock().unwrap().pop() else {
                            break;
                        };
                        let what = format!("request {} ({})", number + 1, requests[number]);
                        let codes = story(server, fault, &what, nth(number));
                        done.lock().unwrap().insert((number, fault), codes);
                    }
                });
            }
        });
        let done = done.into_inner().unwrap();
        assert_eq!(done.len(), count * FAULTS.len());
        let heads: Vec<String> = FAULTS.iter().map(|fault| format!("{fault:?}")).collect();
        let _ = writeln!(text, "\n## {server:?}\n");
        let _ = writeln!(text, "| # | request | {} |", heads.join(" | "));
        let _ = writeln!(text, "|---|---|{}", "---|".repeat(FAULTS.len()));
        for (number, request) in requests.iter().enumerate().take(count) {
            let cells: Vec<String> = FAULTS
                .iter()
                .map(|fault| {
                    let (first, second) = done[&(number, *fault)];
                    format!("{first} → {second}")
                })
                .collect();
            let _ = writeln!(
                text,
                "| {} | `{request}` | {} |",
                number + 1,
                cells.join(" | ")
            );
        }
    }
    if let Some(file) = table {
        fs::write(file, text).unwrap();
    }
}
