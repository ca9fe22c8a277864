//! The commands over units: what each does with a unit, from the preflight to the report.
//!
//! What they are made of lies in [`stage`](crate::stage): a unit goes through
//! [`VerifiedAccount`](crate::aws::VerifiedAccount) → [`SafeBackend`](crate::stage::SafeBackend) →
//! [`Initialised`](crate::stage::Initialised), and from there through [`SavedPlan`] →
//! [`ApprovedPlan`](approval) → applied and read back. Each can only be built from the one before.
//!
//! - [`preflight`] is what can be refused before anything runs, for all units at once: the guards
//!   on disk, the accounts, the backends.
//! - [`schedule`] runs units in order and turns what never ran into outcomes.
//! - [`bundle`] keeps plans for review, and takes them up again.
//! - `init`, `plan`, `apply`, `drift`, `validate`, `output`, `status`, `audit`, `exec`, `env`,
//!   `shell`, `backend`, `locks`, `states`, `revoke` are the commands.

mod apply;
mod approval;
mod audit;
mod backend;
mod bundle;
mod dependents;
mod drift;
mod env;
mod exec;
mod init;
mod locks;
mod order;
mod output;
mod plan;
mod plans;
mod preflight;
mod provisional;
mod review;
mod revoke;
mod schedule;
mod shell;
mod states;
mod status;
mod told;
mod validate;
mod waves;
mod workspaces;

pub use apply::{apply, destroy};
pub use audit::{Audit, audit, warn_of_caveats};
pub use backend::{EnsureOptions, check as check_backends, ensure as ensure_backends};
pub(crate) use backend::{Looked, Survey};
pub use bundle::{Bundle, BundleError, Draft, apply_bundle, plan_bundle};
pub use drift::drift;
pub use env::{Handout, env};
pub use exec::{Exec, NotExecutable, exec};
pub use init::init;
pub use locks::{FoundLocks, Release, list as list_locks, release as release_lock};
pub use output::{UnitOutputs, output};
pub use plan::{SavedPlan, plan};
pub use revoke::{Change, Revocation, Revoked, revoke};
pub use shell::{Shell, shell};
pub use states::{
    Backup, BackupError, DiffOptions, History, Replacement, ShowOptions, diff_states, pull_states,
    raw_state, replace_states, show_state, state_history,
};
pub use status::status;
pub use validate::validate;
