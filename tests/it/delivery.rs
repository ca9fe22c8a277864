//! Credentials from tfw's endpoint: an apply that lasts longer than its sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::{Client, TestEnvironment, fixtures};

/// How long the sessions of these tests live.
const LIFE: Duration = Duration::from_secs(6);

/// Terraform that writes down how it gets its credentials.
const RECORDING: &str = r#"
echo "$1 ${AWS_ACCESS_KEY_ID:-none} ${AWS_CONTAINER_CREDENTIALS_FULL_URI:-none}" >> "$0.calls"
exec "$REAL_TERRAFORM" "$@"
"#;

fn calls(test: &TestEnvironment) -> Vec<String> {
    let file = test.home().with_file_name("bin").join("terraform.calls");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn apply_asks_the_endpoint_and_plan_does_not_unless_the_manifest_says_otherwise() {
    let test = TestEnvironment::new().environment("dev");
    test.fake_terraform(RECORDING);
    test.tfw(["plan", "dev", "--yes"]).run().succeeds();
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    let by = |wanted: &str| -> BTreeSet<bool> {
        calls(&test)
            .iter()
            .filter(|line| line.starts_with(wanted))
            .map(|line| line.ends_with(" none"))
            .collect()
    };
    assert_eq!(by("apply"), BTreeSet::from([false]), "by the endpoint");
    assert!(by("init").contains(&true), "by the environment");
    for line in calls(&test)
        .iter()
        .filter(|line| !line.starts_with("version"))
    {
        let parts: Vec<&str> = line.split(' ').collect();
        assert!((parts[1] == "none") != (parts[2] == "none"), "{line}");
    }

    let manifest = test.read("environments/tfw.toml");
    for (delivery, by_environment) in [("env", true), ("server", false)] {
        let table = format!("\n[defaults.credentials]\ndelivery = \"{delivery}\"\n");
        test.write("environments/tfw.toml", &format!("{manifest}{table}"));
        let seen = calls(&test).len();
        for command in ["plan", "apply"] {
            test.tfw([command, "dev"]).run().succeeds();
        }
        for line in &calls(&test)[seen..] {
            let none = line.ends_with(" none");
            assert!(
                line.starts_with("version") || none == by_environment,
                "{line}"
            );
        }
    }
}

/// Sessions that live for six seconds, and a server that knows: an apply of half a minute goes
/// through several of them, with the real AWS provider.
#[test]
fn an_apply_outlives_its_sessions() {
    let test = TestEnvironment::new();
    let main = fixtures::aws(test.proxy().url())
        + r#"
resource "terraform_data" "wait" {
  count = 3
  provisioner "local-exec" {
    command = "sleep 8"
  }
}

resource "aws_vpc" "late" {
  cidr_block = "10.9.0.0/16"
  depends_on = [terraform_data.wait]
}

resource "terraform_data" "later" {
  depends_on = [aws_vpc.late]
  provisioner "local-exec" {
    command = "sleep 8"
  }
}

resource "aws_vpc" "last" {
  cidr_block = "10.10.0.0/16"
  depends_on = [terraform_data.later]
}
"#;
    let test = test.environment_with("dev", "", &main);
    test.create_bucket("dev");
    // STS says that they end soon …
    test.proxy()
        .when(|r| r.operation() == "AssumeRole")
        .edit_answer(|body| {
            let end = jiff::Timestamp::now() + jiff::SignedDuration::try_from(LIFE).unwrap();
            let (before, rest) = body.split_once("<Expiration>").unwrap();
            let (_, after) = rest.split_once("</Expiration>").unwrap();
            let end = end.strftime("%Y-%m-%dT%H:%M:%SZ");
            format!("{before}<Expiration>{end}</Expiration>{after}")
        });
    // … and EC2 takes none that is older.
    let first_seen: Arc<Mutex<BTreeMap<String, Instant>>> = Arc::default();
    let seen = first_seen.clone();
    test.proxy()
        .when(move |r| {
            let Some(key) = r.access_key().map(str::to_owned) else {
                return false;
            };
            let mut seen = seen.lock().unwrap();
            let since = *seen.entry(key).or_insert_with(Instant::now);
            r.service() == Some("ec2") && since.elapsed() > LIFE + Duration::from_secs(1)
        })
        .refuse(400, "RequestExpired");

    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    let requests = test.proxy().requests();
    let of_provider = requests
        .iter()
        .filter(|r| r.client() == Client::Provider && r.operation() == "CreateVpc");
    let keys: BTreeSet<_> = of_provider.filter_map(|r| r.access_key()).collect();
    assert!(keys.len() >= 2, "{keys:?}");
    assert!(test.proxy().count_tfw("AssumeRole") >= 3);
    assert_eq!(test.locks("dev"), [""; 0]);
}

#[test]
fn without_the_endpoint_credentials_that_end_soon_begin_no_apply() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "credentials.delivery = \"env\"",
        &fixtures::builtin(),
    );
    test.create_bucket("dev");
    test.proxy()
        .when(|r| r.operation() == "AssumeRole")
        .edit_answer(|body| {
            let end = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(9);
            let (before, rest) = body.split_once("<Expiration>").unwrap();
            let (_, after) = rest.split_once("</Expiration>").unwrap();
            let end = end.strftime("%Y-%m-%dT%H:%M:%SZ");
            format!("{before}<Expiration>{end}</Expiration>{after}")
        });
    let refused = test.tfw(["apply", "dev", "--auto-approve"]).run().exits(4);
    refused.says("the credentials of `dev` end in 8 min");
    refused.says("`credentials.delivery = \"server\"` renews them meanwhile");
    test.tfw(["plan", "dev"]).run().succeeds();
}
