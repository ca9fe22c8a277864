//! What the work on a unit is made of, whatever the command: proofs, and the means to get them.
//!
//! [`Context`] is one run, [`Record`](record::Record) one unit in it, [`Failure`](failure::Failure)
//! how that may end. A Terraform process with credentials ([`terraform_step`]) can only be started
//! with a [`VerifiedAccount`](crate::aws::VerifiedAccount); with [`SafeBackend`] comes the proof
//! that the place of the state is there, with [`Initialised`] the one that Terraform is set up for
//! it. `pipeline` and `migrate` build their commands from these.

pub(crate) mod backend;
pub(crate) mod buckets;
pub(crate) mod consent;
pub(crate) mod context;
pub(crate) mod failure;
pub(crate) mod fingerprint;
pub(crate) mod git;
pub(crate) mod guards;
pub(crate) mod initialise;
pub(crate) mod inputs;
pub(crate) mod plugin_cache;
pub(crate) mod provider_guard;
pub(crate) mod record;
pub(crate) mod retry;
pub(crate) mod site;
pub(crate) mod state_lock;
pub(crate) mod states;
pub(crate) mod terraform_step;

pub use backend::SafeBackend;
pub use consent::Consent;
pub use context::Context;
pub use initialise::Initialised;
