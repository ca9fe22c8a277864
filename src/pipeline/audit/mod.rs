//! `tfw audit`: who read and wrote the states of the selected units, from CloudTrail's history.
//!
//! Each KMS key is looked up once, however many units keep their state under it, with the credentials
//! that reach the state, and each bucket only where the server is not AWS; the requests of one account
//! and region are paced together. What was found is shown also where the rest cannot be read, or is
//! not waited for. No Terraform runs, and nothing is changed.

mod assign;
mod caveats;
mod event;
mod facts;
mod history;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use self::assign::States;
use self::facts::Facts;
use self::history::{Place, Subject};
use crate::aws::{AwsError, Trail};
use crate::events::{Event, Phase};
use crate::model::{AccountId, AuditEvent, Backend, Caveat, Diagnostic, Period, Region, Unit};
use crate::stage::Context;
use crate::stage::backend;
use crate::stage::context::at_once;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::site::{self, Site};

/// What CloudTrail shows of the states, and what it does not.
#[derive(Debug, Default)]
pub struct Audit {
    /// The newest first.
    pub events: Vec<AuditEvent>,
    /// What cannot be seen in this set-up.
    pub caveats: Vec<Caveat>,
    /// What went wrong, with the unit in it.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether all of the history was read that these units have.
    pub is_complete: bool,
}

/// Looks up who read and wrote the states of the selected units in this time.
pub async fn audit(ctx: &Context, period: Period) -> Audit {
    let records: Vec<Record<'_>> = ctx.units().map(|unit| Record::new(ctx, unit)).collect();
    let prepared = tokio::select! {
        biased;
        () = ctx.signals.stopped() => None,
        prepared = prepare(&records) => Some(prepared),
    };
    let Found {
        mut events,
        caveats,
        failures,
    } = match prepared {
        Some(prepared) => look(ctx, &records, prepared, period).await,
        None => Found {
            failures: records
                .iter()
                .map(|_| Some(Failure::not_begun(ctx)))
                .collect(),
            ..Found::default()
        },
    };
    for event in &mut events {
        event.command = event.run().and_then(|run| ctx.run.tfw().command_of(run));
    }
    events.sort_by_key(|event| Reverse(event.time));
    let is_complete = failures.iter().all(Option::is_none);
    let mut diagnostics = Vec::new();
    for (record, failure) in records.into_iter().zip(failures) {
        let unit = &record.unit.id;
        let outcome = record.finish(failure.map_or(Ok(()), Err));
        diagnostics.extend(outcome.diagnostics.into_iter().map(|each| Diagnostic {
            summary: format!("`{unit}`: {}", each.summary),
            ..each
        }));
    }
    Audit {
        events,
        caveats,
        diagnostics,
        is_complete,
    }
}

/// Tells the caveats as warnings, where what is printed has no room for them.
pub fn warn_of_caveats(ctx: &Context, caveats: &[Caveat]) {
    for caveat in caveats {
        let units: Vec<String> = caveat.units.iter().map(ToString::to_string).collect();
        let whose = if units.is_empty() {
            String::new()
        } else {
            format!("{}: ", units.join(", "))
        };
        let warning = Diagnostic::warning(format!("{whose}{}", caveat.message));
        ctx.events.emit(Event::Diagnostic {
            unit: None,
            diagnostic: match &caveat.hint {
                Some(hint) => warning.with_hint(hint),
                None => warning,
            },
        });
    }
}

/// What is known before CloudTrail is asked; failures by the positions of the units.
struct Prepared<'r, 'c> {
    known: Vec<(Site<'r, 'c>, Facts)>,
    places: BTreeMap<(AccountId, Region), Place>,
    failures: Vec<Option<Failure>>,
}

/// What was found; failures by the positions of the units.
#[derive(Default)]
struct Found {
    events: Vec<AuditEvent>,
    caveats: Vec<Caveat>,
    failures: Vec<Option<Failure>>,
}

