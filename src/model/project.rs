//! The manifest, resolved.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::{
    AccountId, AssumeRole, Backend, BucketSpec, CredentialsSpec, EnvironmentName, Region, UnitId,
};

/// A manifest with everything merged, expanded and checked.
#[derive(Debug, Clone)]
pub struct Project {
    /// `project.name`: in session names, tags and reports.
    pub name: Option<String>,
    /// The manifest file, absolute.
    pub manifest: PathBuf,
    /// The manifest's folder, absolute: what relative paths start from, and where `.tfw/` lies.
    pub root: PathBuf,
    /// `[terraform]`.
    pub terraform: TerraformSettings,
    /// In the order in which they stand.
    pub environments: Vec<Environment>,
    /// All units, in the order in which they stand; the units of one environment are neighbours.
    pub units: Vec<Unit>,
}

/// `[terraform]`, resolved.
#[derive(Debug, Clone)]
pub struct TerraformSettings {
    /// What to run: `terraform`, `tofu` or a path. Relative paths with a separator are relative
    /// to the manifest.
    pub binary: String,
    /// Terraform's version constraint, as written.
    pub version: Option<String>,
    /// Units at once.
    pub parallelism: Option<usize>,
}

/// One environment.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// Its folder, absolute: the root module, or what the stacks' paths start from.
    pub folder: PathBuf,
    /// Whether writes ask for the environment's name.
    pub protected: bool,
    /// Labels to select by.
    pub tags: Vec<String>,
    /// What it waits for.
    pub depends_on: Dependencies,
    /// Whether it has stacks; without, it is one unit itself.
    pub has_stacks: bool,
}

/// What an environment waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dependencies {
    /// No `depends_on`: the environment above it, as order only.
    Position,
    /// `depends_on`, explicit; an empty list sets the environment free.
    Explicit(Vec<EnvironmentName>),
}

/// What one Terraform process works on.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its name.
    pub id: UnitId,
    /// The root module's folder, absolute.
    pub folder: PathBuf,
    /// Whether other units use the same folder, so that each needs its own `TF_DATA_DIR`.
    pub shares_folder: bool,
    /// The account that its credentials must belong to.
    pub account_id: Option<AccountId>,
    /// Whether its default provider assumes the role by itself, from the credentials before the last
    /// role of `assume_role`.
    pub provider_assumes_role: bool,
    /// The accounts beside `account_id` that aliased providers and those of modules may work in.
    pub extra_account_ids: Vec<AccountId>,
    /// The region of its providers (`AWS_REGION` of the child).
    pub region: Option<Region>,
    /// Whether its environment is protected.
    pub protected: bool,
    /// Labels of its environment.
    pub tags: Vec<String>,
    /// Sibling stacks that it waits for (`depends_on` of the stack; `inputs` are beside it).
    pub depends_on: Vec<UnitId>,
    /// Where its state lives.
    pub backend: Backend,
    /// What its state bucket must be like.
    pub bucket: BucketSpec,
    /// Base credentials.
    pub credentials: CredentialsSpec,
    /// Roles to assume, in order; empty: the base credentials are used as they are.
    pub assume_role: Vec<AssumeRole>,
    /// Passed with `-var-file`, in this order; absolute.
    pub var_files: Vec<PathBuf>,
    /// Typed values, passed as `TF_VAR_*`; `inputs` of the same name beat them.
    pub vars: BTreeMap<String, Value>,
    /// Outputs of other units, passed as `TF_VAR_*`.
    pub inputs: BTreeMap<String, Input>,
    /// Extra variables of the child.
    pub env: BTreeMap<String, String>,
    /// How long to wait for the state lock.
    pub lock_timeout: Duration,
}

impl Unit {
    /// The roles whose credentials Terraform gets: all of them, but for the last one where the
    /// provider takes a role in its place.
    pub fn delivered_roles(&self) -> &[AssumeRole] {
        match self.assume_role.split_last() {
            Some((_, before)) if self.provider_assumes_role => before,
            _ => &self.assume_role,
        }
    }

    /// The accounts that a provider may work in.
    pub fn allowed_accounts(&self) -> impl Iterator<Item = &AccountId> {
        self.account_id.iter().chain(&self.extra_account_ids)
    }
}

/// An output of another unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Whose output.
    pub unit: UnitId,
    /// Its name.
    pub output: String,
}
