//! What `apply --from` refuses: every difference between a bundle and the world, before anything
//! runs.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Run, TestEnvironment, fixtures, texts, the_unit};

/// `dev` with a state in S3, a commit, and a bundle that would change its greeting.
fn reviewed() -> TestEnvironment {
    let test = TestEnvironment::new().environment("dev");
    test.create_bucket("dev");
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    greet(&test, "good evening");
    test.commit("another greeting");
    test.tfw(["plan", "dev", "--out", "review"])
        .run()
        .succeeds();
    test
}

fn greet(test: &TestEnvironment, greeting: &str) {
    let main = fixtures::builtin().replace("hello", greeting);
    test.write("environments/dev/main.tf", &main);
}

fn apply(test: &TestEnvironment) -> Run {
    test.tfw(["apply", "--from", "review", "--auto-approve", "--json"])
        .run()
}

/// Applying is refused for these reasons, and the world is as it was: no lock was taken, no state
/// written.
#[track_caller]
fn is_refused(test: &TestEnvironment, reasons: &[&str]) {
    let before = test.versions("dev", "terraform.tfstate");
    let state = test.state("dev");
    let locks = locks(test);
    assert_ne!(locks, 0, "Terraform's locks are seen");
    let report = apply(test).exits(4).json();
    let unit = the_unit(&report, "dev");
    assert_eq!(unit["result"], "refused");
    let told = texts(unit).join("\n");
    for reason in reasons {
        assert!(told.contains(reason), "no `{reason}` in:\n{told}");
    }
    assert!(
        told.contains("hint: plan again: `tfw plan dev --out DIR`"),
        "{told}"
    );
    assert_eq!(test.versions("dev", "terraform.tfstate"), before);
    assert_eq!(test.state("dev"), state);
    assert_eq!(self::locks(test), locks, "Terraform ran");
}

/// How many locks were ever taken.
fn locks(test: &TestEnvironment) -> usize {
    let requests = test.proxy().requests();
    requests
        .iter()
        .filter(|request| request.method == "PUT" && request.path.ends_with(".tflock"))
        .count()
}

/// Changes the bundle's document by hand.
fn edit(test: &TestEnvironment, change: impl FnOnce(&mut Value)) {
    let mut document: Value = serde_json::from_str(&test.read("review/bundle.json")).unwrap();
    change(&mut document);
    test.write("review/bundle.json", &document.to_string());
}

fn edit_manifest(test: &TestEnvironment, from: &str, to: &str) {
    let manifest = test.read("environments/tfw.toml");
    assert!(manifest.contains(from), "{manifest}");
    test.write("environments/tfw.toml", &manifest.replace(from, to));
}

#[test]
fn a_state_that_has_moved() {
    let test = reviewed();
    let mut state = test.state("dev").unwrap();
    let serial = state["serial"].as_u64().unwrap();
    let lineage = state["lineage"].clone();
    state["serial"] = json!(serial + 3);
    test.put_object("dev", "terraform.tfstate", &state.to_string());
    let detail = format!("state: recorded serial {serial}, now serial {}", serial + 3);
    is_refused(
        &test,
        &["the bundle does not fit `dev` any more: state", &detail],
    );

    state["lineage"] = json!("another-life");
    test.put_object("dev", "terraform.tfstate", &state.to_string());
    is_refused(&test, &["of lineage `another-life`"]);
    // The record can be made to fit by hand, and the plan cannot.
    edit(&test, |document| {
        let unit = &mut document["units"][0];
        unit["state"] = json!({"lineage": "another-life", "serial": serial + 3});
    });
    is_refused(
        &test,
        &[
            "any more: plan",
            "was made from another state than the recorded one",
        ],
    );
    edit(&test, |document| {
        document["units"][0]["state"] = json!({"lineage": lineage, "serial": serial});
    });

    test.delete_object("dev", "terraform.tfstate");
    let detail = format!("state: recorded serial {serial}, now none");
    is_refused(&test, &[&detail]);
}

