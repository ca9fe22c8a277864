//! Bucket policies that a server enforces: TLS only, on SeaweedFS; only a few, on MiniStack.
//!
//! SeaweedFS 4.48 does not know `aws:PrincipalArn` in bucket policies, and refuses `ArnNotLike`;
//! MiniStack evaluates both where it evaluates policies at all.

use serde_json::{Value, json};

use crate::backend_ensure::{writes, written};
use crate::support::{Run, TestCommand, TestEnvironment, fixtures, from_xtask};

/// What an access key belongs to on moto, whoever asks.
const ANYBODYS: &str = "123456789012";

/// The account of `dev` is the one that its base credentials belong to.
fn without_a_role(test: TestEnvironment, account: &str, keys: &str) -> TestEnvironment {
    let keys = format!("assume_role.role_arn = \"\"\n{keys}");
    let test = test.environment_with("dev", &keys, &fixtures::builtin());
    let manifest = test.read("environments/tfw.toml");
    let own = format!("account_id = \"{}\"", test.account("dev"));
    let other = format!("account_id = \"{account}\"");
    test.write("environments/tfw.toml", &manifest.replace(&own, &other));
    test
}

#[test]
fn what_comes_without_tls_is_denied() {
    let test = without_a_role(TestEnvironment::new(), ANYBODYS, "");
    let over = |command: TestCommand, server: &str| {
        command
            .env("AWS_ENDPOINT_URL_S3", from_xtask(server))
            .env("AWS_CA_BUNDLE", from_xtask("TFW_TEST_SEAWEEDFS_CA"))
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
    };
    let tls =
        |words: &[&str]| -> Run { over(test.tfw([]).args(words), "TFW_TEST_SEAWEEDFS_TLS").run() };
    // It has no blocks of public access, which is told and fails the run; all else is made.
    let ensured = tls(&["backend", "ensure", "dev", "--yes"]).exits(1);
    ensured.says("+ force_tls TLS only");
    ensured.says("may be read: public_access_block");
    let check = tls(&["backend", "check", "dev"]).exits(1);
    assert!(!check.stdout.contains("force_tls"), "{}", check.stdout);
    // What runbooks write by hand, but for the name.
    let server = from_xtask("TFW_TEST_SEAWEEDFS_TLS");
    let ca = from_xtask("TFW_TEST_SEAWEEDFS_CA");
    let bucket = test.bucket("dev");
    let settings = test.settings_over_tls(&server, &ca, &bucket);
    let policy: Value = serde_json::from_str(settings["policy"].as_str().unwrap()).unwrap();
    let [statement] = &policy["Statement"].as_array().unwrap()[..] else {
        panic!("{policy}");
    };
    let mut by_hand = json!({
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}/*")],
        "Condition": { "Bool": { "aws:SecureTransport": "false" } },
    });
    by_hand["Sid"] = statement["Sid"].clone();
    let text = |value: &Value| value.to_string().replace("[\"false\"]", "\"false\"");
    assert_eq!(text(statement), text(&by_hand));

    // Terraform itself, over TLS.
    tls(&["apply", "dev", "--auto-approve"]).succeeds();
    tls(&["status", "dev"]).succeeds();
    let clear = |words: &[&str]| -> Run {
        over(test.tfw([]).args(words), "TFW_TEST_SEAWEEDFS_CLEAR").run()
    };
    let denied = clear(&["plan", "dev"]).exits(4);
    denied.says("may not use it");
    clear(&["status", "dev"]).exits(1).says("access denied");
}

#[test]
fn only_those_who_are_let_in_get_at_the_states() {
    let test = TestEnvironment::on_strict_ministack();
    let test = test.environment_with("dev", "", &fixtures::builtin());
    let account = test.account("dev");
    let [alice, bob] =
        <[[String; 2]; 2]>::try_from(test.make_users("dev", &["alice", "bob"])).unwrap();
    let manifest = test.read("environments/tfw.toml");
    let own = format!("account_id = \"{account}\"");
    let more = format!(
        "{own}\nassume_role.role_arn = \"\"\nbucket.allowed_principals = [\"arn:aws:iam::{account}:user/alice\"]"
    );
    test.write("environments/tfw.toml", &manifest.replace(&own, &more));
    let tfw = |[key, secret]: &[String; 2], words: &[&str]| -> Run {
        test.tfw([])
            .args(words)
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .run()
    };
    // Whoever is not let in cannot lock himself out.
    let refused = tfw(&bob, &["backend", "ensure", "dev", "--yes"]).exits(4);
    refused.says("user/bob`, which tfw uses, is not among those let in");
    assert_eq!(test.proxy().count(writes), 0);

    let ensured = tfw(&alice, &["backend", "ensure", "dev", "--yes"]).succeeds();
    ensured.says("+ allowed_principals only ");
    tfw(&alice, &["apply", "dev", "--auto-approve"]).succeeds();
    test.proxy().forget();
    tfw(&alice, &["backend", "ensure", "dev"]).succeeds();
    assert_eq!(test.proxy().count(writes), 0, "{:?}", written(&test));

    let denied = tfw(&bob, &["plan", "dev"]).exits(4);
    denied.says("may not use it");
    tfw(&bob, &["status", "dev"]).exits(1).says("access denied");
    tfw(&alice, &["plan", "dev"]).succeeds();
}

/// MiniStack takes the ARN of a session for `aws:PrincipalArn`, where AWS takes the role's: a policy
/// that lets in the role locks out its sessions there, as something that nobody foresaw would.
#[test]
fn a_policy_that_locks_tfw_out_all_the_same_is_taken_back() {
    let test = TestEnvironment::on_strict_ministack();
    let test = test.environment_with(
        "dev",
        "bucket.allowed_principals = [\"arn:aws:iam::{account_id}:user/alice\"]",
        &fixtures::builtin(),
    );
    let [[key, secret]] = <[[String; 2]; 1]>::try_from(test.make_users("dev", &["alice"])).unwrap();
    test.make_strict_role("dev", "test");
    let ensure = || {
        test.tfw(["backend", "ensure", "dev", "--yes"])
            .env("AWS_ACCESS_KEY_ID", &key)
            .env("AWS_SECRET_ACCESS_KEY", &secret)
            .run()
    };
    let failed = ensure().exits(1);
    failed.says("locked out `arn:aws:sts::");
    failed.says("the one before is in its place again");
    assert!(written(&test).contains(&"DeleteBucketPolicy".to_owned()));
    // It can still look, so that the next one comes as far.
    ensure().exits(1).says("locked out");
}
