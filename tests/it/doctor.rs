//! The whole set-up on one screen: what is well in few words, what is not with how to mend it, and
//! nothing changed.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Request, Run, TestEnvironment, fixtures, stacks};

/// What Terraform 1.11.4 writes into a `.tflock`.
const HELD: &str = r#"{"ID":"4bb62615","Operation":"OperationTypeApply","Info":"","Who":"alice@elsewhere","Version":"1.11.4","Created":"2026-01-02T03:04:05.986830795Z","Path":"bucket/terraform.tfstate"}"#;

const AREAS: [&str; 9] = [
    "tools",
    "manifest",
    "credentials",
    "bucket",
    "lock",
    "module",
    "lock_file",
    "state_files",
    "git",
];

/// Two environments whose buckets are made.
fn set_up() -> TestEnvironment {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("prod");
    test.tfw(["init", "--all", "--yes"]).run().succeeds();
    test
}

#[track_caller]
fn said(run: &Run, parts: &[&str]) {
    for part in parts {
        run.says(part);
    }
}

/// The checks of a document that are not well: area, unit, status, message and hint.
#[track_caller]
fn amiss(document: &Value) -> Vec<[String; 5]> {
    let checks = document["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| check["status"] != "ok")
        .map(|check| {
            ["area", "unit", "status", "message", "hint"]
                .map(|field| check[field].as_str().unwrap_or("-").to_owned())
        })
        .collect()
}

/// The one finding, by what is in its message.
#[track_caller]
fn one<'a>(found: &'a [[String; 5]], message: &str) -> [&'a str; 5] {
    let mut those = found.iter().filter(|each| each[3].contains(message));
    match (those.next(), those.next()) {
        (Some(only), None) => only.each_ref().map(String::as_str),
        _ => panic!("not one with `{message}`: {found:#?}"),
    }
}

fn writes(request: &Request) -> bool {
    request.service() == Some("s3") && !matches!(request.method.as_str(), "GET" | "HEAD")
}

#[test]
fn a_healthy_set_up_is_told_in_a_few_lines() {
    let test = set_up();
    test.commit("all of it");
    test.proxy().forget();
    let run = test.tfw(["doctor"]).run().succeeds();
    said(
        &run,
        &[
            "ok       tools: Terraform ",
            ", git 2.",
            "ok       manifest: `tfw.toml` with 2 environments, 2 units\n",
            "ok       credentials: 2 units, 2 principals\n",
            "ok       bucket: 2 units, 2 buckets\n",
            "ok       lock: 2 units: not locked\n",
            "ok       root module: 2 units: the backend block is as the manifest says\n",
            "ok       provider lock file: 2 units: no provider to lock\n",
            "ok       state files: 2 units: none lies about\n",
            "ok       git: no state, plan or `.terraform` is tracked\n",
            "\nall is well\n",
        ],
    );
    assert_eq!(run.stderr, "");
    assert_eq!(test.proxy().count_tfw("AssumeRole"), 2);
    assert_eq!(test.proxy().count_tfw("HeadBucket"), 2);
    assert_eq!(test.proxy().count(writes), 0);
    test.proxy().assert_expected_owner();
    let report = test.kept_report();
    assert_eq!(report["exit_code"], 0);
    assert_eq!(report["units"][1]["result"], "succeeded");

    let document = test.tfw(["doctor", "--json"]).run().succeeds().json();
    assert_eq!(document["schema"], 1);
    let checks = document["checks"].as_array().unwrap();
    for check in checks {
        let fields: Vec<&String> = check.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["area", "unit", "status", "message", "hint"]);
        assert_eq!(
            (&check["status"], &check["hint"]),
            (&json!("ok"), &json!(null))
        );
    }
    let mut areas: Vec<&str> = checks.iter().map(|c| c["area"].as_str().unwrap()).collect();
    areas.dedup();
    assert_eq!(areas, AREAS);
    let of_units: Vec<&Value> = checks
        .iter()
        .filter(|check| check["area"] == "credentials")
        .collect();
    assert_eq!(of_units[0]["unit"], "dev");
    assert_eq!(
        of_units[1]["message"],
        format!("role test in account {}", test.account("prod"))
    );
}

