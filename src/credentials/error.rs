//! Why a unit gets no credentials.

use crate::aws::AwsError;
use crate::model::{RoleArn, UnitId};

/// A unit cannot get the credentials that it asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} for `{unit}`: {cause}", if cause.is_refusal() { "wrong credentials" } else { "no credentials" })]
pub struct CredentialsError {
    /// The unit.
    pub unit: UnitId,
    /// The last role of its chain: whose credentials they would have been.
    pub role: Option<RoleArn>,
    /// Why.
    pub cause: AwsError,
    /// Whether MFA was asked for, and the base credentials are a session that may lack it.
    pub lacks_mfa: bool,
}

impl CredentialsError {
    /// Whether the guard said no (another account: exit code 4), in contrast to credentials that
    /// cannot be had (exit code 1).
    pub fn is_refusal(&self) -> bool {
        self.cause.is_refusal()
    }

    /// What to do next, where something can be done.
    pub fn hint(&self) -> Option<String> {
        let hint = self.cause.hint();
        if !self.lacks_mfa {
            return hint;
        }
        let mfa = "the base credentials are a session already, so that no code was asked for: it may lack MFA; sign in again with it, or use long-term keys";
        Some(match hint {
            Some(hint) => format!("{hint}\n{mfa}"),
            None => mfa.to_owned(),
        })
    }
}
