//! Whose credentials a unit gets, and how often AWS is asked for them.

use std::collections::BTreeSet;

use crate::support::{Client, Request, TestEnvironment, fixtures, stacks};

/// What tfw itself asked, in the order of arrival.
fn asked(test: &TestEnvironment) -> Vec<String> {
    let requests = test.proxy().requests();
    let own = requests.iter().filter(|r| r.client() == Client::Tfw);
    own.map(Request::operation).collect()
}

/// The access keys of everything that `client` sent.
fn keys_of(test: &TestEnvironment, client: Client) -> BTreeSet<String> {
    let requests = test.proxy().requests();
    let sent = requests.iter().filter(|r| r.client() == client);
    sent.filter_map(|r| r.access_key().map(str::to_owned))
        .collect()
}

/// Writes down each call of Terraform, and lets it happen.
fn note_calls(test: &TestEnvironment) {
    test.fake_terraform(
        "echo \"$1 ${AWS_ACCESS_KEY_ID:-nobody}\" >> \"$0.calls\"\nexec \"$REAL_TERRAFORM\" \"$@\"",
    );
}

/// The first arguments and the access keys of all calls so far.
fn calls(test: &TestEnvironment) -> String {
    let file = test.home().with_file_name("bin").join("terraform.calls");
    std::fs::read_to_string(file).unwrap_or_default()
}

#[test]
fn a_chain_of_roles_is_walked_with_what_the_manifest_says_of_each() {
    let test = TestEnvironment::new();
    let hub = test.account("hub");
    let test = test.environment_with(
        "dev",
        &format!(
            r#"assume_role = [
              {{ role_arn = "arn:aws:iam::{hub}:role/Hub" }},
              {{ role_arn = "arn:aws:iam::{{account_id}}:role/Deploy", external_id = "e+x/1", session_name = "night-build", duration = "30m" }},
            ]"#
        ),
        &fixtures::builtin(),
    );
    let report = test
        .tfw(["apply", "--all", "--yes", "--auto-approve", "--json"])
        .run()
        .succeeds()
        .json();

    let requests = test.proxy().requests();
    let assumed: Vec<_> = requests.iter().filter(|r| r.is_tfw("AssumeRole")).collect();
    let field = |at: usize, name: &str| assumed[at].field(name);
    assert_eq!(assumed.len(), 2);
    assert_eq!(
        field(0, "RoleArn").unwrap(),
        format!("arn:aws:iam::{hub}:role/Hub")
    );
    let run = report["run_id"].as_str().unwrap();
    assert_eq!(
        field(0, "RoleSessionName").unwrap(),
        format!("tfw-test-{run}")
    );
    assert_eq!(field(0, "ExternalId"), None);
    assert_eq!(field(0, "DurationSeconds"), None);

    let account = test.account("dev");
    assert_eq!(
        field(1, "RoleArn").unwrap(),
        format!("arn:aws:iam::{account}:role/Deploy")
    );
    assert_eq!(field(1, "RoleSessionName").unwrap(), "night-build");
    assert_eq!(field(1, "ExternalId").unwrap(), "e+x/1");
    assert_eq!(field(1, "DurationSeconds").unwrap(), "1800");

    // The machine's keys open the chain, the hub's the next role, and only the last ones work.
    let base = assumed[0].access_key().unwrap();
    let hub_key = assumed[1].access_key().unwrap();
    assert!(base.starts_with("test-"), "{base}");
    assert_ne!(hub_key, base);
    let last = keys_of(&test, Client::Terraform);
    assert_eq!(last.len(), 1, "{last:?}");
    assert!(!last.contains(base) && !last.contains(hub_key), "{last:?}");
    let of_tfw: BTreeSet<_> = [base.to_owned(), hub_key.to_owned()]
        .into_iter()
        .chain(last)
        .collect();
    assert_eq!(keys_of(&test, Client::Tfw), of_tfw);
}

#[test]
fn a_profile_is_the_base_whatever_the_environment_holds() {
    let test = TestEnvironment::new();
    let path = test.home().join(".aws/credentials");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    std::fs::write(
        path,
        "[ops]\naws_access_key_id = OPSKEY\naws_secret_access_key = x\n",
    )
    .unwrap();
    let test = test.environment_with("dev", "credentials.profile = \"ops\"", &fixtures::builtin());

    test.tfw(["init", "dev", "--yes"]).run().succeeds();

    let requests = test.proxy().requests();
    let assume = requests.iter().find(|r| r.is_tfw("AssumeRole")).unwrap();
    assert_eq!(assume.access_key(), Some("OPSKEY"));
    assert!(!keys_of(&test, Client::Terraform).contains("OPSKEY"));
}

