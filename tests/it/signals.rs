//! Signals to tfw, and what its children hear of them.

use std::time::Duration;

use rustix::process::{Pid, Signal, test_kill_process};

use crate::support::{Client, Running, TestEnvironment, fixtures, the_unit, wait_until};

/// An apply that notes each signal that it gets, and runs until it is told to end.
const COUNTING: &str = r#"
if [ "$1" = apply ]; then
  trap 'echo INT >> signals' INT
  trap 'echo TERM >> signals' TERM
  trap 'echo HUP >> signals' HUP
  echo $$ > pid
  : > started
  until [ -e finish ]; do sleep 0.05; done
  sleep 0.3 # one more signal would still be noted
  exit 1
fi
exec "$REAL_TERRAFORM" "$@"
"#;

/// `tfw apply --all` with an apply that counts, caught in the middle of the first unit, `dev`;
/// `lab` waits for its turn, and `prod` for `dev`.
fn counted_apply() -> (TestEnvironment, Running) {
    let builtin = fixtures::local(&fixtures::builtin());
    let test = TestEnvironment::offline()
        .defaults("[defaults.backend]\ntype = \"local\"\n\n[terraform]\nparallelism = 1\n")
        .environment("dev")
        .environment("prod")
        .environment_with("lab", "depends_on = []", &builtin);
    test.fake_terraform(COUNTING);
    let mut apply = test
        .tfw(["apply", "--all", "--auto-approve", "--json"])
        .spawn();
    apply.wait_for_file(&test.path("environments/dev/started"));
    (test, apply)
}

#[test]
fn an_apply_outlives_a_killed_tfw_and_nothing_follows() {
    let test = TestEnvironment::new()
        .environment_with("dev", "", &fixtures::gated())
        .environment("prod");
    let mut apply = test
        .tfw(["apply", "--all", "--yes", "--auto-approve"])
        .spawn();
    apply.wait_for_file(&test.path("environments/dev/started"));
    assert!(test.locked("dev"), "{}", apply.output());

    apply.signal(Signal::KILL);
    apply.wait().exits(137);
    test.write("environments/dev/finish", "");
    wait_until("the end of the apply", || {
        (!test.locked("dev")).then_some(())
    });

    let state = test.state("dev").expect("a saved state");
    assert_eq!(state["resources"][0]["type"], "terraform_data");
    assert!(test.bucket_exists("prod"), "made before anything ran");
    assert_eq!(test.objects("prod"), [""; 0]);
    assert!(!test.path("environments/prod/.terraform").exists());
    let prod = test.bucket("prod");
    assert_eq!(
        test.proxy()
            .count(|request| request.client() == Client::Terraform && request.path.contains(&prod)),
        0
    );
    // Whoever comes next finds all in order.
    test.tfw(["plan", "dev", "--detailed-exitcode"])
        .run()
        .succeeds();
}

#[test]
fn an_apply_that_waits_for_its_turn_never_starts_when_tfw_is_killed() {
    let test = TestEnvironment::new().blue_and_green(&fixtures::gated());
    let mut apply = test
        .tfw(["apply", "dev", "--yes", "--auto-approve"])
        .spawn();
    apply.wait_for_file(&test.path("app/started"));
    apply.wait_for_output("waits for another apply in the same root module");

    apply.signal(Signal::KILL);
    apply.wait().exits(137);
    test.write("app/finish", "");
    let locks = || {
        test.objects("dev")
            .iter()
            .any(|key| key.ends_with(".tflock"))
    };
    wait_until("the end of the apply", || (!locks()).then_some(()));
    let states = test.objects("dev");
    assert_eq!(states.len(), 1, "the other was never applied: {states:?}");
}

