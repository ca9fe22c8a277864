//! The shape of `tfw.toml`.
//!
//! These types are the one source of truth: the JSON Schema is generated from them, the file is
//! checked against that schema, and the merged tables are deserialised into them. Their doc
//! comments are what editors show.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

/// Names of environments and stacks.
pub(super) const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_-]*$";
/// AWS account ids.
pub(super) const ACCOUNT_ID: &str = "^[0-9]{12}$";

/// The manifest of tfw: environments, their accounts, backends and root modules.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "tfw.toml")]
#[expect(
    dead_code,
    reason = "only its schema is used; its parts are read one by one"
)]
pub(super) struct Manifest {
    /// The JSON Schema of this file, for editors: what `tfw manifest schema` prints.
    #[schemars(rename = "$schema", extend("examples" = ["./tfw.schema.json"]))]
    schema: Option<String>,
    /// What all environments belong to.
    project: Option<Project>,
    /// The Terraform that runs.
    terraform: Option<Terraform>,
    /// What every environment inherits.
    defaults: Option<Settings>,
    /// The environments, in the order in which they run: in `apply` each waits for the one above
    /// it, unless its `depends_on` says otherwise. At least one.
    environments: BTreeMap<Name, Environment>,
}

/// The name of an environment or a stack.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name;

impl JsonSchema for Name {
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": NAME })
    }
}

/// What all environments belong to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Project {
    /// The project's name: part of the session names that AWS's CloudTrail shows, and the tag
    /// `tfw:project` of the buckets and keys that tfw creates.
    /// Default: none.
    #[schemars(extend("examples" = ["acme"]))]
    pub(super) name: Option<String>,
}

/// The Terraform that runs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Terraform {
    /// What to run: `terraform`, `tofu`, or a path. A name is looked up in `PATH`; a path is
    /// relative to this file. `--terraform` and `$TFW_TERRAFORM` win over it. Default:
    /// `terraform`.
    #[schemars(extend("examples" = ["tofu"]))]
    pub(super) binary: Option<String>,
    /// The versions that may run, in Terraform's grammar. Any other is refused before anything
    /// runs, with exit code 3. Locking by S3 needs 1.10 or
    /// newer. Default: any version.
    #[schemars(extend("examples" = ["~> 1.11", ">= 1.11, < 2.0"]))]
    pub(super) version: Option<String>,
    /// How many units run at once; the order among them stays. Default: the available cores, at
    /// least 2.
    #[schemars(extend("examples" = [4]))]
    pub(super) parallelism: Option<NonZeroUsize>,
}

/// One environment: an account, a region, a backend, and one root module or several stacks.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "only its schema is used; its parts are read one by one"
)]
pub(super) struct Environment {
    #[schemars(flatten)]
    own: EnvironmentKeys,
    /// The stacks of the environment, one root module each: `dev/network`, `dev/app`. Without
    /// any, the environment is one root module itself.
    stacks: Option<BTreeMap<Name, Stack>>,
    #[schemars(flatten)]
    settings: Settings,
}

/// What only environments have.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "paths and references are read with their places")]
pub(super) struct EnvironmentKeys {
    /// The folder of the root module or, where there are stacks, the folder that theirs are in.
    /// Relative to this file. Default: the environment's name.
    #[schemars(extend("examples" = ["live/dev"]))]
    path: Option<String>,
    /// The AWS account that the environment's credentials must belong to: AWS is asked before
    /// Terraform starts, and any other account is refused. 12 digits, in quotes. Required with an
    /// S3 backend or `assume_role`.
    #[schemars(regex(pattern = ACCOUNT_ID), extend("examples" = ["111111111111"]))]
    pub(super) account_id: Option<String>,
    /// Whether every command that writes asks for the environment's name, or `--approve NAME`.
    /// `--yes` and `--auto-approve` do not suffice there. Default: `false`.
    pub(super) protected: Option<bool>,
    /// The environments that this one waits for in `apply`; it is skipped when one of them fails.
    /// `[]` sets it free. What stands here is also followed by `--with-dependencies` and
    /// `--with-dependents`, which the default is not. Default: the environment above it.
    #[schemars(inner(regex(pattern = NAME)), extend("examples" = [["dev"]]))]
    depends_on: Option<Vec<String>>,
    /// Labels to select units by: `tfw plan --tag eu`.
    #[schemars(extend("examples" = [["eu", "live"]]))]
    pub(super) tags: Option<Vec<String>>,
    /// Variables whose values are outputs of other units, read when the unit is planned; as in a
    /// stack. In an environment with stacks they stand in the stacks.
    #[schemars(extend("examples" = [{ "zone_id": "dns.zone_id" }]))]
    inputs: Option<BTreeMap<String, String>>,
}

