//! All buckets of the selected units, and the states in them, as they are.

use super::EnsureOptions;
use crate::aws::{AwsError, ObjectEncryption};
use crate::bucket::{Presence, Setting, same_key, short_key};
use crate::model::{
    Action, Backend, BucketCondition, Diagnostic, Difference, Reason, S3Backend, Severity, Unit,
};
use crate::stage::SafeBackend;
use crate::stage::backend;
use crate::stage::context::at_once;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::site::{self, Opened, Site};
use crate::stage::states;
use crate::state::{S3State, StateError, StateStore};

/// What was found, by the positions of the units.
pub(crate) struct Survey<'r, 'c> {
    pub(super) units: Vec<&'c Unit>,
    pub(crate) buckets: Vec<Looked<'r, 'c>>,
    pub(crate) ends: Vec<End>,
}

/// What becomes of one unit.
#[derive(Default)]
pub(crate) struct End {
    pub(crate) failure: Option<Failure>,
    /// Whether its bucket is not as the manifest says.
    pub(super) differs: bool,
    pub(super) warnings: Vec<Diagnostic>,
}

/// One bucket.
pub(crate) struct Looked<'r, 'c> {
    pub(crate) site: Site<'r, 'c>,
    pub(crate) users: Vec<usize>,
    pub(crate) opened: Opened,
    /// Whether mending it would be refused.
    pub(crate) check: Result<(), Failure>,
    pub(crate) states: Vec<(usize, StateLook)>,
}

/// The state of one unit, which is encrypted otherwise than the manifest says.
pub(crate) struct StateLook {
    pub(super) state: S3State,
    pub(super) key_arn: Option<String>,
    pub(crate) difference: Difference,
}

impl<'r, 'c> Survey<'r, 'c> {
    /// Gets the credentials of the units, and looks at everything.
    pub(super) async fn new(records: &'r [Record<'c>], options: &EnsureOptions) -> Self {
        let prepared = at_once(records.iter().map(|record| backend::verify(record))).await;
        Self::of(records, &prepared, options).await
    }

    /// Looks at everything with credentials that are there already.
    pub(crate) async fn of(
        records: &'r [Record<'c>],
        prepared: &[Result<SafeBackend, Failure>],
        options: &EnsureOptions,
    ) -> Self {
        let mut ends: Vec<End> = prepared
            .iter()
            .map(|safe| End {
                failure: safe.as_ref().err().cloned(),
                ..End::default()
            })
            .collect();
        let references: Vec<&Record<'_>> = records.iter().collect();
        let sites = site::sites(&references, prepared);
        let opened = at_once(sites.iter().map(async |site| {
            let opened = open(site, options).await?;
            let states = states_in(site, &opened, records, prepared, options).await;
            Ok((opened, states))
        }))
        .await;
        let mut buckets = Vec::new();
        for (site, opened) in sites.into_iter().zip(opened) {
            match opened {
                Ok((opened, states)) => {
                    let check = site.check(&opened);
                    let users = site.users.clone();
                    buckets.push(Looked {
                        site,
                        users,
                        opened,
                        check,
                        states,
                    });
                }
                Err(failure) => {
                    for (user, failure) in site.each(&failure) {
                        ends[user].failure = Some(failure);
                    }
                }
            }
        }
        for record in records {
            if !matches!(record.unit.backend, Backend::S3(_)) {
                record.note(format!(
                    "nothing to look at: tfw cares for `s3` backends, and its is `{}`",
                    record.unit.backend.kind()
                ));
            }
        }
        Self {
            units: records.iter().map(|record| record.unit).collect(),
            buckets,
            ends,
        }
    }

    /// What would be refused in the middle is refused now; then nothing else is done either.
    pub(super) fn refuse(&mut self) {
        for looked in &self.buckets {
            if let Err(failure) = &looked.check {
                for &user in &looked.users {
                    self.ends[user].failure = Some(failure.clone());
                }
            }
        }
        let culprit = self.culprit().map(|index| self.units[index].id.clone());
        let Some(culprit) = culprit else { return };
        for end in &mut self.ends {
            end.failure.get_or_insert_with(|| {
                Failure::skipped(format!(
                    "not started: `{culprit}` was refused, and then nothing is mended"
                ))
            });
        }
    }

    pub(super) fn is_refused(&self) -> bool {
        self.culprit().is_some()
    }

    fn culprit(&self) -> Option<usize> {
        let is_refused = |end: &End| end.failure.as_ref().is_some_and(Failure::is_refusal);
        self.ends.iter().position(is_refused)
    }

    /// The buckets as documents and people have them.
    pub(super) fn conditions(&self) -> Vec<BucketCondition> {
        let buckets = self.buckets.iter();
        buckets
            .map(|looked| looked.condition(&self.units))
            .collect()
    }

    /// Notes which units have a bucket that differs, and warns of what `ensure` would refuse.
    pub(super) fn note_differences(&mut self) {
        for looked in &self.buckets {
            let all = looked.differences();
            let differs = all.iter().any(|difference| !difference.is_harmless());
            let refusal = looked.check.as_ref().err();
            let warnings: Vec<Diagnostic> = refusal
                .into_iter()
                .flat_map(|failure| failure.diagnostics.iter().cloned())
                .map(|diagnostic| Diagnostic {
                    severity: Severity::Warning,
                    ..diagnostic
                })
                .collect();
            for &user in &looked.users {
                self.ends[user].differs = differs;
                self.ends[user].warnings.extend(warnings.iter().cloned());
            }
        }
    }

    /// A unit whose backend could not be told has failed, whatever else was well.
    pub(super) fn note_unknown(&mut self) {
        for looked in &self.buckets {
            let of_bucket = unknown(&looked.site, &looked.opened.plan.differences);
            let of_all = looked.users.iter().map(|&user| (user, of_bucket.clone()));
            let of_states = looked.states.iter().map(|(user, state)| {
                let difference = std::slice::from_ref(&state.difference);
                (*user, unknown(&looked.site, difference))
            });
            for (user, failure) in of_all.chain(of_states) {
                if let Some(failure) = failure {
                    self.ends[user].failure.get_or_insert(failure);
                }
            }
        }
    }
}

