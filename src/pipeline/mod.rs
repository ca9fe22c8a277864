//! The work on units: stages whose inputs are proofs, so that the wrong order does not compile.
//!
//! A unit goes through [`VerifiedAccount`](crate::aws::VerifiedAccount) → [`SafeBackend`] →
//! [`Initialised`] → [`SavedPlan`] → [`ApprovedPlan`] → applied and read back. Each stage can
//! only be built from the one before it; [`terraform`](terraform_step) with credentials only from
//! a `VerifiedAccount`.
//!
//! - [`preflight`] is what can be refused before anything runs, for all units at once: the guards
//!   on disk, the accounts, the backends.
//! - [`schedule`] runs units in order and turns what never ran into outcomes.
//! - [`bundle`] keeps plans for review, and takes them up again.
//! - `init`, `plan`, `apply`, `drift`, `validate`, `output`, `status`, `exec` are the commands.

mod apply;
mod approval;
mod backend;
mod buckets;
mod bundle;
mod consent;
mod context;
mod dependents;
mod drift;
mod exec;
mod failure;
mod fingerprint;
mod guards;
mod initialise;
mod inputs;
mod order;
mod output;
mod plan;
mod plans;
mod plugin_cache;
mod preflight;
mod provisional;
mod record;
mod retry;
mod review;
mod schedule;
mod states;
mod status;
mod terraform_step;
mod validate;
mod waves;

pub use apply::{apply, destroy};
pub use backend::SafeBackend;
pub use bundle::{Bundle, BundleError, Draft, apply_bundle, plan_bundle};
pub use consent::Consent;
pub use context::Context;
pub use drift::drift;
pub use exec::{Exec, NotExecutable, exec};
pub use initialise::{Initialised, init};
pub use output::{UnitOutputs, output};
pub use plan::{SavedPlan, plan};
pub use status::status;
pub use validate::validate;
