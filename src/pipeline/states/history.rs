//! `tfw state history`: the versions of a state, and what changed from each to the next.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::super::told;
use super::cache::{Cache, Facts};
use super::versions::{Version, Versions};
use crate::model::{Diagnostic, HistoryEntry, UnitId};
use crate::stage::Context;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::state::{Fingerprint, StateDocument};

/// Versions read at once: each may be megabytes, and all of them lie in memory.
const READS: usize = 8;

/// The history of one unit's state.
#[derive(Debug, Clone)]
pub struct History {
    /// The unit.
    pub unit: UnitId,
    /// The newest first, as many as were asked for.
    pub versions: Vec<HistoryEntry>,
    /// How many there are.
    pub total: usize,
}

/// The history of the selected unit's state: the newest versions, `limit` of them, or all where
/// that is 0.
pub async fn history(ctx: &Context, limit: usize) -> (Vec<History>, Vec<Diagnostic>) {
    let (mut histories, mut diagnostics) = (Vec::new(), Vec::new());
    for unit in ctx.units() {
        let blank = History {
            unit: unit.id.clone(),
            versions: Vec::new(),
            total: 0,
        };
        let (history, told) = told::look(ctx, unit, blank, async |record, history| {
            look(record, history, limit).await
        })
        .await;
        histories.push(history);
        diagnostics.extend(told);
    }
    (histories, diagnostics)
}

/// Fills in a history as far as it can be told.
async fn look(record: &Record<'_>, history: &mut History, limit: usize) -> Result<(), Failure> {
    let versions = Versions::list(record).await?;
    history.total = versions.all.len();
    let shown = match limit {
        0 => versions.all.len(),
        limit => limit.min(versions.all.len()),
    };
    let wanted = versions.all[..shown].iter().filter(|each| !each.deleted);
    let wanted = wanted.count();
    let mut cache = Cache::open(record.ctx.run.tfw(), &versions.place);
    let (facts, failure) = gather(&versions, wanted, true, &mut cache).await;
    keep(cache, &versions);
    let mut facts = facts.into_iter().zip(0..);
    for version in &versions.all[..shown] {
        let known = if version.deleted { None } else { facts.next() };
        history.versions.push(entry(version, known));
    }
    failure.map_or(Ok(()), Err)
}

fn entry(version: &Version, known: Option<(Option<Facts>, usize)>) -> HistoryEntry {
    let (facts, back) = match known {
        Some((facts, back)) => (facts.unwrap_or_default(), Some(back)),
        None => (Facts::default(), None),
    };
    HistoryEntry {
        version_id: version.id.clone(),
        modified: version.modified,
        size: version.size,
        serial: facts.serial,
        lineage: facts.lineage,
        terraform_version: facts.terraform_version,
        resources: facts.resources,
        latest: version.latest,
        deleted: version.deleted,
        changes: facts.since.map(|(_, changes)| changes),
        back,
        problem: facts.problem,
    }
}

/// Keeps what is known of versions that are still there.
fn keep(cache: Cache, versions: &Versions) {
    let ids: Vec<&str> = versions
        .all
        .iter()
        .filter_map(Version::lasting_id)
        .collect();
    cache.keep(|id| ids.contains(&id));
}

/// The facts of every state, without what changed, and the first thing that went wrong: of what
/// could not be read there are none.
pub(super) async fn facts(
    record: &Record<'_>,
    versions: &Versions,
) -> (Vec<Facts>, Option<Failure>) {
    let all = versions.states().count();
    let mut cache = Cache::open(record.ctx.run.tfw(), &versions.place);
    let (facts, failure) = gather(versions, all, false, &mut cache).await;
    keep(cache, versions);
    let facts = facts.into_iter().map(Option::unwrap_or_default);
    (facts.collect(), failure)
}

/// The facts of the newest `wanted` states, from the cache as far as that has them, and the first
/// thing that went wrong. `changes`: also what changed since the state before each.
async fn gather(
    versions: &Versions,
    wanted: usize,
    changes: bool,
    cache: &mut Cache,
) -> (Vec<Option<Facts>>, Option<Failure>) {
    let states: Vec<&Version> = versions.states().collect();
    let name = |index: usize| states.get(index).map(|version| name(version));
    let mut facts: Vec<Option<Facts>> = states
        .iter()
        .map(|version| cache.get(version.lasting_id()?).cloned())
        .collect();
    let lacks_changes = |facts: &[Option<Facts>], index: usize| {
        let since = facts[index].as_ref().and_then(|facts| facts.since.as_ref());
        let is_state = facts[index]
            .as_ref()
            .is_none_or(|facts| facts.problem.is_none());
        changes
            && is_state
            && name(index + 1).is_some()
            && since.map(|since| &since.0) != name(index + 1).as_ref()
    };
    let mut missing: Vec<usize> = Vec::new();
    for index in 0..wanted {
        if lacks_changes(&facts, index) {
            missing.extend([index, index + 1]);
        } else if facts[index].is_none() {
            missing.push(index);
        }
    }
    missing.dedup();
    let read: Vec<(usize, Result<Read, Failure>)> = stream::iter(missing)
        .map(async |index| (index, read(versions, states[index]).await))
        .buffered(READS)
        .collect()
        .await;
    let mut failure = None;
    let mut fingerprints: HashMap<usize, Fingerprint> = HashMap::new();
    for (index, read) in read {
        match read {
            Ok(read) => {
                let since = facts[index].take().and_then(|known| known.since);
                facts[index] = Some(Facts {
                    since,
                    ..read.facts
                });
                fingerprints.extend(read.fingerprint.map(|fingerprint| (index, fingerprint)));
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    for index in 0..wanted {
        let both = (fingerprints.get(&index), fingerprints.get(&(index + 1)));
        if let (Some(after), Some(before)) = both
            && let (Some(facts), Some(before_name)) = (&mut facts[index], name(index + 1))
        {
            facts.since = Some((before_name, after.since(before)));
        }
    }
    for (version, facts) in states.iter().zip(&facts) {
        if let (Some(id), Some(facts)) = (version.lasting_id(), facts)
            && cache.get(id) != Some(facts)
        {
            cache.put(id, facts.clone());
        }
    }
    facts.truncate(wanted);
    (facts, failure)
}

/// What tells one state from the others; of files, that it is another one.
fn name(version: &Version) -> String {
    version.id.clone().unwrap_or_default()
}

/// What is kept of a state that was read.
struct Read {
    facts: Facts,
    /// `None`: it is no state.
    fingerprint: Option<Fingerprint>,
}

async fn read(versions: &Versions, version: &Version) -> Result<Read, Failure> {
    let raw = versions.raw(version).await?;
    Ok(match StateDocument::parse(&raw.bytes) {
        Ok(document) => Read {
            facts: Facts {
                serial: Some(document.serial),
                lineage: Some(document.lineage.clone()),
                terraform_version: Some(document.terraform_version.clone()),
                resources: Some(document.resource_count()),
                problem: None,
                since: None,
            },
            fingerprint: Some(Fingerprint::of(&document)),
        },
        Err(problem) => Read {
            facts: Facts {
                problem: Some(problem.to_string()),
                ..Facts::default()
            },
            fingerprint: None,
        },
    })
}