/// What may not be read of a bucket; `None`: all of it may.
pub(super) fn unknown(site: &Site<'_, '_>, differences: &[Difference]) -> Option<Failure> {
    let mut settings = Vec::new();
    let mut details = Vec::new();
    for difference in differences {
        if let Some(Reason::Unreadable(why)) = &difference.reason {
            settings.push(difference.setting);
            details.push(format!("{}: {why}", difference.setting));
        }
    }
    if settings.is_empty() {
        return None;
    }
    let mut diagnostic = Diagnostic::error(format!(
        "not everything of the bucket `{}` may be read: {}",
        site.s3.bucket,
        settings.join(", ")
    ));
    for detail in details {
        diagnostic = diagnostic.with_detail(detail);
    }
    Some(Failure::failed(diagnostic.with_hint(
        "what may not be read is not written either: allow the role to read it",
    )))
}

impl Looked<'_, '_> {
    /// As documents and people have it.
    fn condition(&self, units: &[&Unit]) -> BucketCondition {
        BucketCondition {
            bucket: self.site.s3.bucket.to_string(),
            account_id: self.site.s3.owner.clone(),
            units: self
                .users
                .iter()
                .map(|&user| units[user].id.clone())
                .collect(),
            differences: self.differences(),
        }
    }

    fn differences(&self) -> Vec<Difference> {
        let states = self.states.iter().map(|(_, state)| &state.difference);
        let settings = self.opened.plan.differences.iter();
        settings.chain(states).cloned().collect()
    }

    /// Whether there is something to do.
    pub(super) fn is_lacking(&self, options: &EnsureOptions) -> bool {
        self.check.is_ok()
            && (!self.opened.plan.is_done()
                || options.reencrypt
                    && self.states.iter().any(|(_, state)| state.takes_rewriting()))
    }
}

impl StateLook {
    /// Whether the state is to be written anew.
    pub(super) fn takes_rewriting(&self) -> bool {
        self.difference.action == Action::Change
    }