#[test]
fn another_commit_and_files_that_are_not_committed() {
    let test = reviewed();
    // What Terraform may read at an apply is not only its configuration.
    test.write("environments/dev/user-data.tpl", "new");
    is_refused(
        &test,
        &[
            "more: files",
            "`dev/user-data.tpl`: recorded as committed, now changed",
        ],
    );
    test.commit("user data");
    is_refused(&test, &["any more: commit", "commit: recorded "]);

    test.tfw(["plan", "dev", "--out", "again"]).run().succeeds();
    greet(&test, "good night");
    fs::remove_dir_all(test.path("review")).unwrap();
    fs::rename(test.path("again"), test.path("review")).unwrap();
    is_refused(
        &test,
        &[
            "more: files",
            "`dev/main.tf`: another content than recorded",
        ],
    );
    greet(&test, "good evening");
    // What lies outside the units' folders is none of their business.
    test.write("README.md", "new");
    apply(&test).succeeds();
    let state = test.state("dev").unwrap();
    assert_eq!(state["outputs"]["greeting"]["value"], "good evening");
}

#[test]
fn changes_that_are_not_committed_are_part_of_what_is_reviewed() {
    let test = reviewed();
    test.write("environments/dev/user-data.tpl", "draft");
    fs::remove_dir_all(test.path("review")).unwrap();
    test.tfw(["plan", "dev", "--out", "review"])
        .run()
        .succeeds();
    test.write("environments/dev/user-data.tpl", "other draft");
    is_refused(
        &test,
        &["`dev/user-data.tpl`: recorded with another change that is not committed"],
    );
    test.write("environments/dev/user-data.tpl", "draft");
    apply(&test).succeeds();
}

#[test]
fn a_commit_that_cannot_be_told_any_more() {
    let test = reviewed();
    fs::rename(test.path(".git"), test.path("../elsewhere")).unwrap();
    is_refused(&test, &["any more: commit", "now no git repository"]);
    fs::rename(test.path("../elsewhere"), test.path(".git")).unwrap();
    let without_git = test.path("../bin");
    let run = test
        .tfw(["apply", "--from", "review", "--auto-approve", "--json"])
        .env("PATH", &without_git)
        .run()
        .exits(4);
    run.says("now not known (`git` was not found)");
    fs::remove_dir_all(test.path(".git")).unwrap();
    // And where there was none, nothing is missed.
    fs::remove_dir_all(test.path("review")).unwrap();
    test.tfw(["plan", "dev", "--out", "review"])
        .run()
        .succeeds();
    apply(&test).succeeds();
}

#[test]
fn other_versions_and_another_lock_file() {
    let test = reviewed();
    test.write("environments/dev/.terraform.lock.hcl", "# another\n");
    edit(&test, |document| {
        document["units"][0]["basis"]["terraform"]["version"] = json!("1.2.3");
    });
    is_refused(
        &test,
        &[
            "any more: Terraform, lock file",
            "Terraform: recorded Terraform 1.2.3, now ",
            "`.terraform.lock.hcl`: recorded none, now SHA-256 ",
            "hint: a lock file belongs into the repository",
        ],
    );
}

#[test]
fn another_account_role_and_place_of_the_state() {
    let test = reviewed();
    let other = test.account("nobody");
    edit_manifest(&test, &test.account("dev"), &other);
    edit_manifest(&test, "{stack}/terraform.tfstate", "other.tfstate");
    // The guard of `.terraform` would stop the other key first.
    fs::remove_dir_all(test.path("environments/dev/.terraform")).unwrap();
    let account = format!("account: recorded `{}`, now `{other}`", test.account("dev"));
    let report = apply(&test).exits(4).json();
    let told = texts(the_unit(&report, "dev")).join("\n");
    for reason in [
        "any more: account, role, backend",
        &account,
        "backend argument `key`: recorded `\"terraform.tfstate\"`, now `\"other.tfstate\"`",
    ] {
        assert!(told.contains(reason), "no `{reason}` in:\n{told}");
    }
    assert!(!test.locked("dev"));
}

#[test]
fn other_values_and_files_of_variables() {
    let test = reviewed();
    test.write("environments/dev/terraform.tfvars", "greeting = \"x\"\n");
    edit_manifest(
        &test,
        "[environments.dev]\n",
        "[environments.dev]\nenv = { APP = \"x\" }\n",
    );
    is_refused(
        &test,
        &[
            "any more: files, inputs",
            "`dev/terraform.tfvars`: recorded as not there, now there",
            "environment variable `APP`: recorded as not there, now there",
        ],
    );
    fs::remove_file(test.path("environments/dev/terraform.tfvars")).unwrap();
    edit_manifest(
        &test,
        "env = { APP = \"x\" }",
        "vars = { greeting = \"x\" }",
    );
    is_refused(
        &test,
        &["variable `greeting`: recorded as not there, now there"],
    );
}

