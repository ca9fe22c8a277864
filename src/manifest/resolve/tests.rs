//! What a right manifest resolves to. What is said of a wrong one is in `problems`
//! and `rendering`.

mod problems;
mod providers;
mod rendering;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::manifest::testing::{Repository, unit};
use crate::model::{Backend, Dependencies, Encryption, Project, S3Backend};

/// The lines that every manifest with an S3 backend has.
pub(super) const S3: &str = r#"
[defaults]
region = "eu-central-1"
[defaults.backend]
type = "s3"
bucket = "acme-tfstate-{environment}"
key = "{stack}/terraform.tfstate"
"#;

fn s3<'p>(project: &'p Project, name: &str) -> &'p S3Backend {
    match &unit(project, name).backend {
        Backend::S3(s3) => s3,
        other => panic!("{other:?}"),
    }
}

/// The manifest of the design, as far as its keys are built.
const DESIGN: &str = r#"
[project]
name = "acme"

[terraform]
binary = "tofu"
version = "~> 1.11"
parallelism = 4

[defaults]
region = "ap-northeast-1"
var_files = ["common.tfvars"]
vars = { owner = "platform" }
env = { TF_LOG = "" }
lock_timeout = "30s"

[defaults.backend]
type = "s3"
bucket = "acme-tfstate-{environment}"
key = "{stack}/terraform.tfstate"

[defaults.bucket]
encryption = "aws:kms"
kms_key = "alias/terraform-state"

[defaults.credentials]
profile = "base"

[defaults.assume_role]
role_arn = "arn:aws:iam::{account_id}:role/TerraformExecutionRole"
external_id = "xyz"
session_name = "{environment}"
duration = "1h"

[environments.dev]
path = "dev"
account_id = "111111111111"

[environments.prod]
account_id = "222222222222"
protected = true
depends_on = ["dev"]
tags = ["eu", "live"]
[environments.prod.stacks.network]
[environments.prod.stacks.eks]
path = "../stacks/eks"
depends_on = ["network"]
vars = { owner = 5 }
inputs = { vpc_id = "network.vpc_id", zone = "dev.zone_id" }
[environments.prod.stacks.eks.assume_role]
role_arn = "arn:aws:iam::222222222222:role/Eks"
"#;

fn design() -> Repository {
    let repository = Repository::with_folders(&["dev", "prod/network", "../stacks/eks"]);
    let owner = "variable \"owner\" {}\n";
    repository.file("dev/main.tf", owner);
    repository.file("prod/network/main.tf", owner);
    let eks = format!("{owner}variable \"vpc_id\" {{}}\nvariable \"zone\" {{}}\n");
    repository.file("../stacks/eks/main.tf", &eks);
    repository.file("common.tfvars", "cidr = 1\n");
    repository
}

#[test]
fn the_manifest_of_the_design_resolves() {
    let repository = design();
    let root = repository.root();
    let project = repository.project(DESIGN);
    assert_eq!(project.name.as_deref(), Some("acme"));
    assert_eq!(project.root, root);
    assert_eq!(project.manifest, root.join("tfw.toml"));
    assert_eq!(project.terraform.binary, "tofu");
    assert_eq!(project.terraform.version.as_deref(), Some("~> 1.11"));
    assert_eq!(project.terraform.parallelism, Some(4));

    let names: Vec<String> = project
        .units
        .iter()
        .map(|unit| unit.id.to_string())
        .collect();
    assert_eq!(names, ["dev", "prod/network", "prod/eks"]);
    let [dev, prod] = project.environments.as_slice() else {
        panic!("two environments");
    };
    assert_eq!((dev.has_stacks, prod.has_stacks), (false, true));
    assert_eq!(dev.depends_on, Dependencies::Position);
    assert_eq!(
        prod.depends_on,
        Dependencies::Explicit(vec![dev.name.clone()])
    );
    assert_eq!(prod.tags, ["eu", "live"]);
    assert_eq!(prod.folder, root.join("prod"));

    let eks = unit(&project, "prod/eks");
    let stacks: PathBuf = root.parent().expect("a parent").join("stacks/eks");
    assert_eq!(eks.folder, stacks, "`..` is resolved");
    assert!(eks.protected && !unit(&project, "dev").protected);
    assert_eq!(
        eks.account_id.as_ref().map(AsRef::as_ref),
        Some("222222222222")
    );
    assert_eq!(eks.depends_on, [unit(&project, "prod/network").id.clone()]);
    assert_eq!(eks.inputs["vpc_id"].unit.to_string(), "prod/network");
    assert_eq!(eks.inputs["zone"].unit.to_string(), "dev");
    assert_eq!(eks.inputs["zone"].output, "zone_id");
    assert_eq!(eks.vars["owner"], json!(5), "values keep their type");
    assert_eq!(unit(&project, "dev").vars["owner"], json!("platform"));
    assert_eq!(eks.var_files, [root.join("common.tfvars")]);
    assert_eq!(eks.env["TF_LOG"], "");
    assert_eq!(eks.lock_timeout, Duration::from_secs(30));
    assert_eq!(eks.credentials.profile.as_deref(), Some("base"));

    let [role] = unit(&project, "dev").assume_role.as_slice() else {
        panic!("one role");
    };
    assert_eq!(
        role.role_arn.as_str(),
        "arn:aws:iam::111111111111:role/TerraformExecutionRole"
    );
    assert_eq!(role.session_name.as_deref(), Some("dev"));
    assert_eq!(role.duration, Some(Duration::from_hours(1)));
    assert_eq!(
        eks.assume_role[0].external_id, None,
        "it belongs to the other role"
    );
}

