//! Who agrees to what: questions on a terminal, flags where there is none.

use crate::support::{TestEnvironment, fixtures, texts, the_unit};

const YES: &str = "Type `yes` to agree, anything else to decline: ";

fn protected_prod(test: TestEnvironment) -> TestEnvironment {
    let main = fixtures::local(&fixtures::builtin());
    test.environment_with("prod", "protected = true", &main)
}

#[test]
fn apply_asks_after_it_has_shown_the_plan() {
    let test = TestEnvironment::offline().environment("dev");
    let mut terminal = test.tfw(["apply", "dev"]).on_terminal();
    let shown = terminal.wait_for(YES);
    assert!(
        shown.contains("terraform_data.this will be created"),
        "{shown}"
    );
    assert!(
        shown.contains("dev: 1 to add, 0 to change, 0 to destroy"),
        "{shown}"
    );
    terminal.type_line("y");
    let screen = terminal.exits(4);
    assert!(
        screen.contains("applying the plan was declined"),
        "{screen}"
    );
    assert_eq!(test.local_state("dev"), None);
    assert_eq!(the_unit(&test.kept_report(), "dev")["result"], "refused");

    let mut terminal = test.tfw(["apply", "dev"]).on_terminal();
    terminal.wait_for(YES);
    terminal.type_line("yes");
    terminal.exits(0);
    assert_eq!(test.local_output("dev", "greeting").unwrap(), "hello");
    assert_eq!(the_unit(&test.kept_report(), "dev")["result"], "succeeded");

    // Nothing to do, nothing to ask.
    let screen = test.tfw(["apply", "dev"]).on_terminal().exits(0);
    assert!(!screen.contains(YES), "{screen}");
}

#[test]
fn a_protected_environment_asks_for_its_name() {
    let test = protected_prod(TestEnvironment::offline());
    for (answer, code) in [("yes", 4), ("prod", 0)] {
        // Neither flag answers for it.
        let mut terminal = test
            .tfw([
                "apply",
                "prod",
                "--yes",
                "--auto-approve",
                "--new-state",
                "prod",
            ])
            .on_terminal();
        let shown = terminal
            .wait_for("`prod` is protected. Type its name to agree, anything else to decline: ");
        assert!(shown.contains("prod: 1 to add"), "{shown}");
        assert_eq!(test.local_state("prod"), None);
        terminal.type_line(answer);
        terminal.exits(code);
    }
    assert_eq!(test.local_resources("prod"), 1);
}

#[test]
fn a_unit_downstream_of_changes_is_asked_about_in_the_next_wave() {
    let test = TestEnvironment::network_and_eks();
    let mut terminal = test.tfw(["apply", "dev"]).on_terminal();
    let first = terminal.wait_for(YES);
    assert!(first.contains("dev/network: 1 to add"), "{first}");
    assert!(!first.contains("dev/eks: "), "{first}");
    terminal.type_line("yes");
    let second = terminal.wait_for(YES);
    assert_eq!(test.local_resources("dev/network"), 1);
    assert!(second.contains("dev/eks: 1 to add"), "{second}");
    assert!(
        second.contains("vpc-1"),
        "the plan is made of the real output: {second}"
    );
    assert_eq!(test.local_resources("dev/eks"), 0);
    terminal.type_line("yes");
    terminal.exits(0);
    assert_eq!(
        test.local_output("dev/eks", "cluster").unwrap(),
        "cluster in vpc-1"
    );

    // What has no changes is not asked about, and does not hold up what has.
    let eks = test.read("environments/dev/eks/main.tf");
    test.write(
        "environments/dev/eks/main.tf",
        &eks.replace("cluster in", "pods in"),
    );
    let mut terminal = test.tfw(["apply", "dev"]).on_terminal();
    let only = terminal.wait_for(YES);
    assert!(only.contains("dev/eks: 0 to add"), "{only}");
    assert!(!only.contains("dev/network: 0 to add"), "{only}");
    terminal.type_line("yes");
    let screen = terminal.exits(0);
    assert_eq!(screen.matches(YES).count(), 1, "{screen}");
    assert_eq!(
        test.local_output("dev/eks", "cluster").unwrap(),
        "pods in vpc-1"
    );
}

