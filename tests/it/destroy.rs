//! `tfw destroy`: in reverse, and never from under what stays.

use crate::support::{TestEnvironment, fixtures, texts, the_unit};

/// Notes the subcommand and folder of each plan and apply.
fn noted(test: &TestEnvironment) {
    let calls = test.path("calls");
    test.fake_terraform(&format!(
        "case \"$1\" in plan|apply) echo \"$1 $(basename \"$PWD\")\" >> '{}' ;; esac\nexec \"$REAL_TERRAFORM\" \"$@\"",
        calls.display()
    ));
}

#[test]
fn destroy_goes_in_reverse() {
    let test = TestEnvironment::network_and_eks().environment("prod");
    test.tfw(["apply", "--all", "--auto-approve"])
        .run()
        .succeeds();
    noted(&test);
    test.tfw(["destroy", "--all", "--auto-approve"])
        .run()
        .succeeds();
    let calls = test.read("calls");
    let calls: Vec<&str> = calls.lines().collect();
    assert_eq!(
        calls,
        [
            "plan prod",
            "apply prod",
            "plan eks",
            "apply eks",
            "plan network",
            "apply network"
        ]
    );
    for unit in ["prod", "dev/eks", "dev/network"] {
        assert_eq!(test.local_resources(unit), 0);
    }
}

#[test]
fn destroy_asks_in_words_of_its_own() {
    let test = TestEnvironment::offline().environment("dev");
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    for (answer, code, left) in [("no", 4, 1), ("yes", 0, 0)] {
        let mut terminal = test.tfw(["destroy", "dev"]).on_terminal();
        let shown = terminal.wait_for("Type `yes` to agree, anything else to decline: ");
        assert!(shown.contains("There is no way back"), "{shown}");
        assert!(
            shown.contains("dev: 0 to add, 0 to change, 1 to destroy"),
            "{shown}"
        );
        terminal.type_line(answer);
        terminal.exits(code);
        assert_eq!(test.local_resources("dev"), left);
    }
}

#[test]
fn nothing_is_destroyed_from_under_a_unit_that_stays() {
    let main = fixtures::local(&fixtures::builtin());
    let test = TestEnvironment::network_and_eks().environment_with(
        "prod",
        "depends_on = [\"dev\"]",
        &main,
    );
    test.tfw(["apply", "--all", "--auto-approve"])
        .run()
        .succeeds();
    for (selection, dependent) in [
        ("dev/network", "dev/eks"),
        ("dev/eks", "prod"),
        ("dev", "prod"),
    ] {
        let run = test
            .tfw(["destroy", selection, "--auto-approve", "--json"])
            .run()
            .exits(4);
        let told = run.json()["units"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(texts)
            .collect::<Vec<_>>()
            .join("\n");
        assert!(
            told.contains(&format!("`{dependent}` depends on"))
                && told.contains("still has 1 resource\n"),
            "{told}"
        );
    }
    for unit in ["prod", "dev/eks", "dev/network"] {
        assert_eq!(test.local_resources(unit), 1, "{unit} is untouched");
    }

    // In order it goes, one after the other or at once; an emptied dependent holds nobody up.
    test.tfw(["destroy", "prod", "--auto-approve"])
        .run()
        .succeeds();
    test.tfw(["destroy", "dev/eks", "--auto-approve"])
        .run()
        .succeeds();
    test.tfw(["destroy", "dev/network", "--auto-approve"])
        .run()
        .succeeds();
    assert_eq!(test.local_resources("dev/network"), 0);
}

#[test]
fn a_dependent_that_cannot_be_read_holds_the_destroy_up() {
    let test = TestEnvironment::network_and_eks();
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    test.write("environments/dev/eks/terraform.tfstate", "not a state");
    let run = test
        .tfw(["destroy", "dev/network", "--auto-approve"])
        .run()
        .exits(1);
    assert!(
        run.stdout.contains(
            "whether `dev/eks`, which depends on `dev/network`, still has resources is not known"
        ),
        "{}",
        run.stdout
    );
    assert_eq!(test.local_resources("dev/network"), 1);
}

#[test]
fn a_protected_environment_is_destroyed_only_by_its_name() {
    let main = fixtures::local(&fixtures::builtin());
    let test = TestEnvironment::offline()
        .environment("dev")
        .environment_with("prod", "protected = true", &main);
    test.tfw([
        "apply",
        "--all",
        "--auto-approve",
        "--approve",
        "prod",
        "--new-state",
        "prod",
    ])
    .run()
    .succeeds();

    let run = test
        .tfw([
            "destroy",
            "--all",
            "--auto-approve",
            "--approve",
            "prod",
            "--json",
        ])
        .run()
        .succeeds();
    assert!(run.stderr.contains("left out `prod`"), "{}", run.stderr);
    assert_eq!(run.json()["units"].as_array().unwrap().len(), 1);
    assert_eq!(
        (test.local_resources("dev"), test.local_resources("prod")),
        (0, 1)
    );
    test.tfw(["destroy", "p*", "--auto-approve", "--approve", "prod"])
        .run()
        .exits(4);

    let report = test
        .tfw(["destroy", "prod", "--yes", "--auto-approve", "--json"])
        .run()
        .exits(4)
        .json();
    let told = texts(the_unit(&report, "prod")).join("\n");
    assert!(told.contains("`--approve prod` agrees"), "{told}");
    assert_eq!(test.local_resources("prod"), 1);
    test.tfw(["destroy", "prod", "--auto-approve", "--approve", "prod"])
        .run()
        .succeeds();
    assert_eq!(test.local_resources("prod"), 0);
}
