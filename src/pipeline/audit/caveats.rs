//! What CloudTrail does not show in this set-up, said from what the set-up is.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::facts::Facts;
use super::history::{End, Looked, Subject, hint};
use crate::aws::{AwsError, Trail};
use crate::model::{AuditEvent, Backend, Caveat, Period, Region, Unit, UnitId};
use crate::stage::site::Site;

/// How long CloudTrail takes to show an event (CloudTrail User Guide, "How CloudTrail works").
const DELAY: SignedDuration = SignedDuration::from_mins(15);
/// CloudTrail User Guide, "Logging data events".
const LOGGING_DATA_EVENTS: &str = "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html";

/// A state that is not in S3.
pub(super) fn not_in_s3(unit: &Unit) -> Caveat {
    Caveat {
        units: vec![unit.id.clone()],
        message: format!(
            "the state is in {}, of which CloudTrail knows nothing",
            unit.backend.place()
        ),
        hint: None,
    }
}

/// What was not read of the history, where something was not.
pub(super) fn not_read(
    subject: &Subject,
    looked: &Looked,
    users: &BTreeSet<usize>,
    units: &[&Unit],
) -> Option<Caveat> {
    let (why, hint) = match &looked.end {
        End::Whole => return None,
        End::Interrupted => ("the run was interrupted".to_owned(), None),
        End::Failed(error) => (error.to_string(), hint(error)),
    };
    let how_far = match looked.back_to {
        Some(time) => time
            .strftime("is complete only back to %Y-%m-%d %H:%M:%S UTC")
            .to_string(),
        None => "was not read".to_owned(),
    };
    Some(Caveat {
        units: named(users, units),
        message: format!("what the history has of {subject} {how_far}: {why}"),
        hint,
    })
}

/// Which keys were asked about, and so which were not.
pub(super) fn of_keys(keys: &BTreeSet<String>, users: &[usize], units: &[&Unit]) -> Option<Caveat> {
    let names: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    let noun = match names.len() {
        0 => return None,
        1 => "key",
        _ => "keys",
    };
    Some(Caveat {
        units: named(users, units),
        message: format!(
            "the {noun} asked about: {}; what was read or written under a key that a state had before is not shown",
            names.join(", ")
        ),
        hint: None,
    })
}

/// What is not shown of the states in one bucket.
pub(super) fn of(
    site: &Site<'_, '_>,
    facts: &Facts,
    trails: Option<&Result<Vec<Trail>, AwsError>>,
    users: &[usize],
    units: &[&Unit],
) -> Vec<Caveat> {
    let s3 = site.s3;
    let bucket = &s3.bucket;
    let all = named(users, units);
    let about_all = |message: String, hint: Option<String>| Caveat {
        units: all.clone(),
        message,
        hint,
    };
    if facts.no_bucket {
        return vec![about_all(
            format!("the bucket `{bucket}` does not exist"),
            Some(format!("`tfw backend ensure {}` creates it", typed(&all))),
        )];
    }
    let mut caveats = Vec::new();
    let (without_key, with_key): (Vec<usize>, Vec<usize>) = users
        .iter()
        .copied()
        .partition(|user| facts.is_without_key(*user));
    if !without_key.is_empty() {
        let units = named(&without_key, units);
        caveats.push(Caveat {
            message: "no key of KMS encrypts the state (it is AES256): there are no Decrypt events"
                .to_owned(),
            hint: Some(format!(
                "with `bucket.encryption = \"aws:kms\"`, `tfw backend ensure {} --reencrypt` has KMS asked for each read",
                typed(&units)
            )),
            units,
        });
    }
    let by_bucket_key: Vec<usize> = with_key
        .into_iter()
        .filter(|user| facts.has_bucket_key(*user))
        .collect();
    if !by_bucket_key.is_empty() {
        caveats.push(Caveat {
            units: named(&by_bucket_key, units),
            message: format!(
                "S3 Bucket Keys are on in `{bucket}`: S3 asks KMS once in a while and for the bucket, so that neither each read nor which object was read is told"
            ),
            hint: Some("S3 data events tell both, in the files of a trail".to_owned()),
        });
    }
    for error in &facts.unknown {
        caveats.push(about_all(
            format!("which key the states are encrypted with is not wholly known: {error}"),
            hint(error),
        ));
    }
    if site.account.account_id() != Some(&s3.owner) {
        caveats.push(about_all(
            format!(
                "the bucket is of account {}, and these credentials are not: what others did stands in that account's history",
                s3.owner
            ),
            Some("`backend.role_arn` names a role of the bucket's account".to_owned()),
        ));
    }
    let foreign = facts.keys.iter().find(|key| {
        let account = key.split(':').nth(4);
        account != site.account.account_id().map(AsRef::as_ref)
    });
    if let Some(key) = foreign {
        caveats.push(about_all(
            format!(
                "the key `{key}` is of another account, whose history alone has what all others did with it"
            ),
            None,
        ));
    }
    match trails {
        Some(Ok(trails)) => caveats.extend(of_trails(site, trails, users, units)),
        Some(Err(error)) => caveats.push(about_all(
            format!(
                "whether a trail logs who reads the objects of `{bucket}` is not known: {error}"
            ),
            hint(error),
        )),
        None => {}
    }
    caveats
}

