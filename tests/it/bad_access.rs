//! Bad input: credentials, roles, accounts and endpoints that are wrong. Each takes its unit
//! along, with exit 1 (4 where a guard says no), and leaves no bucket, no state and no lock.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Client, Run, TestEnvironment, wait_until};

fn dev() -> TestEnvironment {
    TestEnvironment::new().environment("dev")
}

const APPLY: [&str; 5] = ["apply", "--all", "--auto-approve", "--yes", "--json"];

/// The one unit of the report: it failed, and nothing of it exists.
#[track_caller]
fn only_unit(test: &TestEnvironment, run: &Run) -> Value {
    let report = run.json();
    let units = report["units"].as_array().unwrap();
    assert_eq!(units.len(), 1);
    assert!(!test.bucket_exists("dev"));
    let created = test.proxy().count_tfw("CreateBucket");
    assert_eq!(created, 0);
    // Terraform does not get to run with credentials before the account is known.
    let terraform = |client| test.proxy().count(|request| request.client() == client);
    assert_eq!(terraform(Client::Terraform), 0);
    assert!(!test.path("environments/dev/.terraform").exists());
    units[0].clone()
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

/// tfw on a machine with nothing that gives credentials.
fn without_credentials(test: &TestEnvironment, metadata: &str) -> Run {
    test.tfw(APPLY)
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata)
        .run()
}

#[test]
fn no_credentials_are_told_at_once_though_the_metadata_service_is_a_black_hole() {
    let test = dev();
    let before = test.files();
    // One that accepts and never answers, and one that no packet comes back from (RFC 5737).
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    for metadata in [silent.as_str(), "http://192.0.2.1"] {
        // The quickest of a few: this machine does other things, too.
        let mut took = Duration::MAX;
        let run = wait_until("an answer within 2 s", || {
            let start = Instant::now();
            let run = without_credentials(&test, metadata).exits(1);
            took = start.elapsed();
            (took < Duration::from_secs(2)).then_some(run)
        });
        let unit = only_unit(&test, &run);
        assert_eq!(unit["result"], "failed");
        assert_says(
            unit["reason"].as_str().unwrap(),
            &["no credentials for `dev`", "no AWS credentials were found"],
        );
        assert_says(
            &run.stderr,
            &[
                "hint:",
                "aws sso login",
                "AWS_PROFILE",
                "credentials.profile",
            ],
        );
    }
    assert_eq!(test.files(), before);
}

#[test]
fn a_profile_that_does_not_exist_is_named_with_the_nearest_one() {
    let test = dev();
    let home = test.home().join(".aws");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(
        home.join("config"),
        "[profile acme-dev]\nregion = eu-west-1\n",
    )
    .unwrap();
    let manifest = test.read("environments/tfw.toml");
    test.write(
        "environments/tfw.toml",
        &format!("{manifest}\n[defaults.credentials]\nprofile = \"acme-dve\"\n"),
    );
    let run = test.tfw(APPLY).run().exits(1);
    let unit = only_unit(&test, &run);
    assert_says(unit["reason"].as_str().unwrap(), &["`acme-dve`"]);
    assert_says(&run.stderr, &["hint:", "`acme-dev`"]);
}

#[test]
fn a_denied_role_names_the_role_and_what_must_be_allowed() {
    let test = dev();
    let before = test.files();
    test.proxy()
        .when(|request| request.operation() == "AssumeRole")
        .refuse(403, "AccessDenied");
    let run = test.tfw(APPLY).run().exits(1);
    test.proxy().forget();
    let unit = only_unit(&test, &run);
    let role = format!("arn:aws:iam::{}:role/test", test.account("dev"));
    assert_eq!(unit["result"], "failed");
    assert_says(
        unit["reason"].as_str().unwrap(),
        &["`dev`", &role, "access denied (sts:AssumeRole)"],
    );
    assert_says(&run.stderr, &["hint:", "trust policy", "sts:AssumeRole"]);
    assert_eq!(test.files(), before);
}

#[test]
fn a_role_of_another_account_is_a_refusal_that_names_both_accounts() {
    let test = dev();
    let other = test.account("somebody else");
    let manifest = test.read("environments/tfw.toml").replace(
        "arn:aws:iam::{account_id}:role/test",
        &format!("arn:aws:iam::{other}:role/test"),
    );
    test.write("environments/tfw.toml", &manifest);
    let before = test.files();
    let run = test.tfw(APPLY).run().exits(4);
    let unit = only_unit(&test, &run);
    assert_eq!(unit["result"], "refused");
    assert_says(
        unit["reason"].as_str().unwrap(),
        &[
            "wrong credentials for `dev`",
            &format!("expected account {}", test.account("dev")),
            &other,
        ],
    );
    assert_says(&run.stderr, &["hint:", "`account_id`"]);
    assert_eq!(test.files(), before);
}

