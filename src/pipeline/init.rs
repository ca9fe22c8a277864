//! `tfw init`: the backend is there, and Terraform is initialised for it.

use super::order;
use super::preflight::{self, Intent, Work};
use super::schedule::{self, Step, verdict};
use crate::stage::Context;
use crate::stage::initialise::run_init;

/// `tfw init`.
pub async fn init(ctx: &Context) {
    let units = preflight::run(ctx, Intent::Init).await;
    let plan = order::unordered(ctx);
    let scheduled = schedule::run(
        ctx,
        &plan,
        units.into_iter().map(Some).collect(),
        async |work| {
            let Work {
                mut record,
                module,
                backend,
            } = *work;
            record.resume();
            let end = run_init(&mut record, &module, backend).await.map(drop);
            let outcome = record.finish(end);
            Step {
                verdict: verdict(&outcome),
                value: outcome,
            }
        },
    )
    .await;
    schedule::outcomes(scheduled);
}