#[test]
fn units_may_be_named_and_all_are_looked_at_otherwise() {
    let test = set_up();
    for (args, units) in [
        (&[][..], "2 units, 2 buckets"),
        (&["prod"], "as the manifest says"),
        (&["--exclude", "dev"], "as the manifest says"),
    ] {
        let run = test.tfw(["doctor"]).args(args);
        let run = run
            .current_dir(test.path("environments/dev"))
            .run()
            .succeeds();
        run.says(units);
    }
    test.tfw(["doctor", "nobody"]).run().exits(3);
    test.tfw(["doctor", "--al"]).run().exits(3);
}

#[test]
fn a_bucket_and_a_role_are_looked_at_once_for_all() {
    let test = TestEnvironment::new().environment_with("dev", &stacks(8), &fixtures::builtin());
    test.tfw(["init", "dev", "--yes"]).run().succeeds();
    test.proxy().forget();
    test.tfw(["doctor"]).run().succeeds();
    assert_eq!(test.proxy().count_tfw("AssumeRole"), 1);
    assert_eq!(test.proxy().count_tfw("HeadBucket"), 1);
    assert_eq!(test.proxy().count_tfw("GetBucketVersioning"), 1);
}

#[test]
fn buckets_and_their_keys_are_held_against_the_manifest() {
    let kms = "bucket.encryption = \"aws:kms\"\nbucket.kms_key = \"alias/none\"";
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("lab")
        .environment_with("prod", kms, &fixtures::builtin());
    test.create_bucket("dev");
    test.create_bucket("prod");
    test.proxy().forget();
    let run = test.tfw(["doctor", "--json"]).run().exits(2);
    let found = amiss(&run.json());
    assert_eq!(
        one(&found, &format!("`versioning` of `{}`", test.bucket("dev"))),
        [
            "bucket",
            "dev",
            "warning",
            &format!(
                "`versioning` of `{}` is not set, should be Enabled",
                test.bucket("dev")
            ),
            "`tfw backend ensure dev` mends it",
        ]
    );
    assert_eq!(
        one(&found, "the state bucket"),
        [
            "bucket",
            "lab",
            "problem",
            &format!("the state bucket `{}` does not exist", test.bucket("lab")),
            "`tfw backend ensure lab` creates it, after consent",
        ]
    );
    let key = one(
        &found,
        "the KMS key `alias/none` cannot be used: it does not exist",
    );
    assert_eq!(key[..3], ["kms", "prod", "problem"]);
    assert!(key[4].contains("bucket.create_kms_key = true"), "{key:?}");
    assert_eq!(test.proxy().count(writes), 0);
    assert!(!test.bucket_exists("lab"));

    test.tfw(["backend", "ensure", "dev", "--yes"])
        .run()
        .succeeds();
    test.tfw(["doctor", "dev"]).run().succeeds();
}

#[test]
fn credentials_that_cannot_be_had_or_are_of_another_account_are_told() {
    let elsewhere = "assume_role.role_arn = \"arn:aws:iam::999999999999:role/test\"";
    let test = set_up().environment_with("lab", elsewhere, &fixtures::builtin());
    let prod = test.account("prod");
    test.proxy()
        .when(move |r| {
            r.is_tfw("AssumeRole") && r.field("RoleArn").is_some_and(|arn| arn.contains(&prod))
        })
        .refuse(403, "AccessDenied");
    let found = amiss(&test.tfw(["doctor", "--json"]).run().exits(2).json());
    let denied = one(&found, "cannot assume the role");
    assert_eq!(denied[..3], ["credentials", "prod", "problem"]);
    assert!(denied[3].contains(&test.account("prod")), "{denied:?}");
    assert!(denied[4].contains("trust policy"), "{denied:?}");
    let wrong = one(&found, "wrong credentials: expected account");
    assert_eq!(wrong[..3], ["credentials", "lab", "problem"]);
    assert!(wrong[4].contains("correct `account_id`"), "{wrong:?}");
    assert_eq!(
        found.len(),
        2,
        "what depends on them is left out: {found:#?}"
    );
}

