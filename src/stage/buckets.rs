//! The state buckets of a run: each is looked at once, however many units use it, and the absent
//! ones are created after one question.

use std::collections::BTreeMap;

use serde_json::json;

use super::SafeBackend;
use super::consent::Matter;
use super::context::at_once;
use super::failure::Failure;
use super::record::Record;
use crate::aws::VerifiedAccount;
use crate::bucket::{self, BucketError, Presence};
use crate::events::{Event, Phase};
use crate::journal::{Step, StepState};
use crate::model::{Backend, Diagnostic, S3Backend, Unit};

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

/// One bucket and the units that keep their state in it.
struct Site<'r, 'c> {
    /// The first of the units: its role looks, and creates.
    record: &'r Record<'c>,
    s3: &'c S3Backend,
    account: VerifiedAccount,
    users: Vec<usize>,
}

/// Looks at the buckets of the units that are `prepared`; gives the failures by the units' index.
pub(crate) async fn ensure(
    records: &[&Record<'_>],
    prepared: &[Result<SafeBackend, Failure>],
    absent: Absent,
) -> Vec<(usize, Failure)> {
    let sites = sites(records, prepared);
    let looks = at_once(sites.iter().map(|site| site.look(absent))).await;
    let mut failures = Vec::new();
    let mut missing = Vec::new();
    for (site, look) in sites.iter().zip(looks) {
        match look {
            Ok(Presence::Exists) => {}
            Ok(Presence::Absent) => missing.push(site),
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
                .flat_map(|site| site.each(&site.absent_failure())),
        );
    } else if absent != Absent::CreateAgreed
        && let Err(refusal) = consent(records, &missing).await
    {
        failures.extend(
            missing
                .iter()
                .flat_map(|site| site.each(&site.refusal(&refusal))),
        );
    } else {
        let created = at_once(missing.iter().map(|site| site.create())).await;
        for (site, result) in missing.iter().zip(created) {
            if let Err(failure) = result {
                failures.extend(site.each(&failure));
            }
        }
    }
    failures
}

fn sites<'r, 'c>(
    records: &[&'r Record<'c>],
    prepared: &[Result<SafeBackend, Failure>],
) -> Vec<Site<'r, 'c>> {
    let mut sites: Vec<Site<'r, 'c>> = Vec::new();
    let mut by_place = BTreeMap::new();
    for (index, (&record, safe)) in records.iter().zip(prepared).enumerate() {
        let (Backend::S3(s3), Ok(safe)) = (&record.unit.backend, safe) else {
            continue;
        };
        let site = *by_place
            .entry((&s3.bucket, &s3.region, &s3.owner))
            .or_insert_with(|| {
                sites.push(Site {
                    record,
                    s3,
                    account: safe.state_account().clone(),
                    users: Vec::new(),
                });
                sites.len() - 1
            });
        sites[site].users.push(index);
    }
    sites
}

/// Asks once about all buckets that are absent.
async fn consent(records: &[&Record<'_>], missing: &[&Site<'_, '_>]) -> Result<(), Failure> {
    let ctx = missing[0].record.ctx;
    let units: Vec<&Unit> = missing
        .iter()
        .flat_map(|site| site.users.iter().map(|&index| records[index].unit))
        .collect();
    let question = || {
        let s = if missing.len() == 1 { "" } else { "s" };
        let lines: Vec<String> = missing.iter().map(|site| site.describe()).collect();
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

impl Site<'_, '_> {
    async fn look(&self, absent: Absent) -> Result<Presence, Failure> {
        self.record.phase(Phase::Backend);
        let presence = bucket::look(&self.account, self.s3)
            .await
            .map_err(|error| unusable(&error))?;
        if absent == Absent::CreateAndInspect && presence == Presence::Exists {
            let weaknesses = bucket::weaknesses(&self.account, self.s3, &self.record.unit.bucket)
                .await
                .map_err(|error| unusable(&error))?;
            for weakness in weaknesses {
                self.record.ctx.events.emit(Event::Diagnostic {
                    unit: None,
                    diagnostic: Diagnostic::warning(weakness.to_string()),
                });
            }
        }
        Ok(presence)
    }

    async fn create(&self) -> Result<(), Failure> {
        let run = &self.record.ctx.run;
        let unit = self.record.unit;
        let step = |state| {
            let detail = json!({ "bucket": self.s3.bucket, "region": self.s3.region });
            run.step(&unit.id, Step::CreateBucket, state, &detail)
        };
        step(StepState::Begun)?;
        match bucket::create(&self.account, self.s3, &unit.bucket).await {
            Ok(_) => {
                self.record
                    .note(format!("created the state bucket `{}`", self.s3.bucket));
                step(StepState::Done)?;
                Ok(())
            }
            Err(error) => {
                step(StepState::Failed)?;
                Err(unusable(&error))
            }
        }
    }

    /// The same failure for each unit that uses the bucket.
    fn each(&self, failure: &Failure) -> Vec<(usize, Failure)> {
        self.users
            .iter()
            .map(|&index| (index, failure.clone()))
            .collect()
    }

    fn absent_failure(&self) -> Failure {
        Failure::failed(
            Diagnostic::error(format!(
                "the state bucket `{}` does not exist",
                self.s3.bucket
            ))
            .with_hint(format!("`tfw init {}` creates it", self.record.unit.id)),
        )
    }

    fn refusal(&self, refusal: &Failure) -> Failure {
        if !refusal.is_refusal() {
            return refusal.clone();
        }
        let mut diagnostic = Diagnostic::error(format!(
            "the state bucket `{}` does not exist, and {}",
            self.s3.bucket, refusal.reason
        ));
        diagnostic.detail = refusal
            .diagnostics
            .first()
            .and_then(|refused| refused.detail.clone());
        Failure::refused(diagnostic)
    }

    /// `  acme-tfstate-dev in eu-central-1, account 111111111111, as arn:aws:sts::…`
    fn describe(&self) -> String {
        format!(
            "  {} in {}\n    as {}",
            self.s3.bucket,
            self.s3.region,
            self.account.principal().unwrap_or_default()
        )
    }
}

fn unusable(error: &BucketError) -> Failure {
    Failure::fact(error.to_string(), error.hint(), error.is_refusal())
}
