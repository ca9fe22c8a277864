//! `tfw migrate`: states move, are proven, and only then leave the disk.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::support::states::{content, resource, state_of, unbacked};
use crate::support::{TestEnvironment, the_unit};

/// One environment with a local state that a bare Terraform made, and no backend block.
fn applied() -> TestEnvironment {
    let test = TestEnvironment::new().environment_with("dev", "", &unbacked());
    test.apply_by_hand("dev");
    test
}

#[test]
fn a_local_state_moves_is_proven_and_leaves_the_disk() {
    let test = applied();
    let before = test.read("environments/dev/terraform.tfstate");

    let report = test
        .tfw(["migrate", "dev", "--yes", "--json"])
        .run()
        .succeeds()
        .json();

    let after = test.object("dev", "terraform.tfstate").expect("a state");
    assert_eq!(content(&after), content(&before));
    assert!(
        test.read("environments/dev/backend.tf")
            .contains("backend \"s3\" {}")
    );
    for gone in ["terraform.tfstate", "terraform.tfstate.backup"] {
        assert!(!test.path("environments/dev").join(gone).exists(), "{gone}");
    }
    assert_eq!(test.locks("dev"), [""; 0]);
    assert_eq!(report["exit_code"], 0);
    let dev = the_unit(&report, "dev");
    let migration = &dev["migration"];
    assert_eq!(migration["from"], "dev/terraform.tfstate");
    assert_eq!(
        migration["to"],
        format!("s3://{}/terraform.tfstate", test.bucket("dev"))
    );
    assert_eq!(migration["deleted"], json!(["dev/terraform.tfstate"]));
    let workspace = &migration["workspaces"][0];
    assert_eq!(workspace["name"], "default");
    assert_eq!(workspace["resources"], 1);
    assert_eq!(workspace["sha256"].as_str().unwrap().len(), 64);
    let version = workspace["version_id"].as_str().unwrap();
    assert!(
        test.history("dev")
            .iter()
            .any(|entry| entry.contains(version))
    );

    // The copies are there, private, and equal.
    let backup = test
        .path("environments")
        .join(migration["backup"].as_str().unwrap());
    let copy = backup.join("source/terraform.tfstate");
    assert_eq!(fs::read_to_string(&copy).unwrap(), before);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&copy), mode(&backup)), (0o600, 0o700));

    // Nothing would change, and no init is needed.
    let plan = test
        .tfw(["plan", "dev", "--detailed-exitcode", "--json"])
        .run()
        .succeeds()
        .json();
    assert_eq!(the_unit(&plan, "dev")["init"], "skipped");
    test.proxy().assert_expected_owner();
}

#[test]
fn a_plan_before_and_after_would_change_the_same() {
    let test = applied();
    // Something that a plan would change, before as after.
    let main = test.read("environments/dev/main.tf");
    test.write(
        "environments/dev/main.tf",
        &main.replace("\"hello\"", "\"good morning\""),
    );
    test.tfw(["migrate", "dev", "--yes", "--verify", "plan"])
        .run()
        .succeeds();
    let journal = fs::read_to_string(test.backups("dev")[0].join("journal.jsonl")).unwrap();
    assert!(journal.contains("\"entry\":\"baseline\""), "{journal}");
    assert!(!test.path("environments/.tfw/data/dev/baseline").exists());
}

#[test]
fn a_plan_that_would_change_something_else_keeps_the_local_state() {
    let test = applied();
    // The configuration changes under the migration's hands.
    let main = test.path("environments/dev/main.tf");
    let bucket = test.bucket("dev");
    let state = format!("/{bucket}/terraform.tfstate");
    test.create_versioned_bucket("dev");
    test.proxy()
        .when(move |request| request.method == "PUT" && request.path == state)
        .times(1)
        .happens_after(move || {
            let text = fs::read_to_string(&main).unwrap();
            fs::write(&main, text.replace("\"hello\"", "\"other\"")).unwrap();
        });
    let run = test
        .tfw(["migrate", "dev", "--yes", "--verify", "plan"])
        .run()
        .exits(1);
    run.says("would change something else after the move");
    assert!(test.path("environments/dev/terraform.tfstate").exists());
    assert_eq!(test.locks("dev"), [""; 0]);
}

