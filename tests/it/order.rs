//! In which order units run, and what becomes of those behind one that fails.

use crate::support::{TestEnvironment, fixtures, the_unit};

fn result<'a>(report: &'a serde_json::Value, unit: &str) -> &'a str {
    the_unit(report, unit)["result"].as_str().unwrap_or("none")
}

#[test]
fn position_is_order_unless_an_environment_is_set_free() {
    let failing = fixtures::local(&fixtures::failing());
    let builtin = fixtures::local(&fixtures::builtin());
    let test = TestEnvironment::offline()
        .environment_with("dev", "", &failing)
        .environment("staging")
        .environment_with("lab", "depends_on = []", &builtin)
        .environment("tools");
    let report = test
        .tfw(["apply", "--all", "--auto-approve", "--json"])
        .run()
        .exits(1)
        .json();
    assert_eq!(result(&report, "dev"), "failed");
    assert_eq!(result(&report, "staging"), "skipped");
    let reason = the_unit(&report, "staging")["reason"].as_str().unwrap();
    assert!(reason.contains("waits for `dev`"), "{reason}");
    assert_eq!(result(&report, "lab"), "succeeded");
    assert_eq!(
        result(&report, "tools"),
        "succeeded",
        "it stands behind lab"
    );
    assert_eq!(test.local_state("staging"), None);
    let order: Vec<_> = report["units"]
        .as_array()
        .unwrap()
        .iter()
        .map(|unit| &unit["unit"])
        .collect();
    assert_eq!(order, ["dev", "staging", "lab", "tools"]);

    // Only those that were selected wait for each other.
    let report = test
        .tfw(["apply", "staging", "tools", "--auto-approve", "--json"])
        .run()
        .succeeds()
        .json();
    assert_eq!(result(&report, "staging"), "succeeded");
}

#[test]
fn fail_fast_starts_nothing_after_a_failure() {
    let failing = fixtures::local(&fixtures::failing());
    let builtin = fixtures::local(&fixtures::builtin());
    let test = TestEnvironment::offline()
        .defaults("[defaults.backend]\ntype = \"local\"\n\n[terraform]\nparallelism = 1\n")
        .environment_with("dev", "", &failing)
        .environment_with("lab", "depends_on = []", &builtin);
    let apply = ["apply", "--all", "--auto-approve", "--fail-fast", "--json"];
    let report = test.tfw(apply).run().exits(1).json();
    assert_eq!(result(&report, "dev"), "failed");
    assert_eq!(result(&report, "lab"), "skipped");
    let reason = the_unit(&report, "lab")["reason"].as_str().unwrap();
    assert!(reason.contains("--fail-fast"), "{reason}");
    assert_eq!(test.local_state("lab"), None);
}

#[test]
fn a_plan_skips_what_waits_for_an_output_and_apply_makes_it() {
    let test = TestEnvironment::network_and_eks();
    let report = test.tfw(["plan", "dev", "--json"]).run().succeeds().json();
    assert_eq!(report["result"], "succeeded");
    assert_eq!(result(&report, "dev/network"), "succeeded");
    let eks = the_unit(&report, "dev/eks");
    assert_eq!(eks["result"], "skipped");
    let reason = eks["reason"].as_str().unwrap();
    assert!(
        reason.contains("output `vpc_id` of `dev/network`"),
        "{reason}"
    );
    assert_eq!(eks["changes"], serde_json::Value::Null);

    let report = test
        .tfw(["apply", "dev", "--auto-approve", "--json"])
        .run()
        .succeeds()
        .json();
    for unit in ["dev/network", "dev/eks"] {
        assert_eq!(result(&report, unit), "succeeded");
        assert_eq!(the_unit(&report, unit)["changes"]["add"], 1);
    }
    assert_eq!(
        test.local_output("dev/eks", "cluster").unwrap(),
        "cluster in vpc-1"
    );
    // An apply of eks alone takes what is there.
    test.tfw(["apply", "dev/eks", "--auto-approve"])
        .run()
        .succeeds();
}

#[test]
fn an_apply_without_its_upstream_fails() {
    let test = TestEnvironment::network_and_eks();
    let run = test
        .tfw(["apply", "dev/eks", "--auto-approve"])
        .run()
        .exits(1);
    assert!(
        run.stdout
            .contains("`tfw apply dev/network dev/eks` makes both, in order"),
        "{}",
        run.stdout
    );
    assert_eq!(test.local_state("dev/eks"), None);
}

#[test]
fn a_plan_behind_pending_changes_is_provisional() {
    let test = TestEnvironment::network_and_eks();
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    let provisional = |report: &serde_json::Value, unit: &str| {
        the_unit(report, unit)["provisional"].as_bool().unwrap()
    };
    let report = test.tfw(["plan", "dev", "--json"]).run().succeeds().json();
    assert!(!provisional(&report, "dev/network") && !provisional(&report, "dev/eks"));

    test.change_network("vpc-2");
    let run = test.tfw(["plan", "dev", "--json"]).run().succeeds();
    let report = run.json();
    assert_eq!(the_unit(&report, "dev/network")["changes"]["change"], 1);
    assert!(!provisional(&report, "dev/network"));
    assert!(provisional(&report, "dev/eks"));
    assert!(
        run.stderr
            .contains("provisional: dev/eks is planned as if nothing changed upstream"),
        "{}",
        run.stderr
    );
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    assert_eq!(
        test.local_output("dev/eks", "cluster").unwrap(),
        "cluster in vpc-2"
    );
}
