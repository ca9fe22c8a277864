//! An older state made the current one, and a file pushed: under the lock, as a new version, with
//! nothing lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::{Client, TestEnvironment, fixtures, the_unit};

/// A state of two applies: `first`, and then `second`.
fn applied_twice(test: TestEnvironment) -> TestEnvironment {
    let main = |input: &str| {
        fixtures::builtin()
            + &format!("\nresource \"terraform_data\" \"more\" {{\n  input = \"{input}\"\n}}\n")
    };
    let test = test.environment_with("dev", "", &main("first"));
    test.create_versioned_bucket("dev");
    for input in ["first", "second"] {
        test.write("environments/dev/main.tf", &main(input));
        test.tfw(["apply", "dev", "--auto-approve"])
            .run()
            .succeeds();
    }
    test.proxy().forget();
    test
}

fn input(test: &TestEnvironment) -> String {
    let state = test.state("dev").unwrap();
    let resources = state["resources"].as_array().unwrap();
    let more = resources
        .iter()
        .find(|each| each["name"] == "more")
        .unwrap();
    let input = &more["instances"][0]["attributes"]["input"]["value"];
    let plain = &more["instances"][0]["attributes"]["input"];
    input.as_str().or(plain.as_str()).unwrap().to_owned()
}

fn serial(test: &TestEnvironment) -> u64 {
    test.state("dev").unwrap()["serial"].as_u64().unwrap()
}

/// The version of the last state with `first` in it.
fn first(test: &TestEnvironment) -> String {
    let history = test
        .tfw(["state", "history", "dev", "--limit", "0", "--json"])
        .run()
        .succeeds()
        .json();
    let versions = history["versions"].as_array().unwrap();
    let id = |each: &serde_json::Value| each["version_id"].as_str().unwrap().to_owned();
    let holds = |version: &String| {
        let shown = test
            .tfw(["state", "show", "dev", "terraform_data.more", "--json"])
            .args(["--version", version])
            .run();
        shown.stdout.contains("first")
    };
    versions.iter().map(id).find(holds).unwrap()
}

fn back_and_forth(test: &TestEnvironment) {
    let (before, lineage) = (serial(test), test.state("dev").unwrap()["lineage"].clone());
    let versions = test.versions("dev", "terraform.tfstate");
    let version = first(test);
    let refused = test
        .tfw(["state", "rollback", "dev", "--to", &version, "--no-input"])
        .run()
        .exits(4);
    refused.says("nobody agreed to rolling back the state");
    assert_eq!(input(test), "second");

    let rolled = test
        .tfw(["state", "rollback", "dev", "--to", &version, "--yes"])
        .run()
        .succeeds();
    rolled.says(&format!("has the serial {} now", before + 1));
    // What Terraform would now do.
    rolled.says("succeeded: 0 to add, 1 to change, 0 to destroy");
    assert_eq!((input(test).as_str(), serial(test)), ("first", before + 1));
    assert_eq!(test.state("dev").unwrap()["lineage"], lineage);
    assert_eq!(test.versions("dev", "terraform.tfstate"), versions + 1);
    assert!(!test.locked("dev"));

    // The next apply goes on from there.
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    assert_eq!(
        (input(test).as_str(), serial(test) > before + 1),
        ("second", true)
    );
}

#[test]
fn a_state_goes_back_and_the_next_apply_goes_on() {
    back_and_forth(&applied_twice(TestEnvironment::new()));
}

#[test]
fn a_state_goes_back_on_seaweedfs() {
    back_and_forth(&applied_twice(TestEnvironment::on_seaweedfs()));
}

#[test]
fn a_state_that_was_deleted_comes_back() {
    let test = applied_twice(TestEnvironment::new());
    let before = serial(&test);
    test.delete_object("dev", "terraform.tfstate");
    assert!(test.state("dev").is_none());
    test.tfw(["state", "rollback", "dev", "--to", "~0", "--yes"])
        .run()
        .succeeds();
    assert_eq!(
        (input(&test).as_str(), serial(&test)),
        ("second", before + 1)
    );
    test.tfw(["plan", "dev", "--detailed-exitcode"])
        .run()
        .succeeds();
}

#[test]
fn a_rollback_that_meets_somebody_is_refused_with_the_name() {
    let test = applied_twice(TestEnvironment::new());
    let version = first(&test);
    let lock = r#"{"ID":"x-1","Operation":"OperationTypeApply","Who":"alice@elsewhere","Created":"2026-01-02T03:04:05Z"}"#;
    test.put_object("dev", "terraform.tfstate.tflock", lock);
    let held = test
        .tfw([
            "state", "rollback", "dev", "--to", &version, "--yes", "--json",
        ])
        .run()
        .exits(5)
        .json();
    assert_eq!(the_unit(&held, "dev")["lock"]["who"], "alice@elsewhere");
    assert_eq!(input(&test), "second");
    assert_eq!(
        test.object("dev", "terraform.tfstate.tflock").unwrap(),
        lock
    );
}

