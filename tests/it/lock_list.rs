//! Who holds which lock: in S3 and in files, in every workspace, and whether it is one's own.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::{Client, TestEnvironment, fixtures, texts, wait_until};

const KEY: &str = "terraform.tfstate.tflock";

/// What Terraform 1.11.4 writes into a `.tflock`.
fn lock(id: &str, who: &str) -> String {
    format!(
        r#"{{"ID":"{id}","Operation":"OperationTypeApply","Info":"","Who":"{who}","Version":"1.11.4","Created":"2026-01-02T03:04:05.986830795Z","Path":"b/k"}}"#
    )
}

fn listed(test: &TestEnvironment) -> Vec<Value> {
    let run = test.tfw(["lock", "list", "--all", "--json"]).run();
    let document = run.succeeds().json();
    assert_eq!(document["schema"], 1);
    document["locks"].as_array().unwrap().clone()
}

fn every_lock_of_every_workspace_is_told(test: TestEnvironment) {
    let test = test
        .environment("dev")
        .environment("staging")
        .environment("prod")
        .environment("lab");
    for environment in ["dev", "staging", "prod"] {
        test.create_bucket(environment);
    }
    test.put_object("dev", KEY, &lock("l-dev", "alice@laptop"));
    test.put_object(
        "prod",
        &format!("env:/blue/{KEY}"),
        &lock("l-blue", "bob@ci"),
    );
    // Somebody else's key, and a state without a lock.
    test.put_object("prod", "env:/blue/other.tflock", &lock("l-x", "eve@ci"));
    test.put_object("prod", "env:/green/terraform.tfstate", "{}");
    test.put_object("staging", KEY, "garbage");
    test.without_terraform();
    test.proxy().forget();

    let locks = listed(&test);
    assert_eq!(
        locks,
        [
            json!({
                "unit": "dev", "workspace": "default", "id": "l-dev", "who": "alice@laptop",
                "operation": "OperationTypeApply", "created": "2026-01-02T03:04:05.986830795Z",
                "terraform_version": "1.11.4", "mine": null,
            }),
            json!({
                "unit": "staging", "workspace": "default", "id": null, "who": null,
                "operation": null, "created": null, "terraform_version": null, "mine": null,
            }),
            json!({
                "unit": "prod", "workspace": "blue", "id": "l-blue", "who": "bob@ci",
                "operation": "OperationTypeApply", "created": "2026-01-02T03:04:05.986830795Z",
                "terraform_version": "1.11.4", "mine": null,
            }),
        ]
    );
    test.proxy().assert_expected_owner();
    let of_s3 = |method: &'static str| {
        test.proxy()
            .count(move |r| r.service() == Some("s3") && r.method == method)
    };
    // A read of each unit's lock, and a list of its other workspaces.
    assert_eq!(of_s3("GET"), 4 * 2 + 1);
    assert_eq!((of_s3("PUT"), of_s3("DELETE")), (0, 0));

    let run = test.tfw(["lock", "list", "--all"]).run().succeeds();
    run.says("UNIT     WORKSPACE  HOLDER        OPERATION");
    run.says("prod     blue       bob@ci");
    run.says("3 locks in 4 units");
    assert_eq!(run.stderr, "");

    let run = test.tfw(["lock", "show", "prod"]).run().succeeds();
    run.says("prod is locked by bob@ci");
    run.says("`tfw lock release prod --id l-blue --workspace blue`");
    let run = test.tfw(["lock", "show", "staging"]).run().succeeds();
    run.says("it does not say whose it is");
    let run = test.tfw(["lock", "show", "lab"]).run().succeeds();
    assert_eq!(run.stdout, "nobody holds a lock of lab\n");
    let run = test.tfw(["lock", "list", "lab"]).run().succeeds();
    assert_eq!(run.stdout, "no state is locked (1 unit looked at)\n");
}

#[test]
fn lock_list_tells_every_lock_of_every_workspace() {
    every_lock_of_every_workspace_is_told(TestEnvironment::new());
}

