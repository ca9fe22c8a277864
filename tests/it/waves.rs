//! Waves: what is planned, asked about and applied together, and what is not.

use crate::support::{TestEnvironment, fixtures, the_unit, wait_until};

const YES: &str = "Type `yes` to agree, anything else to decline: ";

/// Not Terraform.
const BROKEN: &str = "resource {";

/// Terraform, and no plan of it succeeds.
const UNPLANNABLE: &str = r#"
resource "terraform_data" "refused" {
  lifecycle {
    precondition {
      condition     = var.greeting == "never"
      error_message = "not today"
    }
  }
}
"#;

/// `dev` with these stacks, each with the keys of its table, and built-in resources only.
fn stacks(stacks: &[(&str, &str)]) -> TestEnvironment {
    let tables: Vec<String> = stacks
        .iter()
        .map(|(name, keys)| format!("[environments.dev.stacks.{name}]\n{keys}\n"))
        .collect();
    let test = TestEnvironment::offline().environment_with("dev", &tables.join("\n"), "");
    for (name, _) in stacks {
        write(&test, name, &fixtures::local(&fixtures::builtin()));
    }
    test
}

fn write(test: &TestEnvironment, stack: &str, main: &str) {
    test.write(&format!("environments/dev/{stack}/main.tf"), main);
}

#[track_caller]
fn results<const N: usize>(test: &TestEnvironment, units: [&str; N]) -> [String; N] {
    let report = test.kept_report();
    units.map(|unit| {
        let result = &the_unit(&report, unit)["result"];
        result.as_str().unwrap().to_owned()
    })
}

#[test]
fn what_depends_on_a_unit_that_failed_is_not_applied() {
    let test = stacks(&[
        ("a", ""),
        ("b", ""),
        ("c", "depends_on = [\"b\"]"),
        ("d", "depends_on = [\"c\"]"),
    ]);
    write(&test, "b", BROKEN);
    let mut terminal = test.tfw(["apply", "dev"]).on_terminal();
    let shown = terminal.wait_for(YES);
    assert!(shown.contains("dev/a: 1 to add"), "{shown}");
    assert!(!shown.contains("dev/c: 1 to add"), "{shown}");
    terminal.type_line("yes");
    terminal.exits(1);
    assert_eq!(
        results(&test, ["dev/a", "dev/b", "dev/c", "dev/d"]),
        ["succeeded", "failed", "skipped", "skipped"]
    );
    let report = test.kept_report();
    assert_eq!(
        the_unit(&report, "dev/c")["reason"],
        "not started: it waits for `dev/b`, which did not succeed"
    );
    assert_eq!(test.local_resources("dev/a"), 1);
    assert_eq!(test.local_state("dev/c"), None);
    assert_eq!(test.local_state("dev/d"), None);
}

#[test]
fn what_a_unit_that_failed_depends_on_is_not_destroyed() {
    let test = stacks(&[("a", ""), ("b", "depends_on = [\"c\"]"), ("c", "")]);
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    write(&test, "b", BROKEN);
    let mut terminal = test.tfw(["destroy", "dev"]).on_terminal();
    let shown = terminal.wait_for(YES);
    assert!(!shown.contains("dev/c: 0 to add"), "{shown}");
    terminal.type_line("yes");
    terminal.exits(1);
    assert_eq!(
        results(&test, ["dev/a", "dev/b", "dev/c"]),
        ["succeeded", "failed", "skipped"]
    );
    assert_eq!(test.local_resources("dev/a"), 0);
    assert_eq!(test.local_resources("dev/c"), 1);
}

#[test]
fn what_waits_for_another_environment_holds_up_what_is_behind_it() {
    let test = stacks(&[
        ("a", ""),
        ("b", "inputs = { greeting = \"lab.greeting\" }"),
        ("c", "depends_on = [\"b\"]"),
    ])
    .environment_with(
        "lab",
        "depends_on = []",
        &fixtures::local(&fixtures::builtin()),
    );
    let mut terminal = test.tfw(["apply", "--all"]).on_terminal();
    let mut waves = Vec::new();
    for _ in 0..4 {
        let shown = terminal.wait_for(YES);
        waves.push(
            ["dev/a", "dev/b", "dev/c", "lab"]
                .map(|unit| shown.contains(&format!("{unit}: 1 to add"))),
        );
        terminal.type_line("yes");
    }
    terminal.exits(0);
    assert_eq!(
        waves,
        [
            [true, false, false, false],
            [false, false, false, true],
            [false, true, false, false],
            [false, false, true, false],
        ]
    );
}

#[test]
fn fail_fast_asks_about_nothing_once_a_plan_has_failed() {
    let test = stacks(&[("a", ""), ("b", "")]);
    let broken = fixtures::local(&fixtures::builtin()) + UNPLANNABLE;
    write(&test, "b", &broken);
    let screen = test
        .tfw(["apply", "dev", "--fail-fast"])
        .on_terminal()
        .exits(1);
    assert!(screen.contains("Changes in dev/a"), "{screen}");
    assert!(!screen.contains(YES), "{screen}");
    assert_eq!(results(&test, ["dev/a", "dev/b"]), ["skipped", "failed"]);
    let report = test.kept_report();
    let reason = the_unit(&report, "dev/a")["reason"].as_str().unwrap();
    assert!(reason.contains("--fail-fast"), "{reason}");
    assert_eq!(test.local_state("dev/a"), None);
}

#[test]
fn a_failed_apply_counts_what_was_done() {
    let test = TestEnvironment::offline();
    let main = fixtures::local(&fixtures::builtin())
        + r#"
resource "terraform_data" "failing" {
  depends_on = [terraform_data.this]

  provisioner "local-exec" {
    command = "exit 1"
  }
}
"#;
    let test = test.environment_with("dev", "", &main);
    let report = test
        .tfw(["apply", "dev", "--auto-approve", "--json"])
        .run()
        .exits(1)
        .json();
    let dev = the_unit(&report, "dev");
    assert_eq!(dev["changes"]["add"], 1, "{dev:#}");
}

#[test]
fn a_plan_that_was_never_applied_is_gone_and_named_nowhere() {
    let test = TestEnvironment::offline()
        .defaults("[defaults.backend]\ntype = \"local\"\n\n[terraform]\nparallelism = 1\n")
        .environment_with(
            "dev",
            "[environments.dev.stacks.a]\n\n[environments.dev.stacks.b]\n",
            "",
        );
    for stack in ["a", "b"] {
        write(&test, stack, &fixtures::local(&fixtures::gated()));
    }
    let mut terminal = test.tfw(["apply", "dev"]).on_terminal();
    terminal.wait_for(YES);
    terminal.type_line("yes");
    let started = test.path("environments/dev/a/started");
    wait_until("the apply", || started.exists().then_some(()));
    terminal.ctrl_c();
    terminal.wait_for("starting nothing new");
    test.write("environments/dev/a/finish", "");
    terminal.exits(130);
    let report = test.kept_report();
    let b = the_unit(&report, "dev/b");
    assert_eq!(b["reason"], "not started: the run was interrupted");
    assert_eq!(b["plan_file"], serde_json::Value::Null);
}
