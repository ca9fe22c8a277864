//! The hashes in a bundle.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::hex;

/// Goes into each hash of what may be secret, so that equal values of two bundles do not look
/// alike and no table of hashes helps. A short value can still be guessed by whoever has the
/// bundle, who also has the plans, where the values stand in clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Salt(String);

impl Salt {
    /// A new one. Where the system has no randomness, the time and the process must do: a salt
    /// needs to be another one each time, and no secret.
    pub(super) fn new() -> Self {
        let mut bytes = [0; 16];
        if getrandom::fill(&mut bytes).is_err() {
            fastrand::fill(&mut bytes);
        }
        Self(hex(&bytes))
    }

    /// The hash of a value under its name: equal values of two names do not look alike.
    pub(super) fn digest(&self, name: &str, value: &[u8]) -> String {
        let mut hash = Sha256::new();
        for part in [self.0.as_bytes(), name.as_bytes(), value] {
            // With lengths, so that no two lists of parts read the same.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hex(&hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sha256;

    #[test]
    fn equal_values_look_alike_only_under_one_name_in_one_bundle() {
        let salt = Salt::new();
        assert_eq!(salt.digest("a", b"x"), salt.digest("a", b"x"));
        assert_ne!(salt.digest("a", b"x"), salt.digest("b", b"x"));
        assert_ne!(salt.digest("a", b"bx"), salt.digest("ab", b"x"));
        assert_ne!(salt.digest("a", b"x"), Salt::new().digest("a", b"x"));
        assert_ne!(salt.digest("", b"x"), sha256(b"x"));
    }
}