#[test]
fn ctrl_c_lets_the_apply_finish_and_starts_nothing_new() {
    let test = TestEnvironment::new()
        .environment_with("dev", "", &fixtures::gated())
        .environment("prod");
    let mut apply = test
        .tfw(["apply", "--all", "--yes", "--auto-approve", "--json"])
        .spawn();
    apply.wait_for_file(&test.path("environments/dev/started"));
    apply.signal(Signal::INT);
    apply.wait_for_output("SIGINT: starting nothing new");
    assert!(
        apply.output().contains("a second Ctrl-C"),
        "{}",
        apply.output()
    );
    let log = test.run_folder().join("dev.log");
    let heard = || std::fs::read_to_string(&log).is_ok_and(|log| log.contains("nterrupt"));
    wait_until("Terraform to hear of it", || heard().then_some(()));
    // Terraform ends the provisioner by itself; were it to finish just now, all would be well.
    let run = apply.wait().exits(130);

    let report = run.json();
    assert_eq!(report["result"], "interrupted");
    assert_eq!(report["exit_code"], 130);
    assert_eq!(report, test.kept_report());
    let (dev, prod) = (the_unit(&report, "dev"), the_unit(&report, "prod"));
    assert_eq!(dev["result"], "interrupted");
    assert!(
        dev["reason"].as_str().unwrap().contains("terraform apply"),
        "{dev}"
    );
    assert_eq!(prod["result"], "skipped");
    assert_eq!(
        prod["reason"],
        "not started: it waits for `dev`, which did not succeed"
    );
    assert_eq!(prod["log"], serde_json::Value::Null);
    let state = test.state("dev").expect("a saved state");
    assert_eq!(state["resources"][0]["type"], "terraform_data");
    assert!(!test.locked("dev"));
    assert_eq!(test.objects("prod"), [""; 0]);
}

#[test]
fn only_ctrl_c_escalates_and_only_after_two_seconds() {
    let (test, apply) = counted_apply();
    let signals = || std::fs::read_to_string(test.path("environments/dev/signals"));
    apply.signal(Signal::INT);
    apply.wait_for_output("SIGINT: starting nothing new");
    // A nervous finger: still the first one.
    apply.signal(Signal::INT);
    // Time is what this is about; there is no event to wait for.
    std::thread::sleep(Duration::from_millis(2_100));
    assert_eq!(signals().unwrap(), "INT\n");
    // A CI system that cancels sends both.
    apply.signal(Signal::TERM);
    apply.signal(Signal::INT);
    apply.wait_for_output("interrupted again");
    wait_until("the second SIGINT", || {
        signals()
            .is_ok_and(|signals| signals == "INT\nINT\n")
            .then_some(())
    });

    let pid: i32 = test.read("environments/dev/pid").trim().parse().unwrap();
    apply.signal(Signal::INT);
    let run = apply.wait().exits(130);
    assert!(
        run.stderr.contains("killed what was running"),
        "{}",
        run.stderr
    );
    assert!(
        test_kill_process(Pid::from_raw(pid).unwrap()).is_err(),
        "it still runs"
    );
    assert_eq!(signals().unwrap(), "INT\nINT\n");
    assert_eq!(the_unit(&run.json(), "dev")["result"], "interrupted");
}

#[test]
fn whatever_signal_ends_tfw_the_child_gets_one_sigint() {
    for (signal, name, code) in [(Signal::TERM, "SIGTERM", 143), (Signal::HUP, "SIGHUP", 129)] {
        let (test, apply) = counted_apply();
        apply.signal(signal);
        apply.wait_for_output(&format!("{name}: starting nothing new"));
        wait_until("the SIGINT", || {
            test.path("environments/dev/signals").exists().then_some(())
        });
        test.write("environments/dev/finish", "");
        let report = apply.wait().exits(code).json();
        assert_eq!(test.read("environments/dev/signals"), "INT\n");
        assert_eq!(report["result"], "interrupted");
        assert_eq!(report["exit_code"], code);
        let result = |unit| &the_unit(&report, unit)["result"];
        assert_eq!(
            [result("dev"), result("prod"), result("lab")],
            ["interrupted", "skipped", "interrupted"]
        );
        assert_eq!(
            the_unit(&report, "lab")["reason"],
            "not started: the run was interrupted"
        );
        assert_eq!(test.local_state("lab"), None);
    }
}

