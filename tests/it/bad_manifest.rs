//! Bad input: a manifest or a tool that is wrong. All of it is told before anything runs: exit 3,
//! and not even `.tfw/` is made.

use serde_json::{Value, json};

use crate::support::{Run, TestEnvironment};

/// A manifest of two environments, with these lines before them.
fn with(test: &TestEnvironment, before: &str, environments: &str) {
    let backend = "[defaults.backend]\ntype = \"local\"\n";
    test.write(
        "environments/tfw.toml",
        &format!("{before}{backend}\n{environments}"),
    );
}

fn offline() -> TestEnvironment {
    TestEnvironment::offline()
        .environment("dev")
        .environment("prod")
}

/// `tfw apply --all` with every consent: it must end before anything.
#[track_caller]
fn apply(test: &TestEnvironment) -> Run {
    let before = test.files();
    let run = test
        .tfw(["apply", "--all", "--auto-approve", "--yes", "--json"])
        .run()
        .exits(3);
    assert_eq!(test.files(), before);
    assert!(!test.path("environments/.tfw").exists());
    let document = run.json();
    assert_eq!(document["exit_code"], 3);
    assert_eq!(document["result"], "failed");
    assert_eq!(document["run_id"], Value::Null);
    assert_eq!(document["units"], json!([]));
    run
}

/// What `--json` says of each problem: summary, file and line.
fn problems(run: &Run) -> Vec<(String, String, u64)> {
    let document = run.json();
    let problems = document["diagnostics"].as_array().unwrap();
    problems
        .iter()
        .map(|problem| {
            assert_eq!(problem["severity"], "error");
            let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
            let line = problem["line"].as_u64().unwrap_or_default();
            (text("summary"), text("file"), line)
        })
        .collect()
}