#[test]
fn a_lock_that_is_held_for_long_is_told_with_how_to_release_it() {
    let test = set_up();
    test.put_object("dev", "terraform.tfstate.tflock", HELD);
    let now = jiff::Timestamp::now().to_string();
    let new = HELD.replace("2026-01-02T03:04:05.986830795Z", &now);
    test.put_object("prod", "terraform.tfstate.tflock", &new);
    let run = test.tfw(["doctor"]).run().exits(2);
    said(
        &run,
        &[
            "ok       lock: prod: locked by alice@elsewhere since ",
            "warning  lock: dev: locked by alice@elsewhere since 2026-01-02 03:04:05 UTC, for `apply`\n",
            "         hint: where nobody works any more, `tfw lock release dev --id 4bb62615` releases it\n",
            "\n1 warning\n",
        ],
    );
    assert!(test.locked("dev"));
}

#[test]
fn backend_blocks_that_contradict_the_manifest_or_are_out_of_date_are_told() {
    let module = |block: &str| fixtures::builtin().replace("  backend \"s3\" {}\n", block);
    let test = TestEnvironment::new()
        .environment_with("none", "", &module(""))
        .environment_with("other", "", &module("  backend \"gcs\" {}\n"))
        .environment_with("place", "", &module("  backend \"s3\" {\n    key = \"x\"\n  }\n"))
        .environment_with(
            "old",
            "",
            &module("  backend \"s3\" {\n    encrypt        = true\n    dynamodb_table = \"locks\"\n    force_path_style = true\n  }\n"),
        )
        .environment_with(
            "secret",
            "",
            &module("  backend \"s3\" {\n    secret_key = \"hunter2\"\n  }\n"),
        )
        .environment_with(
            "options",
            "backend.options = { dynamodb_table = \"locks\" }",
            &fixtures::builtin(),
        );
    test.tfw(["backend", "ensure", "--all", "--yes"])
        .run()
        .succeeds();
    let run = test.tfw(["doctor", "--json"]).run().exits(2);
    assert!(!run.stdout.contains("hunter2"), "{}", run.stdout);
    let found = amiss(&run.json());
    for (unit, status, message, hint) in [
        (
            "none",
            "problem",
            "`none` has no backend block",
            "`tfw migrate none`",
        ),
        (
            "other",
            "problem",
            "other/main.tf:2: `other` has a backend block of type `gcs`",
            "`tfw migrate other`",
        ),
        (
            "place",
            "problem",
            "sets `key` otherwise than the manifest",
            "remove it from the block",
        ),
        (
            "old",
            "warning",
            "old/main.tf:4: `dynamodb_table` in the backend block is obsolete",
            "`use_lockfile = true`",
        ),
        (
            "old",
            "warning",
            "old/main.tf:5: `force_path_style`",
            "`use_path_style`",
        ),
        (
            "secret",
            "problem",
            "secret/main.tf:3: `secret_key` in the backend block is a secret",
            "take it out",
        ),
    ] {
        let one = one(&found, message);
        assert_eq!(one[..3], ["module", unit, status]);
        assert!(one[4].contains(hint), "{one:?}");
    }
    let of_manifest = one(&found, "sets `dynamodb_table` in `backend.options`");
    assert_eq!(of_manifest[..3], ["manifest", "options", "warning"]);
    assert_eq!(found.len(), 7, "{found:#?}");
}

#[test]
fn what_is_initialised_for_another_state_is_told() {
    let test = set_up();
    let manifest = test.read("environments/tfw.toml");
    let moved = manifest.replace("{stack}/terraform.tfstate", "{stack}/moved.tfstate");
    test.write("environments/tfw.toml", &moved);
    let run = test.tfw(["doctor", "dev"]).run().exits(2);
    said(
        &run,
        &[
            "problem  root module: dev: `dev/.terraform` is initialised for another state than the manifest's; key: recorded `terraform.tfstate`, wanted `moved.tfstate`",
            "hint: `tfw migrate dev` moves the state",
        ],
    );
}

