//! An apply that asks: wave after wave.
//!
//! The units of one environment whose dependencies are done are planned, shown and asked about
//! together, then applied. A unit downstream of one that changes is planned after that apply, in
//! the next wave, since its plan may be another one then; a wave without changes asks nothing.

use super::SavedPlan;
use super::apply::apply_approved;
use super::approval::{self, Doing};
use super::order;
use super::plan::Planned;
use super::plans::Plans;
use super::preflight::Checked;
use super::schedule::{self, Plan, Scheduled, Step, end_unrun, verdict};
use crate::model::{EnvironmentName, Outcome, UnitResult};
use crate::runner::{Node, Schedule, Verdict};
use crate::stage::Context;
use crate::stage::failure::Failure;

/// What a plan in a wave came to.
enum Review<'c> {
    /// Nothing to ask about.
    Ended(Outcome),
    /// Changes to approve.
    Open(Box<Planned<'c, SavedPlan>>),
}

/// Whether a unit may take part in a wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readiness {
    /// All that it waits for succeeded.
    May,
    /// Something that it waits for has not ended.
    Waits,
    /// The unit at this position did not succeed.
    Never(usize),
}

/// All units of an apply or destroy, some settled, some not.
struct Waves<'c, 'p> {
    ctx: &'c Context,
    doing: Doing,
    plans: Plans<'p>,
    upstreams: Vec<Vec<usize>>,
    waiting: Vec<Option<Checked<'c>>>,
    outcomes: Vec<Option<Outcome>>,
}

/// Plans, asks and applies, until every unit has ended.
pub(super) async fn run<'c>(
    ctx: &'c Context,
    plan: &Plan,
    units: Vec<Checked<'c>>,
    doing: Doing,
    plans: Plans<'_>,
) -> Vec<Outcome> {
    let count = units.len();
    let mut waves = Waves {
        ctx,
        doing,
        plans,
        upstreams: order::upstreams(plan, count),
        waiting: units.into_iter().map(Some).collect(),
        outcomes: vec![None; count],
    };
    waves.settle_ended();
    while let Some(environment) = waves.next_environment() {
        if waves.is_over() {
            break;
        }
        waves.wave(&environment).await;
    }
    waves.close()
}

