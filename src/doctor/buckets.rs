//! State buckets and their keys against the manifest, by the survey of `tfw backend check`.

use super::findings::{UNITS, grouped, of_failure};
use crate::bucket::{Presence, Setting, short_key};
use crate::model::{Area, Check, Difference, Encryption, Reason, UnitId};
use crate::pipeline::{EnsureOptions, Looked, Survey};
use crate::stage::SafeBackend;
use crate::stage::failure::Failure;
use crate::stage::record::Record;

/// Gives the checks, and for each unit whether there is a bucket that its state can be looked for
/// in.
pub(super) async fn look(
    records: &[Record<'_>],
    prepared: &[Result<SafeBackend, Failure>],
) -> (Vec<Check>, Vec<bool>) {
    let survey = Survey::of(records, prepared, &EnsureOptions::default()).await;
    let mut checks = Vec::new();
    let mut there = vec![false; records.len()];
    for (index, record) in records.iter().enumerate() {
        let failure = survey.ends[index].failure.as_ref();
        if let (Some(failure), Ok(_)) = (failure, &prepared[index]) {
            checks.extend(of_failure(Area::Bucket, record.unit, failure));
        }
    }
    for looked in &survey.buckets {
        let units: Vec<&UnitId> = looked
            .users
            .iter()
            .map(|&user| &records[user].unit.id)
            .collect();
        if looked.opened.presence() == Presence::Exists {
            for &user in &looked.users {
                there[user] = true;
            }
        }
        let of_bucket = of_bucket(looked).into_iter();
        checks.extend(of_bucket.map(|check| check.of(units.iter().copied())));
        checks.extend(looked.states.iter().map(|(user, state)| {
            let bucket = looked.site.s3.bucket.as_str();
            told(bucket, &state.difference).of([&records[*user].unit.id])
        }));
    }
    (grouped(checks), there)
}

/// What there is to say of one bucket, and of the key that it is encrypted with.
fn of_bucket(looked: &Looked<'_, '_>) -> Vec<Check> {
    let s3 = looked.site.s3;
    let bucket = s3.bucket.as_str();
    let is_absent = looked.opened.presence() == Presence::Absent;
    let mut checks = Vec::new();
    if is_absent {
        let absent = format!("the state bucket `{bucket}` does not exist");
        checks.push(Check::problem(Area::Bucket, absent).with_hint(format!(
            "`tfw backend ensure {UNITS}` creates it, after consent"
        )));
    }
    if let Err(failure) = &looked.check {
        // A missing key is told below, as a difference.
        if !looked.opened.actual.lacks_key() {
            let unit = looked.site.record.unit;
            let refused = of_failure(Area::Bucket, unit, failure).into_iter();
            checks.extend(refused.map(|check| Check {
                units: Vec::new(),
                ..check
            }));
        }
    }
    let differences = looked.opened.plan.differences.iter();
    let amiss = differences.filter(|each| !each.is_harmless());
    // Of a bucket that is not there nothing else can be wrong; its key may be there.
    let amiss = amiss.filter(|each| !is_absent || is_of_key(each));
    checks.extend(amiss.map(|difference| told(bucket, difference)));
    let is_well = |area| !checks.iter().any(|check| check.area == area);
    let bucket_is_well = is_well(Area::Bucket);
    let key_is_well = is_well(Area::Kms);
    if bucket_is_well {
        let account = &s3.owner;
        checks.push(Check::ok(
            Area::Bucket,
            format!("`{bucket}` in account {account} is as the manifest says"),
        ));
    }
    if let Encryption::Kms { key: Some(key) } = &looked.site.record.unit.bucket.encryption
        && key_is_well
    {
        let key = short_key(key);
        checks.push(Check::ok(Area::Kms, format!("`{key}` can be used")));
    }
    checks
}

fn is_of_key(difference: &Difference) -> bool {
    let of_key = [
        Setting::KmsKey,
        Setting::KmsKeyRotation,
        Setting::KmsKeyPolicy,
    ];
    of_key
        .iter()
        .any(|setting| setting.name() == difference.setting)
}

/// A difference as a check.
fn told(bucket: &str, difference: &Difference) -> Check {
    let Difference {
        setting,
        actual,
        desired,
        reason,
        ..
    } = difference;
    let is = match actual {
        Some(actual) => format!("is {actual}"),
        None => "is not set".to_owned(),
    };
    let ensure = format!("`tfw backend ensure {UNITS}` mends it");
    let (area, message) = if is_of_key(difference) {
        (Area::Kms, format!("`{setting}` of `{bucket}`"))
    } else {
        (Area::Bucket, format!("`{setting}` of `{bucket}`"))
    };
    match reason {
        None | Some(Reason::Stronger) => {
            Check::warning(area, format!("{message} {is}, should be {desired}")).with_hint(ensure)
        }
        Some(Reason::Reencrypt) => {
            Check::warning(area, format!("{message} {is}, should be {desired}")).with_hint(format!(
                "`tfw backend ensure {UNITS} --reencrypt` writes it anew"
            ))
        }
        Some(Reason::Unreadable(why)) => Check::unknown(
            area,
            format!("{message} should be {desired}, but may not be read: {why}"),
        )
        .with_hint("allow the role to read it"),
        Some(Reason::Foreign(why)) if *setting == Setting::KmsKey.name() => {
            let is = match actual {
                Some(actual) => format!("the KMS key `{desired}` is {actual}: {why}"),
                None => format!("the KMS key `{desired}` cannot be used: {why}"),
            };
            Check::problem(area, is).with_hint(
                "name a key in `bucket.kms_key` that can be used, or have tfw create it by \
                 `bucket.create_kms_key = true`",
            )
        }
        Some(Reason::Foreign(why)) => {
            Check::warning(area, format!("{message} {is}, should be {desired}: {why}"))
                .with_hint("it is somebody else's, and tfw leaves it: ask who set it")
        }
    }
}
