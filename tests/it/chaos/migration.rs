//! Migrations that are broken off.
//!
//! After each, the whole state is at one end at least, a second `tfw migrate` ends what the first
//! began, and no lock is left that tfw did not name. The test command runs a kill after every entry
//! of the journal and every fault at the requests that matter most.

use std::collections::BTreeMap;
use std::fs;

use super::{Codes, Fault, Saboteur, Server, ended_well, every_fault_at, nth};
use crate::support::states::{content, state_of, unbacked};
use crate::support::{Request, Run, TestEnvironment, fixtures, preload};

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
    saboteur: Saboteur,
}

impl World {
    fn new(server: Server) -> Self {
        let test = server.environment();
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
            saboteur: Saboteur::default(),
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
        self.saboteur.run(command)
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

/// One story: the fault, and what the first and the second run came to.
#[track_caller]
fn story(
    server: Server,
    fault: Fault,
    what: &str,
    meets: impl Fn(&Request) -> bool + Send + 'static,
) -> Codes {
    let world = World::new(server);
    world.saboteur.arm(&world.test, fault, meets);
    let first = world.migrate(None);
    let what = format!("{server:?}, {fault:?} at {what}");
    world.nothing_is_lost(&what, &first);
    let second = world.migrate(None);
    world.nothing_is_lost(&what, &second);
    let codes = ended_well(&what, &first, &second);
    world.is_done(&what);
    codes
}

/// The requests of a migration that nothing happens to.
fn recorded(server: Server) -> Vec<Request> {
    let world = World::new(server);
    world.migrate(None).succeeds();
    world.is_done("nothing happened");
    world.test.proxy().requests()
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

every_fault_at! { story;
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
    super::every_fault_at_every_request(
        "migration",
        recorded,
        |_| &[],
        |server, fault, index, what| story(server, fault, what, nth(index)),
    );
}
