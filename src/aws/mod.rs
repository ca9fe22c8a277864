//! AWS: the only user of the `aws_*` crates.
//!
//! What other rooms see of AWS are facts ([`AwsError`]), keys whose owner is not known
//! ([`Keys`]), sessions of which AWS has said whose they are ([`Session`]), the proof that this is
//! the manifest's account ([`VerifiedAccount`]), and through that proof the buckets
//! ([`Bucket`]). An identity's own policies ([`Iam`]) need no account of the manifest. How a unit's chain of roles is walked and cached is not known here; see
//! `credentials`.

mod account;
mod base;
mod bucket;
mod bucket_settings;
mod chain;
mod client;
mod cloudtrail;
mod error;
mod failure;
mod http;
mod iam;
mod kms;
mod objects;
mod session;
mod sts;
mod trails;

pub use account::VerifiedAccount;
pub use base::Base;
pub use bucket::{Bucket, Creation};
pub use bucket_settings::{
    DefaultEncryption, Lifecycle, LifecycleRuleFacts, LogTarget, PublicAccessBlock, Versioning,
};
pub use client::Aws;
pub use cloudtrail::{CloudTrail, HistoryEvent};
pub use error::AwsError;
pub use iam::{Iam, IamIdentity, NotChangeable};
pub use kms::{Kms, KmsKey};
pub use objects::{
    Body, NO_VERSION, Object, ObjectEncryption, ObjectNotes, ObjectVersion, Written,
};
pub use session::{BoxFuture, Keys, Session, SessionSource};
pub use trails::Trail;
