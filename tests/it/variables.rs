//! What a manifest gives to Terraform: `var_files`, `vars`, `inputs` and `env` arrive as written.

use serde_json::{Value, json};

use crate::support::TestEnvironment;

/// Shows each variable as an output of the same name.
fn module(variables: &[(&str, &str)]) -> String {
    variables.iter().fold(
        String::from("terraform {\n  backend \"local\" {}\n}\n"),
        |text, (name, kind)| {
            text + &format!(
                "\nvariable \"{name}\" {{\n  type = {kind}\n}}\n\noutput \"{name}\" {{\n  value = var.{name}\n}}\n"
            )
        },
    )
}

/// The outputs of a unit after `tfw apply --all`.
#[track_caller]
fn outputs(test: &TestEnvironment, unit: &str) -> Value {
    test.tfw(["apply", "--all", "--auto-approve"])
        .run()
        .succeeds();
    let run = test.tfw(["output", "--all", "--json"]).run().succeeds();
    let outputs = run.json()["units"][unit].clone();
    let values: serde_json::Map<String, Value> = outputs
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, output)| (name.clone(), output["value"].clone()))
        .collect();
    Value::Object(values)
}

#[test]
fn vars_arrive_with_their_types() {
    let main = module(&[
        ("text", "string"),
        ("looks_like_a_number", "string"),
        ("quoted", "string"),
        ("number", "number"),
        ("fraction", "number"),
        ("flag", "bool"),
        ("list", "list(string)"),
        ("object", "object({ name = string, ports = list(number) })"),
        ("place", "string"),
    ]);
    let vars = r#"
[environments.dev.vars]
text = "plain ü ${{not.hcl}} $HOME 'x'"
looks_like_a_number = "007"
quoted = "a \"b\"\nc"
number = 42
fraction = 1.5
flag = true
list = ["a", "b,c"]
object = { name = "x", ports = [80, 443] }
place = "{environment}-{{x}}"
"#;
    let test = TestEnvironment::offline().environment_with("dev", vars, &main);
    assert_eq!(
        outputs(&test, "dev"),
        json!({
            "text": "plain ü ${not.hcl} $HOME 'x'",
            "looks_like_a_number": "007",
            "quoted": "a \"b\"\nc",
            "number": 42,
            "fraction": 1.5,
            "flag": true,
            "list": ["a", "b,c"],
            "object": { "name": "x", "ports": [80, 443] },
            "place": "dev-{x}",
        })
    );
}

#[test]
fn var_files_arrive_in_their_order() {
    let main = module(&[
        ("first", "string"),
        ("second", "string"),
        ("typed", "number"),
    ]);
    let test = TestEnvironment::offline().environment_with(
        "dev",
        "var_files = [\"common files.tfvars\", \"dev/own.tfvars\"]\nvars = { typed = 3 }",
        &main,
    );
    test.write(
        "environments/common files.tfvars",
        "first  = \"common\"\nsecond = \"common\"\n",
    );
    test.write("environments/dev/own.tfvars", "second = \"own\"\n");
    assert_eq!(
        outputs(&test, "dev"),
        json!({ "first": "common", "second": "own", "typed": 3 })
    );
    // Also where the person types the subcommand.
    let run = test
        .tfw(["exec", "dev", "--", "plan", "-detailed-exitcode"])
        .run()
        .succeeds();
    assert!(run.stdout.contains("No changes"), "{}", run.stdout);
}

#[test]
fn inputs_arrive_typed_and_beat_vars() {
    let upstream = r#"terraform {
  backend "local" {}
}

output "zones" {
  value = { a = ["x", "y"], b = [] }
}

output "id" {
  value     = "vpc-1"
  sensitive = true
}
"#;
    let main = module(&[("zones", "map(list(string))"), ("name", "string")]).replace(
        "value = var.name",
        "value     = var.name\n  sensitive = true",
    );
    let test = TestEnvironment::offline()
        .environment_with("dev", "", upstream)
        .environment_with(
            "prod",
            "vars = { name = \"from vars\" }\ninputs = { zones = \"dev.zones\", name = \"dev.id\" }",
            &main,
        );
    assert_eq!(
        outputs(&test, "prod"),
        json!({ "zones": { "a": ["x", "y"], "b": [] }, "name": "vpc-1" })
    );
}

#[test]
fn env_arrives_and_cannot_take_the_place_of_what_tfw_sets() {
    let main = r#"terraform {
  backend "local" {}
}

resource "terraform_data" "environment" {
  provisioner "local-exec" {
    command = "env > environment"
  }
}
"#;
    let test = TestEnvironment::offline().environment_with(
        "dev",
        "env = { ACME_TOKEN_FILE = \"/run/{environment}\", HTTP_TIMEOUT = \"3\" }",
        main,
    );
    test.tfw(["apply", "dev", "--auto-approve"])
        .env("ACME_INHERITED", "yes")
        .env("HTTP_TIMEOUT", "1")
        .run()
        .succeeds();
    let environment = test.read("environments/dev/environment");
    let has = |line: &str| environment.lines().any(|each| each == line);
    for line in [
        "ACME_TOKEN_FILE=/run/dev",
        "HTTP_TIMEOUT=3",
        "ACME_INHERITED=yes",
        "AWS_REGION=eu-central-1",
    ] {
        assert!(has(line), "{line}:\n{environment}");
    }

    let manifest = test.read("environments/tfw.toml");
    for name in [
        "AWS_PROFILE",
        "TF_DATA_DIR",
        "AWS_REGION",
        "TF_CLI_ARGS_plan",
    ] {
        test.write(
            "environments/tfw.toml",
            &manifest.replace("HTTP_TIMEOUT", name),
        );
        let run = test.tfw(["plan", "dev"]).run().exits(3);
        assert!(run.stderr.contains(&format!("`{name}`")), "{}", run.stderr);
    }
}
