//! Bad input: disks that cannot be written, or take no more.

use serde_json::Value;

use crate::support::{Run, TestEnvironment};

const APPLY: [&str; 5] = ["apply", "--all", "--auto-approve", "--yes", "--json"];

#[track_caller]
fn assert_says(run: &Run, parts: &[&str]) {
    for part in parts {
        assert!(
            run.stderr.contains(part),
            "`{part}` is not in:\n{}",
            run.stderr
        );
    }
}

#[test]
fn a_read_only_repository_is_named_and_nobody_is_asked() {
    let test = TestEnvironment::new().environment("dev");
    let before = test.files();
    let run = test
        .tfw_with_read_only("environments", APPLY)
        .run()
        .exits(1);
    let folder = test.path("environments/.tfw");
    assert_says(
        &run,
        &[
            &format!(
                "cannot create `{}`: read-only file system",
                folder.display()
            ),
            "hint:",
            "permissions",
        ],
    );
    let report = run.json();
    assert_eq!(report["result"], "failed");
    assert_eq!(report["run_id"], Value::Null);
    assert_eq!(test.files(), before);
    assert_eq!(test.proxy().requests().len(), 0);
    assert!(!test.bucket_exists("dev"));
}

#[test]
fn a_read_only_root_module_is_named_and_has_no_state_and_no_lock() {
    let test = TestEnvironment::new().environment("dev");
    let before = test.files();
    let run = test
        .tfw_with_read_only("environments/dev", APPLY)
        .run()
        .exits(1);
    let unit = &run.json()["units"][0];
    assert_eq!(unit["result"], "failed");
    assert_says(
        &run,
        &[
            "dev/.terraform`: read-only file system",
            "hint:",
            "permissions",
        ],
    );
    assert_eq!(test.files(), before);
    assert_eq!(test.state("dev"), None);
    assert!(!test.locked("dev"));
}

#[test]
fn a_read_only_root_module_that_is_initialised_can_be_planned() {
    let test = TestEnvironment::new().environment("dev");
    test.tfw(["init", "dev", "--yes"]).run().succeeds();
    let run = test
        .tfw_with_read_only("environments/dev", ["plan", "dev", "--json"])
        .run()
        .succeeds();
    assert_eq!(run.json()["units"][0]["changes"]["add"], 1);
}

/// From no room at all to room for everything: at each size the run either says what is missing
/// and has applied nothing, or has applied all and says so.
#[test]
fn a_full_disk_is_told_as_such_wherever_it_strikes() {
    let (mut failed, mut applied) = (0, 0);
    for pages in [1, 2, 3, 4, 5, 6, 7, 8, 9, 16] {
        let test = TestEnvironment::offline().environment("dev");
        let size = format!("{}k", pages * 4);
        let run = test.tfw_with_disk("environments/.tfw", &size, APPLY).run();
        let state = test.path("environments/dev/terraform.tfstate");
        if run.code() == 0 {
            applied += 1;
            assert_eq!(
                run.json()["units"][0]["changes"]["add"],
                1,
                "{size}: {}",
                run.stderr
            );
            assert!(state.exists());
        } else {
            failed += 1;
            let run = run.exits(1);
            assert_says(&run, &["hint:", "free space"]);
            assert_eq!(run.json()["result"], "failed");
            assert!(!state.exists(), "{size}: {}", run.stderr);
        }
        // With room again, all goes on as if nothing had been.
        test.tfw(APPLY).run().succeeds();
    }
    assert!(failed >= 4 && applied >= 1, "{failed} {applied}");
}

#[test]
fn a_full_disk_leaves_no_lock_and_no_state_behind() {
    let test = TestEnvironment::new().environment("dev");
    test.tfw(["init", "dev", "--yes"]).run().succeeds();
    let run = test
        .tfw_with_disk("environments/.tfw", "20k", APPLY)
        .run()
        .exits(1);
    assert_says(&run, &["hint:", "free space"]);
    assert_eq!(test.state("dev"), None);
    assert!(!test.locked("dev"));
}

/// Terraform ends well though the disk does not take all of the plan.
#[test]
fn half_a_plan_is_not_shown_and_not_applied() {
    let test = TestEnvironment::offline().environment("dev");
    test.fake_terraform(
        r#"
case $1 in plan) ;; *) exec "$REAL_TERRAFORM" "$@" ;; esac
"$REAL_TERRAFORM" "$@"
code=$?
for argument in "$@"; do
    case $argument in -out=*) plan=${argument#-out=} ;; esac
done
head -c 100 "$plan" > "$plan.half" && mv "$plan.half" "$plan"
exit $code
"#,
    );
    let run = test.tfw(APPLY).run().exits(1);
    assert_says(
        &run,
        &["could not write all of `.tfw/plans/", "hint:", "free space"],
    );
    assert!(!test.path("environments/dev/terraform.tfstate").exists());
}

/// The disk is full when an apply ends that could not save its state: what to do about the state
/// is worth more than the journal.
#[test]
fn a_full_disk_hides_no_state_that_waits_to_be_pushed() {
    let test = TestEnvironment::offline().environment("dev");
    test.tfw(["init", "dev"]).run().succeeds();
    test.fake_terraform(
        r#"
if [ "$1" = apply ]; then
  echo '{"@level":"error","@message":"","type":"diagnostic","diagnostic":{"severity":"error","summary":"no room for a state","detail":""}}'
  echo '{}' > errored.tfstate
  cat /dev/zero >> "$(echo ../.tfw/runs/*/journal.jsonl)" 2> /dev/null
  exit 1
fi
exec "$REAL_TERRAFORM" "$@"
"#,
    );
    let run = test
        .tfw_with_disk("environments/.tfw", "400k", APPLY)
        .run()
        .exits(1);
    assert_says(
        &run,
        &[
            "error: no room for a state",
            "Terraform could not save the state of `dev`; it is in `",
            "warning: cannot write",
        ],
    );
}
