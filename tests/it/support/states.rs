//! States that tests move: made by Terraform, or written as it would write them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::TestEnvironment;

/// A root module without any backend block, as people begin with.
pub(crate) fn unbacked() -> String {
    super::fixtures::builtin().replace("terraform {\n  backend \"s3\" {}\n}\n\n", "")
}

/// A state with this lineage and serial, and one `terraform_data.this` whose input is `input`.
pub(crate) fn state_of(lineage: &str, serial: u64, input: &str) -> String {
    json!({
        "version": 4,
        "terraform_version": "1.11.4",
        "serial": serial,
        "lineage": lineage,
        "outputs": { "greeting": { "value": input, "type": "string" } },
        "resources": [resource("", "this", &json!({}), &json!(input))],
        "check_results": null,
    })
    .to_string()
}

/// A resource of the built-in provider, as it stands in a state.
pub(crate) fn resource(module: &str, name: &str, instance: &Value, input: &Value) -> Value {
    let kind = if input.is_number() {
        "number"
    } else {
        "string"
    };
    let mut instance = instance.clone();
    let fields = instance.as_object_mut().unwrap();
    fields.insert("schema_version".to_owned(), json!(0));
    fields.insert(
        "attributes".to_owned(),
        json!({
            "id": format!("id-{name}"),
            "input": { "value": input, "type": kind },
            "output": { "value": input, "type": kind },
            "triggers_replace": null,
        }),
    );
    fields.insert("sensitive_attributes".to_owned(), json!([]));
    let mut resource = json!({
        "mode": "managed",
        "type": "terraform_data",
        "name": name,
        "provider": "provider[\"terraform.io/builtin/terraform\"]",
        "instances": [instance],
    });
    if !module.is_empty() {
        resource["module"] = json!(module);
    }
    resource
}

/// What counts in a state: everything but lineage, serial and version.
#[track_caller]
pub(crate) fn content(text: &str) -> Value {
    let mut state: Value = serde_json::from_str(text).unwrap();
    for name in ["lineage", "serial", "terraform_version"] {
        state.as_object_mut().unwrap().remove(name);
    }
    state
}

impl TestEnvironment {
    /// Applies an environment by a bare Terraform, with a local state.
    #[track_caller]
    pub(crate) fn apply_by_hand(&self, environment: &str) {
        for args in [
            &["init", "-input=false"][..],
            &["apply", "-input=false", "-auto-approve"],
        ] {
            self.terraform(environment, []).args(args).run().succeeds();
        }
    }

    /// The input of the first resource of a state in a bucket, and the serial.
    #[track_caller]
    pub(crate) fn current(&self, environment: &str, key: &str) -> (String, u64) {
        let state = self.object(environment, key).unwrap();
        let state: Value = serde_json::from_str(&state).unwrap();
        let attributes = &state["resources"][0]["instances"][0]["attributes"];
        let input = attributes["input"]["value"].as_str().unwrap();
        (input.to_owned(), state["serial"].as_u64().unwrap())
    }

    /// Everything on both sides: each file of the root module, and each version in the bucket.
    pub(crate) fn both_sides(&self, environment: &str) -> String {
        let mut files = BTreeMap::new();
        let root = self.path(&format!("environments/{environment}"));
        walk(&root, &mut |file| {
            let below = file.strip_prefix(&root).unwrap();
            files.insert(below.display().to_string(), fs::read(file).unwrap());
        });
        let mut text = String::new();
        for (name, bytes) in files {
            let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(&bytes));
        }
        let _ = writeln!(text, "{}", self.history(environment).join("\n"));
        text
    }

    /// The migration backups of an environment, the oldest first.
    pub(crate) fn backups(&self, environment: &str) -> Vec<std::path::PathBuf> {
        let folder = self.path("environments/.tfw/backups");
        let mut found: Vec<_> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                name.starts_with(&format!("{environment}."))
            })
            .collect();
        found.sort();
        found
    }
}

fn walk(folder: &Path, found: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found(&path);
        }
    }
}
