//! The state bucket: made safe when it is absent, looked at and left alone when it is there.

use crate::support::{Client, Request, TestEnvironment, fixtures};

/// A request of tfw's to S3 that changes something.
fn writes(request: &Request) -> bool {
    request.client() == Client::Tfw
        && request.service() == Some("s3")
        && !matches!(request.method.as_str(), "GET" | "HEAD")
}

/// The bucket of `dev` has every setting that makes it safe, as the emulator itself says.
#[track_caller]
fn assert_safe(test: &TestEnvironment, algorithm: &str) {
    for (setting, parts) in [
        ("versioning", &["<Status>Enabled</Status>"][..]),
        (
            "encryption",
            &[&format!("<SSEAlgorithm>{algorithm}</SSEAlgorithm>")],
        ),
        (
            "publicAccessBlock",
            &[
                "<BlockPublicAcls>true</BlockPublicAcls>",
                "<IgnorePublicAcls>true</IgnorePublicAcls>",
                "<BlockPublicPolicy>true</BlockPublicPolicy>",
                "<RestrictPublicBuckets>true</RestrictPublicBuckets>",
            ],
        ),
        (
            "ownershipControls",
            &["<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>"],
        ),
    ] {
        let actual = test.bucket_setting("dev", setting);
        for part in parts {
            assert!(actual.contains(part), "{setting}: {actual}");
        }
    }
}

/// Every S3 request of tfw's but the creation names the account of `dev`.
#[track_caller]
fn assert_owner(test: &TestEnvironment) {
    test.proxy().assert_expected_owner();
    let account = test.account("dev");
    let others = test
        .proxy()
        .count(|r| r.expected_owner().is_some_and(|owner| owner != account));
    assert_eq!(others, 0);
}

fn creation(test: &TestEnvironment) -> Request {
    let requests = test.proxy().requests();
    let creations: Vec<_> = requests
        .into_iter()
        .filter(|r| r.is_tfw("CreateBucket"))
        .collect();
    assert_eq!(creations.len(), 1);
    creations.into_iter().next().unwrap()
}

#[test]
fn an_absent_bucket_is_made_safe_in_its_region() {
    let test = TestEnvironment::new().environment("dev");
    let asked = test.tfw(["init", "dev", "--no-input"]).run().exits(4);
    asked.says(&test.bucket("dev"));
    asked.says("--yes");
    assert_eq!(test.proxy().count(writes), 0);

    test.proxy().forget();
    let made = test.tfw(["init", "dev", "--yes"]).run().succeeds();
    made.says(&format!(
        "created the state bucket `{}`",
        test.bucket("dev")
    ));
    assert!(!made.stdout.contains("is weak"), "{}", made.stdout);
    assert_safe(&test, "AES256");
    let body = creation(&test).body;
    let region = "<LocationConstraint>eu-central-1</LocationConstraint>";
    assert!(body.contains(region), "{body}");
    let location = test.bucket_setting("dev", "location");
    assert!(location.contains(">eu-central-1<"), "{location}");
    assert_owner(&test);

    test.proxy().forget();
    let again = test.tfw(["init", "dev"]).run().succeeds();
    assert!(!again.stdout.contains("is weak"), "{}", again.stdout);
    assert_eq!(test.proxy().count(writes), 0);
}

#[test]
fn in_us_east_1_no_location_is_sent() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "region = \"us-east-1\"",
        &fixtures::builtin(),
    );
    test.tfw(["init", "dev", "--yes"]).run().succeeds();
    let body = creation(&test).body;
    assert!(!body.contains("LocationConstraint"), "{body}");
    assert_safe(&test, "AES256");
    let location = test.bucket_setting("dev", "location");
    assert!(!location.contains("eu-central-1"), "{location}");
    assert_owner(&test);
}

#[test]
fn with_kms_bucket_and_state_are_encrypted_with_the_key() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "bucket.encryption = \"aws:kms\"\nbucket.kms_key = \"alias/state\"\nbucket.create_kms_key = true",
        &fixtures::builtin(),
    );
    let arn = format!(
        "arn:aws:kms:eu-central-1:{}:alias/state",
        test.account("dev")
    );
    test.tfw(["apply", "dev", "--yes", "--auto-approve"])
        .run()
        .succeeds();

    assert_safe(&test, "aws:kms");
    let encryption = test.bucket_setting("dev", "encryption");
    assert!(encryption.contains(":key/"), "{encryption}");
    assert!(
        encryption.contains("<BucketKeyEnabled>true</BucketKeyEnabled>"),
        "{encryption}"
    );
    let recorded = test.read("environments/dev/.terraform/terraform.tfstate");
    let recorded: serde_json::Value = serde_json::from_str(&recorded).unwrap();
    assert_eq!(recorded["backend"]["config"]["kms_key_id"], arn.as_str());
    let requests = test.proxy().requests();
    let state = requests
        .iter()
        .find(|r| r.operation() == "PutObject" && r.path.ends_with("terraform.tfstate"))
        .unwrap();
    assert_eq!(
        state.header("x-amz-server-side-encryption"),
        Some("aws:kms")
    );
    assert_eq!(
        state.header("x-amz-server-side-encryption-aws-kms-key-id"),
        Some(arn.as_str())
    );
    assert_owner(&test);
}

