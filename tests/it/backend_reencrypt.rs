//! States that are encrypted otherwise than the manifest says: told, and written anew under their
//! lock.

use crate::backend_ensure::{writes, written};
use crate::support::{TestEnvironment, fixtures, the_unit};

const LOCK: &str = r#"{"ID":"x-1","Operation":"OperationTypeApply","Info":"","Who":"me@host","Version":"1.11.4","Created":"2026-01-02T03:04:05Z","Path":"b/k"}"#;

/// A state that was applied under AES256, in an environment that is to have KMS.
fn under_the_wrong_key() -> TestEnvironment {
    let test = TestEnvironment::new().environment("dev");
    test.tfw(["apply", "dev", "--yes", "--auto-approve"])
        .run()
        .succeeds();
    let manifest = test.read("environments/tfw.toml");
    let kms = "\nbucket.encryption = \"aws:kms\"\nbucket.kms_key = \"alias/state\"\nbucket.create_kms_key = true\n";
    test.write("environments/tfw.toml", &format!("{manifest}{kms}"));
    test.proxy().forget();
    test
}

fn encryption(test: &TestEnvironment) -> Option<String> {
    test.object_header("dev", "terraform.tfstate", "x-amz-server-side-encryption")
}

#[test]
fn a_state_is_written_anew_only_where_that_is_asked_for() {
    let test = under_the_wrong_key();
    let before = test.object("dev", "terraform.tfstate").unwrap();
    let check = test.tfw(["backend", "check", "dev"]).run().exits(2);
    check.says("! state_encryption AES256 (s3://");
    check.says("→ aws:kms alias/state: takes `--reencrypt`");

    test.tfw(["backend", "ensure", "dev", "--yes"])
        .run()
        .succeeds();
    assert_eq!(encryption(&test).as_deref(), Some("AES256"));
    let check = test
        .tfw(["backend", "check", "dev", "--json"])
        .run()
        .exits(2);
    let differences = check.json()["backends"][0]["differences"].clone();
    assert_eq!(differences.as_array().unwrap().len(), 1, "{differences}");
    assert_eq!(differences[0]["setting"], "state_encryption");
    assert_eq!(differences[0]["action"], "keep");

    test.proxy().forget();
    let ensured = test
        .tfw(["backend", "ensure", "dev", "--reencrypt", "--yes"])
        .run()
        .succeeds();
    ensured.says("is encrypted anew; its version `");
    ensured.says("` stays under the old key");
    assert_eq!(encryption(&test).as_deref(), Some("aws:kms"));
    assert_eq!(test.object("dev", "terraform.tfstate").unwrap(), before);
    assert!(!test.locked("dev"));
    assert_eq!(
        written(&test),
        ["PutObject", "PutObject", "DeleteObject"],
        "lock, state, lock"
    );
    test.tfw(["backend", "check", "dev"]).run().succeeds();
    // Terraform finds it, and writes the next one under the same key.
    test.tfw(["plan", "dev", "--detailed-exitcode"])
        .run()
        .succeeds();
}

const TAGS: &str = "terraform.tfstate?tagging";

#[test]
fn tags_stay_and_a_state_whose_tags_may_not_be_read_is_left() {
    let test = under_the_wrong_key();
    let tags = "<Tagging><TagSet><Tag><Key>team</Key><Value>a b+c</Value></Tag></TagSet></Tagging>";
    test.put_object("dev", TAGS, tags);
    let before = test.object("dev", TAGS);
    test.proxy()
        .when(|r| r.query.contains("tagging") && r.path.ends_with("terraform.tfstate"))
        .times(1)
        .refuse(403, "AccessDenied");
    let words = ["backend", "ensure", "dev", "--reencrypt", "--yes"];
    let refused = test.tfw(words).run().exits(4);
    refused.says("is not written anew: what stands on it would be lost");
    refused.says("must allow `s3:GetObjectTagging`");
    assert_eq!(encryption(&test).as_deref(), Some("AES256"));
    assert!(!test.locked("dev"));

    test.tfw(words).run().succeeds();
    assert_eq!(encryption(&test).as_deref(), Some("aws:kms"));
    assert_eq!(test.object("dev", TAGS), before);
}

