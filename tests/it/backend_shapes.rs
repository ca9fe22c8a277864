//! Buckets that were there before: the difference is right, only what is needed is written, and what
//! others set survives.

use serde_json::{Value, json};

use crate::backend_ensure::{writes, written};
use crate::support::{TestEnvironment, fixtures};

fn dev(keys: &str) -> TestEnvironment {
    let test = TestEnvironment::new().environment_with("dev", keys, &fixtures::builtin());
    test.create_bucket("dev");
    test
}

/// The same on MiniStack, which keeps policies and lifecycle rules whole.
fn on_ministack(keys: &str) -> TestEnvironment {
    let test = TestEnvironment::on_ministack().environment_with("dev", keys, &fixtures::builtin());
    test.create_bucket("dev");
    test
}

/// Makes everything that tfw asks for in any case.
fn make_safe(test: &TestEnvironment) {
    test.put_setting(
        "dev",
        "versioning",
        "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    );
    test.put_setting("dev", "publicAccessBlock", BLOCK_ALL);
    test.put_setting("dev", "ownershipControls", ENFORCED);
    test.put_setting("dev", "encryption", &encryption("AES256", ""));
}

const BLOCK_ALL: &str = "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
const ENFORCED: &str = "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>";

fn encryption(algorithm: &str, rest: &str) -> String {
    format!(
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>{algorithm}</SSEAlgorithm>{rest}</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>"
    )
}

/// What `check` finds, a line each: `add versioning - Enabled`.
fn differences(test: &TestEnvironment, code: i32) -> Vec<String> {
    let check = test
        .tfw(["backend", "check", "dev", "--json"])
        .run()
        .exits(code)
        .json();
    let found = check["backends"][0]["differences"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    found
        .iter()
        .map(|each| {
            format!(
                "{} {} {} → {}",
                text(&each["action"]),
                text(&each["setting"]),
                text(&each["actual"]),
                text(&each["desired"])
            )
        })
        .collect()
}

/// Mends it, and gives what was written; afterwards nothing is left to do.
fn mend(test: &TestEnvironment, arguments: &[&str]) -> Vec<String> {
    test.proxy().forget();
    let words = ["backend", "ensure", "dev", "--yes"];
    test.tfw([])
        .args(words.iter().chain(arguments))
        .run()
        .succeeds();
    let made = written(test);
    test.proxy().forget();
    test.tfw(["backend", "ensure", "dev"]).run().succeeds();
    assert_eq!(test.proxy().count(writes), 0, "{:?}", written(test));
    made
}

#[test]
fn without_versions() {
    let test = dev("");
    make_safe(&test);
    test.put_setting(
        "dev",
        "versioning",
        "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>",
    );
    assert_eq!(
        differences(&test, 2),
        ["change versioning Suspended → Enabled"]
    );
    assert_eq!(mend(&test, &[]), ["PutBucketVersioning"]);
    let settings = test.settings("dev", &test.bucket("dev"));
    assert_eq!(settings["versioning"], "Enabled");
}

#[test]
fn with_a_policy_of_others_and_elements_that_nobody_knows() {
    let role = "arn:aws:iam::222222222222:role/Other";
    let test = on_ministack(&format!("bucket.allowed_principals = [\"{role}\"]"));
    make_safe(&test);
    let bucket = test.bucket("dev");
    let theirs = format!(
        r#"{{ "Sid" : "Theirs", "Effect":"Allow", "Principal":{{"AWS":["111111111111"]}},  "NotAction":"s3:DeleteObject", "Resource":"arn:aws:s3:::{bucket}/*", "Condition":{{"NumericLessThan":{{"s3:max-keys":[1.50, 2e3]}}}}, "Odd":{{"b":1,"a":2}} }}"#
    );
    let policy = format!(
        r#"{{"Version":"2008-10-17","Id":"Old","Statement":[{theirs}],"Unknown":{{"x":[1.0]}}}}"#
    );
    test.put_setting("dev", "policy", &policy);
    let found = differences(&test, 2);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("add allowed_principals - → only "),
        "{found:?}"
    );
    assert!(found[1].contains(&format!("let in {role}")), "{found:?}");
    assert_eq!(mend(&test, &[]), ["PutBucketPolicy"]);

    let policy = test.bucket_setting("dev", "policy");
    assert!(
        policy.starts_with(r#"{"Version":"2008-10-17","Id":"Old","Statement":["#),
        "{policy}"
    );
    assert!(policy.contains(&theirs), "{policy}");
    assert!(policy.ends_with(r#"],"Unknown":{"x":[1.0]}}"#), "{policy}");
    let parsed: Value = serde_json::from_str(&policy).unwrap();
    let statements = parsed["Statement"].as_array().unwrap();
    let of = |sid: &str| statements.iter().find(|each| each["Sid"] == sid).unwrap();
    let spared = &of("TfwAllowedPrincipalsOnly")["Condition"]["ArnNotLike"]["aws:PrincipalArn"];
    let account = test.account("dev");
    let roles = [
        format!("arn:aws:iam::{account}:role/test"),
        format!("arn:aws:iam::{account}:root"),
        role.to_owned(),
    ];
    for arn in &roles {
        assert!(spared.as_array().unwrap().contains(&json!(arn)), "{spared}");
    }
    assert_eq!(
        of("TfwOtherAccounts")["Condition"]["ArnLike"]["aws:PrincipalArn"],
        json!([role])
    );
}

#[test]
fn with_kms_on_already() {
    let test = dev("");
    make_safe(&test);
    let key = "<KMSMasterKeyID>alias/theirs</KMSMasterKeyID>";
    test.put_setting("dev", "encryption", &encryption("aws:kms", key));
    assert_eq!(
        differences(&test, 0),
        ["keep encryption aws:kms alias/theirs → AES256"]
    );
    assert_eq!(mend(&test, &[]), [""; 0]);
    let words = ["--allow-weaker", "encryption"];
    assert_eq!(mend(&test, &words), ["PutBucketEncryption"]);
    let settings = test.settings("dev", &test.bucket("dev"));
    assert_eq!(
        settings["encryption"][0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"],
        "AES256"
    );
}

#[test]
fn with_other_tags() {
    let test = dev("bucket.tags = { team = \"platform\", stage = \"dev\" }");
    make_safe(&test);
    test.put_setting(
        "dev",
        "tagging",
        "<Tagging><TagSet><Tag><Key>cost</Key><Value>42</Value></Tag><Tag><Key>team</Key><Value>web</Value></Tag></TagSet></Tagging>",
    );
    assert_eq!(
        differences(&test, 2),
        [
            "add tags - → stage=dev",
            "change tags team=web → team=platform"
        ]
    );
    assert_eq!(mend(&test, &[]), ["PutBucketTagging"]);
    let settings = test.settings("dev", &test.bucket("dev"));
    let mut tags: Vec<String> = settings["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| format!("{}={}", tag["Key"], tag["Value"]).replace('"', ""))
        .collect();
    tags.sort();
    assert_eq!(tags, ["cost=42", "stage=dev", "team=platform"]);
}

#[test]
fn open_to_the_public() {
    let test = dev("");
    make_safe(&test);
    test.put_setting(
        "dev",
        "publicAccessBlock",
        &BLOCK_ALL.replacen("true", "false", 3),
    );
    test.put_setting(
        "dev",
        "ownershipControls",
        &ENFORCED.replace("BucketOwnerEnforced", "ObjectWriter"),
    );
    assert_eq!(
        differences(&test, 2),
        [
            "change public_access_block only RestrictPublicBuckets → all four blocks",
            "change object_ownership ObjectWriter → BucketOwnerEnforced"
        ]
    );
    assert_eq!(
        mend(&test, &[]),
        ["PutPublicAccessBlock", "PutBucketOwnershipControls"]
    );
}

#[test]
fn with_a_lifecycle_of_others() {
    let test = on_ministack("bucket.noncurrent_days = 30");
    make_safe(&test);
    let theirs = "<Rule><ID>theirs</ID><Filter><Prefix>logs/</Prefix></Filter><Status>Enabled</Status><NoncurrentVersionExpiration><NoncurrentDays>7</NoncurrentDays><NewerNoncurrentVersions>3</NewerNoncurrentVersions></NoncurrentVersionExpiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>";
    let rules =
        |more: &str| format!("<LifecycleConfiguration>{theirs}{more}</LifecycleConfiguration>");
    test.put_setting("dev", "lifecycle", &rules(""));
    let before = test.settings("dev", &test.bucket("dev"))["lifecycle"][0].clone();
    assert_eq!(
        differences(&test, 2),
        ["add noncurrent_days - → 30 (older versions of states are removed)"]
    );
    assert_eq!(mend(&test, &[]), ["PutBucketLifecycleConfiguration"]);
    let after = test.settings("dev", &test.bucket("dev"));
    assert_eq!(after["lifecycle"].as_array().unwrap().len(), 2);
    assert_eq!(after["lifecycle"][0], before);

    // One that keeps old states longer is stronger, and one that removes states is a danger.
    let longer = "<Rule><ID>longer</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status><NoncurrentVersionExpiration><NoncurrentDays>400</NoncurrentDays></NoncurrentVersionExpiration></Rule>";
    test.put_setting("dev", "lifecycle", &rules(longer));
    assert_eq!(differences(&test, 0), ["keep noncurrent_days 400 → 30"]);
    assert_eq!(mend(&test, &[]), [""; 0]);
    let danger = "<Rule><ID>sweep</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status><Expiration><Days>10</Days></Expiration></Rule>";
    test.put_setting("dev", "lifecycle", &rules(&format!("{longer}{danger}")));
    let found = differences(&test, 2);
    assert!(
        found[0].contains("the rule `sweep` removes current states"),
        "{found:?}"
    );
}

#[test]
fn with_a_policy_of_equal_meaning() {
    let test = on_ministack(
        "assume_role.role_arn = \"arn:aws:iam::{account_id}:role/test\"\nbucket.allowed_principals = [\"arn:aws:iam::{account_id}:role/Admin\"]",
    );
    make_safe(&test);
    let (bucket, account) = (test.bucket("dev"), test.account("dev"));
    let arn = |rest: &str| format!("arn:aws:iam::{account}:{rest}");
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": {
            "Sid": "SomebodyElses",
            "Effect": "Deny",
            "Principal": { "AWS": "*" },
            "Action": ["S3:*"],
            "Resource": [format!("arn:aws:s3:::{bucket}/*"), format!("arn:aws:s3:::{bucket}")],
            "Condition": { "StringNotEquals": { "AWS:PrincipalArn": [arn("role/Admin"), arn("role/test"), arn("root")] } },
        },
    });
    test.put_setting("dev", "policy", &policy.to_string());
    assert_eq!(differences(&test, 0), [""; 0]);
    assert_eq!(mend(&test, &[]), [""; 0]);
}

#[test]
fn in_another_region() {
    let test = dev("");
    test.proxy()
        .when(|r| r.operation() == "HeadBucket")
        .refuse_with(
            301,
            "PermanentRedirect",
            &[("x-amz-bucket-region", "us-west-2")],
        );
    let words = ["backend", "ensure", "dev", "--yes"];
    let failed = test.tfw(words).run().exits(1);
    failed.says("is in the region `us-west-2`, not `eu-central-1`");
    failed.says("hint: set `backend.region = \"us-west-2\"`");
    assert_eq!(test.proxy().count(writes), 0);
}

#[test]
fn with_a_rule_of_tfws_that_somebody_made_to_keep_more() {
    let test = on_ministack("bucket.noncurrent_days = 30");
    make_safe(&test);
    let rule = "<LifecycleConfiguration><Rule><ID>tfw-noncurrent-versions</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status><NoncurrentVersionExpiration><NoncurrentDays>30</NoncurrentDays><NewerNoncurrentVersions>5</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>";
    test.put_setting("dev", "lifecycle", rule);
    assert_eq!(
        differences(&test, 0),
        ["keep noncurrent_days 30, and the newest ones for longer → 30"]
    );
    assert_eq!(mend(&test, &[]), [""; 0]);
    let words = ["--allow-weaker", "noncurrent_days"];
    assert_eq!(mend(&test, &words), ["PutBucketLifecycleConfiguration"]);
}

#[test]
fn with_a_list_of_principals_that_was_wider_or_narrower() {
    let test = on_ministack("bucket.allowed_principals = [\"{account_id}\"]");
    make_safe(&test);
    assert_eq!(mend(&test, &[]), ["PutBucketPolicy"]);
    let allow = |principal: &str| {
        let manifest = test.read("environments/tfw.toml");
        let (before, _) = manifest.split_once("bucket.allowed_principals").unwrap();
        let line = format!("{before}bucket.allowed_principals = [{principal}]\n");
        test.write("environments/tfw.toml", &line);
    };
    let spared = || {
        let policy: Value = serde_json::from_str(&test.bucket_setting("dev", "policy")).unwrap();
        policy["Statement"][0]["Condition"]["ArnNotLike"]["aws:PrincipalArn"].clone()
    };
    let account = test.account("dev");
    let arn = |rest: &str| format!("arn:aws:iam::{account}:{rest}");
    allow("\"arn:aws:iam::{account_id}:role/Admin\"");
    assert_eq!(mend(&test, &[]), ["PutBucketPolicy"]);
    let narrow = json!([arn("role/Admin"), arn("role/test"), arn("root")]);
    assert_eq!(spared(), narrow);
    // The whole account again: nobody else is let in unless that is allowed.
    allow("\"{account_id}\"");
    assert_eq!(mend(&test, &[]), [""; 0]);
    assert_eq!(spared(), narrow);
    // Nobody asks for it any more: it stays.
    allow("");
    let found = differences(&test, 0);
    assert!(found[0].ends_with(" → not asked for"), "{found:?}");
    assert_eq!(mend(&test, &[]), [""; 0]);
    let words = ["--allow-weaker", "allowed_principals"];
    assert_eq!(mend(&test, &words), ["DeleteBucketPolicy"]);
}

#[test]
fn with_a_role_that_replicates_it() {
    let test = on_ministack("bucket.allowed_principals = [\"{account_id}\"]");
    make_safe(&test);
    let replication = |role: &str| {
        format!(
            "<ReplicationConfiguration><Role>{role}</Role><Rule><ID>r</ID><Status>Enabled</Status><Prefix></Prefix><Destination><Bucket>arn:aws:s3:::elsewhere</Bucket></Destination></Rule></ReplicationConfiguration>"
        )
    };
    let role = "arn:aws:iam::222222222222:role/Copy";
    test.put_setting("dev", "replication", &replication(role));
    let check = test.tfw(["backend", "check", "dev"]).run().exits(2);
    check.says("`arn:aws:iam::222222222222:role/Copy`, which replicates the bucket");
    let own = format!("arn:aws:iam::{}:role/Copy", test.account("dev"));
    test.put_setting("dev", "replication", &replication(&own));
    let check = test.tfw(["backend", "check", "dev"]).run().exits(2);
    assert!(!check.stdout.contains("replicates"), "{}", check.stdout);
}

#[test]
fn in_another_account() {
    let test = TestEnvironment::on_ministack().environment("dev");
    test.create_bucket_in("dev", &test.account("nobody"));
    for command in ["check", "ensure"] {
        let refused = test.tfw(["backend", command, "dev"]).run().exits(4);
        refused.says("belongs to another account");
    }
    assert_eq!(test.proxy().count(writes), 0);
}

/// Each single read that is denied: its setting is left, all others are mended, and the run says
/// that it could not tell.
#[test]
fn with_one_read_denied() {
    let keys = "bucket.encryption = \"aws:kms\"
bucket.kms_key = \"alias/state\"
bucket.create_kms_key = true
bucket.allowed_principals = [\"111111111111\"]
bucket.noncurrent_days = 30
bucket.access_log_bucket = \"logs-{account_id}\"
bucket.tags = { team = \"platform\" }";
    let settings = [
        ("GetBucketVersioning", "PutBucketVersioning", "versioning"),
        ("GetBucketEncryption", "PutBucketEncryption", "encryption"),
        (
            "GetPublicAccessBlock",
            "PutPublicAccessBlock",
            "public_access_block",
        ),
        (
            "GetBucketOwnershipControls",
            "PutBucketOwnershipControls",
            "object_ownership",
        ),
        ("GetBucketPolicy", "PutBucketPolicy", "allowed_principals"),
        (
            "GetBucketLifecycleConfiguration",
            "PutBucketLifecycleConfiguration",
            "noncurrent_days",
        ),
        ("GetBucketLogging", "PutBucketLogging", "access_log_bucket"),
        ("GetBucketTagging", "PutBucketTagging", "tags"),
        ("DescribeKey", "CreateKey", "kms_key"),
    ];
    for (read, write, setting) in settings {
        let test = on_ministack(keys);
        let writer = ENFORCED.replace("BucketOwnerEnforced", "ObjectWriter");
        test.put_setting("dev", "ownershipControls", &writer);
        test.proxy()
            .when(move |r| r.is_tfw(read))
            .refuse(403, "AccessDenied");
        let check = test.tfw(["backend", "check", "dev"]).run().exits(1);
        check.says(&format!("? {setting} should be "));
        assert_eq!(test.proxy().count(writes), 0);

        let ensured = test
            .tfw(["backend", "ensure", "dev", "--yes"])
            .run()
            .exits(1);
        ensured.says("may be read: ");
        ensured.says(setting);
        let made = written(&test);
        assert!(
            !made.iter().any(|operation| operation == write),
            "{read}: {made:?}"
        );
        let others = settings.iter().map(|(_, write, _)| *write);
        for other in others.filter(|other| *other != write && *other != "CreateKey") {
            assert!(
                made.iter().any(|made| made == other),
                "{read}: no {other} in {made:?}"
            );
        }
    }
}