/// One root module of an environment.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "only its schema is used; its parts are read one by one"
)]
pub(super) struct Stack {
    #[schemars(flatten)]
    own: StackKeys,
    #[schemars(flatten)]
    settings: Settings,
}

/// What only stacks have.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "paths and references are read with their places")]
pub(super) struct StackKeys {
    /// The folder of the root module, relative to this file. Several units may share one. Default:
    /// the stack's name, in the environment's folder.
    #[schemars(extend("examples" = ["../stacks/eks"]))]
    path: Option<String>,
    /// The stacks of the same environment that this one waits for, beside those that `inputs`
    /// names. Default: none; stacks run at once.
    #[schemars(inner(regex(pattern = NAME)), extend("examples" = [["network"]]))]
    depends_on: Option<Vec<String>>,
    /// Variables whose values are outputs of other units, read from their states when this unit is
    /// planned, and passed as `TF_VAR_*`. `network.vpc_id` is an output of a stack of the same
    /// environment, else of an environment without stacks; `dev/network.vpc_id` names both. The
    /// unit waits for them. An input beats a value in `vars`.
    #[schemars(extend("examples" = [{ "vpc_id": "network.vpc_id" }]))]
    inputs: Option<BTreeMap<String, String>>,
}

/// What may stand under `defaults`, in an environment, and in a stack. Tables merge key by key,
/// arrays replace, `""` unsets an inherited string. `{environment}`, `{stack}`, `{account_id}` and
/// `{region}` expand in strings; `{{` and `}}` are literal braces.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[serde(default)]
pub(super) struct Settings {
    /// The AWS region of the unit: `AWS_REGION` of Terraform and its providers, and the region of
    /// the state bucket unless `backend.region` is another.
    #[schemars(extend("examples" = ["ap-northeast-1"]))]
    pub(super) region: Option<String>,
    /// Whether the default `aws` provider of the root module assumes its role by itself. Terraform
    /// then gets the credentials before the last role of `assume_role` (without any: the base
    /// credentials), its backend takes that last role, and tfw assumes the provider's role once to
    /// prove that its account is `account_id`. Without this key, a provider that assumes a role is
    /// refused. Default: `false`.
    pub(super) provider_assumes_role: Option<bool>,
    /// Accounts beside `account_id` that aliased providers, and providers in modules, may work in:
    /// a role or a profile of theirs that leads to any other account is refused. Default: none.
    #[schemars(extend("examples" = [["999999999999"]]))]
    pub(super) extra_account_ids: Option<Vec<String>>,
    /// Files of variables, passed with `-var-file` in this order, so that later ones win. Relative
    /// to this file; each must exist.
    #[schemars(extend("examples" = [["common.tfvars", "{environment}.tfvars"]]))]
    pub(super) var_files: Option<Vec<String>>,
    /// Values of Terraform variables: strings, numbers, booleans, arrays and tables, passed as
    /// `TF_VAR_*`. A name that the root module does not declare is an error, and so is one that a
    /// tfvars file sets as well, since Terraform would let the file win.
    #[schemars(extend("examples" = [{ "owner": "platform", "replicas": 3 }]))]
    pub(super) vars: BTreeMap<String, Value>,
    /// Further environment variables of Terraform and its providers. Those that would win over what
    /// tfw sets (credentials, region, `TF_VAR_*`, `TF_CLI_ARGS`, …) are refused.
    #[schemars(extend("examples" = [{ "TF_LOG": "warn" }]))]
    pub(super) env: BTreeMap<String, String>,
    /// How long Terraform waits for a state lock that somebody holds, as a duration such as `30s`,
    /// `5m` or `1h30m`. Default: `0s`.
    #[schemars(extend("examples" = ["5m"]))]
    pub(super) lock_timeout: Option<String>,
    /// Where the state lives. Every unit needs one. The root module holds an empty block of the
    /// same type (`terraform { backend "s3" {} }`), which tfw fills at `init`.
    pub(super) backend: Option<Backend>,
    /// What the state bucket must be like. `tfw backend ensure` makes it so, and `tfw backend check`
    /// tells how it differs; other commands create one that does not exist, and leave one that does
    /// as it is.
    pub(super) bucket: Option<Bucket>,
    /// Where base credentials come from: those that `assume_role` starts with, or is done without.
    /// Default: the AWS SDK's chain (environment, shared files, SSO, web identity, container,
    /// instance).
    pub(super) credentials: Option<Credentials>,
    /// The role to assume for Terraform and for the state, or an array of tables: a chain of roles,
    /// each assumed with the one before it. Default: none; the base credentials are used.
    pub(super) assume_role: Option<AssumeRoles>,
}