    /// Whether a state is encrypted as the manifest says.
    pub(super) fn fits(&self, found: &ObjectEncryption, s3: &S3Backend) -> bool {
        fits(found, s3, self.key_arn.as_deref())
    }
}

async fn open(site: &Site<'_, '_>, options: &EnsureOptions) -> Result<Opened, Failure> {
    let presence = site.look().await?;
    site.open(presence, &options.allow_weaker).await
}

/// The states in a bucket that are not encrypted as the manifest says.
async fn states_in(
    site: &Site<'_, '_>,
    opened: &Opened,
    records: &[Record<'_>],
    prepared: &[Result<SafeBackend, Failure>],
    options: &EnsureOptions,
) -> Vec<(usize, StateLook)> {
    if opened.presence() == Presence::Absent {
        return Vec::new();
    }
    let looks = at_once(site.users.iter().map(async |&user| {
        let record = &records[user];
        let Ok(safe) = &prepared[user] else {
            return None;
        };
        look(record, safe, opened, options)
            .await
            .map(|look| (user, look))
    }))
    .await;
    looks.into_iter().flatten().collect()
}

async fn look(
    record: &Record<'_>,
    safe: &SafeBackend,
    opened: &Opened,
    options: &EnsureOptions,
) -> Option<StateLook> {
    let unit = record.unit;
    let Backend::S3(s3) = &unit.backend else {
        return None;
    };
    let Ok(StateStore::S3(state)) = states::open(unit, safe.state_account()).await else {
        return None;
    };
    let place = unit.backend.place();
    let desired = match &s3.kms_key_id {
        Some(key) => format!("aws:kms {}", short_key(key)),
        None => "AES256".to_owned(),
    };
    let difference = |actual: Option<String>, action, reason| Difference {
        setting: Setting::StateEncryption.name(),
        actual: actual.map(|actual| format!("{actual} ({place})")),
        desired: desired.clone(),
        action,
        reason,
    };
    let found = match state.encryption().await {
        Ok(found) => found?,
        Err(error) => {
            let why = match &error {
                StateError::Aws {
                    cause: cause @ AwsError::AccessDenied { .. },
                    ..
                } => cause.to_string(),
                other => other.to_string(),
            };
            return Some(StateLook {
                difference: difference(
                    None,
                    Action::Keep,
                    Some(Reason::Unreadable(format!("{place}: {why}"))),
                ),
                key_arn: None,
                state,
            });
        }
    };
    let key_arn = key_arn(s3, opened).await;
    if fits(&found, s3, key_arn.as_deref()) {
        return None;
    }
    let actual = match &found.kms_key {
        Some(key) => format!("{} {}", found.algorithm, short_key(key)),
        None => found.algorithm.clone(),
    };
    let difference = if s3.kms_key_id.is_none() {
        difference(Some(actual), Action::Keep, Some(Reason::Stronger))
    } else if options.reencrypt {
        difference(Some(actual), Action::Change, None)
    } else {
        difference(Some(actual), Action::Keep, Some(Reason::Reencrypt))
    };
    Some(StateLook {
        state,
        key_arn,
        difference,
    })
}

/// The ARN of the key of the states, where it can be told.
async fn key_arn(s3: &S3Backend, opened: &Opened) -> Option<String> {
    let wanted = s3.kms_key_id.as_deref()?;
    if let Some(arn) = opened.actual.key_arn() {
        // The manifest allows no two keys.
        return Some(arn.to_owned());
    }
    let key = opened.kms.as_ref()?.find(wanted).await.ok()??;
    Some(key.arn)
}

/// With no key of its own, Terraform asks for `AES256` whatever the bucket's default is.
fn fits(found: &ObjectEncryption, s3: &S3Backend, key_arn: Option<&str>) -> bool {
    let Some(wanted) = &s3.kms_key_id else {
        return found.algorithm == "AES256";
    };
    found.algorithm.starts_with("aws:kms")
        && found.kms_key.as_deref().is_some_and(|has| {
            same_key(has, wanted) || key_arn.is_some_and(|arn| same_key(has, arn))
        })
}
