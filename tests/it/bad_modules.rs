//! Bad input: root modules that are wrong, and providers that fail. The message names file and
//! line, and the world is as before.

use serde_json::Value;

use crate::support::{Client, Run, TestEnvironment, fixtures};

const APPLY: [&str; 5] = ["apply", "--all", "--auto-approve", "--yes", "--json"];

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

/// The first error of a unit of the report.
#[track_caller]
fn first_error(run: &Run, unit: usize) -> Value {
    let report = run.json();
    let diagnostics = &report["units"][unit]["diagnostics"];
    let mut errors = diagnostics
        .as_array()
        .unwrap_or_else(|| panic!("{report:#}"))
        .iter()
        .filter(|diagnostic| diagnostic["severity"] == "error");
    errors
        .next()
        .unwrap_or_else(|| panic!("{report:#}"))
        .clone()
}

#[test]
fn invalid_hcl_is_told_with_file_and_line_before_anybody_is_asked() {
    let main = fixtures::builtin().replace("value = terraform_data.this.output", "value = [");
    let test = TestEnvironment::new().environment_with("dev", "", &main);
    let before = test.files();
    let run = test.tfw(APPLY).run().exits(1);
    let error = first_error(&run, 0);
    assert_says(
        error["summary"].as_str().unwrap(),
        &["the root module is not valid"],
    );
    assert_eq!(error["file"], "dev/main.tf");
    let bad = before[&test.path("environments/dev/main.tf")].clone();
    let bad = String::from_utf8(bad).unwrap();
    let line = bad.lines().position(|line| line.contains("= [")).unwrap();
    let told = error["line"].as_u64().unwrap();
    let near = u64::try_from(line).unwrap() + 1..=u64::try_from(line).unwrap() + 3;
    assert!(near.contains(&told), "{told} is not in {near:?}");
    assert_says(&run.stderr, &["hint:", &format!("dev/main.tf:{told}")]);
    assert_eq!(test.files(), before);
    assert_eq!(test.proxy().count_tfw("AssumeRole"), 0);
    assert!(!test.bucket_exists("dev"));
}

#[test]
fn what_terraform_finds_wrong_has_its_file_and_line() {
    let main = format!(
        "{}\nlocals {{\n  lost = var.nowhere\n}}\n",
        fixtures::builtin()
    );
    let line = main.lines().position(|line| line.contains("nowhere"));
    let test = TestEnvironment::new().environment_with("dev", "", &main);
    let run = test.tfw(APPLY).run().exits(1);
    let error = first_error(&run, 0);
    assert_eq!(error["summary"], "Reference to undeclared input variable");
    assert_eq!(error["file"], "dev/main.tf");
    assert_eq!(error["line"], u64::try_from(line.unwrap()).unwrap() + 1);
    assert_says(&run.stderr, &["dev  ", "dev/main.tf:", "var"]);
    assert_eq!(test.state("dev"), None);
    assert!(!test.locked("dev"));
}

#[test]
fn a_provider_that_cannot_be_had_is_told_by_name() {
    let main = fixtures::builtin().replace(
        "  backend \"s3\" {}\n",
        "  backend \"s3\" {}\n  required_providers {\n    nope = { source = \"acme/nope\" }\n  }\n",
    );
    let test = TestEnvironment::new().environment_with("dev", "", &main);
    let before = test.files();
    let run = test.tfw(APPLY).run().exits(1);
    let error = first_error(&run, 0);
    let text = format!("{} {}", error["summary"], error["detail"]);
    assert_says(&text, &["acme/nope"]);
    assert_eq!(run.json()["units"][0]["init"], "ran");
    assert_eq!(test.state("dev"), None);
    assert!(!test.locked("dev"));
    assert!(!test.path("environments/dev/.terraform.lock.hcl").exists());
    // What a person wrote is as it was; what init has put there is in `.terraform` alone.
    for (path, content) in before {
        assert_eq!(std::fs::read(&path).unwrap(), content, "{}", path.display());
    }
}

#[test]
fn a_provider_that_fails_in_the_plan_leaves_no_lock_and_no_state() {
    let test = TestEnvironment::new();
    let main = fixtures::aws(test.proxy().url());
    let test = test.environment_with("dev", "", &main);
    test.proxy()
        .when(|request| {
            request.client() == Client::Provider && request.operation() == "GetCallerIdentity"
        })
        .refuse(403, "AccessDenied");
    let run = test.tfw(APPLY).run().exits(1);
    let report = run.json();
    let unit = &report["units"][0];
    assert_eq!(unit["result"], "failed");
    assert_says(
        unit["reason"].as_str().unwrap(),
        &["`terraform plan` failed", "AccessDenied"],
    );
    assert_eq!(first_error(&run, 0)["file"], "dev/main.tf");
    assert_says(&run.stderr, &["log of dev: .tfw/runs/"]);
    assert_eq!(test.state("dev"), None);
    assert!(!test.locked("dev"));
    assert_eq!(
        test.proxy()
            .count(|request| request.operation() == "CreateVpc"),
        0
    );
}

#[test]
fn a_provider_that_fails_in_the_apply_keeps_what_was_made_and_is_not_tried_again() {
    let test = TestEnvironment::new();
    // A range outside of the network's, which is for AWS to refuse.
    let main = fixtures::aws(test.proxy().url())
        + "\nresource \"aws_subnet\" \"outside\" {\n  vpc_id     = aws_vpc.this.id\n  cidr_block = \"192.168.0.0/24\"\n}\n";
    let test = test.environment_with("dev", "", &main);
    let run = test.tfw(APPLY).run().exits(1);
    let error = first_error(&run, 0);
    assert_says(error["summary"].as_str().unwrap(), &["InvalidSubnet.Range"]);
    assert_eq!(error["file"], "dev/main.tf");
    assert_eq!(run.json()["units"][0]["plan_file"], Value::Null);
    assert_eq!(
        test.proxy()
            .count(|request| request.operation() == "CreateSubnet"),
        1
    );
    let state = test.state("dev").unwrap();
    let resources = state["resources"].to_string();
    assert!(resources.contains("aws_vpc"), "{resources}");
    assert!(!resources.contains("aws_subnet"), "{resources}");
    assert!(!test.locked("dev"));
}

#[test]
fn a_missing_backend_block_and_another_type_are_refused_with_nothing_written() {
    for (block, said) in [
        ("", "has no backend block"),
        ("backend \"local\" {}", "a backend block of type `local`"),
        (
            "cloud {\n    organization = \"acme\"\n  }",
            "has a `cloud` block",
        ),
    ] {
        let main = fixtures::builtin().replace("backend \"s3\" {}", block);
        let test = TestEnvironment::new().environment_with("dev", "", &main);
        let before = test.files();
        let run = test.tfw(APPLY).run().exits(4);
        let report = run.json();
        assert_eq!(report["result"], "refused");
        assert_says(report["units"][0]["reason"].as_str().unwrap(), &[said]);
        assert_says(&run.stderr, &["hint:"]);
        assert_eq!(test.files(), before);
        assert_eq!(test.proxy().requests().len(), 0);
    }
}
