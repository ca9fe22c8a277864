//! What is looked at for all units before any of them runs.
//!
//! What can be refused before a run starts is refused here, and then no unit runs. What merely
//! fails (no credentials, an endpoint that does not answer) takes only its own unit along.

use jiff::Timestamp;

use super::dependents;
use crate::credentials::LEAST_LIFE;
use crate::model::{Backend, Delivery, Diagnostic, Outcome, Unit};
use crate::root_module::RootModule;
use crate::stage::Context;
use crate::stage::SafeBackend;
use crate::stage::backend;
use crate::stage::buckets::Absent;
use crate::stage::failure::Failure;
use crate::stage::guards;
use crate::stage::provider_guard;
use crate::stage::record::Record;
use crate::stage::states;

/// What a command is about to do, as far as the guards care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    /// `init`: makes backends, and looks at what is weak in them.
    Init,
    /// `plan`: makes backends where needed.
    Plan,
    /// `drift`: a bucket that is not there holds no state, and that is not for it to change.
    Drift,
    /// `apply`.
    Apply,
    /// `apply --from`: what is absent now was there when the plan was made.
    ApplyReviewed,
    /// `destroy`.
    Destroy,
    /// `exec` of a subcommand.
    Exec {
        /// Whether it may write.
        writes: bool,
        /// Whether it sets providers up.
        uses_providers: bool,
    },
    /// `shell`: anything may be typed there.
    Shell,
}

impl Intent {
    fn absent(self) -> Absent {
        match self {
            Self::Init => Absent::CreateAndInspect,
            Self::Plan | Self::Apply | Self::Destroy => Absent::Create,
            Self::Drift | Self::ApplyReviewed | Self::Exec { .. } | Self::Shell => Absent::Fail,
        }
    }

    fn writes(self) -> bool {
        self.applies() || matches!(self, Self::Exec { writes: true, .. } | Self::Shell)
    }

    /// Whether Terraform sets providers up, as whoever they say.
    fn uses_providers(self) -> bool {
        match self {
            Self::Init => false,
            Self::Exec { uses_providers, .. } => uses_providers,
            Self::Shell
            | Self::Plan
            | Self::Drift
            | Self::Apply
            | Self::ApplyReviewed
            | Self::Destroy => true,
        }
    }

    fn applies(self) -> bool {
        matches!(self, Self::Apply | Self::ApplyReviewed | Self::Destroy)
    }
}

/// A unit on its way: what is known of it, and what has been proven.
#[derive(Debug)]
pub(super) struct Work<'c> {
    /// Its outcome in the making.
    pub(super) record: Record<'c>,
    /// The root module as it is on disk.
    pub(super) module: RootModule,
    /// The account and the backend.
    pub(super) backend: SafeBackend,
}

/// A selected unit after the preflight.
#[derive(Debug)]
pub(super) enum Checked<'c> {
    /// It may run.
    Ready(Box<Work<'c>>),
    /// It has ended already.
    Ended(Outcome),
}

/// Guards, accounts and backends of all selected units; the answers stand in their order.
pub(super) async fn run(ctx: &Context, intent: Intent) -> Vec<Checked<'_>> {
    run_after(ctx, intent, async || Vec::new()).await
}

/// The same of the one selected unit; `None`: it has ended already.
pub(super) async fn one(ctx: &Context, intent: Intent) -> Option<Work<'_>> {
    match run(ctx, intent).await.into_iter().next()? {
        Checked::Ready(work) => Some(*work),
        Checked::Ended(_) => None,
    }
}

/// As [`run`], after a check of all units at once: its verdicts stand in their order.
pub(super) async fn run_after(
    ctx: &Context,
    intent: Intent,
    check: impl AsyncFnOnce() -> Vec<Result<(), Failure>>,
) -> Vec<Checked<'_>> {
    let mut desks: Vec<Desk<'_>> = ctx
        .units()
        .map(|unit| Desk::new(ctx, unit, intent))
        .collect();
    // Also where a guard has refused one: whoever mends that shall know of the rest.
    for (desk, verdict) in desks.iter_mut().zip(check().await) {
        desk.failure = desk.failure.take().or(verdict.err());
    }
    if intent == Intent::Destroy && !refused(&desks) {
        for (desk, verdict) in desks.iter_mut().zip(dependents::check(ctx).await) {
            desk.failure = desk.failure.take().or(verdict.err());
        }
    }
    if matches!(intent, Intent::Apply | Intent::ApplyReviewed) && !refused(&desks) {
        new_states(ctx, &mut desks).await;
    }
    // Last, since it creates what is absent: a run that is refused changes nothing.
    if !refused(&desks) {
        prove(&mut desks, intent).await;
    }
    // One refusal stops the run: what was not refused itself has not been changed either.
    let culprit = desks
        .iter()
        .find(|desk| desk.is_refused())
        .map(|desk| desk.record.unit);
    desks
        .into_iter()
        .map(|mut desk| {
            if let (Some(culprit), None) = (culprit, &desk.failure) {
                desk.failure = Some(Failure::not_started_beside(&culprit.id));
            } else if ctx.signals.is_stopping() && desk.failure.is_none() {
                desk.failure = Some(Failure::not_started());
            }
            desk.leave()
        })
        .collect()
}

