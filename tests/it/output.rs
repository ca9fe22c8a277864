//! `tfw output`, and what a manifest is for: `manifest show`, `manifest schema`, completions, man.

use serde_json::{Value, json};

use crate::support::{Client, TestEnvironment, fixtures};

#[test]
fn outputs_are_masked_for_people_and_terraforms_own_object_for_programs() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("prod");
    test.tfw(["apply", "dev", "--yes", "--auto-approve"])
        .run()
        .succeeds();
    test.create_bucket("prod");

    test.proxy().forget();
    let people = test.tfw(["output", "--all"]).run().succeeds();
    // Outputs are read from the state, one request each, without starting Terraform.
    assert_eq!(test.proxy().count_tfw("GetObject"), 2);
    assert_eq!(
        test.proxy()
            .count(|request| request.client() == Client::Terraform),
        0
    );
    insta::assert_snapshot!(people.stdout, @r#"
    dev
      greeting = "hello"
      secret   = (sensitive value)
    prod
      (no outputs)
    "#);
    assert_eq!(people.stderr, "");

    let programs = test.tfw(["output", "--all", "--json"]).run().succeeds();
    let terraform = test.terraform("dev", ["output", "-json"]).run().succeeds();
    assert_eq!(
        programs.json(),
        json!({ "schema": 1, "units": { "dev": terraform.json(), "prod": {} } })
    );
    assert_eq!(terraform.json()["secret"]["value"], "s3cr3t-hello");
    assert_eq!(programs.stderr, "");
}

#[test]
fn outputs_of_every_type_are_as_terraform_prints_them() {
    let main = r#"terraform {
  backend "local" {}
}

output "number" {
  value = 1.50
}

output "large" {
  value = 12345678901234567890
}

output "object" {
  value = { z = [true, null], a = "ü\n" }
}

output "set" {
  value = toset(["b", "a"])
}

output "nothing" {
  value = null
}
"#;
    let test = TestEnvironment::offline().environment_with("dev", "", main);
    test.tfw(["apply", "dev", "--auto-approve"])
        .run()
        .succeeds();
    let programs = test.tfw(["output", "dev", "--json"]).run().succeeds();
    let terraform = test.terraform("dev", ["output", "-json"]).run().succeeds();
    assert_eq!(programs.json()["units"]["dev"], terraform.json());
}

#[test]
fn a_state_that_cannot_be_read_is_told_and_the_others_are_printed() {
    let test = TestEnvironment::new()
        .environment("dev")
        .environment("prod");
    test.tfw(["apply", "dev", "--yes", "--auto-approve"])
        .run()
        .succeeds();
    test.create_bucket("prod");
    test.put_object("prod", "terraform.tfstate", "{ half");
    let run = test.tfw(["output", "--all", "--json"]).run().exits(1);
    let document = run.json();
    let units: Vec<&String> = document["units"].as_object().unwrap().keys().collect();
    assert_eq!(units, ["dev"]);
    assert!(run.stderr.contains("prod"), "{}", run.stderr);
}

#[test]
fn the_manifest_is_shown_resolved_with_the_origin_of_each_value() {
    let test = TestEnvironment::new().environment("dev").environment_with(
        "prod",
        "protected = true\nregion = \"us-east-1\"\nlock_timeout = \"90s\"",
        &fixtures::builtin(),
    );
    let run = test.tfw(["manifest", "show"]).run().succeeds();
    for part in [
        "dev",
        "prod",
        &test.bucket("prod"),
        &test.account("prod"),
        "us-east-1",
        "tfw.toml:",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    let one = test.tfw(["manifest", "show", "dev"]).run().succeeds();
    assert!(!one.stdout.contains(&test.bucket("prod")), "{}", one.stdout);

    let run = test
        .tfw(["manifest", "show", "prod", "--json"])
        .run()
        .succeeds();
    let text = run.json().to_string();
    let role = format!("arn:aws:iam::{}:role/test", test.account("prod"));
    for part in [role.as_str(), &test.bucket("prod"), "us-east-1", "tfw.toml"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(run.json()["schema"], 1);
    // It asks nobody, and leaves nothing.
    assert_eq!(test.proxy().requests().len(), 0);
    assert!(!test.path("environments/.tfw").exists());
}

#[test]
fn the_schema_knows_the_keys_of_the_manifest() {
    let test = TestEnvironment::offline();
    let schema = test.tfw(["manifest", "schema"]).run().succeeds().json();
    let keys = |value: &Value| -> Vec<String> {
        value["properties"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    let top = keys(&schema);
    for key in ["project", "terraform", "defaults", "environments"] {
        assert!(top.contains(&key.to_owned()), "{key}: {top:?}");
    }
    assert!(schema["$schema"].is_string());
}

#[test]
fn completions_and_the_manual_are_printed() {
    let test = TestEnvironment::offline();
    for (shell, part) in [
        ("bash", "-F _clap_complete_tfw tfw"),
        ("zsh", "#compdef tfw"),
        ("fish", "complete --keep-order --exclusive --command tfw"),
    ] {
        let run = test.tfw(["completions", shell]).run().succeeds();
        assert!(run.stdout.contains(part), "{shell}: {}", run.stdout);
        // At each Tab the shell asks tfw itself.
        assert!(run.stdout.contains("TFW_COMPLETE"), "{shell}");
    }
    let run = test.tfw(["completions", "nosh"]).run().exits(3);
    assert!(run.stderr.contains("bash"), "{}", run.stderr);
    let run = test.tfw(["man"]).run().succeeds();
    for part in [".TH tfw", ".SH", "manifest"] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
}
