//! `tfw validate`: no credentials, no network, no backend.

use serde_json::{Value, json};

use crate::support::{TestCommand, TestEnvironment, fixtures};

/// `tfw validate --all --json` on a machine that has no credentials and reaches nothing.
fn validate(test: &TestEnvironment) -> TestCommand {
    test.tfw(["validate", "--all", "--json"])
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")
}

#[test]
fn valid_modules_need_no_credentials_no_network_and_no_backend() {
    let test = TestEnvironment::new();
    let aws = fixtures::aws(test.proxy().url());
    let test = test.environment("dev").environment_with("prod", "", &aws);
    let before = test.files();
    let run = validate(&test).run().succeeds();
    let report = run.json();
    assert_eq!(report["command"], "validate");
    for unit in report["units"].as_array().unwrap() {
        assert_eq!(unit["result"], "succeeded");
        assert_eq!(unit["diagnostics"], json!([]));
        assert_eq!(unit["changes"], Value::Null);
    }
    assert_eq!(test.proxy().requests().len(), 0);
    assert!(!test.path("environments/dev/.terraform").exists());
    let lock = test.path("environments/prod/.terraform.lock.hcl");
    for path in test.files().keys() {
        assert!(before.contains_key(path) || *path == lock, "{path:?}");
    }
}

#[test]
fn errors_and_warnings_have_their_file_and_line() {
    let warning = "\nresource \"terraform_data\" \"old\" {\n  provisioner \"local-exec\" {\n    when       = destroy\n    command    = \"true\"\n    on_failure = \"continue\"\n  }\n}\n";
    let broken = fixtures::builtin() + "\nlocals {\n  lost = [var.nowhere, local.nothing]\n}\n";
    let line = broken.lines().position(|line| line.contains("nowhere"));
    let line = u64::try_from(line.unwrap()).unwrap() + 1;
    let test = TestEnvironment::new()
        .environment_with("dev", "", &(fixtures::builtin() + warning))
        .environment_with("prod", "", &broken);
    let run = validate(&test).run().exits(1);
    let report = run.json();
    assert_eq!(report["result"], "failed");

    let dev = &report["units"][0];
    assert_eq!(dev["result"], "succeeded");
    assert_eq!(dev["diagnostics"][0]["severity"], "warning", "{dev:#}");
    assert_eq!(dev["diagnostics"][0]["file"], "dev/main.tf");

    let prod = &report["units"][1];
    assert_eq!(prod["result"], "failed");
    let errors = prod["diagnostics"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "{prod:#}");
    for error in errors {
        assert_eq!(error["severity"], "error");
        assert_eq!(error["file"], "prod/main.tf");
        assert_eq!(error["line"], line);
    }
    assert!(
        run.stderr.contains(&format!("prod/main.tf:{line}")),
        "{}",
        run.stderr
    );
}

#[test]
fn it_leaves_an_initialised_root_module_as_it_is() {
    let test = TestEnvironment::new().environment("dev");
    test.tfw(["apply", "dev", "--yes", "--auto-approve"])
        .run()
        .succeeds();
    let before = test.files();
    validate(&test).run().succeeds();
    assert_eq!(test.files(), before);
    let run = test.tfw(["plan", "dev", "--json"]).run().succeeds();
    assert_eq!(run.json()["units"][0]["init"], "skipped");
    assert_eq!(run.json()["units"][0]["changes"]["add"], 0);
}