#[test]
fn without_a_role_the_account_of_the_base_is_asked_for_once() {
    let test = without_role().environment_with("dev", &stacks(3), &fixtures::builtin());
    test.create_bucket("dev");
    let [id, secret, token] = test.credentials(&test.account("dev"));
    test.tfw(["plan", "dev"])
        .env(id.0, &id.1)
        .env(secret.0, secret.1)
        .env(token.0, token.1)
        .run()
        .succeeds();

    assert_eq!(asked(&test), ["GetCallerIdentity", "HeadBucket"]);
    let all_by = |client| keys_of(&test, client) == BTreeSet::from([id.1.clone()]);
    assert!(all_by(Client::Tfw) && all_by(Client::Terraform));
}

#[test]
fn credentials_of_another_account_are_refused_before_terraform_starts() {
    let test = without_role().environment("dev").environment("prod");
    note_calls(&test);
    let [id, secret, token] = test.credentials(&test.account("prod"));
    let refused = test
        .tfw(["apply", "--all", "--yes", "--auto-approve"])
        .env(id.0, id.1)
        .env(secret.0, secret.1)
        .env(token.0, token.1)
        .run()
        .exits(4);

    for part in [
        "wrong credentials for `dev`",
        &format!("expected account {}", test.account("dev")),
        &format!("belongs to account {}", test.account("prod")),
        "correct `account_id`",
    ] {
        refused.says(part);
    }
    assert!(calls(&test).lines().all(|call| call == "version nobody"));
    assert_eq!(test.proxy().count(|r| r.client() == Client::Terraform), 0);
    assert_eq!(asked(&test)[0], "GetCallerIdentity");
    assert!(!test.bucket_exists("dev") && !test.bucket_exists("prod"));
    // `prod` would be in order, but one refusal stops the run.
    assert!(!test.path("environments/prod/.terraform").exists());
}

#[test]
fn a_role_that_turns_out_to_be_of_another_account_is_refused() {
    let test = TestEnvironment::new().environment("dev");
    note_calls(&test);
    let (expected, other) = (test.account("dev"), test.account("nobody"));
    let (from, to) = (expected.clone(), other.clone());
    test.proxy()
        .when(|r| r.is_tfw("AssumeRole"))
        .edit_answer(move |answer| answer.replace(&from, &to));
    let refused = test.tfw(["plan", "dev"]).run().exits(4);
    refused.says(&format!("expected account {expected}"));
    refused.says(&format!("belongs to account {other}"));
    assert_eq!(asked(&test), ["AssumeRole"]);
    assert!(calls(&test).lines().all(|call| call == "version nobody"));
}

#[test]
fn a_denied_role_fails_its_environment_and_is_named() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("prod");
    test.create_bucket("prod");
    let role = format!("arn:aws:iam::{}:role/test", test.account("dev"));
    let denied = role.clone();
    test.proxy()
        .when(move |r| r.field("RoleArn").is_some_and(|arn| arn == denied))
        .refuse(403, "AccessDenied");
    let failed = test.tfw(["plan", "--all", "--json"]).run().exits(1);

    for part in [&role, "no credentials for `dev`", "trust policy"] {
        failed.says(part);
    }
    let report = failed.json();
    assert_eq!(report["units"][0]["result"], "failed");
    assert!(
        report["units"][0]["reason"]
            .as_str()
            .unwrap()
            .contains(&role)
    );
    assert_eq!(report["units"][1]["result"], "succeeded");
    assert_eq!(test.proxy().count_tfw("AssumeRole"), 2, "denied for good");
}

#[test]
fn a_session_that_ends_is_renewed_before_anybody_gets_it() {
    let test = TestEnvironment::new().environment("dev");
    test.create_bucket("dev");
    test.proxy()
        .when(|r| r.is_tfw("AssumeRole"))
        .times(1)
        .edit_answer(|answer| {
            let (before, rest) = answer.split_once("<Expiration>").unwrap();
            let (_, after) = rest.split_once("</Expiration>").unwrap();
            format!("{before}<Expiration>2020-01-01T00:00:00Z</Expiration>{after}")
        });
    test.tfw(["plan", "dev"]).run().succeeds();

    assert_eq!(asked(&test), ["AssumeRole", "AssumeRole", "HeadBucket"]);
    let requests = test.proxy().requests();
    let head = requests.iter().find(|r| r.is_tfw("HeadBucket")).unwrap();
    let renewed = BTreeSet::from([head.access_key().unwrap().to_owned()]);
    assert_eq!(keys_of(&test, Client::Terraform), renewed);
}

/// With state in S3, and nothing but the machine's own credentials.
fn without_role() -> TestEnvironment {
    let test = TestEnvironment::new();
    let bucket = test.bucket("{environment}");
    test.defaults(&format!(
        "[defaults.backend]\ntype = \"s3\"\nbucket = \"{bucket}\"\nkey = \"{{stack}}/terraform.tfstate\"\nuse_path_style = true\n"
    ))
}