/// Where the state lives. One with another `type` than the inherited one replaces it whole.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[serde(default)]
pub(super) struct Backend {
    /// `s3`, `local`, or another backend of Terraform, which gets its `options` and is not created.
    #[serde(rename = "type")]
    #[schemars(extend("examples" = ["s3", "local"]))]
    pub(super) kind: Option<String>,
    /// `s3`: the bucket's name. Required.
    #[schemars(extend("examples" = ["acme-tfstate-{environment}"]))]
    pub(super) bucket: Option<String>,
    /// `s3`: the key of the state object in the bucket. `{stack}/` is nothing in a unit without a
    /// stack. Required.
    #[schemars(extend("examples" = ["{stack}/terraform.tfstate"]))]
    pub(super) key: Option<String>,
    /// `s3`: the bucket's region. Default: the unit's `region`.
    #[schemars(extend("examples" = ["eu-central-1"]))]
    pub(super) region: Option<String>,
    /// `s3`: whether Terraform locks the state by an object beside it, `KEY.tflock`. Default:
    /// `true`.
    pub(super) use_lockfile: Option<bool>,
    /// `s3`: the KMS key that encrypts state objects, as ARN, id or `alias/NAME` (of the bucket's
    /// account and region). Where `bucket.kms_key` is set too, both must be the same key. Default:
    /// `bucket.kms_key`.
    #[schemars(extend("examples" = ["alias/terraform-state"]))]
    pub(super) kms_key_id: Option<String>,
    /// The Terraform workspace of the unit. Default: `default`.
    #[schemars(extend("examples" = ["{environment}"]))]
    pub(super) workspace: Option<String>,
    /// `s3`: the role that Terraform and tfw take to reach the state, where it lives in another
    /// account than the resources. Default: the unit's own credentials.
    #[schemars(extend("examples" = ["arn:aws:iam::999999999999:role/TerraformState"]))]
    pub(super) role_arn: Option<String>,
    /// `s3`: the account that owns the bucket; a bucket of any other is refused. Default: that of
    /// `backend.role_arn`, else the environment's.
    #[schemars(extend("examples" = ["999999999999"]))]
    pub(super) account_id: Option<String>,
    /// `s3`: `https://HOST/BUCKET` in place of `https://BUCKET.HOST`, for servers other than AWS.
    /// Default: `false`.
    pub(super) use_path_style: Option<bool>,
    /// Any other argument of Terraform's backend, passed as it is. Arguments that have a key here,
    /// and those that carry a secret, are refused: what stands in `-backend-config` ends up in
    /// `.terraform/` and in saved plans.
    #[schemars(extend("examples" = [{ "path": "state/{environment}.tfstate" }]))]
    pub(super) options: serde_json::Map<String, Value>,
}

/// What the state bucket must be like, beside versioned, closed to the public and owned by its
/// owner. What is stronger than asked for is kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the names of the design")]
pub(super) struct Bucket {
    /// The bucket's default encryption. Default: `"AES256"`.
    pub(super) encryption: Option<Encryption>,
    /// With `encryption = "aws:kms"`: the key, as ARN, id or `alias/NAME`. State objects are
    /// encrypted with it too. It must exist, unless `create_kms_key` is set. Default: AWS's own key
    /// for S3.
    #[schemars(extend("examples" = ["alias/terraform-state"]))]
    pub(super) kms_key: Option<String>,
    /// Whether the key is created where `kms_key`, an alias, does not exist: with rotation, and with
    /// a policy that keeps the account in charge. Default: `false`.
    pub(super) create_kms_key: Option<bool>,
    /// Where not empty, the bucket policy lets only these at the objects, beside the account's root
    /// user and the roles that tfw uses for the units in the bucket: account ids, or ARNs of roles
    /// and users, with `*` for any part of a name. Those of other accounts are let in as well; their
    /// own account must allow it, too. Default: none, and the policy is not about that.
    #[schemars(extend("examples" = [["arn:aws:iam::{account_id}:role/Admin", "999999999999"]]))]
    pub(super) allowed_principals: Option<Vec<String>>,
    /// How many days S3 keeps old versions of states for. The current one stays in any case.
    /// Default: for ever.
    #[schemars(extend("examples" = [90]))]
    pub(super) noncurrent_days: Option<NonZeroU32>,
    /// The bucket that S3 writes access logs to, under the name of the state bucket. It must exist,
    /// in the same region and account, and let S3 write. Default: none.
    #[schemars(extend("examples" = ["acme-access-logs"]))]
    pub(super) access_log_bucket: Option<String>,
    /// Tags of the bucket and of the KMS key that tfw creates. Other tags stay. Default: none.
    #[schemars(extend("examples" = [{ "team": "platform" }]))]
    pub(super) tags: BTreeMap<String, String>,
    /// Whether the bucket policy denies every request that does not come over TLS. Default: `true`,
    /// but where S3 itself is reached by `http://`.
    pub(super) force_tls: Option<bool>,
}

