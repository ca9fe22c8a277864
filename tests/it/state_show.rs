//! What a state says and how two differ, without its secrets unless they are asked for.

use serde_json::{Value, json};

use crate::support::{TestEnvironment, fixtures};

const KEY: &str = "terraform.tfstate";

/// Everything secret in [`state`].
const SECRETS: [&str; 3] = ["hunter2", "s3cr3t", "pa55word"];

fn state(serial: u64, cidr: &str, password: &str) -> String {
    json!({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": "l-1",
        "outputs": {
            "cidr": { "value": cidr, "type": "string" },
            "login": { "value": { "user": "admin", "pin": "s3cr3t" }, "type": "string", "sensitive": true },
        },
        "resources": [
            { "mode": "data", "type": "aws_ami", "name": "this", "provider": "p",
              "instances": [{ "attributes": { "id": "ami-1" } }] },
            { "mode": "managed", "module": "module.net", "type": "aws_subnet", "name": "this", "provider": "p",
              "instances": [
                { "index_key": "a", "attributes": { "id": "subnet-1", "cidr": cidr, "tags": { "k": "v" } } },
                { "index_key": "b", "attributes": { "id": "subnet-2" }, "status": "tainted" },
              ] },
            { "mode": "managed", "type": "aws_db_instance", "name": "this", "provider": "p",
              "instances": [{
                "attributes": {
                    "id": "db-1", "password": "pa55word", "marked": password,
                    "url": format!("pg://admin:{password}@db"), "port": 5432,
                },
                "sensitive_attributes": [[{ "type": "get_attr", "value": "marked" }]],
                "private": "aHVudGVyMg==",
              }] },
        ],
    })
    .to_string()
}

/// `dev`, with two versions of a state.
fn two_versions(test: TestEnvironment) -> TestEnvironment {
    let test = test.environment("dev");
    test.create_versioned_bucket("dev");
    test.put_object("dev", KEY, &state(7, "10.0.0.0/16", "hunter2-old"));
    test.put_object("dev", KEY, &state(8, "10.1.0.0/16", "hunter2-new"));
    test
}

