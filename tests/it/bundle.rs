//! Bundles: `plan --out`, and `apply --from` of what still fits.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::support::{HttpState, TestEnvironment, fixtures, texts, the_unit};

fn document(test: &TestEnvironment) -> Value {
    serde_json::from_str(&test.read("review/bundle.json")).unwrap()
}

fn recorded<'a>(document: &'a Value, unit: &str) -> &'a Value {
    the_unit(document, unit)
}

#[test]
fn exactly_what_was_reviewed_is_applied_from_another_clone() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("prod");
    for environment in ["dev", "prod"] {
        test.create_bucket(environment);
    }
    test.commit("two environments");
    let report = test
        .tfw(["plan", "--all", "--out", "review", "--json"])
        .run()
        .succeeds()
        .json();
    assert_eq!(
        the_unit(&report, "dev")["plan_file"],
        test.path("review/dev.tfplan").display().to_string()
    );

    let mode = |path: &str| {
        let metadata = fs::metadata(test.path(path)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("review"), 0o700);
    for file in [
        "review/bundle.json",
        "review/dev.tfplan",
        "review/prod.tfplan",
    ] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    let record = document(&test);
    assert_eq!(record["schema"], 1);
    assert_eq!(record["commit"].as_str().unwrap().len(), 40);
    assert_eq!(record["selection"][0], "--all");
    let dev = recorded(&record, "dev");
    assert_eq!(dev["state"], Value::Null);
    assert_eq!(dev["changes"]["add"], 1);
    assert_eq!(dev["basis"]["account_id"], test.account("dev"));
    assert_eq!(
        dev["basis"]["backend"]["arguments"]["bucket"],
        test.bucket("dev")
    );
    // One copy of what is secret in a plan is enough.
    let left = fs::read_dir(test.path("environments/.tfw/plans"))
        .unwrap()
        .flat_map(|run| fs::read_dir(run.unwrap().path()).unwrap())
        .count();
    assert_eq!(left, 0);

    let clone = test.clone_repository();
    let bundle = test.path("review").display().to_string();
    let before = fs::read(test.path("review/dev.tfplan")).unwrap();
    // Inside an environment as well as anywhere: the bundle says which units are meant.
    let run = test
        .tfw(["apply", "--from", &bundle, "--auto-approve", "--json"])
        .current_dir(clone.join("environments/dev"))
        .run()
        .succeeds();
    run.says("+ terraform_data.this");
    let report = run.json();
    for environment in ["dev", "prod"] {
        let unit = the_unit(&report, environment);
        assert_eq!(unit["result"], "succeeded");
        assert_eq!(unit["changes"]["add"], 1);
        let state = test.state(environment).unwrap();
        assert_eq!(state["outputs"]["greeting"]["value"], "hello");
        assert!(!test.locked(environment));
    }
    assert_eq!(fs::read(test.path("review/dev.tfplan")).unwrap(), before);
}

#[test]
fn units_without_changes_are_in_it_and_nothing_is_done_for_them() {
    let test = TestEnvironment::offline()
        .environment("dev")
        .environment("lab");
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    test.tfw(["plan", "--all", "--out", "review"])
        .run()
        .succeeds();
    let record = document(&test);
    assert_eq!(record["commit"], Value::Null);
    let dev = recorded(&record, "dev");
    assert_eq!(dev["plan"], Value::Null);
    assert_eq!(
        dev["state"]["serial"],
        test.local_state("dev").unwrap()["serial"]
    );
    assert!(!test.path("review/dev.tfplan").exists());

    let state = test.local_state("dev");
    let report = test
        .tfw(["apply", "--from", "review", "--auto-approve", "--json"])
        .run()
        .succeeds()
        .json();
    assert_eq!(the_unit(&report, "dev")["result"], "succeeded");
    assert_eq!(the_unit(&report, "dev")["changes"]["add"], 0);
    assert_eq!(test.local_state("dev"), state);
    assert_eq!(test.local_resources("lab"), 1);
}