/// Which reads are logged by a trail, where this does not look, and which by none.
fn of_trails(
    site: &Site<'_, '_>,
    trails: &[Trail],
    users: &[usize],
    units: &[&Unit],
) -> Vec<Caveat> {
    let (s3, partition) = (site.s3, site.s3.region.partition());
    let bucket = &s3.bucket;
    let mut logged: Vec<(&Trail, Vec<UnitId>)> = Vec::new();
    let mut unlogged = Vec::new();
    for unit in users.iter().filter_map(|&user| units.get(user)) {
        let Backend::S3(s3) = &unit.backend else {
            continue;
        };
        let arn = format!("arn:{partition}:s3:::{}/{}", s3.bucket, s3.object_key());
        let Some(trail) = trails.iter().find(|trail| trail.logs_reads_of(&arn)) else {
            unlogged.push(unit.id.clone());
            continue;
        };
        match logged.iter_mut().find(|(each, _)| each.name == trail.name) {
            Some((_, units)) => units.push(unit.id.clone()),
            None => logged.push((trail, vec![unit.id.clone()])),
        }
    }
    let mut caveats: Vec<Caveat> = logged
        .into_iter()
        .map(|(trail, units)| Caveat {
            units,
            message: format!(
                "the trail `{}` logs each read of the object (S3 data events), but into its own files alone: they are not in the history that this is read from",
                trail.name
            ),
            hint: trail.log_bucket.as_ref().map(|logs| {
                format!("`aws s3 ls --recursive s3://{logs}/` lists them; Athena searches them")
            }),
        })
        .collect();
    let unreadable = trails.iter().find_map(|trail| {
        let error = trail.unreadable.as_ref()?;
        Some((trail, error))
    });
    if let Some((trail, error)) = unreadable
        && !unlogged.is_empty()
    {
        caveats.push(Caveat {
            units: unlogged,
            message: format!(
                "whether the trail `{}` logs who reads the objects of `{bucket}` is not known: {error}",
                trail.name
            ),
            hint: match foreign_owner(site, trail) {
                Some(owner) => Some(format!(
                    "it belongs to account {owner}, which manages the organization: ask there what it selects"
                )),
                None => hint(error),
            },
        });
    } else if !unlogged.is_empty() {
        let own = trails
            .iter()
            .filter(|trail| trail.is_logging && foreign_owner(site, trail).is_none());
        caveats.push(Caveat {
            units: unlogged,
            message: format!(
                "no trail logs who reads the objects of `{bucket}` (S3 data events are off); event data stores of CloudTrail Lake are not looked at"
            ),
            hint: Some(how_to_log(
                own.min_by_key(|trail| !trail.selects_as_new()),
                &s3.region,
                &format!("arn:{partition}:s3:::{bucket}/"),
            )),
        });
    }
    caveats
}

/// The account that a trail belongs to, where that is not the one that asks.
fn foreign_owner<'t>(site: &Site<'_, '_>, trail: &'t Trail) -> Option<&'t str> {
    let own = site.account.account_id().map(AsRef::as_ref);
    trail
        .account
        .as_deref()
        .filter(|account| Some(*account) != own)
}

/// How one of the account's own trails comes to log reads of these objects. A command to paste
/// stands only where it takes nothing from what the trail selects.
fn how_to_log(trail: Option<&Trail>, region: &Region, objects: &str) -> String {
    let Some(trail) = trail else {
        return format!(
            "no trail of this account logs here: `aws cloudtrail create-trail` makes one, with a bucket whose policy lets CloudTrail write, then come `start-logging` and `put-event-selectors`; see {LOGGING_DATA_EVENTS}"
        );
    };
    let region = trail.home_region.as_deref().unwrap_or(region.as_ref());
    let options = format!("--region {region} --trail-name {}", trail.name);
    if !trail.selects_as_new() {
        return format!(
            "`aws cloudtrail put-event-selectors {options}` turns that on, and replaces what the trail selects now: give it what `aws cloudtrail get-event-selectors {options}` shows, with the S3 objects of `{objects}` added"
        );
    }
    let selectors = json!([{
        "ReadWriteType": "All",
        "IncludeManagementEvents": true,
        "DataResources": [{ "Type": "AWS::S3::Object", "Values": [objects] }],
    }]);
    format!(
        "`aws cloudtrail put-event-selectors {options} --event-selectors '{selectors}'` turns that on; it replaces what the trail selects now, all management events, and selects these too"
    )
}

/// What is so everywhere.
pub(super) fn in_any_case(events: &[AuditEvent], period: Period) -> Vec<Caveat> {
    let everywhere = |message: String| Caveat {
        units: Vec::new(),
        message,
        hint: None,
    };
    let mut caveats = Vec::new();
    let nowhere = events
        .iter()
        .filter(|event| event.source_ip.is_none())
        .count();
    if nowhere > 0 {
        caveats.push(everywhere(format!(
            "{nowhere} of {} events do not say from where: S3 asked KMS in somebody's name",
            events.len()
        )));
    }
    if period.until > Timestamp::now() - DELAY {
        caveats.push(everywhere(
            "an event takes up to 15 minutes to appear in the history".to_owned(),
        ));
    }
    caveats.push(everywhere(
        "what S3 refuses, by a bucket policy or for want of `s3:GetObject`, never reaches KMS: such attempts are not in the history"
            .to_owned(),
    ));
    caveats.push(everywhere(
        "the history goes back 90 days; what is older only the files of a trail have".to_owned(),
    ));
    caveats
}

fn named<'i>(users: impl IntoIterator<Item = &'i usize>, units: &[&Unit]) -> Vec<UnitId> {
    let units = users.into_iter().filter_map(|&user| units.get(user));
    units.map(|unit| unit.id.clone()).collect()
}

/// The units as they are typed.
fn typed(units: &[UnitId]) -> String {
    let names: Vec<String> = units.iter().map(ToString::to_string).collect();
    match names.len() {
        1..=5 => names.join(" "),
        _ => "UNIT".to_owned(),
    }
}