#[test]
fn a_missing_provider_lock_file_is_told_once_for_all() {
    let test = TestEnvironment::new();
    let main = fixtures::aws(test.proxy().url());
    let test = test
        .environment_with("dev", "", &main)
        .environment_with("prod", "", &main);
    test.tfw(["backend", "ensure", "--all", "--yes"])
        .run()
        .succeeds();
    let run = test.tfw(["doctor"]).run().exits(2);
    said(
        &run,
        &[
            "warning  provider lock file: dev, prod: no `.terraform.lock.hcl`: each init may choose other versions of providers\n",
            "         hint: `tfw init dev prod` writes it; commit it\n",
        ],
    );
    test.write("environments/prod/.terraform.lock.hcl", "provider {");
    let found = amiss(&test.tfw(["doctor", "--json"]).run().exits(2).json());
    let damaged = one(&found, ".terraform.lock.hcl` line 1");
    assert_eq!(damaged[..3], ["lock_file", "prod", "problem"]);
    assert!(damaged[4].starts_with("delete the file"), "{damaged:?}");
}

#[test]
fn states_and_plans_that_lie_about_are_told() {
    let test = set_up();
    test.write("environments/dev/terraform.tfstate", "{}");
    test.write("environments/dev/terraform.tfstate.backup", "{}");
    test.write("environments/dev/tfplan", "PK\x03\x04");
    test.write("environments/prod/errored.tfstate", "{}");
    test.write(
        "environments/.tfw/runs/20260101T000000Z-000000/prod.errored.tfstate",
        "{}",
    );
    let found = amiss(&test.tfw(["doctor", "--json"]).run().exits(2).json());
    for (unit, status, message, hint) in [
        (
            "dev",
            "problem",
            "`dev/terraform.tfstate` is a local state",
            "`tfw migrate dev` moves it",
        ),
        (
            "dev",
            "warning",
            "`dev/terraform.tfstate.backup` is a copy of a state",
            "delete it",
        ),
        (
            "dev",
            "warning",
            "`dev/tfplan` is a saved plan",
            "delete it",
        ),
        (
            "prod",
            "problem",
            "`prod/errored.tfstate` is a state that an earlier apply",
            "`tfw exec prod -- state push errored.tfstate`",
        ),
        (
            "prod",
            "problem",
            "`.tfw/runs/20260101T000000Z-000000/prod.errored.tfstate` is a state",
            "`tfw exec prod -- state push /",
        ),
    ] {
        let one = one(&found, message);
        assert_eq!(one[..3], ["state_files", unit, status]);
        assert!(one[4].contains(hint), "{one:?}");
    }
    assert_eq!(found.len(), 5, "{found:#?}");
}

#[test]
fn beside_the_local_backend_states_are_where_they_belong() {
    let test = TestEnvironment::offline().environment("dev");
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    let run = test.tfw(["doctor"]).run().succeeds();
    said(
        &run,
        &[
            "ok       credentials: dev: no AWS credentials are needed\n",
            "ok       state files: dev: none lies about\n",
            "ok       git: not a git repository\n",
        ],
    );
}

