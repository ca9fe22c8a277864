//! `tfw migrate`: a state moves to its backend, is proven there, and only then leaves the disk.
//!
//! - [`source`] finds where the state is, [`survey`] looks at both sides ([`reading`],
//!   [`refusals`], [`lock_table`]), and [`desk`] does that for every unit before any is touched.
//! - [`proposal`] says what will happen; after one consent, [`steps`] does it, unit by unit:
//!   [`copies`], [`block`], [`locks`], [`mover`], [`verify`] (and [`plan_check`]), [`cleanup`].
//! - [`abort`] puts everything back.
//!
//! Terraform never sees the person's files: it moves the states from the copies that tfw made,
//! which `.terraform` is made to record as the backend in use. So whatever breaks on the way, the
//! original is as it was until everything has been read back. Each step is announced in a journal
//! ([`Migration`](crate::journal::Migration)) and can be taken again: what is there decides, not
//! what should have happened.

mod abort;
mod block;
mod cleanup;
mod copies;
mod desk;
mod lock_table;
mod locks;
mod mover;
mod plan_check;
mod proposal;
mod reading;
mod refusals;
mod source;
mod steps;
mod survey;
#[cfg(test)]
mod testing;
mod verify;

use std::path::PathBuf;

use crate::journal::Migration;
use crate::model::{Diagnostic, Unit};
use crate::stage::Context;
use crate::stage::backend;
use crate::stage::buckets::Absent;
use crate::stage::consent::Matter;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use desk::Desk;

/// What was asked for.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
pub struct Options {
    /// Only say what would be done.
    pub dry_run: bool,
    /// The place where the state is now.
    pub from: Option<From>,
    /// To a local file, whatever the manifest says.
    pub to_local: bool,
    /// The lineage at the destination that may be replaced.
    pub overwrite: Option<String>,
    /// Move local files into the backup folder in place of deleting them.
    pub keep_local: bool,
    /// Also compare a plan before the move with one after it.
    pub verify_plan: bool,
    /// Put back what an unfinished migration did.
    pub abort: bool,
}

/// A place that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// A file; relative ones start in the root module's folder.
    File(PathBuf),
    /// An object in S3.
    S3 {
        /// The bucket.
        bucket: String,
        /// The key.
        key: String,
        /// The bucket's region, where it is not the unit's.
        region: Option<String>,
    },
}

/// `tfw migrate`.
pub async fn migrate(ctx: &Context, options: &Options) {
    let mut desks = desk::look(ctx, options).await;
    if desks.iter().any(Desk::is_refused) {
        return end_refused(desks);
    }
    if options.dry_run {
        return tell(ctx, desks, options);
    }
    if options.abort {
        return abort::all(ctx, desks).await;
    }
    if let Err(refusal) = consent(ctx, &desks, options).await {
        for desk in &mut desks {
            let has_work = desk.plan.as_ref().is_some_and(|plan| !plan.is_nothing());
            if has_work {
                desk.failure = Some(refusal.clone());
            }
        }
        return end_refused(desks);
    }
    create_buckets(&mut desks).await;
    let mut stopped_by: Option<String> = None;
    for desk in desks {
        let Desk {
            mut record,
            plan,
            failure,
            ..
        } = desk;
        let end = match (plan, failure, &stopped_by) {
            (_, Some(failure), _) => Err(failure),
            (_, None, Some(culprit)) => Err(Failure::skipped(format!(
                "not started: `{culprit}` was not migrated"
            ))),
            (None, None, None) => Err(Failure::not_started()),
            (Some(plan), None, None) if plan.is_nothing() => {
                record.note(nothing_to_do(&plan));
                Ok(())
            }
            (Some(plan), None, None) => steps::run(&mut record, plan, options).await,
        };
        // What stands in the way of one is likely to stand in the way of the next.
        if end.is_err() && stopped_by.is_none() {
            stopped_by = Some(record.unit.id.to_string());
        }
        finish(record, end);
    }
}

