use std::fs;

use serde_json::json;

use super::*;

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("created");
        fs::write(path, text).expect("written");
    }
    folder
}

fn read(files: &[(&str, &str)]) -> RootModule {
    RootModule::read(folder(files).path()).expect("readable")
}

const BACKEND: &str = r#"
# comment
terraform {
  required_version = "~> 1.11"
  backend "s3" {
    key     = "x" # a literal
    encrypt = true
    bucket  = var.bucket
    endpoints { s3 = "http://localhost" }
  }
}
"#;

#[test]
fn a_backend_block_is_read_with_its_place_and_its_arguments() {
    let module = read(&[("main.tf", BACKEND)]);
    let backend = module.backend.expect("a backend block");
    assert_eq!(backend.kind, "s3");
    assert_eq!(backend.location.line, 5);
    assert!(backend.location.file.ends_with("main.tf"));
    let line = |argument| backend.place_of(argument).line;
    assert_eq!(
        (line("encrypt"), line("endpoints"), line("none")),
        (7, 9, 5)
    );
    assert_eq!(
        Value::Object(backend.arguments),
        json!({
            "key": "x", "encrypt": true, "bucket": "var.bucket",
            "endpoints": {"s3": "http://localhost"},
        })
    );
    assert_eq!(module.required_version, ["~> 1.11"]);
}

#[test]
fn override_files_win_whatever_their_names_sort_like() {
    let local = r#"terraform { 
  backend "local" {} 
}"#;
    for name in ["a_override.tf", "override.tf"] {
        let module = read(&[(name, local), ("z.tf", BACKEND)]);
        assert_eq!(module.backend.expect("a backend").kind, "local", "{name}");
    }
    let module = read(&[
        ("z.tf", BACKEND),
        (
            "override.tf.json",
            r#"{"terraform": [{"backend": {"gcs": {"prefix": "p"}}}]}"#,
        ),
    ]);
    assert_eq!(module.backend.expect("a backend").kind, "gcs");
    let module = read(&[
        ("z.tf", BACKEND),
        ("override.tf", "terraform {\n  cloud {}\n}\n"),
    ]);
    assert!(module.backend.is_none());
    assert_eq!(module.cloud.expect("a cloud block").line, 2);
}

#[test]
fn variables_tell_type_default_and_sensitivity() {
    let module = read(&[
        (
            "main.tf",
            "variable \"a\" {\n  type = list(string)\n  default = []\n}\n\
             variable \"b\" { sensitive = true }\nvariable \"c\" {}\n",
        ),
        (
            "more.tf.json",
            r#"{"variable": {"d": {"type": "string", "default": "x"}, "//": "no"}}"#,
        ),
        ("c_override.tf", "variable \"c\" { default = 1 }"),
    ]);
    let names: Vec<_> = module.variables.keys().map(String::as_str).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    let (a, b, c) = (
        &module.variables["a"],
        &module.variables["b"],
        &module.variables["c"],
    );
    assert_eq!(a.type_text.as_deref(), Some("list(string)"));
    assert!(!a.required && b.required && b.sensitive && !a.sensitive);
    assert_eq!((a.location.line, b.location.line), (1, 5));
    assert!(!c.required, "its default stands in an override file");
    assert!(c.location.file.ends_with("main.tf"));
}

#[test]
fn variables_alone_are_read_without_the_rest() {
    let folder = folder(&[
        ("variables.tf", "variable \"a\" {}"),
        ("main.tf", "resource {{ not even valid"),
        ("z_override.tf", "variable \"a\" { default = 1 }"),
    ]);
    let variables = RootModule::variables(folder.path()).expect("readable");
    assert!(!variables["a"].required);
    assert!(RootModule::read(folder.path()).is_err());
}