/// Proves the credentials, and looks at the buckets and the states.
async fn prepare<'r, 'c>(records: &'r [Record<'c>]) -> Prepared<'r, 'c> {
    for record in records {
        record.phase(Phase::Credentials);
    }
    let safe = at_once(records.iter().map(|record| backend::verify(record))).await;
    let mut failures: Vec<Option<Failure>> = safe
        .iter()
        .map(|safe| safe.as_ref().err().cloned())
        .collect();
    let references: Vec<&Record<'_>> = records.iter().collect();
    let sites = site::sites(&references, &safe);
    for &user in sites.iter().flat_map(|site| &site.users) {
        records[user].phase(Phase::Audit);
    }
    let facts = at_once(sites.iter().map(|site| facts::of(site, records))).await;
    let mut known: Vec<(Site<'_, '_>, Facts)> = Vec::new();
    for (site, facts) in sites.into_iter().zip(facts) {
        match facts {
            Ok(facts) => known.push((site, facts)),
            Err(failure) => {
                for &user in &site.users {
                    failures[user] = Some(failure.clone());
                }
            }
        }
    }
    let places = match places(&known).await {
        Ok(places) => places,
        // Only want of credentials, which `facts` would have told already.
        Err(failure) => {
            for (site, _) in &known {
                for &user in &site.users {
                    failures[user] = Some(failure.clone());
                }
            }
            BTreeMap::new()
        }
    };
    Prepared {
        known,
        places,
        failures,
    }
}

/// Asks CloudTrail, and says what its answers leave open.
async fn look(
    ctx: &Context,
    records: &[Record<'_>],
    prepared: Prepared<'_, '_>,
    period: Period,
) -> Found {
    let Prepared {
        known,
        places,
        mut failures,
    } = prepared;
    let states = States::of(ctx.project.units.iter().map(|unit| &unit.backend));
    let units: Vec<&Unit> = records.iter().map(|record| record.unit).collect();
    let asked = at_once(places.values().map(|place| place.ask(ctx, period))).await;
    let mut trails: BTreeMap<(AccountId, Region), Result<Vec<Trail>, AwsError>> = BTreeMap::new();
    let (mut events, mut caveats) = (Vec::new(), Vec::new());
    // Of whom CloudTrail has told something.
    let mut told: BTreeSet<usize> = BTreeSet::new();
    for record in records {
        if !matches!(record.unit.backend, Backend::S3(_)) {
            caveats.push(caveats::not_in_s3(record.unit));
        }
    }
    for ((at, place), (answers, found)) in places.iter().zip(asked) {
        for ((subject, users), looked) in place.lookups.iter().zip(answers) {
            if looked.has_told() {
                told.extend(users);
            }
            let is_spare =
                |user: &usize| matches!(subject, Subject::Bucket(_)) && place.knows_key_of(*user);
            if let Some(failure) = looked.failure() {
                for &user in users.iter().filter(|user| !is_spare(user)) {
                    failures[user] = Some(failure.clone());
                }
            }
            caveats.extend(caveats::not_read(subject, &looked, users, &units));
            let sightings = looked.sightings.into_iter();
            events.extend(sightings.filter_map(|each| states.assign(each, users, &units)));
        }
        trails.extend(found.map(|found| (at.clone(), found)));
    }
    let mut by_keys: BTreeMap<&BTreeSet<String>, Vec<usize>> = BTreeMap::new();
    for (site, facts) in &known {
        let is_told = |user: &&usize| failures[**user].is_none() || told.contains(*user);
        let users: Vec<usize> = site.users.iter().filter(is_told).copied().collect();
        if users.is_empty() {
            continue;
        }
        let trails = place_of(site).and_then(|place| trails.get(&place));
        caveats.extend(caveats::of(site, facts, trails, &users, &units));
        by_keys.entry(&facts.keys).or_default().extend(users);
    }
    for (keys, users) in by_keys {
        caveats.extend(caveats::of_keys(keys, &users, &units));
    }
    if failures.iter().any(Option::is_none) || !events.is_empty() {
        caveats.extend(caveats::in_any_case(&events, period));
    }
    Found {
        events,
        caveats,
        failures,
    }
}

/// The account and region whose history tells of a bucket.
fn place_of(site: &Site<'_, '_>) -> Option<(AccountId, Region)> {
    let account = site.account.account_id()?;
    Some((account.clone(), site.s3.region.clone()))
}

/// What is to be looked up where.
async fn places(
    known: &[(Site<'_, '_>, Facts)],
) -> Result<BTreeMap<(AccountId, Region), Place>, Failure> {
    let mut places = BTreeMap::new();
    for (site, facts) in known {
        let Some(at) = place_of(site) else { continue };
        if facts.no_bucket {
            continue;
        }
        if !places.contains_key(&at) {
            let cloudtrail = site.account.cloudtrail(&site.s3.region).await;
            let cloudtrail =
                cloudtrail.map_err(|error| history::failure("cannot ask CloudTrail", &error))?;
            places.insert(at.clone(), Place::new(cloudtrail));
        }
        if let Some(place) = places.get_mut(&at) {
            place.add(&facts.keys, &site.s3.bucket, &site.users);
        }
    }
    Ok(places)
}