#[test]
fn an_s3_backend_has_all_its_defaults() {
    let project = design().project(DESIGN);
    let backend = s3(&project, "prod/network");
    assert_eq!(backend.bucket.as_str(), "acme-tfstate-prod");
    assert_eq!(backend.key.as_str(), "network/terraform.tfstate");
    assert_eq!(
        s3(&project, "dev").key.as_str(),
        "terraform.tfstate",
        "no stack, no folder"
    );
    assert_eq!(
        backend.region.as_str(),
        "ap-northeast-1",
        "the environment's"
    );
    assert_eq!(backend.owner.as_str(), "222222222222", "the environment's");
    assert!(backend.use_lockfile && !backend.use_path_style);
    assert!(backend.workspace.is_default());
    let key = "arn:aws:kms:ap-northeast-1:222222222222:alias/terraform-state";
    assert_eq!(backend.kms_key_id.as_deref(), Some(key));
    let encryption = &unit(&project, "prod/network").bucket.encryption;
    assert_eq!(
        *encryption,
        Encryption::Kms {
            key: Some(key.to_owned())
        }
    );
}

/// One environment, `dev`, with these lines in its own table.
fn dev(lines: &str) -> Project {
    let manifest = format!("{S3}\n[environments.dev]\naccount_id = \"111111111111\"\n{lines}");
    Repository::with_folders(&["dev"]).project(&manifest)
}

#[test]
fn the_buckets_owner_is_the_nearest_account() {
    let role = "backend.role_arn = 'arn:aws:iam::333333333333:role/State'";
    for (lines, owner) in [
        ("", "111111111111"),
        (role, "333333333333"),
        ("backend.account_id = '444444444444'", "444444444444"),
        (
            &format!("{role}\nbackend.account_id = '{{account_id}}'"),
            "111111111111",
        ),
    ] {
        assert_eq!(s3(&dev(lines), "dev").owner.as_str(), owner, "{lines}");
    }
}

#[test]
fn a_kms_key_is_an_arn_in_the_owners_account() {
    for (lines, expected) in [
        (
            "backend.kms_key_id = 'alias/a'",
            "arn:aws:kms:eu-central-1:111111111111:alias/a",
        ),
        (
            "backend.kms_key_id = '1234-ab'",
            "arn:aws:kms:eu-central-1:111111111111:key/1234-ab",
        ),
        (
            "backend.kms_key_id = 'key/1'",
            "arn:aws:kms:eu-central-1:111111111111:key/1",
        ),
        (
            "backend.kms_key_id = 'arn:aws:kms:x:1:key/2'",
            "arn:aws:kms:x:1:key/2",
        ),
        (
            "backend.region = 'cn-north-1'\nbackend.account_id = '222222222222'\n\
             bucket = { encryption = 'aws:kms', kms_key = 'alias/a' }",
            "arn:aws-cn:kms:cn-north-1:222222222222:alias/a",
        ),
        (
            "bucket = { encryption = 'aws:kms', kms_key = 'alias/a' }\n\
             backend.kms_key_id = 'arn:aws:kms:eu-central-1:111111111111:alias/a'",
            "arn:aws:kms:eu-central-1:111111111111:alias/a",
        ),
    ] {
        assert_eq!(
            s3(&dev(lines), "dev").kms_key_id.as_deref(),
            Some(expected),
            "{lines}"
        );
    }
    let project = dev("bucket.encryption = 'aws:kms'");
    assert_eq!(
        unit(&project, "dev").bucket.encryption,
        Encryption::Kms { key: None }
    );
    assert_eq!(s3(&project, "dev").kms_key_id, None);
}

#[test]
fn empty_strings_unset_what_was_inherited() {
    let project = dev(
        "lock_timeout = ''\nbackend = { workspace = '', kms_key_id = '', region = '' }\n\
         assume_role = { role_arn = '' }\ncredentials.profile = ''",
    );
    let dev = unit(&project, "dev");
    assert_eq!(dev.lock_timeout, Duration::ZERO);
    assert!(dev.assume_role.is_empty());
    assert_eq!(dev.credentials.profile, None);
    assert!(s3(&project, "dev").workspace.is_default());
}

