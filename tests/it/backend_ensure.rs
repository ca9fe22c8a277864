//! `tfw backend ensure` and `check`: shown, asked about, made, read back, and then nothing more.

use crate::support::{Client, Request, TestEnvironment, fixtures, the_unit};

const KMS: &str = "bucket.encryption = \"aws:kms\"
bucket.kms_key = \"alias/state\"
bucket.create_kms_key = true";

/// What a runbook asks for beside versions and closed doors.
const REST: &str = "bucket.noncurrent_days = 90
bucket.tags = { team = \"platform\" }";

/// A request of tfw's that changes something in S3 or KMS.
pub(crate) fn writes(request: &Request) -> bool {
    let reads_kms = ["Describe", "Get", "List"];
    request.client() == Client::Tfw
        && match request.service() {
            Some("s3") => !matches!(request.method.as_str(), "GET" | "HEAD"),
            Some("kms") => !reads_kms
                .iter()
                .any(|verb| request.operation().starts_with(verb)),
            _ => false,
        }
}

/// The names of the operations that tfw wrote with, in their order.
pub(crate) fn written(test: &TestEnvironment) -> Vec<String> {
    let requests = test.proxy().requests();
    let writes = requests.iter().filter(|request| writes(request));
    writes.map(Request::operation).collect()
}

fn one(keys: &str) -> TestEnvironment {
    TestEnvironment::new().environment_with("dev", keys, &fixtures::builtin())
}

#[test]
fn a_bucket_is_as_by_hand_or_stronger_as_another_client_reads_it() {
    for (keys, alias) in [
        (REST.to_owned(), None),
        (format!("{KMS}\n{REST}"), Some("alias/by-hand")),
    ] {
        let test = one(&keys);
        let by_hand = format!("{}-by-hand", test.bucket("dev"));
        test.make_by_hand("dev", &by_hand, alias);
        test.tfw(["backend", "ensure", "dev", "--yes"])
            .run()
            .succeeds();

        let (hand, tfw) = (
            test.settings("dev", &by_hand),
            test.settings("dev", &test.bucket("dev")),
        );
        for setting in ["location", "versioning", "public_access", "ownership"] {
            assert_eq!(hand[setting], tfw[setting], "{setting}");
        }
        let default = |settings: &serde_json::Value| {
            let rule = &settings["encryption"][0];
            (
                rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"].clone(),
                rule["BucketKeyEnabled"].clone(),
            )
        };
        assert_eq!(default(&hand), default(&tfw));
        if alias.is_some() {
            for part in ["enabled", "rotates"] {
                assert_eq!(hand["key"][part], true);
                assert_eq!(tfw["key"][part], true, "{part}");
            }
            let policy = tfw["key"]["policy"].as_str().unwrap();
            let root = format!("arn:aws:iam::{}:root", test.account("dev"));
            assert!(
                policy.contains(&root) && policy.contains("kms:*"),
                "{policy}"
            );
        }
        let rule = &tfw["lifecycle"][0];
        assert_eq!(rule["NoncurrentVersionExpiration"]["NoncurrentDays"], 90);
        assert!(rule.get("Expiration").is_none(), "{rule}");
        let tags = tfw["tags"].as_array().unwrap();
        let of_project = serde_json::json!({ "Key": "tfw:project", "Value": "test" });
        assert!(tags.contains(&of_project), "{tags:?}");
        for tag in hand["tags"].as_array().unwrap() {
            assert!(tags.contains(tag), "{tag}");
        }
        // The emulator is reached without TLS, where a TLS-only policy would lock everybody out.
        assert!(hand["policy"].is_string() && tfw["policy"]["unset"].is_string());
    }
}

#[test]
fn check_tells_and_ensure_mends_and_then_there_is_nothing_to_do() {
    let test = one(&format!("{KMS}\n{REST}"));
    let check = test.tfw(["backend", "check", "dev"]).run().exits(2);
    for line in [
        "+ bucket ",
        "+ kms_key alias/state",
        "+ kms_key_rotation every year",
        "+ versioning Enabled",
        "+ encryption aws:kms alias/state",
        "+ public_access_block all four blocks",
        "+ object_ownership BucketOwnerEnforced",
        "+ noncurrent_days 90",
        "+ tags team=platform",
        "1 bucket: 0 in sync, 1 not",
    ] {
        assert!(check.stdout.contains(line), "{line}: {}", check.stdout);
    }
    assert_eq!(test.proxy().count(writes), 0);

    let refused = test
        .tfw(["backend", "ensure", "dev", "--no-input"])
        .run()
        .exits(4);
    refused.says("nobody agreed to mending the backends");
    refused.says("`--yes` agrees");
    assert_eq!(test.proxy().count(writes), 0);

    let mended = test
        .tfw(["backend", "ensure", "dev", "--yes"])
        .run()
        .succeeds();
    mended.says("+ versioning Enabled");
    mended.says("created the KMS key `alias/state`");
    test.proxy().assert_expected_owner();

    test.proxy().forget();
    test.tfw(["backend", "ensure", "dev"])
        .run()
        .succeeds()
        .says("in sync");
    assert_eq!(test.proxy().count(writes), 0);
    let check = test.tfw(["backend", "check", "dev"]).run().succeeds();
    assert!(check.stdout.contains("1 bucket: 1 in sync, 0 not"));
    assert_eq!(test.proxy().count(writes), 0);

    // What it made is what Terraform can use.
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    let check = test.tfw(["backend", "check", "dev"]).run().succeeds();
    assert!(
        !check.stdout.contains("state_encryption"),
        "{}",
        check.stdout
    );
}

#[test]
fn both_documents_have_every_field() {
    let test = one("");
    test.create_bucket("dev");
    let check = test
        .tfw(["backend", "check", "dev", "--json"])
        .run()
        .exits(2)
        .json();
    assert_eq!(check["schema"], 1);
    assert_eq!(check["result"], "differs");
    let backend = &check["backends"][0];
    assert_eq!(backend["bucket"], test.bucket("dev").as_str());
    assert_eq!(backend["account_id"], test.account("dev").as_str());
    assert_eq!(backend["units"], serde_json::json!(["dev"]));
    let difference = backend["differences"]
        .as_array()
        .unwrap()
        .iter()
        .find(|difference| difference["setting"] == "versioning")
        .unwrap();
    assert_eq!(difference["action"], "add");
    assert_eq!(difference["actual"], serde_json::Value::Null);
    assert_eq!(difference["desired"], "Enabled");

    let ensure = test
        .tfw(["backend", "ensure", "dev", "--yes", "--json"])
        .run()
        .succeeds()
        .json();
    assert_eq!(ensure["command"], "backend ensure");
    assert_eq!(ensure["result"], "succeeded");
    assert_eq!(the_unit(&ensure, "dev")["result"], "succeeded");
    assert_eq!(ensure["backends"][0]["differences"], backend["differences"]);

    let check = test
        .tfw(["backend", "check", "dev", "--json"])
        .run()
        .succeeds()
        .json();
    assert_eq!(check["result"], "in_sync");
    assert_eq!(check["backends"][0]["differences"], serde_json::json!([]));
}

#[test]
fn a_bucket_of_many_units_is_looked_at_and_mended_once() {
    let tables = ('a'..='f').map(|name| format!("[environments.dev.stacks.{name}]\n"));
    let stacks = tables.collect::<Vec<_>>().concat();
    let test = TestEnvironment::new().environment_with("dev", &stacks, "");
    for name in 'a'..='f' {
        test.write(
            &format!("environments/dev/{name}/main.tf"),
            &fixtures::builtin(),
        );
    }
    test.create_bucket("dev");
    let mended = test
        .tfw(["backend", "ensure", "--all", "--yes", "--json"])
        .run()
        .succeeds()
        .json();
    assert_eq!(mended["backends"].as_array().unwrap().len(), 1);
    assert_eq!(mended["backends"][0]["units"].as_array().unwrap().len(), 6);
    assert_eq!(test.proxy().count_tfw("HeadBucket"), 1);
    assert_eq!(test.proxy().count_tfw("AssumeRole"), 1);
    assert_eq!(test.proxy().count_tfw("PutBucketVersioning"), 1);
    assert_eq!(
        written(&test),
        [
            "PutPublicAccessBlock",
            "PutBucketOwnershipControls",
            "PutBucketVersioning",
            "PutBucketEncryption"
        ],
        "in a safe order"
    );
}

#[test]
fn ten_processes_get_one_bucket_one_key_and_one_alias() {
    let test = one(KMS);
    let processes: Vec<_> = (0..10)
        .map(|_| test.tfw(["backend", "ensure", "dev", "--yes"]).spawn())
        .collect();
    for process in processes {
        process.wait().succeeds();
    }
    let keys = test.keys("dev");
    assert_eq!(keys["keys"], serde_json::json!(["Enabled"]));
    assert_eq!(keys["aliases"], serde_json::json!(["alias/state"]));
    assert_eq!(test.proxy().count_tfw("CreateKey"), 1);
    let settings = test.settings("dev", &test.bucket("dev"));
    assert_eq!(settings["key"]["rotates"], true);
    assert!(test.objects("dev").is_empty(), "{:?}", test.objects("dev"));
    assert!(test.history("dev").is_empty(), "{:?}", test.history("dev"));
}

#[test]
fn in_us_east_1_there_is_no_location_to_ask_for() {
    let test = one("region = \"us-east-1\"");
    test.tfw(["backend", "ensure", "dev", "--yes"])
        .run()
        .succeeds();
    let created = test
        .proxy()
        .wait_for("the bucket is created", |r| r.is_tfw("CreateBucket"));
    assert!(!created.body.contains("LocationConstraint"));
    let settings = test.settings("dev", &test.bucket("dev"));
    assert_eq!(settings["location"], serde_json::Value::Null);
    assert_eq!(settings["versioning"], "Enabled");
    test.proxy().forget();
    test.tfw(["backend", "ensure", "dev"]).run().succeeds();
    assert_eq!(test.proxy().count(writes), 0, "{:?}", written(&test));
}

#[test]
fn in_a_protected_environment_its_name_is_asked_for() {
    let test = one("protected = true");
    test.create_bucket("dev");
    let refused = test
        .tfw(["backend", "ensure", "dev", "--yes"])
        .run()
        .exits(4);
    refused.says("`--approve dev` agrees");
    assert_eq!(test.proxy().count(writes), 0);
    test.tfw(["backend", "ensure", "dev", "--yes", "--approve", "dev"])
        .run()
        .succeeds();
    // What changes nothing asks nothing.
    test.tfw(["backend", "check", "dev"]).run().succeeds();
    test.tfw(["backend", "ensure", "dev"]).run().succeeds();
}

#[test]
fn whoever_else_uses_the_bucket_is_asked_for_when_he_is_protected() {
    let shared = "backend.bucket = \"shared-{account_id}\"
backend.role_arn = \"arn:aws:iam::999900001111:role/State\"
backend.key = \"{environment}.tfstate\"";
    let shared = shared.replace("{account_id}", &fastrand::u32(..).to_string());
    let test = TestEnvironment::new()
        .environment_with("dev", &shared, &fixtures::builtin())
        .environment_with(
            "prod",
            &format!("{shared}\nprotected = true"),
            &fixtures::builtin(),
        );
    for command in [&["backend", "ensure"][..], &["init"]] {
        let words = command.iter().copied().chain(["dev", "--yes"]);
        let refused = test.tfw([]).args(words).run().exits(4);
        refused.says("`--approve prod` agrees");
    }
    assert_eq!(test.proxy().count(writes), 0);
    test.tfw(["backend", "ensure", "dev", "--yes", "--approve", "prod"])
        .run()
        .succeeds();
}

#[test]
fn a_policy_that_would_lock_tfw_out_is_refused() {
    let account = |test: &TestEnvironment| test.account("dev");
    let test = one("bucket.force_tls = true");
    test.create_bucket("dev");
    let refused = test
        .tfw(["backend", "ensure", "dev", "--yes"])
        .run()
        .exits(4);
    refused.says("`force_tls` would lock tfw out");
    refused.says("S3 is reached without TLS here");
    assert_eq!(test.proxy().count(writes), 0);

    // Without a role in the manifest, tfw acts as whoever runs it.
    let test = one(
        "assume_role.role_arn = \"\"\naccount_id = \"123456789012\"\nbucket.allowed_principals = [\"arn:aws:iam::123456789012:role/Admin\"]",
    );
    assert_ne!(account(&test), "123456789012");
    let manifest = test.read("environments/tfw.toml");
    test.write(
        "environments/tfw.toml",
        &manifest.replace(&format!("account_id = \"{}\"\n", account(&test)), ""),
    );
    let refused = test
        .tfw(["backend", "ensure", "dev", "--yes"])
        .run()
        .exits(4);
    refused.says("`allowed_principals` would lock tfw out");
    refused.says("hint: add it to `bucket.allowed_principals`");
    assert_eq!(test.proxy().count(writes), 0);
}

#[test]
fn two_units_that_want_different_things_of_one_bucket_are_told() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "[environments.dev.stacks.a]\n[environments.dev.stacks.b]\nbucket.noncurrent_days = 7\n",
        "",
    );
    for name in ["a", "b"] {
        test.write(
            &format!("environments/dev/{name}/main.tf"),
            &fixtures::builtin(),
        );
    }
    let wrong = test.tfw(["backend", "check", "--all"]).run().exits(3);
    wrong.says("`dev/a` and `dev/b` want different things of one bucket");
}

#[test]
fn a_bucket_in_another_account_is_mended_with_its_own_role() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "backend.role_arn = \"arn:aws:iam::999900001111:role/State\"",
        &fixtures::builtin(),
    );
    test.tfw(["backend", "ensure", "dev", "--yes"])
        .run()
        .succeeds();
    let requests = test.proxy().requests();
    let roles: Vec<String> = requests
        .iter()
        .filter(|request| request.is_tfw("AssumeRole"))
        .filter_map(|request| request.field("RoleArn"))
        .collect();
    assert_eq!(roles.len(), 2);
    assert!(roles[1].contains("999900001111:role/State"), "{roles:?}");
    let of_others = requests.iter().filter(|r| {
        r.expected_owner()
            .is_some_and(|owner| owner != "999900001111")
    });
    assert_eq!(of_others.count(), 0);
}
