//! Where the state of a unit lives.

use serde_json::{Map, Value};

use super::{
    AccountId, AssumeRole, BackendAddress, BucketName, Region, RoleArn, StateKey, Workspace,
};

/// The backend of one unit, resolved.
#[derive(Debug, Clone, PartialEq)]
pub enum Backend {
    /// An S3 bucket that tfw ensures.
    S3(Box<S3Backend>),
    /// A file on this machine.
    Local(LocalBackend),
    /// Any other backend of Terraform: its configuration is injected, nothing is created.
    Other(OtherBackend),
}

/// State in S3 with the native lock file. `encrypt = true` is always sent.
#[derive(Debug, Clone, PartialEq)]
pub struct S3Backend {
    /// The bucket.
    pub bucket: BucketName,
    /// The key of the default workspace's state object.
    pub key: StateKey,
    /// The bucket's region.
    pub region: Region,
    /// The Terraform workspace that the unit uses.
    pub workspace: Workspace,
    /// Whether Terraform locks by `KEY.tflock`; true unless the manifest says otherwise.
    pub use_lockfile: bool,
    /// The ARN of the KMS key (or alias) that state objects are encrypted with.
    pub kms_key_id: Option<String>,
    /// The role for the state where that lives in another account than the resources.
    pub role_arn: Option<RoleArn>,
    /// The unit's own role, where Terraform must take it for the state by itself: the provider
    /// assumes one, and so Terraform has the credentials before that.
    pub own_role: Option<AssumeRole>,
    /// The account that must own the bucket: `ExpectedBucketOwner` of every request.
    pub owner: AccountId,
    /// The account of the credentials that reach the bucket, the only one with which Terraform's
    /// backend works: that of `role_arn`, else the unit's.
    pub caller: AccountId,
    /// `https://HOST/BUCKET` in place of `https://BUCKET.HOST`, for S3 servers other than AWS.
    pub use_path_style: bool,
    /// Any other argument of Terraform's backend, passed as it is.
    pub options: Map<String, Value>,
}

/// State in a local file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LocalBackend {
    /// The Terraform workspace that the unit uses.
    pub workspace: Workspace,
    /// Arguments of Terraform's `local` backend (`path`, `workspace_dir`).
    pub options: Map<String, Value>,
}

/// Another Terraform backend, passed through.
#[derive(Debug, Clone, PartialEq)]
pub struct OtherBackend {
    /// Terraform's name of it: `gcs`, `azurerm`, `http` …
    pub kind: String,
    /// The Terraform workspace that the unit uses.
    pub workspace: Workspace,
    /// Its arguments.
    pub options: Map<String, Value>,
}

impl Backend {
    /// Terraform's name of the backend: `s3`, `local`, …
    pub fn kind(&self) -> &str {
        match self {
            Self::S3(_) => "s3",
            Self::Local(_) => "local",
            Self::Other(other) => &other.kind,
        }
    }

    /// The Terraform workspace that the unit uses.
    pub fn workspace(&self) -> &Workspace {
        match self {
            Self::S3(s3) => &s3.workspace,
            Self::Local(local) => &local.workspace,
            Self::Other(other) => &other.workspace,
        }
    }

    /// The same backend with another workspace selected.
    #[must_use]
    pub fn with_workspace(&self, workspace: Workspace) -> Self {
        let mut backend = self.clone();
        match &mut backend {
            Self::S3(s3) => s3.workspace = workspace,
            Self::Local(local) => local.workspace = workspace,
            Self::Other(other) => other.workspace = workspace,
        }
        backend
    }

    /// Whether its state is locked by S3's native lock file.
    pub fn uses_native_lock(&self) -> bool {
        matches!(self, Self::S3(s3) if s3.use_lockfile)
    }

    /// Where the state is, for people: `s3://acme-tfstate-dev/network/terraform.tfstate`.
    pub fn place(&self) -> String {
        match self {
            Self::S3(s3) => format!("s3://{}/{}", s3.bucket, s3.object_key()),
            Self::Local(local) => match local.options.get("path").and_then(Value::as_str) {
                Some(path) => format!("the local file {path}"),
                None => "a local file".to_owned(),
            },
            Self::Other(other) => format!("the `{}` backend", other.kind),
        }
    }

    /// The address as reports print it.
    pub fn address(&self) -> BackendAddress {
        let (bucket, key) = match self {
            Self::S3(s3) => (Some(s3.bucket.to_string()), Some(s3.key.to_string())),
            Self::Local(_) | Self::Other(_) => (None, None),
        };
        BackendAddress {
            kind: self.kind().to_owned(),
            bucket,
            key,
            workspace: self.workspace().to_string(),
        }
    }
}

impl S3Backend {
    /// The endpoint of S3 that the manifest names for this backend: `endpoints.s3`, or the older
    /// `endpoint`.
    pub fn endpoint(&self) -> Option<&str> {
        let of_services = self.options.get("endpoints");
        of_services
            .and_then(|endpoints| endpoints.get("s3"))
            .or_else(|| self.options.get("endpoint"))
            .and_then(Value::as_str)
    }

    /// The key of the state object of the selected workspace. Named workspaces live under
    /// `env:/NAME/KEY` unless `workspace_key_prefix` says otherwise (Terraform's S3 backend).
    pub fn object_key(&self) -> String {
        if self.workspace.is_default() {
            return self.key.to_string();
        }
        format!(
            "{}/{}/{}",
            self.workspace_prefix(),
            self.workspace,
            self.key
        )
    }

    /// What the keys of named workspaces begin with.
    pub fn workspace_prefix(&self) -> &str {
        self.options
            .get("workspace_key_prefix")
            .and_then(Value::as_str)
            .unwrap_or("env:")
    }
}