#[test]
fn other_backends_are_passed_through() {
    let project = dev("backend = { type = 'local', options = { path = 'x.tfstate' } }");
    let Backend::Local(local) = &unit(&project, "dev").backend else {
        panic!("a local backend replaces the inherited one");
    };
    assert_eq!(local.options["path"], "x.tfstate");
    let project = dev(
        "backend = { type = 'gcs', workspace = 'w', options = { bucket = 'b-{environment}', retries = 3 } }",
    );
    let Backend::Other(other) = &unit(&project, "dev").backend else {
        panic!("another backend");
    };
    assert_eq!(
        (other.kind.as_str(), other.workspace.as_str()),
        ("gcs", "w")
    );
    assert_eq!(other.options["bucket"], "b-dev");
    assert_eq!(other.options["retries"], 3);
}

#[test]
fn an_account_is_needed_only_by_what_uses_it() {
    let repository = Repository::with_folders(&["dev"]);
    let project = repository.project("[environments.dev]\nbackend.type = 'local'\n");
    assert_eq!(project.units[0].account_id, None);
    assert_eq!(project.units[0].region, None);
}

#[test]
fn a_chain_of_roles_keeps_its_order() {
    let project = dev(
        "[[environments.dev.assume_role]]\nrole_arn = 'arn:aws:iam::999999999999:role/Hub'\nexternal_id = ''\n\
         [[environments.dev.assume_role]]\nrole_arn = 'arn:aws:iam::{account_id}:role/Spoke'\n",
    );
    let roles: Vec<_> = unit(&project, "dev").assume_role.iter().collect();
    assert_eq!(roles.len(), 2);
    assert_eq!(roles[0].role_arn.account_id().as_str(), "999999999999");
    assert_eq!(roles[0].external_id, None);
    assert_eq!(
        roles[1].role_arn.as_str(),
        "arn:aws:iam::111111111111:role/Spoke"
    );
}

#[test]
fn units_that_share_a_folder_are_known() {
    let repository = Repository::with_folders(&["app", "dns"]);
    let project = repository.project(&format!(
        "{S3}\n[environments.a]\naccount_id = '111111111111'\npath = 'app'\n\
         [environments.b]\naccount_id = '111111111111'\npath = './dns/../app'\n\
         [environments.c]\naccount_id = '111111111111'\npath = 'dns'\n"
    ));
    let shared: Vec<bool> = project
        .units
        .iter()
        .map(|unit| unit.shares_folder)
        .collect();
    assert_eq!(shared, [true, true, false]);
}

#[test]
fn paths_may_hold_placeholders() {
    let repository = Repository::with_folders(&["accounts/111111111111/net", "mod/app-dev"]);
    let project = repository.project(&format!(
        "{S3}\n[environments.dev]\naccount_id = '111111111111'\npath = 'accounts/{{account_id}}'\n\
         [environments.dev.stacks.net]\n[environments.dev.stacks.app]\npath = 'mod/{{stack}}-{{environment}}'\n"
    ));
    let root = repository.root();
    assert_eq!(
        unit(&project, "dev/net").folder,
        root.join("accounts/111111111111/net")
    );
    assert_eq!(unit(&project, "dev/app").folder, root.join("mod/app-dev"));
}

#[test]
fn inputs_may_name_any_unit() {
    let repository = Repository::with_folders(&["dns", "dev/network", "prod/network", "prod/app"]);
    let app = "variable \"a\" {}\nvariable \"b\" {}\nvariable \"c\" {}\n";
    repository.file("prod/app/main.tf", app);
    let project = repository.project(&format!(
        "{S3}
        [environments.dns]
        account_id = '111111111111'
        [environments.dev]
        account_id = '111111111111'
        [environments.dev.stacks.network]
        [environments.prod]
        account_id = '111111111111'
        [environments.prod.stacks.network]
        [environments.prod.stacks.app]
        inputs = {{ a = 'network.x', b = 'dns.y', c = 'dev/network.z' }}"
    ));
    let inputs = &unit(&project, "prod/app").inputs;
    let units: Vec<String> = inputs
        .values()
        .map(|input| input.unit.to_string())
        .collect();
    assert_eq!(units, ["prod/network", "dns", "dev/network"]);
}

#[test]
fn thousands_of_units_resolve_in_linear_time() {
    let repository = Repository::new(&[("shared/main.tf", "variable \"owner\" {}\n")]);
    let time = |count: usize| {
        let environments: Vec<String> = (0..count)
            .map(|index| {
                format!("[environments.e{index}]\naccount_id = '111111111111'\npath = 'shared'\n")
            })
            .collect();
        let manifest = format!(
            "{S3}[defaults.vars]\nowner = 'x'\n{}",
            environments.concat()
        );
        let start = std::time::Instant::now();
        assert_eq!(repository.project(&manifest).units.len(), count);
        start.elapsed()
    };
    time(10);
    let (small, large) = (time(1_000), time(10_000));
    // Ten times the units must not cost much more than ten times the time.
    assert!(
        large < small * 30 + Duration::from_millis(200),
        "{small:?}, {large:?}"
    );
}