#[test]
fn a_provisional_plan_stays_out_and_the_run_says_what_to_do() {
    let test = TestEnvironment::network_and_eks();
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    test.change_network("vpc-2");
    let run = test
        .tfw(["plan", "dev", "--out", "review"])
        .run()
        .succeeds();
    run.says("`dev/eks` is not in the bundle: its plan is provisional: `dev/network` has changes");
    run.says("hint: apply `dev/network` first; then `tfw plan dev/eks --out DIR`");
    let record = document(&test);
    assert_eq!(record["units"].as_array().unwrap().len(), 1);
    assert_eq!(record["left_out"][0]["unit"], "dev/eks");
    assert!(!test.path("review/dev.eks.tfplan").exists());

    test.tfw(["apply", "dev/eks", "--from", "review"])
        .run()
        .exits(3)
        .says("`dev/eks` is not in the bundle");
    let run = test
        .tfw(["apply", "dev", "--from", "review", "--auto-approve"])
        .run()
        .succeeds();
    run.says("left out `dev/eks`: it is not in the bundle");
    assert_eq!(test.local_output("dev/network", "vpc_id").unwrap(), "vpc-2");
    assert_eq!(
        test.local_output("dev/eks", "cluster").unwrap(),
        "cluster in vpc-1"
    );
}

#[test]
fn no_bundle_is_left_where_nothing_can_go_into_one() {
    let test = TestEnvironment::network_and_eks();
    let run = test
        .tfw(["plan", "dev/eks", "--out", "review"])
        .run()
        .exits(1);
    run.says("`dev/eks` is not in the bundle: input `vpc_id` waits for output");
    run.says("there is no bundle: no unit has a plan that can go into one");
    assert!(!test.path("review").exists());
    test.tfw(["apply", "--from", "review"])
        .run()
        .exits(3)
        .says("there is no bundle in `review`");
}

#[test]
fn a_part_goes_in_when_another_fails() {
    let broken = fixtures::local(&fixtures::builtin()).replace("var.greeting", "file(\"none\")");
    let test = TestEnvironment::offline()
        .environment("dev")
        .environment_with("lab", "", &broken);
    let run = test
        .tfw(["plan", "--all", "--out", "review"])
        .run()
        .exits(1);
    run.says("`lab` is not in the bundle: `terraform plan` failed");
    assert_eq!(document(&test)["units"].as_array().unwrap().len(), 1);
    test.tfw(["apply", "--from", "review", "--auto-approve"])
        .run()
        .succeeds();
    assert_eq!(test.local_resources("dev"), 1);
}

#[test]
fn a_person_is_shown_the_plans_again_and_asked() {
    let test = TestEnvironment::offline().environment("dev");
    test.tfw(["plan", "dev", "--out", "review"])
        .run()
        .succeeds();
    let mut terminal = test.tfw(["apply", "--from", "review"]).on_terminal();
    let shown = terminal.wait_for("Type `yes` to agree, anything else to decline: ");
    assert!(
        shown.contains("# terraform_data.this will be created"),
        "{shown}"
    );
    assert!(shown.contains("dev: 1 to add, 0 to change"), "{shown}");
    terminal.type_line("no");
    terminal.exits(4);
    assert_eq!(test.local_state("dev"), None);

    // A no is no harm to the bundle.
    let mut terminal = test.tfw(["apply", "--from", "review"]).on_terminal();
    terminal.wait_for("Type `yes` to agree, anything else to decline: ");
    terminal.type_line("yes");
    terminal.exits(0);
    assert_eq!(test.local_resources("dev"), 1);
}

#[test]
fn a_half_applied_bundle_goes_on_with_the_rest() {
    let test = TestEnvironment::offline()
        .environment("dev")
        .environment("lab");
    test.tfw(["plan", "--all", "--out", "review"])
        .run()
        .succeeds();
    test.tfw(["apply", "dev", "--from", "review", "--auto-approve"])
        .run()
        .succeeds();
    assert_eq!(test.local_resources("lab"), 0);

    let run = test
        .tfw(["apply", "--from", "review", "--auto-approve"])
        .run()
        .exits(4);
    run.says("the bundle does not fit `dev` any more: state");
    run.says("go on with the rest: `tfw apply lab --from review`");
    assert_eq!(test.local_resources("lab"), 0);
    test.tfw(["apply", "lab", "--from", "review", "--auto-approve"])
        .run()
        .succeeds();
    assert_eq!(test.local_resources("lab"), 1);
}