#[test]
fn another_output_of_an_upstream_unit() {
    let test = TestEnvironment::network_and_eks();
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    let eks = test.read("environments/dev/eks/main.tf");
    test.write(
        "environments/dev/eks/main.tf",
        &eks.replace("cluster in", "new in"),
    );
    test.tfw(["plan", "dev", "--out", "review"])
        .run()
        .succeeds();
    test.change_network("vpc-2");
    test.tfw(["apply", "dev/network", "--auto-approve"])
        .run()
        .succeeds();

    let state = test.local_state("dev/eks");
    let report = test
        .tfw([
            "apply",
            "dev/eks",
            "--from",
            "review",
            "--auto-approve",
            "--json",
        ])
        .run()
        .exits(4)
        .json();
    let told = texts(the_unit(&report, "dev/eks")).join("\n");
    assert!(
        told.contains("variable `vpc_id`: another value than recorded"),
        "{told}"
    );
    assert_eq!(test.local_state("dev/eks"), state);
}

#[test]
fn a_plan_that_was_touched_or_is_provisional() {
    let test = reviewed();
    let plan = test.path("review/dev.tfplan");
    let whole = fs::read(&plan).unwrap();
    fs::write(&plan, [&whole[..], b"x"].concat()).unwrap();
    edit(&test, |document| {
        document["units"][0]["provisional"] = json!(true);
    });
    is_refused(
        &test,
        &[
            "any more: plan",
            "`review/dev.tfplan` was touched: recorded SHA-256 ",
            "recorded as provisional",
        ],
    );
    fs::remove_file(&plan).unwrap();
    is_refused(&test, &["cannot read `review/dev.tfplan`"]);
    edit(&test, |document| {
        document["units"][0]["plan"]["file"] = json!("../environments/dev/main.tf");
    });
    is_refused(
        &test,
        &["plan: `../environments/dev/main.tf` is not its name"],
    );
}

#[test]
fn one_unit_that_does_not_fit_holds_all_of_them_up() {
    let test = TestEnvironment::offline()
        .environment("dev")
        .environment("lab");
    test.tfw(["plan", "--all", "--out", "review"])
        .run()
        .succeeds();
    test.write("environments/lab/terraform.tfvars", "greeting = \"x\"\n");
    let report = apply(&test).exits(4).json();
    assert_eq!(the_unit(&report, "lab")["result"], "refused");
    let dev = the_unit(&report, "dev");
    assert_eq!(dev["result"], "skipped");
    assert_eq!(test.local_state("dev"), None);
    // Copies of plans hold secrets, and go with the refusal.
    let plans = fs::read_dir(test.path("environments/.tfw/plans")).unwrap();
    let left = plans.flat_map(|run| fs::read_dir(run.unwrap().path()).unwrap());
    assert_eq!(left.count(), 0);
}

#[test]
fn a_protected_environment_without_its_name() {
    let main = fixtures::local(&fixtures::builtin());
    let test = TestEnvironment::offline().environment_with("prod", "protected = true", &main);
    test.tfw(["plan", "prod", "--out", "review"])
        .run()
        .succeeds();
    apply(&test).exits(4).says("`--approve prod` agrees");
    assert_eq!(test.local_state("prod"), None);
    let approve = [
        "apply",
        "--from",
        "review",
        "--auto-approve",
        "--approve",
        "prod",
    ];
    let run = test.tfw(approve).run().exits(4);
    run.says("`--new-state prod` says that this is meant");
    test.tfw(approve)
        .args(["--new-state", "prod"])
        .run()
        .succeeds();
    assert_eq!(test.local_resources("prod"), 1);
}

#[test]
fn a_state_that_moves_after_the_last_look() {
    let test = TestEnvironment::offline().environment("dev");
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    let main = fixtures::local(&fixtures::builtin()).replace("hello", "good evening");
    test.write("environments/dev/main.tf", &main);
    test.tfw(["plan", "dev", "--out", "review"])
        .run()
        .succeeds();
    test.fake_terraform(
        "[ \"$1\" != apply ] || sed -i 's/\"serial\": [0-9]*/\"serial\": 99/' terraform.tfstate\n\
         exec \"$REAL_TERRAFORM\" \"$@\"",
    );
    let run = apply(&test).exits(1);
    run.says("Saved plan is stale");
    run.says("hint: the state has changed since the plan was made; plan again, and review that");
    assert_eq!(test.local_output("dev", "greeting").unwrap(), "hello");
}
