//! The report: every field of it, in `--json` and in the run's folder, and the exit codes.

use serde_json::{Value, json};

use crate::support::{Run, TestEnvironment, fixtures};

/// The keys of an object, in the order in which they are printed.
fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().unwrap_or_else(|| panic!("{value:#}"));
    object.keys().map(String::as_str).collect()
}

/// The report of a run, which must be the one in the run's folder, and have every field.
#[track_caller]
fn report(test: &TestEnvironment, run: &Run) -> Value {
    let report = run.json();
    let id = report["run_id"].as_str().unwrap();
    assert_eq!(
        run.stdout,
        test.read(&format!("environments/.tfw/runs/{id}/report.json"))
    );
    assert_eq!(
        keys(&report),
        [
            "schema",
            "run_id",
            "command",
            "started",
            "finished",
            "result",
            "exit_code",
            "diagnostics",
            "units"
        ]
    );
    assert_eq!(report["schema"], 1);
    assert_eq!(report["exit_code"], run.code());
    let time = |key: &str| report[key].as_str().unwrap().parse::<jiff::Timestamp>();
    assert!(time("started").unwrap() <= time("finished").unwrap());
    for unit in report["units"].as_array().unwrap() {
        assert_eq!(
            keys(unit),
            [
                "unit",
                "environment",
                "stack",
                "result",
                "reason",
                "account_id",
                "region",
                "backend",
                "init",
                "provisional",
                "changes",
                "lock",
                "diagnostics",
                "duration_ms",
                "log",
                "plan_file"
            ]
        );
        assert_eq!(
            keys(&unit["backend"]),
            ["type", "bucket", "key", "workspace"]
        );
        for diagnostic in unit["diagnostics"].as_array().unwrap() {
            assert_eq!(
                keys(diagnostic),
                ["severity", "summary", "detail", "file", "line"]
            );
        }
        for path in ["log", "plan_file"] {
            if let Some(path) = unit[path].as_str() {
                assert!(path.starts_with(".tfw/"), "{path}");
                assert!(test.path("environments").join(path).exists(), "{path}");
            }
        }
    }
    report
}

/// Two stacks, the second with an input from the first, and an environment without stacks.
fn three_units() -> TestEnvironment {
    let test = TestEnvironment::new().environment_with(
        "prod",
        "[environments.prod.stacks.app]\ninputs = { greeting = \"network.greeting\" }\n[environments.prod.stacks.network]",
        "",
    );
    test.write("environments/prod/app/main.tf", &fixtures::builtin());
    test.write("environments/prod/network/main.tf", &fixtures::builtin());
    test.environment("dev")
}

#[test]
fn a_plan_and_an_apply_say_everything_of_every_unit_in_manifest_order() {
    let test = three_units();
    let run = test
        .tfw(["plan", "--all", "--json", "--yes"])
        .run()
        .succeeds();
    let planned = report(&test, &run);
    assert_eq!(planned["command"], "plan");
    assert_eq!(planned["result"], "succeeded");
    let units = planned["units"].as_array().unwrap();
    let names: Vec<&Value> = units.iter().map(|unit| &unit["unit"]).collect();
    assert_eq!(names, ["prod/app", "prod/network", "dev"]);

    let app = &units[0];
    assert_eq!(app["result"], "skipped");
    let reason = app["reason"].as_str().unwrap();
    assert!(reason.contains("`prod/network`"), "{reason}");
    for absent in ["init", "changes", "lock", "log", "plan_file"] {
        assert_eq!(app[absent], Value::Null, "{absent}");
    }

    let network = &units[1];
    assert_eq!(network["environment"], "prod");
    assert_eq!(network["stack"], "network");
    assert_eq!(network["result"], "succeeded");
    assert_eq!(network["reason"], Value::Null);
    assert_eq!(network["account_id"], test.account("prod").as_str());
    assert_eq!(network["region"], "eu-central-1");
    assert_eq!(
        network["backend"],
        json!({
            "type": "s3",
            "bucket": test.bucket("prod"),
            "key": "network/terraform.tfstate",
            "workspace": "default"
        })
    );
    assert_eq!(network["init"], "ran");
    assert_eq!(network["provisional"], false);
    assert_eq!(
        network["changes"],
        json!({ "add": 1, "change": 0, "destroy": 0, "replace": 0, "import": 0, "outputs": 2 })
    );
    assert_eq!(network["lock"], Value::Null);
    assert_eq!(network["diagnostics"], json!([]));
    assert!(network["duration_ms"].as_u64().unwrap() > 0);
    assert!(network["log"].is_string() && network["plan_file"].is_string());
    assert_eq!(units[2]["stack"], Value::Null);

    let run = test
        .tfw(["apply", "--all", "--json", "--auto-approve"])
        .run()
        .succeeds();
    let applied = report(&test, &run);
    assert_eq!(applied["command"], "apply");
    for (unit, init) in applied["units"]
        .as_array()
        .unwrap()
        .iter()
        .zip(["ran", "skipped", "skipped"])
    {
        assert_eq!(unit["result"], "succeeded", "{unit:#}");
        assert_eq!(unit["init"], init);
        assert_eq!(unit["changes"]["add"], 1);
        assert_eq!(unit["plan_file"], Value::Null);
    }
    assert_ne!(planned["run_id"], applied["run_id"]);

    // What is upstream of a change that is not applied yet makes a plan provisional.
    let main = fixtures::builtin().replace("\"hello\"", "\"goodbye\"");
    test.write("environments/prod/network/main.tf", &main);
    let run = test.tfw(["plan", "prod", "--json"]).run().succeeds();
    let planned = report(&test, &run);
    assert_eq!(planned["units"][0]["provisional"], true);
    assert_eq!(planned["units"][1]["provisional"], false);
}