#[test]
fn state_show_lists_addresses_and_tells_attributes() {
    let test = two_versions(TestEnvironment::new());
    test.without_terraform();
    let run = test.tfw(["state", "show", "dev"]).run().succeeds();
    insta::assert_snapshot!(run.stdout, @r#"
    data.aws_ami.this
    module.net.aws_subnet.this["a"]
    module.net.aws_subnet.this["b"] (tainted)
    aws_db_instance.this

    output.cidr  = "10.1.0.0/16"
    output.login = (sensitive value)
    "#);
    let run = test
        .tfw(["state", "show", "dev", "module.net"])
        .run()
        .succeeds();
    insta::assert_snapshot!(run.stdout, @r#"
    module.net.aws_subnet.this["a"]
      id   = "subnet-1"
      cidr = "10.1.0.0/16"
      tags = {
        "k": "v"
      }

    module.net.aws_subnet.this["b"] (tainted)
      id = "subnet-2"
    "#);
    let run = test
        .tfw(["state", "show", "dev", "aws_db_instance.this"])
        .run()
        .succeeds();
    insta::assert_snapshot!(run.stdout, @r#"
    aws_db_instance.this
      id       = "db-1"
      password = (sensitive value)
      marked   = (sensitive value)
      url      = (sensitive value)
      port     = 5432
    "#);
    let run = test
        .tfw(["state", "show", "dev", "aws_db_instance.this", "--reveal"])
        .run()
        .succeeds();
    run.says("marked   = \"hunter2-new\"");
    run.says("password = \"pa55word\"");

    let failed = test
        .tfw(["state", "show", "dev", "aws_db_instance.thisx"])
        .run()
        .exits(1);
    failed.says("`aws_db_instance.thisx` is not in the state of `dev`");
    failed.says("did you mean `aws_db_instance.this`?");
}

#[test]
fn state_show_has_a_document_with_every_field() {
    let test = two_versions(TestEnvironment::new());
    let json = |args: &[&str]| {
        let run = test
            .tfw(["state", "show", "dev", "--json"])
            .args(args)
            .run();
        run.succeeds().json()
    };
    let all = json(&[]);
    assert_eq!(all["schema"], 1);
    assert_eq!(
        (&all["unit"], &all["workspace"]),
        (&json!("dev"), &json!("default"))
    );
    assert_eq!(
        (&all["serial"], &all["lineage"]),
        (&json!(8), &json!("l-1"))
    );
    assert!(all["version_id"].is_string() && all["modified"].is_string());
    assert_eq!(all["resources"].as_array().unwrap().len(), 4);
    assert_eq!(
        all["resources"][2],
        json!({ "address": "module.net.aws_subnet.this[\"b\"]", "mode": "managed",
                "type": "aws_subnet", "provider": "p", "tainted": true, "attributes": null })
    );
    assert_eq!(all["outputs"]["login"]["value"], "(sensitive value)");
    let old = json(&["--version", "7", "output.cidr"]);
    assert_eq!(old["outputs"]["cidr"]["value"], "10.0.0.0/16");
    assert_eq!(old["resources"], json!([]));
    let one = json(&["module.net.aws_subnet.this[\"a\"]"]);
    assert_eq!(one["resources"][0]["attributes"]["tags"]["k"], "v");
}

fn versions_are_compared(test: TestEnvironment) {
    let test = two_versions(test);
    test.without_terraform();
    let run = test
        .tfw(["state", "diff", "dev", "latest~1", "latest"])
        .run()
        .succeeds();
    run.says("Differences in dev");
    run.says("~ aws_db_instance.this");
    run.says("marked: (sensitive value) → (sensitive value)");
    run.says("cidr: \"10.0.0.0/16\" → \"10.1.0.0/16\"");
    run.says("output ~ cidr \"10.0.0.0/16\" → \"10.1.0.0/16\"");
    run.says("resources: ~2");
    let history = test.tfw(["state", "history", "dev", "--json"]).run().json();
    let id = |index: usize| {
        history["versions"][index]["version_id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (newest, oldest) = (id(0), id(1));
    for (from, to) in [("7", "8"), (oldest.as_str(), newest.as_str()), ("~1", "8")] {
        let run = test
            .tfw([
                "state",
                "diff",
                "dev",
                from,
                to,
                "--json",
                "--detailed-exitcode",
            ])
            .run()
            .exits(2);
        let document = run.json();
        assert_eq!(
            (&document["from"]["serial"], &document["to"]["serial"]),
            (&json!(7), &json!(8))
        );
        assert_eq!(
            document["changes"],
            json!({ "add": 0, "change": 2, "destroy": 0 })
        );
        assert_eq!(
            document["resources"][1]["address"],
            "module.net.aws_subnet.this[\"a\"]"
        );
        assert_eq!(
            document["resources"][1]["attributes"],
            json!([{ "path": "cidr", "before": "10.0.0.0/16", "after": "10.1.0.0/16" }])
        );
    }
    let same = test
        .tfw(["state", "diff", "dev", "8", "latest", "--detailed-exitcode"])
        .run()
        .succeeds();
    same.says("no resource and no output differs");
    let run = test
        .tfw(["state", "diff", "dev", "7", "8", "--reveal"])
        .run()
        .succeeds();
    run.says("marked: \"hunter2-old\" → \"hunter2-new\"");

    test.put_object("dev", KEY, &state(8, "10.2.0.0/16", "hunter2-new"));
    for (name, why) in [
        (
            "8",
            "several versions of the state of `dev` have the serial 8",
        ),
        ("9", "no version of the state of `dev` has the serial 9"),
        ("~3", "`~3` is too far back: there are 3 versions"),
        ("nonsense", "`nonsense` is no version of the state of `dev`"),
    ] {
        let failed = test
            .tfw(["state", "diff", "dev", name, "latest"])
            .run()
            .exits(1);
        failed.says(why);
        failed.says("`tfw state history dev --limit 0` lists them all");
    }
}

#[test]
fn state_diff_tells_what_changed() {
    versions_are_compared(TestEnvironment::new());
}

#[test]
fn state_diff_tells_what_changed_on_seaweedfs() {
    versions_are_compared(TestEnvironment::on_seaweedfs());
}

#[test]
fn state_commands_print_and_keep_no_secret() {
    let test = two_versions(TestEnvironment::new());
    for command in [
        &["state", "history", "dev"][..],
        &["state", "show", "dev"],
        &["state", "show", "dev", "aws_db_instance.this"],
        &["state", "show", "dev", "output.login"],
        &["state", "diff", "dev", "~1", "~0"],
    ] {
        for more in [&[][..], &["--json"], &["-v"]] {
            let run = test.tfw([]).args(command).args(more).run().succeeds();
            for secret in SECRETS {
                let said = [&run.stdout, &run.stderr];
                assert!(!said.iter().any(|text| text.contains(secret)), "{run:?}");
            }
        }
    }
    for (path, bytes) in test.files() {
        let text = String::from_utf8_lossy(&bytes);
        let is_ours = path.to_string_lossy().contains("/.tfw/");
        assert!(
            !is_ours || !SECRETS.iter().any(|secret| text.contains(secret)),
            "{}",
            path.display()
        );
    }
}

#[test]
fn state_show_of_a_real_state_hides_what_the_configuration_calls_sensitive() {
    let test = TestEnvironment::new().environment("dev");
    let main = fixtures::builtin()
        .replace(
            "default = \"hello\"",
            "default = \"hunter2\"\n  sensitive = true",
        )
        .replace(
            "value = terraform_data.this.output",
            "value = nonsensitive(\"x\")",
        );
    test.write("environments/dev/main.tf", &main);
    test.tfw(["apply", "dev", "--yes", "--auto-approve"])
        .run()
        .succeeds();
    let run = test
        .tfw(["state", "show", "dev", "terraform_data.this", "--json"])
        .run()
        .succeeds();
    assert!(!run.stdout.contains("hunter2"), "{}", run.stdout);
    let attributes = run.json()["resources"][0]["attributes"].clone();
    assert!(attributes["id"].is_string() && attributes["triggers_replace"] == Value::Null);
    let run = test
        .tfw(["state", "show", "dev", "terraform_data.this", "--reveal"])
        .run();
    run.succeeds().says("hunter2");
}
