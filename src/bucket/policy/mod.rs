//! Policies, merged by meaning.
//!
//! tfw adds statements of its own, each under a Sid of its own, and leaves every other statement and
//! element of a policy byte for byte as it is. A statement that says the same, or more, under
//! another Sid counts as tfw's.

mod document;
mod insiders;
mod pattern;
mod statement;
mod wanted;

pub(super) use document::Policy;
pub use insiders::Caller;
pub(super) use insiders::Insiders;
pub(super) use pattern::covers;
pub(super) use statement::Statement;
pub(super) use wanted::{
    ACCOUNT_IN_CHARGE, INSIDERS_ONLY, TLS_ONLY, account_in_charge, insiders_only, is_key_sid,
    key_sid, others_may_use, others_may_use_key, tls_only,
};