#[test]
fn what_git_tracks_and_should_not_is_told() {
    let test = set_up();
    test.write(".gitignore", "");
    test.commit("begun");
    test.write(".gitignore", "");
    test.write("environments/dev/old.tfstate.backup", "{}");
    test.write("environments/prod/eu.tfplan", "PK\x03\x04");
    test.write("elsewhere/terraform.tfstate", "{}");
    test.commit("too much");
    let run = test.tfw(["doctor", "--json"]).run().exits(2);
    let found: Vec<_> = amiss(&run.json());
    let of_git: Vec<_> = found
        .into_iter()
        .filter(|[area, ..]| area == "git")
        .collect();
    for (unit, status, message, hint) in [
        (
            "dev",
            "warning",
            "git tracks `dev/.terraform`",
            "`git rm -r --cached :/environments/dev/.terraform`",
        ),
        (
            "dev",
            "problem",
            "git tracks `dev/old.tfstate.backup`, a state",
            "`git rm --cached :/environments/dev/old.tfstate.backup`",
        ),
        (
            "prod",
            "warning",
            "git tracks `prod/.terraform`",
            "the history keeps",
        ),
        (
            "prod",
            "problem",
            "git tracks `prod/eu.tfplan`, a saved plan",
            "the history keeps it",
        ),
    ] {
        let one = one(&of_git, message);
        assert_eq!(one[..3], ["git", unit, status]);
        assert!(one[4].contains(hint), "{one:?}");
    }
    assert_eq!(of_git.len(), 4, "{of_git:#?}");
}

#[test]
fn a_wrong_manifest_is_a_check_and_all_its_problems_are_told() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "colour = \"red\"\nprotected = 1",
        &fixtures::builtin(),
    );
    let run = test.tfw(["doctor", "--json"]).run().exits(2);
    let document = run.json();
    let checks = document["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 2, "{document:#}");
    for check in checks {
        assert_eq!(check["area"], "manifest");
        assert_eq!(check["unit"], Value::Null);
        assert_eq!(check["status"], "problem");
        let message = check["message"].as_str().unwrap();
        assert!(message.starts_with("tfw.toml:"), "{message}");
    }
    let run = test.tfw(["doctor"]).run().exits(2);
    said(
        &run,
        &["problem  manifest: tfw.toml:", "`colour`", "\n2 problems\n"],
    );
    assert!(!test.path("environments/.tfw").exists());

    std::fs::remove_file(test.path("environments/tfw.toml")).unwrap();
    let run = test.tfw(["doctor"]).run().exits(2);
    said(
        &run,
        &[
            "problem  manifest: there is no `tfw.toml` in ",
            "hint: create `environments/tfw.toml`",
            "\n1 problem\n",
        ],
    );
}

#[test]
fn without_terraform_all_else_is_looked_at() {
    let test = set_up();
    test.fake_terraform("echo '{ \"terraform_version\": \"1.5.7\" }'");
    let found = amiss(&test.tfw(["doctor", "--json"]).run().exits(2).json());
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0][..3], ["tools", "-", "problem"]);
    assert!(found[0][3].contains("1.5.7"), "{found:#?}");

    test.without_terraform();
    let run = test.tfw(["doctor"]).run().exits(2);
    said(
        &run,
        &[
            "problem  tools: `terraform` was not found on `PATH`\n",
            "hint: install Terraform (",
            "ok       bucket: 2 units, 2 buckets\n",
            "\n1 problem\n",
        ],
    );
}

#[test]
fn an_interrupted_look_says_what_was_not_looked_at() {
    let test = set_up();
    let gate = test.proxy().when(|r| r.is_tfw("AssumeRole")).hold();
    let doctor = test.tfw(["doctor", "--json"]).spawn();
    gate.wait_for_arrival();
    doctor.signal(Signal::INT);
    let run = doctor.wait().exits(130);
    gate.open();
    let found = amiss(&run.json());
    let bucket = found.iter().find(|[area, ..]| area == "bucket").unwrap();
    assert_eq!(
        bucket[2..4],
        ["unknown", "not looked at: the run was interrupted"]
    );
    assert_eq!(test.kept_report()["result"], "interrupted");
}

#[test]
fn it_fits_screens_of_eighty_and_two_hundred_columns() {
    let test = set_up().environment("lab");
    test.put_object("dev", "terraform.tfstate.tflock", HELD);
    test.write("environments/prod/terraform.tfstate", "{}");
    for columns in [80, 200] {
        let screen = test.tfw(["doctor"]).on_terminal_of(columns, 40).leaves(2);
        screen.is_tidy();
        assert!(screen.is_coloured());
        assert!(screen.shows("2 problems, 1 warning"), "{screen}");
        assert!(screen.shows("         hint: "), "{screen}");
    }
}
