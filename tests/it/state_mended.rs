//! States that are damaged, deleted, or in buckets that keep no versions: they are brought back, and
//! whatever was there can be found.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::states::state_of;
use crate::support::{Client, TestEnvironment, fixtures, the_unit};

const KEY: &str = "terraform.tfstate";
const LOCK: &str = "terraform.tfstate.tflock";

fn versioned(test: TestEnvironment) -> TestEnvironment {
    let test = test.environment("dev");
    test.create_versioned_bucket("dev");
    test.put_object("dev", KEY, &state_of("l", 4, "a"));
    test.put_object("dev", KEY, &state_of("l", 5, "b"));
    test
}

fn damaged(test: TestEnvironment) {
    let test = versioned(test);
    let file = test.write("good.tfstate", &state_of("l", 2, "c"));
    let file = file.display().to_string();
    let rollback = ["state", "rollback", "dev", "--to", "~1", "--yes"];
    let push = ["state", "push", "dev", &file, "--yes"];
    // Not even JSON; nothing at all; of a Terraform to come.
    for (text, why) in [
        ("garbage", "it is not a Terraform state"),
        ("", "it is empty"),
        (r#"{"version": 5, "serial": 90}"#, "version 5"),
    ] {
        for (command, wanted) in [(&rollback[..], "b"), (&push[..], "c")] {
            // What is the newest that can be read says which serial comes next.
            if test.current("dev", KEY).0 != "b" {
                let (_, serial) = test.current("dev", KEY);
                test.put_object("dev", KEY, &state_of("l", serial + 1, "b"));
            }
            let (_, serial) = test.current("dev", KEY);
            test.put_object("dev", KEY, text);
            let run = test.tfw([]).args(command).run().succeeds();
            run.says("cannot be read, and will be replaced: ");
            run.says(why);
            assert_eq!(
                test.current("dev", KEY),
                (wanted.to_owned(), serial + 1),
                "{text}"
            );
            assert!(!test.locked("dev"));
        }
    }
    // Nor is one behind a deletion.
    test.put_object("dev", KEY, "garbage");
    test.delete_object("dev", KEY);
    let (serial, before) = {
        let history = ["state", "history", "dev", "--json", "--limit", "0"];
        let versions = test.tfw(history).run().succeeds().json()["versions"].clone();
        (
            versions[2]["serial"].as_u64().unwrap(),
            versions[2]["version_id"].clone(),
        )
    };
    let command = ["state", "rollback", "dev", "--to", before.as_str().unwrap()];
    let run = test.tfw(command).args(["--yes"]).run().succeeds();
    run.says("has no state now; this one has 1 resource: terraform_data.this");
    assert_eq!(test.current("dev", KEY).1, serial + 1);
}

#[test]
fn a_damaged_state_is_replaced_by_one_that_can_be_read() {
    damaged(TestEnvironment::new());
}

#[test]
fn a_damaged_state_is_replaced_by_one_that_can_be_read_on_seaweedfs() {
    damaged(TestEnvironment::on_seaweedfs());
}

fn from_before_versions(test: TestEnvironment) {
    let test = test.environment("dev");
    test.create_bucket("dev");
    test.put_object("dev", KEY, &state_of("l", 1, "old"));
    test.put_setting(
        "dev",
        "versioning",
        "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    );
    test.put_object("dev", KEY, &state_of("l", 2, "new"));
    let shown = |version: &str| {
        let command = ["state", "show", "dev", "terraform_data.this", "--json"];
        let shown = test.tfw(command).args(["--version", version]).run();
        shown.succeeds().json()["resources"][0]["attributes"]["input"]["value"].clone()
    };
    assert_eq!((shown("~1"), shown("null")), (json!("old"), json!("old")));
    assert_eq!((shown("1"), shown("2")), (json!("old"), json!("new")));
    let rollback = |version: &str| {
        let command = ["state", "rollback", "dev", "--yes", "--to", version];
        test.tfw(command).run().succeeds()
    };
    rollback("null");
    assert_eq!(test.current("dev", KEY), ("old".to_owned(), 3));
    test.delete_object("dev", KEY);
    rollback("2");
    assert_eq!(test.current("dev", KEY), ("new".to_owned(), 4));
    rollback("null");
    assert_eq!(test.current("dev", KEY), ("old".to_owned(), 5));
}

#[test]
fn a_state_from_before_the_bucket_kept_versions_comes_back() {
    from_before_versions(TestEnvironment::new());
}

#[test]
fn a_state_from_before_the_bucket_kept_versions_comes_back_on_seaweedfs() {
    from_before_versions(TestEnvironment::on_seaweedfs());
}

fn copied(test: TestEnvironment) {
    let test = test.environment("dev");
    test.create_bucket("dev");
    let before = state_of("l", 1, "only here");
    test.put_object("dev", KEY, &before);
    let file = test.write("good.tfstate", &state_of("l", 1, "pushed"));
    let file = file.display().to_string();
    let push = ["state", "push", "dev", &file, "--yes", "--json"];
    let run = test.tfw(push).run().succeeds();
    let report = run.json();
    let replaced = &the_unit(&report, "dev")["replaced"][0];
    assert_eq!(replaced["before"], Value::Null);
    let backup = replaced["backup"].as_str().unwrap();
    run.says(&format!("what was there is in `{backup}`"));
    let copy = test.path("environments").join(backup);
    assert_eq!(fs::read_to_string(&copy).unwrap(), before);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&copy), mode(copy.parent().unwrap())), (0o600, 0o700));
    assert_eq!(test.current("dev", KEY), ("pushed".to_owned(), 2));
    // It is no migration that somebody has to go on with.
    let status = test.tfw(["status", "dev"]).run().succeeds();
    assert!(!status.stdout.contains("migrat"), "{}", status.stdout);
}

