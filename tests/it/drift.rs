//! What changed behind Terraform's back: found, named, and left alone.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Request, TestEnvironment, fixtures, texts, the_unit};

/// A VPC with a name, in the real AWS provider. Without tags, this provider finds `null` changed
/// to `{}` in what it has just made.
fn vpc(test: &TestEnvironment) -> String {
    fixtures::aws(test.proxy().url())
        .replace(
            "  cidr_block = \"10.0.0.0/16\"\n",
            "  cidr_block = \"10.0.0.0/16\"\n  tags = { Name = \"first\" }\n",
        )
        .replace(
            "value = aws_vpc.this.id",
            "value = \"${aws_vpc.this.tags[\"Name\"]} ${aws_vpc.this.id}\"",
        )
}

fn applied() -> TestEnvironment {
    let test = TestEnvironment::new();
    let main = vpc(&test);
    let test = test.environment_with("dev", "", &main);
    test.tfw(["apply", "dev", "--yes", "--auto-approve"])
        .run()
        .succeeds();
    test
}

fn vpc_id(test: &TestEnvironment) -> String {
    let state = test.state("dev").unwrap();
    let output = state["outputs"]["vpc_id"]["value"].as_str().unwrap();
    output.rsplit(' ').next().unwrap().to_owned()
}

/// A request that changes a state, whoever sends it.
fn writes_state(request: &Request) -> bool {
    request.operation() == "PutObject" && request.path.ends_with(".tfstate")
}

/// Nothing of a plan is left, under whatever name.
#[track_caller]
fn assert_no_plan(test: &TestEnvironment) {
    // A plan is a zip archive.
    let is_zip = |file: &PathBuf| fs::read(file).is_ok_and(|bytes| bytes.starts_with(b"PK"));
    let plans: Vec<_> = test.tfw_files().into_iter().filter(is_zip).collect();
    assert!(plans.is_empty(), "{plans:?}");
}

#[test]
fn what_changed_is_named_and_the_state_is_left_as_it_is() {
    let test = applied();
    let quiet = test.tfw(["drift", "dev", "--json"]).run().succeeds();
    let report = quiet.json();
    let nothing =
        json!({"add": 0, "change": 0, "destroy": 0, "replace": 0, "import": 0, "outputs": 0});
    assert_eq!(the_unit(&report, "dev")["changes"], nothing);
    assert!(!quiet.stderr.contains("next:"), "{}", quiet.stderr);

    let before = test.state("dev").unwrap();
    let tag = format!(
        "Action=CreateTags&ResourceId.1={}&Tag.1.Key=Name&Tag.1.Value=second",
        vpc_id(&test)
    );
    test.ec2("dev", &tag);
    test.proxy().forget();
    let run = test.tfw(["drift", "dev"]).run().exits(2);
    for part in [
        "~ aws_vpc.this",
        "tags.Name: \"first\" → \"second\"",
        "output ~ vpc_id",
        "dev  succeeded: 1 changed outside of Terraform",
        "see what an apply would set back: tfw plan dev",
        "tfw exec dev -- apply -refresh-only",
    ] {
        run.says(part);
    }
    assert_eq!(test.state("dev").unwrap(), before);
    assert_eq!(test.proxy().count(writes_state), 0);
    assert!(!test.locked("dev"));
    assert_no_plan(&test);

    let kept = test.kept_report();
    assert_eq!(kept["command"], "drift");
    assert_eq!(kept["result"], "succeeded");
    assert_eq!(kept["exit_code"], 2);
    let dev = the_unit(&kept, "dev");
    assert_eq!(dev["result"], "succeeded");
    assert_eq!(dev["changes"]["change"], 1);
    assert_eq!(dev["changes"]["destroy"], 0);
    assert_eq!(dev["changes"]["outputs"], 1);
    assert_eq!(dev["plan_file"], Value::Null);
    assert_eq!(dev["provisional"], Value::Null);

    // One of the two ways out that it names.
    test.tfw([
        "exec",
        "dev",
        "--",
        "apply",
        "-refresh-only",
        "-auto-approve",
    ])
    .run()
    .succeeds();
    test.tfw(["drift", "dev"]).run().succeeds();
}

