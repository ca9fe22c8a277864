//! States that would be lost or left behind, and what stands in the way.

use crate::support::{Client, Request, TestEnvironment, fixtures};

/// A request that changes something in S3, whoever sends it.
fn writes(request: &Request) -> bool {
    request.service() == Some("s3") && !matches!(request.method.as_str(), "GET" | "HEAD")
}

const APPLY: [&str; 4] = ["apply", "dev", "--yes", "--auto-approve"];

/// Asserts that an apply is refused: with exit code 4, these words, and nothing written or run.
#[track_caller]
fn assert_refused(test: &TestEnvironment, words: &[&str]) {
    test.proxy().forget();
    let refused = test.tfw(APPLY).run().exits(4);
    for part in words {
        refused.says(part);
    }
    assert_eq!(test.proxy().count(writes), 0);
    assert_eq!(test.proxy().count(|r| r.client() == Client::Terraform), 0);
}

/// `terraform init` by hand, with the state at this key.
fn init_by_hand(test: &TestEnvironment, key: &str, further: &str) {
    let bucket = format!("-backend-config=bucket={}", test.bucket("dev"));
    let key = format!("-backend-config=key={key}");
    test.terraform(
        "dev",
        [
            "init",
            "-input=false",
            "-backend-config=use_path_style=true",
            "-backend-config=use_lockfile=true",
            &bucket,
            &key,
            further,
        ],
    )
    .run()
    .succeeds();
}

#[test]
fn after_an_init_by_hand_for_another_key_nothing_is_applied() {
    let test = TestEnvironment::new().environment("dev");
    test.tfw(APPLY).run().succeeds();
    assert_eq!(test.versions("dev", "terraform.tfstate"), 1);

    init_by_hand(&test, "other/terraform.tfstate", "-reconfigure");
    assert_refused(
        &test,
        &[
            "`dev/.terraform` is initialised for another state than the manifest's",
            "key: recorded `other/terraform.tfstate`, wanted `terraform.tfstate`",
            "hint: `tfw migrate dev` moves the state",
        ],
    );
    for command in ["init", "plan", "destroy"] {
        test.tfw([command, "dev", "--no-input"]).run().exits(4);
    }
    assert_eq!(test.proxy().count(writes), 0);
    assert_eq!(test.objects("dev"), ["terraform.tfstate"]);
    assert_eq!(test.versions("dev", "terraform.tfstate"), 1);
    let recorded = test.read("environments/dev/.terraform/terraform.tfstate");
    assert!(recorded.contains("other/terraform.tfstate"), "{recorded}");

    // The way back that the hint names.
    std::fs::remove_dir_all(test.path("environments/dev/.terraform")).unwrap();
    let back = test.tfw(["plan", "dev", "--detailed-exitcode"]).run();
    back.succeeds();
}

#[test]
fn another_bucket_or_region_in_the_manifest_is_refused_too() {
    let test = TestEnvironment::new().environment("dev");
    test.create_bucket("dev");
    test.tfw(APPLY).run().succeeds();
    let manifest = test.read("environments/tfw.toml");
    let (bucket, key) = (test.bucket("{environment}"), "{stack}/terraform.tfstate");
    for (from, to, words) in [
        (bucket.as_str(), "somewhere-else", "bucket: recorded"),
        (key, "new/{stack}/terraform.tfstate", "key: recorded"),
        (
            "type = \"s3\"",
            "type = \"s3\"\nregion = \"us-west-2\"",
            "region: recorded `eu-central-1`, wanted `us-west-2`",
        ),
        (
            "type = \"s3\"",
            "type = \"s3\"\nworkspace = \"blue\"",
            "workspace: recorded `default`, wanted `blue`",
        ),
    ] {
        test.write("environments/tfw.toml", &manifest.replace(from, to));
        assert_refused(&test, &[words, "hint: `tfw migrate dev`"]);
    }
    test.write("environments/tfw.toml", &manifest);
    test.tfw(APPLY).run().succeeds();
}

#[test]
fn a_workspace_selected_by_hand_is_refused() {
    let test = TestEnvironment::new().environment("dev");
    test.tfw(APPLY).run().succeeds();
    test.terraform("dev", ["workspace", "new", "green"])
        .run()
        .succeeds();
    assert_refused(
        &test,
        &["workspace: recorded `green`, wanted `default`", "hint: "],
    );
}

