//! Where the plans of an apply come from: made now, or reviewed before.

use super::SavedPlan;
use super::approval::Doing;
use super::bundle::{Admitted, take_up};
use super::plan::{PlanMode, Planned, plan_unit};
use super::preflight::Work;
use crate::model::Outcome;

/// How a unit of an apply or destroy comes by its plan.
#[derive(Debug, Clone, Copy)]
pub(super) enum Plans<'a> {
    /// Terraform makes it.
    Made(Doing),
    /// A bundle has it.
    Reviewed(&'a Admitted),
}

impl Plans<'_> {
    /// The plan of a unit. A unit that has none, or nothing to apply, may end here.
    pub(super) async fn of(self, work: Work<'_>) -> Result<Planned<'_, SavedPlan>, Outcome> {
        match self {
            Self::Made(doing) => plan_unit(work, PlanMode::of(doing)).await,
            Self::Reviewed(admitted) => take_up(work, admitted).await,
        }
    }
}
