//! `tfw exec`: Terraform's exit codes, and what it does not let through.

use crate::support::{TestEnvironment, fixtures};

fn applied(keys: &str) -> TestEnvironment {
    let test = TestEnvironment::new().environment_with("prod", keys, &fixtures::builtin());
    test.tfw([
        "apply",
        "prod",
        "--yes",
        "--approve",
        "prod",
        "--auto-approve",
        "--new-state",
        "prod",
    ])
    .run()
    .succeeds();
    test
}

#[test]
fn the_exit_code_and_output_of_the_child_are_those_of_tfw() {
    let test = applied("");
    let list = test
        .tfw(["exec", "prod", "--", "state", "list"])
        .run()
        .succeeds();
    assert_eq!(list.stdout, "terraform_data.this\n");
    assert_eq!(list.stderr, "");
    let output = test
        .tfw(["exec", "prod", "--", "output", "-raw", "secret"])
        .run()
        .succeeds();
    assert_eq!(output.stdout, "s3cr3t-hello");
    test.tfw(["exec", "prod", "--", "state", "show", "nothing.here"])
        .run()
        .exits(1);
    let main = fixtures::builtin().replace("\"hello\"", "\"goodbye\"");
    test.write("environments/prod/main.tf", &main);
    test.tfw(["exec", "prod", "--", "plan", "-detailed-exitcode"])
        .run()
        .exits(2);

    // What it wrote is with the state, and a console gets what is typed.
    test.tfw(["exec", "prod", "--", "state", "rm", "terraform_data.this"])
        .run()
        .succeeds();
    assert_eq!(
        test.state("prod").unwrap()["resources"],
        serde_json::json!([])
    );
    let console = test
        .tfw(["exec", "prod", "--", "console"])
        .stdin("upper(var.greeting)\n")
        .run()
        .succeeds();
    assert_eq!(console.stdout.trim(), "\"GOODBYE\"");
    assert!(!test.locked("prod"));
}

#[test]
fn a_child_that_dies_of_a_signal_ends_as_in_a_shell() {
    let test = applied("");
    test.fake_terraform(
        "case $1 in version) exec \"$REAL_TERRAFORM\" \"$@\";; state) kill -TERM $$;; *) exit 77;; esac",
    );
    test.tfw(["exec", "prod", "--", "state", "list"])
        .run()
        .exits(143);
    test.tfw(["exec", "prod", "--", "graph"]).run().exits(77);
}

#[test]
fn another_folder_several_units_and_no_subcommand_are_wrong_command_lines() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("prod");
    let said = |args: &[&str]| {
        let run = test.tfw(["exec"]).args(args).run().exits(3);
        assert_eq!(run.stdout, "");
        run.stderr
    };
    for chdir in ["-chdir=../prod", "--chdir=../prod"] {
        let said = said(&["dev", "--", chdir, "apply"]);
        for part in [chdir, "another folder", "hint: name the other unit"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    let many = said(&["*", "--", "plan"]);
    assert!(many.contains("`dev`, `prod`"), "{many}");
    let nothing = said(&["dev", "--", "-no-color"]);
    assert!(nothing.contains("no subcommand"), "{nothing}");
    said(&["dev"]);
    assert_eq!(test.proxy().requests().len(), 0);
}

#[test]
fn in_a_protected_environment_reading_is_free_and_writing_takes_its_name() {
    let test = applied("protected = true");
    let serial = |test: &TestEnvironment| test.state("prod").unwrap()["serial"].clone();
    let before = serial(&test);
    for reading in [
        &["plan"][..],
        &["show"],
        &["output"],
        &["validate"],
        &["state", "list"],
        &["state", "pull"],
        &["providers"],
        &["version"],
        &["graph"],
    ] {
        test.tfw(["exec", "prod", "--"])
            .args(reading)
            .run()
            .succeeds();
    }
    for writing in [
        &["apply", "-auto-approve"][..],
        &["state", "rm", "terraform_data.this"],
        &["import", "terraform_data.this", "x"],
        &["taint", "terraform_data.this"],
        &["workspace", "new", "blue"],
        &["destroy", "-auto-approve"],
        &["force-unlock", "-force", "x"],
    ] {
        test.proxy().forget();
        let run = test
            .tfw(["exec", "prod", "--"])
            .args(writing)
            .run()
            .exits(4);
        assert_eq!(run.stdout, "");
        for part in ["prod", "`--approve prod`"] {
            assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
        }
        assert_eq!(test.proxy().requests().len(), 0);
    }
    assert_eq!(serial(&test), before);
    test.tfw([
        "exec",
        "prod",
        "--approve",
        "prod",
        "--",
        "state",
        "rm",
        "terraform_data.this",
    ])
    .run()
    .succeeds();
    assert_ne!(serial(&test), before);
}

#[test]
fn a_missing_bucket_is_not_created_on_the_way() {
    let test = TestEnvironment::new().environment("dev");
    let run = test
        .tfw(["exec", "dev", "--", "state", "list"])
        .run()
        .exits(1);
    for part in ["does not exist", "hint: `tfw init dev`"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert!(!test.bucket_exists("dev"));
}
