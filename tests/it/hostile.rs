//! What a person's own files and variables must not change.

use std::collections::BTreeSet;
use std::fs;

use crate::support::{Client, TestEnvironment, fixtures};

#[test]
fn nothing_of_the_persons_own_set_up_wins_over_tfw() {
    let test = TestEnvironment::new();
    let main = fixtures::aws(test.proxy().url());
    let test = test.environment_with("dev", "", &main);
    let aws = test.home().join(".aws");
    fs::create_dir(&aws).unwrap();
    fs::write(
        aws.join("credentials"),
        "[default]\naws_access_key_id = HOSTILE\naws_secret_access_key = x\n",
    )
    .unwrap();
    fs::write(
        aws.join("config"),
        "[default]\nregion = us-west-2\nendpoint_url = http://127.0.0.1:1\n",
    )
    .unwrap();
    let elsewhere = test.home().join("data");

    let applied = test
        .tfw(["apply", "dev", "--yes", "--auto-approve"])
        .env("AWS_PROFILE", "there-is-none")
        .env("AWS_DEFAULT_PROFILE", "there-is-none")
        .env("AWS_DEFAULT_REGION", "us-west-2")
        .env("AWS_ROLE_ARN", "arn:aws:iam::999999999999:role/Hostile")
        .env("AWS_ROLE_SESSION_NAME", "hostile")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/token")
        .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/")
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hostile")
        .env("TF_CLI_ARGS_plan", "-target=terraform_data.none")
        .env("TF_WORKSPACE", "hostile")
        .env("TF_DATA_DIR", &elsewhere)
        .run()
        .succeeds();

    // The base keys do nothing but open the role; all others work with the role's keys alone.
    let requests = test.proxy().requests();
    let mut with_role = BTreeSet::new();
    for request in &requests {
        let key = request.access_key().unwrap_or("unsigned");
        assert!(!key.contains("HOSTILE"), "{request}");
        if request.is_tfw("AssumeRole") {
            assert!(key.starts_with("test-"), "{request} with {key}");
        } else {
            with_role.insert(key.to_owned());
        }
    }
    assert_eq!(with_role.len(), 1, "{with_role:?}");
    for (client, operation) in [
        (Client::Tfw, "AssumeRole"),
        (Client::Tfw, "HeadBucket"),
        (Client::Terraform, "PutObject"),
        (Client::Provider, "GetCallerIdentity"),
        (Client::Provider, "CreateVpc"),
    ] {
        let sent = requests
            .iter()
            .any(|r| r.client() == client && r.operation() == operation);
        assert!(sent, "{client:?} {operation}");
    }
    let state = test.state("dev").unwrap();
    let seen = &state["outputs"]["account_id"]["value"];
    assert_eq!(*seen, test.account("dev").as_str());
    let vpc = state["outputs"]["vpc_id"]["value"].as_str().unwrap();
    assert!(vpc.starts_with("vpc-"), "{vpc}");
    assert_eq!(test.objects("dev"), ["terraform.tfstate"]);

    for name in ["TF_CLI_ARGS_plan", "TF_WORKSPACE", "TF_DATA_DIR"] {
        let warned = applied
            .stdout
            .lines()
            .filter(|line| line.contains("warning") && line.contains(name))
            .count();
        assert_eq!(warned, 1, "{name}: {}", applied.stdout);
    }
    assert!(!elsewhere.exists());
    assert!(test.path("environments/dev/.terraform").is_dir());
}

#[test]
fn ignored_settings_are_in_the_report() {
    let test = TestEnvironment::offline().environment("dev");
    let report = test
        .tfw(["plan", "dev", "--json"])
        .env("TF_CLI_ARGS", "-no-color")
        .env("TF_WORKSPACE", "")
        .run()
        .succeeds()
        .json();
    let diagnostics = report["diagnostics"].as_array().unwrap();
    assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
    assert_eq!(diagnostics[0]["severity"], "warning");
    let summary = diagnostics[0]["summary"].as_str().unwrap();
    assert!(summary.contains("`TF_CLI_ARGS`"), "{summary}");
}