#[test]
fn opentofus_files_stand_for_their_twins() {
    let module = read(&[
        ("main.tf", "variable \"terraform_only\" {}"),
        ("main.tofu", "variable \"tofu_only\" {}"),
        ("more.tf", "variable \"both\" {}"),
    ]);
    let names: Vec<_> = module.variables.keys().map(String::as_str).collect();
    assert_eq!(names, ["both", "tofu_only"]);
}

#[test]
fn what_cannot_be_read_is_told_apart() {
    let empty = folder(&[("README.md", "")]);
    let error = RootModule::read(empty.path()).expect_err("no configuration");
    assert!(
        matches!(error, ReadError::NoConfiguration { .. }),
        "{error}"
    );
    let error = RootModule::read(&empty.path().join("none")).expect_err("no folder");
    assert!(matches!(error, ReadError::NoFolder { .. }), "{error}");
    let bad = folder(&[("a.tf", "variable \"a\" {}\n\nresource {{\n")]);
    let error = RootModule::read(bad.path()).expect_err("not HCL");
    assert!(
        matches!(error, ReadError::Syntax { line: 3, .. }),
        "{error}"
    );
    let bad = folder(&[("a.tf.json", "{\n  \"a\": ]\n}")]);
    let error = RootModule::read(bad.path()).expect_err("not JSON");
    assert!(
        matches!(error, ReadError::Syntax { line: 2, .. }),
        "{error}"
    );
}

const REQUIRING: &str = r#"
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}
module "vpc" {
  source = "./vpc"
  cidr   = "10.0.0.0/16"
}
resource "random_pet" "name" { length = 2 }
resource "null_resource" "x" { provider = null.other }
"#;
const VPC: &str =
    "resource \"aws_vpc\" \"this\" {}\nmodule \"again\" {\n  source = \"../vpc\"\n}\n";

#[test]
fn requirements_ignore_what_init_does_not_need() {
    let text = read_requirements(REQUIRING, VPC);
    for same in [
        REQUIRING.replace("length = 2", "length = 3 /* longer */"),
        REQUIRING.replace("source  = \"hashicorp", "\n # where\nsource=\"hashicorp"),
        REQUIRING.replace("10.0.0.0/16", "10.1.0.0/16"),
        format!("{REQUIRING}\nlocals {{\n  x = 1\n}}\noutput \"y\" {{ value = 1 }}\n"),
    ] {
        assert_eq!(read_requirements(&same, VPC), text, "{same}");
    }
}

#[test]
fn requirements_show_what_init_needs() {
    let text = read_requirements(REQUIRING, VPC);
    for other in [
        REQUIRING.replace("~> 5.0", "~> 6.0"),
        REQUIRING.replace("./vpc", "./vpc2"),
        REQUIRING.replace("random_pet", "tls_private_key"),
        REQUIRING.replace("null.other", "other.null"),
        format!("{REQUIRING}\nterraform {{\n  required_version = \">= 1\"\n}}\n"),
        format!("{REQUIRING}\nterraform {{\n  backend \"s3\" {{}}\n}}\n"),
        format!("{REQUIRING}\nprovider \"tls\" {{}}\n"),
        format!("{REQUIRING}\ndata \"http_x\" \"y\" {{}}\n"),
        format!("{REQUIRING}\nmodule \"m\" {{\n  source = \"a/b/c\"\n  version = \"1\"\n}}\n"),
    ] {
        assert_ne!(read_requirements(&other, VPC), text, "{other}");
    }
    let through = VPC.replace("aws_vpc", "google_network");
    assert_ne!(
        read_requirements(REQUIRING, &through),
        text,
        "a local module counts"
    );
    let (one, two) = ("resource {{", "resource {{{");
    assert_ne!(
        read_requirements(REQUIRING, one),
        read_requirements(REQUIRING, two)
    );
}