#[test]
fn sensitive_values_are_masked_and_what_is_gone_counts_as_destroyed() {
    let test = TestEnvironment::new();
    let main = vpc(&test) + "\nlocals {\n  secret = sensitive(\"hunter2-first\")\n}\n";
    let main = main
        .replace("Name = \"first\"", "Name = local.secret")
        .replace(
            "\"${aws_vpc.this.tags[\"Name\"]} ${aws_vpc.this.id}\"",
            "\"x ${aws_vpc.this.id}\"",
        );
    let test = test.environment_with("dev", "", &main);
    test.tfw(["apply", "dev", "--yes", "--auto-approve"])
        .run()
        .succeeds();
    let tag = format!(
        "Action=CreateTags&ResourceId.1={}&Tag.1.Key=Name&Tag.1.Value=hunter2-second",
        vpc_id(&test)
    );
    test.ec2("dev", &tag);
    let run = test.tfw(["drift", "dev"]).run().exits(2);
    run.says("(sensitive value)");
    assert!(!run.stdout.contains("hunter2"), "{}", run.stdout);

    test.ec2("dev", &format!("Action=DeleteVpc&VpcId={}", vpc_id(&test)));
    let run = test.tfw(["drift", "dev", "--json"]).run().exits(2);
    assert!(run.stderr.contains("- aws_vpc.this"), "{}", run.stderr);
    assert!(run.stderr.contains("1 gone"), "{}", run.stderr);
    let report = run.json();
    let changes = &the_unit(&report, "dev")["changes"];
    let counts = (&changes["change"], &changes["destroy"]);
    assert_eq!(counts, (&json!(0), &json!(1)));
    assert_no_plan(&test);
}

/// Terraform 1.11.4 ends with 2 and says "No changes" where a provider calls an attribute
/// sensitive. The pinned provider's smallest such resource would need one more service.
#[test]
fn an_exit_status_of_two_without_a_difference_is_no_drift() {
    let test = TestEnvironment::offline().environment("dev");
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    test.fake_terraform(
        r#""$REAL_TERRAFORM" "$@"; code=$?; [ "$1/$code" = plan/0 ] && exit 2; exit $code"#,
    );
    let run = test.tfw(["drift", "dev", "-v"]).run().succeeds();
    run.says("names no difference");
    assert_no_plan(&test);
}

#[test]
fn no_plan_is_left_where_its_review_fails() {
    let test = TestEnvironment::offline().environment("dev");
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    test.fake_terraform(
        r#"[ "$1" = show ] && exit 1; "$REAL_TERRAFORM" "$@"; code=$?; [ "$1/$code" = plan/0 ] && exit 2; exit $code"#,
    );
    let run = test.tfw(["drift", "dev"]).run().exits(1);
    run.says("`terraform show`");
    assert_no_plan(&test);
}

#[test]
fn a_unit_that_cannot_be_compared_fails_and_the_others_go_on() {
    let test = TestEnvironment::network_and_eks().environment("prod");
    test.tfw(["apply", "prod", "--auto-approve"])
        .run()
        .succeeds();
    let run = test.tfw(["drift", "--all", "--json"]).run().exits(1);
    let report = run.json();
    let order: Vec<_> = report["units"]
        .as_array()
        .unwrap()
        .iter()
        .map(|unit| {
            (
                unit["unit"].as_str().unwrap(),
                unit["result"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        order,
        [
            ("dev/network", "succeeded"),
            ("dev/eks", "failed"),
            ("prod", "succeeded"),
        ]
    );
    let reason = the_unit(&report, "dev/eks")["reason"].as_str().unwrap();
    assert!(
        reason.contains("output `vpc_id` of `dev/network`, which does not exist yet"),
        "{reason}"
    );
    assert_eq!(test.local_state("dev/network"), None);
}

#[test]
fn no_bucket_is_made_and_a_unit_without_state_has_not_drifted() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("prod");
    test.create_bucket("dev");
    let run = test.tfw(["drift", "--all", "--json"]).run().exits(1);
    let report = run.json();
    assert_eq!(the_unit(&report, "dev")["result"], "succeeded");
    assert_eq!(the_unit(&report, "dev")["changes"]["outputs"], 0);
    let prod = the_unit(&report, "prod");
    assert_eq!(prod["result"], "failed");
    let told = texts(prod).join("\n");
    assert!(told.contains("does not exist"), "{told}");
    assert!(told.contains("`tfw init prod` creates it"), "{told}");
    assert!(!test.bucket_exists("prod"));
    assert!(test.objects("dev").is_empty());
}

#[test]
fn a_workspace_that_does_not_exist_is_not_made() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "protected = true\nbackend.workspace = \"blue\"",
        &fixtures::builtin(),
    );
    test.create_bucket("dev");
    let run = test.tfw(["drift", "dev", "--no-input"]).run().succeeds();
    run.says("has no state yet");
    assert!(test.objects("dev").is_empty());
}