#[test]
fn ctrl_c_while_terraform_says_its_version_is_an_interruption() {
    let test = TestEnvironment::offline().environment("dev");
    test.fake_terraform(&format!(
        "[ \"$1\" = version ] && : > '{}' && exec sleep 60\nexec \"$REAL_TERRAFORM\" \"$@\"",
        test.path("asked").display()
    ));
    let mut plan = test.tfw(["plan", "dev", "--json"]).spawn();
    plan.wait_for_file(&test.path("asked"));
    plan.signal(Signal::INT);
    let report = plan.wait().exits(130).json();
    assert_eq!(report["result"], "interrupted");
    assert_eq!(report["exit_code"], 130);
    assert_eq!(the_unit(&report, "dev")["result"], "interrupted");
}

#[test]
fn ctrl_c_ends_the_wait_for_a_turn_in_a_folder() {
    let test = TestEnvironment::offline().blue_and_green(&fixtures::local(&fixtures::gated()));
    for stack in ["blue", "green"] {
        let keys = format!("[environments.dev.stacks.{stack}]\n");
        let path = format!("{keys}backend = {{ options = {{ path = \"{stack}.tfstate\" }} }}\n");
        let manifest = test.read("environments/tfw.toml").replace(&keys, &path);
        test.write("environments/tfw.toml", &manifest);
    }
    let mut apply = test
        .tfw(["apply", "dev", "--auto-approve", "--json"])
        .spawn();
    apply.wait_for_file(&test.path("app/started"));
    apply.wait_for_output("waits for another apply in the same root module");
    apply.signal(Signal::INT);
    // The other one is still at work.
    apply.wait_for_output("interrupted: not started: the run was interrupted");
    test.write("app/finish", "");
    apply.wait().exits(130);
}

/// An apply in a process of its own that notes each SIGINT with its pid.
const NOTING: &str = r#"
if [ "$1" = apply ]; then
  trap 'echo INT $$ >> signals' INT
  echo $$ > pid
  until [ -e finish ]; do sleep 0.05; done
  sleep 0.3 # one more signal would still be noted
  exit 1
fi
exec "$REAL_TERRAFORM" "$@"
"#;

#[test]
fn ctrl_c_on_a_terminal_reaches_each_child_once() {
    let builtin = fixtures::local(&fixtures::builtin());
    let units = ["dev", "test", "prod"];
    let test = units.iter().fold(
        TestEnvironment::offline()
            .defaults("[defaults.backend]\ntype = \"local\"\n\n[terraform]\nparallelism = 3\n"),
        |test, unit| test.environment_with(unit, "depends_on = []", &builtin),
    );
    test.fake_terraform(NOTING);
    let mut terminal = test
        .tfw(["apply", "--all", "--auto-approve"])
        .on_terminal_of(80, 24);
    let file = |unit: &str, name: &str| test.path(&format!("environments/{unit}/{name}"));
    for unit in units {
        wait_until("an apply", || file(unit, "pid").exists().then_some(()));
    }
    let noted = |times: usize| {
        units.iter().all(|unit| {
            let pid = std::fs::read_to_string(file(unit, "pid")).unwrap();
            let expected = format!("INT {pid}").repeat(times);
            std::fs::read_to_string(file(unit, "signals")).is_ok_and(|noted| noted == expected)
        })
    };
    // A double tap is one wish.
    terminal.ctrl_c();
    terminal.ctrl_c();
    terminal.wait_for("SIGINT: starting nothing new");
    wait_until("one SIGINT each", || noted(1).then_some(()));
    // Time is what this is about; there is no event to wait for.
    std::thread::sleep(Duration::from_millis(2_100));
    assert!(noted(1));
    terminal.ctrl_c();
    terminal.wait_for("interrupted again");
    wait_until("one more each", || noted(2).then_some(()));
    for unit in units {
        std::fs::write(file(unit, "finish"), "").unwrap();
    }
    let screen = terminal.leaves(130);
    assert!(noted(2), "{screen}");
    screen.is_tidy();
    assert!(!screen.shows("^C"), "{screen}");
    assert_eq!(screen.count("starting nothing new"), 1, "{screen}");
}
