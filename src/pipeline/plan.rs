//! `tfw plan`, and the saved plan of one unit.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::approval::Doing;
use super::bundle::AdoptedPlan;
use super::order;
use super::preflight::{self, Intent, Work};
use super::provisional;
use super::review::{self, Review};
use super::schedule::{self, Step};
use crate::events::{Event, Phase};
use crate::journal::{JournalError, Step as JournalStep, StepState, remove_if_there};
use crate::manifest::OrderMode;
use crate::model::{Changes, Diagnostic, Outcome, UnitResult};
use crate::process::Status;
use crate::root_module::RootModule;
use crate::runner::Verdict;
use crate::stage::Context;
use crate::stage::Initialised;
use crate::stage::SafeBackend;
use crate::stage::failure::Failure;
use crate::stage::initialise::{initialise, run_init};
use crate::stage::inputs::{self, Missing};
use crate::stage::provider_guard;
use crate::stage::record::Record;
use crate::stage::retry::Tries;
use crate::stage::state_lock::left_lock;
use crate::stage::terraform_step::{Call, Finished, Variables};
use crate::terraform::{command, diagnostics};

/// A plan on disk, and what is in it. Only [`plan_unit`] makes it, and [`take_over`] of one that a
/// bundle holds.
#[derive(Debug)]
pub struct SavedPlan {
    path: PathBuf,
    changes: Changes,
    differs: bool,
}

impl SavedPlan {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn changes(&self) -> Changes {
        self.changes
    }

    /// Whether there is anything to apply, by Terraform's detailed exit status.
    pub(super) fn has_changes(&self) -> bool {
        self.differs
    }
}

/// A unit that has been planned: all that an apply of it needs.
#[derive(Debug)]
pub(super) struct Planned<'c, P> {
    pub(super) record: Record<'c>,
    pub(super) site: Initialised,
    pub(super) variables: Variables,
    pub(super) plan: P,
}

impl<'c, P> Planned<'c, P> {
    pub(super) fn map<Q>(self, change: impl FnOnce(P) -> Q) -> Planned<'c, Q> {
        let Self {
            record,
            site,
            variables,
            plan,
        } = self;
        Planned {
            record,
            site,
            variables,
            plan: change(plan),
        }
    }
}

impl Planned<'_, SavedPlan> {
    /// Ends a unit whose plan is not to be applied.
    pub(super) fn end(self, failure: Failure) -> Outcome {
        self.record.finish(Err(failure))
    }

    /// Ends a unit that has nothing to apply.
    pub(super) fn end_without_changes(self) -> Outcome {
        self.record.finish(Ok(()))
    }
}

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlanMode {
    /// To be looked at.
    Plan,
    /// To be looked at, and kept for an apply.
    Bundle,
    /// To be applied.
    Apply,
    /// To be applied, and to destroy.
    Destroy,
    /// To see what drifted, and never to be applied.
    Drift,
}

impl PlanMode {
    pub(super) fn of(doing: Doing) -> Self {
        match doing {
            Doing::Apply => Self::Apply,
            Doing::Destroy => Self::Destroy,
        }
    }

    fn missing(self) -> Missing {
        match self {
            Self::Plan | Self::Bundle => Missing::Skip,
            Self::Apply | Self::Destroy | Self::Drift => Missing::Fail,
        }
    }

    fn of_terraform(self) -> command::PlanMode {
        match self {
            Self::Plan | Self::Bundle | Self::Apply => command::PlanMode::Normal,
            Self::Destroy => command::PlanMode::Destroy,
            Self::Drift => command::PlanMode::RefreshOnly,
        }
    }
}

/// `tfw plan`.
pub async fn plan(ctx: &Context) {
    plan_all(ctx, PlanMode::Plan, |_| ()).await;
}

/// What came of planning the selected units, in their order.
pub(super) struct AllPlanned {
    pub(super) outcomes: Vec<Option<Outcome>>,
    /// For a provisional plan the index of the upstream unit whose changes make it so.
    pub(super) provisional: Vec<Option<usize>>,
}