#[test]
fn replacements_count_as_terraform_counts_and_outputs_are_never_in_the_report() {
    let main = |trigger: &str| {
        fixtures::builtin().replace(
            "  input = var.greeting\n",
            &format!("  input            = var.greeting\n  triggers_replace = \"{trigger}\"\n"),
        )
    };
    let test = TestEnvironment::offline();
    let local = |trigger: &str| main(trigger).replace("\"s3\"", "\"local\"");
    let test = test.environment_with("dev", "", &local("one"));
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    test.write("environments/dev/main.tf", &local("two"));
    let run = test.tfw(["plan", "dev", "--json"]).run().succeeds();
    let changes = &report(&test, &run)["units"][0]["changes"];
    assert_eq!(changes["add"], 1);
    assert_eq!(changes["destroy"], 1);
    assert_eq!(changes["replace"], 1);
    let run = test
        .tfw(["apply", "dev", "--json", "--auto-approve"])
        .run()
        .succeeds();
    let changes = &report(&test, &run)["units"][0]["changes"];
    assert_eq!(
        (&changes["add"], &changes["destroy"], &changes["replace"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert!(!run.stdout.contains("hello"), "{}", run.stdout);
}

/// The exit codes of plan, without and with `--detailed-exitcode`.
#[track_caller]
fn plan_codes(test: &TestEnvironment) -> (i32, i32) {
    let plain = test.tfw(["plan", "--all", "--json"]).run();
    let detailed = test
        .tfw(["plan", "--all", "--json", "--detailed-exitcode"])
        .run();
    for run in [&plain, &detailed] {
        assert_eq!(report(test, run)["result"], "succeeded");
    }
    (plain.code(), detailed.code())
}

#[test]
fn the_detailed_exit_code_knows_changes_that_count_nothing() {
    let main = fixtures::builtin().replace("\"s3\"", "\"local\"");
    let test = TestEnvironment::offline().environment_with("dev", "", &main);
    assert_eq!(plan_codes(&test), (0, 2));
    let apply = |code| {
        test.tfw(["apply", "--all", "--auto-approve", "--detailed-exitcode"])
            .run()
            .exits(code);
    };
    apply(2);
    assert_eq!(plan_codes(&test), (0, 0));
    apply(0);

    let outputs = format!("{main}\noutput \"new\" {{\n  value = \"x\"\n}}\n");
    test.write("environments/dev/main.tf", &outputs);
    assert_eq!(plan_codes(&test), (0, 2));
    apply(2);
    assert_eq!(plan_codes(&test), (0, 0));

    let moved = outputs
        .replace("terraform_data.this", "terraform_data.that")
        .replace("\"terraform_data\" \"this\"", "\"terraform_data\" \"that\"")
        + "\nmoved {\n  from = terraform_data.this\n  to   = terraform_data.that\n}\n";
    test.write("environments/dev/main.tf", &moved);
    assert_eq!(plan_codes(&test), (0, 2));
    apply(2);
    assert_eq!(plan_codes(&test), (0, 0));
    let state = test.read("environments/dev/terraform.tfstate");
    assert!(state.contains("\"that\"") && !state.contains("\"name\": \"this\""));
}

#[test]
fn a_failure_weighs_more_than_differences_and_takes_no_other_unit_along() {
    let broken = fixtures::builtin().replace("var.greeting\n", "var.nowhere\n");
    let test = TestEnvironment::new()
        .environment("dev")
        .environment_with("prod", "", &broken);
    let run = test
        .tfw(["plan", "--all", "--yes", "--json", "--detailed-exitcode"])
        .run()
        .exits(1);
    let report = report(&test, &run);
    assert_eq!(report["result"], "failed");
    assert_eq!(report["units"][0]["result"], "succeeded");
    assert_eq!(report["units"][1]["result"], "failed");
    assert_eq!(report["units"][1]["changes"], Value::Null);
}

#[test]
fn a_refusal_is_4_and_changes_nothing() {
    let test = TestEnvironment::new().environment("dev");
    let run = test.tfw(["plan", "dev", "--json"]).run().exits(4);
    let report = report(&test, &run);
    assert_eq!(report["result"], "refused");
    assert_eq!(report["units"][0]["result"], "refused");
    assert!(run.stderr.contains("`--yes`"), "{}", run.stderr);
    assert!(!test.bucket_exists("dev"));

    test.create_bucket("dev");
    let run = test.tfw(["apply", "dev", "--json"]).run().exits(4);
    assert!(run.stderr.contains("`--auto-approve`"), "{}", run.stderr);
    assert_eq!(test.state("dev"), None);
    assert!(!test.locked("dev"));
}

#[test]
fn warnings_of_units_that_succeed_are_shown_and_reported() {
    let main = fixtures::builtin().replace("\"s3\"", "\"local\"")
        + "\ncheck \"weather\" {\n  assert {\n    condition     = var.greeting == \"hi\"\n    error_message = \"it rains\"\n  }\n}\n";
    let test = TestEnvironment::offline().environment_with("dev", "", &main);
    for args in [
        ["plan", "dev", "--json", "--no-input"],
        ["apply", "dev", "--json", "--auto-approve"],
    ] {
        let run = test.tfw(args).run().succeeds();
        let report = report(&test, &run);
        let warning = &report["units"][0]["diagnostics"][0];
        assert_eq!(warning["severity"], "warning");
        assert_eq!(warning["detail"], "it rains");
        assert_eq!(warning["file"], "dev/main.tf");
        assert!(run.stderr.contains("it rains"), "{}", run.stderr);
    }
}

#[test]
fn people_get_no_colour_in_a_pipe_and_little_with_quiet() {
    let test = TestEnvironment::offline().environment("dev");
    let run = test.tfw(["plan", "dev"]).run().succeeds();
    assert_eq!(run.stderr, "");
    assert!(
        run.stdout.contains("dev  succeeded: 1 to add"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("1 unit: 1 succeeded"), "{}", run.stdout);
    assert!(!run.stdout.contains('\u{1b}'), "{:?}", run.stdout);
    let run = test.tfw(["plan", "dev", "--json"]).run().succeeds();
    assert!(
        run.stderr.contains("dev  succeeded: 1 to add"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains('\u{1b}'), "{:?}", run.stderr);

    let run = test.tfw(["plan", "dev", "-q"]).run().succeeds();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    test.write(
        "environments/dev/main.tf",
        "terraform {\n  backend \"local\" {}\n}\nlocals {\n  x = var.y\n}\n",
    );
    let run = test.tfw(["plan", "dev", "-q"]).run().exits(1);
    assert!(
        run.stdout.contains("undeclared input variable"),
        "{}",
        run.stdout
    );
    let run = test.tfw(["plan", "dev", "-q", "--json"]).run().exits(1);
    report(&test, &run);
    assert!(
        run.stderr.contains("undeclared input variable"),
        "{}",
        run.stderr
    );
}