#[test]
fn requirements_are_the_same_in_both_syntaxes() {
    let json = r#"{
      "terraform": {"required_providers": {"aws": {"version": "~> 5.0", "source": "hashicorp/aws"}}},
      "module": {"vpc": {"source": "./vpc", "cidr": "10.0.0.0/16"}},
      "resource": {"random_pet": {"name": {"length": 2}},
                   "null_resource": {"x": [{"provider": "null.other"}]}}
    }"#;
    let module = read_in_folder(&[("main.tf.json", json), ("vpc/main.tf", VPC)]);
    assert_eq!(module.1, read_requirements(REQUIRING, VPC));
}

#[test]
fn what_comes_with_terraform_is_no_provider_that_an_init_installs() {
    let providers = |main: &str| {
        let folder = folder(&[
            ("main.tf", main),
            ("vpc/main.tf", "resource \"aws_vpc\" \"this\" {}"),
        ]);
        let module = RootModule::read(folder.path()).expect("readable");
        Vec::from_iter(module.installed_providers())
    };
    let built_in = r#"
resource "terraform_data" "this" {}
"#;
    let required = r#"
terraform {
  required_providers {
    helm = { source = "hashicorp/helm" }
    tf   = { source = "terraform.io/builtin/terraform" }
  }
}
module "vpc" {
  source = "./vpc"
}
"#;
    assert!(providers(built_in).is_empty());
    assert_eq!(providers(required), ["aws", "helm"]);
}

#[test]
fn local_modules_are_listed_once_even_in_a_circle() {
    let folder = folder(&[
        (
            "dev/main.tf",
            "module \"a\" {\n  source = \"../mod/a\"\n}\nmodule \"r\" {\n  source = \"x/y/z\"\n}",
        ),
        ("mod/a/main.tf", "module \"b\" {\n  source = \"../b\"\n}"),
        ("mod/b/main.tf", "module \"a\" {\n  source = \"../a\"\n}"),
    ]);
    let module = RootModule::read(&folder.path().join("dev")).expect("readable");
    assert_eq!(
        module.local_modules(),
        [folder.path().join("mod/a"), folder.path().join("mod/b")]
    );
}

fn read_in_folder(files: &[(&str, &str)]) -> (RootModule, String) {
    let folder = folder(files);
    let module = RootModule::read(folder.path()).expect("readable");
    let requirements = module.requirements();
    (module, requirements)
}

fn read_requirements(main: &str, vpc: &str) -> String {
    read_in_folder(&[("main.tf", main), ("vpc/main.tf", vpc)]).1
}

#[test]
fn tfvars_tell_which_names_they_set() {
    let folder = folder(&[
        ("a.tfvars", "# names\none = 1\n\ntwo = {\n  three = 3\n}\n"),
        ("b.tfvars.json", "{\n  \"one\": 1,\n  \"four\": \"\"\n}"),
        ("c.tfvars", "one = = 2"),
    ]);
    let names = read_tfvars(&folder.path().join("a.tfvars")).expect("readable");
    assert_eq!(names.keys().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!((names["one"].line, names["two"].line), (2, 4));
    let names = read_tfvars(&folder.path().join("b.tfvars.json")).expect("readable");
    assert_eq!(names["four"].line, 3);
    let error = read_tfvars(&folder.path().join("c.tfvars")).expect_err("not HCL");
    assert!(
        matches!(error, ReadError::Syntax { line: 1, .. }),
        "{error}"
    );
}

#[test]
fn automatic_tfvars_come_in_terraforms_order() {
    let folder = folder(&[
        ("b.auto.tfvars", ""),
        ("a.auto.tfvars.json", ""),
        ("terraform.tfvars.json", ""),
        ("terraform.tfvars", ""),
        ("common.tfvars", ""),
    ]);
    let files = automatic_tfvars(folder.path()).expect("listed");
    let names: Vec<_> = files
        .iter()
        .map(|file| {
            file.file_name()
                .and_then(|name| name.to_str())
                .expect("UTF-8")
        })
        .collect();
    assert_eq!(
        names,
        [
            "terraform.tfvars",
            "terraform.tfvars.json",
            "a.auto.tfvars.json",
            "b.auto.tfvars"
        ]
    );
}
