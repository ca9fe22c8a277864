//! The state bucket: desired against actual.
//!
//! [`look`] is the one question that every run asks. A bucket that is absent is made by
//! [`create`], with every setting that makes it safe; one that exists is only looked at, by
//! [`weaknesses`].

mod create;
mod error;
mod setting;
mod weakness;

pub use create::{Created, create};
pub use error::BucketError;
pub use setting::Setting;
pub use weakness::{Weakness, weaknesses};

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
