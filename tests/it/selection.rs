//! Command lines that mean nothing: exit 3, what to type instead, and with `--json` a document
//! without units.

use serde_json::{Value, json};

use crate::support::{Run, TestEnvironment, fixtures};

fn repository() -> TestEnvironment {
    let test = TestEnvironment::offline().environment_with(
        "prod",
        "tags = [\"live\"]\n[environments.prod.stacks.network]\n[environments.prod.stacks.eks]",
        "",
    );
    let main = fixtures::builtin().replace("\"s3\"", "\"local\"");
    test.write("environments/prod/network/main.tf", &main);
    test.write("environments/prod/eks/main.tf", &main);
    test.environment("dev")
}

/// Runs a command line that is wrong, for people and for programs; gives what both are told.
#[track_caller]
fn wrong<const N: usize>(test: &TestEnvironment, args: [&str; N]) -> (String, String) {
    let people = test.tfw(args).run().exits(3);
    assert_eq!(people.stdout, "");
    let programs = test.tfw(args).args(["--json"]).run().exits(3);
    // The usage that clap prints repeats the flags.
    let first = |run: &Run| run.stderr.lines().next().unwrap().to_owned();
    assert_eq!(first(&programs), first(&people));
    assert!(!test.path("environments/.tfw").exists());
    (people.stderr, problem(&programs))
}

/// The one problem of a document without units.
#[track_caller]
fn problem(run: &Run) -> String {
    let document = run.json();
    assert_eq!(document["schema"], 1);
    assert_eq!(document["run_id"], Value::Null);
    assert_eq!(document["result"], "failed");
    assert_eq!(document["exit_code"], 3);
    assert_eq!(document["units"], json!([]));
    let diagnostics = document["diagnostics"].as_array().unwrap();
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(diagnostics[0]["severity"], "error");
    format!(
        "{}\n{}",
        diagnostics[0]["summary"].as_str().unwrap(),
        diagnostics[0]["detail"].as_str().unwrap_or_default()
    )
}

#[test]
fn no_selection_lists_the_environments() {
    let (people, programs) = wrong(&repository(), ["plan"]);
    insta::assert_snapshot!(people, @r"
    error: no environment is named
      hint: name what is meant, or say `--all`; there are `prod` and `dev`
    ");
    assert!(
        programs.contains("there are `prod` and `dev`"),
        "{programs}"
    );
}

#[test]
fn a_pattern_that_matches_nothing_is_told_with_the_nearest_name() {
    let test = repository();
    for (pattern, hint) in [
        ("dve", "did you mean `dev`?"),
        ("prod/netwrok", "did you mean `prod/network`?"),
        ("eks", "`eks` is a stack: write `prod/eks` or `*/eks`"),
        ("dev/network", "`dev` has no stacks: write `dev`"),
        ("something", "the environments are `prod` and `dev`"),
        ("x*", "the environments are `prod` and `dev`"),
        ("*/db", "`*` does not cross `/`"),
    ] {
        let (people, programs) = wrong(&test, ["apply", "dev", pattern, "--auto-approve"]);
        for text in [people, programs] {
            assert!(text.contains(&format!("`{pattern}`")), "{text}");
            assert!(text.contains(hint), "{pattern}: {text}");
        }
    }
}

#[test]
fn flags_that_name_nothing_are_told_with_the_nearest_name() {
    let test = repository();
    let (said, _) = wrong(&test, ["apply", "--all", "--approve", "prdo"]);
    for part in [
        "`--approve prdo`",
        "no such environment",
        "did you mean `prod`?",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let (said, _) = wrong(&test, ["apply", "--all", "--new-state", "prod/ekz"]);
    assert!(said.contains("did you mean `prod/eks`?"), "{said}");
    let (said, _) = wrong(&test, ["plan", "--tag", "life"]);
    assert!(said.contains("did you mean `live`?"), "{said}");
    let (said, _) = wrong(&test, ["plan", "--all", "--exclude", "dve"]);
    assert!(
        said.contains("`--exclude`") && said.contains("`dev`"),
        "{said}"
    );
    let (said, _) = wrong(
        &test,
        ["plan", "--all", "--exclude", "*", "--exclude", "*/*"],
    );
    assert!(said.contains("nothing is left"), "{said}");
    let (said, _) = wrong(&test, ["plan", "--all", "dev"]);
    assert!(said.contains("exclude each other"), "{said}");
}

#[test]
fn a_command_line_that_does_not_parse_has_a_document_too() {
    let test = repository();
    let (people, programs) = wrong(&test, ["plan", "--al"]);
    for text in [people, programs] {
        assert!(text.contains("--all"), "{text}");
    }
    wrong(&test, ["plam"]);
    wrong(&test, ["exec", "dev"]);
    wrong(&test, ["plan", "dev", "-q", "-v"]);
    let run = test.tfw(["--json", "plan", "--nope"]).run().exits(3);
    assert_eq!(run.json()["command"], "plan");
    problem(&run);
    // What belongs to Terraform is not tfw's.
    let run = test
        .tfw(["exec", "--nope", "dev", "--", "output", "--json"])
        .run()
        .exits(3);
    assert_eq!(run.stdout, "");
}

#[test]
fn the_folder_in_which_one_stands_is_meant() {
    let test = repository();
    let report = |folder: &str| {
        let run = test
            .tfw(["validate", "--json"])
            .current_dir(test.path(folder))
            .run()
            .succeeds();
        let units = run.json()["units"].clone();
        let names: Vec<String> = units
            .as_array()
            .unwrap()
            .iter()
            .map(|unit| unit["unit"].as_str().unwrap().to_owned())
            .collect();
        names
    };
    assert_eq!(report("environments/prod"), ["prod/network", "prod/eks"]);
    assert_eq!(report("environments/prod/eks"), ["prod/eks"]);
    assert_eq!(report("environments/dev"), ["dev"]);
}

#[test]
fn help_is_no_error() {
    let test = repository();
    let run = test.tfw(["--help"]).run().succeeds();
    for command in ["init", "plan", "apply", "destroy", "exec", "manifest"] {
        assert!(run.stdout.contains(command), "{command}");
    }
    test.tfw(["plan", "--help"]).run().succeeds();
    test.tfw(["--version"]).run().succeeds();
    let bare = test.tfw([]).run().exits(3);
    assert!(bare.stderr.contains("Usage:"), "{}", bare.stderr);
}
