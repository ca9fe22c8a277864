//! What `tfw migrate` does not do: both sides are as they were, to the byte.

use crate::support::states::{state_of, unbacked};
use crate::support::{TestEnvironment, the_unit};

/// One environment with a local state, and a bucket that keeps versions.
fn local() -> TestEnvironment {
    let test = TestEnvironment::new().environment_with("dev", "", &unbacked());
    test.create_versioned_bucket("dev");
    test.write(
        "environments/dev/terraform.tfstate",
        &state_of("l-here", 3, "here"),
    );
    test
}

/// Asserts that the command ends so, says this, and changes nothing on either side.
#[track_caller]
fn assert_untouched<const N: usize>(
    test: &TestEnvironment,
    args: [&str; N],
    code: i32,
    words: &[&str],
) {
    let before = test.both_sides("dev");
    let run = test.tfw(args).run().exits(code);
    for word in words {
        run.says(word);
    }
    assert_eq!(test.both_sides("dev"), before);
}

#[test]
fn another_state_at_the_destination_is_not_replaced_and_both_are_shown() {
    let test = local();
    test.put_object(
        "dev",
        "terraform.tfstate",
        &state_of("l-there", 50, "there"),
    );
    assert_untouched(
        &test,
        ["migrate", "dev", "--yes"],
        4,
        &[
            "there is another state at the destination of `dev`",
            "lineage l-here, serial 3, 1 resource",
            "lineage l-there, serial 50, 1 resource",
            "last changed 20",
            "--overwrite l-there",
        ],
    );
    // Another lineage than the one that is there is no leave.
    assert_untouched(
        &test,
        ["migrate", "dev", "--yes", "--overwrite", "l-here"],
        4,
        &[],
    );

    let report = test
        .tfw([
            "migrate",
            "dev",
            "--yes",
            "--overwrite",
            "l-there",
            "--json",
        ])
        .run()
        .succeeds()
        .json();
    assert_eq!(report["exit_code"], 0);
    assert_eq!(
        test.state("dev").unwrap()["outputs"]["greeting"]["value"],
        "here"
    );
    assert_eq!(test.versions("dev", "terraform.tfstate"), 2);
    let journal = std::fs::read_to_string(test.backups("dev")[0].join("journal.jsonl")).unwrap();
    let replaced = test
        .history("dev")
        .into_iter()
        .find(|entry| entry.starts_with("Version terraform.tfstate ") && entry.ends_with("false"))
        .unwrap();
    let version = replaced.split(' ').nth(2).unwrap();
    assert!(journal.contains(version), "{journal}");
}

#[test]
fn without_consent_nothing_is_edited_and_the_flag_is_named() {
    let test = local();
    assert_untouched(
        &test,
        ["migrate", "dev", "--no-input"],
        4,
        &["nobody agreed to migrating the state", "`--yes` agrees"],
    );
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let test = local();
    assert_untouched(
        &test,
        ["migrate", "dev", "--dry-run"],
        0,
        &[
            "dev/terraform.tfstate → s3://",
            "workspace default: 1 resource",
            "edits dev/backend.tf",
            "+  backend \"s3\" {}",
            "deletes, once all is read back and equal:",
        ],
    );
    assert!(test.backups("dev").is_empty());
    let report = test
        .tfw(["migrate", "dev", "--dry-run", "--json"])
        .run()
        .succeeds()
        .json();
    let migration = &the_unit(&report, "dev")["migration"];
    assert_eq!(migration["from"], "dev/terraform.tfstate");
    assert_eq!(migration["workspaces"][0]["resources"], 1);
    assert_eq!(
        migration["workspaces"][0]["version_id"],
        serde_json::Value::Null
    );
    assert_eq!(migration["deleted"], serde_json::json!([]));
}

#[test]
fn a_dry_run_makes_no_bucket() {
    let test = TestEnvironment::new().environment_with("dev", "", &unbacked());
    test.apply_by_hand("dev");
    let run = test.tfw(["migrate", "dev", "--dry-run"]).run().succeeds();
    run.says(&format!("creates the state bucket {}", test.bucket("dev")));
    run.says("dev/terraform.tfstate → s3://");
    assert!(!test.bucket_exists("dev"));
}

#[test]
fn a_protected_environment_takes_its_name() {
    let test = TestEnvironment::new().environment_with("dev", "protected = true", &unbacked());
    test.create_versioned_bucket("dev");
    test.write("environments/dev/terraform.tfstate", &state_of("l", 1, "x"));
    assert_untouched(&test, ["migrate", "dev", "--yes"], 4, &["--approve dev"]);
    test.tfw(["migrate", "dev", "--yes", "--approve", "dev"])
        .run()
        .succeeds();
}

