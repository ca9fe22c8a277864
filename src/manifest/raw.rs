//! The shape of `tfw.toml`.
//!
//! These types are the one source of truth: the JSON Schema is generated from them, the file is
//! checked against that schema, and the merged tables are deserialised into them. Their doc
//! comments are what editors show.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;

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
    /// The JSON Schema of this file, for editors.
    #[schemars(rename = "$schema")]
    schema: Option<String>,
    /// What all environments belong to.
    project: Option<Project>,
    /// The Terraform that runs.
    terraform: Option<Terraform>,
    /// What every environment inherits.
    defaults: Option<Settings>,
    /// The environments, in the order in which they run.
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
    /// The project's name: in session names, tags and reports.
    pub(super) name: Option<String>,
}

/// The Terraform that runs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Terraform {
    /// `terraform` (default), `tofu`, or a path, relative to this file. `--terraform` and
    /// `$TFW_TERRAFORM` override it.
    pub(super) binary: Option<String>,
    /// The versions that may run, in Terraform's grammar: `~> 1.11` or `>= 1.11, < 2.0`.
    pub(super) version: Option<String>,
    /// Units that run at once. Default: the available cores, at least 2.
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
    /// The stacks of the environment: one root module each. Without, the environment is one root
    /// module itself.
    stacks: Option<BTreeMap<Name, Stack>>,
    #[schemars(flatten)]
    settings: Settings,
}

/// What only environments have.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[expect(dead_code, reason = "paths and references are read with their places")]
pub(super) struct EnvironmentKeys {
    /// The folder of the root module, or of the stacks, relative to this file. Default: the
    /// environment's name.
    path: Option<String>,
    /// The AWS account that the environment's credentials must belong to. Required with an S3
    /// backend or `assume_role`.
    #[schemars(regex(pattern = ACCOUNT_ID))]
    pub(super) account_id: Option<String>,
    /// Whether writes ask for the environment's name. Default: false.
    pub(super) protected: Option<bool>,
    /// The environments that this one waits for. Default: the one above it, as order only; `[]`
    /// sets it free.
    #[schemars(inner(regex(pattern = NAME)))]
    depends_on: Option<Vec<String>>,
    /// Labels to select by, with `--tag`.
    pub(super) tags: Option<Vec<String>>,
    /// Outputs of other units, passed as `TF_VAR_*`: `{ zone = "dns.zone_id" }`. In an environment
    /// with stacks they stand in the stacks.
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
    /// The folder of the root module, relative to this file. Default: the stack's name, in the
    /// environment's folder. Several units may share one.
    path: Option<String>,
    /// The stacks of the same environment that this one waits for.
    #[schemars(inner(regex(pattern = NAME)))]
    depends_on: Option<Vec<String>>,
    /// Outputs of other units, passed as `TF_VAR_*`. `network.vpc_id` is an output of a stack of
    /// the same environment, else of an environment without stacks; `dev/network.vpc_id` names
    /// both.
    inputs: Option<BTreeMap<String, String>>,
}

/// What may stand under `defaults`, in an environment, and in a stack. Tables merge key by key,
/// arrays replace, `""` unsets an inherited string. `{environment}`, `{stack}`, `{account_id}` and
/// `{region}` expand in strings; `{{` and `}}` are literal braces.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[serde(default)]
pub(super) struct Settings {
    /// The AWS region of providers and, unless it has its own, of the backend.
    pub(super) region: Option<String>,
    /// Passed to Terraform with `-var-file`, in this order; relative to this file.
    pub(super) var_files: Option<Vec<String>>,
    /// Values of Terraform variables, with their types; passed as `TF_VAR_*`.
    pub(super) vars: BTreeMap<String, Value>,
    /// Extra environment variables of Terraform and its providers.
    pub(super) env: BTreeMap<String, String>,
    /// How long to wait for the state lock: `30s`, `5m`. Default: `0s`.
    pub(super) lock_timeout: Option<String>,
    /// Where the state lives.
    pub(super) backend: Option<Backend>,
    /// What the state bucket must be like.
    pub(super) bucket: Option<Bucket>,
    /// Where base credentials come from. Default: the AWS SDK's chain.
    pub(super) credentials: Option<Credentials>,
    /// The role to assume, or a chain of roles.
    pub(super) assume_role: Option<AssumeRoles>,
}

/// Where the state lives. One with another `type` than the inherited one replaces it whole.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[serde(default)]
pub(super) struct Backend {
    /// `s3`, `local`, or another backend of Terraform, which is configured but not created.
    #[serde(rename = "type")]
    #[schemars(extend("examples" = ["s3", "local"]))]
    pub(super) kind: Option<String>,
    /// `s3`: the bucket.
    pub(super) bucket: Option<String>,
    /// `s3`: the key of the state object. `{stack}/` is nothing in a unit without a stack.
    pub(super) key: Option<String>,
    /// `s3`: the bucket's region. Default: the environment's.
    pub(super) region: Option<String>,
    /// `s3`: whether Terraform locks by an object beside the state. Default: true.
    pub(super) use_lockfile: Option<bool>,
    /// `s3`: the KMS key that encrypts state objects. Default: `bucket.kms_key`.
    pub(super) kms_key_id: Option<String>,
    /// The Terraform workspace. Default: `default`.
    pub(super) workspace: Option<String>,
    /// `s3`: the role for the state, where it lives in another account than the resources.
    pub(super) role_arn: Option<String>,
    /// `s3`: the account that owns the bucket. Default: that of `role_arn`, else the
    /// environment's.
    pub(super) account_id: Option<String>,
    /// `s3`: `https://HOST/BUCKET` in place of `https://BUCKET.HOST`, for servers other than AWS.
    /// Default: false.
    pub(super) use_path_style: Option<bool>,
    /// Any other argument of the backend, passed as it is.
    pub(super) options: serde_json::Map<String, Value>,
}

/// What the state bucket must be like.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[serde(default)]
pub(super) struct Bucket {
    /// The bucket's default encryption. Default: `AES256`.
    pub(super) encryption: Option<Encryption>,
    /// With `aws:kms`: the key, as ARN, id or `alias/NAME`. Default: AWS's own key for S3.
    pub(super) kms_key: Option<String>,
}

/// Server-side encryption of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(super) enum Encryption {
    #[serde(rename = "AES256")]
    Aes256,
    #[serde(rename = "aws:kms")]
    AwsKms,
}

/// Where base credentials come from.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[serde(default)]
pub(super) struct Credentials {
    /// A profile of the shared AWS configuration files.
    pub(super) profile: Option<String>,
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

/// A role to assume.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[serde(default)]
pub(super) struct AssumeRole {
    /// The role's ARN.
    pub(super) role_arn: Option<String>,
    /// The external id that the role's trust policy asks for.
    pub(super) external_id: Option<String>,
    /// The session's name. Default: tfw's own, with the run id in it.
    pub(super) session_name: Option<String>,
    /// How long the session lives, from `15m` to `12h`. Default: `1h`.
    pub(super) duration: Option<String>,
}
