//! Providers that work as somebody else than tfw has proven.

use serde_json::Value;

use crate::support::{Client, TestEnvironment, fixtures};

const APPLY: [&str; 4] = ["apply", "dev", "--yes", "--auto-approve"];

/// `dev` with a root module of the real AWS provider, and these further keys of the manifest.
fn with_keys(keys: &str) -> TestEnvironment {
    let test = TestEnvironment::new();
    let main = fixtures::aws(test.proxy().url());
    test.environment_with("dev", keys, &main)
}

/// Writes arguments into the default provider, before those that are there (line 13).
fn into_provider(test: &TestEnvironment, arguments: &str) {
    let main = fixtures::aws(test.proxy().url());
    let block = format!("provider \"aws\" {{\n{arguments}\n");
    let main = main.replace("provider \"aws\" {\n", &block);
    test.write("environments/dev/main.tf", &main);
}

fn assume_role(arn: &str) -> String {
    format!("  assume_role {{\n    role_arn = \"{arn}\"\n  }}")
}

fn role(test: &TestEnvironment, environment: &str, name: &str) -> String {
    format!("arn:aws:iam::{}:role/{name}", test.account(environment))
}

/// Writes down each call of Terraform and the key that it is given, and lets it happen.
fn note_calls(test: &TestEnvironment) {
    test.fake_terraform(
        "echo \"$1 ${AWS_ACCESS_KEY_ID:-nobody}\" >> \"$0.calls\"\nexec \"$REAL_TERRAFORM\" \"$@\"",
    );
}

fn calls(test: &TestEnvironment) -> String {
    let file = test.home().with_file_name("bin").join("terraform.calls");
    std::fs::read_to_string(file).unwrap_or_default()
}

/// Asserts that whatever uses providers is refused with these words, before anybody is asked or a
/// Terraform with credentials starts.
#[track_caller]
fn assert_refused(test: &TestEnvironment, words: &[&str]) {
    note_calls(test);
    for command in [
        &APPLY[..],
        &["plan", "dev"],
        &["drift", "dev"],
        &["destroy", "dev", "--auto-approve"],
        &["exec", "dev", "--", "import", "aws_vpc.this", "vpc-1"],
    ] {
        let refused = test.tfw([]).args(command).run().exits(4);
        for part in words {
            refused.says(part);
        }
    }
    assert!(test.proxy().requests().is_empty(), "nobody was asked");
    assert!(calls(test).lines().all(|call| call == "version nobody"));
    assert!(!test.path("environments/dev/.terraform").exists());
}

#[test]
fn credentials_in_the_default_provider_are_refused() {
    let test = with_keys("");
    for (arguments, what) in [
        ("  profile = \"ops\"", "`profile`"),
        (
            "  access_key = \"AKIA\"\n  secret_key = \"hunter2\"",
            "`access_key`, `secret_key`",
        ),
        (
            "  shared_credentials_file = \"/keys\"",
            "`shared_credentials_file`",
        ),
    ] {
        into_provider(&test, arguments);
        assert_refused(
            &test,
            &[
                &format!("the default provider `aws` sets {what}, which wins over the credentials"),
                "at dev/main.tf:13",
                "hint: take it out: `credentials` and `assume_role` in the manifest",
            ],
        );
    }
    let report = test.tfw(["plan", "dev", "--json"]).run().exits(4).json();
    let unit = &report["units"][0];
    assert_eq!(unit["result"], "refused");
    assert_eq!(unit["diagnostics"][0]["file"], "dev/main.tf");
    assert_eq!(unit["diagnostics"][0]["line"], 13);
    assert!(!report.to_string().contains("hunter2"));

    // What sets no provider up works all the same.
    test.tfw(["init", "dev", "--yes"]).run().succeeds();
    test.tfw(["exec", "dev", "--", "state", "list"])
        .run()
        .exits(1)
        .says("No state file was found");
}

#[test]
fn an_override_file_and_json_are_read_too() {
    let test = with_keys("");
    test.write(
        "environments/dev/emulator_override.tf",
        "provider \"aws\" {\n  profile = \"ops\"\n}\n",
    );
    assert_refused(&test, &["sets `profile`", "at dev/emulator_override.tf:2"]);
    std::fs::remove_file(test.path("environments/dev/emulator_override.tf")).unwrap();
    test.write(
        "environments/dev/east.tf.json",
        r#"{
  "provider": {
    "aws": {
      "alias": "east",
      "profile": "ops"
    }
  }
}"#,
    );
    assert_refused(
        &test,
        &[
            "the provider `aws.east` sets `profile`",
            "at dev/east.tf.json:5",
        ],
    );
}

