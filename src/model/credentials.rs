//! Which credentials a unit asks for. The secrets themselves live in `credentials`.

use std::time::Duration;

use super::RoleArn;

/// Where the base credentials come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialsSpec {
    /// A profile of the shared configuration files; `None`: the SDK's chain.
    pub profile: Option<String>,
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
}
