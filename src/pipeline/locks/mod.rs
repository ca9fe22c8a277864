//! `tfw lock`: who holds which state lock, and the release of one that nobody works under.
//!
//! Locks are read from S3, or from the files beside a local state, and removed there: no Terraform
//! runs, and none needs to have been initialised. A lock in DynamoDB is told apart, and left alone.

mod kind;
mod look;
mod release;
mod whose;

use self::whose::Runs;
use super::told;
use crate::model::{Diagnostic, HeldLock};
use crate::stage::Context;
use crate::stage::context::at_once;

pub(in crate::pipeline) use release::guard;
pub use release::{Release, release};

/// What was found in the selected units.
#[derive(Debug, Default)]
pub struct FoundLocks {
    /// Every lock, in the order of the units.
    pub locks: Vec<HeldLock>,
    /// Of how many units all locks are known.
    pub looked: usize,
    /// What else there is to say; each diagnostic names its unit.
    pub diagnostics: Vec<Diagnostic>,
}

/// Every lock of the selected units, in each workspace; all units at once.
pub async fn list(ctx: &Context) -> FoundLocks {
    let runs = Runs::new(ctx);
    let looked = at_once(ctx.units().map(|unit| {
        told::look(ctx, unit, None, async |record, locks| {
            *locks = look::look(record, &runs).await?;
            Ok(())
        })
    }))
    .await;
    let mut found = FoundLocks::default();
    for (locks, diagnostics) in looked {
        found.looked += usize::from(locks.is_some());
        found.locks.extend(locks.into_iter().flatten());
        found.diagnostics.extend(diagnostics);
    }
    found
}
