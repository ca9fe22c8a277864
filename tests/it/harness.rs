//! The harness itself: what other tests rely on.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::{Client, TestEnvironment, fixtures, wait_until};

/// `terraform init` with the backend that the generated manifest describes.
fn bare_init(test: &TestEnvironment, environment: &str) {
    let bucket = format!("-backend-config=bucket={}", test.bucket(environment));
    test.terraform(
        environment,
        [
            "init",
            "-input=false",
            "-backend-config=key=terraform.tfstate",
            "-backend-config=use_path_style=true",
            "-backend-config=use_lockfile=true",
            &bucket,
        ],
    )
    .run()
    .succeeds();
}

#[test]
fn a_bare_terraform_applies_through_the_proxy() {
    let test = TestEnvironment::new();
    let main = fixtures::aws(test.proxy().url());
    let test = test.environment_with("dev", "protected = true", &main);
    test.create_bucket("dev");
    assert!(test.bucket_exists("dev"));

    bare_init(&test, "dev");
    test.terraform("dev", ["apply", "-auto-approve", "-input=false"])
        .run()
        .succeeds();

    let state = test.state("dev").unwrap();
    assert_eq!(
        state["outputs"]["account_id"]["value"],
        test.account("dev").as_str()
    );
    assert_eq!(test.objects("dev"), ["terraform.tfstate"]);
    assert!(!test.locked("dev"));
    let proxy = test.proxy();
    let sent = |client, operation: &str| {
        proxy.count(|request| request.client() == client && request.operation() == operation)
    };
    assert_eq!(sent(Client::Provider, "CreateVpc"), 1);
    assert_eq!(sent(Client::Terraform, "DeleteObject"), 1);
    assert_eq!(proxy.count_tfw("AssumeRole"), 0);
    assert!(proxy.count(|request| request.access_key().is_some_and(|key| key.len() >= 16)) > 5);
    proxy.assert_expected_owner();
    proxy.forget();
    assert!(proxy.requests().is_empty());
}

#[test]
fn faults_happen_to_the_requests_they_are_meant_for() {
    let test = TestEnvironment::new().environment("dev");
    test.create_bucket("dev");
    let proxy = test.proxy();

    proxy
        .when(|request| request.operation() == "GetCallerIdentity")
        .times(1)
        .refuse(403, "ExpiredToken");
    let failed = test
        .terraform(
            "dev",
            ["init", "-backend-config=bucket=b", "-backend-config=key=k"],
        )
        .run()
        .exits(1);
    assert!(failed.stderr.contains("ExpiredToken"), "{}", failed.stderr);

    bare_init(&test, "dev");
    proxy
        .when(|request| request.path.ends_with(".tflock") && request.method == "PUT")
        .times(1)
        .disconnect();
    let gate = proxy
        .when(|request| request.operation() == "PutObject" && request.path.ends_with(".tfstate"))
        .hold();
    let apply = test
        .terraform("dev", ["apply", "-auto-approve", "-input=false"])
        .spawn();
    gate.wait_for_arrival();
    assert!(gate.stays_empty_for(Duration::from_millis(200)));
    assert!(test.locked("dev"), "{}", apply.output());
    assert_eq!(test.state("dev"), None);
    gate.open();
    apply.wait().succeeds();
    assert!(test.state("dev").is_some());
    assert_eq!(test.versions("dev", "terraform.tfstate"), 1);
}

#[test]
fn an_apply_can_be_caught_in_the_middle() {
    let test = TestEnvironment::new().environment_with("dev", "", &fixtures::gated());
    test.create_bucket("dev");
    bare_init(&test, "dev");

    let apply = test
        .terraform(
            "dev",
            ["apply", "-auto-approve", "-input=false", "-no-color"],
        )
        .spawn();
    let started = test.path("environments/dev/started");
    wait_until("the resource", || started.exists().then_some(()));
    let lock = test
        .proxy()
        .wait_for("the lock", |request| request.path.ends_with(".tflock"));
    assert_eq!(lock.client(), Client::Terraform);
    apply.signal(Signal::INT);
    apply.wait_for_output("Interrupt received");
    // Terraform ends the provisioner by itself; were it to finish just now, it would end with 0.
    assert_eq!(apply.wait().code(), 1);
    assert!(!test.locked("dev"));
}

#[test]
fn ministack_keeps_accounts_apart() {
    let test = TestEnvironment::on_ministack()
        .environment("dev")
        .environment("prod");
    test.create_bucket_in("dev", &test.account("prod"));
    assert!(!test.bucket_exists("dev"), "moto would answer 200");
    test.create_bucket("prod");
    test.put_object("prod", "note", "text");
    assert_eq!(test.object("prod", "note").as_deref(), Some("text"));
    let versioning = test.bucket_setting("prod", "versioning");
    assert!(!versioning.contains("Enabled"), "{versioning}");
}

#[test]
fn a_test_can_do_without_aws_and_without_terraform() {
    let test = TestEnvironment::offline().environment("dev");
    let run = test.terraform("dev", ["init"]).stdin("").run().succeeds();
    assert!(run.stderr.is_empty(), "{}", run.stderr);
    test.packed_providers();
    let providers = test.terraform("dev", ["version", "-json"]).run().succeeds();
    assert_eq!(
        providers.json()["provider_selections"],
        serde_json::json!({})
    );

    test.fake_terraform("\"$REAL_TERRAFORM\" version; exit 7");
    let faked = test.terraform("dev", ["plan"]).run().exits(7);
    assert!(faked.stdout.contains("v1."), "{}", faked.stdout);
    test.without_terraform();
    assert!(!test.home().with_file_name("bin").join("terraform").exists());
    assert!(
        test.read("environments/tfw.toml")
            .contains("[environments.dev]")
    );

    test.tfw(["--version"])
        .env_remove("HOME")
        .current_dir(test.path("environments"))
        .run()
        .succeeds();
}
