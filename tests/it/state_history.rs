//! The versions of a state: what was when, and what changed from each to the next.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::support::{Client, Request, TestEnvironment, fixtures};

const KEY: &str = "terraform.tfstate";

/// A state with these resources, by name and value.
fn state(serial: u64, resources: &[(&str, u64)]) -> String {
    let resources: Vec<Value> = resources
        .iter()
        .map(|(name, value)| {
            json!({ "mode": "managed", "type": "a", "name": name,
                    "instances": [{ "attributes": { "id": name, "n": value, "secret": "hunter2" } }] })
        })
        .collect();
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": "l-1",
        "outputs": {}, "resources": resources,
    })
    .to_string()
}

fn history(test: &TestEnvironment, more: &[&str]) -> Vec<Value> {
    let run = test
        .tfw(["state", "history", "dev", "--json"])
        .args(more)
        .run();
    let document = run.succeeds().json();
    assert_eq!(
        (&document["schema"], &document["unit"]),
        (&json!(1), &json!("dev"))
    );
    document["versions"].as_array().unwrap().clone()
}

fn serials(versions: &[Value]) -> Vec<Option<u64>> {
    versions
        .iter()
        .map(|version| version["serial"].as_u64())
        .collect()
}

fn changes(add: u64, change: u64, destroy: u64) -> Value {
    json!({ "add": add, "change": change, "destroy": destroy })
}

