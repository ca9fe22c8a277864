//! The state bucket: desired against actual.
//!
//! [`look`] is the one question that every run asks. [`inspect`] reads everything, and [`plan()`]
//! holds it against what is [`Wanted`]: the difference is data, which people are shown and asked
//! about. [`mend`] makes what is missing, in an order in which no step opens what an earlier one
//! closed, and reads it back. What is stronger than asked for is kept, and so is what others set.

mod actual;
mod error;
mod key;
mod mend;
mod patience;
mod plan;
mod policy;
mod wanted;

pub use actual::{Actual, inspect};
pub use error::BucketError;
pub use key::ensure_key;
pub use mend::{create, mend};
pub use plan::{Plan, Setting, plan, same_key, short as short_key};
pub use policy::Caller;
pub use wanted::Wanted;

use crate::aws::{AwsError, VerifiedAccount};
use crate::model::S3Backend;

/// Whether a bucket is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is, in the right region, and belongs to the right account.
    Exists,
    /// It is not.
    Absent,
}

/// Asks whether the bucket of a backend is there (one `HeadBucket`).
///
/// # Errors
/// It belongs to another account or may not be read (a refusal: nothing tells the two apart), it
/// is in another region, or S3 could not be asked.
pub async fn look(account: &VerifiedAccount, backend: &S3Backend) -> Result<Presence, BucketError> {
    match account.bucket(backend).await?.head().await {
        Ok(()) => Ok(Presence::Exists),
        Err(AwsError::NoSuchBucket { .. }) => Ok(Presence::Absent),
        Err(error) => Err(error.into()),
    }
}