#[test]
fn a_role_in_the_default_provider_becomes_lines_of_the_manifest() {
    let test = with_keys("");
    let role = role(&test, "dev", "Deploy");
    into_provider(
        &test,
        &assume_role(&role).replace("\"\n  }", "\"\n    external_id = \"e/1\"\n  }"),
    );
    assert_refused(
        &test,
        &[
            &format!("the default provider `aws` assumes a role by itself: `{role}`"),
            "at dev/main.tf:13",
            "hint: take it out, and write in the manifest:",
            "[environments.dev.assume_role]",
            &format!("role_arn = \"{role}\""),
            "external_id = \"e/1\"",
            "`provider_assumes_role = true`",
        ],
    );

    // What the hint says.
    let manifest = test.read("environments/tfw.toml");
    let lines = format!(
        "{manifest}\n[environments.dev.assume_role]\nrole_arn = \"{role}\"\nexternal_id = \"e/1\"\n"
    );
    test.write("environments/tfw.toml", &lines);
    into_provider(&test, "");
    test.tfw(["plan", "dev", "--yes"]).run().succeeds();
    let requests = test.proxy().requests();
    let assumed: Vec<_> = requests
        .iter()
        .filter(|r| r.operation() == "AssumeRole")
        .collect();
    assert_eq!(assumed.len(), 1, "by tfw alone");
    assert_eq!(assumed[0].field("RoleArn"), Some(role));
    assert_eq!(assumed[0].field("ExternalId").as_deref(), Some("e/1"));
}

#[test]
fn a_provider_may_assume_its_role_where_the_manifest_says_so() {
    let test = with_keys("provider_assumes_role = true");
    let deploy = role(&test, "dev", "Deploy");
    into_provider(&test, &assume_role(&deploy));
    note_calls(&test);
    let applied = test.tfw(APPLY).run().succeeds();
    assert!(
        !applied.stderr.contains("not checked"),
        "{}",
        applied.stderr
    );

    let state = test.state("dev").expect("a state in the bucket");
    let account = &state["outputs"]["account_id"]["value"];
    assert_eq!(*account, test.account("dev"));

    // Terraform has the base credentials.
    let requests = test.proxy().requests();
    let assumed = |client: Client| -> Vec<(String, String)> {
        requests
            .iter()
            .filter(|r| r.client() == client && r.operation() == "AssumeRole")
            .map(|r| {
                let key = r.access_key().unwrap_or_default().to_owned();
                (r.field("RoleArn").unwrap_or_default(), key)
            })
            .collect()
    };
    let own = assumed(Client::Tfw);
    let base = own[0].1.clone();
    assert!(base.starts_with("test-"), "{base}");
    for call in calls(&test).lines() {
        let (_, key) = call.split_once(' ').unwrap();
        assert!(key == "nobody" || key == base, "{call}");
    }
    // tfw proves the provider's role, and takes the manifest's for the state, as the backend does.
    let test_role = role(&test, "dev", "test");
    let both = [deploy.clone(), test_role.clone()].map(|role| (role, base.clone()));
    assert_eq!(own, both);
    let by_backend = assumed(Client::Terraform);
    assert!(!by_backend.is_empty());
    assert!(
        by_backend.iter().all(|each| *each == both[1]),
        "{by_backend:?}"
    );
    // Its SDK does not say which provider it serves while it gets its credentials.
    let by_provider = assumed(Client::Other);
    assert!(!by_provider.is_empty());
    assert!(
        by_provider.iter().all(|each| *each == both[0]),
        "{by_provider:?}"
    );

    test.tfw(["plan", "dev", "--detailed-exitcode"])
        .run()
        .succeeds();
    test.tfw(["destroy", "dev", "--auto-approve"])
        .run()
        .succeeds();
}

#[test]
fn a_role_that_is_the_manifests_too_is_assumed_once() {
    let test = with_keys("provider_assumes_role = true");
    into_provider(&test, &assume_role(&role(&test, "dev", "test")));
    test.create_bucket("dev");
    test.tfw(["plan", "dev"]).run().succeeds();
    assert_eq!(test.proxy().count_tfw("AssumeRole"), 1);
}

