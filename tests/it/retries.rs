//! What is tried again, how often, and what never is.

use rustix::process::Signal;

use crate::support::{TestEnvironment, fixtures, texts, the_unit};

/// What Terraform 1.11.4 prints when a connection breaks under a plan or an apply.
const RESET: &str = r#"{"@level":"error","@message":"Error: reading EC2 VPC (vpc-1)","@module":"terraform.ui","@timestamp":"2026-11-22T00:00:00.000000Z","diagnostic":{"severity":"error","summary":"reading EC2 VPC (vpc-1): RequestError: send request failed","detail":"caused by: Post \"https://ec2.eu-central-1.amazonaws.com/\": read tcp 10.0.0.1:5->10.0.0.2:443: read: connection reset by peer","address":"aws_vpc.this"},"type":"diagnostic"}"#;

/// Counts the calls of a subcommand in `calls`, and breaks the first of them.
fn breaking(test: &TestEnvironment, subcommand: &str, first: usize) {
    let (calls, reset) = (test.path("calls"), test.write("reset.json", RESET));
    test.fake_terraform(&format!(
        r#"
if [ "$1" = {subcommand} ]; then
  echo "$1" >> '{calls}'
  if [ "$(wc -l < '{calls}')" -le {first} ]; then
    cat '{reset}'
    exit 1
  fi
fi
exec "$REAL_TERRAFORM" "$@"
"#,
        calls = calls.display(),
        reset = reset.display(),
    ));
}

fn calls(test: &TestEnvironment) -> usize {
    test.read("calls").lines().count()
}

#[test]
fn a_registry_that_is_down_is_asked_in_three_inits() {
    let main = fixtures::builtin().replace(
        "backend \"s3\" {}\n",
        "backend \"s3\" {}\n  required_providers {\n    thing = {\n      source = \"acme/thing\"\n    }\n  }\n",
    );
    let test = TestEnvironment::new().environment_with("dev", "", &main);
    test.create_bucket("dev");
    let proxy = test.proxy();
    let asks = |path: &str| path.starts_with("/v1/providers/acme/thing/versions");
    proxy
        .when(move |request| asks(&request.path))
        .refuse(503, "ServiceUnavailable");
    let registry = format!(
        "disable_checkpoint = true\nhost \"registry.terraform.io\" {{\n  services = {{ \"providers.v1\" = \"{}/v1/providers/\" }}\n}}\n",
        proxy.url()
    );
    let registry = test.write("registry.rc", &registry);
    let run = test
        .tfw(["plan", "dev", "--json"])
        .env("TF_CLI_CONFIG_FILE", registry)
        .run()
        .exits(1);
    // Each init asks twice by itself (Terraform 1.11.4).
    assert_eq!(proxy.count(|request| asks(&request.path)), 3 * 2);
    let told = run
        .stderr
        .matches("`terraform init` is tried again in")
        .count();
    assert_eq!(told, 2, "{}", run.stderr);
    let report = run.json();
    let dev = the_unit(&report, "dev");
    assert_eq!(dev["result"], "failed");
    assert!(texts(dev).join("\n").contains("503"), "{dev:#}");
}

#[test]
fn a_plan_whose_connection_breaks_is_tried_again() {
    let test = TestEnvironment::offline().environment("dev");
    breaking(&test, "plan", 1);
    let run = test.tfw(["plan", "dev"]).run().succeeds();
    assert_eq!(calls(&test), 2);
    assert!(
        run.stdout.contains("`terraform plan` is tried again in")
            && run.stdout.contains("reading EC2 VPC"),
        "{}",
        run.stdout
    );
    let report = test.kept_report();
    assert_eq!(
        texts(the_unit(&report, "dev")),
        [""; 0],
        "what passed is no problem"
    );
}

#[test]
fn what_fails_for_good_is_not_tried_again() {
    let main = fixtures::builtin().replace(
        "  input = var.greeting\n",
        "  input = var.greeting\n\n  lifecycle {\n    precondition {\n      condition     = var.greeting != \"hello\"\n      error_message = \"Say something else.\"\n    }\n  }\n",
    );
    let test = TestEnvironment::offline().environment_with("dev", "", &fixtures::local(&main));
    breaking(&test, "plan", 0);
    let run = test.tfw(["plan", "dev"]).run().exits(1);
    assert_eq!(calls(&test), 1);
    assert!(run.stdout.contains("Say something else."), "{}", run.stdout);
    assert!(!run.stdout.contains("tried again"), "{}", run.stdout);
}

#[test]
fn an_apply_is_never_tried_again() {
    let test = TestEnvironment::offline().environment("dev");
    breaking(&test, "apply", 1);
    let run = test.tfw(["apply", "dev", "--auto-approve"]).run().exits(1);
    assert_eq!(calls(&test), 1);
    assert!(
        run.stdout.contains("connection reset by peer"),
        "{}",
        run.stdout
    );
    assert!(!run.stdout.contains("tried again"), "{}", run.stdout);
}

#[test]
fn ctrl_c_before_the_second_try_is_no_failure() {
    let test = TestEnvironment::offline().environment("dev");
    breaking(&test, "plan", 3);
    let plan = test.tfw(["plan", "dev", "--json"]).spawn();
    plan.wait_for_output("is tried again in");
    plan.signal(Signal::INT);
    let report = plan.wait().exits(130).json();
    assert_eq!(the_unit(&report, "dev")["result"], "interrupted");
    assert_eq!(calls(&test), 1);
}
