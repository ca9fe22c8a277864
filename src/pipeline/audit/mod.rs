//! `tfw audit`: who read and wrote the states of the selected units, from CloudTrail's history.
//!
//! Each KMS key and each bucket is looked up once, however many units keep their state there, with
//! the credentials that reach the state; the requests of one account and region are paced together.
//! No Terraform runs, and nothing is changed.

mod caveats;
mod event;
mod facts;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use self::event::{Sighting, Target};
use self::facts::Facts;
use crate::aws::{AwsError, CloudTrail, Trail};
use crate::events::{Event, Phase};
use crate::model::{
    AccountId, AuditEvent, Backend, Caveat, Diagnostic, Period, Region, S3Backend, Unit,
};
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
}

/// Looks up who read and wrote the states of the selected units in this time.
pub async fn audit(ctx: &Context, period: Period) -> Audit {
    let records: Vec<Record<'_>> = ctx.units().map(|unit| Record::new(ctx, unit)).collect();
    let found = tokio::select! {
        biased;
        () = ctx.signals.stopped() => None,
        found = look(&records, period) => Some(found),
    };
    let Found {
        mut events,
        caveats,
        failures,
    } = found.unwrap_or_else(|| Found {
        failures: records
            .iter()
            .map(|_| Some(Failure::not_begun(ctx)))
            .collect(),
        ..Found::default()
    });
    for event in &mut events {
        event.command = event.run().and_then(|run| ctx.run.tfw().command_of(run));
    }
    events.sort_by_key(|event| Reverse(event.time));
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

/// What was found; failures by the positions of the units.
#[derive(Default)]
struct Found {
    events: Vec<AuditEvent>,
    caveats: Vec<Caveat>,
    failures: Vec<Option<Failure>>,
}

/// The history of one account in one region.
struct Place {
    cloudtrail: CloudTrail,
    /// The names of what is looked up there, and the units that it is looked up for.
    lookups: BTreeMap<String, BTreeSet<usize>>,
}

async fn look(records: &[Record<'_>], period: Period) -> Found {
    for record in records {
        record.phase(Phase::Credentials);
    }
    let prepared = at_once(records.iter().map(|record| backend::verify(record))).await;
    let mut failures: Vec<Option<Failure>> = prepared
        .iter()
        .map(|safe| safe.as_ref().err().cloned())
        .collect();
    let references: Vec<&Record<'_>> = records.iter().collect();
    let sites = site::sites(&references, &prepared);
    for &user in sites.iter().flat_map(|site| &site.users) {
        records[user].phase(Phase::Audit);
    }
    let facts = at_once(sites.iter().map(|site| facts::of(site, records))).await;
    let mut known: Vec<(&Site<'_, '_>, Facts)> = Vec::new();
    for (site, facts) in sites.iter().zip(facts) {
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
    let asked = at_once(places.values().map(|place| ask(place, period))).await;
    let mut trails: BTreeMap<(AccountId, Region), Result<Vec<Trail>, AwsError>> = BTreeMap::new();
    let units: Vec<&Unit> = records.iter().map(|record| record.unit).collect();
    let mut events = Vec::new();
    for ((at, place), (answers, found)) in places.iter().zip(asked) {
        for (users, answer) in place.lookups.values().zip(answers) {
            match answer {
                Ok(sightings) => events.extend(
                    sightings
                        .into_iter()
                        .filter_map(|sighting| assigned(sighting, users, &units)),
                ),
                Err(error) => {
                    for &user in users {
                        let doing = "cannot read CloudTrail's event history";
                        failures[user] = Some(Failure::aws(doing, &error));
                    }
                }
            }
        }
        trails.insert(at.clone(), found);
    }
    let mut caveats = Vec::new();
    for record in records {
        if !matches!(record.unit.backend, Backend::S3(_)) {
            caveats.push(caveats::not_in_s3(record.unit));
        }
    }
    for (site, facts) in &known {
        let is_read = |user: &&usize| failures[**user].is_none();
        let users: Vec<usize> = site.users.iter().filter(is_read).copied().collect();
        if users.is_empty() {
            continue;
        }
        let trails = place_of(site).and_then(|place| trails.get(&place));
        caveats.extend(caveats::of(site, facts, trails, &users, &units));
    }
    if failures.iter().any(Option::is_none) {
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
    known: &[(&Site<'_, '_>, Facts)],
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
                cloudtrail.map_err(|error| Failure::aws("cannot ask CloudTrail", &error))?;
            let place = Place {
                cloudtrail,
                lookups: BTreeMap::new(),
            };
            places.insert(at.clone(), place);
        }
        let Some(place) = places.get_mut(&at) else {
            continue;
        };
        // AWS keeps data events out of the history; other servers have them there.
        let names = facts
            .keys
            .iter()
            .cloned()
            .chain([site.s3.bucket.to_string()]);
        for name in names {
            let users: &mut BTreeSet<usize> = place.lookups.entry(name).or_default();
            users.extend(&site.users);
        }
    }
    Ok(places)
}

type Answers = Vec<Result<Vec<Sighting>, AwsError>>;

/// The events of one place, and its trails.
async fn ask(place: &Place, period: Period) -> (Answers, Result<Vec<Trail>, AwsError>) {
    let lookups = at_once(place.lookups.keys().map(async |name| {
        let Period { since, until } = period;
        let events = place.cloudtrail.lookup(name, since, until).await?;
        Ok(events.iter().filter_map(Sighting::of).collect())
    }));
    tokio::join!(lookups, place.cloudtrail.trails())
}

/// The event with the units that it is about; `None`: it is about none of them.
fn assigned(sighting: Sighting, users: &BTreeSet<usize>, units: &[&Unit]) -> Option<AuditEvent> {
    let is_meant = |s3: &S3Backend| match &sighting.target {
        Target::Object { bucket, key } => s3.bucket.as_str() == bucket && s3.object_key() == *key,
        Target::Bucket(bucket) => s3.bucket.as_str() == bucket,
        Target::Unknown => true,
    };
    let meant: Vec<_> = users
        .iter()
        .filter_map(|&user| units.get(user))
        .filter(|unit| matches!(&unit.backend, Backend::S3(s3) if is_meant(s3)))
        .map(|unit| unit.id.clone())
        .collect();
    (!meant.is_empty()).then_some(AuditEvent {
        units: meant,
        ..sighting.event
    })
}