#[test]
fn the_backend_block_must_be_there_and_of_the_right_type() {
    let main = fixtures::builtin();
    let block = "  backend \"s3\" {}\n";
    for (instead, words) in [
        (
            "",
            [
                "`dev` has no backend block",
                "`tfw migrate dev` moves one that does",
            ],
        ),
        (
            "  backend \"local\" {}\n",
            [
                "`dev` has a backend block of type `local`, and the manifest says `s3`",
                "hint: `tfw migrate dev` moves the state",
            ],
        ),
        (
            "  cloud {\n    organization = \"acme\"\n  }\n",
            [
                "`dev` has a `cloud` block, and the manifest says `backend.type = \"s3\"`",
                "hint: replace the block by `backend \"s3\" {}`",
            ],
        ),
    ] {
        let test =
            TestEnvironment::new().environment_with("dev", "", &main.replace(block, instead));
        assert_refused(&test, &words);
        assert!(test.proxy().requests().is_empty(), "nobody was asked");
        assert!(!test.path("environments/dev/.terraform").exists());
    }
}

#[test]
fn the_backend_block_must_not_say_where_or_as_whom_by_itself() {
    let main = fixtures::builtin();
    let account = "arn:aws:iam::999999999999:role/Other";
    for (arguments, words) in [
        (
            format!("assume_role = {{ role_arn = \"{account}\" }}"),
            "the backend block of `dev` sets `assume_role` otherwise",
        ),
        (
            "workspace_key_prefix = \"ws\"".to_owned(),
            "sets `workspace_key_prefix` otherwise",
        ),
        (
            "bucket = \"acme-${\"else\"}\"".to_owned(),
            "sets `bucket` otherwise",
        ),
    ] {
        let block = format!("backend \"s3\" {{\n    {arguments}\n  }}\n");
        let main = main.replace("backend \"s3\" {}\n", &block);
        let test = TestEnvironment::new().environment_with("dev", "", &main);
        assert_refused(
            &test,
            &[words, "at dev/main.tf:2", "hint: remove it from the block"],
        );
        assert!(test.proxy().requests().is_empty(), "nobody was asked");
    }

    // What the manifest says too may stand there.
    let same = "backend \"s3\" {\n    region  = \"eu-central-1\"\n    encrypt = true\n  }\n";
    let test = TestEnvironment::new().environment_with(
        "dev",
        "",
        &main.replace("backend \"s3\" {}\n", same),
    );
    test.tfw(APPLY).run().succeeds();
}

#[test]
fn a_local_state_is_where_the_manifest_says_or_nothing_is_applied() {
    let main = fixtures::local(&fixtures::builtin()).replace(
        "backend \"local\" {}",
        "backend \"local\" {\n    path = \"elsewhere\"\n  }",
    );
    let test = TestEnvironment::offline().environment_with("dev", "", &main);
    let refused = test.tfw(APPLY).run().exits(4);
    refused.says("the backend block of `dev` sets `path` otherwise than the manifest");
    assert!(!test.path("environments/dev/elsewhere").exists());

    let test = TestEnvironment::offline().environment_with(
        "dev",
        "backend.options = { path = \"elsewhere\" }",
        &main,
    );
    test.tfw(APPLY).run().succeeds();
    assert!(test.path("environments/dev/elsewhere").exists());
}

#[test]
fn a_local_state_beside_a_remote_backend_is_refused() {
    let test = TestEnvironment::new().environment("dev");
    for file in [
        "terraform.tfstate",
        "terraform.tfstate.d/blue/terraform.tfstate",
    ] {
        let path = format!("environments/dev/{file}");
        test.write(&path, "{\"version\": 4, \"resources\": []}");
        assert_refused(
            &test,
            &[
                &format!("`dev/{file}` is a local state"),
                "the state lives in `s3`",
                "hint: `tfw migrate dev` moves it",
            ],
        );
        assert!(test.proxy().requests().is_empty());
        // What a migration leaves is no state any more.
        test.write(&path, "");
    }
    test.tfw(APPLY).run().succeeds();
}

#[test]
fn what_a_fingerprint_promises_is_not_believed_over_the_guards() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("prod");
    test.tfw(["apply", "--all", "--yes", "--auto-approve"])
        .run()
        .succeeds();
    test.write("environments/dev/terraform.tfstate", "{\"version\": 4}");
    test.proxy().forget();
    let report = test
        .tfw(["apply", "--all", "--auto-approve", "--json"])
        .run()
        .exits(4)
        .json();
    assert_eq!(report["result"], "refused");
    assert_eq!(report["units"][0]["result"], "refused");
    assert_eq!(report["units"][1]["result"], "skipped");
    assert!(test.proxy().requests().is_empty());
}

