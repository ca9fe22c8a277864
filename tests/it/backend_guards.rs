//! What happens while a bucket is being mended: others write, settings fail.

use crate::backend_ensure::{writes, written};
use crate::support::{TestEnvironment, fixtures};

const THEIRS: &str = r#"{"Sid":"Theirs","Effect":"Deny","Principal":"*","Action":"s3:PutBucketAcl","Resource":"arn:aws:s3:::b"}"#;
const ENSURE: [&str; 4] = ["backend", "ensure", "dev", "--yes"];

fn with_a_policy() -> TestEnvironment {
    let test = TestEnvironment::on_ministack().environment_with(
        "dev",
        "bucket.allowed_principals = [\"111111111111\"]",
        &fixtures::builtin(),
    );
    test.create_bucket("dev");
    test
}

#[test]
fn what_somebody_else_wrote_while_s3_was_busy_is_not_written_over() {
    let test = with_a_policy();
    // It has read the policy, and then somebody else writes one.
    let gate = test
        .proxy()
        .when(|r| r.is_tfw("PutPublicAccessBlock"))
        .times(1)
        .hold();
    test.proxy()
        .when(|r| r.is_tfw("PutBucketPolicy"))
        .times(1)
        .refuse(409, "OperationAborted");
    let running = test.tfw(ENSURE).spawn();
    gate.wait_for_arrival();
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{THEIRS}]}}"#);
    test.put_setting("dev", "policy", &policy);
    gate.open();
    running.wait().succeeds();
    let policy = test.bucket_setting("dev", "policy");
    assert!(policy.contains(THEIRS), "{policy}");
    assert!(policy.contains("TfwAllowedPrincipalsOnly"), "{policy}");
}

#[test]
fn nothing_is_done_to_a_bucket_that_has_changed_since_it_was_shown() {
    let test = with_a_policy();
    test.put_setting(
        "dev",
        "versioning",
        "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    );
    let gate = test
        .proxy()
        .when(|r| r.is_tfw("GetBucketVersioning"))
        .after(1)
        .times(1)
        .hold();
    let running = test.tfw(ENSURE).spawn();
    gate.wait_for_arrival();
    test.put_setting(
        "dev",
        "versioning",
        "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>",
    );
    gate.open();
    let refused = running.wait().exits(4);
    refused.says("has changed since it was shown: `~ versioning Suspended → Enabled` is new");
    assert_eq!(test.proxy().count(writes), 0, "{:?}", written(&test));
    test.tfw(ENSURE).run().succeeds();
}

#[test]
fn a_setting_that_fails_does_not_keep_the_others_from_being_made() {
    let test = with_a_policy();
    for operation in ["PutPublicAccessBlock", "PutBucketVersioning"] {
        test.proxy()
            .when(move |r| r.is_tfw(operation))
            .refuse(403, "AccessDenied");
    }
    let failed = test.tfw(ENSURE).run().exits(1);
    failed.says("`public_access_block` of the bucket");
    failed.says("`versioning` of the bucket");
    failed.says("everything else is made");
    let policy = test.bucket_setting("dev", "policy");
    assert!(policy.contains("TfwAllowedPrincipalsOnly"), "{policy}");
}

#[test]
fn a_statement_for_tls_that_nobody_asks_for_any_more_stays() {
    let test = TestEnvironment::on_ministack().environment_with(
        "dev",
        "bucket.force_tls = false",
        &fixtures::builtin(),
    );
    test.create_bucket("dev");
    test.tfw(ENSURE).run().succeeds();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Sid":"TfwTlsOnly","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
    test.put_setting("dev", "policy", policy);
    test.proxy().forget();
    let check = test.tfw(["backend", "check", "dev"]).run().succeeds();
    check.says("! force_tls TLS only: stronger than asked (not asked for), kept");
    test.tfw(ENSURE).run().succeeds();
    assert_eq!(test.proxy().count(writes), 0, "{:?}", written(&test));
    test.tfw(ENSURE)
        .args(["--allow-weaker", "force_tls"])
        .run()
        .succeeds();
    assert_eq!(written(&test), ["DeleteBucketPolicy"]);
}