#[test]
fn a_second_migration_finds_nothing_to_do() {
    let test = applied();
    test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    let before = test.both_sides("dev");
    let again = test.tfw(["migrate", "dev"]).run().succeeds();
    again.says("nothing to migrate");
    assert_eq!(test.both_sides("dev"), before);
}

#[test]
fn all_workspaces_come_along_empty_ones_by_name() {
    let test = applied();
    for args in [
        &["workspace", "new", "blue"][..],
        &[
            "apply",
            "-input=false",
            "-auto-approve",
            "-var=greeting=blue",
        ],
        &["workspace", "new", "empty"],
        &["workspace", "select", "blue"],
    ] {
        test.terraform("dev", []).args(args).run().succeeds();
    }
    let blue = test.read("environments/dev/terraform.tfstate.d/blue/terraform.tfstate");
    let default = test.read("environments/dev/terraform.tfstate");

    let report = test
        .tfw(["migrate", "dev", "--yes", "--json"])
        .run()
        .succeeds()
        .json();
    let moved = test.object("dev", "env:/blue/terraform.tfstate").unwrap();
    assert_eq!(content(&moved), content(&blue));
    let moved = test.object("dev", "terraform.tfstate").unwrap();
    assert_eq!(content(&moved), content(&default));
    let empty = test.object("dev", "env:/empty/terraform.tfstate").unwrap();
    assert_eq!(content(&empty)["resources"], json!([]));
    let workspaces = &the_unit(&report, "dev")["migration"]["workspaces"];
    let names: Vec<&str> = workspaces
        .as_array()
        .unwrap()
        .iter()
        .map(|workspace| workspace["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["default", "blue", "empty"]);
    assert!(!test.path("environments/dev/terraform.tfstate.d").exists());
    assert_eq!(test.locks("dev"), [""; 0]);
    let listed = test
        .tfw(["exec", "dev", "--", "workspace", "list"])
        .run()
        .succeeds();
    for name in ["* default", "blue", "empty"] {
        listed.says(name);
    }
}

#[test]
fn a_backend_block_with_a_path_moves_and_is_edited() {
    let main = unbacked()
        + "\nterraform {\n  backend \"local\" {\n    # where it lives\n    path = \"state/my.tfstate\"\n  }\n}\n";
    let test = TestEnvironment::new().environment_with("dev", "", &main);
    test.apply_by_hand("dev");
    let before = test.read("environments/dev/state/my.tfstate");
    test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    assert_eq!(
        content(&test.object("dev", "terraform.tfstate").unwrap()),
        content(&before)
    );
    assert!(!test.path("environments/dev/state/my.tfstate").exists());
    let edited = test.read("environments/dev/main.tf");
    assert!(
        edited.contains("backend \"s3\" {\n    # where it lives\n  }"),
        "{edited}"
    );
}

#[test]
fn local_files_are_kept_in_the_backup_where_that_is_asked_for() {
    let test = applied();
    let before = test.read("environments/dev/terraform.tfstate");
    test.tfw(["migrate", "dev", "--yes", "--keep-local"])
        .run()
        .succeeds();
    assert!(!test.path("environments/dev/terraform.tfstate").exists());
    let kept = test.backups("dev")[0].join("kept");
    let folder = fs::read_dir(kept).unwrap().next().unwrap().unwrap().path();
    assert_eq!(
        fs::read_to_string(folder.join("terraform.tfstate")).unwrap(),
        before
    );
}

#[test]
fn a_state_moves_from_another_key_that_terraform_records() {
    let test = TestEnvironment::new().environment("dev");
    test.tfw(["apply", "dev", "--yes", "--auto-approve"])
        .run()
        .succeeds();
    let before = test.object("dev", "terraform.tfstate").unwrap();
    let manifest = test.read("environments/tfw.toml");
    test.write(
        "environments/tfw.toml",
        &manifest.replace("{stack}/terraform.tfstate", "moved/terraform.tfstate"),
    );
    test.tfw(["plan", "dev"])
        .run()
        .exits(4)
        .says("`tfw migrate dev` moves the state");

    let report = test
        .tfw(["migrate", "dev", "--yes", "--json"])
        .run()
        .succeeds()
        .json();
    let after = test.object("dev", "moved/terraform.tfstate").unwrap();
    assert_eq!(content(&after), content(&before));
    // What is at the old place stays.
    assert_eq!(test.object("dev", "terraform.tfstate").unwrap(), before);
    let migration = &the_unit(&report, "dev")["migration"];
    assert_eq!(migration["deleted"], json!([]));
    test.tfw(["plan", "dev", "--detailed-exitcode"])
        .run()
        .succeeds();
}

#[test]
fn a_place_that_is_named_is_where_the_state_comes_from() {
    let test = TestEnvironment::new().environment("dev");
    test.create_versioned_bucket("dev");
    let before = state_of("l-1", 7, "from afar");
    test.put_object("dev", "old/dev.tfstate", &before);
    let from = format!("s3://{}/old/dev.tfstate", test.bucket("dev"));
    test.tfw(["migrate", "dev", "--yes", "--from", &from])
        .run()
        .succeeds();
    let after = test.object("dev", "terraform.tfstate").unwrap();
    assert_eq!(content(&after), content(&before));

    let other = TestEnvironment::new().environment("dev");
    let file = other.write("elsewhere/my.tfstate", &before);
    other
        .tfw(["migrate", "dev", "--yes", "--from", file.to_str().unwrap()])
        .run()
        .succeeds();
    let after = other.object("dev", "terraform.tfstate").unwrap();
    assert_eq!(content(&after), content(&before));
    assert!(!file.exists());
}

#[test]
fn what_a_failed_move_by_hand_left_is_explained_and_recovered() {
    let test = applied();
    let state = test.read("environments/dev/terraform.tfstate");
    // A truncated upload leaves it so (Terraform 1.11.4).
    test.write("environments/dev/terraform.tfstate.backup", &state);
    test.write("environments/dev/terraform.tfstate", "");
    let run = test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    run.says("the state is taken from `dev/terraform.tfstate.backup`");
    let after = test.object("dev", "terraform.tfstate").unwrap();
    assert_eq!(content(&after), content(&state));
    for gone in ["terraform.tfstate", "terraform.tfstate.backup"] {
        assert!(!test.path("environments/dev").join(gone).exists(), "{gone}");
    }
}

#[test]
fn what_a_move_by_hand_left_is_proven_and_cleaned_up() {
    let test = TestEnvironment::new().environment_with("dev", "", &unbacked());
    test.create_versioned_bucket("dev");
    test.apply_by_hand("dev");
    test.write(
        "environments/dev/backend.tf",
        "terraform {\n  backend \"s3\" {}\n}\n",
    );
    let bucket = format!("-backend-config=bucket={}", test.bucket("dev"));
    test.terraform(
        "dev",
        ["init", "-migrate-state", "-force-copy", "-input=false"],
    )
    .args([
        &bucket,
        "-backend-config=key=terraform.tfstate",
        "-backend-config=use_path_style=true",
        "-backend-config=encrypt=true",
    ])
    .run()
    .succeeds();
    assert_eq!(test.read("environments/dev/terraform.tfstate"), "");
    let history = test.history("dev");

    let run = test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    run.says("deleted: dev/terraform.tfstate, dev/terraform.tfstate.backup");
    let states = |history: Vec<String>| -> Vec<String> {
        let all = history.into_iter();
        all.filter(|entry| !entry.contains(".tflock")).collect()
    };
    assert_eq!(
        states(test.history("dev")),
        states(history),
        "no state was written"
    );
    test.tfw(["plan", "dev", "--detailed-exitcode"])
        .run()
        .succeeds();
}

#[test]
fn back_to_a_local_file_and_the_manifest_is_named() {
    let test = TestEnvironment::new().environment("dev");
    test.tfw(["apply", "dev", "--yes", "--auto-approve"])
        .run()
        .succeeds();
    let before = test.object("dev", "terraform.tfstate").unwrap();
    let run = test
        .tfw(["migrate", "dev", "--yes", "--to-local"])
        .run()
        .succeeds();
    run.says("set `backend.type = \"local\"`");
    let local = test.read("environments/dev/terraform.tfstate");
    assert_eq!(content(&local), content(&before));
    assert_eq!(test.object("dev", "terraform.tfstate").unwrap(), before);
    assert!(
        test.read("environments/dev/main.tf")
            .contains("backend \"local\" {}")
    );

    let manifest = test.read("environments/tfw.toml");
    let account = format!("account_id = \"{}\"\n", test.account("dev"));
    test.write(
        "environments/tfw.toml",
        &manifest.replace(
            &account,
            &format!("{account}backend = {{ type = \"local\" }}\n"),
        ),
    );
    test.tfw(["plan", "dev", "--detailed-exitcode"])
        .run()
        .succeeds();
}

#[test]
fn units_go_one_after_the_other_and_stop_at_the_first_that_fails() {
    let test = TestEnvironment::new()
        .environment_with("dev", "", &unbacked())
        .environment_with("prod", "protected = true", &unbacked());
    for unit in ["dev", "prod"] {
        test.apply_by_hand(unit);
        test.create_versioned_bucket(unit);
    }
    let bucket = test.bucket("dev");
    let state = format!("/{bucket}/terraform.tfstate");
    test.proxy()
        .when(move |request| request.method == "PUT" && request.path == state)
        .refuse(403, "AccessDenied");
    let report = test
        .tfw(["migrate", "--all", "--yes", "--approve", "prod", "--json"])
        .run()
        .exits(1)
        .json();
    assert_eq!(the_unit(&report, "dev")["result"], "failed");
    let prod = the_unit(&report, "prod");
    assert_eq!(prod["result"], "skipped");
    assert_eq!(prod["reason"], "not started: `dev` was not migrated");
    assert_eq!(prod["migration"], serde_json::Value::Null);
    assert!(test.path("environments/prod/terraform.tfstate").exists());
    assert_eq!(test.locks("dev"), [""; 0]);
}

#[test]
fn states_that_are_no_toys_arrive_to_the_last_digit() {
    let test = TestEnvironment::new().environment_with("dev", "", &unbacked());
    let mut resources: Vec<serde_json::Value> = (0..400)
        .map(|number| {
            let module = format!("module.a[\"x\"].module.b[{}].module.c", number % 7);
            resource(
                &module,
                &format!("r{number}"),
                &json!({}),
                &json!("ä\u{2028} 🦀"),
            )
        })
        .collect();
    resources.push(resource(
        "",
        "keyed",
        &json!({ "index_key": "a.b/ü" }),
        &json!("x"),
    ));
    let mut state = json!({
        "version": 4,
        "terraform_version": "1.11.4",
        "serial": 18_446_744_073_709_551_000_u64,
        "lineage": "l-1",
        "outputs": {
            "string": { "value": "s", "type": "string" },
            "secret": { "value": "hunter2", "type": "string", "sensitive": true },
            "list": { "value": ["a", "b"], "type": ["list", "string"] },
            "map": { "value": { "k": "v" }, "type": ["map", "string"] },
            "object": { "value": { "a": 1, "b": [true] }, "type": ["object", { "a": "number", "b": ["tuple", ["bool"]] }] },
            "null": { "value": null, "type": "dynamic" },
        },
        "resources": resources,
        "check_results": null,
    })
    .to_string();
    // More digits than any float of 64 bits has.
    state = state.replace(
        "\"outputs\":{",
        "\"outputs\":{\"number\":{\"value\":123456789012345678901234567890.5,\"type\":\"number\"},",
    );
    state = state.replace("18446744073709551000", "12");
    test.write("environments/dev/terraform.tfstate", &state);

    let report = test
        .tfw(["migrate", "dev", "--yes", "--json"])
        .run()
        .succeeds()
        .json();
    let after = test.object("dev", "terraform.tfstate").unwrap();
    assert!(after.contains("123456789012345678901234567890.5"));
    assert!(after.contains("ä") && after.contains("🦀"));
    let (moved, original) = (content(&after), content(&state));
    assert_eq!(moved["resources"].as_array().unwrap().len(), 401);
    assert_eq!(moved["outputs"]["secret"], original["outputs"]["secret"]);
    let migration = &the_unit(&report, "dev")["migration"];
    assert_eq!(migration["workspaces"][0]["resources"], 401);
    // What is secret in a state is in none of tfw's own words.
    assert!(!report.to_string().contains("hunter2"));
}

#[test]
fn an_old_format_is_written_anew_and_proven() {
    let test = TestEnvironment::new().environment_with("dev", "", &unbacked());
    let old = json!({
        "version": 3, "terraform_version": "0.11.14", "serial": 3, "lineage": "old",
        "modules": [{
            "path": ["root"], "resources": {}, "depends_on": [],
            "outputs": { "o": { "sensitive": false, "type": "string", "value": "x" } },
        }],
    });
    test.write("environments/dev/terraform.tfstate", &old.to_string());
    test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    let after = test.state("dev").unwrap();
    assert_eq!(after["version"], 4);
    assert_eq!(after["outputs"]["o"]["value"], "x");
}

#[test]
fn fifty_megabytes_move() {
    let test = TestEnvironment::new().environment_with("dev", "", &unbacked());
    let state = state_of("l-1", 1, &"0123456789".repeat(1_700_000));
    assert!(state.len() > 50_000_000, "{}", state.len());
    test.write("environments/dev/terraform.tfstate", &state);
    test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    let after = test.object("dev", "terraform.tfstate").unwrap();
    assert_eq!(content(&after), content(&state));
}

#[test]
fn ctrl_c_lets_the_move_finish_and_the_next_run_goes_on() {
    let test = applied();
    test.create_versioned_bucket("dev");
    let state = format!("/{}/terraform.tfstate", test.bucket("dev"));
    let gate = test
        .proxy()
        .when(move |request| request.method == "PUT" && request.path == state)
        .times(1)
        .hold();
    let migration = test.tfw(["migrate", "dev", "--yes", "--json"]).spawn();
    gate.wait_for_arrival();
    migration.signal(rustix::process::Signal::INT);
    migration.wait_for_output("starting nothing new");
    gate.open();
    let report = migration.wait().exits(130).json();
    assert_eq!(the_unit(&report, "dev")["result"], "interrupted");
    assert!(test.path("environments/dev/terraform.tfstate").exists());
    assert_eq!(test.locks("dev"), [""; 0]);

    let run = test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    run.says("deleted: dev/terraform.tfstate");
    assert!(test.state("dev").is_some());
    test.tfw(["plan", "dev", "--detailed-exitcode"])
        .run()
        .succeeds();
}

#[test]
fn a_workspace_that_was_selected_by_hand_gives_way_to_the_manifests() {
    let test = applied();
    test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    test.terraform("dev", ["workspace", "new", "blue"])
        .run()
        .succeeds();
    test.tfw(["plan", "dev"])
        .run()
        .exits(4)
        .says("`tfw migrate dev`");
    let run = test.tfw(["migrate", "dev", "--dry-run"]).run().succeeds();
    run.says("selects the workspace `default`; `blue` is selected now");
    test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    test.tfw(["plan", "dev", "--detailed-exitcode"])
        .run()
        .succeeds();

    // The other way round there is no state, and everything would be new.
    let manifest = test.read("environments/tfw.toml");
    test.write(
        "environments/tfw.toml",
        &manifest.replace("type = \"s3\"\n", "type = \"s3\"\nworkspace = \"blue\"\n"),
    );
    let refused = test.tfw(["migrate", "dev", "--yes"]).run().exits(4);
    refused.says("set `backend.workspace = \"default\"`");
}

#[test]
fn a_status_tells_what_has_yet_to_be_migrated() {
    let test = applied();
    let before = test.tfw(["status", "dev"]).run().succeeds();
    before.says("not migrated");
    before.says("`dev/terraform.tfstate` is a local state that was not migrated");
    before.says("hint: `tfw migrate dev`");
    assert!(!before.stdout.contains("tfw init"), "{}", before.stdout);

    test.create_versioned_bucket("dev");
    let state = format!("/{}/terraform.tfstate", test.bucket("dev"));
    test.proxy()
        .when(move |request| request.method == "PUT" && request.path == state)
        .times(1)
        .refuse(403, "AccessDenied");
    test.tfw(["migrate", "dev", "--yes"]).run().exits(1);
    let broken = test.tfw(["status", "dev"]).run().succeeds();
    broken.says("a migration of its state is not finished");

    test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    let after = test.tfw(["status", "dev"]).run().succeeds();
    assert!(!after.stdout.contains("migrat"), "{}", after.stdout);
}

#[test]
fn the_key_of_the_manifest_encrypts_what_arrives() {
    let test = TestEnvironment::new();
    let key = "arn:aws:kms:eu-central-1:{account_id}:key/0f1e2d3c-4b5a-4697-8877-665544332211";
    let defaults = format!(
        "[defaults.backend]\ntype = \"s3\"\nbucket = \"{}\"\nkey = \"{{stack}}/terraform.tfstate\"\nuse_path_style = true\nkms_key_id = \"{key}\"\n\n[defaults.bucket]\nencryption = \"aws:kms\"\nkms_key = \"{key}\"\n\n[defaults.assume_role]\nrole_arn = \"arn:aws:iam::{{account_id}}:role/test\"\n",
        test.bucket("{environment}")
    );
    let test = test
        .defaults(&defaults)
        .environment_with("dev", "", &unbacked());
    test.create_versioned_bucket("dev");
    test.write(
        "environments/dev/terraform.tfstate",
        &state_of("l-1", 4, "x"),
    );
    test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    let puts: Vec<String> = test
        .proxy()
        .requests()
        .iter()
        .filter(|request| request.method == "PUT" && request.path.contains("terraform.tfstate"))
        .filter_map(|request| {
            let name = "x-amz-server-side-encryption-aws-kms-key-id";
            request.header(name).map(str::to_owned)
        })
        .collect();
    // The state and the lock.
    assert_eq!(puts.len(), 2, "{puts:?}");
    assert!(
        puts.iter().all(|key| key.ends_with("665544332211")),
        "{puts:?}"
    );
}

#[test]
fn a_state_moves_from_another_bucket() {
    let test = TestEnvironment::new().environment("dev").environment("old");
    for bucket in ["dev", "old"] {
        test.create_versioned_bucket(bucket);
    }
    let before = state_of("l-1", 7, "from the old bucket");
    test.put_object("old", "some/key", &before);
    let main = format!(
        "terraform {{\n  backend \"s3\" {{\n    bucket         = \"{}\"\n    key            = \"some/key\"\n    region         = \"eu-central-1\"\n    use_path_style = true\n  }}\n}}\n",
        test.bucket("old")
    ) + &unbacked();
    test.write("environments/dev/main.tf", &main);
    test.terraform("dev", ["init", "-input=false"])
        .run()
        .succeeds();
    let run = test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    run.says(&format!(
        "s3://{}/some/key → s3://{}/",
        test.bucket("old"),
        test.bucket("dev")
    ));
    let after = test.object("dev", "terraform.tfstate").unwrap();
    assert_eq!(content(&after), content(&before));
    assert_eq!(test.object("old", "some/key").unwrap(), before);
    test.tfw(["plan", "dev"]).run().succeeds();
}
