//! Every unit at a glance: from what is on disk and in S3, without Terraform, changing nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Client, Run, TestEnvironment, fixtures, stacks, the_unit};

/// What Terraform 1.11.4 writes into a `.tflock`.
const HELD: &str = r#"{"ID":"4bb62615","Operation":"OperationTypeApply","Info":"","Who":"alice@elsewhere","Version":"1.11.4","Created":"2026-01-02T03:04:05.986830795Z","Path":"bucket/terraform.tfstate"}"#;

/// A state as Terraform writes it, with so many resources.
fn state(serial: u64, resources: usize) -> String {
    let instances: Vec<Value> = (0..resources)
        .map(|index| json!({ "index_key": index, "attributes": { "secret": "hunter2" } }))
        .collect();
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": "l", "outputs": {},
        "resources": [{ "mode": "managed", "type": "a", "name": "b", "instances": instances }],
    })
    .to_string()
}

/// Everything in the repository but what tfw keeps of its runs.
fn files(test: &TestEnvironment) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = test.files();
    files.retain(|path, _| !path.to_string_lossy().contains("/.tfw/runs/"));
    files
}

#[track_caller]
fn said(run: &Run, parts: &[&str]) {
    for part in parts {
        run.says(part);
    }
}

#[test]
fn every_unit_is_told_at_a_glance_without_terraform() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("staging")
        .environment("prod")
        .environment("lab");
    test.tfw(["apply", "dev", "--yes", "--auto-approve"])
        .run()
        .succeeds();
    test.create_bucket("staging");
    test.put_object("staging", "terraform.tfstate", &state(42, 3));
    test.put_object("staging", "terraform.tfstate.tflock", HELD);
    test.create_bucket("prod");
    // A machine that has none.
    test.without_terraform();
    let before = files(&test);
    test.proxy().forget();

    let run = test.tfw(["status", "--all", "--json"]).run().succeeds();
    let document = run.json();
    assert_eq!(document["schema"], 1);
    assert_eq!(document["diagnostics"], json!([]));
    let dev = the_unit(&document, "dev");
    let fields: Vec<&String> = dev.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "unit",
            "initialised",
            "backend",
            "lock",
            "serial",
            "resources",
            "modified",
            "condition"
        ]
    );
    assert_eq!(dev["initialised"], true);
    assert_eq!(dev["serial"], test.state("dev").unwrap()["serial"]);
    assert_eq!(dev["resources"], 1);
    let condition = |unit| the_unit(&document, unit)["condition"].clone();
    assert_eq!(condition("dev"), "safe");
    assert_eq!(condition("staging"), "weak");
    assert_eq!(condition("lab"), "absent");
    let modified = dev["modified"].as_str().unwrap();
    let modified: jiff::Timestamp = modified.parse().unwrap();
    let age = jiff::Timestamp::now().as_second() - modified.as_second();
    assert!((0..600).contains(&age), "{modified}");

    assert_eq!(
        the_unit(&document, "staging"),
        &json!({
            "unit": "staging",
            "initialised": false,
            "backend": {
                "type": "s3",
                "bucket": test.bucket("staging"),
                "key": "terraform.tfstate",
                "workspace": "default",
            },
            "lock": {
                "id": "4bb62615",
                "who": "alice@elsewhere",
                "operation": "OperationTypeApply",
                "created": "2026-01-02T03:04:05.986830795Z",
            },
            "serial": 42,
            "resources": 3,
            "modified": the_unit(&document, "staging")["modified"],
            "condition": "weak",
        })
    );
    for unit in ["prod", "lab"] {
        let unit = the_unit(&document, unit);
        for field in ["lock", "serial", "resources", "modified"] {
            assert_eq!(unit[field], Value::Null, "{field} of {unit}");
        }
    }

    let run = test.tfw(["status", "--all"]).run().succeeds();
    said(
        &run,
        &[
            "UNIT     INITIALISED  SERIAL  RESOURCES  LAST CHANGE",
            "alice@elsewhere, apply, ",
            "no state",
            "no bucket",
            "4 units: 2 with state, 2 without; 1 locked",
            "hint: `tfw init staging prod lab` initialises what is not",
        ],
    );
    assert!(!run.stdout.contains("hunter2"), "{}", run.stdout);
    assert_eq!(run.stderr, "");

    assert_eq!(files(&test), before);
    test.proxy().assert_expected_owner();
    let changes = |method: &str| !matches!(method, "GET" | "HEAD");
    let written = test
        .proxy()
        .count(|r| r.service() == Some("s3") && changes(&r.method));
    assert_eq!(written, 0);
    assert_eq!(test.proxy().count_tfw("HeadBucket"), 0);
    assert!(!test.bucket_exists("lab"));
}

#[test]
fn it_costs_a_role_for_all_two_reads_for_each_and_the_settings_of_each_bucket() {
    let test = TestEnvironment::new()
        .environment_with("dev", &stacks(10), &fixtures::builtin())
        .environment("prod");
    test.create_bucket("dev");
    test.create_bucket("prod");
    for (selection, units, roles) in [("dev/s01", 1, 1), ("dev", 10, 1), ("*", 11, 2)] {
        test.proxy().forget();
        let run = test.tfw(["status", selection]).run().succeeds();
        let s = if units == 1 { "" } else { "s" };
        run.says(&format!("{units} unit{s}: 0 with state, {units} without"));
        assert_eq!(test.proxy().count_tfw("AssumeRole"), roles);
        assert_eq!(test.proxy().count_tfw("GetObject"), 2 * units);
        // Versions, encryption, public access, ownership, policy and lifecycle: once for each bucket.
        let settings = 6 * roles;
        assert_eq!(test.proxy().requests().len(), roles + 2 * units + settings);
    }
}