/// Plans the selected units; gives `each` every plan as soon as it is made.
pub(super) async fn plan_all(
    ctx: &Context,
    mode: PlanMode,
    each: impl Fn(&Planned<'_, SavedPlan>),
) -> AllPlanned {
    let units = preflight::run(ctx, Intent::Plan).await;
    let schedule = order::plan(ctx, OrderMode::InputsOnly);
    let units = units.into_iter().map(Some).collect();
    let scheduled = schedule::run(ctx, &schedule, units, async |work| {
        let outcome = match plan_unit(*work, mode).await {
            Ok(planned) => {
                each(&planned);
                planned.record.finish(Ok(()))
            }
            Err(outcome) => outcome,
        };
        // A unit that was skipped for want of an output holds nobody up: what is downstream finds
        // out itself whether the outputs that it needs are there.
        let verdict = match outcome.result {
            UnitResult::Succeeded | UnitResult::Skipped => Verdict::Done,
            _ => Verdict::NotDone,
        };
        Step {
            verdict,
            value: outcome,
        }
    })
    .await;
    let outcomes = schedule::outcomes(scheduled);
    let provisional = provisional::tell(ctx, &outcomes);
    AllPlanned {
        outcomes,
        provisional,
    }
}

/// Initialises a unit where needed, and plans it. A unit that cannot be planned ends here.
pub(super) async fn plan_unit(
    work: Work<'_>,
    mode: PlanMode,
) -> Result<Planned<'_, SavedPlan>, Outcome> {
    let Work {
        mut record,
        module,
        backend,
    } = work;
    record.resume();
    let planned = async {
        let path = record.ctx.run.plan_file(&record.unit.id)?;
        let (site, variables, finished) =
            run_terraform(&mut record, &module, backend, &path, mode).await?;
        let plan = saved(&mut record, &site, &variables, finished, path, mode).await?;
        Ok((site, variables, plan))
    }
    .await;
    match planned {
        Ok((site, variables, plan)) => {
            record.pause();
            Ok(Planned {
                record,
                site,
                variables,
                plan,
            })
        }
        Err(failure) => Err(record.finish(Err(failure))),
    }
}

/// Initialises where needed, and runs `terraform plan`, well or badly.
pub(super) async fn run_terraform(
    record: &mut Record<'_>,
    module: &RootModule,
    backend: SafeBackend,
    path: &Path,
    mode: PlanMode,
) -> Result<(Initialised, Variables, Finished), Failure> {
    // First, since a unit that waits for an output needs no init yet.
    let variables = inputs::variables(record, mode.missing()).await?;
    let mut site = initialise(record, module, backend.clone()).await?;
    record.phase(match mode {
        PlanMode::Drift => Phase::Drift,
        PlanMode::Plan | PlanMode::Bundle | PlanMode::Apply | PlanMode::Destroy => Phase::Plan,
    });
    let mut finished = run_plan(record, &site, &variables, path, mode).await?;
    if diagnostics::init_needed(&finished.diagnostics) {
        record.note("Terraform says that an init is needed after all");
        site = run_init(record, module, backend).await?;
        finished = run_plan(record, &site, &variables, path, mode).await?;
    }
    Ok((site, variables, finished))
}

async fn run_plan(
    record: &mut Record<'_>,
    site: &Initialised,
    variables: &Variables,
    path: &Path,
    mode: PlanMode,
) -> Result<Finished, Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    ctx.run
        .step(&unit.id, JournalStep::Plan, StepState::Begun, &json!({}))?;
    let mut tries = Tries::default();
    let finished = loop {
        let call = Call::new(command::plan(&command::Plan {
            mode: mode.of_terraform(),
            out: path.to_owned(),
            lock_timeout: unit.lock_timeout,
            var_files: unit.var_files.clone(),
        }));
        let finished = site.terraform(record, call, variables).await?;
        if is_plan(finished.status) || !tries.again(record, "terraform plan", &finished).await? {
            break finished;
        }
    };
    let state = if is_plan(finished.status) {
        StepState::Done
    } else {
        StepState::Failed
    };
    record.step_ended(JournalStep::Plan, state);
    // A plan holds the lock as well; one that was killed, or could not release it, holds it still.
    if !is_plan(finished.status)
        && !finished.is_locked()
        && let Some(lock) = left_lock(record, site.backend().state_account()).await
    {
        record.locked(lock);
    }
    Ok(finished)
}

/// `-detailed-exitcode`: 0 without changes, 2 with.
pub(super) fn is_plan(status: Status) -> bool {
    matches!(status, Status::Code(0 | 2))
}

