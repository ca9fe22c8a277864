//! `errored.tfstate`: a state that Terraform could not save.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{TestEnvironment, texts, the_unit};

#[test]
fn a_state_that_could_not_be_saved_is_kept_and_can_be_pushed() {
    let test = TestEnvironment::new().environment("dev");
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    test.proxy()
        .when(move |request| {
            is_broken.load(Ordering::Relaxed)
                && request.operation() == "PutObject"
                && request.path.ends_with(".tfstate")
        })
        .refuse(403, "AccessDenied");
    let run = test
        .tfw(["apply", "dev", "--yes", "--auto-approve", "--json"])
        .run()
        .exits(1);
    assert_eq!(test.state("dev"), None);
    assert!(!test.path("environments/dev/errored.tfstate").exists());
    let kept = test.run_folder().join("dev.errored.tfstate");
    let mode = kept.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");

    let report = run.json();
    let told = texts(the_unit(&report, "dev")).join("\n");
    let command = told
        .lines()
        .find_map(|line| line.strip_prefix("hint: `")?.strip_suffix("` saves it"))
        .unwrap_or_else(|| panic!("no command in {told}"));
    let words = shlex::split(command).unwrap();
    assert_eq!(words[..6], ["tfw", "exec", "dev", "--", "state", "push"]);
    assert_eq!(PathBuf::from(&words[6]), kept);

    broken.store(false, Ordering::Relaxed);
    test.tfw([]).args(&words[1..]).run().succeeds();
    let state = test.state("dev").expect("pushed");
    assert_eq!(state["outputs"]["greeting"]["value"], "hello");
    assert!(!test.locked("dev"));
    test.tfw(["plan", "dev", "--detailed-exitcode"])
        .run()
        .succeeds();
}

#[test]
fn nothing_is_applied_over_a_state_that_waits_to_be_pushed() {
    let test = TestEnvironment::offline()
        .environment("dev")
        .environment("prod");
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    let state = test.read("environments/dev/terraform.tfstate");
    let mut unsaved: serde_json::Value = serde_json::from_str(&state).unwrap();
    unsaved["serial"] = (unsaved["serial"].as_u64().unwrap() + 1).into();
    unsaved["outputs"]["greeting"]["value"] = "good evening".into();
    let unsaved = unsaved.to_string();
    let errored = test.write("environments/dev/errored.tfstate", &unsaved);

    let run = test
        .tfw(["apply", "--all", "--auto-approve", "--json"])
        .run()
        .exits(4);
    let report = run.json();
    let dev = the_unit(&report, "dev");
    assert_eq!(dev["result"], "refused");
    let told = texts(dev).join("\n");
    assert!(
        told.contains("hint: `tfw exec dev -- state push errored.tfstate` saves it"),
        "{told}"
    );
    assert_eq!(the_unit(&report, "prod")["result"], "skipped");
    assert_eq!(test.local_state("prod"), None);
    assert_eq!(test.read("environments/dev/errored.tfstate"), unsaved);
    test.tfw(["plan", "dev"]).run().succeeds();

    test.tfw(["exec", "dev", "--", "state", "push", "errored.tfstate"])
        .run()
        .succeeds();
    std::fs::remove_file(errored).unwrap();
    assert_eq!(
        test.local_output("dev", "greeting").unwrap(),
        "good evening"
    );
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
}
