//! `terraform init` runs when something that it depends on has changed, and only then.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{TINY, TestEnvironment};

/// A root module with a provider, a module beside it, and one that an init has to fetch.
fn main_of(fetched: &Path) -> String {
    format!(
        r#"terraform {{
  required_providers {{
    tiny = {{
      source  = "acme/tiny"
      version = "1.0.0"
    }}
  }}

  backend "s3" {{}}
}}

module "beside" {{
  source = "./beside"
}}

module "fetched" {{
  source = "{}"
}}

resource "terraform_data" "this" {{
  input = "hello"
}}
"#,
        fetched.display()
    )
}

/// Whether the next plan runs an init, as the report says and as Terraform was called.
#[track_caller]
fn plan_inits(test: &TestEnvironment) -> bool {
    plan_with(test, "terraform")
}

/// As [`plan_inits`], with another binary.
#[track_caller]
fn plan_with(test: &TestEnvironment, binary: &str) -> bool {
    let calls = test.home().join("calls");
    fs::write(&calls, "").unwrap();
    let plan = test.tfw(["plan", "dev", "--json", "--terraform", binary]);
    let report = plan.run().succeeds().json();
    let calls = fs::read_to_string(calls).unwrap();
    let called = calls.lines().filter(|call| *call == "init").count();
    match report["units"][0]["init"].as_str() {
        Some("ran") => assert_eq!(called, 1, "{calls}"),
        Some("skipped") => assert_eq!(called, 0, "{calls}"),
        other => panic!("{other:?}"),
    }
    called == 1
}

/// Puts a stand-in that notes its calls in place of Terraform; `first` comes before the real one.
fn note_calls(test: &TestEnvironment, first: &str) {
    test.fake_terraform(&format!(
        "echo \"$1\" >> '{}'\n{first}\nexec \"$REAL_TERRAFORM\" \"$@\"",
        test.home().join("calls").display()
    ));
}

#[test]
fn init_runs_when_something_that_it_depends_on_has_changed() {
    let test = TestEnvironment::new();
    let fetched = test.write("modules/fetched/main.tf", "");
    let main = main_of(fetched.parent().unwrap());
    let test = test.environment_with("dev", "", &main);
    test.write("environments/dev/beside/main.tf", "");
    test.write("environments/dev/next/main.tf", "");
    test.create_bucket("dev");
    test.tiny_provider();
    // Inits are real. A plan would start the provider, which is none; it finds nothing to change.
    note_calls(&test, "[ \"$1\" = plan ] && exit 0");
    assert!(plan_inits(&test), "at first");
    assert!(!plan_inits(&test), "nothing has changed");

    // What an init does not care about.
    let root = "environments/dev/main.tf";
    let changed = main.replace("\"hello\"", "\"bye\"") + "\n# a comment\n";
    test.write(root, &changed);
    test.write(
        "environments/dev/beside/main.tf",
        "# a comment\nlocals {}\n",
    );
    test.write(
        "environments/dev/variables.tf",
        "variable \"x\" {\n  default = 1\n}\n",
    );
    assert!(!plan_inits(&test), "a comment, a resource, a variable");

    // What it reads.
    for (what, from, to) in [
        ("a requirement", "\"1.0.0\"", "\">= 1.0.0\""),
        ("the source of a module", "\"./beside\"", "\"./next\""),
    ] {
        test.write(root, &test.read(root).replace(from, to));
        assert!(plan_inits(&test), "{what}");
        assert!(!plan_inits(&test), "{what}, once");
    }
    let nested = "terraform {\n  required_providers {\n    tiny = {\n      source = \"acme/tiny\"\n    }\n  }\n}\n";
    test.write("environments/dev/next/main.tf", nested);
    assert!(plan_inits(&test), "a requirement of a module");
    let manifest = test.read("environments/tfw.toml");
    let without_lock = manifest.replace("type = \"s3\"", "type = \"s3\"\nuse_lockfile = false");
    test.write("environments/tfw.toml", &without_lock);
    assert!(plan_inits(&test), "a setting of the backend");
    let binary = test.home().join("another");
    symlink(test.home().with_file_name("bin").join("terraform"), &binary).unwrap();
    let binary = binary.to_str().unwrap();
    assert!(plan_with(&test, binary), "another binary");
    assert!(!plan_with(&test, binary), "nothing since");
    assert!(plan_inits(&test), "the first binary again");

    // What it makes.
    let made = |path: &str| test.path("environments/dev").join(path);
    fs::remove_file(made(".terraform.lock.hcl")).unwrap();
    assert!(plan_inits(&test), "no lock file");
    let module = made(".terraform/modules/fetched");
    fs::remove_file(&module)
        .or_else(|_| fs::remove_dir_all(&module))
        .unwrap();
    assert!(plan_inits(&test), "no folder of a module");
    let link = made(".terraform/providers").join(TINY);
    fs::remove_dir_all(link).unwrap();
    assert!(plan_inits(&test), "no link to a provider");
    fs::remove_dir_all(made(".terraform")).unwrap();
    assert!(plan_inits(&test), "no data folder");
    assert!(!plan_inits(&test), "all is there again");
}

#[test]
fn a_fingerprint_does_not_outlive_a_failed_init() {
    let test = TestEnvironment::offline().environment("dev");
    note_calls(&test, "");
    assert!(plan_inits(&test));
    assert!(!plan_inits(&test));

    note_calls(&test, "[ \"$1\" = init ] && exit 1");
    let failed = test.tfw(["init", "dev", "--json"]).run().exits(1);
    assert_eq!(failed.json()["units"][0]["result"], "failed");

    note_calls(&test, "");
    assert!(plan_inits(&test), "nobody knows what the failed one left");
}