/// A unit under inspection.
struct Desk<'c> {
    record: Record<'c>,
    module: Option<RootModule>,
    backend: Option<SafeBackend>,
    failure: Option<Failure>,
}

impl<'c> Desk<'c> {
    /// What can be seen without asking anybody.
    fn new(ctx: &'c Context, unit: &'c Unit, intent: Intent) -> Self {
        let mut record = Record::new(ctx, unit);
        let looked = guards::check(ctx, unit).and_then(|module| {
            if intent.uses_providers() {
                provider_guard::check(&mut record, &module)?;
            }
            if intent.writes() {
                ctx.consent.can_answer(unit, "writing")?;
            }
            if intent.applies() {
                guards::errored_state(ctx, unit)?;
            }
            Ok(module)
        });
        let (module, failure) = match looked {
            Ok(module) => (Some(module), None),
            Err(failure) => (None, Some(failure)),
        };
        Self {
            record,
            module,
            backend: None,
            failure,
        }
    }

    fn is_refused(&self) -> bool {
        self.failure.as_ref().is_some_and(Failure::is_refusal)
    }

    fn leave(mut self) -> Checked<'c> {
        // Its turn may come much later, and the wait is not its own time.
        self.record.pause();
        match (self.module, self.backend, self.failure) {
            (Some(module), Some(backend), None) => Checked::Ready(Box::new(Work {
                record: self.record,
                module,
                backend,
            })),
            (_, _, failure) => {
                let failure = failure.unwrap_or_else(Failure::not_started);
                Checked::Ended(self.record.finish(Err(failure)))
            }
        }
    }
}

fn refused(desks: &[Desk<'_>]) -> bool {
    desks.iter().any(Desk::is_refused)
}

/// Accounts and backends of the units that have not failed yet.
async fn prove(desks: &mut [Desk<'_>], intent: Intent) {
    let hopeful: Vec<usize> = (0..desks.len())
        .filter(|&index| desks[index].failure.is_none())
        .collect();
    let records: Vec<&Record<'_>> = hopeful.iter().map(|&index| &desks[index].record).collect();
    let prepared = backend::prepare(&records, intent.absent()).await;
    for (index, result) in hopeful.into_iter().zip(prepared) {
        let desk = &mut desks[index];
        let result = match result {
            Ok(backend) if intent.applies() => {
                let lives = lives_long_enough(&desk.record, &backend).await;
                lives.map(|()| backend)
            }
            other => other,
        };
        match result {
            Ok(backend) => desk.backend = Some(backend),
            Err(failure) => desk.failure = Some(failure),
        }
    }
}

/// What ends in the middle of an apply loses the state: where nobody renews the credentials, they
/// must live for a while yet. The endpoint renews them.
async fn lives_long_enough(record: &Record<'_>, backend: &SafeBackend) -> Result<(), Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    if unit.credentials.delivery.unwrap_or(ctx.delivery) == Delivery::Server {
        return Ok(());
    }
    let session = backend.account().session().await;
    let session = session.map_err(|error| Failure::aws("getting credentials", &error))?;
    let left = session.and_then(|session| session.remaining(Timestamp::now()));
    match left.filter(|left| *left < LEAST_LIFE) {
        None => Ok(()),
        Some(left) => Err(Failure::refused(
            Diagnostic::error(format!(
                "the credentials of `{}` end in {} min, which may be before the apply does",
                unit.id,
                left.as_secs() / 60
            ))
            .with_hint(
                "`credentials.delivery = \"server\"` renews them meanwhile; or sign in again",
            ),
        )),
    }
}

/// In a protected environment, a state that is not there is more likely a wrong address than a
/// new unit: with `--auto-approve` nobody would see that everything is planned as new.
async fn new_states(ctx: &Context, desks: &mut [Desk<'_>]) {
    if !ctx.consent.auto_approve {
        return;
    }
    for desk in desks.iter_mut() {
        let unit = desk.record.unit;
        let meant = ctx.consent.new_states.contains(&unit.id);
        if !unit.protected || meant || desk.failure.is_some() {
            continue;
        }
        // What cannot be read is told by the proof of the account and the backend.
        let Ok(state) = states::read(&mut Record::new(ctx, unit)).await else {
            continue;
        };
        // A workspace that was just made has a state, and nothing in it.
        if state.is_none_or(|state| state.is_empty()) {
            desk.failure = Some(new_state(unit));
        }
    }
}

fn new_state(unit: &Unit) -> Failure {
    let place = match &unit.backend {
        Backend::S3(s3) => format!("`s3://{}/{}`", s3.bucket, s3.object_key()),
        other => format!("its `{}` backend", other.kind()),
    };
    Failure::refused(
        Diagnostic::error(format!(
            "`{}` is protected and has no state in {place}; `--auto-approve` would create everything anew",
            unit.id
        ))
        .with_hint(format!(
            "`--new-state {}` says that this is meant; else look at its backend in the manifest",
            unit.id
        )),
    )
}