#[test]
fn without_a_role_in_the_manifest_the_base_credentials_reach_the_state() {
    let test = TestEnvironment::new();
    let bucket = test.bucket("{environment}");
    let url = test.proxy().url().to_owned();
    let test = test
        .defaults(&format!(
            "[defaults.backend]\ntype = \"s3\"\nbucket = \"{bucket}\"\nkey = \"{{stack}}/terraform.tfstate\"\nuse_path_style = true\n"
        ))
        // The account of the emulator's own keys.
        .environment_with(
            "dev",
            "provider_assumes_role = true\nbackend.account_id = \"123456789012\"",
            &fixtures::aws(&url),
        );
    into_provider(&test, &assume_role(&role(&test, "dev", "Deploy")));
    test.create_bucket_in("dev", "123456789012");
    let report = test.tfw(["plan", "dev", "--json"]).run().succeeds().json();
    assert_eq!(report["units"][0]["account_id"], test.account("dev"));
    let recorded = test.read("environments/dev/.terraform/terraform.tfstate");
    let recorded: Value = serde_json::from_str(&recorded).unwrap();
    let config = &recorded["backend"]["config"];
    assert_eq!(config["allowed_account_ids"][0], "123456789012");
    assert_eq!(config["assume_role"], Value::Null);
}

#[test]
fn the_providers_own_role_must_be_of_the_account_in_awss_words_too() {
    let test = with_keys("provider_assumes_role = true");
    into_provider(&test, &assume_role(&role(&test, "nobody", "Deploy")));
    let (account, other) = (test.account("dev"), test.account("nobody"));
    assert_refused(
        &test,
        &[
            &format!("a role of account {other}, and the account of `dev` is {account}"),
            "at dev/main.tf:13",
            "hint: correct the role",
        ],
    );
    into_provider(&test, "");
    assert_refused(
        &test,
        &[
            "`provider_assumes_role` of `dev` says that the provider assumes a role",
            "the default provider `aws` assumes none",
            "hint: take the key out",
        ],
    );

    into_provider(&test, &assume_role(&role(&test, "dev", "Deploy")));
    let (from, to) = (account.clone(), other.clone());
    test.proxy()
        .when(|r| r.is_tfw("AssumeRole"))
        .times(1)
        .edit_answer(move |answer| answer.replace(&from, &to));
    let refused = test.tfw(["plan", "dev"]).run().exits(4);
    refused.says(&format!("expected account {account}"));
    refused.says(&format!("belongs to account {other}"));
    assert_eq!(test.proxy().count(|r| r.client() == Client::Terraform), 0);
}

#[test]
fn an_aliased_provider_may_work_in_the_accounts_of_the_manifest() {
    let test = with_keys("");
    let peer = test.account("nobody");
    let alias = |arguments: &str| {
        let block = format!("\n}}\n\nprovider \"aws\" {{\n  alias = \"peer\"\n{arguments}\n}}\n");
        let main = fixtures::aws(test.proxy().url());
        test.write(
            "environments/dev/main.tf",
            &main.replacen("\n}\n\ndata", &format!("{block}\ndata"), 1),
        );
    };
    alias(&assume_role(&role(&test, "nobody", "Peer")));
    assert_refused(
        &test,
        &[
            "the provider `aws.peer` assumes",
            &format!("a role of account {peer}"),
            "at dev/main.tf:25",
            "where that is meant, write in the manifest:",
            &format!("extra_account_ids = [\"{peer}\"]"),
        ],
    );
    alias("  profile = \"peer\"");
    assert_refused(
        &test,
        &[
            "the provider `aws.peer` sets `profile`, and nothing tells in which account it works",
            "`allowed_account_ids = [",
            "`extra_account_ids`",
        ],
    );

    alias(&assume_role(&role(&test, "nobody", "Peer")));
    let manifest = test.read("environments/tfw.toml");
    let line = format!("[environments.dev]\nextra_account_ids = [\"{peer}\"]");
    test.write(
        "environments/tfw.toml",
        &manifest.replace("[environments.dev]", &line),
    );
    let shown = test.tfw(["manifest", "show", "dev"]).run().succeeds();
    shown.says(&format!("extra_account_ids = [\"{peer}\"]"));
    test.tfw(["plan", "dev", "--yes"]).run().succeeds();
}

