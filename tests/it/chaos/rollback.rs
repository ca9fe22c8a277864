//! Rollbacks that are broken off.
//!
//! After each, the state is the old one or the new one, every version of before is there, and a
//! lock that is left has been named: by the message, or, where tfw was killed, by the next `tfw lock
//! list`, which knows whose it was. A second rollback then ends well.

use serde_json::Value;

use super::{Codes, Fault, Saboteur, Server, ended_well, nth, processes_in};
use crate::support::states::{content, state_of};
use crate::support::{Client, Request, Run, TestEnvironment, wait_until};

const KEY: &str = "terraform.tfstate";
const LOCK: &str = "terraform.tfstate.tflock";

/// A state of two versions.
struct World {
    test: TestEnvironment,
    saboteur: Saboteur,
    states: [String; 2],
    /// Of the older one.
    version: String,
}

impl World {
    fn new(server: Server) -> Self {
        let test = server.environment().environment("dev");
        test.create_versioned_bucket("dev");
        let states = [state_of("l", 1, "first"), state_of("l", 2, "second")];
        for state in &states {
            test.put_object("dev", KEY, state);
        }
        let older = test
            .tfw(["state", "history", "dev", "--json"])
            .run()
            .succeeds()
            .json()["versions"][1]["version_id"]
            .clone();
        test.proxy().forget();
        Self {
            test,
            saboteur: Saboteur::default(),
            states,
            version: older.as_str().unwrap().to_owned(),
        }
    }

    fn roll_back(&self) -> Run {
        let command = ["state", "rollback", "dev", "--yes", "--to", &self.version];
        let run = self.saboteur.run(self.test.tfw(command));
        // A Terraform that outlives its tfw ends what it began.
        let folder = self.test.path("environments/dev").canonicalize().unwrap();
        wait_until("the end of Terraform", || {
            processes_in(&folder).is_empty().then_some(())
        });
        run
    }

    fn versions(&self) -> Vec<String> {
        let history = self.test.history("dev");
        let of_state = history
            .iter()
            .filter(|line| line.contains("terraform.tfstate "));
        of_state
            .map(|line| line.split(' ').nth(2).unwrap().to_owned())
            .collect()
    }

    /// Asserts what must hold whatever happened, and releases a lock that is left, by its id.
    #[track_caller]
    fn nothing_is_lost(&self, what: &str, before: &[String], run: &Run) {
        let said = format!("{}{}", run.stdout, run.stderr);
        let now = content(&self.test.object("dev", KEY).expect(what));
        assert!(
            self.states.iter().any(|state| content(state) == now),
            "{what}: the state is neither the old one nor the new one\n{said}"
        );
        let after = self.versions();
        assert!(
            before.iter().all(|version| after.contains(version)),
            "{what}: a version is gone\n{said}"
        );
        let Some(lock) = self.test.object("dev", LOCK) else {
            return;
        };
        let lock: Value = serde_json::from_str(&lock).unwrap();
        let id = lock["ID"].as_str().unwrap();
        if run.code() == 137 {
            let list = ["lock", "list", "dev", "--json"];
            let listed = self.test.tfw(list).run().succeeds().json()["locks"][0].clone();
            assert_eq!(listed["id"], id, "{what}");
            assert_eq!(listed["mine"]["alive"], false, "{what}: {listed}");
            // A lock of tfw's own names its run.
            let of_tfw = lock["Operation"] == "rollback";
            assert_eq!(listed["mine"]["certain"], of_tfw, "{what}: {listed}");
            assert_eq!(listed["mine"]["command"], "state rollback", "{what}");
        } else {
            assert!(said.contains(id), "{what}: the lock {id} is silent\n{said}");
        }
        let release = ["lock", "release", "dev", "--id", id, "--yes"];
        self.test.tfw(release).run().succeeds();
    }

    /// Asserts that the older state is the current one.
    #[track_caller]
    fn is_done(&self, what: &str) {
        let now = self.test.object("dev", KEY).expect(what);
        assert_eq!(content(&now), content(&self.states[0]), "{what}");
        let now: Value = serde_json::from_str(&now).unwrap();
        assert_eq!(now["lineage"], "l", "{what}");
        assert_eq!(now["serial"], 3, "{what}");
        assert!(!self.test.locked("dev"), "{what}");
    }
}

/// One story: the fault, and what the first and the second run came to.
#[track_caller]
fn story(server: Server, fault: Fault, index: usize, what: &str) -> Codes {
    let world = World::new(server);
    let before = world.versions();
    world.saboteur.arm(&world.test, fault, nth(index));
    let first = world.roll_back();
    let what = format!("{server:?}, {fault:?} at {what}");
    world.nothing_is_lost(&what, &before, &first);
    let second = world.roll_back();
    let codes = ended_well(&what, &first, &second);
    world.is_done(&what);
    codes
}

/// The requests of a rollback that nothing happens to, those of the closing plan among them.
fn recorded(server: Server) -> Vec<Request> {
    let world = World::new(server);
    world.roll_back().succeeds();
    world.is_done("nothing happened");
    world.test.proxy().requests()
}

/// In the ordinary run, what hurts most happens at every request of tfw's own to S3.
fn ordinary(request: &Request) -> &'static [Fault] {
    if request.client() == Client::Tfw && request.service() == Some("s3") {
        &[
            Fault::KillTfw,
            Fault::KillTfwAfter,
            Fault::DropAfter,
            Fault::Status403,
        ]
    } else {
        &[]
    }
}

#[test]
fn every_fault_at_every_request() {
    super::every_fault_at_every_request("rollback", recorded, ordinary, story);
}
