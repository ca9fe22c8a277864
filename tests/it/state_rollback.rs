//! An older state made the current one, and a file pushed: under the lock, as a new version, with
//! nothing lost.

use crate::support::{Terminal, TestEnvironment, fixtures, the_unit};

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
    assert_eq!((input(test).as_str(), serial(test)), ("second", before + 2));
}

#[test]
fn a_state_goes_back_and_the_next_apply_goes_on() {
    back_and_forth(&applied_twice(TestEnvironment::new()));
}

#[test]
fn a_state_goes_back_on_seaweedfs() {
    back_and_forth(&applied_twice(TestEnvironment::on_seaweedfs()));
}

fn deleted_and_back(test: &TestEnvironment) {
    let before = serial(test);
    let lineage = test.state("dev").unwrap()["lineage"].clone();
    test.delete_object("dev", "terraform.tfstate");
    assert!(test.state("dev").is_none());
    let back = test
        .tfw(["state", "rollback", "dev", "--to", "~0", "--yes"])
        .run()
        .succeeds();
    back.says(
        "has no state now; this one has 2 resources: terraform_data.more, terraform_data.this",
    );
    assert_eq!((input(test).as_str(), serial(test)), ("second", before + 1));
    assert_eq!(test.state("dev").unwrap()["lineage"], lineage);
    test.tfw(["plan", "dev", "--detailed-exitcode"])
        .run()
        .succeeds();
}

#[test]
fn a_state_that_was_deleted_comes_back() {
    deleted_and_back(&applied_twice(TestEnvironment::new()));
}

#[test]
fn a_state_that_was_deleted_comes_back_on_seaweedfs() {
    deleted_and_back(&applied_twice(TestEnvironment::on_seaweedfs()));
}

/// Every applied state is one of the versions, and any of them can be the next one.
fn a_hundred_real_applies(test: TestEnvironment) {
    const APPLIES: usize = 100;
    let main = r#"terraform {
  backend "s3" {}
}

variable "step" { type = number }

resource "terraform_data" "counter" {
  input = var.step
}

# One more with every tenth step, and the one before goes.
resource "terraform_data" "decade" {
  for_each = toset([tostring(floor(var.step / 10))])
  input    = each.key
}
"#;
    let test = test.environment_with("dev", "vars = { step = 1 }", main);
    test.create_versioned_bucket("dev");
    for step in 1..=APPLIES {
        let step = format!("-var=step={step}");
        test.tfw([
            "exec",
            "dev",
            "--",
            "apply",
            "-auto-approve",
            "-input=false",
        ])
        .args([step])
        .run()
        .succeeds();
    }
    let history = || {
        let command = ["state", "history", "dev", "--limit", "0", "--json"];
        let document = test.tfw(command).run().succeeds().json();
        document["versions"].as_array().unwrap().clone()
    };
    let versions = history();
    assert_eq!(versions.len(), APPLIES);
    let lineage = &test.state("dev").unwrap()["lineage"];
    for (index, version) in versions.iter().enumerate() {
        let step = APPLIES - index;
        assert_eq!(version["serial"], step, "{version}");
        assert_eq!(version["lineage"], *lineage, "{version}");
        assert_eq!(version["resources"], 2, "{version}");
        assert_eq!(version["latest"], index == 0, "{version}");
        let changes = match step {
            1 => serde_json::Value::Null,
            step if step % 10 == 0 => serde_json::json!({"add": 1, "change": 1, "destroy": 1}),
            _ => serde_json::json!({"add": 0, "change": 1, "destroy": 0}),
        };
        assert_eq!(version["changes"], changes, "step {step}");
    }

    // By its serial, by the way back to it, and by its id it is the same state.
    let shown = |version: &str| {
        let command = ["state", "show", "dev", "terraform_data.counter", "--json"];
        let shown = test.tfw(command).args(["--version", version]).run();
        shown.succeeds().json()["resources"][0]["attributes"]["input"].clone()
    };
    let of_42 = versions[APPLIES - 42]["version_id"].as_str().unwrap();
    for name in ["42", "~58", of_42] {
        let input = shown(name);
        assert!(input == 42 || input["value"] == 42, "{name}: {input}");
    }
    let diff = test
        .tfw(["state", "diff", "dev", "42", "latest", "--json"])
        .run()
        .succeeds()
        .json();
    let told: Vec<String> = diff["resources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|each| format!("{} {}", each["action"], each["address"]))
        .collect();
    let expected = [
        r#""change" "terraform_data.counter""#,
        r#""add" "terraform_data.decade[\"10\"]""#,
        r#""destroy" "terraform_data.decade[\"4\"]""#,
    ];
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(told), sorted(expected.map(str::to_owned).into()));

    let rolled = test
        .tfw(["state", "rollback", "dev", "--to", "42", "--yes"])
        .run()
        .succeeds();
    // The manifest says step 1.
    rolled.says("succeeded: 1 to add, 1 to change, 1 to destroy");
    let state = test.state("dev").unwrap();
    assert_eq!(
        (&state["serial"], &state["lineage"]),
        (&101.into(), lineage)
    );
    assert_eq!(history().len(), APPLIES + 1);
    let command = [
        "state",
        "diff",
        "dev",
        "42",
        "latest",
        "--detailed-exitcode",
    ];
    test.tfw(command)
        .run()
        .succeeds()
        .says("no resource and no output differs");
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    assert_eq!(serial(&test), 102);
    assert_eq!(history().len(), APPLIES + 2);
}