#[test]
fn a_write_whose_answer_was_lost_is_believed_when_it_reads_back() {
    let test = under_the_wrong_key();
    test.proxy()
        .when(|r| r.is_tfw("PutObject") && r.path.ends_with("terraform.tfstate"))
        .times(1)
        .happens_after(|| {});
    test.tfw(["backend", "ensure", "dev", "--reencrypt", "--yes"])
        .run()
        .succeeds()
        .says("is encrypted anew");
    assert_eq!(encryption(&test).as_deref(), Some("aws:kms"));
    assert!(!test.locked("dev"));
}

#[test]
fn a_state_that_somebody_holds_is_left() {
    let test = under_the_wrong_key();
    test.put_object("dev", "terraform.tfstate.tflock", LOCK);
    let held = test
        .tfw(["backend", "ensure", "dev", "--reencrypt", "--yes", "--json"])
        .run()
        .exits(5)
        .json();
    let unit = the_unit(&held, "dev");
    assert_eq!(unit["result"], "locked");
    assert_eq!(unit["lock"]["who"], "me@host");
    assert_eq!(encryption(&test).as_deref(), Some("AES256"));
    assert_eq!(
        test.object("dev", "terraform.tfstate.tflock").unwrap(),
        LOCK
    );
}

#[test]
fn what_fails_leaves_the_state_and_no_lock() {
    let test = under_the_wrong_key();
    let before = test.history("dev");
    test.proxy()
        .when(|r| r.is_tfw("PutObject") && r.path.ends_with("terraform.tfstate"))
        .refuse(403, "AccessDenied");
    let failed = test
        .tfw(["backend", "ensure", "dev", "--reencrypt", "--yes"])
        .run()
        .exits(1);
    failed.says("access denied (s3:PutObject)");
    assert!(!test.locked("dev"));
    let states = |history: Vec<String>| -> Vec<String> {
        let of_state = |line: &String| line.contains("terraform.tfstate ");
        history.into_iter().filter(of_state).collect()
    };
    assert_eq!(states(before), states(test.history("dev")));
}

#[test]
fn a_lock_that_stays_is_named_with_what_removes_it() {
    let test = under_the_wrong_key();
    test.proxy()
        .when(|r| r.is_tfw("DeleteObject") && r.path.ends_with(".tflock"))
        .refuse(403, "AccessDenied");
    let failed = test
        .tfw(["backend", "ensure", "dev", "--reencrypt", "--yes"])
        .run()
        .exits(1);
    failed.says("tfw's own lock `s3://");
    let lock = test.object("dev", "terraform.tfstate.tflock").unwrap();
    let lock: serde_json::Value = serde_json::from_str(&lock).unwrap();
    let id = lock["ID"].as_str().unwrap();
    failed.says(&format!("`tfw lock release dev --id {id}` removes it"));
    assert_eq!(lock["Operation"], "reencryption");
    assert_eq!(encryption(&test).as_deref(), Some("aws:kms"));
}

#[test]
fn without_a_lock_file_nothing_is_written_anew() {
    let test = under_the_wrong_key();
    let manifest = test.read("environments/tfw.toml");
    test.write(
        "environments/tfw.toml",
        &format!("{manifest}backend.use_lockfile = false\n"),
    );
    let refused = test
        .tfw(["backend", "ensure", "dev", "--reencrypt", "--yes"])
        .run()
        .exits(4);
    refused.says("`use_lockfile` is false");
    assert_eq!(encryption(&test).as_deref(), Some("AES256"));
    assert_eq!(
        test.proxy().count(|r| writes(r)
            && r.operation() == "PutObject"
            && r.path.contains("terraform.tfstate")),
        0
    );
}

#[test]
fn a_stronger_encryption_than_asked_for_stays() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "bucket.encryption = \"aws:kms\"\nbucket.kms_key = \"alias/state\"\nbucket.create_kms_key = true",
        &fixtures::builtin(),
    );
    test.tfw(["apply", "dev", "--yes", "--auto-approve"])
        .run()
        .succeeds();
    let manifest = test.read("environments/tfw.toml");
    let manifest: Vec<&str> = manifest
        .lines()
        .filter(|line| !line.starts_with("bucket."))
        .collect();
    test.write("environments/tfw.toml", &manifest.join("\n"));
    test.proxy().forget();
    let check = test.tfw(["backend", "check", "dev"]).run().succeeds();
    check.says("! encryption aws:kms key/");
    check.says("! state_encryption aws:kms");
    test.tfw(["backend", "ensure", "dev", "--reencrypt", "--yes"])
        .run()
        .succeeds();
    assert_eq!(test.proxy().count(writes), 0);
}