#[test]
fn what_nobody_can_answer_is_refused_with_the_flag_that_answers_it() {
    let test = TestEnvironment::offline().environment("dev");
    // Without a terminal nobody can be asked; on one, `--no-input` says so.
    let run = test.tfw(["apply", "dev", "--yes", "--json"]).run().exits(4);
    let report = run.json();
    let dev = the_unit(&report, "dev");
    assert_eq!(dev["result"], "refused");
    assert!(
        texts(dev)[0].contains("hint: `--auto-approve` agrees"),
        "{dev}"
    );
    let screen = test
        .tfw(["apply", "dev", "--no-input"])
        .on_terminal()
        .exits(4);
    assert!(screen.contains("`--auto-approve` agrees"), "{screen}");
    assert_eq!(test.local_state("dev"), None);
}

#[test]
fn flags_never_suffice_in_a_protected_environment() {
    let test = TestEnvironment::new().environment("dev").environment_with(
        "prod",
        "protected = true",
        &fixtures::builtin(),
    );
    let run = test
        .tfw(["apply", "--all", "--yes", "--auto-approve", "--json"])
        .run()
        .exits(4);
    let report = run.json();
    assert_eq!(report["result"], "refused");
    let (dev, prod) = (the_unit(&report, "dev"), the_unit(&report, "prod"));
    assert_eq!(prod["result"], "refused");
    assert!(
        texts(prod)[0].contains("hint: `--approve prod` agrees"),
        "{prod}"
    );
    assert_eq!(
        dev["result"], "skipped",
        "refused before anything ran: {dev}"
    );
    assert!(!test.bucket_exists("dev") && !test.bucket_exists("prod"));
    assert!(!test.path("environments/dev/.terraform").exists());
}

#[test]
fn a_new_state_in_a_protected_environment_must_be_meant() {
    let test = protected_prod(TestEnvironment::offline());
    let apply = [
        "apply",
        "prod",
        "--auto-approve",
        "--approve",
        "prod",
        "--json",
    ];
    let report = test.tfw(apply).run().exits(4).json();
    let prod = the_unit(&report, "prod");
    assert_eq!(prod["result"], "refused");
    assert!(
        texts(prod)[0].contains("`--new-state prod` says that this is meant"),
        "{prod}"
    );
    assert_eq!(test.local_state("prod"), None);

    test.tfw(apply)
        .args(["--new-state", "prod"])
        .run()
        .succeeds();
    assert_eq!(test.local_resources("prod"), 1);
    // From now on there is a state, and nothing to mean.
    test.tfw(apply).run().succeeds();
}

#[test]
fn no_bucket_is_made_for_a_new_state_that_is_not_meant() {
    let test =
        TestEnvironment::new().environment_with("prod", "protected = true", &fixtures::builtin());
    let apply = [
        "apply",
        "prod",
        "--yes",
        "--auto-approve",
        "--approve",
        "prod",
    ];
    test.tfw(apply).run().exits(4).says("`--new-state prod`");
    assert!(!test.bucket_exists("prod"));

    test.tfw(apply)
        .args(["--new-state", "prod"])
        .run()
        .succeeds();
    assert!(test.state("prod").is_some());
}

#[test]
fn a_missing_bucket_is_asked_about_before_it_is_made() {
    let test = TestEnvironment::new().environment("dev");
    let bucket = test.bucket("dev");
    let mut terminal = test.tfw(["plan", "dev"]).on_terminal();
    let shown = terminal.wait_for(YES);
    assert!(shown.contains("tfw will create 1 state bucket"), "{shown}");
    let account = test.account("dev");
    for told in [
        format!("{bucket} in eu-central-1\r\n"),
        format!("in account {account}\r\n"),
    ] {
        assert!(shown.contains(&told), "{shown}");
    }
    terminal.type_line("no");
    terminal.exits(4);
    assert!(!test.bucket_exists("dev"));

    let refused = test.tfw(["plan", "dev"]).run().exits(4);
    assert!(
        refused.stdout.contains("`--yes` agrees"),
        "{}",
        refused.stdout
    );
    assert!(!test.bucket_exists("dev"));

    test.tfw(["plan", "dev", "--yes"]).run().succeeds();
    assert!(test.bucket_exists("dev"));
}