#[test]
fn what_breaks_off_leaves_one_of_the_two_states_and_no_silent_lock() {
    for (operation, path) in [
        ("PutObject", "terraform.tfstate.tflock"),
        ("PutObject", "terraform.tfstate"),
        ("DeleteObject", "terraform.tfstate.tflock"),
    ] {
        let test = applied_twice(TestEnvironment::new());
        let version = first(&test);
        let history = test.history("dev");
        test.proxy()
            .when(move |r| r.is_tfw(operation) && r.path.ends_with(path))
            .refuse(403, "AccessDenied");
        let failed = test
            .tfw(["state", "rollback", "dev", "--to", &version, "--yes"])
            .run()
            .exits(1);
        failed.says("access denied");
        assert!(["first", "second"].contains(&input(&test).as_str()));
        for line in history
            .iter()
            .filter(|line| line.contains("terraform.tfstate "))
        {
            let id = line.split(' ').nth(2).unwrap();
            let kept = test.history("dev");
            assert!(kept.iter().any(|line| line.contains(id)), "{line}");
        }
        if let Some(lock) = test.object("dev", "terraform.tfstate.tflock") {
            let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
            failed.says(lock["ID"].as_str().unwrap());
        }
    }
}

#[test]
fn a_file_is_pushed_with_the_same_guards() {
    let test = applied_twice(TestEnvironment::new());
    let before = serial(&test);
    let pulled = test.tfw(["state", "pull", "dev"]).run().succeeds().stdout;
    let file = test.write("backup.tfstate", &pulled.replace("\"second\"", "\"third\""));
    let file = file.display().to_string();
    test.tfw(["state", "push", "dev", &file, "--yes"])
        .run()
        .succeeds();
    assert_eq!(
        (input(&test).as_str(), serial(&test)),
        ("third", before + 1)
    );
    // The same again is nothing to do.
    test.tfw(["state", "push", "dev", &file, "--yes"])
        .run()
        .succeeds()
        .says("the state says that already");
    let lineage = test.state("dev").unwrap()["lineage"].clone();
    let foreign = pulled.replace(lineage.as_str().unwrap(), "another-lineage");
    test.write("backup.tfstate", &foreign);
    let refused = test
        .tfw(["state", "push", "dev", &file, "--yes"])
        .run()
        .exits(4);
    refused.says("two lineages are two states");
    assert_eq!(serial(&test), before + 1);
}

/// Every request of a rollback, one after the other, is refused, breaks off, or is answered in vain:
/// the state is the old one or the new one, no version is lost, and a lock that stays is named.
fn broken_off_at_every_request(test: &TestEnvironment) {
    let other = |test: &TestEnvironment| {
        let wanted = if input(test) == "first" {
            "second"
        } else {
            "first"
        };
        let lists = test
            .tfw(["state", "history", "dev", "--limit", "0", "--json"])
            .run()
            .succeeds()
            .json();
        let versions = lists["versions"].as_array().unwrap().clone();
        let ids = versions
            .iter()
            .filter_map(|each| each["version_id"].as_str());
        let of_wanted = |id: &&str| {
            let text = test.tfw([
                "state",
                "show",
                "dev",
                "terraform_data.more",
                "--json",
                "--version",
                id,
            ]);
            text.run().stdout.contains(wanted)
        };
        ids.map(str::to_owned)
            .find(|id| of_wanted(&id.as_str()))
            .unwrap()
    };
    let versions = |test: &TestEnvironment| -> Vec<String> {
        let history = test.history("dev");
        let of_state = history
            .iter()
            .filter(|line| line.contains("terraform.tfstate "));
        of_state
            .map(|line| line.split(' ').nth(2).unwrap().to_owned())
            .collect()
    };
    for fault in ["refused", "broken off", "answered in vain"] {
        for index in 0.. {
            let (version, before) = (other(test), versions(test));
            let count = Arc::new(AtomicUsize::new(0));
            let (counted, armed) = (count.clone(), Arc::new(AtomicBool::new(true)));
            let is_armed = armed.clone();
            let when = test
                .proxy()
                .when(move |r| {
                    is_armed.load(Ordering::Relaxed)
                        && r.client() == Client::Tfw
                        && r.service() == Some("s3")
                        && counted.fetch_add(1, Ordering::Relaxed) == index
                })
                .times(1);
            match fault {
                "refused" => when.refuse(403, "AccessDenied"),
                "broken off" => when.disconnect(),
                _ => when.happens_after(|| {}),
            }
            let run = test
                .tfw(["state", "rollback", "dev", "--to", &version, "--yes"])
                .run();
            armed.store(false, Ordering::Relaxed);
            let said = format!("{}{}", run.stdout, run.stderr);
            let story = format!("request {index} {fault}: {said}");
            assert!(
                ["first", "second"].contains(&input(test).as_str()),
                "{story}"
            );
            let after = versions(test);
            assert!(before.iter().all(|id| after.contains(id)), "{story}");
            if let Some(lock) = test.object("dev", "terraform.tfstate.tflock") {
                let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
                let id = lock["ID"].as_str().unwrap();
                assert!(said.contains(id), "a silent lock, {story}");
                test.tfw(["lock", "release", "dev", "--id", id, "--yes"])
                    .run()
                    .succeeds();
            }
            if count.load(Ordering::Relaxed) <= index {
                assert!(index > 5, "{story}");
                break;
            }
        }
    }
}

#[test]
fn a_rollback_breaks_off_at_every_request() {
    broken_off_at_every_request(&applied_twice(TestEnvironment::new()));
}

#[test]
fn a_rollback_breaks_off_at_every_request_on_seaweedfs() {
    broken_off_at_every_request(&applied_twice(TestEnvironment::on_seaweedfs()));
}
