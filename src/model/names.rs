//! Newtypes for the strings that must not be mixed up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A string that does not have the form its place asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not {expected}")]
pub struct InvalidName {
    /// What was given.
    pub value: String,
    /// What would be right, as in "an AWS account id (12 digits)".
    pub expected: &'static str,
}

/// Declares a checked string type: `name, "what it is", predicate`.
macro_rules! checked_string {
    ($(#[$meta:meta])* $name:ident, $expected:literal, $check:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// What a valid value is, for messages.
            pub const EXPECTED: &'static str = $expected;

            /// Checks the form.
            ///
            /// # Errors
            /// The value does not have the form in [`Self::EXPECTED`].
            pub fn new(value: impl Into<String>) -> Result<Self, InvalidName> {
                let value = value.into();
                let check: fn(&str) -> bool = $check;
                if check(&value) {
                    Ok(Self(value))
                } else {
                    Err(InvalidName { value, expected: $expected })
                }
            }

            /// The string itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(value: &str) -> Result<Self, InvalidName> {
                Self::new(value)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(value: String) -> Result<Self, InvalidName> {
                Self::new(value)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

checked_string!(
    /// The name of an environment: `dev`, `prod-eu`.
    EnvironmentName, "a name (letters, digits, `_` and `-`, not starting with a sign)", is_name
);
checked_string!(
    /// The name of a stack inside an environment: `network`.
    StackName, "a name (letters, digits, `_` and `-`, not starting with a sign)", is_name
);
checked_string!(
    /// An AWS account id: twelve digits.
    AccountId, "an AWS account id (12 digits)", is_account_id
);
checked_string!(
    /// The ARN of an IAM role, in any partition.
    RoleArn, "the ARN of an IAM role (`arn:aws:iam::123456789012:role/NAME`)", is_role_arn
);
checked_string!(
    /// The serial number of an MFA device: the ARN of a virtual one, or what is printed on it.
    MfaSerial,
    "the serial number of an MFA device (`arn:aws:iam::123456789012:mfa/NAME`)",
    is_mfa_serial
);
checked_string!(
    /// Somebody whom a policy lets in: an account, a role or a user, with `*` for any part of a
    /// name.
    Principal,
    "an account id, or the ARN of a role or a user (`arn:aws:iam::123456789012:role/NAME`)",
    is_principal
);
checked_string!(
    /// An S3 bucket name, by S3's naming rules for general purpose buckets.
    BucketName,
    "an S3 bucket name (3 to 63 lower-case letters, digits, `.` and `-`, starting and ending with a letter or digit)",
    is_bucket_name
);
checked_string!(
    /// The key of a state object in its bucket, without a workspace prefix.
    StateKey, "a state key (not empty, not starting with `/`, at most 1024 bytes)", is_state_key
);
checked_string!(
    /// An AWS region: `ap-northeast-1`.
    Region, "an AWS region (such as `eu-central-1`)", is_region
);
checked_string!(
    /// A Terraform workspace; `default` unless the manifest says otherwise.
    Workspace, "a workspace name (letters, digits, and `-_.~$&+=:@`)", is_workspace
);

impl MfaSerial {
    /// The account of a virtual device; `None`: the serial number does not say.
    pub fn account_id(&self) -> Option<AccountId> {
        let account = self.0.strip_prefix("arn:")?.split(':').nth(3)?;
        AccountId::new(account).ok()
    }
}

impl Principal {
    /// The account that it belongs to.
    pub fn account_id(&self) -> AccountId {
        let account = self.0.split(':').nth(4).unwrap_or(&self.0);
        AccountId(account.to_owned())
    }

    /// What `aws:PrincipalArn` is like when they ask, with `*` for anything: for an account, all in
    /// it.
    pub fn pattern(&self, partition: &str) -> String {
        let everybody = |partition: &str| format!("arn:{partition}:iam::{}:*", self.account_id());
        if is_account_id(&self.0) {
            everybody(partition)
        } else if self.0.ends_with(":root") {
            everybody(self.0.split(':').nth(1).unwrap_or(partition))
        } else {
            self.0.clone()
        }
    }
}

fn is_name(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn is_account_id(value: &str) -> bool {
    value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit())
}

fn is_role_arn(value: &str) -> bool {
    let parts: Vec<&str> = value.splitn(6, ':').collect();
    matches!(parts.as_slice(), ["arn", partition, "iam", "", account, resource]
        if partition.starts_with("aws") && is_account_id(account)
            && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty()))
}

fn is_mfa_serial(value: &str) -> bool {
    // STS API reference, GetSessionToken: 9 to 256 of these.
    (9..=256).contains(&value.len())
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_+=/:,.@-".contains(c))
}

fn is_principal(value: &str) -> bool {
    let parts: Vec<&str> = value.splitn(6, ':').collect();
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+=,.@_-/*".contains(c))
    };
    is_account_id(value)
        || matches!(parts.as_slice(), ["arn", partition, "iam", "", account, resource]
            if partition.starts_with("aws") && is_account_id(account)
                && (*resource == "root"
                    || resource.strip_prefix("role/").is_some_and(is_name)
                    || resource.strip_prefix("user/").is_some_and(is_name)))
}

fn is_bucket_name(value: &str) -> bool {
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    (3..=63).contains(&value.len())
        && value
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'))
        && value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && value.ends_with(|c: char| c.is_ascii_alphanumeric())
        && !value.contains("..")
        && value.parse::<std::net::Ipv4Addr>().is_err()
}

fn is_state_key(value: &str) -> bool {
    !value.is_empty() && value.len() <= 1024 && !value.starts_with('/') && !value.ends_with('/')
}

fn is_region(value: &str) -> bool {
    let parts: Vec<&str> = value.split('-').collect();
    parts.len() >= 3
        && parts
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric()))
        && value.ends_with(|c: char| c.is_ascii_digit())
        && value.starts_with(|c: char| c.is_ascii_lowercase())
}

/// What Go's `url.PathEscape` leaves as it is: that is Terraform's rule (`validWorkspaceName`).
fn is_workspace(value: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.~$&+=:@".contains(c);
    !value.is_empty() && value.chars().all(is_plain)
}

impl Workspace {
    /// Terraform's name for the workspace that always exists.
    pub const DEFAULT: &'static str = "default";

    /// Whether this is the workspace that always exists.
    pub fn is_default(&self) -> bool {
        self.as_str() == Self::DEFAULT
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl RoleArn {
    /// The account that the role belongs to.
    pub fn account_id(&self) -> AccountId {
        let account = self.0.split(':').nth(4).unwrap_or_default();
        AccountId(account.to_owned())
    }
}

impl Region {
    /// The partition that the region lies in, as it stands in ARNs: `aws`, `aws-cn`, `aws-us-gov`.
    pub fn partition(&self) -> &'static str {
        if self.0.starts_with("cn-") {
            "aws-cn"
        } else if self.0.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        }
    }
}

/// What one Terraform process works on: `dev`, or `dev/network` in an environment with stacks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct UnitId {
    /// The environment.
    pub environment: EnvironmentName,
    /// The stack, where the environment has stacks.
    pub stack: Option<StackName>,
}

impl UnitId {
    /// The unit's name as one path component: `dev`, `dev.network`. Names hold no dot, so it is
    /// unique.
    pub fn file_stem(&self) -> String {
        match &self.stack {
            Some(stack) => format!("{}.{stack}", self.environment),
            None => self.environment.to_string(),
        }
    }
}

impl fmt::Display for UnitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stack {
            Some(stack) => write!(f, "{}/{stack}", self.environment),
            None => self.environment.fmt(f),
        }
    }
}

impl FromStr for UnitId {
    type Err = InvalidName;
    fn from_str(value: &str) -> Result<Self, InvalidName> {
        let (environment, stack) = match value.split_once('/') {
            Some((environment, stack)) => (environment, Some(stack.parse()?)),
            None => (value, None),
        };
        Ok(Self {
            environment: environment.parse()?,
            stack,
        })
    }
}

impl TryFrom<String> for UnitId {
    type Error = InvalidName;
    fn try_from(value: String) -> Result<Self, InvalidName> {
        value.parse()
    }
}

impl Serialize for UnitId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_pattern_of_the_design() {
        for good in ["dev", "prod-eu", "a_b", "0"] {
            assert!(EnvironmentName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "-dev", "_x", "a/b", "ä", "a b"] {
            assert!(EnvironmentName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn role_arns_name_their_account() {
        let role: RoleArn = "arn:aws-cn:iam::123456789012:role/path/Name"
            .parse()
            .expect("valid");
        assert_eq!(role.account_id().as_str(), "123456789012");
        assert!(RoleArn::new("arn:aws:iam::123:role/x").is_err());
        assert!(RoleArn::new("arn:aws:iam::123456789012:user/x").is_err());
        assert!(RoleArn::new("arn:aws:iam::123456789012:role/").is_err());
    }

    #[test]
    fn bucket_names_follow_s3s_rules() {
        assert!(BucketName::new("acme-tfstate.dev").is_ok());
        for bad in ["ab", "Upper", "a..b", "-abc", "abc-", "192.168.0.1", "a_b"] {
            assert!(BucketName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn units_read_as_they_are_written() {
        for name in ["dev", "dev/network"] {
            assert_eq!(name.parse::<UnitId>().expect("valid").to_string(), name);
        }
        assert!("dev/net/work".parse::<UnitId>().is_err());
    }
}