#[test]
fn lock_list_tells_the_same_on_seaweedfs() {
    every_lock_of_every_workspace_is_told(TestEnvironment::on_seaweedfs());
}

#[test]
fn lock_list_tells_a_shared_key_once() {
    let stack = |name: &str| {
        format!(
            "[environments.dev.stacks.{name}]\npath = \"dev\"\nbackend = {{ key = \"k\", workspace = \"{name}\" }}\n"
        )
    };
    let keys = stack("blue") + &stack("green");
    let test = TestEnvironment::new().environment_with("dev", &keys, &fixtures::builtin());
    test.create_bucket("dev");
    for workspace in ["blue", "green", "red"] {
        let key = format!("env:/{workspace}/k.tflock");
        test.put_object("dev", &key, &lock(workspace, "alice@laptop"));
    }
    let locks = listed(&test);
    let told: Vec<String> = locks
        .iter()
        .map(|lock| {
            format!(
                "{} {}",
                lock["unit"].as_str().unwrap(),
                lock["id"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(told, ["dev/blue blue", "dev/blue red", "dev/green green"]);
}

#[test]
fn lock_list_knows_its_own_runs_and_whether_they_live() {
    let test = TestEnvironment::new().environment_with("dev", "", &fixtures::gated());
    let mut apply = test
        .tfw(["apply", "dev", "--yes", "--auto-approve"])
        .spawn();
    apply.wait_for_file(&test.path("environments/dev/started"));
    let run_id = test
        .run_folder()
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();

    let own = listed(&test)[0]["mine"].clone();
    assert_eq!(
        own,
        json!({
            "run_id": run_id, "command": "apply",
            "pid": apply.pid().as_raw_nonzero().get(), "alive": true, "certain": false,
        })
    );
    let run = test.tfw(["lock", "show", "dev"]).run().succeeds();
    run.says("still at work");

    // tfw dies, and its Terraform goes on.
    apply.signal(Signal::KILL);
    apply.wait().exits(137);
    assert_eq!(listed(&test)[0]["mine"]["alive"], true);

    let locks = fs::read_dir(test.path("environments/.tfw/cache/locks")).unwrap();
    let terraform = locks
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .find_map(|text| text.trim().parse().ok().and_then(Pid::from_raw))
        .unwrap();
    kill_process(terraform, Signal::KILL).unwrap();
    wait_until("the end of Terraform", || {
        (listed(&test)[0]["mine"]["alive"] == false).then_some(())
    });
    test.write("environments/dev/finish", "");
    let run = test.tfw(["lock", "show", "dev"]).run().succeeds();
    run.says("no longer at work");
    let id = listed(&test)[0]["id"].as_str().unwrap().to_owned();
    test.tfw(["lock", "release", "dev", "--id", &id, "--yes"])
        .run()
        .succeeds();
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    assert!(listed(&test).is_empty());
}

#[test]
fn lock_list_takes_a_lock_of_elsewhere_for_nobodys_run() {
    let test = TestEnvironment::new().environment("dev");
    test.create_bucket("dev");
    let foreign = lock("x", "alice@laptop").replace(
        r#""Info":"""#,
        r#""Info":"tfw run 20260101T000000Z-000000""#,
    );
    test.put_object("dev", KEY, &foreign);
    assert_eq!(
        listed(&test)[0]["mine"],
        Value::Null,
        "no such run is known here"
    );
    let here = rustix::system::uname();
    let here = format!("alice@{}", here.nodename().to_string_lossy());
    test.put_object("dev", KEY, &lock("x", &here));
    assert_eq!(listed(&test)[0]["mine"], Value::Null);
    let run = test.tfw(["lock", "show", "dev"]).run().succeeds();
    run.says("is on this machine, and no run of tfw's");
}

#[test]
fn lock_list_reads_what_lies_beside_a_local_state() {
    let main = fixtures::local(&fixtures::gated());
    let test = TestEnvironment::offline().environment_with("dev", "", &main);
    let mut apply = test.tfw(["apply", "dev", "--auto-approve"]).spawn();
    apply.wait_for_file(&test.path("environments/dev/started"));
    let locks = listed(&test);
    assert_eq!(locks.len(), 1);
    assert_eq!(locks[0]["mine"]["alive"], true);
    let run = test.tfw(["lock", "show", "dev"]).run().succeeds();
    run.says("ends with the process that works on the state");
    let id = locks[0]["id"].as_str().unwrap();
    let refused = test
        .tfw(["lock", "release", "dev", "--id", id, "--yes"])
        .run()
        .exits(4);
    refused.says("a local state is locked by the process that works on it");
    test.write("environments/dev/finish", "");
    apply.wait().succeeds();
    assert!(listed(&test).is_empty());
}

#[test]
fn lock_list_tells_dynamodb_apart() {
    let test = TestEnvironment::new().environment("dev").environment_with(
        "prod",
        "backend.use_lockfile = false",
        &fixtures::builtin(),
    );
    let main = fixtures::builtin().replace(
        "backend \"s3\" {}",
        "backend \"s3\" {\n    dynamodb_table = \"tfw-locks\"\n  }",
    );
    test.write("environments/dev/main.tf", &main);
    test.create_bucket("dev");
    test.put_object("dev", KEY, &lock("l-dev", "alice@laptop"));
    let run = test
        .tfw(["lock", "list", "--all", "--json"])
        .run()
        .succeeds();
    let document = run.json();
    assert_eq!(document["locks"][0]["id"], "l-dev", "Terraform takes both");
    let told = texts(&document).join("\n");
    assert!(
        told.contains("`dev`: its lock in the DynamoDB table `tfw-locks` is not looked at"),
        "{told}"
    );
    assert!(told.contains("`prod`: nothing locks its state"), "{told}");
    let run = test.tfw(["lock", "show", "dev"]).run().succeeds();
    run.says("`tfw exec dev -- force-unlock l-dev`");

    let release = |unit| {
        test.tfw(["lock", "release", unit, "--id", "l-dev", "--yes"])
            .run()
            .exits(4)
    };
    let refused = release("dev");
    refused.says("the state is locked in the DynamoDB table `tfw-locks`");
    refused.says("`tfw exec dev -- force-unlock l-dev`");
    release("prod").says("nothing locks the state");
    assert!(test.locked("dev"));
    assert_eq!(test.proxy().count(|r| r.client() == Client::Terraform), 0);
}

#[test]
fn lock_list_goes_on_where_other_workspaces_may_not_be_listed() {
    let test = TestEnvironment::new().environment("dev");
    test.create_bucket("dev");
    test.put_object("dev", KEY, &lock("l-dev", "alice@laptop"));
    test.proxy()
        .when(|r| r.is_tfw("ListObjects"))
        .refuse(403, "AccessDenied");
    let run = test.tfw(["lock", "list", "dev", "--json"]).run().succeeds();
    let document = run.json();
    assert_eq!(document["locks"][0]["id"], "l-dev");
    let told = texts(&document).join("\n");
    assert!(
        told.contains("locks of other workspaces are not looked at"),
        "{told}"
    );
}

#[test]
fn lock_list_looks_at_all_units_at_once() {
    const UNITS: usize = 6;
    let mut test = TestEnvironment::new();
    for number in 0..UNITS {
        test = test.environment(&format!("env{number}"));
    }
    for number in 0..UNITS {
        test.create_bucket(&format!("env{number}"));
    }
    let gate = test
        .proxy()
        .when(|r| r.is_tfw("GetObject") && r.path.ends_with(".tflock"))
        .times(UNITS)
        .hold();
    let list = test.tfw(["lock", "list", "--all"]).spawn();
    for _ in 0..UNITS {
        gate.wait_for_arrival();
    }
    gate.open();
    list.wait().succeeds().says("no state is locked");
}