#[test]
fn no_value_of_a_variable_can_be_read_off_the_document() {
    let test = TestEnvironment::offline().environment_with(
        "dev",
        "vars = { greeting = \"a-secret-greeting\" }\nenv = { APP_TOKEN = \"a-secret-token\" }",
        &fixtures::local(&fixtures::builtin()),
    );
    let documents = ["one", "two"].map(|folder| {
        test.tfw(["plan", "dev", "--out", folder]).run().succeeds();
        test.read(&format!("{folder}/bundle.json"))
    });
    let hashes = documents.clone().map(|text| {
        assert!(!text.contains("a-secret"), "{text}");
        let document: Value = serde_json::from_str(&text).unwrap();
        let hash = &the_unit(&document, "dev")["basis"]["variables"]["greeting"];
        hash.as_str().unwrap().to_owned()
    });
    assert_ne!(hashes[0], hashes[1], "each bundle has its own salt");
}

#[test]
fn a_hook_of_another_repository_does_not_mislead() {
    let test = TestEnvironment::offline().environment("dev");
    test.commit("one environment");
    // In the unit's own folder, which is part of what is held against the commit.
    let out = "environments/dev/review";
    test.tfw(["plan", "dev", "--out", out])
        .env("GIT_DIR", "/nowhere")
        .env("GIT_INDEX_FILE", "/nowhere")
        .run()
        .succeeds();
    let document: Value = serde_json::from_str(&test.read(&format!("{out}/bundle.json"))).unwrap();
    assert_eq!(document["commit"].as_str().unwrap().len(), 40);
    test.tfw(["apply", "--from", out, "--auto-approve"])
        .run()
        .succeeds();
    assert_eq!(test.local_resources("dev"), 1);
}

#[test]
fn a_variable_of_the_persons_own_is_one_of_the_inputs() {
    let test = TestEnvironment::offline().environment("dev");
    test.tfw(["plan", "dev", "--out", "review"])
        .env("TF_VAR_greeting", "hi")
        .env("TF_VAR_unknown", "x")
        .run()
        .succeeds();
    let apply = ["apply", "--from", "review", "--auto-approve", "--json"];
    let report = test.tfw(apply).run().exits(4).json();
    let told = texts(the_unit(&report, "dev")).join("\n");
    assert!(
        told.contains("environment variable `TF_VAR_greeting`: recorded, now not there"),
        "{told}"
    );
    assert!(!told.contains("TF_VAR_unknown"), "{told}");
    test.tfw(apply)
        .env("TF_VAR_greeting", "hi")
        .run()
        .succeeds();
    assert_eq!(test.local_output("dev", "greeting").unwrap(), "hi");
}

#[test]
fn a_state_in_a_named_workspace() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "[environments.dev.backend]\nworkspace = \"blue\"",
        &fixtures::builtin(),
    );
    test.create_bucket("dev");
    for _ in ["a state of nothing", "a state"] {
        test.tfw(["plan", "dev", "--out", "review"])
            .run()
            .succeeds();
        test.tfw(["apply", "--from", "review", "--auto-approve"])
            .run()
            .succeeds();
        fs::remove_dir_all(test.path("review")).unwrap();
        let main = fixtures::builtin().replace("hello", "good evening");
        test.write("environments/dev/main.tf", &main);
    }
    let state = test.object("dev", "env:/blue/terraform.tfstate").unwrap();
    assert!(state.contains("good evening"), "{state}");
}

#[test]
fn a_backend_that_only_terraform_knows() {
    let server = HttpState::start();
    let backend = format!(
        "[defaults.backend]\ntype = \"http\"\n\n[defaults.backend.options]\naddress = \"{}/{{environment}}\"\n",
        server.url()
    );
    let main = fixtures::builtin().replace("backend \"s3\"", "backend \"http\"");
    let test = TestEnvironment::offline()
        .defaults(&backend)
        .environment_with("dev", "", &main);
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    test.write(
        "environments/dev/main.tf",
        &main.replace("hello", "good evening"),
    );
    test.tfw(["plan", "dev", "--out", "review"])
        .run()
        .succeeds();
    // The address of some backends holds a password.
    assert!(!test.read("review/bundle.json").contains(server.url()));
    let apply = ["apply", "--from", "review", "--auto-approve"];
    test.tfw(apply).run().succeeds();
    assert!(server.document("/dev").unwrap().contains("good evening"));
    test.tfw(apply)
        .run()
        .exits(4)
        .says("the bundle does not fit `dev` any more: state");
}