/// Server-side encryption of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(super) enum Encryption {
    #[serde(rename = "AES256")]
    Aes256,
    #[serde(rename = "aws:kms")]
    AwsKms,
}

/// Where base credentials come from, and how Terraform gets those that come of them.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[serde(default)]
pub(super) struct Credentials {
    /// A profile of the shared AWS configuration files, `~/.aws/config` and `~/.aws/credentials`.
    /// Default: the AWS SDK's chain.
    #[schemars(extend("examples" = ["acme-admin"]))]
    pub(super) profile: Option<String>,
    /// The MFA device that a code is asked for: with long-term keys, one code makes one session, and
    /// that assumes the roles of all environments. The session is kept for the next run, in the
    /// user's cache folder. With temporary base credentials (SSO, OIDC) no code is asked for.
    /// Default: none.
    #[schemars(extend("examples" = ["arn:aws:iam::111111111111:mfa/alice"]))]
    pub(super) mfa_serial: Option<String>,
    /// A program that prints a code, and its arguments. Default: `--mfa-code`, `$TFW_MFA_CODE`, or
    /// somebody is asked.
    #[schemars(extend("examples" = [["ykman", "oath", "accounts", "code", "-s", "aws"]]))]
    pub(super) mfa_process: Option<Vec<String>>,
    /// How long the session of `mfa_serial` lives, from `15m` to `36h`. Default: `8h`.
    #[schemars(extend("examples" = ["12h"]))]
    pub(super) session_duration: Option<String>,
    /// How Terraform gets its credentials: `env`, in its environment, or `server`, from an endpoint
    /// on this machine that renews them, so that a run may last longer than a session. Default:
    /// `server` for `apply` and `destroy`, `env` for the rest.
    pub(super) delivery: Option<Delivery>,
}

/// How Terraform gets its credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Delivery {
    Env,
    Server,
}

/// One role, or a chain of roles that are assumed one after the other.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum AssumeRoles {
    /// One role. Where it sets `role_arn`, it replaces the inherited one whole.
    One(AssumeRole),
    /// A chain of roles.
    Chain(Vec<AssumeRole>),
}

/// A role to assume. A table that sets `role_arn` replaces an inherited one whole, so that another
/// role's external id does not travel along; `role_arn = ""` unsets it.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[serde(default)]
pub(super) struct AssumeRole {
    /// The role's ARN. Required.
    #[schemars(extend("examples" = ["arn:aws:iam::{account_id}:role/TerraformExecutionRole"]))]
    pub(super) role_arn: Option<String>,
    /// The external id that the role's trust policy asks for. Default: none.
    #[schemars(extend("examples" = ["acme-terraform"]))]
    pub(super) external_id: Option<String>,
    /// The session's name, which CloudTrail shows. Default: tfw's own, with the run id in it.
    #[schemars(extend("examples" = ["ci-{environment}"]))]
    pub(super) session_name: Option<String>,
    /// How long the session lives, from `15m` to `12h`; in a chain AWS allows `1h`. Default: `1h`.
    #[schemars(extend("examples" = ["1h"]))]
    pub(super) duration: Option<String>,
    /// Session tags, for policies and CloudTrail. Default: none.
    #[schemars(extend("examples" = [{ "team": "platform" }]))]
    pub(super) tags: BTreeMap<String, String>,
    /// The keys of those tags that the roles after this one get, too. Default: none.
    #[schemars(extend("examples" = [["team"]]))]
    pub(super) transitive_tag_keys: Option<Vec<String>>,
    /// Who is behind the session: it stays along a chain, and CloudTrail shows it. Default: none.
    #[schemars(extend("examples" = ["alice"]))]
    pub(super) source_identity: Option<String>,
    /// A session policy: the session may do no more than it allows. Default: none.
    #[schemars(extend("examples" = [{
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": "s3:*", "Resource": "*" }]
    }]))]
    pub(super) policy: serde_json::Map<String, Value>,
    /// ARNs of managed policies to the same end. Default: none.
    #[schemars(extend("examples" = [["arn:aws:iam::aws:policy/ReadOnlyAccess"]]))]
    pub(super) policy_arns: Option<Vec<String>>,
    /// A file with an OIDC token that the role is assumed with, in place of base credentials; only
    /// in the first role of a chain. Default: none.
    #[schemars(extend("examples" = ["/var/run/secrets/token"]))]
    pub(super) web_identity_token_file: Option<String>,
    /// The same, by the name of the environment variable that holds the token, as CI systems give it.
    #[schemars(extend("examples" = ["GITLAB_OIDC_TOKEN"]))]
    pub(super) web_identity_token_env: Option<String>,
}