#[test]
fn credentials_of_another_account_are_a_refusal_and_then_no_unit_runs() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("prod");
    // Without a role, the person's own credentials count; they are of prod.
    let manifest = test.read("environments/tfw.toml");
    let role = manifest.find("[defaults.assume_role]").unwrap();
    let rest = manifest[role..].find("# dev").unwrap() + role;
    test.write(
        "environments/tfw.toml",
        &format!("{}{}", &manifest[..role], &manifest[rest..]),
    );
    let (dev, prod) = (test.account("dev"), test.account("prod"));
    let mut tfw = test.tfw(APPLY);
    for (name, value) in test.credentials(&prod) {
        tfw = tfw.env(name, value);
    }
    test.proxy().forget();
    let run = tfw.run().exits(4);
    let report = run.json();
    assert_eq!(report["result"], "refused");
    assert_eq!(report["units"][0]["result"], "refused");
    assert_eq!(report["units"][1]["result"], "skipped");
    assert_says(
        report["units"][0]["reason"].as_str().unwrap(),
        &[&format!("expected account {dev}"), &prod],
    );
    assert_says(report["units"][1]["reason"].as_str().unwrap(), &["`dev`"]);
    assert_says(&run.stderr, &["hint:", "account_id"]);
    assert!(!test.bucket_exists("dev") && !test.bucket_exists("prod"));
    let terraform = |client| test.proxy().count(|request| request.client() == client);
    assert_eq!(terraform(Client::Terraform), 0);
}

#[test]
fn an_unreachable_endpoint_is_named_with_the_reason() {
    let test = dev();
    let before = test.files();
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let endpoint = format!("http://{port}");
    let run = test
        .tfw(APPLY)
        .env("AWS_ENDPOINT_URL", &endpoint)
        .run()
        .exits(1);
    let unit = only_unit(&test, &run);
    assert_says(
        unit["reason"].as_str().unwrap(),
        &["`dev`", &endpoint, "connection refused"],
    );
    assert_says(&run.stderr, &["hint:", "AWS_ENDPOINT_URL"]);
    assert_eq!(test.files(), before);

    // The credentials come, and then the bucket cannot be asked for.
    let run = test
        .tfw(APPLY)
        .env("AWS_ENDPOINT_URL_S3", &endpoint)
        .run()
        .exits(1);
    test.proxy().forget();
    let unit = only_unit(&test, &run);
    assert_says(
        unit["reason"].as_str().unwrap(),
        &[&endpoint, "connection refused"],
    );
    assert_eq!(test.files(), before);
}

#[test]
fn what_is_not_aws_at_the_endpoint_is_told_so() {
    let test = dev();
    test.proxy()
        .when(|request| request.operation() == "HeadBucket")
        .disconnect();
    let run = test.tfw(APPLY).run().exits(1);
    test.proxy().forget();
    let unit = only_unit(&test, &run);
    assert_says(
        unit["reason"].as_str().unwrap(),
        &["cannot reach", test.proxy().url()],
    );
    assert_says(&run.stderr, &["hint:"]);
}

#[test]
fn one_denied_environment_takes_only_its_own_units_along() {
    let test = TestEnvironment::new().environment("dev").environment_with(
        "prod",
        "depends_on = []",
        &crate::support::fixtures::builtin(),
    );
    let account = test.account("dev");
    test.proxy()
        .when(move |request| request.operation() == "AssumeRole" && request.body.contains(&account))
        .refuse(403, "AccessDenied");
    let run = test.tfw(APPLY).run().exits(1);
    let report = run.json();
    assert_eq!(report["units"][0]["result"], "failed");
    assert_eq!(report["units"][1]["result"], "succeeded");
    assert!(!test.bucket_exists("dev"));
    assert!(test.state("prod").is_some() && !test.locked("prod"));
}

#[test]
fn certificates_that_cannot_be_read_are_told_before_anybody_is_asked() {
    let test = dev();
    test.write("broken.pem", "no certificate");
    for (bundle, why) in [
        ("nowhere.pem", "cannot be read"),
        ("broken.pem", "certificate"),
    ] {
        let bundle = test.path(bundle);
        let run = test.tfw(APPLY).env("AWS_CA_BUNDLE", &bundle).run().exits(3);
        assert_eq!(run.json()["units"], serde_json::json!([]));
        assert_says(
            &run.stderr,
            &["`AWS_CA_BUNDLE`", bundle.to_str().unwrap(), why, "hint:"],
        );
        assert_eq!(test.proxy().requests().len(), 0);
    }
}

/// What STS says, in its own words, when a role is not to be had.
#[test]
fn whatever_sts_says_of_a_role_is_told_with_the_role_and_its_environment() {
    let denied = "User: arn:aws:iam::1:user/a is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::2:role/test";
    for (status, code, message, told) in [
        // A role that does not exist, and a wrong external id, look the same.
        (403, "AccessDenied", denied, "the trust policy of"),
        (
            403,
            "ExpiredToken",
            "The security token included in the request is expired",
            "get new credentials",
        ),
        (
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
            "check the keys",
        ),
        (
            400,
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            "DurationSeconds",
        ),
    ] {
        let test = dev();
        test.proxy()
            .when(|r| r.is_tfw("AssumeRole"))
            .refuse_saying(status, code, message);
        let failed = test.tfw(["plan", "dev"]).run().exits(1);
        failed.says("no credentials for `dev`: cannot assume the role `arn:aws:iam::");
        failed.says(message);
        failed.says(told);
        assert!(!test.bucket_exists("dev"));
    }
}
