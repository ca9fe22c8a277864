//! Copies of states: one on stdout, many in a folder with a list of what is what.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::{TestEnvironment, fixtures, states, texts};

const KEY: &str = "terraform.tfstate";

fn many_are_copied(test: TestEnvironment) {
    let test = test
        .environment("dev")
        .environment_with(
            "prod",
            "[environments.prod.stacks.app]\npath = \"dev\"\n",
            "",
        )
        .environment("lab");
    test.create_versioned_bucket("dev");
    test.create_bucket("prod");
    let dev = states::state_of("l-dev", 3, "a");
    let blue = states::state_of("l-blue", 5, "b");
    test.put_object("dev", KEY, &dev);
    test.put_object("dev", &format!("env:/blue/{KEY}"), &blue);
    test.put_object("prod", &format!("app/{KEY}"), "{\"encrypted_data\": \"x\"}");
    test.without_terraform();

    let run = test
        .tfw(["state", "pull", "--all", "--out", "backup", "--json"])
        .run()
        .succeeds();
    let document = run.json();
    assert_eq!(document["schema"], 1);
    let told = texts(&document).join("\n");
    assert!(
        told.contains("`prod.app.default.tfstate` is copied as it is"),
        "{told}"
    );
    let read = |name: &str| test.read(&format!("backup/{name}"));
    let manifest: Value = serde_json::from_str(&read("manifest.json")).unwrap();
    assert_eq!(manifest["states"], document["states"]);
    let files: BTreeSet<String> = fs::read_dir(test.path("backup"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let expected = [
        "dev.blue.tfstate",
        "dev.default.tfstate",
        "manifest.json",
        "prod.app.default.tfstate",
    ];
    assert_eq!(files, expected.map(str::to_owned).into());
    assert_eq!(
        (read("dev.default.tfstate"), read("dev.blue.tfstate")),
        (dev, blue.clone())
    );
    let of_blue = &manifest["states"][0];
    assert_eq!(
        of_blue,
        &json!({
            "unit": "dev", "workspace": "blue",
            "place": format!("s3://{}/env:/blue/{KEY}", test.bucket("dev")),
            "version_id": of_blue["version_id"], "serial": 5, "lineage": "l-blue",
            "sha256": tfw::model::sha256(blue.as_bytes()), "file": "dev.blue.tfstate",
        })
    );
    assert!(of_blue["version_id"].is_string());
    assert_eq!(manifest["states"][2]["serial"], Value::Null);
    let mode = |path: &str| fs::metadata(test.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("backup"), 0o700);
    for file in files {
        assert_eq!(mode(&format!("backup/{file}")), 0o600, "{file}");
    }

    let refused = test
        .tfw(["state", "pull", "--all", "--out", "backup"])
        .run()
        .exits(4);
    refused.says("`backup` is not empty, and a backup overwrites nothing");
    let run = test
        .tfw(["state", "pull", "dev", "--out", "other"])
        .run()
        .succeeds();
    run.says("copied 2 states into `other`");
    test.tfw(["state", "pull", "lab", "--out", "none"])
        .run()
        .succeeds();
    assert!(!test.path("none").exists(), "there was nothing to copy");
}

#[test]
fn state_pull_copies_every_workspace_of_many_units() {
    many_are_copied(TestEnvironment::new());
}

#[test]
fn state_pull_copies_every_workspace_of_many_units_on_seaweedfs() {
    many_are_copied(TestEnvironment::on_seaweedfs());
}

#[test]
fn state_pull_prints_one_state_byte_by_byte() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("prod");
    test.create_bucket("dev");
    let text = states::state_of("l", 3, "ä") + "\n\n";
    test.put_object("dev", KEY, &text);
    for more in [&[][..], &["--json"]] {
        let run = test
            .tfw(["state", "pull", "dev"])
            .args(more)
            .run()
            .succeeds();
        assert_eq!(run.stdout, text);
    }
    test.create_versioned_bucket("prod");
    for serial in [1, 2] {
        test.put_object("prod", KEY, &states::state_of("l", serial, "ä"));
    }
    for version in ["~1", "1"] {
        let older = ["state", "pull", "prod", "--version", version];
        let run = test.tfw(older).run().succeeds();
        assert_eq!(run.stdout, states::state_of("l", 1, "ä"));
    }
    test.delete_object("prod", KEY);
    let failed = test.tfw(["state", "pull", "prod"]).run().exits(1);
    failed.says("there is no state in `s3://");
    assert_eq!(failed.stdout, "");
    let wrong = test.tfw(["state", "pull", "--all"]).run().exits(3);
    wrong.says("`tfw state pull` works on one unit");
    wrong.says("`--out DIR` takes several");
}

#[test]
fn state_pull_goes_on_where_one_cannot_be_read() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("prod");
    for environment in ["dev", "prod"] {
        test.create_bucket(environment);
        test.put_object(environment, KEY, &states::state_of("l", 1, "a"));
    }
    let prod = test.bucket("prod");
    test.proxy()
        .when(move |r| r.is_tfw("GetObject") && r.path.contains(&prod))
        .refuse(403, "AccessDenied");
    let run = test
        .tfw(["state", "pull", "--all", "--out", "backup", "--json"])
        .run()
        .exits(1);
    let document = run.json();
    assert_eq!(document["states"].as_array().unwrap().len(), 1);
    assert_eq!(document["states"][0]["unit"], "dev");
    assert!(texts(&document).join("\n").contains("`prod`: cannot read"));
    assert!(test.path("backup/manifest.json").exists());
}

#[test]
fn state_pull_copies_local_states_too() {
    let test = TestEnvironment::offline().environment_with(
        "dev",
        "",
        &fixtures::local(&fixtures::builtin()),
    );
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    let state = test.read("environments/dev/terraform.tfstate");
    let run = test.tfw(["state", "pull", "dev"]).run().succeeds();
    assert_eq!(run.stdout, state);
    test.tfw(["state", "pull", "dev", "--out", "backup"])
        .run()
        .succeeds();
    assert_eq!(test.read("backup/dev.default.tfstate"), state);
}