#[test]
fn what_no_version_keeps_is_copied_first() {
    copied(TestEnvironment::new());
}

#[test]
fn what_no_version_keeps_is_copied_first_on_seaweedfs() {
    copied(TestEnvironment::on_seaweedfs());
}

#[test]
fn a_rollback_tells_what_it_wrote_and_how_to_take_it_back() {
    let test = versioned(TestEnvironment::new());
    let rollback = |version: &str| {
        let command = ["state", "rollback", "dev", "--yes", "--json", "--to"];
        test.tfw(command).args([version]).run().succeeds()
    };
    let run = rollback("~1");
    let report = run.json();
    let dev = the_unit(&report, "dev");
    let replaced = &dev["replaced"][0];
    assert_eq!(
        (&replaced["serial"], &replaced["workspace"]),
        (&json!(6), &json!("default"))
    );
    // The plan that follows is the rest of what the report tells.
    assert_eq!(dev["changes"]["change"], 1);
    let before = replaced["before"].as_str().unwrap().to_owned();
    run.says(&format!(
        "`tfw state rollback dev --to {before}` takes it back"
    ));
    // Terraform comes last: all else is between tfw and S3.
    let requests = test.proxy().requests();
    let last_write = requests
        .iter()
        .rposition(|r| r.client() == Client::Tfw && r.operation() == "DeleteObject");
    let terraform = requests
        .iter()
        .position(|r| r.client() == Client::Terraform);
    assert!(terraform > last_write && last_write.is_some());
    let journal = fs::read_to_string(test.run_folder().join("journal.jsonl")).unwrap();
    let steps: Vec<(String, String)> = journal
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|entry| entry["event"] == "step")
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap().to_owned();
            (text("step"), text("state"))
        })
        .collect();
    let told: Vec<String> = steps
        .iter()
        .map(|(step, state)| format!("{step} {state}"))
        .collect();
    assert_eq!(
        told[..4],
        [
            "lock_state begun",
            "write_state begun",
            "write_state done",
            "lock_state done"
        ]
    );
    rollback(&before);
    assert_eq!(test.current("dev", KEY), ("b".to_owned(), 7));
    // Where nothing is written, nothing is planned.
    test.proxy().forget();
    let run = test
        .tfw(["state", "rollback", "dev", "--yes", "--to", "latest"])
        .run()
        .succeeds();
    run.says("says that already: nothing to do");
    assert_eq!(test.proxy().count(|r| r.client() == Client::Terraform), 0);
    assert_eq!(test.proxy().count_tfw("PutObject"), 0);
}

#[test]
fn ctrl_c_in_the_middle_of_a_write_says_that_it_is_done() {
    let test = versioned(TestEnvironment::new());
    let gate = test
        .proxy()
        .when(|r| r.is_tfw("PutObject") && r.path.ends_with(KEY))
        .times(1)
        .hold();
    let rollback = test
        .tfw(["state", "rollback", "dev", "--to", "~1", "--yes", "--json"])
        .spawn();
    gate.wait_for_arrival();
    rollback.signal(Signal::INT);
    rollback.wait_for_output("starting nothing new");
    gate.open();
    let run = rollback.wait().exits(130);
    let report = run.json();
    let dev = the_unit(&report, "dev");
    assert_eq!(dev["result"], "succeeded");
    assert_eq!(dev["replaced"][0]["serial"], 6);
    run.says("`tfw plan dev` shows what Terraform would now do");
    assert_eq!(test.current("dev", KEY), ("a".to_owned(), 6));
    assert!(!test.locked("dev"));
    assert_eq!(test.proxy().count(|r| r.client() == Client::Terraform), 0);
}

#[test]
fn a_lock_that_may_have_been_taken_is_released_or_named() {
    let rollback = ["state", "rollback", "dev", "--to", "~1", "--yes"];
    // The server takes the lock, and no answer of it ever arrives.
    let test = versioned(TestEnvironment::new());
    test.proxy()
        .when(|r| r.is_tfw("PutObject") && r.path.ends_with(LOCK))
        .happens_after(|| {});
    let run = test.tfw(rollback).run();
    assert!(matches!(run.code(), 0 | 1), "{run:?}");
    assert!(!test.locked("dev"), "{run:?}");

    // And it cannot be looked at either.
    let test = versioned(TestEnvironment::new());
    test.proxy()
        .when(|r| r.is_tfw("PutObject") && r.path.ends_with(LOCK))
        .happens_after(|| {});
    test.proxy()
        .when(|r| r.is_tfw("GetObject") && r.path.ends_with(LOCK))
        .refuse(403, "AccessDenied");
    let run = test.tfw(rollback).run().exits(1);
    let lock: Value = serde_json::from_str(&test.object("dev", LOCK).unwrap()).unwrap();
    run.says("may be there all the same");
    let id = lock["ID"].as_str().unwrap();
    run.says(&format!("`tfw lock release dev --id {id}` removes it"));
    assert_eq!(test.current("dev", KEY), ("b".to_owned(), 5));
}

