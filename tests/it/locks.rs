//! State locks: somebody else's, the race for one, and one that is left.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Client, Request, TestEnvironment, fixtures, texts, the_unit};

const LOCK: &str = "terraform.tfstate.tflock";

/// What Terraform 1.11.4 writes into a `.tflock`.
const HELD: &str = r#"{"ID":"4bb62615-0184-90de-d3f5-c7d319d2f2d5","Operation":"OperationTypeApply","Info":"","Who":"somebody@elsewhere","Version":"1.11.4","Created":"2026-11-22T00:06:28.986830795Z","Path":"bucket/terraform.tfstate"}"#;

fn takes_lock(request: &Request) -> bool {
    request.client() == Client::Terraform
        && request.operation() == "PutObject"
        && request.path.ends_with(".tflock")
}

#[test]
fn a_held_lock_is_told_with_its_holder() {
    let test = TestEnvironment::new().environment("dev");
    test.create_bucket("dev");
    test.put_object("dev", LOCK, HELD);
    for command in [
        &["plan", "dev", "--json"][..],
        &["apply", "dev", "--auto-approve", "--json"],
    ] {
        let report = test.tfw([]).args(command).run().exits(5).json();
        assert_eq!(report["result"], "locked");
        let dev = the_unit(&report, "dev");
        assert_eq!(dev["result"], "locked");
        assert_eq!(
            dev["lock"],
            serde_json::json!({
                "id": "4bb62615-0184-90de-d3f5-c7d319d2f2d5",
                "who": "somebody@elsewhere",
                "operation": "OperationTypeApply",
                "created": "2026-11-22T00:06:28.986830795Z",
            })
        );
        let reason = dev["reason"].as_str().unwrap();
        assert!(reason.contains("locked by somebody@elsewhere"), "{reason}");
        let told = texts(dev).join("\n");
        for command in [
            "`tfw lock show dev`",
            "`tfw lock release dev --id 4bb62615-0184-90de-d3f5-c7d319d2f2d5`",
        ] {
            assert!(told.contains(command), "{told}");
        }
    }
    // For people, neither of Terraform's own box.
    for command in [&["plan", "dev"][..], &["apply", "dev", "--auto-approve"]] {
        let run = test.tfw([]).args(command).run().exits(5);
        run.says("is locked by somebody@elsewhere since 2026-11-22");
        run.says("hint: `tfw lock show dev` tells whose it is");
        for boxed in ["Error acquiring the state lock", "╷", "Lock Info"] {
            assert!(!run.stdout.contains(boxed), "{}", run.stdout);
        }
    }
    assert_eq!(
        test.object("dev", LOCK).as_deref(),
        Some(HELD),
        "nobody broke it"
    );
    assert_eq!(test.state("dev"), None);
}

#[test]
fn a_lock_is_waited_for_as_long_as_the_manifest_says() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "lock_timeout = \"30s\"",
        &fixtures::builtin(),
    );
    test.create_bucket("dev");
    test.put_object("dev", LOCK, HELD);
    let plan = test.tfw(["plan", "dev"]).spawn();
    test.proxy().wait_for("an attempt", takes_lock);
    plan.wait_for_output(
        "waits for the state lock, which somebody@elsewhere holds since 2026-11-22",
    );
    test.delete_object("dev", LOCK);
    plan.wait().succeeds();
    assert!(test.proxy().count(takes_lock) >= 2);
    assert!(!test.locked("dev"));
}

#[test]
fn a_lock_that_vanishes_while_it_is_looked_at_is_tried_again() {
    let test = TestEnvironment::new().environment("dev");
    test.create_bucket("dev");
    // Held when Terraform tries to take it, gone when it looks who has it.
    test.proxy()
        .when(takes_lock)
        .times(1)
        .refuse(412, "PreconditionFailed");
    let run = test.tfw(["plan", "dev"]).run().succeeds();
    assert!(
        run.stdout.contains("`terraform plan` is tried again"),
        "{}",
        run.stdout
    );
    assert_eq!(test.proxy().count(takes_lock), 2);
    assert!(!test.locked("dev"));
}

#[test]
fn a_lock_that_an_apply_could_not_release_is_told_with_its_way_out() {
    let test = TestEnvironment::new().environment("dev");
    let applied = AtomicBool::new(false);
    test.proxy()
        .when(move |request| {
            if request.path.ends_with(".tfstate") && request.operation() == "PutObject" {
                applied.store(true, Ordering::Relaxed);
            }
            request.operation() == "DeleteObject" && applied.load(Ordering::Relaxed)
        })
        .times(1)
        .refuse(403, "AccessDenied");
    // Terraform 1.11.4 ends with 1 then, although all that it was to do is done.
    let run = test
        .tfw(["apply", "dev", "--yes", "--auto-approve", "--json"])
        .run()
        .exits(1);
    assert!(test.state("dev").is_some());
    let lock: serde_json::Value = serde_json::from_str(&test.object("dev", LOCK).unwrap()).unwrap();
    let id = lock["ID"].as_str().unwrap();
    let report = run.json();
    let dev = the_unit(&report, "dev");
    assert_eq!(dev["result"], "failed");
    let told = texts(dev).join("\n");
    assert!(told.contains("warning: a state lock is left"), "{told}");
    assert_eq!(dev["lock"]["id"], id);
    assert!(told.contains(id), "{told}");
    assert!(run.stderr.contains(id), "{}", run.stderr);

    // The way out that it names.
    let release = format!("`tfw lock release dev --id {id}`");
    assert!(told.contains(&release), "{told}");
    test.tfw(["lock", "release", "dev", "--id", id, "--yes"])
        .run()
        .succeeds();
    assert!(!test.locked("dev"));
    test.tfw(["plan", "dev"]).run().succeeds();
}

#[test]
fn a_lock_that_a_plan_leaves_is_told_with_its_way_out() {
    let test = TestEnvironment::new().environment("dev");
    test.create_bucket("dev");
    test.proxy()
        .when(|r| r.client() == Client::Terraform && r.operation() == "DeleteObject")
        .times(1)
        .refuse(403, "AccessDenied");
    let run = test.tfw(["plan", "dev", "--json"]).run().exits(1);
    let lock: serde_json::Value = serde_json::from_str(&test.object("dev", LOCK).unwrap()).unwrap();
    let id = lock["ID"].as_str().unwrap();
    let report = run.json();
    let dev = the_unit(&report, "dev");
    assert_eq!(dev["lock"]["id"], id);
    let told = texts(dev).join("\n");
    assert!(told.contains("warning: a state lock is left"), "{told}");
    let release = format!("`tfw lock release dev --id {id}`");
    assert!(told.contains(&release), "{told}");
}