#[test]
fn two_processes_that_race_for_a_bucket_both_get_it() {
    for region in ["eu-central-1", "us-east-1"] {
        let keys = format!(
            "region = \"{region}\"\n[environments.dev.stacks.a]\n[environments.dev.stacks.b]\n"
        );
        let test = TestEnvironment::new().environment_with("dev", &keys, "");
        for stack in ["a", "b"] {
            test.write(
                &format!("environments/dev/{stack}/main.tf"),
                &fixtures::builtin(),
            );
        }
        let gate = test
            .proxy()
            .when(|r| r.operation() == "CreateBucket")
            .times(2)
            .hold();
        let one = test.tfw(["init", "dev/a", "--yes"]).spawn();
        let other = test.tfw(["init", "dev/b", "--yes"]).spawn();
        gate.wait_for_arrival();
        gate.wait_for_arrival();
        gate.open();
        one.wait().succeeds();
        other.wait().succeeds();
        assert_safe(&test, "AES256");
        assert_eq!(test.proxy().count_tfw("CreateBucket"), 2);
        assert_owner(&test);
    }
}

#[test]
fn an_existing_bucket_is_left_as_it_is_and_its_weaknesses_are_named() {
    let test = TestEnvironment::new().environment("dev");
    test.create_bucket("dev");
    let settings = [
        "versioning",
        "encryption",
        "publicAccessBlock",
        "ownershipControls",
    ];
    // An error's request id is another one each time.
    let read = |setting| {
        let answer = test.bucket_setting("dev", setting);
        let told = answer.split("<RequestId>").next().unwrap_or_default();
        told.to_owned()
    };
    let before = settings.map(read);

    let report = test
        .tfw(["init", "dev", "--yes", "--json"])
        .run()
        .succeeds()
        .json();

    let bucket = test.bucket("dev");
    let warnings: Vec<_> = report["diagnostics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|diagnostic| diagnostic["summary"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        warnings,
        [
            "public_access_block is not set, should be all four blocks",
            "object_ownership is not set, should be BucketOwnerEnforced",
            "versioning is not set, should be Enabled",
            "encryption is not set, should be AES256",
        ]
        .map(|text| format!("the bucket `{bucket}` is weak: {text}"))
    );
    assert_eq!(test.proxy().count(writes), 0);
    assert_eq!(before, settings.map(read));
    assert_owner(&test);

    // Only init looks so closely.
    test.proxy().forget();
    let plan = test.tfw(["plan", "dev"]).run().succeeds();
    assert!(!plan.stdout.contains("is weak"), "{}", plan.stdout);
    assert_eq!(test.proxy().count(|r| r.is_tfw("GetBucketVersioning")), 0);
}

#[test]
fn the_bucket_of_another_account_is_refused() {
    let test = TestEnvironment::on_ministack().environment("dev");
    let other = test.account("nobody");
    test.create_bucket_in("dev", &other);
    test.fake_terraform("echo \"$1\" >> \"$0.calls\"\nexec \"$REAL_TERRAFORM\" \"$@\"");

    for command in ["init", "apply"] {
        let refused = test.tfw([command, "dev", "--yes"]).run().exits(4);
        refused.says(&format!(
            "the bucket `{}` belongs to another account than {}",
            test.bucket("dev"),
            test.account("dev")
        ));
        refused.says("hint: choose another bucket name");
    }
    let calls = test.home().with_file_name("bin").join("terraform.calls");
    let calls = std::fs::read_to_string(calls).unwrap();
    assert!(calls.lines().all(|call| call == "version"), "{calls}");
    let own = test.proxy().count(|r| r.client() == Client::Tfw);
    assert_eq!(own, 4, "a role and a look, twice");
    assert_eq!(test.proxy().requests().len(), own);
    assert_eq!(test.proxy().count_tfw("HeadBucket"), 2);
    assert_owner(&test);
}
