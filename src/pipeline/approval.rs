//! The one place where a saved plan becomes an approved one.

use std::fmt::Write as _;

use super::SavedPlan;
use super::plan::Planned;
use crate::model::Unit;
use crate::stage::backend::where_and_who;
use crate::stage::consent::Matter;
use crate::stage::context::Context;
use crate::stage::failure::Failure;

/// A plan that was shown, and that somebody agreed to. Only [`approve`] makes it.
#[derive(Debug)]
pub(super) struct ApprovedPlan(SavedPlan);

impl ApprovedPlan {
    pub(super) fn saved(&self) -> &SavedPlan {
        &self.0
    }
}

/// A unit whose plan is approved.
pub(super) struct Approved<'c> {
    pub(super) planned: Planned<'c, ApprovedPlan>,
}

/// What to call the doing in questions and refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// `tfw apply`.
    Apply,
    /// `tfw destroy`.
    Destroy,
}

impl Doing {
    fn gerund(self) -> &'static str {
        match self {
            Self::Apply => "applying the plan",
            Self::Destroy => "destroying",
        }
    }

    fn question(self) -> &'static str {
        match self {
            Self::Apply => "tfw will apply exactly the plans shown above:",
            Self::Destroy => "tfw will destroy what the plans above show. There is no way back:",
        }
    }
}

/// Asks about these plans together, where the flags have not answered yet.
pub(super) async fn approve<'c>(
    ctx: &Context,
    plans: Vec<Planned<'c, SavedPlan>>,
    doing: Doing,
) -> Result<Vec<Approved<'c>>, (Vec<Planned<'c, SavedPlan>>, Failure)> {
    let units: Vec<&Unit> = plans.iter().map(|planned| planned.record.unit).collect();
    let question = || {
        let lines: Vec<String> = plans.iter().map(describe).collect();
        format!("{}\n{}", doing.question(), lines.join("\n"))
    };
    match ctx
        .consent
        .obtain(ctx, Matter::Plan, &units, question, doing.gerund())
        .await
    {
        Ok(()) => Ok(plans
            .into_iter()
            .map(|planned| Approved {
                planned: planned.map(ApprovedPlan),
            })
            .collect()),
        Err(refusal) => Err((plans, refusal)),
    }
}

/// What will happen, where, and in whose name.
///
/// ```text
///   dev/network: 3 to add, 0 to change, 0 to destroy
///     as role Deploy in account 111111111111, eu-central-1
///     state in s3://acme-tfstate-dev/network/terraform.tfstate
/// ```
fn describe(planned: &Planned<'_, SavedPlan>) -> String {
    let changes = planned.plan.changes();
    let unit = planned.record.unit;
    let mut text = format!(
        "  {}: {} to add, {} to change, {} to destroy",
        unit.id, changes.add, changes.change, changes.destroy
    );
    for (count, what) in [(changes.replace, "replaced"), (changes.import, "imported")] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text.push_str(&where_and_who(unit, planned.site.backend()));
    text
}
