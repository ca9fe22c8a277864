//! What can go wrong with AWS, as facts.
//!
//! Whatever the SDK answers is turned into one of these before it leaves this room (see
//! [`failure`](super::failure)), so that nobody else reads error codes and nobody prints an SDK
//! error. The values are plain and cheap to clone: one failed request is told to every unit that
//! waited for it.

use crate::model::{AccountId, RoleArn};

/// Something went wrong with AWS or on the way to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AwsError {
    /// `AWS_CA_BUNDLE` names a file that cannot be used.
    #[error("`AWS_CA_BUNDLE` names `{path}`, which {problem}")]
    CaBundle {
        /// The file.
        path: String,
        /// What is wrong with it, as in "cannot be read: permission denied".
        problem: String,
    },
    /// Nothing on this machine has credentials.
    #[error("no AWS credentials were found: {detail}")]
    NoCredentials {
        /// Where they were looked for.
        detail: String,
    },
    /// A profile is named that the shared configuration files do not have.
    #[error("the AWS profile `{profile}` does not exist")]
    ProfileNotFound {
        /// Its name.
        profile: String,
        /// The profile with the most similar name.
        similar: Option<String>,
    },
    /// `~/.aws/config` or `~/.aws/credentials` cannot be read.
    #[error("cannot read the shared configuration files of AWS: {detail}")]
    SharedFiles {
        /// Why, with the file and the line.
        detail: String,
    },
    /// There is a source of credentials, but it failed: SSO, a process, a web identity.
    #[error("{} failed: {detail}", source_of(profile.as_deref()))]
    CredentialsSource {
        /// The profile; `None`: the SDK's chain without one.
        profile: Option<String>,
        /// Why, in the words of the source.
        detail: String,
    },
    /// AWS does not take the code of an MFA device.
    #[error("AWS does not take the code for the MFA device `{serial}`: {message}")]
    MfaRejected {
        /// The device.
        serial: String,
        /// AWS's message.
        message: String,
    },
    /// A code works once, and this one has.
    #[error("this code of the MFA device `{serial}` was used already, and a code works once")]
    MfaCodeUsed {
        /// The device.
        serial: String,
    },
    /// A code is needed, and nobody gives one.
    #[error("a code of the MFA device `{serial}` is needed, and nobody can be asked for it")]
    NoMfaCode {
        /// The device.
        serial: String,
    },
    /// `credentials.mfa_process` gives no code.
    #[error("`{program}`, which should print an MFA code, failed: {detail}")]
    MfaProcess {
        /// The program.
        program: String,
        /// Why.
        detail: String,
    },
    /// The clock of this machine is wrong, so that AWS takes no signature of it.
    #[error("AWS does not take a signature with the time of this machine: {message}")]
    ClockSkew {
        /// AWS's message, which has both times.
        message: String,
    },
    /// There is no OIDC token to assume a role with.
    #[error("{place} should hold an OIDC token: {problem}")]
    NoToken {
        /// "the file `…`", "the variable `…`".
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// A role of a chain could not be assumed.
    #[error("cannot assume the role `{role}`: {cause}")]
    AssumeRole {
        /// The role.
        role: RoleArn,
        /// Why.
        cause: Box<AwsError>,
    },
    /// The credentials belong to another account than the manifest says.
    #[error("expected account {expected}, but `{arn}` belongs to account {actual}")]
    AccountMismatch {
        /// The manifest's account.
        expected: AccountId,
        /// The account in AWS's own answer.
        actual: AccountId,
        /// Who AWS says that the credentials are.
        arn: String,
    },
    /// AWS knows the credentials, and they may not do this.
    #[error("access denied ({action}): {message}")]
    AccessDenied {
        /// The IAM action: `sts:AssumeRole`.
        action: String,
        /// AWS's message.
        message: String,
    },
    /// The credentials were valid once.
    #[error("the credentials have expired ({action}): {message}")]
    ExpiredCredentials {
        /// The IAM action.
        action: String,
        /// AWS's message.
        message: String,
    },
    /// AWS does not know the credentials, or the signature is wrong.
    #[error("AWS does not accept the credentials ({code}): {message}")]
    InvalidCredentials {
        /// AWS's code: `InvalidClientTokenId`.
        code: String,
        /// AWS's message.
        message: String,
    },
    /// No answer, or no connection.
    #[error("cannot reach `{endpoint}`: {cause}")]
    Unreachable {
        /// The endpoint's URL.
        endpoint: String,
        /// Why.
        cause: String,
    },
    /// AWS asks to slow down, and went on asking.
    #[error("AWS throttles the requests ({action}): {message}")]
    Throttled {
        /// The IAM action.
        action: String,
        /// AWS's message.
        message: String,
    },
    /// The bucket does not exist.
    #[error("the bucket `{bucket}` does not exist")]
    NoSuchBucket {
        /// The bucket.
        bucket: String,
    },
    /// The bucket exists in another region.
    #[error("the bucket `{bucket}` is in the region `{actual}`, not `{asked}`")]
    WrongRegion {
        /// The bucket.
        bucket: String,
        /// The region of the manifest.
        asked: String,
        /// Where it is.
        actual: String,
    },
    /// A 403 without a reason: S3 does not tell a foreign bucket from a missing permission.
    #[error(
        "the bucket `{bucket}` belongs to another account than {owner}, or `{arn}` may not use it"
    )]
    ForeignOrForbidden {
        /// The bucket.
        bucket: String,
        /// The account that should own it.
        owner: AccountId,
        /// Whose credentials asked.
        arn: String,
    },
    /// The bucket's name is taken by another account.
    #[error("the bucket name `{bucket}` is taken by another account")]
    BucketTaken {
        /// The bucket.
        bucket: String,
    },
    /// Another request works on the same thing.
    #[error("another request is working on {what}")]
    Busy {
        /// What: "the bucket `x`".
        what: String,
    },
    /// What was asked for is not there.
    #[error("not found: {what}")]
    NotFound {
        /// What: `s3://BUCKET/KEY`.
        what: String,
    },
    /// A condition of the request does not hold: somebody was faster.
    #[error("{what} has changed in the meantime")]
    PreconditionFailed {
        /// What: `s3://BUCKET/KEY`.
        what: String,
    },
    /// Anything else that AWS answers.
    #[error("{action} failed ({code}): {message}{}", request_id.as_deref().map(|id| format!(" (request {id})")).unwrap_or_default())]
    Other {
        /// The IAM action.
        action: String,
        /// AWS's code.
        code: String,
        /// AWS's message.
        message: String,
        /// For AWS's support.
        request_id: Option<String>,
    },
}

