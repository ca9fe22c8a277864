use serde_json::{Value, json};

use crate::manifest::testing::Repository;
use crate::manifest::{Manifest, schema};
use crate::model::UnitId;

fn units(names: &[&str]) -> Vec<UnitId> {
    let names = names.iter();
    names.map(|name| name.parse().expect("a unit")).collect()
}

fn manifest() -> Manifest {
    let repository = Repository::with_folders(&["dev", "prod/eks"]);
    let variables = "variable \"owner\" {}\nvariable \"note\" {}\nvariable \"zone\" {}\n";
    repository.file("prod/eks/main.tf", variables);
    repository.manifest(
        r#"[project]
name = "acme"
[defaults]
region = "eu-central-1"
lock_timeout = "5m"
[defaults.backend]
type = "s3"
bucket = "acme-{environment}"
key = "{stack}/terraform.tfstate"
[defaults.bucket]
encryption = "aws:kms"
kms_key = "alias/state"
[defaults.assume_role]
role_arn = "arn:aws:iam::{account_id}:role/T"
[environments.dev]
account_id = "111111111111"
lock_timeout = ""
backend = { type = "local", options = { path = "x" } }
[environments.prod]
account_id = "222222222222"
protected = true
depends_on = ["dev"]
[environments.prod.stacks.eks]
vars = { owner = { name = "me", ids = [1, 2] }, note = "" }
inputs = { zone = "dev.zone" }
"#,
    )
}