/// Ends a unit. A lock that a migration which was broken off may have left is named, whatever else
/// went wrong.
fn finish(record: Record<'_>, end: Result<(), Failure>) {
    let end = end.map_err(|mut failure| {
        let unfinished = Migration::unfinished(record.ctx.run.tfw(), &record.unit.id);
        if let Ok(Some(migration)) = unfinished {
            for (workspace, id) in migration.locks_held() {
                let told = failure.diagnostics.iter().any(|each| {
                    let detail = each.detail.as_deref().unwrap_or_default();
                    detail.contains(id)
                });
                if !told && let Some(last) = failure.diagnostics.last_mut() {
                    *last = last.clone().with_detail(format!(
                        "tfw's own lock of workspace `{workspace}` may still be there, with the id {id}"
                    ));
                }
            }
        }
        failure
    });
    record.finish(end);
}

/// Creates the buckets that were agreed to.
async fn create_buckets(desks: &mut [Desk<'_>]) {
    let without: Vec<usize> = (0..desks.len())
        .filter(|&index| {
            let plan = desks[index].plan.as_ref();
            plan.is_some_and(|plan| plan.new_bucket.is_some() && !plan.is_nothing())
        })
        .collect();
    let records: Vec<&Record<'_>> = without.iter().map(|&index| &desks[index].record).collect();
    let created = backend::prepare(&records, Absent::CreateAgreed).await;
    for (index, result) in without.into_iter().zip(created) {
        match (result, &mut desks[index].plan) {
            (Ok(safe), Some(plan)) => plan.safe = safe,
            (Err(failure), _) => desks[index].failure = Some(failure),
            (Ok(_), None) => {}
        }
    }
}

/// One question about all that will happen.
async fn consent(ctx: &Context, desks: &[Desk<'_>], options: &Options) -> Result<(), Failure> {
    let at_work: Vec<(&Unit, Vec<String>)> = desks
        .iter()
        .filter_map(|desk| {
            let plan = desk.plan.as_ref().filter(|plan| !plan.is_nothing())?;
            let lines = proposal::lines(&desk.record, plan, options.keep_local);
            Some((desk.record.unit, lines))
        })
        .collect();
    if at_work.is_empty() {
        return Ok(());
    }
    let (units, proposals): (Vec<&Unit>, Vec<Vec<String>>) = at_work.into_iter().unzip();
    let question = || proposal::question(&proposals);
    ctx.consent
        .obtain(ctx, Matter::Tfw, &units, question, "migrating the state")
        .await
}

/// Says what would be done.
fn tell(ctx: &Context, desks: Vec<Desk<'_>>, options: &Options) {
    for desk in desks {
        let mut record = desk.record;
        let end = match (&desk.plan, desk.failure) {
            (_, Some(failure)) => Err(failure),
            (Some(plan), None) if plan.is_nothing() => {
                record.note(nothing_to_do(plan));
                Ok(())
            }
            (Some(plan), None) => {
                for line in proposal::lines(&record, plan, options.keep_local) {
                    ctx.events.note(None, line);
                }
                if let Some(survey) = &plan.survey {
                    record.migrated(proposal::report(&record, plan, survey));
                }
                Ok(())
            }
            (None, None) => Err(Failure::not_started()),
        };
        finish(record, end);
    }
}

fn nothing_to_do(plan: &desk::Plan) -> String {
    format!(
        "nothing to migrate: the place of the state is {}, and no other one is known",
        plan.destination.place()
    )
}

/// One refusal stops the run: then no unit is touched.
fn end_refused(desks: Vec<Desk<'_>>) {
    let culprit = desks.iter().find(|desk| desk.is_refused());
    let culprit = culprit.map(|desk| desk.record.unit.id.clone());
    for desk in desks {
        let beside = || culprit.as_ref().map(Failure::not_started_beside);
        let failure = desk.failure.or_else(beside);
        finish(
            desk.record,
            Err(failure.unwrap_or_else(Failure::not_started)),
        );
    }
}

/// An error of the file system while `doing` something to a file.
fn io_failure(doing: &str, path: &str, error: &std::io::Error) -> Failure {
    Failure::failed(Diagnostic::error(format!(
        "cannot {doing} `{path}`: {}",
        crate::model::describe_io(error)
    )))
}