#[test]
fn all_problems_of_a_manifest_are_told_at_once_each_with_its_place() {
    let test = offline();
    with(
        &test,
        "[terraform]\nparallelism = \"four\"\n\n[defaults]\nlock_timeouts = \"3s\"\n\n",
        "[environments.dev]\ndepends_on = [\"prod\"]\n\n[environments.prod]\ndepends_on = [\"dev\"]\n\n[environments.gone]\n",
    );
    let run = apply(&test);
    insta::assert_snapshot!(run.stderr, @r#"
    error: `parallelism` must be an integer
     --> environments/tfw.toml:2:15
      |
    2 | parallelism = "four"
      |               ^^^^^^ found a string

    error: unknown key `lock_timeouts`
     --> environments/tfw.toml:5:1
      |
    5 | lock_timeouts = "3s"
      | ^^^^^^^^^^^^^ did you mean `lock_timeout`?

    error: dependencies go in a circle: `dev` → `prod` → `dev`
      --> environments/tfw.toml:11:15
       |
    11 | depends_on = ["prod"]
       |               ^^^^^^ `dev` waits for `prod`
    ...
    14 | depends_on = ["dev"]
       |               ----- `prod` waits for `dev`

    error: there is no folder `environments/gone`
      --> environments/tfw.toml:16:15
       |
    16 | [environments.gone]
       |               ^^^^
       |
       = hint: create it, or set `path` to the root module's folder

    4 problems in environments/tfw.toml
    "#);
    let file = || String::from("tfw.toml");
    assert_eq!(
        problems(&run),
        [
            (String::from("`parallelism` must be an integer"), file(), 2),
            (String::from("unknown key `lock_timeouts`"), file(), 5),
            (
                String::from("dependencies go in a circle: `dev` → `prod` → `dev`"),
                file(),
                11
            ),
            (
                String::from("there is no folder `environments/gone`"),
                file(),
                16
            ),
        ]
    );
}

#[test]
fn a_file_that_is_no_toml_is_told_at_its_first_mistake() {
    let test = offline();
    with(&test, "[terraform\n", "[environments.dev]\n");
    let run = apply(&test);
    assert_eq!(problems(&run).len(), 1, "{}", run.stdout);
    insta::assert_snapshot!(run.stderr, @r#"
    error: the manifest is not valid TOML
     --> environments/tfw.toml:1:11
      |
    1 | [terraform
      |           ^ unclosed table, expected `]`

    1 problem in environments/tfw.toml
    "#);
}

#[test]
fn two_units_with_one_state_and_unknown_names_are_errors() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment_with("prod", "", "");
    let text = test.read("environments/tfw.toml").replace(
        "{environment}\"\nkey = \"{stack}/terraform.tfstate\"",
        "shared\"\nkey = \"{stak}terraform.tfstate\"",
    );
    test.write("environments/tfw.toml", &text);
    let run = apply(&test);
    assert!(
        run.stderr.contains("unknown placeholder `{stak}`"),
        "{}",
        run.stderr
    );

    let text = text.replace("{stak}", "");
    test.write("environments/tfw.toml", &text);
    let run = apply(&test);
    let said = problems(&run);
    assert_eq!(said.len(), 1, "{}", run.stdout);
    for part in ["`dev`", "`prod`", "-shared", "terraform.tfstate"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }

    with(
        &test,
        "",
        "[environments.dev]\n\n[environments.prod]\ndepends_on = [\"dve\"]\ninputs = { greeting = \"dve.greeting\" }\n",
    );
    let run = apply(&test);
    assert_eq!(problems(&run).len(), 2, "{}", run.stdout);
    assert!(run.stderr.contains("did you mean `dev`?"), "{}", run.stderr);
    assert_eq!(test.proxy().requests().len(), 0);
}

#[test]
fn a_name_that_the_root_module_does_not_declare_names_both_places() {
    let test = offline();
    test.write(
        "environments/dev/terraform.tfvars",
        "greeting = \"from the file\"\n",
    );
    with(
        &test,
        "[defaults.vars]\ngreeting = \"from the manifest\"\ngreting = \"x\"\n\n",
        "[environments.dev]\n",
    );
    let run = apply(&test);
    insta::assert_snapshot!(run.stderr, @r#"
    error: `greeting` is set twice
     --> environments/tfw.toml:2:1
      |
    2 | greeting = "from the manifest"
      | ^^^^^^^^ here in `vars`
      |
     ::: environments/dev/terraform.tfvars:1:1
      |
    1 | greeting = "from the file"
      | -------------------------- and here
      |
      = note: Terraform would let `environments/dev/terraform.tfvars` win
      = hint: keep one of the two

    error: `greting` in `vars` is no variable of the root module `environments/dev`
     --> environments/tfw.toml:3:1
      |
    3 | greting = "x"
      | ^^^^^^^ did you mean `greeting`?
      |
     ::: environments/dev/main.tf:5:1
      |
    5 | variable "greeting" {
      | --------------------- this one is declared

    2 problems in environments/tfw.toml
    "#);
    let said = problems(&run);
    assert_eq!(said.len(), 2, "{}", run.stdout);
}

#[test]
fn without_a_manifest_the_command_says_where_it_looked() {
    let test = offline();
    std::fs::remove_file(test.path("environments/tfw.toml")).unwrap();
    let run = apply(&test);
    for part in ["tfw.toml", "environments/tfw.toml", "hint:", "--manifest"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    let run = test
        .tfw(["plan", "--all", "--manifest", "nowhere.toml"])
        .run()
        .exits(3);
    for part in ["nowhere.toml`, which `--manifest` names", "hint:"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert_eq!(run.stdout, "");
}

#[test]
fn a_missing_binary_is_named_with_where_to_get_it() {
    let test = offline();
    test.without_terraform();
    // The machine may have one outside the test's folders.
    let run = test
        .tfw([
            "plan",
            "--all",
            "--json",
            "--terraform",
            "no-such-terraform",
        ])
        .run()
        .exits(3);
    assert_eq!(
        problems(&run)[0].0,
        "`no-such-terraform` was not found on `PATH`"
    );
    for part in ["hint:", "install Terraform", "--terraform", "TFW_TERRAFORM"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    let run = test
        .tfw(["plan", "--all"])
        .env("TFW_TERRAFORM", "./bin/terraform")
        .run()
        .exits(3);
    assert!(
        run.stderr.contains("there is no program at"),
        "{}",
        run.stderr
    );
    assert!(!test.path("environments/.tfw").exists());
}

#[test]
fn another_version_than_the_manifests_is_refused() {
    let test = offline();
    with(
        &test,
        "[terraform]\nversion = \">= 1.2.3, < 1.5.0\"\n\n",
        "[environments.dev]\n",
    );
    let before = test.files();
    let run = test
        .tfw(["apply", "--all", "--auto-approve", "--json"])
        .run()
        .exits(3);
    assert_eq!(run.json()["units"], json!([]));
    let said = problems(&run).remove(0).0;
    for part in ["1.5.0", "1.2.3"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(run.stderr.contains("hint:"), "{}", run.stderr);
    assert_eq!(test.files(), before);
    assert!(!test.path("environments/.tfw/runs").exists());
}

#[test]
fn what_is_not_terraform_is_told_so() {
    let test = offline();
    test.fake_terraform("echo 'what is that?' >&2; exit 4");
    let run = test.tfw(["plan", "--all"]).run().exits(3);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("what is that?"), "{}", run.stderr);
    assert!(run.stderr.contains("hint: check that"), "{}", run.stderr);
}

#[test]
fn a_native_lock_needs_a_terraform_that_has_one() {
    let test = TestEnvironment::new().environment("dev");
    test.fake_terraform("echo '{\"terraform_version\": \"1.9.8\"}'");
    let run = test
        .tfw(["apply", "--all", "--auto-approve", "--yes"])
        .run()
        .exits(3);
    for part in ["1.9.8", "use_lockfile", "hint:"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    assert!(!test.bucket_exists("dev"));
}
