//! Bundles that are none, or none for this manifest; folders that cannot become one.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Run, TestEnvironment, texts};

fn apply(test: &TestEnvironment) -> Run {
    test.tfw(["apply", "--from", "review", "--auto-approve", "--json"])
        .run()
}

/// Changes the bundle's document by hand.
fn edit(test: &TestEnvironment, change: impl FnOnce(&mut Value)) {
    let mut document: Value = serde_json::from_str(&test.read("review/bundle.json")).unwrap();
    change(&mut document);
    test.write("review/bundle.json", &document.to_string());
}

#[test]
fn a_document_that_this_tfw_does_not_know() {
    let test = TestEnvironment::offline().environment("dev");
    test.tfw(["plan", "dev", "--out", "review"])
        .run()
        .succeeds();
    edit(&test, |document| document["clearance"] = json!("top"));
    let run = apply(&test).exits(4);
    run.says(
        "`review/bundle.json` is no bundle that this tfw can apply: unknown field `clearance`",
    );
    assert_eq!(run.json()["result"], "refused");
    edit(&test, |document| document["schema"] = json!(2));
    apply(&test).exits(4).says("it has the schema 2");
    test.write("review/bundle.json", "{");
    apply(&test)
        .exits(4)
        .says("is no bundle that this tfw can apply");
    assert_eq!(test.local_state("dev"), None);
}

#[test]
fn a_unit_that_the_manifest_has_no_more() {
    let test = TestEnvironment::offline()
        .environment("dev")
        .environment("lab");
    test.tfw(["plan", "--all", "--out", "review"])
        .run()
        .succeeds();
    let manifest = test.read("environments/tfw.toml");
    let other = manifest.replace("[environments.lab]", "[environments.other]\npath = \"lab\"");
    test.write("environments/tfw.toml", &other);
    apply(&test)
        .exits(4)
        .says("the bundle has `lab`, and the manifest has not");
    test.tfw(["apply", "dev", "--from", "review", "--auto-approve"])
        .run()
        .succeeds();
    assert_eq!(test.local_resources("dev"), 1);
}

#[test]
fn a_folder_that_is_not_empty() {
    let test = TestEnvironment::offline().environment("dev");
    test.write("review/notes.txt", "mine");
    test.tfw(["plan", "dev", "--out", "review"])
        .run()
        .exits(4)
        .says("`review` is not empty: a bundle has its folder for itself");
    assert_eq!(test.read("review/notes.txt"), "mine");
    test.tfw(["plan", "dev", "--out", "review/notes.txt"])
        .run()
        .exits(4)
        .says("is no folder");
    // A wrong command line leaves nothing behind.
    test.tfw(["plan", "nobody", "--out", "other"])
        .run()
        .exits(3);
    assert!(!test.path("other").exists());
}

#[test]
fn a_run_that_is_broken_off_leaves_no_bundle() {
    let test = TestEnvironment::offline()
        .defaults("[defaults.backend]\ntype = \"local\"\n\n[terraform]\nparallelism = 1\n")
        .environment("dev")
        .environment("lab");
    // The plan of `dev` is made when that of `lab` begins.
    test.fake_terraform(
        "case \"$1 $PWD\" in plan*lab) : > started; until [ -e finish ]; do sleep 0.05; done;; esac\n\
         exec \"$REAL_TERRAFORM\" \"$@\"",
    );
    for (signal, code, left) in [(Signal::INT, 130, false), (Signal::KILL, 137, true)] {
        let mut plan = test.tfw(["plan", "--all", "--out", "review"]).spawn();
        plan.wait_for_file(&test.path("environments/lab/started"));
        plan.signal(signal);
        let run = plan.wait().exits(code);
        assert_eq!(test.path("review").exists(), left, "{}", run.stdout);
        assert!(!test.path("review/bundle.json").exists());
        fs::remove_file(test.path("environments/lab/started")).unwrap();
        test.write("environments/lab/finish", "");
    }
    test.tfw(["plan", "--all", "--out", "review"])
        .run()
        .exits(4)
        .says("one without `bundle.json` was left by a run that was broken off");
    apply(&test).exits(3).says("there is no bundle in `review`");
}

#[test]
fn a_repository_that_git_cannot_read_is_a_warning() {
    let test = TestEnvironment::offline().environment("dev");
    test.write(".git", "gitdir: /nowhere\n");
    let run = test
        .tfw(["plan", "dev", "--out", "review", "--json"])
        .run()
        .succeeds();
    run.says("the bundle names no commit: git says: not a git repository: /nowhere");
    assert_eq!(texts(&run.json()).len(), 1);
    apply(&test).succeeds();
}
