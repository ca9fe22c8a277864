//! What stands on the screen when a command has ended, at 80 and at 200 columns, and what a pipe
//! gets.

use crate::support::{Screen, TestEnvironment, fixtures, normal};

const YES: &str = "Type `yes` to agree, anything else to decline: ";

/// Two sizes of terminal that people have.
const NARROW: (u16, u16) = (80, 24);
const WIDE: (u16, u16) = (200, 60);

/// One unit at a time, so that each run tells the same in the same order.
const ONE_AT_A_TIME: &str =
    "[defaults.backend]\ntype = \"local\"\n\n[terraform]\nparallelism = 1\n";

/// A check that fails wherever it is made.
const CHECK: &str = r#"
check "certificate" {
  assert {
    condition     = var.greeting == "never"
    error_message = "The certificate ends in ten days, which is sooner than it should be."
  }
}
"#;

const EXTRA: &str = r#"
resource "terraform_data" "extra" {
  input = "only here"
}
"#;

const UNDECLARED: &str = r#"
resource "terraform_data" "other" {
  input = var.greting
}
"#;

/// A fleet with all that a plan can come to: `base` changes, and `edge` is planned before that;
/// `dev`, `test` and `stage` are made alike, but for one thing in `stage`; `qa` fails; `late` has to
/// wait for `dev`.
fn fleet() -> TestEnvironment {
    let main = fixtures::local(&fixtures::builtin());
    let checked = main.clone() + CHECK;
    let test = TestEnvironment::offline()
        .defaults(ONE_AT_A_TIME)
        .environment("base")
        .environment_with("edge", "inputs = { greeting = \"base.greeting\" }", &main)
        .environment_with("dev", "", &checked)
        .environment_with("test", "", &checked)
        .environment_with("stage", "", &(checked.clone() + EXTRA))
        .environment_with("qa", "", &(main.clone() + UNDECLARED))
        .environment_with("late", "inputs = { greeting = \"dev.greeting\" }", &main);
    test.tfw(["apply", "base", "edge", "--auto-approve"])
        .run()
        .succeeds();
    test.write(
        "environments/base/main.tf",
        &main.replace("\"hello\"", "\"good morning\""),
    );
    test
}

/// Runs a command that asks nothing on a terminal of this size; gives what it leaves there.
#[track_caller]
fn on<const N: usize>(
    test: &TestEnvironment,
    args: [&str; N],
    (columns, rows): (u16, u16),
    code: i32,
) -> Screen {
    let screen = test.tfw(args).on_terminal_of(columns, rows).leaves(code);
    screen.is_tidy();
    screen
}

