//! `tfw backend`: the buckets of the selected units against the manifest, shown and mended.
//!
//! Each bucket is looked at once, however many units keep their state in it, and all of them at
//! once. No Terraform runs.

mod look;
mod reencrypt;

use std::collections::BTreeSet;

pub(crate) use self::look::{Looked, Survey};
use super::told;
use crate::bucket::Setting;
use crate::events::Event;
use crate::model::{BucketCondition, Diagnostic, Outcome, Unit};
use crate::stage::Context;
use crate::stage::consent::Matter;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::site;

/// What `tfw backend ensure` was asked for beside the manifest.
#[derive(Debug, Clone, Default)]
pub struct EnsureOptions {
    /// Write states anew that are encrypted otherwise than the manifest says.
    pub reencrypt: bool,
    /// Settings that may be made weaker.
    pub allow_weaker: BTreeSet<Setting>,
}

/// `tfw backend check`: how each bucket differs from the manifest, and what else there is to say,
/// with the unit in it. Changes nothing.
pub async fn check(ctx: &Context) -> (Vec<BucketCondition>, Vec<Diagnostic>) {
    let records = records(ctx);
    let mut survey = Survey::new(&records, &EnsureOptions::default()).await;
    survey.note_differences();
    survey.note_unknown();
    let conditions = survey.conditions();
    let ends = survey.ends;
    let mut diagnostics = Vec::new();
    for (mut record, end) in records.into_iter().zip(ends) {
        for warning in end.warnings {
            record.diagnostic(warning);
        }
        if end.differs {
            record.differs();
        }
        let unit = &record.unit.id;
        let told = told::of(unit, record.finish(end.failure.map_or(Ok(()), Err)));
        diagnostics.extend(told);
    }
    (conditions, diagnostics)
}

/// `tfw backend ensure`: makes each bucket what the manifest says, after one question.
pub async fn ensure(ctx: &Context, options: &EnsureOptions) -> Vec<Outcome> {
    let mut records = records(ctx);
    let mut survey = Survey::new(&records, options).await;
    survey.refuse();
    if !survey.is_refused() {
        ctx.events.emit(Event::Backends {
            conditions: survey.conditions(),
        });
        mend(ctx, &mut survey, options).await;
    }
    survey.note_unknown();
    let Survey {
        mut ends, buckets, ..
    } = survey;
    if options.reencrypt {
        let states = buckets.into_iter().flat_map(|looked| looked.states);
        for (index, state) in states.collect::<Vec<_>>() {
            let end = &mut ends[index];
            if end.failure.is_none() && state.takes_rewriting() {
                end.failure = reencrypt::rewrite(&mut records[index], &state).await.err();
            }
        }
    }
    let ended = records.into_iter().zip(ends);
    ended
        .map(|(record, end)| record.finish(end.failure.map_or(Ok(()), Err)))
        .collect()
}

fn records(ctx: &Context) -> Vec<Record<'_>> {
    ctx.units().map(|unit| Record::new(ctx, unit)).collect()
}

/// Asks, and makes what is to be made; failures stand in the survey.
async fn mend(ctx: &Context, survey: &mut Survey<'_, '_>, options: &EnsureOptions) {
    let lacking: Vec<&Looked<'_, '_>> = survey
        .buckets
        .iter()
        .filter(|looked| looked.is_lacking(options))
        .collect();
    if lacking.is_empty() {
        return;
    }
    // A setting is changed for all who use the bucket, selected or not; a state is one unit's.
    let units: Vec<&Unit> = lacking
        .iter()
        .flat_map(|looked| -> Vec<&Unit> {
            if looked.opened.plan.is_done() {
                let users = looked.users.iter();
                users.map(|&user| survey.units[user]).collect()
            } else {
                looked.site.all_users().collect()
            }
        })
        .collect();
    let question = || question(&lacking);
    let agreed = ctx
        .consent
        .obtain(ctx, Matter::Tfw, &units, question, "mending the backends")
        .await;
    let mut failures: Vec<(usize, Failure)> = Vec::new();
    if let Err(refusal) = agreed {
        for looked in &lacking {
            failures.extend(looked.site.each(&refusal));
        }
    } else {
        let sites: Vec<_> = lacking
            .iter()
            .filter(|looked| !looked.opened.plan.is_done())
            .map(|looked| (&looked.site, &looked.opened))
            .collect();
        for ((site, _), made) in sites.iter().zip(site::make(&sites).await) {
            // Of a new bucket, what may not be read is only known now.
            let failure = match made {
                Ok(plan) => look::unknown(site, &plan.differences),
                Err(failure) => Some(failure),
            };
            failures.extend(failure.iter().flat_map(|failure| site.each(failure)));
        }
    }
    for (user, failure) in failures {
        survey.ends[user].failure = Some(failure);
    }
}

/// What is about to be done: the differences have been shown.
fn question(lacking: &[&Looked<'_, '_>]) -> String {
    let s = if lacking.len() == 1 { "" } else { "s" };
    let lines: Vec<String> = lacking
        .iter()
        .map(|looked| looked.site.describe())
        .collect();
    format!(
        "tfw will make {} backend{s} what the manifest says (`+` and `~` above):\n{}",
        lacking.len(),
        lines.join("\n")
    )
}