#[test]
fn a_lock_is_waited_for_as_long_as_the_manifest_says() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "lock_timeout = \"60s\"",
        &fixtures::builtin(),
    );
    test.create_versioned_bucket("dev");
    test.put_object("dev", KEY, &state_of("l", 4, "a"));
    test.put_object("dev", KEY, &state_of("l", 5, "b"));
    let held = r#"{"ID":"x-1","Operation":"OperationTypeApply","Who":"alice@elsewhere","Created":"2026-01-02T03:04:05Z"}"#;
    test.put_object("dev", LOCK, held);
    let rollback = test
        .tfw(["state", "rollback", "dev", "--to", "~1", "--yes"])
        .spawn();
    rollback.wait_for_output("waits for the state lock, which alice@elsewhere holds since");
    assert_eq!(test.current("dev", KEY), ("b".to_owned(), 5));
    test.delete_object("dev", LOCK);
    rollback.wait().succeeds();
    assert_eq!(test.current("dev", KEY), ("a".to_owned(), 6));
}

#[test]
fn a_lock_that_vanishes_while_it_is_looked_at_is_taken() {
    let test = versioned(TestEnvironment::new());
    let held = r#"{"ID":"x-1","Operation":"OperationTypeApply","Who":"alice@elsewhere"}"#;
    test.put_object("dev", LOCK, held);
    let gate = test
        .proxy()
        .when(|r| r.is_tfw("GetObject") && r.path.ends_with(LOCK))
        .times(1)
        .hold();
    let rollback = test
        .tfw(["state", "rollback", "dev", "--to", "~1", "--yes"])
        .spawn();
    gate.wait_for_arrival();
    test.delete_object("dev", LOCK);
    gate.open();
    rollback.wait().succeeds();
    assert_eq!(test.current("dev", KEY), ("a".to_owned(), 6));
}

#[test]
fn a_lock_is_released_without_the_right_to_delete_versions() {
    for test in [TestEnvironment::new(), TestEnvironment::on_seaweedfs()] {
        let test = versioned(test);
        // As Terraform's own policy has it: `s3:DeleteObject`, and no more.
        test.proxy()
            .when(|r| r.is_tfw("DeleteObject") && r.query.contains("versionId"))
            .refuse(403, "AccessDenied");
        test.tfw(["state", "rollback", "dev", "--to", "~1", "--yes"])
            .run()
            .succeeds();
        assert_eq!(test.current("dev", KEY), ("a".to_owned(), 6));
        assert!(!test.locked("dev"));
        let held = r#"{"ID":"x-1","Operation":"OperationTypeApply","Who":"alice@elsewhere"}"#;
        test.put_object("dev", LOCK, held);
        test.tfw(["lock", "release", "dev", "--id", "x-1", "--yes"])
            .run()
            .succeeds();
        assert!(!test.locked("dev"));
    }
}

#[test]
fn workspaces_with_every_name_that_terraform_takes_are_copied() {
    let test = TestEnvironment::new().environment("dev");
    test.create_versioned_bucket("dev");
    let name = "feature+x@1:2";
    let key = format!("env:/{name}/{KEY}");
    test.put_object("dev", &key, &state_of("l", 1, "feature"));
    let run = test
        .tfw(["state", "pull", "dev", "--out", "backup"])
        .run()
        .succeeds();
    run.says("copied 1 state into `backup`");
    let copy = test.read(&format!("backup/dev.{name}.tfstate"));
    assert_eq!(copy, state_of("l", 1, "feature"));
}

#[test]
fn a_state_that_cannot_be_read_back_is_told_with_where_to_look() {
    let test = versioned(TestEnvironment::new());
    let written = AtomicBool::new(false);
    test.proxy()
        .when(move |r| {
            if r.is_tfw("PutObject") && r.path.ends_with(KEY) {
                written.store(true, Ordering::Relaxed);
            }
            written.load(Ordering::Relaxed) && r.is_tfw("GetObject") && r.path.ends_with(KEY)
        })
        .refuse(403, "AccessDenied");
    let run = test
        .tfw(["state", "rollback", "dev", "--to", "~1", "--yes"])
        .run()
        .exits(1);
    run.says("was written, and cannot be read back");
    run.says(
        "hint: `tfw state history dev` tells what is there: the new state has the serial 6, and what was there before is a version of its own",
    );
    assert_eq!(test.current("dev", KEY), ("a".to_owned(), 6));
    assert!(!test.locked("dev"));
}
