//! Backend blocks that `tfw migrate` edits, and the screen on which it asks.

use crate::support::states::{state_of, unbacked};
use crate::support::{Screen, TestEnvironment};

/// A root module whose block names everything itself, and locks by DynamoDB.
fn literal(test: &TestEnvironment) -> String {
    format!(
        r#"# the one for dev
terraform {{
  required_version = ">= 1.10" # native locks

  backend "s3" {{
    bucket         = "{}"
    key            = "terraform.tfstate" # as ever
    dynamodb_table = "tfw-locks" # since 2019
    use_path_style = true
    encrypt        = true
  }}
}}
"#,
        test.bucket("dev")
    ) + &unbacked()
}

/// A table for locks, as people make it.
fn create_lock_table(test: &TestEnvironment) {
    test.dynamodb(
        "dev",
        "CreateTable",
        r#"{"TableName":"tfw-locks","KeySchema":[{"AttributeName":"LockID","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"LockID","AttributeType":"S"}],"BillingMode":"PAY_PER_REQUEST"}"#,
    );
}

#[test]
fn a_dynamodb_lock_gives_way_to_the_native_one() {
    let test = TestEnvironment::new().environment("dev");
    test.create_versioned_bucket("dev");
    create_lock_table(&test);
    test.write("environments/dev/main.tf", &literal(&test));
    test.apply_by_hand("dev");
    let state = test.object("dev", "terraform.tfstate").unwrap();

    // Somebody works: the table says so, and tfw asks it.
    let held = format!(
        r#"{{"TableName":"tfw-locks","Item":{{"LockID":{{"S":"{}/terraform.tfstate"}},"Info":{{"S":"{{\"ID\":\"abc-1\",\"Operation\":\"OperationTypeApply\",\"Who\":\"alice@laptop\",\"Created\":\"2026-01-02T03:04:05Z\"}}"}}}}}}"#,
        test.bucket("dev")
    );
    test.dynamodb("dev", "PutItem", &held);
    let refused = test.tfw(["migrate", "dev", "--yes"]).run().exits(4);
    refused.says("is locked in the DynamoDB table `tfw-locks` by alice@laptop");
    let key = format!(
        r#"{{"TableName":"tfw-locks","Key":{{"LockID":{{"S":"{}/terraform.tfstate"}}}}}}"#,
        test.bucket("dev")
    );
    test.dynamodb("dev", "DeleteItem", &key);

    let run = test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    run.says("the DynamoDB table `tfw-locks` is used no longer by this unit");
    assert_eq!(test.object("dev", "terraform.tfstate").unwrap(), state);
    let main = test.read("environments/dev/main.tf");
    assert!(!main.contains("dynamodb_table"), "{main}");
    assert!(
        main.contains("# since 2019") && main.contains("# as ever"),
        "{main}"
    );
    test.tfw(["plan", "dev", "--detailed-exitcode"])
        .run()
        .succeeds();
}

#[test]
fn a_block_that_names_another_place_is_where_the_state_comes_from() {
    let test = TestEnvironment::new().environment("dev");
    test.create_versioned_bucket("dev");
    let main = unbacked()
        + &format!(
            "terraform {{\n  backend \"s3\" {{\n    bucket = \"{}\"\n    key    = \"old/dev\"\n    use_path_style = true\n  }}\n}}\n",
            test.bucket("dev")
        );
    test.write("environments/dev/main.tf", &main);
    test.put_object("dev", "old/dev", &state_of("l-1", 4, "x"));
    test.tfw(["migrate", "dev", "--yes"]).run().succeeds();
    assert_eq!(
        test.state("dev").unwrap()["outputs"]["greeting"]["value"],
        "x"
    );
    // What the manifest says too may stay.
    let main = test.read("environments/dev/main.tf");
    assert!(
        main.contains("bucket = ") && main.contains("use_path_style = true"),
        "{main}"
    );
    assert!(!main.contains("old/dev"), "{main}");
}

#[test]
fn the_question_shows_everything_that_will_happen() {
    let test = TestEnvironment::new().environment_with(
        "dev",
        "",
        &("terraform {\n  required_version = \">= 1.10\" # native locks\n}\n\n".to_owned()
            + &unbacked()),
    );
    test.create_versioned_bucket("dev");
    test.write(
        "environments/dev/terraform.tfstate",
        &state_of("l-1", 4, "x"),
    );
    let mut terminal = test.tfw(["migrate", "dev"]).on_terminal_of(100, 60);
    terminal.wait_for("Type `yes` to agree, anything else to decline: ");
    terminal.type_line("yes");
    let screen = terminal.leaves(0);
    screen.is_tidy();
    insta::assert_snapshot!(known(&test, &screen), @r#"
    tfw migrate: 1 unit, run 20261122T000000Z-000000

    tfw will migrate 1 unit, one after the other:
      dev: dev/terraform.tfstate → s3://tfw-00000000-dev/terraform.tfstate, moves
          as role test in account 111111111111, eu-central-1
          workspace default: 1 resource
          edits dev/main.tf:
             terraform {
               required_version = ">= 1.10" # native locks
            +  backend "s3" {}
             }
          deletes, once all is read back and equal:
            dev/terraform.tfstate
    Deleting is not wiping: disks and git histories keep what was on them.
    Type `yes` to agree, anything else to decline: yes
    dev  edited dev/main.tf
    dev  succeeded (0.0s)

    dev: dev/terraform.tfstate → s3://tfw-00000000-dev/terraform.tfstate
      workspace default: 1 resource, content 58a015241a0b, version V
      deleted: dev/terraform.tfstate
      copies: .tfw/backups/dev.RUN (the state in clear, readable by you alone;
        remove them when you need them no longer)

    deleting is not wiping: disks and git histories keep what was on them

    UNIT  RESULT     TIME
    dev   succeeded  0.0s

    1 unit: 1 succeeded, in 0.0s
    next: see that nothing would change: tfw plan dev
    "#);
}

/// The screen with the same names, hashes and versions in every run.
fn known(test: &TestEnvironment, screen: &Screen) -> String {
    let text = screen
        .normal()
        .replace(&test.account("dev"), "111111111111")
        .replace(&test.bucket("dev"), "tfw-00000000-dev");
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = match line.split_once(", version ") {
            Some((before, _)) => format!("{before}, version V"),
            None => line.to_owned(),
        };
        let line = match (line.find("backups/dev."), line.find(" (the state")) {
            (Some(at), Some(end)) => {
                format!("{}RUN{}", &line[..at + "backups/dev.".len()], &line[end..])
            }
            _ => line,
        };
        lines.push(line);
    }
    lines.join("\n")
}

#[test]
fn a_declined_question_leaves_everything() {
    let test = TestEnvironment::new().environment_with("dev", "", &unbacked());
    test.create_versioned_bucket("dev");
    test.write(
        "environments/dev/terraform.tfstate",
        &state_of("l-1", 4, "x"),
    );
    let before = test.both_sides("dev");
    let mut terminal = test.tfw(["migrate", "dev"]).on_terminal_of(80, 40);
    terminal.wait_for("Type `yes` to agree, anything else to decline: ");
    terminal.type_line("no");
    terminal.leaves(4).is_tidy();
    assert_eq!(test.both_sides("dev"), before);
}