#[test]
fn another_encryption_is_taken_over_in_silence_and_the_state_stays() {
    let test = TestEnvironment::new().environment("dev");
    test.tfw(APPLY).run().succeeds();
    let before = test.state("dev").unwrap();
    let manifest = test.read("environments/tfw.toml");
    let with_key = manifest.replace(
        "type = \"s3\"",
        "type = \"s3\"\nkms_key_id = \"arn:aws:kms:eu-central-1:111111111111:key/0a0a0a0a-1b1b-4c2c-8d3d-4e4e4e4e4e4e\"",
    );
    test.write("environments/tfw.toml", &with_key);

    test.proxy().forget();
    let report = test.tfw(["plan", "dev", "--json"]).run().succeeds().json();
    assert_eq!(report["units"][0]["init"], "ran");
    assert_eq!(report["units"][0]["changes"]["add"], 0);
    assert_eq!(report["units"][0]["diagnostics"], serde_json::json!([]));
    let log = test.read(&format!(
        "environments/{}",
        report["units"][0]["log"].as_str().unwrap()
    ));
    let init = log.lines().find(|line| line.contains("terraform init"));
    assert!(
        init.is_some_and(|line| line.contains("-reconfigure")),
        "{log}"
    );
    assert_eq!(test.state("dev").unwrap(), before);
    assert_eq!(test.versions("dev", "terraform.tfstate"), 1);
    let recorded = test.read("environments/dev/.terraform/terraform.tfstate");
    assert!(recorded.contains(":key/0a0a0a0a-"), "{recorded}");
}

#[test]
fn what_an_init_by_hand_gave_the_same_state_does_not_stay() {
    let test = TestEnvironment::new().environment("dev");
    test.tfw(APPLY).run().succeeds();
    let bucket = format!("-backend-config=bucket={}", test.bucket("dev"));
    test.terraform("dev", ["init", "-input=false", "-reconfigure", &bucket])
        .args([
            "-backend-config=key=terraform.tfstate",
            "-backend-config=use_path_style=true",
            "-backend-config=use_lockfile=false",
            "-backend-config=encrypt=false",
        ])
        .run()
        .succeeds();

    let init = || {
        let report = test.tfw(["plan", "dev", "--json"]).run().succeeds().json();
        report["units"][0]["init"].clone()
    };
    assert_eq!(init(), "ran");
    let recorded = test.read("environments/dev/.terraform/terraform.tfstate");
    let recorded: serde_json::Value = serde_json::from_str(&recorded).unwrap();
    for argument in ["use_lockfile", "encrypt"] {
        assert_eq!(recorded["backend"]["config"][argument], true);
    }
    assert_eq!(init(), "skipped");
}

#[test]
fn a_workspace_of_a_protected_environment_is_not_made_unasked_and_is_no_state() {
    let keys = "protected = true\nbackend.workspace = \"green\"";
    let test = TestEnvironment::new().environment_with("prod", keys, &fixtures::builtin());
    test.create_bucket("prod");
    let refused = test.tfw(["plan", "prod"]).run().exits(4);
    refused.says("nobody agreed to creating the workspace `green` there");
    refused.says("hint: `--approve prod` agrees");
    assert!(test.objects("prod").is_empty());

    let mut terminal = test.tfw(["plan", "prod"]).on_terminal();
    let shown = terminal
        .wait_for("`prod` is protected. Type its name to agree, anything else to decline: ");
    assert!(
        shown.contains("creating the workspace `green` of `prod`"),
        "{shown}"
    );
    terminal.type_line("prod");
    terminal.exits(0);
    assert_eq!(test.objects("prod"), ["env:/green/terraform.tfstate"]);

    // Nothing is in it: whether the address is right is as open as before.
    let apply = ["apply", "prod", "--auto-approve", "--approve", "prod"];
    test.tfw(apply)
        .run()
        .exits(4)
        .says("`--new-state prod` says that this is meant");
    test.tfw(apply)
        .args(["--new-state", "prod"])
        .run()
        .succeeds();
    test.tfw(apply).run().succeeds();
}