impl<'c> Waves<'c, '_> {
    /// Units that ended in the preflight are settled from the start.
    fn settle_ended(&mut self) {
        for (waiting, outcome) in self.waiting.iter_mut().zip(&mut self.outcomes) {
            match waiting.take() {
                Some(Checked::Ended(ended)) => *outcome = Some(ended),
                ready => *waiting = ready,
            }
        }
    }

    /// The first environment with a unit whose dependencies all succeeded. Units of which one did
    /// not are ended before that: none of them may be taken into a wave.
    fn next_environment(&mut self) -> Option<EnvironmentName> {
        self.end_hopeless();
        let ready = (0..self.waiting.len()).find(|&position| {
            self.waiting[position].is_some() && self.readiness(position) == Readiness::May
        })?;
        self.environment(ready).cloned()
    }

    /// Ends what waits for a unit that did not succeed, and what waits for that in turn.
    fn end_hopeless(&mut self) {
        let hopeless = |waves: &Self| {
            (0..waves.waiting.len()).find_map(|position| match waves.readiness(position) {
                Readiness::Never(because) if waves.waiting[position].is_some() => {
                    Some((position, because))
                }
                _ => None,
            })
        };
        while let Some((position, because)) = hopeless(self) {
            if let Some(Checked::Ready(work)) = self.waiting[position].take() {
                self.outcomes[position] = Some(end_unrun(*work, Some(because)));
            }
        }
    }

    fn readiness(&self, position: usize) -> Readiness {
        let mut settled = true;
        for &upstream in &self.upstreams[position] {
            match &self.outcomes[upstream] {
                Some(outcome) if verdict(outcome) == Verdict::NotDone => {
                    return Readiness::Never(upstream);
                }
                Some(_) => {}
                None => settled = false,
            }
        }
        if settled {
            Readiness::May
        } else {
            Readiness::Waits
        }
    }

    fn environment(&self, position: usize) -> Option<&'c EnvironmentName> {
        self.ctx
            .units()
            .nth(position)
            .map(|unit| &unit.id.environment)
    }

    /// Whether nothing new is to begin: a signal came, or `--fail-fast` was given and something
    /// did not succeed.
    fn is_over(&self) -> bool {
        let mut ended = self.outcomes.iter().flatten();
        self.ctx.signals.is_stopping()
            || (self.ctx.fail_fast && ended.any(|outcome| outcome.result != UnitResult::Succeeded))
    }

    /// One wave: plan what can be planned in the environment, ask, apply.
    async fn wave(&mut self, environment: &EnvironmentName) {
        let plan = self.schedule_of(environment);
        let units: Vec<Option<Checked<'c>>> = {
            let members: Vec<usize> = plan.units.iter().copied().flatten().collect();
            (0..self.waiting.len())
                .map(|p| {
                    if members.contains(&p) {
                        self.waiting[p].take()
                    } else {
                        None
                    }
                })
                .collect()
        };
        let reviewed = schedule::run(self.ctx, &plan, units, async |work| {
            match self.plans.of(*work).await {
                Ok(planned) if planned.plan.has_changes() => Step {
                    verdict: Verdict::NotDone,
                    value: Review::Open(Box::new(planned)),
                },
                Ok(planned) => {
                    let outcome = planned.end_without_changes();
                    Step {
                        verdict: verdict(&outcome),
                        value: Review::Ended(outcome),
                    }
                }
                Err(outcome) => Step {
                    verdict: verdict(&outcome),
                    value: Review::Ended(outcome),
                },
            }
        })
        .await;
        let mut open = Vec::new();
        for (position, scheduled) in reviewed.into_iter().enumerate() {
            match scheduled {
                None => {}
                Some(Scheduled::Worked(Review::Open(planned))) => open.push((position, *planned)),
                Some(Scheduled::Worked(Review::Ended(outcome)) | Scheduled::Ended(outcome)) => {
                    self.outcomes[position] = Some(outcome);
                }
                // Held by changes that are not applied yet: its turn comes. Held by a failure:
                // `next_environment` ends it.
                Some(Scheduled::Held(work, _) | Scheduled::NotStarted(work)) => {
                    self.waiting[position] = Some(Checked::Ready(work));
                }
            }
        }
        if !open.is_empty() {
            self.decide(open).await;
        }
    }

    /// Asks about the open plans, and applies them at once when they are agreed to.
    async fn decide(&mut self, open: Vec<(usize, Planned<'c, SavedPlan>)>) {
        let (positions, plans): (Vec<usize>, Vec<_>) = open.into_iter().unzip();
        if self.is_over() {
            for (position, planned) in positions.into_iter().zip(plans) {
                self.outcomes[position] = Some(planned.end(Failure::not_begun(self.ctx)));
            }
            return;
        }
        match approval::approve(self.ctx, plans, self.doing).await {
            Ok(approved) => {
                let applied = apply_approved(self.ctx, approved).await;
                for (position, outcome) in positions.into_iter().zip(applied) {
                    self.outcomes[position] = Some(outcome);
                }
            }
            Err((plans, refusal)) => {
                for (position, planned) in positions.into_iter().zip(plans) {
                    self.outcomes[position] = Some(planned.end(refusal.clone()));
                }
            }
        }
    }

    /// The units of an environment that wait for nothing outside it any more, in their order.
    fn schedule_of(&self, environment: &EnvironmentName) -> Plan {
        let done = |position: usize| {
            let outcome = self.outcomes[position].as_ref();
            outcome.is_some_and(|outcome| verdict(outcome) == Verdict::Done)
        };
        let mut members: Vec<usize> = (0..self.waiting.len())
            .filter(|&p| self.waiting[p].is_some() && self.environment(p) == Some(environment))
            .collect();
        // A unit that must wait longer takes those behind it along.
        loop {
            let (staying, count) = (members.clone(), members.len());
            members.retain(|&p| {
                let mut upstreams = self.upstreams[p].iter();
                upstreams.all(|&up| done(up) || staying.contains(&up))
            });
            if members.len() == count {
                break;
            }
        }
        let node_of = |position: usize| members.iter().position(|&member| member == position);
        let nodes = members
            .iter()
            .map(|&member| Node {
                after: self.upstreams[member]
                    .iter()
                    .filter_map(|&up| node_of(up))
                    .collect(),
                gate: false,
            })
            .collect();
        Plan {
            schedule: Schedule {
                nodes,
                limit: self.ctx.parallelism,
                fail_fast: false,
            },
            units: members.into_iter().map(Some).collect(),
        }
    }

    /// Ends what never had its turn.
    fn close(self) -> Vec<Outcome> {
        let Self {
            waiting, outcomes, ..
        } = self;
        waiting
            .into_iter()
            .zip(outcomes)
            .filter_map(|(waiting, outcome)| match (outcome, waiting) {
                (Some(outcome), _) | (None, Some(Checked::Ended(outcome))) => Some(outcome),
                (None, Some(Checked::Ready(work))) => Some(end_unrun(*work, None)),
                (None, None) => None,
            })
            .collect()
    }
}