#[test]
fn people_see_where_each_value_comes_from() {
    insta::assert_snapshot!(manifest().show_text(&units(&["dev", "prod/eks"])), @r#"
    dev
      path = "dev"                   # default
      account_id = "111111111111"    # environments.dev, tfw.toml:16
      region = "eu-central-1"        # defaults, tfw.toml:4
      protected = false              # default
      tags = []                      # default
      backend.type = "local"         # environments.dev, tfw.toml:18
      backend.workspace = "default"  # default
      backend.options.path = "x"     # environments.dev, tfw.toml:18
      assume_role.role_arn = "arn:aws:iam::111111111111:role/T"  # defaults, tfw.toml:14
      var_files = []                 # default
      lock_timeout = "0s"            # default

    prod/eks
      path = "prod/eks"                           # default
      account_id = "222222222222"                 # environments.prod, tfw.toml:20
      region = "eu-central-1"                     # defaults, tfw.toml:4
      protected = true                            # environments.prod, tfw.toml:21
      tags = []                                   # default
      environment.depends_on = ["dev"]            # environments.prod, tfw.toml:22
      depends_on = []                             # default
      inputs.zone = "dev.zone"                    # environments.prod.stacks.eks, tfw.toml:25
      backend.type = "s3"                         # defaults, tfw.toml:7
      backend.bucket = "acme-prod"                # defaults, tfw.toml:8
      backend.key = "eks/terraform.tfstate"       # defaults, tfw.toml:9
      backend.region = "eu-central-1"             # defaults, tfw.toml:4
      backend.use_lockfile = true                 # default
      backend.kms_key_id = "arn:aws:kms:eu-central-1:222222222222:alias/state"  # defaults, tfw.toml:12
      backend.workspace = "default"               # default
      backend.account_id = "222222222222"         # environments.prod, tfw.toml:20
      backend.use_path_style = false              # default
      bucket.encryption = "aws:kms"               # defaults, tfw.toml:11
      bucket.kms_key = "arn:aws:kms:eu-central-1:222222222222:alias/state"  # defaults, tfw.toml:12
      assume_role.role_arn = "arn:aws:iam::222222222222:role/T"  # defaults, tfw.toml:14
      var_files = []                              # default
      vars.note = ""                              # environments.prod.stacks.eks, tfw.toml:24
      vars.owner = { ids = [1, 2], name = "me" }  # environments.prod.stacks.eks, tfw.toml:24
      lock_timeout = "5m"                         # defaults, tfw.toml:5
    "#);
}

#[test]
fn machines_see_the_same() {
    let shown = manifest().show(&units(&["prod/eks"]));
    assert_eq!(shown["schema"], 1);
    assert_eq!(shown["project"], json!({"name": "acme"}));
    assert_eq!(
        shown["terraform"],
        json!({"binary": "terraform", "version": null, "parallelism": null})
    );
    let [unit] = shown["units"].as_array().expect("units").as_slice() else {
        panic!("one unit was asked for");
    };
    assert_eq!(unit["unit"], "prod/eks");
    let values = &unit["values"];
    assert_eq!(
        values["backend.key"],
        json!({"value": "eks/terraform.tfstate", "from": "defaults", "file": "tfw.toml", "line": 9})
    );
    assert_eq!(
        values["backend.use_lockfile"],
        json!({"value": true, "from": "default", "file": null, "line": null})
    );
    assert_eq!(
        values["inputs.zone"]["from"],
        "environments.prod.stacks.eks"
    );
    assert_eq!(values["backend.account_id"]["from"], "environments.prod");
}

#[test]
fn a_chain_of_roles_is_numbered() {
    let repository = Repository::with_folders(&["dev"]);
    let manifest = repository.manifest(
        "[environments.dev]\naccount_id = '111111111111'\nbackend.type = 'local'\n\
         assume_role = [{ role_arn = 'arn:aws:iam::222222222222:role/A' }, \
         { role_arn = 'arn:aws:iam::{account_id}:role/B', duration = '30m' }]\n",
    );
    let shown = manifest.show(&units(&["dev"]));
    let values = &shown["units"][0]["values"];
    let second = &values["assume_role[1].role_arn"];
    assert_eq!(second["value"], "arn:aws:iam::111111111111:role/B");
    assert_eq!(second["line"], 4);
    assert_eq!(values["assume_role[1].duration"]["value"], "1800s");
}

/// A key that is added to the schema but to nothing else would be accepted and do nothing.
#[test]
fn every_key_of_the_schema_takes_effect() {
    let repository = Repository::new(&[
        ("x/main.tf", "variable \"v\" {}\nvariable \"i\" {}\n"),
        ("up/main.tf", ""),
        ("f.tfvars", ""),
    ]);
    let account = "account_id = '111111111111'";
    let rest = "
        region = 'eu-central-1'
        provider_assumes_role = true
        extra_account_ids = ['222222222222']
        var_files = ['f.tfvars']
        vars = { v = 1 }
        env = { E = 'e' }
        lock_timeout = '1s'
        bucket.encryption = 'aws:kms'
        bucket.kms_key = 'alias/k'
        bucket.create_kms_key = true
        bucket.allowed_principals = ['111111111111']
        bucket.noncurrent_days = 30
        bucket.access_log_bucket = 'logs'
        bucket.tags = { t = 'v' }
        bucket.force_tls = true
        credentials.profile = 'p'
        credentials.mfa_serial = 'arn:aws:iam::111111111111:mfa/m'
        credentials.mfa_process = ['code']
        credentials.session_duration = '2h'
        credentials.delivery = 'env'
        [environments.dev.stacks.x.assume_role]
        role_arn = 'arn:aws:iam::111111111111:role/R'
        external_id = 'id'
        session_name = 's-n'
        duration = '20m'
        transitive_tag_keys = ['t']
        source_identity = 'me'
        policy = { Version = '2012-10-17' }
        policy_arns = ['arn:aws:iam::aws:policy/ReadOnlyAccess']
        [environments.dev.stacks.x.assume_role.tags]
        t = 'v'
        [environments.dev.stacks.x.backend]
        type = 's3'
        bucket = 'abc'
        key = 'k'
        region = 'us-east-1'
        use_lockfile = false
        kms_key_id = 'alias/k'
        workspace = 'w'
        role_arn = 'arn:aws:iam::111111111111:role/S'
        account_id = '111111111111'
        use_path_style = true
        options = { o = 1 }";
    let manifest = repository.manifest(&format!(
        "[environments.up]\n{account}\nbackend.type = 'local'\n\
         [environments.dev]\n{account}\nprotected = true\ndepends_on = ['up']\ntags = ['t']\n\
         [environments.dev.stacks.x]\npath = 'x'\ndepends_on = []\ninputs = {{ i = 'up.o' }}{rest}"
    ));
    let shown = manifest.show(&units(&["dev/x"]));
    let values = shown["units"][0]["values"].as_object().expect("values");
    for (name, value) in values {
        assert_ne!(value["from"], "default", "{name} was set");
    }
    let mut shown: Vec<&str> = values.keys().map(String::as_str).collect();
    // A token comes from one of two places, and there are no tags beside it.
    let tokens = ["web_identity_token_file", "web_identity_token_env"].map(|key| {
        let manifest = repository.manifest(&format!(
            "[environments.up]\n{account}\nbackend.type = 'local'\n\
             assume_role = {{ role_arn = 'arn:aws:iam::111111111111:role/R', {key} = 'T' }}"
        ));
        let shown = manifest.show(&units(&["up"]));
        assert_eq!(
            shown["units"][0]["values"][format!("assume_role.{key}")]["value"],
            "T"
        );
        format!("assume_role.{key}")
    });
    shown.extend(tokens.iter().map(String::as_str));
    let environments = "/properties/environments/patternProperties/^[A-Za-z0-9][A-Za-z0-9_-]*$";
    let stacks = "/properties/stacks/patternProperties/^[A-Za-z0-9][A-Za-z0-9_-]*$";
    let schema = schema();
    let environment = schema.pointer(environments).expect("environments");
    let stack = environment.pointer(stacks).expect("stacks");
    for table in [environment, stack] {
        assert_shown(table, "", &shown);
    }
}

/// Every key of a table, but for `stacks`, is among the shown values.
fn assert_shown(table: &Value, path: &str, shown: &[&str]) {
    let properties = table["properties"].as_object().expect("properties");
    for (name, property) in properties.iter().filter(|(name, _)| *name != "stacks") {
        let path = format!("{path}{name}");
        let inner = property["anyOf"].get(0).unwrap_or(property);
        if inner.get("properties").is_some() {
            assert_shown(inner, &format!("{path}."), shown);
            continue;
        }
        let is_shown = |shown: &&str| **shown == path || shown.starts_with(&format!("{path}."));
        assert!(shown.iter().any(is_shown), "`{path}` does nothing");
    }
}