/// Keeps a plan that has changes, and shows it.
async fn saved(
    record: &mut Record<'_>,
    site: &Initialised,
    variables: &Variables,
    finished: Finished,
    path: PathBuf,
    mode: PlanMode,
) -> Result<SavedPlan, Failure> {
    if !is_plan(finished.status) {
        return Err(finished.failure("terraform plan"));
    }
    if let Some(lost) = finished.lost {
        return Err(Failure::from(lost));
    }
    let differs = finished.status == Status::Code(2);
    let changes = finished.changes;
    for warning in finished.diagnostics {
        record.diagnostic(warning);
    }
    let review = if differs {
        complete(record, &path)?;
        make_private(&path)?;
        check_providers(record, &path)?;
        Some(review::of(record, site, variables, &path).await?)
    } else {
        // A bundle wants to know which state it is that needs no change.
        if mode != PlanMode::Bundle {
            remove_if_there(&path)?;
        }
        None
    };
    Ok(announce(record, path, changes, review))
}

/// Refuses a plan in which a provider works as somebody else, and removes it: nobody may apply it.
fn check_providers(record: &mut Record<'_>, path: &Path) -> Result<(), Failure> {
    let checked = provider_guard::check_plan(record, path);
    if checked.is_err() {
        // It is private and pruned with its run; the refusal matters more.
        let _ = remove_if_there(path);
    }
    checked
}

/// Tells what a plan would change; no review: nothing.
fn announce(
    record: &mut Record<'_>,
    path: PathBuf,
    changes: Changes,
    review: Option<Review>,
) -> SavedPlan {
    let differs = review.is_some();
    let plan_file = differs.then(|| record.ctx.shown(&path));
    record.planned(changes, differs, plan_file);
    let review = review.unwrap_or_default();
    record.ctx.events.emit(Event::Planned {
        unit: record.unit.id.clone(),
        changes,
        resources: review.resources,
        outputs: review.outputs,
        text: review.text,
    });
    SavedPlan {
        path,
        changes,
        differs,
    }
}

/// Shows a plan that was made before.
pub(super) async fn take_over(
    record: &mut Record<'_>,
    site: &Initialised,
    variables: &Variables,
    plan: AdoptedPlan,
) -> Result<SavedPlan, Failure> {
    let path = plan.into_path();
    provider_guard::check_plan(record, &path)?;
    // Counted again: what a bundle says of its plans is not what is applied.
    let review = review::of(record, site, variables, &path).await?;
    let changes = match review.changes {
        Some(changes) => changes,
        None => review::describe(record, site, &path).await?.changes(),
    };
    Ok(announce(record, path, changes, Some(review)))
}

/// Shows that a plan which was made before has nothing to apply.
pub(super) fn take_over_none(record: &mut Record<'_>) {
    announce(record, PathBuf::new(), Changes::default(), None);
}

/// Terraform makes the plan readable for all that get into its folder, which is the owner alone.
pub(super) fn make_private(path: &Path) -> Result<(), JournalError> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(|source| JournalError {
        doing: "protect",
        path: path.to_owned(),
        source,
    })
}

/// Terraform ends well also when the disk does not take all of the plan (1.11.4). A plan is a zip
/// archive, and the last thing in one is its directory.
pub(super) fn complete(record: &Record<'_>, path: &Path) -> Result<(), Failure> {
    const DIRECTORY_END: (&[u8], usize) = (b"PK\x05\x06", 22);
    let plan = fs::read(path).unwrap_or_default();
    let (mark, length) = DIRECTORY_END;
    let ends = plan.len().checked_sub(length).map(|start| &plan[start..]);
    // OpenTofu can encrypt a plan; then it is none.
    let is_other = !plan.is_empty() && !plan.starts_with(b"PK");
    if is_other || ends.is_some_and(|end| end.starts_with(mark)) {
        return Ok(());
    }
    Err(Failure::failed(
        Diagnostic::error(format!(
            "`terraform plan` could not write all of `{}`",
            record.ctx.shown(path)
        ))
        .with_hint("check the free space of that disk, then run again"),
    ))
}

/// Removes a plan that has been applied, or never can be.
pub(super) fn discard(plan: &SavedPlan) {
    // It is private and pruned with its run; a plan that cannot be removed is no failed apply.
    let _ = fs::remove_file(&plan.path);
}