impl AwsError {
    /// What to do next, where something can be done.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::CaBundle { .. } => {
                "unset `AWS_CA_BUNDLE`, or let it name a PEM file of certificates".to_owned()
            }
            Self::NoCredentials { .. } => {
                "sign in (`aws sso login`), set `AWS_PROFILE`, or name a profile in `credentials.profile`"
                    .to_owned()
            }
            Self::ProfileNotFound { similar, .. } => match similar {
                Some(similar) => format!("there is a profile `{similar}`"),
                None => "`aws configure list-profiles` lists the profiles of this machine".to_owned(),
            },
            Self::CredentialsSource { profile, .. } => {
                let option = profile.as_ref().map(|name| format!(" --profile {name}"));
                let option = option.unwrap_or_default();
                format!(
                    "sign in again where it uses SSO (`aws sso login{option}`); `aws sts get-caller-identity{option}` tries the same source"
                )
            }
            Self::MfaRejected { .. } => {
                "take the code that the device shows now; it must be the device of these keys, and its clock must be right"
                    .to_owned()
            }
            Self::MfaCodeUsed { .. } => "wait for the next code, half a minute at most".to_owned(),
            Self::NoMfaCode { .. } => {
                "`--mfa-code CODE` or `$TFW_MFA_CODE` gives one, and so does `credentials.mfa_process`"
                    .to_owned()
            }
            Self::MfaProcess { .. } => {
                "run it by hand; `--mfa-code CODE` takes its place".to_owned()
            }
            Self::ClockSkew { .. } => "set the machine's clock".to_owned(),
            Self::NoToken { .. } => {
                "let the CI system issue one for this job (`id-token: write`, `id_tokens`)".to_owned()
            }
            Self::AssumeRole { role, cause } => match cause.as_ref() {
                Self::AccessDenied { .. } => format!(
                    "the trust policy of `{role}` must let the caller in (with the external id, where it asks for one), and the caller's policy must allow `sts:AssumeRole`"
                ),
                other => return other.hint(),
            },
            Self::AccountMismatch { .. } => {
                "use credentials or a role of the manifest's account, or correct `account_id`"
                    .to_owned()
            }
            Self::AccessDenied { action, .. } => format!("the caller's policy must allow `{action}`"),
            Self::ExpiredCredentials { .. } => "get new credentials, then run tfw again".to_owned(),
            Self::InvalidCredentials { .. } => {
                "check the keys, and that the machine's clock is right".to_owned()
            }
            Self::Unreachable { cause, .. } if cause.contains("certificate") => {
                "let `AWS_CA_BUNDLE` name a PEM file with the certificate of its issuer".to_owned()
            }
            Self::Unreachable { .. } => {
                "check the network, the proxy variables and `AWS_ENDPOINT_URL`".to_owned()
            }
            Self::Throttled { .. } => "wait a little, or lower `--parallelism`".to_owned(),
            Self::NoSuchBucket { .. } => "`tfw init` creates it".to_owned(),
            Self::WrongRegion { actual, .. } => format!("set `backend.region = \"{actual}\"`"),
            Self::ForeignOrForbidden { .. } => {
                "choose another bucket name, set `backend.account_id` to the bucket's owner, or allow `s3:ListBucket` on it"
                    .to_owned()
            }
            Self::BucketTaken { .. } => {
                "bucket names are unique in all of AWS: choose another one".to_owned()
            }
            Self::Other { code, .. } => return hint_for_code(code),
            Self::Busy { .. } => "wait a little, then run tfw again".to_owned(),
            Self::NotFound { .. } | Self::PreconditionFailed { .. } | Self::SharedFiles { .. } => {
                return None;
            }
        };
        Some(hint)
    }

    /// Whether a guard said no, in contrast to something that failed: exit code 4, not 1.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::AccountMismatch { .. }
            | Self::ForeignOrForbidden { .. }
            | Self::BucketTaken { .. }
            | Self::NoMfaCode { .. } => true,
            Self::AssumeRole { cause, .. } => cause.is_refusal(),
            _ => false,
        }
    }

    /// Whether AWS no longer takes a session that it gave.
    pub fn is_stale_session(&self) -> bool {
        match self {
            Self::ExpiredCredentials { .. } | Self::InvalidCredentials { .. } => true,
            Self::AssumeRole { cause, .. } => cause.is_stale_session(),
            _ => false,
        }
    }

    /// Whether AWS knows who asks, and says no.
    pub fn is_denied(&self) -> bool {
        match self {
            Self::AccessDenied { .. } => true,
            Self::AssumeRole { cause, .. } => cause.is_denied(),
            _ => false,
        }
    }

    /// The role that could not be assumed.
    pub fn role(&self) -> Option<&RoleArn> {
        match self {
            Self::AssumeRole { role, .. } => Some(role),
            _ => None,
        }
    }
}

