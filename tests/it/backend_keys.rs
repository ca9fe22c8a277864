//! KMS keys that tfw creates: one, with its name, or none that is left.

use crate::backend_ensure::{writes, written};
use crate::support::{TestEnvironment, fixtures};

const KMS: &str = "bucket.encryption = \"aws:kms\"
bucket.kms_key = \"alias/state\"
bucket.create_kms_key = true";

fn one(keys: &str) -> TestEnvironment {
    TestEnvironment::new().environment_with("dev", keys, &fixtures::builtin())
}

#[test]
fn two_buckets_share_one_key_that_is_created_once() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        &format!(
            "{KMS}\n[environments.dev.stacks.a]\nbackend.bucket = \"{{environment}}-a-{0}\"\n\
             [environments.dev.stacks.b]\nbackend.bucket = \"{{environment}}-b-{0}\"\n",
            fastrand::u32(..)
        ),
        "",
    );
    for name in ["a", "b"] {
        test.write(
            &format!("environments/dev/{name}/main.tf"),
            &fixtures::builtin(),
        );
    }
    test.tfw(["backend", "ensure", "dev", "--yes"])
        .run()
        .succeeds();
    assert_eq!(test.proxy().count_tfw("CreateBucket"), 2);
    assert_eq!(test.proxy().count_tfw("CreateKey"), 1);
    test.tfw(["backend", "check", "dev"]).run().succeeds();
}

#[test]
fn a_key_that_a_dead_process_was_about_to_create_is_created_by_the_next() {
    let test = one(KMS);
    test.create_versioned_bucket("dev");
    // It had the right to, and died: what it left is waited for, and then passed over.
    test.put_object("dev", ".tfw/creating-kms-key", "{}");
    test.tfw(["backend", "ensure", "dev", "--yes"])
        .run()
        .succeeds();
    assert_eq!(test.keys("dev")["keys"], serde_json::json!(["Enabled"]));
    assert!(test.objects("dev").is_empty(), "{:?}", test.objects("dev"));
}

#[test]
fn a_key_that_gets_no_name_is_not_left() {
    let test = one(KMS);
    test.create_bucket("dev");
    test.proxy()
        .when(|r| r.is_tfw("CreateAlias"))
        .refuse(400, "AccessDeniedException");
    let failed = test
        .tfw(["backend", "ensure", "dev", "--yes"])
        .run()
        .exits(1);
    failed.says("access denied (kms:CreateAlias)");
    assert_eq!(
        test.keys("dev")["keys"],
        serde_json::json!(["PendingDeletion"])
    );
    assert_eq!(written(&test).last().unwrap(), "DeleteObject");
}

#[test]
fn a_key_that_does_not_exist_stops_everything_before_it_begins() {
    let test = one("bucket.encryption = \"aws:kms\"\nbucket.kms_key = \"alias/state\"");
    for command in [&["backend", "ensure"][..], &["init"]] {
        let words = command.iter().copied().chain(["dev", "--yes"]);
        let failed = test.tfw([]).args(words).run().exits(1);
        failed.says("alias/state` does not exist");
        failed.says("`bucket.create_kms_key = true` has tfw create it");
    }
    let check = test.tfw(["backend", "check", "dev"]).run().exits(2);
    check.says("! kms_key alias/state: it does not exist");
    assert_eq!(test.proxy().count(writes), 0);
}

#[test]
fn a_name_whose_answer_was_lost_is_the_keys() {
    let test = one(KMS);
    test.proxy()
        .when(|r| r.is_tfw("CreateAlias"))
        .times(1)
        .happens_after(|| {});
    test.tfw(["backend", "ensure", "dev", "--yes"])
        .run()
        .succeeds()
        .says("created the KMS key `alias/state`");
    assert_eq!(test.proxy().count_tfw("CreateAlias"), 2);
    assert_eq!(test.proxy().count_tfw("ScheduleKeyDeletion"), 0);
    assert_eq!(test.keys("dev")["keys"], serde_json::json!(["Enabled"]));
}

#[test]
fn a_key_of_which_nobody_knows_whether_it_has_its_name_is_left() {
    let test = one(KMS);
    test.create_bucket("dev");
    test.proxy()
        .when(|r| r.is_tfw("CreateAlias"))
        .happens_after(|| {});
    // One look before, one in its turn; then nobody answers.
    test.proxy()
        .when(|r| r.is_tfw("DescribeKey"))
        .after(3)
        .refuse(400, "AccessDeniedException");
    let failed = test
        .tfw(["backend", "ensure", "dev", "--yes"])
        .run()
        .exits(1);
    failed.says("may not be `alias/state`, and is not deleted again");
    assert_eq!(test.proxy().count_tfw("ScheduleKeyDeletion"), 0);
    assert_eq!(test.keys("dev")["keys"], serde_json::json!(["Enabled"]));
}

#[test]
fn a_new_key_need_not_be_known_everywhere_at_once() {
    let test = one(KMS);
    for operation in ["EnableKeyRotation", "CreateAlias"] {
        test.proxy()
            .when(move |r| r.is_tfw(operation))
            .times(1)
            .refuse(400, "NotFoundException");
    }
    test.tfw(["backend", "ensure", "dev", "--yes"])
        .run()
        .succeeds();
    assert_eq!(test.keys("dev")["keys"], serde_json::json!(["Enabled"]));
    test.tfw(["backend", "check", "dev"]).run().succeeds();
}