#[test]
fn a_locked_destination_is_waited_for_by_its_person() {
    let test = local();
    test.put_object(
        "dev",
        "terraform.tfstate.tflock",
        r#"{"ID":"4bb62615","Operation":"OperationTypeApply","Who":"alice@laptop","Created":"2026-01-02T03:04:05Z"}"#,
    );
    assert_untouched(
        &test,
        ["migrate", "dev", "--yes"],
        5,
        &[
            "locked by alice@laptop since 2026-01-02 03:04:05 UTC",
            "lock id: 4bb62615",
        ],
    );
}

#[test]
fn a_bucket_without_versions_is_not_written_to() {
    let test = TestEnvironment::new().environment_with("dev", "", &unbacked());
    test.create_bucket("dev");
    test.write("environments/dev/terraform.tfstate", &state_of("l", 1, "x"));
    assert_untouched(
        &test,
        ["migrate", "dev", "--yes"],
        4,
        &["keeps no versions", "tfw backend ensure dev"],
    );
}

#[test]
fn two_places_that_may_hold_the_state_are_named() {
    let test = TestEnvironment::new().environment("dev");
    test.tfw(["apply", "dev", "--yes", "--auto-approve"])
        .run()
        .succeeds();
    let manifest = test.read("environments/tfw.toml");
    test.write(
        "environments/tfw.toml",
        &manifest.replace("{stack}/terraform.tfstate", "moved/terraform.tfstate"),
    );
    test.write("environments/dev/terraform.tfstate", &state_of("l", 1, "x"));
    assert_untouched(
        &test,
        ["migrate", "dev", "--yes"],
        4,
        &["in 2 places", "`.terraform` records it", "--from PLACE"],
    );
}

#[test]
fn a_state_that_could_not_be_saved_stands_in_the_way() {
    let test = local();
    test.write("environments/dev/errored.tfstate", "{}");
    assert_untouched(&test, ["migrate", "dev", "--yes"], 4, &["errored.tfstate"]);
}

#[test]
fn one_refusal_stops_all_units() {
    let test = TestEnvironment::new()
        .environment_with("dev", "", &unbacked())
        .environment_with("prod", "", &unbacked());
    for unit in ["dev", "prod"] {
        test.create_versioned_bucket(unit);
        test.write(
            &format!("environments/{unit}/terraform.tfstate"),
            &state_of("l", 1, "x"),
        );
    }
    test.put_object("prod", "terraform.tfstate", &state_of("other", 9, "y"));
    let before = test.both_sides("dev");
    let report = test
        .tfw(["migrate", "--all", "--yes", "--json"])
        .run()
        .exits(4)
        .json();
    assert_eq!(the_unit(&report, "prod")["result"], "refused");
    assert_eq!(the_unit(&report, "dev")["result"], "skipped");
    assert_eq!(test.both_sides("dev"), before);
}

#[test]
fn a_local_state_in_use_is_not_moved() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "",
        &crate::support::fixtures::gated().replace("terraform {\n  backend \"s3\" {}\n}\n\n", ""),
    );
    test.create_versioned_bucket("dev");
    test.terraform("dev", ["init", "-input=false"])
        .run()
        .succeeds();
    let mut apply = test.terraform("dev", ["apply", "-auto-approve"]).spawn();
    apply.wait_for_file(&test.path("environments/dev/started"));
    let run = test.tfw(["migrate", "dev", "--yes"]).run().exits(5);
    run.says("is locked by");
    test.write("environments/dev/finish", "");
    apply.wait().succeeds();
    test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
}

#[test]
fn a_place_without_a_state_is_no_place_to_come_from() {
    let test = local();
    assert_untouched(
        &test,
        [
            "migrate",
            "dev",
            "--yes",
            "--from",
            "environments/dev/typo.tfstate",
        ],
        4,
        &["there is no state at the place that `--from` names"],
    );
    let from = format!("s3://{}/typo", test.bucket("dev"));
    assert_untouched(
        &test,
        ["migrate", "dev", "--yes", "--from", &from],
        4,
        &["there is no state at the place that `--from` names"],
    );
}

#[test]
fn a_file_that_is_no_state_is_said_to_be_none() {
    let test = local();
    assert_untouched(
        &test,
        [
            "migrate",
            "dev",
            "--yes",
            "--from",
            "environments/dev/main.tf",
        ],
        4,
        &["it is not a Terraform state"],
    );
    let nonsense = "s3://b/k?region=mars-1&foo=1";
    assert_untouched(
        &test,
        ["migrate", "dev", "--from", nonsense],
        3,
        &["region=REGION"],
    );
}

#[test]
fn a_state_is_not_moved_onto_itself_however_its_path_is_written() {
    let test = TestEnvironment::offline().environment("dev");
    test.write("environments/dev/terraform.tfstate", &state_of("l", 1, "x"));
    let before = test.read("environments/dev/terraform.tfstate");
    let from = "environments/dev/../dev/terraform.tfstate";
    test.tfw(["migrate", "dev", "--yes", "--from", from])
        .run()
        .exits(4)
        .says("names the place where the state of `dev` is to go");
    assert_eq!(test.read("environments/dev/terraform.tfstate"), before);
}