#[test]
fn a_hundred_real_applies_are_told_and_brought_back() {
    a_hundred_real_applies(TestEnvironment::new());
}

#[test]
fn a_hundred_real_applies_are_told_and_brought_back_on_seaweedfs() {
    a_hundred_real_applies(TestEnvironment::on_seaweedfs());
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
fn a_rollback_beside_a_running_apply_is_refused_with_its_name() {
    let test = applied_twice(TestEnvironment::new());
    // All of it anew, which takes as long as the test wants.
    let main = fixtures::gated().replace("\"this\"", "\"that\"");
    let main = main.replace("terraform_data.this", "terraform_data.that");
    test.write("environments/dev/main.tf", &main);
    let mut apply = test.tfw(["apply", "dev", "--auto-approve"]).spawn();
    apply.wait_for_file(&test.path("environments/dev/started"));
    let before = test.versions("dev", "terraform.tfstate");
    let held = test
        .tfw(["state", "rollback", "dev", "--to", "~1", "--yes", "--json"])
        .run()
        .exits(5)
        .json();
    let dev = the_unit(&held, "dev");
    assert_eq!(dev["lock"]["operation"], "OperationTypeApply");
    let who = dev["lock"]["who"].as_str().unwrap();
    let reason = dev["reason"].as_str().unwrap();
    assert!(reason.contains(who) && who.contains('@'), "{reason}");
    assert_eq!(test.versions("dev", "terraform.tfstate"), before);
    test.write("environments/dev/finish", "");
    apply.wait().succeeds();
    assert!(!test.locked("dev"));
}

const YES: &str = "Type `yes` to agree, anything else to decline: ";

/// A rollback on a terminal that has shown what it would do, and asks.
fn asked(test: &TestEnvironment) -> Terminal {
    let version = first(test);
    let mut terminal = test
        .tfw(["state", "rollback", "dev", "--to", &version])
        .on_terminal();
    terminal.wait_for("input.value: \"second\" → \"first\"");
    terminal.wait_for(YES);
    terminal
}

#[test]
fn the_lock_is_held_while_a_person_thinks() {
    let test = applied_twice(TestEnvironment::new());
    let history = test.versions("dev", "terraform.tfstate");
    for (answer, code) in [("no", 4), ("\u{3}", 130)] {
        let terminal = asked(&test);
        assert!(test.locked("dev"));
        let apply = test.tfw(["apply", "dev", "--auto-approve"]).run().exits(5);
        apply.says("for `rollback`");
        if code == 4 {
            terminal.type_line(answer);
        } else {
            terminal.type_text(answer);
        }
        terminal.exits(code);
        assert!(!test.locked("dev"), "{answer}");
        assert_eq!(test.versions("dev", "terraform.tfstate"), history);
    }
    let terminal = asked(&test);
    terminal.type_line("yes");
    let screen = terminal.exits(0);
    assert!(screen.contains("1 to change"), "{screen}");
    assert_eq!(input(&test), "first");
}

#[test]
fn a_rollback_whose_lock_is_taken_away_writes_nothing() {
    let test = applied_twice(TestEnvironment::new());
    let terminal = asked(&test);
    let lock = test.object("dev", "terraform.tfstate.tflock").unwrap();
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    let id = lock["ID"].as_str().unwrap();
    test.tfw(["lock", "release", "dev", "--id", id, "--yes"])
        .run()
        .succeeds();
    let bobs = r#"{"ID":"l-2","Operation":"OperationTypeApply","Who":"bob@ci","Created":"2026-01-02T03:04:05Z"}"#;
    test.put_object("dev", "terraform.tfstate.tflock", bobs);
    terminal.type_line("yes");
    let screen = terminal.exits(4);
    assert!(screen.contains("bob@ci holds"), "{screen}");
    assert_eq!(input(&test), "second");
    assert_eq!(
        test.object("dev", "terraform.tfstate.tflock").unwrap(),
        bobs
    );
}

#[test]
fn a_state_that_moves_before_the_lock_is_had_is_not_overwritten() {
    let test = applied_twice(TestEnvironment::new());
    let (version, before) = (first(&test), serial(&test));
    let gate = test
        .proxy()
        .when(|r| r.is_tfw("PutObject") && r.path.ends_with(".tflock"))
        .times(1)
        .hold();
    let rollback = test
        .tfw(["state", "rollback", "dev", "--to", &version, "--yes"])
        .spawn();
    gate.wait_for_arrival();
    let main = test.read("environments/dev/main.tf");
    test.write(
        "environments/dev/main.tf",
        &main.replace("\"second\"", "\"third\""),
    );
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    gate.open();
    let refused = rollback.wait().exits(4);
    refused.says("has changed since it was looked at");
    assert_eq!(
        (input(&test).as_str(), serial(&test)),
        ("third", before + 1)
    );
    assert!(!test.locked("dev"));
}

#[test]
fn what_cannot_be_rolled_back_names_the_way_that_is_left() {
    let test = TestEnvironment::new().environment("dev").environment_with(
        "lab",
        "backend.type = \"local\"",
        &fixtures::local(&fixtures::builtin()),
    );
    let main = fixtures::builtin().replace(
        "backend \"s3\" {}",
        "backend \"s3\" {\n    dynamodb_table = \"tfw-locks\"\n  }",
    );
    test.write("environments/dev/main.tf", &main);
    let file = test.write("old.tfstate", "{}").display().to_string();
    let rollback = ["state", "rollback", "dev", "--to", "~1", "--yes"];
    let refused = test.tfw(rollback).run().exits(4);
    refused.says("the state is locked in the DynamoDB table `tfw-locks`");
    refused.says("`tfw state pull dev --version ~1 > old.tfstate`");
    refused.says("`tfw exec dev -- state push old.tfstate`");
    let push = ["state", "push", "dev", &file, "--yes"];
    let refused = test.tfw(push).run().exits(4);
    refused.says("the state is locked in the DynamoDB table `tfw-locks`");
    refused.says(&format!("`tfw exec dev -- state push {file}`"));
    let local = ["state", "rollback", "lab", "--to", "~1", "--yes"];
    let refused = test.tfw(local).run().exits(4);
    refused.says("the state of `lab` is not in S3");
    assert_eq!(test.proxy().count(|r| r.service() == Some("s3")), 0);
}