fn source_of(profile: Option<&str>) -> String {
    match profile {
        Some(profile) => format!("the AWS profile `{profile}`"),
        None => "the machine's source of AWS credentials".to_owned(),
    }
}

fn hint_for_code(code: &str) -> Option<String> {
    let hint = match code {
        code if code.starts_with("HTTP ") => {
            "check `AWS_ENDPOINT_URL` and the proxy variables: something else may answer in AWS's place"
        }
        "RegionDisabledException" => "enable the region in the account, or use another one",
        "RequestTimeTooSkewed" => "set the machine's clock",
        "TooManyBuckets" => "ask AWS for a higher quota of buckets",
        "InvalidLocationConstraint" | "IllegalLocationConstraintException" => {
            "check `backend.region`"
        }
        "InvalidBucketAclWithObjectOwnership" => {
            "the bucket's ACL lets in others, and ACLs are about to be off: take its grants out first (`aws s3api put-bucket-acl --acl private`), and let a policy do what they did"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_role_names_the_role_and_its_trust_policy() {
        let role: RoleArn = "arn:aws:iam::111111111111:role/Deploy".parse().unwrap();
        let error = AwsError::AssumeRole {
            role: role.clone(),
            cause: Box::new(AwsError::AccessDenied {
                action: "sts:AssumeRole".to_owned(),
                message: "no".to_owned(),
            }),
        };
        assert_eq!(
            error.to_string(),
            "cannot assume the role `arn:aws:iam::111111111111:role/Deploy`: access denied (sts:AssumeRole): no"
        );
        assert_eq!(error.role(), Some(&role));
        assert!(error.hint().unwrap().contains("trust policy"));
        assert!(!error.is_refusal());
    }

    #[test]
    fn a_wrong_account_is_a_refusal_also_inside_a_chain() {
        let mismatch = AwsError::AccountMismatch {
            expected: "111111111111".parse().unwrap(),
            actual: "222222222222".parse().unwrap(),
            arn: "arn:aws:sts::222222222222:assumed-role/A/b".to_owned(),
        };
        assert!(mismatch.is_refusal());
        let inside = AwsError::AssumeRole {
            role: "arn:aws:iam::222222222222:role/A".parse().unwrap(),
            cause: Box::new(mismatch),
        };
        assert!(inside.is_refusal());
    }

    #[test]
    fn the_request_id_is_told_where_there_is_one() {
        let mut error = AwsError::Other {
            action: "s3:CreateBucket".to_owned(),
            code: "InternalError".to_owned(),
            message: "try again".to_owned(),
            request_id: Some("R1".to_owned()),
        };
        assert_eq!(
            error.to_string(),
            "s3:CreateBucket failed (InternalError): try again (request R1)"
        );
        if let AwsError::Other { request_id, .. } = &mut error {
            *request_id = None;
        }
        assert!(error.to_string().ends_with("try again"));
    }
}