#[test]
fn a_file_that_is_named_brings_no_other_workspace_along() {
    let test = TestEnvironment::new().environment("dev");
    test.create_versioned_bucket("dev");
    let folder = "environments/dev/terraform.tfstate.d";
    for name in ["dev", "prod"] {
        test.write(
            &format!("{folder}/{name}/terraform.tfstate"),
            &state_of(name, 1, name),
        );
    }
    let from = format!("{folder}/dev/terraform.tfstate");
    let run = test
        .tfw(["migrate", "dev", "--yes", "--from", &from])
        .run()
        .succeeds();
    run.says("`dev/terraform.tfstate.d/prod/terraform.tfstate` is a local state");
    assert_eq!(
        test.state("dev").unwrap()["outputs"]["greeting"]["value"],
        "dev"
    );
    assert!(
        test.path(&format!("{folder}/prod/terraform.tfstate"))
            .exists()
    );
    assert_eq!(test.object("dev", "env:/prod/terraform.tfstate"), None);
}

#[test]
fn a_state_in_another_workspace_than_the_units_is_not_moved() {
    let test = local();
    let manifest = test.read("environments/tfw.toml");
    test.write(
        "environments/tfw.toml",
        &manifest.replace("type = \"s3\"\n", "type = \"s3\"\nworkspace = \"blue\"\n"),
    );
    assert_untouched(
        &test,
        ["migrate", "dev", "--yes"],
        4,
        &["`dev` uses the workspace `blue`, and the state to be moved is in `default`"],
    );
}

#[test]
fn an_unfinished_migration_goes_where_it_began_to_go_or_nowhere() {
    let test = local();
    let state = format!("/{}/terraform.tfstate", test.bucket("dev"));
    test.proxy()
        .when(move |request| request.method == "PUT" && request.path == state)
        .times(1)
        .refuse(403, "AccessDenied");
    test.tfw(["migrate", "dev", "--yes"]).run().exits(1);
    assert_untouched(
        &test,
        ["migrate", "dev", "--yes", "--to-local"],
        4,
        &["an unfinished migration of `dev` goes from", "--abort dev"],
    );
    let manifest = test.read("environments/tfw.toml");
    test.write(
        "environments/tfw.toml",
        &manifest.replace("{stack}/terraform.tfstate", "other/terraform.tfstate"),
    );
    assert_untouched(
        &test,
        ["migrate", "dev", "--yes"],
        4,
        &["an unfinished migration"],
    );
    test.tfw(["migrate", "dev", "--yes", "--abort"])
        .run()
        .succeeds();
    assert!(!test.path("environments/dev/backend.tf").exists());
    test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    assert!(test.object("dev", "other/terraform.tfstate").is_some());
}

#[test]
fn a_record_of_a_place_without_a_state_does_not_stand_in_the_way() {
    let test = TestEnvironment::new().environment("dev");
    test.write(
        "environments/dev/main.tf",
        &crate::support::fixtures::local(&crate::support::fixtures::builtin()),
    );
    test.terraform("dev", ["init", "-input=false"])
        .run()
        .succeeds();
    test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    assert!(
        test.read("environments/dev/main.tf")
            .contains("backend \"s3\" {}")
    );
    test.tfw(["plan", "dev"]).run().succeeds();
}

#[test]
fn a_source_that_went_on_is_no_dead_end() {
    let test = local();
    let state = format!("/{}/terraform.tfstate", test.bucket("dev"));
    let source = test.path("environments/dev/terraform.tfstate");
    let later = state_of("l-here", 4, "went on");
    let written = later.clone();
    test.proxy()
        .when(move |request| request.method == "PUT" && request.path == state)
        .times(1)
        .happens_after(move || std::fs::write(&source, &written).unwrap());
    test.tfw(["migrate", "dev", "--yes"]).run().exits(4);
    let again = test.tfw(["migrate", "dev", "--yes"]).run().exits(4);
    again.says("has changed since an unfinished migration of `dev` copied it");
    test.tfw(["migrate", "dev", "--yes", "--abort"])
        .run()
        .succeeds();
    assert_eq!(test.read("environments/dev/terraform.tfstate"), later);
    assert_eq!(test.object("dev", "terraform.tfstate"), None);
    test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    assert_eq!(
        test.state("dev").unwrap()["outputs"]["greeting"]["value"],
        "went on"
    );
}

#[test]
fn what_may_not_even_be_locked_can_be_taken_back() {
    let test = local();
    let before = test.both_sides("dev");
    test.proxy()
        .when(|request| request.method == "PUT" && request.path.ends_with(".tflock"))
        .refuse(403, "AccessDenied");
    let run = test.tfw(["migrate", "dev", "--yes"]).run().exits(1);
    run.says("cannot take the lock");
    assert_ne!(test.both_sides("dev"), before, "the block is edited");
    test.tfw(["migrate", "dev", "--yes", "--abort"])
        .run()
        .succeeds();
    assert_eq!(test.both_sides("dev"), before);
}
