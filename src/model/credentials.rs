//! Which credentials a unit asks for. The secrets themselves live in `credentials`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{AccountId, MfaSerial, RoleArn};

/// Where the base credentials come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialsSpec {
    /// A profile of the shared configuration files; `None`: the SDK's chain.
    pub profile: Option<String>,
    /// The MFA device whose code makes a session of long-term keys; `None`: they are used as they
    /// are.
    pub mfa: Option<MfaSpec>,
    /// How Terraform gets its credentials; `None`: as is best for the command.
    pub delivery: Option<Delivery>,
}

/// An MFA device, and the session that its code makes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MfaSpec {
    /// The device.
    pub serial: MfaSerial,
    /// A program that prints a code, with its arguments; empty: somebody is asked.
    pub process: Vec<String>,
    /// How long the session lives.
    pub session_duration: Duration,
}

/// How Terraform gets its credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Delivery {
    /// In its environment: they end when they end.
    Env,
    /// From an endpoint of tfw's on this machine, which renews them while the run lasts.
    Server,
}

impl Delivery {
    /// The manifest's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::Server => "server",
        }
    }
}

/// One link of a chain of roles.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssumeRole {
    /// The role.
    pub role_arn: RoleArn,
    /// The external id that the role's trust policy asks for.
    pub external_id: Option<String>,
    /// The session's name; `None`: tfw's own, with the run id in it.
    pub session_name: Option<String>,
    /// How long the session lives; `None`: AWS's default of one hour.
    pub duration: Option<Duration>,
    /// Session tags.
    pub tags: BTreeMap<String, String>,
    /// The keys of the tags that the next role of a chain gets, too.
    pub transitive_tag_keys: Vec<String>,
    /// Who is behind the session, for CloudTrail and for policies.
    pub source_identity: Option<String>,
    /// A session policy, as JSON: what the session may do at most.
    pub policy: Option<String>,
    /// ARNs of managed policies to the same end.
    pub policy_arns: Vec<String>,
    /// A token that stands in for base credentials: only in the first link.
    pub web_identity: Option<WebIdentity>,
}

/// Where an OIDC token is read from, each time that it is needed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WebIdentity {
    /// A file that holds it.
    File(PathBuf),
    /// A variable of tfw's environment that holds it.
    Variable(String),
}

impl AssumeRole {
    /// A role without anything else.
    pub fn new(role_arn: RoleArn) -> Self {
        Self {
            role_arn,
            external_id: None,
            session_name: None,
            duration: None,
            tags: BTreeMap::new(),
            transitive_tag_keys: Vec::new(),
            source_identity: None,
            policy: None,
            policy_arns: Vec::new(),
            web_identity: None,
        }
    }
}

/// A session that is kept, as `tfw session list` tells of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptSession {
    /// What made it: `mfa`.
    pub kind: &'static str,
    /// The long-term access key that it was made with.
    pub identity: String,
    /// The account; `None`: the device's serial number does not say.
    pub account_id: Option<AccountId>,
    /// The device.
    pub mfa_serial: String,
    /// When it ends.
    pub expires: Timestamp,
}
