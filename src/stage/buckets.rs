//! The state buckets of a run: each is looked at once, however many units use it, and the absent
//! ones are created after one question.

use std::collections::BTreeSet;

use super::SafeBackend;
use super::consent::Matter;
use super::context::at_once;
use super::failure::Failure;
use super::record::Record;
use super::site::{self, Opened, Site};
use crate::bucket::Presence;
use crate::events::Event;
use crate::model::{Diagnostic, Difference, Unit};

/// What to do about a bucket that does not exist, and how closely to look at one that does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// Create it, after consent; and warn of what is weak in those that exist.
    CreateAndInspect,
    /// Create it, after consent.
    Create,
    /// Create it: somebody has agreed already.
    CreateAgreed,
    /// Fail: the command only reads.
    Fail,
    /// Go on: whoever looks says what is missing, and has it created before anything else.
    GoOn,
}

impl Absent {
    fn creates(self) -> bool {
        matches!(
            self,
            Self::CreateAndInspect | Self::Create | Self::CreateAgreed
        )
    }
}

/// Looks at the buckets of the units that are `prepared`; gives the failures by the units' index.
pub(crate) async fn ensure(
    records: &[&Record<'_>],
    prepared: &[Result<SafeBackend, Failure>],
    absent: Absent,
) -> Vec<(usize, Failure)> {
    let sites = site::sites(records, prepared);
    let looks = at_once(sites.iter().map(|site| look(site, absent))).await;
    let mut failures = Vec::new();
    let mut missing: Vec<(&Site<'_, '_>, Option<Opened>)> = Vec::new();
    for (site, look) in sites.iter().zip(looks) {
        match look {
            Ok(Look::Exists) => {}
            Ok(Look::Absent(opened)) => missing.push((site, opened.map(|opened| *opened))),
            Err(failure) => failures.extend(site.each(&failure)),
        }
    }
    // One refusal stops the run (see `preflight`): then nothing is created, and nobody is asked.
    let refused = prepared
        .iter()
        .filter_map(|safe| safe.as_ref().err())
        .chain(failures.iter().map(|(_, failure)| failure))
        .any(Failure::is_refusal);
    if missing.is_empty() || refused {
        return failures;
    }
    if absent == Absent::GoOn {
        return failures;
    }
    if absent == Absent::Fail {
        failures.extend(
            missing
                .iter()
                .flat_map(|(site, _)| site.each(&absent_failure(site))),
        );
    } else if absent != Absent::CreateAgreed
        && let Err(refusal) = consent(&missing).await
    {
        failures.extend(
            missing
                .iter()
                .flat_map(|(site, _)| site.each(&nobody_agreed(site, &refusal))),
        );
    } else {
        let opened: Vec<(&Site<'_, '_>, &Opened)> = missing
            .iter()
            .filter_map(|(site, opened)| Some((*site, opened.as_ref()?)))
            .collect();
        for ((site, _), made) in opened.iter().zip(site::make(&opened).await) {
            match made {
                // All else was just made.
                Ok(plan) => warn(
                    site,
                    plan.differences.iter().filter(|each| each.reason.is_some()),
                ),
                Err(failure) => failures.extend(site.each(&failure)),
            }
        }
    }
    failures
}

/// What a look at a bucket found.
enum Look {
    Exists,
    /// What there is to create, where it will be.
    Absent(Option<Box<Opened>>),
}

async fn look(site: &Site<'_, '_>, absent: Absent) -> Result<Look, Failure> {
    let presence = site.look().await?;
    let nothing = BTreeSet::new();
    match presence {
        Presence::Exists => {
            if absent == Absent::CreateAndInspect {
                let opened = site.open(presence, &nothing).await?;
                warn(site, &opened.plan.differences);
            }
            Ok(Look::Exists)
        }
        Presence::Absent if absent.creates() => {
            let opened = site.open(presence, &nothing).await?;
            site.check(&opened)?;
            Ok(Look::Absent(Some(Box::new(opened))))
        }
        Presence::Absent => Ok(Look::Absent(None)),
    }
}

/// Warns of how a bucket differs from the manifest, with one hint for all.
fn warn<'d>(site: &Site<'_, '_>, differences: impl IntoIterator<Item = &'d Difference>) {
    let bucket = &site.s3.bucket;
    let mut warnings: Vec<Diagnostic> = differences
        .into_iter()
        .filter(|difference| !difference.is_harmless())
        .map(|difference| {
            let Difference {
                setting, desired, ..
            } = difference;
            let text = match (&difference.actual, difference.is_unknown()) {
                (_, true) => format!("may be weak: {setting} may not be read, should be {desired}"),
                (None, _) => format!("is weak: {setting} is not set, should be {desired}"),
                (Some(actual), _) => {
                    format!("is weak: {setting} is {actual}, should be {desired}")
                }
            };
            Diagnostic::warning(format!("the bucket `{bucket}` {text}"))
        })
        .collect();
    if let Some(last) = warnings.pop() {
        let hint = format!("`tfw backend ensure {}` mends it", site.record.unit.id);
        warnings.push(last.with_hint(hint));
    }
    for diagnostic in warnings {
        site.record.ctx.events.emit(Event::Diagnostic {
            unit: None,
            diagnostic,
        });
    }
}

/// Asks once about all buckets that are absent.
async fn consent(missing: &[(&Site<'_, '_>, Option<Opened>)]) -> Result<(), Failure> {
    let ctx = missing[0].0.record.ctx;
    // A bucket is made for all who use it, selected or not.
    let units: Vec<&Unit> = missing
        .iter()
        .flat_map(|(site, _)| site.all_users())
        .collect();
    let question = || {
        let s = if missing.len() == 1 { "" } else { "s" };
        let lines: Vec<String> = missing
            .iter()
            .map(|(site, opened)| describe(site, opened.as_ref()))
            .collect();
        format!(
            "tfw will create {} state bucket{s}, versioned, encrypted and closed to the public:\n{}",
            missing.len(),
            lines.join("\n")
        )
    };
    let doing = if missing.len() == 1 {
        "creating it"
    } else {
        "creating the missing buckets"
    };
    ctx.consent
        .obtain(ctx, Matter::Tfw, &units, question, doing)
        .await
}

/// The bucket, and the key that is created with it.
fn describe(site: &Site<'_, '_>, opened: Option<&Opened>) -> String {
    let mut text = site.describe();
    if opened.is_some_and(|opened| opened.actual.lacks_key()) {
        text.push_str("\n    with the KMS key that it is encrypted with");
    }
    text
}

fn absent_failure(site: &Site<'_, '_>) -> Failure {
    Failure::failed(
        Diagnostic::error(format!(
            "the state bucket `{}` does not exist",
            site.s3.bucket
        ))
        .with_hint(format!("`tfw init {}` creates it", site.record.unit.id)),
    )
}

fn nobody_agreed(site: &Site<'_, '_>, refusal: &Failure) -> Failure {
    if !refusal.is_refusal() {
        return refusal.clone();
    }
    let mut diagnostic = Diagnostic::error(format!(
        "the state bucket `{}` does not exist, and {}",
        site.s3.bucket, refusal.reason
    ));
    diagnostic.detail = refusal
        .diagnostics
        .first()
        .and_then(|refused| refused.detail.clone());
    Failure::refused(diagnostic)
}