#[test]
fn what_is_not_literal_is_reported_as_unchecked_and_runs() {
    let test = with_keys("");
    let arn = "arn:aws:iam::${var.account}:role/test";
    into_provider(&test, &assume_role(arn));
    let variable = format!(
        "variable \"account\" {{\n  default = \"{}\"\n}}\n",
        test.account("dev")
    );
    test.write("environments/dev/variables.tf", &variable);
    let run = test
        .tfw(["plan", "dev", "--yes", "--json"])
        .run()
        .succeeds();
    let report = run.json();
    let diagnostics = report["units"][0]["diagnostics"].as_array().unwrap();
    let unchecked: Vec<&Value> = diagnostics
        .iter()
        .filter(|each| {
            each["summary"]
                .as_str()
                .unwrap()
                .starts_with("not checked: ")
        })
        .collect();
    assert_eq!(unchecked.len(), 1, "before the run and after it, told once");
    assert_eq!(
        unchecked[0]["summary"],
        "not checked: `assume_role` of the default provider `aws` is not literal"
    );
    assert_eq!(unchecked[0]["severity"], "warning");
    assert_eq!(unchecked[0]["file"], "dev/main.tf");
    assert_eq!(unchecked[0]["line"], 13);
    run.says("not checked: ");
}

#[test]
fn a_provider_in_a_module_is_refused_in_the_plan_and_nothing_is_applied() {
    let test = with_keys("");
    let call = "module \"peer\" {\n  source = \"./peer\"\n}\n";
    test.write("environments/dev/peer.tf", call);
    let provider = |arguments: &str| {
        let block = format!("provider \"aws\" {{\n  region = \"eu-central-1\"\n{arguments}\n}}\n");
        test.write("environments/dev/peer/main.tf", &block);
    };
    provider(&assume_role(&role(&test, "nobody", "Peer")));
    for command in [&APPLY[..], &["plan", "dev", "--json"]] {
        let refused = test.tfw([]).args(command).run().exits(4);
        refused.says("the provider `aws` assumes");
        refused.says(&format!("a role of account {}", test.account("nobody")));
        refused.says("dev/peer/main.tf");
        refused.says("extra_account_ids");
    }
    assert!(test.state("dev").is_none(), "nothing was applied");
    let plans = std::fs::read_dir(test.path("environments/.tfw/plans")).unwrap();
    for run in plans {
        let left = std::fs::read_dir(run.unwrap().path()).unwrap().count();
        assert_eq!(left, 0, "the plan is removed");
    }

    provider(&assume_role("arn:aws:iam::${local.account}:role/Peer"));
    let local = format!("locals {{\n  account = \"{}\"\n}}\n", test.account("dev"));
    test.write("environments/dev/peer/locals.tf", &local);
    let report = test.tfw(["plan", "dev", "--json"]).run().succeeds().json();
    let told = report["units"][0]["diagnostics"].to_string();
    assert!(
        told.contains("not checked: `assume_role` of the provider `aws`"),
        "{told}"
    );
    assert!(told.contains("dev/peer/main.tf"), "{told}");

    provider(&assume_role(&role(&test, "dev", "Peer")));
    test.tfw(APPLY).run().succeeds();
}

#[test]
fn terraforms_backend_works_in_the_account_of_the_manifest_alone() {
    let test = TestEnvironment::new().environment("dev");
    test.tfw(APPLY).run().succeeds();
    let file = "environments/dev/.terraform/terraform.tfstate";
    let account = test.account("dev");
    let allowed = || {
        let recorded: Value = serde_json::from_str(&test.read(file)).unwrap();
        recorded["backend"]["config"]["allowed_account_ids"].clone()
    };
    assert_eq!(allowed(), serde_json::json!([account]));

    // Typed by hand, with credentials of another account.
    let [id, secret, token] = test.credentials(&test.account("nobody"));
    test.terraform("dev", ["state", "list"])
        .env(id.0, id.1)
        .env(secret.0, secret.1)
        .env(token.0, token.1)
        .run()
        .exits(1)
        .says("AWS account ID not allowed");

    // What an earlier tfw left is the same place, and is taken over.
    let mut recorded: Value = serde_json::from_str(&test.read(file)).unwrap();
    recorded["backend"]["config"]["allowed_account_ids"] = Value::Null;
    test.write(file, &recorded.to_string());
    let report = test.tfw(["plan", "dev", "--json"]).run().succeeds().json();
    assert_eq!(report["units"][0]["init"], "ran");
    assert_eq!(report["units"][0]["changes"]["add"], 0);
    assert_eq!(allowed(), serde_json::json!([account]));
}