fn real_applies_are_told(test: TestEnvironment) {
    let test = test.environment("dev");
    let apply = |greeting: &str, more: &str| {
        let main = fixtures::builtin().replace("\"hello\"", &format!("\"{greeting}\"")) + more;
        test.write("environments/dev/main.tf", &main);
        let run = test.tfw(["apply", "dev", "--yes", "--auto-approve"]).run();
        run.succeeds();
    };
    let more = "\nresource \"terraform_data\" \"more\" {\n  count = 2\n}\n";
    apply("one", "");
    apply("two", more);
    apply("three", "");
    test.without_terraform();
    test.proxy().forget();

    let versions = history(&test, &[]);
    let now = test.state("dev").unwrap();
    let newest = &versions[0];
    let fields: Vec<&String> = newest.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "version_id",
            "modified",
            "size",
            "serial",
            "lineage",
            "terraform_version",
            "resources",
            "latest",
            "deleted",
            "changes"
        ]
    );
    for field in ["serial", "lineage", "terraform_version"] {
        assert_eq!(newest[field], now[field], "{field}");
    }
    assert_eq!(
        (&newest["latest"], &newest["deleted"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(newest["size"], test.object("dev", KEY).unwrap().len());
    let told: Vec<&Value> = versions.iter().map(|version| &version["changes"]).collect();
    assert_eq!(told, [&changes(0, 1, 2), &changes(2, 1, 0), &Value::Null]);
    let counts: Vec<&Value> = versions
        .iter()
        .map(|version| &version["resources"])
        .collect();
    assert_eq!(counts, [1, 3, 1]);
    let sorted = serials(&versions);
    assert!(sorted.is_sorted_by(|one, next| one > next), "{sorted:?}");
    test.proxy().assert_expected_owner();
    assert_eq!(test.proxy().count_tfw("GetObject"), 3);
    assert_eq!(test.proxy().count_tfw("ListObjectVersions"), 1);

    let run = test.tfw(["state", "history", "dev"]).run().succeeds();
    run.says("~1 -2");
    run.says("+2 ~1");
    run.says("dev: 3 versions");
    assert_eq!(run.stderr, "");
}

#[test]
fn state_history_tells_real_applies() {
    real_applies_are_told(TestEnvironment::new());
}

#[test]
fn state_history_tells_real_applies_on_seaweedfs() {
    real_applies_are_told(TestEnvironment::on_seaweedfs());
}

fn a_hundred_versions_are_read_once(test: TestEnvironment) {
    let test = test.environment("dev");
    test.create_versioned_bucket("dev");
    for serial in 1..=100 {
        test.put_object(
            "dev",
            KEY,
            &state(serial, &[("x", serial), ("y", serial / 2)]),
        );
        // What else lies there must not be taken for it.
        if serial % 10 == 0 {
            test.put_object("dev", "terraform.tfstate.tflock", "{}");
            test.delete_object("dev", "terraform.tfstate.tflock");
        }
    }
    let reads = || test.proxy().count_tfw("GetObject");
    test.proxy().forget();
    let newest = history(&test, &[]);
    assert_eq!(
        serials(&newest),
        (81..=100).rev().map(Some).collect::<Vec<_>>()
    );
    assert_eq!(reads(), 21, "the twenty, and the one before them");
    let ids: BTreeSet<&str> = newest
        .iter()
        .map(|version| version["version_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 20);

    test.proxy().forget();
    let all = history(&test, &["--limit", "0"]);
    assert_eq!(serials(&all), (1..=100).rev().map(Some).collect::<Vec<_>>());
    assert_eq!(
        reads(),
        80,
        "those that were not known, and the one at the seam again"
    );
    for version in &all[..99] {
        let even = version["serial"].as_u64().unwrap() % 2 == 0;
        assert_eq!(version["changes"], changes(0, 1 + u64::from(even), 0));
    }

    test.proxy().forget();
    assert_eq!(history(&test, &["--limit", "0"]), all);
    assert_eq!(reads(), 0);
    test.put_object("dev", KEY, &state(101, &[("x", 100)]));
    let versions = history(&test, &["--limit", "1"]);
    assert_eq!(versions[0]["changes"], changes(0, 0, 1));
    assert_eq!(reads(), 2);

    let run = test
        .tfw(["state", "history", "dev", "--limit", "3"])
        .run()
        .succeeds();
    run.says("dev: the newest 3 of 101 versions");
    let folder = test.path("environments/.tfw/cache/states");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(path).unwrap();
        assert!(!text.contains("hunter2") && !text.contains("a.x"), "{text}");
    }
}

#[test]
fn state_history_reads_each_of_a_hundred_versions_once() {
    a_hundred_versions_are_read_once(TestEnvironment::new());
}

#[test]
fn state_history_reads_each_of_a_hundred_versions_once_on_seaweedfs() {
    a_hundred_versions_are_read_once(TestEnvironment::on_seaweedfs());
}

fn deletions_and_strangers_have_their_place(test: TestEnvironment) {
    let test = test.environment("dev");
    test.create_versioned_bucket("dev");
    test.put_object("dev", KEY, &state(1, &[("x", 1)]));
    test.put_object("dev", KEY, "hunter2: no state");
    test.put_object("dev", KEY, &state(2, &[("x", 2)]));
    test.delete_object("dev", KEY);
    let versions = history(&test, &[]);
    assert_eq!(serials(&versions), [None, Some(2), None, Some(1)]);
    let flags: Vec<(bool, bool)> = versions
        .iter()
        .map(|version| {
            (
                version["latest"].as_bool().unwrap(),
                version["deleted"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        flags,
        [(true, true), (false, false), (false, false), (false, false)]
    );
    let run = test.tfw(["state", "history", "dev"]).run().succeeds();
    run.says("deleted");
    run.says("cannot be read: it is not a Terraform state");
    assert!(!run.stdout.contains("hunter2"));

    let run = test
        .tfw(["state", "show", "dev", "--version", "latest"])
        .run()
        .succeeds();
    run.says("the state was deleted: this is the last version before");
    run.says("a.x");
    let failed = test.tfw(["state", "show", "dev"]).run().exits(1);
    failed.says("there is no state in `s3://");
    failed.says("`tfw state history dev` lists the versions of one that was deleted");
    let marker = versions[0]["version_id"].as_str().unwrap();
    let failed = test
        .tfw(["state", "show", "dev", "--version", marker])
        .run()
        .exits(1);
    failed.says("the state was deleted then");
    let failed = test
        .tfw(["state", "show", "dev", "--version", "~1"])
        .run()
        .exits(1);
    failed.says("it is not a Terraform state");
    assert!(!failed.stderr.contains("hunter2"));
    // What bash makes of `~0`.
    let command = ["state", "show", "dev", "--version", "/home/me/acme"];
    let failed = test.tfw(command).run().exits(1);
    failed.says("hint: a shell makes a folder of `~0`: type `latest`");
}

#[test]
fn state_history_has_deletions_and_strangers() {
    deletions_and_strangers_have_their_place(TestEnvironment::new());
}

#[test]
fn state_history_has_deletions_and_strangers_on_seaweedfs() {
    deletions_and_strangers_have_their_place(TestEnvironment::on_seaweedfs());
}

fn a_bucket_without_versions_has_one(test: TestEnvironment) {
    let test = test.environment("dev");
    assert_eq!(history(&test, &[]), [Value::Null; 0], "not even a bucket");
    test.create_bucket("dev");
    assert_eq!(history(&test, &[]), [Value::Null; 0]);
    test.put_object("dev", KEY, &state(1, &[("x", 1)]));
    test.put_object("dev", KEY, &state(2, &[("x", 2)]));
    assert_eq!(serials(&history(&test, &[])), [Some(2)]);
    test.put_object("dev", KEY, &state(3, &[("x", 2)]));
    assert_eq!(
        serials(&history(&test, &[])),
        [Some(3)],
        "that one is not remembered"
    );
}

#[test]
fn state_history_of_a_bucket_without_versions() {
    a_bucket_without_versions_has_one(TestEnvironment::new());
}

#[test]
fn state_history_of_a_bucket_without_versions_on_seaweedfs() {
    a_bucket_without_versions_has_one(TestEnvironment::on_seaweedfs());
}

#[test]
fn state_history_of_a_local_state_has_its_backup() {
    let test = TestEnvironment::offline().environment("dev");
    assert_eq!(history(&test, &[]), [Value::Null; 0]);
    for greeting in ["one", "two"] {
        let main = fixtures::local(&fixtures::builtin()).replace("hello", greeting);
        test.write("environments/dev/main.tf", &main);
        test.tfw(["apply", "dev", "--auto-approve"])
            .run()
            .succeeds();
    }
    let versions = history(&test, &[]);
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[0]["version_id"], Value::Null);
    assert_eq!(
        versions[0]["serial"],
        test.local_state("dev").unwrap()["serial"]
    );
    assert_eq!(versions[0]["changes"], changes(0, 1, 0));
    let run = test
        .tfw(["state", "diff", "dev", "~1", "latest"])
        .run()
        .succeeds();
    run.says("input.value: \"one\" → \"two\"");
}

#[test]
fn state_history_that_is_denied_names_the_permission() {
    let test = TestEnvironment::new().environment("dev");
    test.create_versioned_bucket("dev");
    test.put_object("dev", KEY, &state(1, &[("x", 1)]));
    test.put_object("dev", KEY, &state(2, &[("x", 1)]));
    test.proxy()
        .when(|r| r.is_tfw("GetObject") && r.query.contains("versionId"))
        .refuse(403, "AccessDenied");
    let run = test
        .tfw(["state", "history", "dev", "--json"])
        .run()
        .exits(1);
    let document = run.json();
    let versions = document["versions"].as_array().unwrap();
    assert_eq!(
        serials(versions),
        [None, None],
        "what is known of them is told"
    );
    assert!(versions[0]["size"].is_u64());
    run.says("hint: allow `s3:GetObjectVersion`");

    test.proxy()
        .when(|r| r.is_tfw("ListObjectVersions"))
        .refuse(403, "AccessDenied");
    let run = test.tfw(["state", "history", "dev"]).run().exits(1);
    run.says("hint: allow `s3:ListBucketVersions`");
    // The current state takes neither.
    test.tfw(["state", "show", "dev"])
        .run()
        .succeeds()
        .says("a.x");
    assert_eq!(test.proxy().count(|r| r.client() == Client::Terraform), 0);
}

#[test]
fn state_history_reads_several_versions_at_once_and_not_all() {
    // As many as `history.rs` allows: each may be megabytes, and all of them lie in memory.
    const AT_ONCE: usize = 8;
    let test = TestEnvironment::new().environment("dev");
    test.create_versioned_bucket("dev");
    for serial in 1..=20 {
        test.put_object("dev", KEY, &state(serial, &[("x", serial)]));
    }
    let reads = |r: &Request| r.is_tfw("GetObject") && r.query.contains("versionId");
    let gate = test.proxy().when(reads).times(AT_ONCE).hold();
    let command = ["state", "history", "dev", "--limit", "0", "--json"];
    let history = test.tfw(command).spawn();
    for _ in 0..AT_ONCE {
        gate.wait_for_arrival();
    }
    // Meanwhile another command comes and goes.
    test.tfw(["lock", "list", "dev"]).run().succeeds();
    assert_eq!(test.proxy().count(reads), AT_ONCE);
    gate.open();
    let document = history.wait().succeeds().json();
    assert_eq!(document["versions"].as_array().unwrap().len(), 20);
}

#[test]
fn state_history_goes_on_behind_the_first_page_of_versions() {
    // S3 lists a thousand at a time.
    const VERSIONS: u64 = 1_010;
    let test = TestEnvironment::new().environment("dev");
    test.create_versioned_bucket("dev");
    for serial in 1..=VERSIONS {
        test.put_object("dev", KEY, &state(serial, &[("x", serial)]));
    }
    test.proxy().forget();
    let run = test
        .tfw(["state", "history", "dev", "--limit", "2"])
        .run()
        .succeeds();
    run.says("dev: the newest 2 of 1010 versions");
    assert_eq!(test.proxy().count_tfw("ListObjectVersions"), 2);
    assert_eq!(test.proxy().count_tfw("GetObject"), 3);
    // The oldest of all is behind the end of the first page.
    let shown = test
        .tfw(["state", "show", "dev", "--json", "--version", "latest~1009"])
        .run()
        .succeeds();
    assert_eq!(shown.json()["serial"], 1);
}
