//! Every variable that tfw reads, sets or removes.
//!
//! The environment is read once, into an [`EnvSnapshot`], and handed down; nothing else in tfw
//! calls `std::env::var` (the AWS SDK reads its own variables itself).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Read: the manifest, where `--manifest` is not given.
pub const TFW_MANIFEST: &str = "TFW_MANIFEST";
/// Read: a code of an MFA device, where `--mfa-code` is not given. Removed from each child's
/// environment.
pub const TFW_MFA_CODE: &str = "TFW_MFA_CODE";
/// Read: the Terraform binary, where `--terraform` is not given.
pub const TFW_TERRAFORM: &str = "TFW_TERRAFORM";
/// Read: set by the script of `tfw completions` to its shell's name, to ask what may follow.
pub const TFW_COMPLETE: &str = "TFW_COMPLETE";
/// Read: any non-empty value turns colours off (<https://no-color.org>).
pub const NO_COLOR: &str = "NO_COLOR";
/// Read: what the terminal can do; on a `dumb` one nothing is coloured or redrawn.
pub const TERM: &str = "TERM";
/// Read: where the user's caches are, beside `XDG_CACHE_HOME`.
pub const HOME: &str = "HOME";
/// Read: the user's cache folder (XDG Base Directory Specification).
pub const XDG_CACHE_HOME: &str = "XDG_CACHE_HOME";
/// Read: the person's shell, which `tfw shell` starts.
pub const SHELL: &str = "SHELL";
/// Read: who is told to hold a lock.
pub const USER: &str = "USER";
/// Read: CI systems set it. Some give a terminal, whose output ends in a log all the same: nothing
/// is redrawn there.
pub const CI: &str = "CI";
/// Read: a PEM file of certificates to trust, as in the AWS tools. The Rust SDK does not read it.
pub const AWS_CA_BUNDLE: &str = "AWS_CA_BUNDLE";
/// Read for messages: the profile that the AWS SDK's chain uses.
pub const AWS_PROFILE: &str = "AWS_PROFILE";
/// Read for messages: the endpoint of every AWS service, where the service has none of its own. The
/// SDK and Terraform obey these themselves.
pub const AWS_ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
/// Read for messages: the endpoint of S3.
pub const AWS_ENDPOINT_URL_S3: &str = "AWS_ENDPOINT_URL_S3";
/// Read for messages: the endpoint of STS.
pub const AWS_ENDPOINT_URL_STS: &str = "AWS_ENDPOINT_URL_STS";
/// Read for messages: the endpoint of KMS.
pub const AWS_ENDPOINT_URL_KMS: &str = "AWS_ENDPOINT_URL_KMS";
/// Read for messages: the endpoint of CloudTrail.
pub const AWS_ENDPOINT_URL_CLOUDTRAIL: &str = "AWS_ENDPOINT_URL_CLOUDTRAIL";
/// Read for messages: the endpoint of IAM.
pub const AWS_ENDPOINT_URL_IAM: &str = "AWS_ENDPOINT_URL_IAM";
/// Read, and passed on: a plugin cache that the person already has; else tfw sets its own.
pub const TF_PLUGIN_CACHE_DIR: &str = "TF_PLUGIN_CACHE_DIR";
/// Read, and passed on: the CLI configuration, which may name a plugin cache too.
pub const TF_CLI_CONFIG_FILE: &str = "TF_CLI_CONFIG_FILE";

/// Set for each child: the region of the unit.
pub const CHILD_REGION: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// Set for each child: both point to an empty file, so that no profile of the person's files can
/// win over what tfw delivers (Terraform prefers a `[default]` profile to a container endpoint).
pub const SHARED_FILES: [&str; 2] = ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"];
/// Set for each child where its unit cannot use the ordinary `.terraform`.
pub const TF_DATA_DIR: &str = "TF_DATA_DIR";
/// Set for each child: less chatter about what to type next.
pub const TF_IN_AUTOMATION: &str = "TF_IN_AUTOMATION";
/// Set for each child to `true`: credentials come from tfw, never from the machine's role.
pub const AWS_EC2_METADATA_DISABLED: &str = "AWS_EC2_METADATA_DISABLED";
/// Set for each child, one for each of `vars` and `inputs`.
pub const TF_VAR_PREFIX: &str = "TF_VAR_";

/// Set for `exec` and `shell`, one for each subcommand: the options that tfw itself would pass.
pub const TF_CLI_ARGS_PREFIX: &str = "TF_CLI_ARGS_";
/// Set by `tfw shell`, and read: the unit that the shell is for.
pub const TFW_UNIT: &str = "TFW_UNIT";
/// Set by `tfw shell`: the environment of the unit.
pub const TFW_ENVIRONMENT: &str = "TFW_ENVIRONMENT";
/// Set by `tfw shell`: the account that the credentials are proven to belong to.
pub const TFW_ACCOUNT_ID: &str = "TFW_ACCOUNT_ID";
/// Set by `tfw shell`: when the credentials end (RFC 3339, UTC).
pub const TFW_EXPIRES: &str = "TFW_EXPIRES";
/// Set by `tfw shell`: all of that in a few words, for a prompt.
pub const TFW_PROMPT: &str = "TFW_PROMPT";

/// Passed on to git, with `PATH`, `HOME`, `XDG_CONFIG_HOME` and `TMPDIR`: `GIT_CONFIG_COUNT` and its like, by
/// which CI systems name the folders that git may trust.
pub const GIT_CONFIG: &str = "GIT_CONFIG";
/// Set for git: a look must not write into the repository.
pub const GIT_OPTIONAL_LOCKS: &str = "GIT_OPTIONAL_LOCKS";

/// Set for each child that gets its credentials from tfw's endpoint: where that is.
pub const AWS_CONTAINER_CREDENTIALS_FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// Printed by `tfw env`, as by `aws configure export-credentials`: when the credentials end.
pub const AWS_CREDENTIAL_EXPIRATION: &str = "AWS_CREDENTIAL_EXPIRATION";

/// Removed from each child's environment in silence: credentials and what selects them.
pub const REMOVED_CREDENTIALS: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    AWS_CREDENTIAL_EXPIRATION,
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    AWS_CONTAINER_CREDENTIALS_FULL_URI,
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    // Read by Terraform's S3 backend: would encrypt the state with another key than the manifest's.
    "AWS_SSE_CUSTOMER_KEY",
    TFW_MFA_CODE,
];

/// Removed from each child's environment with a warning: settings of Terraform that tfw makes
/// itself, and places that only Terraform would go to. `TF_CLI_ARGS` stands for itself and every `TF_CLI_ARGS_*`.
pub const REMOVED_TERRAFORM: &[&str] = &[
    "TF_CLI_ARGS",
    "TF_WORKSPACE",
    "TF_DATA_DIR",
    // Endpoints that Terraform's S3 backend obeys (1.11.4) and the AWS SDK does not: the state
    // would be at another place than tfw looks at. `AWS_ENDPOINT_URL_S3` and its like both obey.
    "AWS_S3_ENDPOINT",
    "AWS_STS_ENDPOINT",
    "AWS_IAM_ENDPOINT",
    "AWS_DYNAMODB_ENDPOINT",
];

/// The environment as it was when tfw started.
#[derive(Debug, Clone, Default)]
pub struct EnvSnapshot(BTreeMap<OsString, OsString>);

impl EnvSnapshot {
    /// Reads the process's environment.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn capture() -> Self {
        Self(std::env::vars_os().collect())
    }

    /// A variable; empty counts as unset, as in the AWS tools and Terraform.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for EnvSnapshot {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}