#[test]
fn a_plan_over_a_fleet() {
    let test = fleet();
    let narrow = on(&test, ["plan", "--all"], NARROW, 1);
    insta::assert_snapshot!(narrow.normal(), @r#"
    tfw plan: 7 units, run 20261122T000000Z-000000
    base   succeeded: 0 to add, 1 to change, 0 to destroy, 2 outputs (0.0s)
    dev    succeeded: 1 to add, 0 to change, 0 to destroy, 2 outputs (0.0s)
    test   succeeded: 1 to add, 0 to change, 0 to destroy, 2 outputs (0.0s)
    stage  succeeded: 2 to add, 0 to change, 0 to destroy, 2 outputs (0.0s)
    qa     failed: `terraform plan` failed: Reference to undeclared input variable
    edge   succeeded: no changes (0.0s)
    late   skipped: input `greeting` waits for output `greeting` of `dev`, which
        does not exist yet

    Changes in base, dev, test, stage
      + terraform_data.this  in dev, test, stage
          input: "hello"
      ~ terraform_data.this  only in base
          input: "hello" → "good morning"
          output: "hello" → (known after apply)
      + terraform_data.extra  only in stage
          input: "only here"
      output ~ greeting  only in base
      output ~ secret  only in base
      output + greeting  in dev, test, stage
      output + secret  in dev, test, stage

    warning: Check block assertion failed
      in 3 units: dev, test, stage
      at dev/main.tf:25, test/main.tf:25, stage/main.tf:25
      The certificate ends in ten days, which is sooner than it should be.

    error: Reference to undeclared input variable
      in qa
      at qa/main.tf:24
      24:   input = var.greting
      An input variable with the name "greting" has not been declared. Did you mean
      "greeting"?

    UNIT   RESULT       +  ~  -  -/+  TIME
    base   succeeded    0  1  0    0  0.0s
    edge   provisional  0  0  0    0  0.0s
    dev    succeeded    1  0  0    0  0.0s
    test   succeeded    1  0  0    0  0.0s
    stage  succeeded    2  0  0    0  0.0s
    qa     failed                     0.0s
    late   skipped                    0.0s

    7 units: 5 succeeded, 1 failed, 1 skipped, in 0.0s; 4 to add, 1 to change, 0 to
      destroy, 8 outputs
    provisional: edge is planned as if nothing changed upstream, and `base` has
      changes; `tfw apply` plans again after them
    log of qa: .tfw/runs/20261122T000000Z-000000/qa.log
    next: when that is mended: tfw plan qa
    "#);
    assert!(narrow.is_coloured());

    let wide = on(&test, ["plan", "--all"], WIDE, 1);
    insta::assert_snapshot!(wide.normal(), @r#"
    tfw plan: 7 units, run 20261122T000000Z-000000
    base   succeeded: 0 to add, 1 to change, 0 to destroy, 2 outputs (0.0s)
    dev    succeeded: 1 to add, 0 to change, 0 to destroy, 2 outputs (0.0s)
    test   succeeded: 1 to add, 0 to change, 0 to destroy, 2 outputs (0.0s)
    stage  succeeded: 2 to add, 0 to change, 0 to destroy, 2 outputs (0.0s)
    qa     failed: `terraform plan` failed: Reference to undeclared input variable
    edge   succeeded: no changes (0.0s)
    late   skipped: input `greeting` waits for output `greeting` of `dev`, which does not exist yet

    Changes in base, dev, test, stage
      + terraform_data.this  in dev, test, stage
          input: "hello"
      ~ terraform_data.this  only in base
          input: "hello" → "good morning"
          output: "hello" → (known after apply)
      + terraform_data.extra  only in stage
          input: "only here"
      output ~ greeting  only in base
      output ~ secret  only in base
      output + greeting  in dev, test, stage
      output + secret  in dev, test, stage

    warning: Check block assertion failed
      in 3 units: dev, test, stage
      at dev/main.tf:25, test/main.tf:25, stage/main.tf:25
      The certificate ends in ten days, which is sooner than it should be.

    error: Reference to undeclared input variable
      in qa
      at qa/main.tf:24
      24:   input = var.greting
      An input variable with the name "greting" has not been declared. Did you mean "greeting"?

    UNIT   RESULT       +  ~  -  -/+  TIME
    base   succeeded    0  1  0    0  0.0s
    edge   provisional  0  0  0    0  0.0s
    dev    succeeded    1  0  0    0  0.0s
    test   succeeded    1  0  0    0  0.0s
    stage  succeeded    2  0  0    0  0.0s
    qa     failed                     0.0s
    late   skipped                    0.0s

    7 units: 5 succeeded, 1 failed, 1 skipped, in 0.0s; 4 to add, 1 to change, 0 to destroy, 8 outputs
    provisional: edge is planned as if nothing changed upstream, and `base` has changes; `tfw apply` plans again after them
    log of qa: .tfw/runs/20261122T000000Z-000000/qa.log
    next: when that is mended: tfw plan qa
    "#);

    // A pipe gets the same, but for what only a terminal can do.
    let pipe = test.tfw(["plan", "--all"]).run().exits(1);
    assert_eq!(pipe.stderr, "");
    assert!(!pipe.stdout.contains(['\x1b', '\r']), "{:?}", pipe.stdout);
    assert_eq!(normal(&pipe.stdout), wide.normal());

    // However narrow it is.
    on(&test, ["plan", "--all"], (40, 12), 1);
}

#[test]
fn a_plan_of_one_unit_is_terraforms_own() {
    let test = TestEnvironment::offline().environment("dev");
    let screen = on(&test, ["plan", "dev"], NARROW, 0);
    insta::assert_snapshot!(screen.normal(), @r#"
    tfw plan: 1 unit, run 20261122T000000Z-000000
    dev  succeeded: 1 to add, 0 to change, 0 to destroy, 2 outputs (0.0s)

    Terraform used the selected providers to generate the following execution
    plan. Resource actions are indicated with the following symbols:
      + create

    Terraform will perform the following actions:

      # terraform_data.this will be created
      + resource "terraform_data" "this" {
          + id     = (known after apply)
          + input  = "hello"
          + output = (known after apply)
        }

    Plan: 1 to add, 0 to change, 0 to destroy.

    Changes to Outputs:
      + greeting = (known after apply)
      + secret   = (sensitive value)

    UNIT  RESULT     +  ~  -  -/+  TIME
    dev   succeeded  1  0  0    0  0.0s

    1 unit: 1 succeeded, in 0.0s
    next: apply: tfw apply dev
    "#);
    assert!(screen.is_coloured());
    on(&test, ["plan", "dev"], WIDE, 0);

    let no_colour = || test.tfw(["plan", "dev"]);
    for command in [
        no_colour().args(["--no-color"]),
        no_colour().env("NO_COLOR", "1"),
        no_colour().env("TERM", "dumb"),
    ] {
        let plain = command.on_terminal_of(80, 24).leaves(0);
        plain.is_tidy();
        assert!(!plain.is_coloured(), "{plain}");
        assert_eq!(plain.normal(), screen.normal());
    }
}

#[test]
fn a_dumb_terminal_gets_no_escape_codes() {
    let test = TestEnvironment::offline().environment("dev");
    let run = test.tfw(["plan", "dev"]).env("TERM", "dumb");
    let terminal = run.on_terminal_of(80, 24);
    let raw = terminal.ends_raw(0);
    assert!(!raw.contains('\x1b'), "{raw:?}");
}

#[test]
fn an_apply_with_its_question() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("prod");
    for unit in ["dev", "prod"] {
        test.create_bucket(unit);
    }
    let command = ["apply", "--all", "--yes"];
    let mut terminal = test.tfw(command).on_terminal_of(80, 24);
    terminal.wait_for(YES);
    // Nothing is redrawn below a question.
    terminal.screen().has_nothing_live();
    terminal.type_line("yes");
    terminal.wait_for(YES);
    terminal.type_line("no");
    let screen = terminal.leaves(4);
    screen.is_tidy();
    insta::assert_snapshot!(known(&test, &screen), @r#"
    tfw apply: 2 units, run 20261122T000000Z-000000

    Changes in dev
      + terraform_data.this
          input: "hello"
      output + greeting
      output + secret

    tfw will apply exactly the plans shown above:
      dev: 1 to add, 0 to change, 0 to destroy
        as role test in account 111111111111, eu-central-1
        state in s3://tfw-00000000-dev/terraform.tfstate
    Type `yes` to agree, anything else to decline: yes
    dev   terraform_data.this: create done after 0.0s
    dev   succeeded: 1 added, 0 changed, 0 destroyed (0.0s)

    Changes in prod
      + terraform_data.this
          input: "hello"
      output + greeting
      output + secret

    tfw will apply exactly the plans shown above:
      prod: 1 to add, 0 to change, 0 to destroy
        as role test in account 111111111111, eu-central-1
        state in s3://tfw-00000000-prod/terraform.tfstate
    Type `yes` to agree, anything else to decline: no
    prod  refused: applying the plan was declined

    error: applying the plan was declined
      in prod

    UNIT  RESULT     +  ~  -  -/+  TIME
    dev   succeeded  1  0  0    0  0.0s
    prod  refused                  0.0s

    2 units: 1 succeeded, 1 refused, in 0.0s; 1 added, 0 changed, 0 destroyed
    "#);
}

#[test]
fn ctrl_c_at_a_question_leaves_a_tidy_screen() {
    let test = TestEnvironment::offline().environment("dev");
    let mut terminal = test.tfw(["apply", "dev"]).on_terminal_of(80, 50);
    terminal.wait_for(YES);
    terminal.ctrl_c();
    let screen = terminal.leaves(130);
    screen.is_tidy();
    let text = screen.normal();
    let (_, end) = text.split_once(YES).unwrap();
    insta::assert_snapshot!(end, @r"
    ^C
    interrupted: that is no agreement, and nothing new is started
    dev  interrupted: not started: the run was interrupted

    UNIT  RESULT       TIME
    dev   interrupted  0.0s

    1 unit: 1 interrupted, in 0.0s
    log of dev: .tfw/runs/20261122T000000Z-000000/dev.log
    next: go on: tfw apply dev
    ");
}

#[test]
fn a_locked_unit_tells_who_has_it() {
    let test = TestEnvironment::new().environment("dev");
    test.create_bucket("dev");
    test.put_object("dev", "terraform.tfstate.tflock", r#"{"ID":"4bb62615-0184-90de-d3f5-c7d319d2f2d5","Operation":"OperationTypeApply","Info":"","Who":"alice@laptop","Version":"1.11.4","Created":"2026-01-02T03:04:05.986830795Z","Path":"bucket/terraform.tfstate"}"#);
    let screen = on(&test, ["plan", "dev", "--yes"], NARROW, 5);
    insta::assert_snapshot!(known(&test, &screen), @r#"
    tfw plan: 1 unit, run 20261122T000000Z-000000
    dev  locked: the state is locked by alice@laptop since 2026-01-02 03:04:05 UTC,
        for `apply`

    error: the state is locked by alice@laptop since 2026-01-02 03:04:05 UTC, for
      `apply`
      lock id: 4bb62615-0184-90de-d3f5-c7d319d2f2d5
      hint: wait for it, or let tfw wait: `lock_timeout = "5m"` in the manifest
      hint: `tfw lock show dev` tells whose it is; where nobody works any more,
        `tfw lock release dev --id 4bb62615-0184-90de-d3f5-c7d319d2f2d5`

    UNIT  RESULT  TIME
    dev   locked  0.0s

    1 unit: 1 locked, in 0.0s
    log of dev: .tfw/runs/20261122T000000Z-000000/dev.log
    next: when the lock is free: tfw plan dev
    "#);
}

#[test]
fn an_init_a_drift_and_a_status() {
    let test = TestEnvironment::offline()
        .defaults(ONE_AT_A_TIME)
        .environment("dev")
        .environment("prod");
    insta::assert_snapshot!(on(&test, ["init", "--all"], NARROW, 0).normal(), @r"
    tfw init: 2 units, run 20261122T000000Z-000000
    dev   succeeded (0.0s)
    prod  succeeded (0.0s)

    UNIT  RESULT     TIME
    dev   succeeded  0.0s
    prod  succeeded  0.0s

    2 units: 2 succeeded, in 0.0s
    next: see what would change: tfw plan --all
    ");
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    insta::assert_snapshot!(on(&test, ["drift", "dev"], NARROW, 0).normal(), @r"
    tfw drift: 1 unit, run 20261122T000000Z-000000
    dev  succeeded: no drift (0.0s)

    UNIT  RESULT     CHANGED  GONE  TIME
    dev   succeeded        0     0  0.0s

    1 unit: 1 succeeded, in 0.0s
    ");
    on(&test, ["drift", "dev"], WIDE, 0);
    // Only the day is another one each time.
    let status = on(&test, ["status", "--all"], NARROW, 0).normal();
    let (before, rest) = status.split_once("just now, ").unwrap();
    let (_, after) = rest.split_at("2026-11-22".len());
    insta::assert_snapshot!(format!("{before}just now, 2026-11-22{after}"), @r"
    UNIT  INITIALISED  SERIAL  RESOURCES  LAST CHANGE           BUCKET  LOCK
    dev   yes               2          1  just now, 2026-11-22  -       -
    prod  yes               -          -  no state              -       -

    2 units: 1 with state, 1 without
    ");
    on(&test, ["status", "--all"], WIDE, 0);
}

/// The screen with the same account numbers and bucket names in every run.
fn known(test: &TestEnvironment, screen: &Screen) -> String {
    ["dev", "prod"].iter().fold(screen.normal(), |text, unit| {
        text.replace(&test.account(unit), "111111111111")
            .replace(&test.bucket(unit), &format!("tfw-00000000-{unit}"))
    })
}
