//! Files made current states: one of a person's, or those of a backup; nothing that is not meant is
//! overwritten.

use std::fs;

use serde_json::{Value, json};

use crate::support::states::{content, state_of};
use crate::support::{Client, TestEnvironment, fixtures, the_unit};

const KEY: &str = "terraform.tfstate";

#[test]
fn a_file_is_pushed_with_the_guards_of_a_rollback() {
    let test = TestEnvironment::new().environment("dev");
    test.create_versioned_bucket("dev");
    test.put_object("dev", KEY, &state_of("l", 7, "a"));
    let file = test.write("backup.tfstate", &state_of("l", 3, "b"));
    let file = file.display().to_string();
    let push = || test.tfw(["state", "push", "dev", &file, "--yes"]);
    let refused = test.tfw(["state", "push", "dev", &file]).run().exits(4);
    refused.says("nobody agreed to pushing the state");
    let pushed = push().run().succeeds();
    pushed.says("input.value: \"a\" → \"b\"");
    pushed.says("has the serial 8 now");
    // What Terraform would now do.
    pushed.says("succeeded: 0 to add, 1 to change, 0 to destroy");
    assert_eq!(test.current("dev", KEY), ("b".to_owned(), 8));
    // The same again is nothing to do.
    push()
        .run()
        .succeeds()
        .says("says that already: nothing to do");

    // A file that is ahead stays ahead.
    test.write("backup.tfstate", &state_of("l", 20, "c"));
    push().run().succeeds();
    assert_eq!(test.current("dev", KEY), ("c".to_owned(), 21));

    test.write("backup.tfstate", &state_of("another", 30, "d"));
    push().run().exits(4).says("two lineages are two states");
    for (text, said) in [
        ("no state", "backup.tfstate`: it is not a Terraform state"),
        ("", "is empty: there is no state in it"),
        (r#"{"version": 4}"#, "has no lineage"),
    ] {
        test.write("backup.tfstate", text);
        push().run().exits(1).says(said);
    }
    let lock = r#"{"ID":"x-1","Operation":"OperationTypeApply","Who":"alice@elsewhere"}"#;
    test.put_object("dev", "terraform.tfstate.tflock", lock);
    test.write("backup.tfstate", &state_of("l", 3, "e"));
    push().run().exits(5).says("is locked by alice@elsewhere");
    assert_eq!(test.current("dev", KEY), ("c".to_owned(), 21));
    for wrong in [&["dev"][..], &["dev", &file, "x"], &["dev", "--all"]] {
        let run = test.tfw(["state", "push"]).args(wrong).run().exits(3);
        run.says("takes one unit and one file");
    }
}

/// `dev` with two workspaces, two stacks of `prod`, and `lab` without a state; and a backup of them.
fn backed_up(test: TestEnvironment) -> TestEnvironment {
    let test = test
        .environment("dev")
        .environment_with(
            "prod",
            "[environments.prod.stacks.app]\npath = \"dev\"\n[environments.prod.stacks.net]\npath = \"dev\"\n",
            "",
        )
        .environment("lab");
    for environment in ["dev", "prod", "lab"] {
        test.create_versioned_bucket(environment);
    }
    test.put_object("dev", KEY, &state_of("l-dev", 3, "dev"));
    let blue = format!("env:/blue/{KEY}");
    test.put_object("dev", &blue, &state_of("l-blue", 4, "blue"));
    for stack in ["app", "net"] {
        let key = format!("{stack}/{KEY}");
        test.put_object("prod", &key, &state_of(&format!("l-{stack}"), 5, stack));
    }
    test.tfw(["state", "pull", "--all", "--out", "backup"])
        .run()
        .succeeds();
    // Then something happened to some of them.
    test.put_object("dev", &blue, &state_of("l-blue", 5, "broken"));
    test.put_object("dev", KEY, &state_of("l-dev", 9, "broken"));
    test.delete_object("prod", &format!("net/{KEY}"));
    test.put_object("lab", KEY, &state_of("l-lab", 1, "lab"));
    test.proxy().forget();
    test
}

fn a_backup_comes_back(test: TestEnvironment) {
    let test = backed_up(test);
    let run = test
        .tfw(["state", "push", "--from", "backup", "--yes", "--json"])
        .run()
        .succeeds();
    let report = run.json();
    let units: Vec<&Value> = report["units"]
        .as_array()
        .unwrap()
        .iter()
        .map(|unit| &unit["unit"])
        .collect();
    assert_eq!(units, ["dev", "prod/app", "prod/net"]);
    run.says("/app/terraform.tfstate` says that already: nothing to do");
    run.says("next: where these changes are meant: tfw apply ");
    assert!(!run.stderr.contains("apply --from"), "{}", run.stderr);
    let of = |environment, key: &str| test.current(environment, key);
    assert_eq!(of("dev", KEY), ("dev".to_owned(), 10));
    assert_eq!(
        of("dev", &format!("env:/blue/{KEY}")),
        ("blue".to_owned(), 6)
    );
    assert_eq!(
        of("prod", &format!("app/{KEY}")),
        ("app".to_owned(), 5),
        "it had not changed"
    );
    assert_eq!(of("prod", &format!("net/{KEY}")), ("net".to_owned(), 6));
    assert_eq!(of("lab", KEY), ("lab".to_owned(), 1));
    for environment in ["dev", "prod"] {
        assert_eq!(test.locks(environment), [""; 0]);
    }
    // The plan that follows.
    assert_eq!(the_unit(&report, "prod/net")["changes"]["change"], 1);
    test.proxy().assert_expected_owner();
}

#[test]
fn a_backup_comes_back_with_every_workspace() {
    a_backup_comes_back(TestEnvironment::new());
}

#[test]
fn a_backup_comes_back_with_every_workspace_on_seaweedfs() {
    a_backup_comes_back(TestEnvironment::on_seaweedfs());
}

#[test]
fn a_backup_that_is_not_what_was_pulled_is_refused_before_anything_is_written() {
    let test = backed_up(TestEnvironment::new());
    let push = |selection: &[&str]| {
        let command = test.tfw(["state", "push", "--from", "backup", "--yes", "--json"]);
        command.args(selection).run()
    };
    let app = test.path("backup/prod.app.default.tfstate");
    let text = fs::read_to_string(&app).unwrap();
    fs::write(&app, text.replace("\"app\"", "\"oops\"")).unwrap();
    let refused = push(&[]).exits(4).json();
    let reason = the_unit(&refused, "prod/app")["reason"].as_str().unwrap();
    assert!(reason.contains("is not what was pulled"), "{reason}");
    for unit in ["dev", "prod/net"] {
        assert_eq!(
            the_unit(&refused, unit)["reason"],
            "not started: `prod/app` was refused, and then no unit runs"
        );
    }
    assert_eq!(test.proxy().count(|r| r.service() == Some("s3")), 0);
    // The others by themselves are what was pulled.
    push(&["dev"]).succeeds();
    assert_eq!(test.current("dev", KEY), ("dev".to_owned(), 10));

    fs::remove_file(&app).unwrap();
    push(&["prod/app"])
        .exits(1)
        .says("prod.app.default.tfstate`: no such file or directory");
    push(&["lab"]).exits(3).says("`lab` is not in the backup");
    let list = test.path("backup/manifest.json");
    let text = fs::read_to_string(&list).unwrap();
    fs::write(
        &list,
        text.replace("dev.default.tfstate", "../dev.default.tfstate"),
    )
    .unwrap();
    push(&["dev"]).exits(3).says("is not a file beside it");
    fs::remove_file(&list).unwrap();
    push(&["dev"])
        .exits(3)
        .says("`backup` is no backup: it has no `manifest.json`");
}

#[test]
fn one_state_that_cannot_be_pushed_leaves_the_others_and_says_what_to_plan() {
    let test = backed_up(TestEnvironment::new());
    let net = format!("net/{KEY}");
    test.put_object("prod", &net, &state_of("l-other", 1, "somebody else's"));
    let run = test
        .tfw(["state", "push", "--from", "backup", "--yes", "--json"])
        .run()
        .exits(4);
    let report = run.json();
    assert_eq!(the_unit(&report, "dev")["result"], "succeeded");
    assert_eq!(the_unit(&report, "prod/net")["result"], "refused");
    run.says("two lineages are two states");
    run.says("`tfw plan dev` shows what Terraform would now do");
    assert_eq!(test.proxy().count(|r| r.client() == Client::Terraform), 0);
    let kept = test.object("prod", &net).unwrap();
    let others = state_of("l-other", 1, "somebody else's");
    assert_eq!(content(&kept), content(&others));
}

#[test]
fn a_push_into_a_protected_environment_asks_for_its_name() {
    let test = TestEnvironment::new().environment("dev").environment_with(
        "prod",
        "protected = true",
        &fixtures::builtin(),
    );
    for environment in ["dev", "prod"] {
        test.create_versioned_bucket(environment);
        test.put_object(environment, KEY, &state_of("l", 1, "a"));
    }
    test.tfw(["state", "pull", "--all", "--out", "backup"])
        .run()
        .succeeds();
    for environment in ["dev", "prod"] {
        test.put_object(environment, KEY, &state_of("l", 2, "b"));
    }
    let push = |more: &[&str]| {
        let command = test.tfw(["state", "push", "--from", "backup", "--yes", "--json"]);
        command.args(more).run()
    };
    let refused = push(&[]).exits(4);
    refused.says("`--approve prod` agrees");
    assert_eq!(
        test.current("dev", KEY),
        ("b".to_owned(), 2),
        "nothing is pushed where one is refused"
    );
    let pushed = push(&["--approve", "prod"]).succeeds().json();
    assert_eq!(pushed["exit_code"], json!(0));
    for environment in ["dev", "prod"] {
        assert_eq!(test.current(environment, KEY), ("a".to_owned(), 3));
    }
}

#[test]
fn a_unit_whose_second_state_is_locked_has_its_first_written_and_says_so() {
    let test = backed_up(TestEnvironment::new());
    let lock = r#"{"ID":"x-1","Operation":"OperationTypeApply","Who":"alice@elsewhere"}"#;
    test.put_object("dev", "terraform.tfstate.tflock", lock);
    let run = test
        .tfw([
            "state", "push", "dev", "--from", "backup", "--yes", "--json",
        ])
        .run()
        .exits(5);
    let report = run.json();
    let replaced = &the_unit(&report, "dev")["replaced"];
    assert_eq!(replaced.as_array().unwrap().len(), 1);
    assert_eq!(replaced[0]["workspace"], "blue");
    run.says("`tfw plan dev` shows what Terraform would now do");
    let blue = test.current("dev", &format!("env:/blue/{KEY}"));
    assert_eq!(blue, ("blue".to_owned(), 6));
    assert_eq!(test.current("dev", KEY), ("broken".to_owned(), 9));
}