#[test]
fn ctrl_c_at_a_question_is_no_answer() {
    let test = TestEnvironment::offline()
        .environment("dev")
        .environment("prod");
    let mut terminal = test.tfw(["apply", "--all"]).on_terminal();
    terminal.wait_for(YES);
    terminal.ctrl_c();
    let screen = terminal.exits(130);
    assert!(
        screen.contains("interrupted: that is no agreement"),
        "{screen}"
    );
    let report = test.kept_report();
    assert_eq!(report["result"], "interrupted");
    assert_eq!(the_unit(&report, "dev")["result"], "interrupted");
    assert_eq!(the_unit(&report, "prod")["result"], "skipped");
    assert_eq!(
        (test.local_state("dev"), test.local_state("prod")),
        (None, None)
    );
}

#[test]
fn ctrl_c_at_the_question_about_a_bucket_is_no_answer() {
    let test = TestEnvironment::new().environment("dev");
    let mut terminal = test.tfw(["plan", "dev"]).on_terminal();
    terminal.wait_for(YES);
    terminal.ctrl_c();
    terminal.exits(130);
    let report = test.kept_report();
    assert_eq!(the_unit(&report, "dev")["result"], "interrupted");
    assert!(!test.bucket_exists("dev"));
}

#[test]
fn ctrl_c_at_the_question_of_exec_is_no_answer() {
    let test = protected_prod(TestEnvironment::offline());
    let mut terminal = test
        .tfw(["exec", "prod", "--", "taint", "terraform_data.this"])
        .on_terminal();
    terminal.wait_for("Type its name to agree, anything else to decline: ");
    terminal.ctrl_c();
    terminal.exits(130);
    let report = test.kept_report();
    assert_eq!(the_unit(&report, "prod")["result"], "interrupted");
}

#[test]
fn after_ctrl_c_nobody_is_asked_and_no_bucket_is_made() {
    for flags in [&[][..], &["--yes"]] {
        let test = TestEnvironment::new().environment("dev");
        let gate = test
            .proxy()
            .when(|request| request.operation() == "AssumeRole")
            .times(1)
            .hold();
        let mut terminal = test.tfw(["plan", "dev"]).args(flags).on_terminal();
        gate.wait_for_arrival();
        terminal.ctrl_c();
        terminal.wait_for("starting nothing new");
        gate.open();
        let screen = terminal.exits(130);
        assert!(!screen.contains(YES), "{screen}");
        let report = test.kept_report();
        assert_eq!(the_unit(&report, "dev")["result"], "interrupted");
        assert!(!test.bucket_exists("dev"));
    }
}

#[test]
fn a_plan_is_shown_to_whoever_is_asked_about_it() {
    let test = TestEnvironment::offline().environment("dev");
    let mut terminal = test.tfw(["apply", "dev", "--quiet"]).on_terminal();
    let shown = terminal.wait_for(YES);
    assert!(
        shown.contains("terraform_data.this will be created"),
        "{shown}"
    );
    terminal.type_line("no");
    terminal.exits(4);

    // Nobody is asked about what only a file has seen.
    let file = test.path("shown");
    let screen = test
        .tfw(["apply", "dev"])
        .on_terminal_but_stdout(&file)
        .exits(4);
    assert!(!screen.contains(YES), "{screen}");
    let shown = test.read("shown");
    assert!(shown.contains("`--auto-approve` agrees"), "{shown}");
    // With a document on stdout, all that is for people is on stderr, and so is the question.
    let mut terminal = test
        .tfw(["apply", "dev", "--json"])
        .on_terminal_but_stdout(&file);
    terminal.wait_for(YES);
    terminal.type_line("yes");
    terminal.exits(0);
    // Nor is there anybody to show a plan to.
    let main = test.read("environments/dev/main.tf");
    let main = main.replace("\"hello\"", "\"good evening\"");
    test.write("environments/dev/main.tf", &main);
    let run = test
        .tfw(["apply", "dev", "--quiet", "--auto-approve"])
        .run()
        .succeeds();
    assert_eq!(run.stdout, "");
}