#[test]
fn what_is_denied_is_told_and_the_others_are_shown() {
    let test = TestEnvironment::on_ministack()
        .environment("dev")
        .environment("prod");
    // A bucket of the right name in a wrong account.
    test.create_bucket_in("dev", &test.account("nobody"));
    test.create_bucket("prod");
    test.put_object("prod", "terraform.tfstate", &state(7, 1));
    let run = test.tfw(["status", "--all", "--json"]).run().exits(1);
    let document = run.json();
    let dev = the_unit(&document, "dev");
    assert_eq!(dev["backend"]["bucket"], test.bucket("dev"));
    assert_eq!(
        (&dev["serial"], &dev["initialised"]),
        (&Value::Null, &json!(false))
    );
    assert_eq!(the_unit(&document, "prod")["serial"], 7);
    let diagnostics = document["diagnostics"].as_array().unwrap();
    assert_eq!(diagnostics.len(), 1, "said once: {diagnostics:#?}");
    let summary = diagnostics[0]["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("`dev`: cannot read `s3://"),
        "{summary}"
    );
    let detail = diagnostics[0]["detail"].as_str().unwrap();
    assert!(detail.contains("hint: allow `s3:GetObject`"), "{detail}");

    let run = test.tfw(["status", "--all"]).run().exits(1);
    assert!(run.stderr.contains("access denied"), "{}", run.stderr);
    assert!(
        run.stdout
            .contains("2 units: 1 with state, 0 without, 1 unknown"),
        "{}",
        run.stdout
    );
}

#[test]
fn nobody_is_asked_with_credentials_of_another_account() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("prod");
    test.create_bucket("prod");
    let (from, to) = (test.account("dev"), test.account("nobody"));
    test.proxy()
        .when(|r| r.is_tfw("AssumeRole"))
        .edit_answer(move |answer| answer.replace(&from, &to));
    let run = test.tfw(["status", "--all", "--json"]).run().exits(4);
    assert!(run.stderr.contains("expected account"), "{}", run.stderr);
    assert_eq!(the_unit(&run.json(), "dev")["serial"], Value::Null);
    let dev = test.bucket("dev");
    assert_eq!(test.proxy().count(|r| r.path.contains(&dev)), 0);
    // What concerns one unit does not hide the others.
    assert_eq!(test.proxy().count_tfw("GetObject"), 2);
    assert_eq!(test.proxy().count(|r| r.client() == Client::Terraform), 0);
}

#[test]
fn local_states_need_no_aws_and_a_broken_one_is_told() {
    let block = fixtures::local(&fixtures::builtin());
    let no_block = block.replace("  backend \"local\" {}\n", "");
    let test = TestEnvironment::offline()
        .environment_with("dev", "", &block)
        .environment_with("plain", "", &no_block)
        .environment_with("new", "", &no_block)
        .environment_with("broken", "", &block)
        .environment_with("other", "backend.type = \"http\"", &block);
    for unit in ["dev", "plain"] {
        test.tfw(["apply", unit, "--auto-approve"]).run().succeeds();
    }
    test.write("environments/broken/terraform.tfstate", "{ half");
    let run = test.tfw(["status", "--all", "--json"]).run().exits(1);
    let document = run.json();
    let told: Vec<(&str, &Value, &Value)> = document["units"]
        .as_array()
        .unwrap()
        .iter()
        .map(|unit| {
            (
                unit["unit"].as_str().unwrap(),
                &unit["initialised"],
                &unit["resources"],
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("dev", &json!(true), &json!(1)),
            ("plain", &json!(true), &json!(1)),
            ("new", &json!(false), &Value::Null),
            ("broken", &json!(false), &Value::Null),
            ("other", &json!(false), &Value::Null),
        ]
    );
    let diagnostics = document["diagnostics"].as_array().unwrap();
    let told: Vec<(&Value, &str)> = diagnostics
        .iter()
        .map(|each| (&each["severity"], each["summary"].as_str().unwrap()))
        .collect();
    let [(error, broken), (warning, other)] = told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((error, warning), (&json!("error"), &json!("warning")));
    assert!(broken.contains("is not a Terraform state"), "{broken}");
    assert!(other.starts_with("`other`: "), "{other}");
    assert!(
        other.contains("only Terraform reads a `http` backend"),
        "{other}"
    );

    // What tfw does not read itself is no failure.
    let run = test.tfw(["status", "other", "dev"]).run().succeeds();
    said(&run, &["2 units: 1 with state, 0 without, 1 unknown"]);
}

#[test]
fn what_is_initialised_for_another_state_is_not_initialised() {
    let test = TestEnvironment::new().environment("dev");
    test.tfw(["apply", "dev", "--yes", "--auto-approve"])
        .run()
        .succeeds();
    let initialised = || {
        let run = test.tfw(["status", "dev", "--json"]).run().succeeds();
        the_unit(&run.json(), "dev")["initialised"].clone()
    };
    assert_eq!(initialised(), true);
    let manifest = test.read("environments/tfw.toml");
    let moved = manifest.replace("{stack}/terraform.tfstate", "{stack}/other.tfstate");
    test.write("environments/tfw.toml", &moved);
    assert_eq!(initialised(), false);
}

#[test]
fn a_terminal_gets_no_line_that_it_would_wrap() {
    let test = TestEnvironment::offline().environment("dev");
    let screen = test
        .tfw(["status", "dev"])
        .env("TERM", "xterm-256color")
        .on_terminal()
        .exits(0);
    assert!(screen.contains("LAST CHANGE"), "{screen}");
    assert!(
        screen.contains("1 unit: 0 with state, 1 without"),
        "{screen}"
    );
    assert!(screen.lines().all(|line| line.trim_end().len() <= 140));
}
