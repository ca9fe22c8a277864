//! One state bucket and the units that keep their state in it: looked at, and made what it must be,
//! once for all of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::SafeBackend;
use super::context::at_once;
use super::failure::Failure;
use super::record::Record;
use crate::aws::{AwsError, Bucket, Kms, VerifiedAccount};
use crate::bucket::{self, Actual, BucketError, Caller, Plan, Presence, Setting, Wanted};
use crate::events::Phase;
use crate::journal::{Step, StepState};
use crate::model::{
    Backend, BucketSpec, Condition, Difference, Encryption, RoleArn, S3Backend, Unit,
};

/// One bucket and the units that keep their state in it.
pub(crate) struct Site<'r, 'c> {
    /// The first of the units: its role looks, and creates.
    pub(crate) record: &'r Record<'c>,
    pub(crate) s3: &'c S3Backend,
    pub(crate) account: VerifiedAccount,
    /// All that tfw acts as in it: no policy may lock one of them out.
    callers: Vec<Caller>,
    /// Indices of the units.
    pub(crate) users: Vec<usize>,
}

/// A bucket with all that it takes to look at it closely.
pub(crate) struct Opened {
    bucket: Bucket,
    pub(crate) kms: Option<Kms>,
    wanted: Wanted,
    pub(crate) actual: Actual,
    pub(crate) plan: Plan,
    exists: bool,
}

impl Opened {
    /// Whether the bucket was there.
    pub(crate) fn presence(&self) -> Presence {
        if self.exists {
            Presence::Exists
        } else {
            Presence::Absent
        }
    }
}

/// The buckets of the units that are `prepared`.
pub(crate) fn sites<'r, 'c>(
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
                    callers: Vec::new(),
                    users: Vec::new(),
                });
                sites.len() - 1
            });
        let site = &mut sites[site];
        site.users.push(index);
        let arn = safe.state_account().arn();
        let caller = arn.map(|arn| Caller::new(arn, role_for_state(record.unit).as_ref()));
        site.callers
            .extend(caller.filter(|caller| !site.callers.contains(caller)));
    }
    sites
}

impl Site<'_, '_> {
    /// Whether the bucket is there.
    pub(crate) async fn look(&self) -> Result<Presence, Failure> {
        self.record.phase(Phase::Backend);
        bucket::look(&self.account, self.s3)
            .await
            .map_err(|error| unusable(&error))
    }

    /// Reads everything, and holds it against the manifest.
    pub(crate) async fn open(
        &self,
        presence: Presence,
        weaker: &BTreeSet<Setting>,
    ) -> Result<Opened, Failure> {
        self.open_(presence, weaker)
            .await
            .map_err(|error| unusable(&error))
    }

    async fn open_(
        &self,
        presence: Presence,
        weaker: &BTreeSet<Setting>,
    ) -> Result<Opened, BucketError> {
        let ctx = self.record.ctx;
        let spec: &BucketSpec = &self.record.unit.bucket;
        let bucket = self.account.bucket(self.s3).await?;
        // Whoever uses it, selected or not: a policy must shut none of them out.
        let (mut roles, mut keys) = (Vec::new(), Vec::new());
        for unit in self.all_users() {
            roles.extend(role_for_state(unit));
            if let Backend::S3(s3) = &unit.backend {
                keys.push(s3.object_key());
            }
        }
        roles.sort();
        roles.dedup();
        let exists = presence == Presence::Exists;
        let wanted = Wanted::new(self.s3, &bucket, spec, &roles, keys)
            .acting_as(&self.callers)
            .of_new_bucket(!exists)
            .allowing_weaker(weaker)
            .of_project(ctx.project.name.as_deref());
        // States may have a key where the bucket's default has none.
        let key = match &spec.encryption {
            Encryption::Kms { key: Some(key) } => Some(key),
            Encryption::Kms { key: None } | Encryption::Aes256 => self.s3.kms_key_id.as_ref(),
        };
        let kms = match key {
            Some(arn) => {
                let region = arn.split(':').nth(3).and_then(|region| region.parse().ok());
                let region = region.as_ref().unwrap_or(&self.s3.region);
                Some(self.account.kms(region).await?)
            }
            None => None,
        };
        let actual = bucket::inspect(&bucket, kms.as_ref(), &wanted, exists).await?;
        let plan = bucket::plan(&actual, &wanted);
        Ok(Opened {
            bucket,
            kms,
            wanted,
            actual,
            plan,
            exists,
        })
    }

    /// What the bucket is like, in a word; `None`: it cannot be told.
    pub(crate) async fn condition(&self) -> Option<Condition> {
        let opened = match self.open_(Presence::Exists, &BTreeSet::new()).await {
            Ok(opened) => opened,
            Err(BucketError::Aws(AwsError::NoSuchBucket { .. })) => return Some(Condition::Absent),
            Err(_) => return None,
        };
        let (unknown, known): (Vec<&Difference>, Vec<&Difference>) = opened
            .plan
            .differences
            .iter()
            .filter(|difference| !difference.is_harmless())
            .partition(|difference| difference.is_unknown());
        match (&known[..], &unknown[..]) {
            ([], []) => Some(Condition::Safe),
            ([], _) => None,
            _ => Some(Condition::Weak),
        }
    }

    /// Refuses what would only fail, or lock somebody out, once it is begun.
    pub(crate) fn check(&self, opened: &Opened) -> Result<(), Failure> {
        let spec = &self.record.unit.bucket;
        if opened.actual.lacks_key()
            && !spec.create_kms_key
            && let Encryption::Kms { key: Some(key) } = &spec.encryption
        {
            return Err(unusable(&BucketError::NoKey {
                key: key.clone(),
                is_alias: key.contains(":alias/"),
            }));
        }
        opened
            .plan
            .check_lockout()
            .map_err(|error| unusable(&error))
    }

    /// All units of the project that keep their state in the bucket, selected or not.
    pub(crate) fn all_users(&self) -> impl Iterator<Item = &Unit> {
        let units = self.record.ctx.project.units.iter();
        units.filter(|unit| self.is_used_by(unit))
    }

    /// Whether a unit keeps its state in this bucket.
    fn is_used_by(&self, unit: &Unit) -> bool {
        matches!(&unit.backend, Backend::S3(other)
            if (&other.bucket, &other.region, &other.owner)
                == (&self.s3.bucket, &self.s3.region, &self.s3.owner))
    }

    /// The same failure for each unit that uses the bucket.
    pub(crate) fn each(&self, failure: &Failure) -> Vec<(usize, Failure)> {
        self.users
            .iter()
            .map(|&index| (index, failure.clone()))
            .collect()
    }

    /// `acme-tfstate-dev in eu-central-1`, and whose credentials make it.
    pub(crate) fn describe(&self) -> String {
        format!(
            "  {} in {}\n    as {}",
            self.s3.bucket,
            self.s3.region,
            self.account.principal().unwrap_or_default()
        )
    }

    async fn create(&self, opened: &Opened) -> Result<(), Failure> {
        if opened.exists {
            return Ok(());
        }
        self.go_on()?;
        let detail = json!({ "bucket": self.s3.bucket, "region": self.s3.region });
        self.step(Step::CreateBucket, &detail, async {
            bucket::create(&opened.bucket, self.account.account_id()).await
        })
        .await
        .map(drop)
    }

    async fn create_key(&self, opened: &Opened, alias: &str) -> Result<(), Failure> {
        let Some(kms) = &opened.kms else {
            return Ok(());
        };
        self.go_on()?;
        let detail = json!({ "alias": alias });
        let (_, new) = self
            .step(Step::CreateKey, &detail, async {
                bucket::ensure_key(kms, &opened.bucket, &opened.wanted, &opened.plan, alias).await
            })
            .await?;
        if new {
            let name = alias.rsplit(':').next().unwrap_or(alias);
            self.record.note(format!("created the KMS key `{name}`"));
        }
        Ok(())
    }

    async fn mend(&self, opened: &Opened) -> Result<Plan, Failure> {
        self.go_on()?;
        let detail = json!({ "bucket": self.s3.bucket });
        let Opened { kms, wanted, .. } = opened;
        // Of a new bucket, nobody was shown what it is like.
        let shown = opened.exists.then_some(&opened.plan);
        let mended = async { bucket::mend(&opened.bucket, kms.as_ref(), wanted, shown).await };
        let plan = self.step(Step::MendBucket, &detail, mended).await?;
        let bucket = &self.s3.bucket;
        let set = plan.settings_set();
        if opened.exists && set.is_empty() {
            // Another process was faster.
        } else if opened.exists {
            self.record.note(format!(
                "mended the state bucket `{bucket}`: {}",
                set.join(", ")
            ));
        } else {
            self.record
                .note(format!("created the state bucket `{bucket}`"));
        }
        Ok(plan)
    }

    /// Nothing new is begun while the run is being stopped.
    fn go_on(&self) -> Result<(), Failure> {
        if self.record.ctx.signals.is_stopping() {
            return Err(Failure::not_started());
        }
        Ok(())
    }

    /// A step that changes something, with its begin and its end in the journal.
    async fn step<T>(
        &self,
        step: Step,
        detail: &serde_json::Value,
        work: impl Future<Output = Result<T, BucketError>>,
    ) -> Result<T, Failure> {
        let run = &self.record.ctx.run;
        let unit = &self.record.unit.id;
        run.step(unit, step, StepState::Begun, detail)?;
        match work.await {
            Ok(done) => {
                run.step(unit, step, StepState::Done, detail)?;
                Ok(done)
            }
            Err(error) => {
                run.step(unit, step, StepState::Failed, detail)?;
                Err(unusable(&error))
            }
        }
    }
}

/// Makes these buckets what they must be, all at once: first what is absent, each key once for all
/// buckets that it is for, and then the settings. The answers stand in the order of the sites.
pub(crate) async fn make(sites: &[(&Site<'_, '_>, &Opened)]) -> Vec<Result<Plan, Failure>> {
    let created = at_once(sites.iter().map(|(site, opened)| site.create(opened))).await;
    let mut failures: Vec<Option<Failure>> = created.into_iter().map(Result::err).collect();
    let mut aliases: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, (site, opened)) in sites.iter().enumerate() {
        if opened.actual.lacks_key()
            && failures[index].is_none()
            && let Encryption::Kms { key: Some(alias) } = &site.record.unit.bucket.encryption
        {
            aliases.entry(alias).or_default().push(index);
        }
    }
    let keys = at_once(aliases.iter().map(async |(alias, users)| {
        let (site, opened) = sites[users[0]];
        site.create_key(opened, alias).await
    }))
    .await;
    for (users, key) in aliases.values().zip(keys) {
        if let Err(failure) = key {
            for &user in users {
                failures[user] = Some(failure.clone());
            }
        }
    }
    // Those that share a key write its policy one after the other.
    let mut groups: BTreeMap<(Option<&str>, usize), Vec<usize>> = BTreeMap::new();
    for (index, (site, _)) in sites.iter().enumerate() {
        let group = match &site.record.unit.bucket {
            BucketSpec {
                create_kms_key: true,
                encryption: Encryption::Kms { key: Some(alias) },
                ..
            } => (Some(alias.as_str()), 0),
            _ => (None, index),
        };
        groups.entry(group).or_default().push(index);
    }
    let failures = &failures;
    let mended = at_once(groups.into_values().map(async |group| {
        let mut ends = Vec::new();
        for index in group {
            let (site, opened) = sites[index];
            let end = match &failures[index] {
                Some(failure) => Err(failure.clone()),
                None => site.mend(opened).await,
            };
            ends.push((index, end));
        }
        ends
    }))
    .await;
    let mut ends: Vec<_> = mended.into_iter().flatten().collect();
    ends.sort_by_key(|(index, _)| *index);
    ends.into_iter().map(|(_, end)| end).collect()
}

/// The role that reaches the state of a unit, where the manifest names one.
fn role_for_state(unit: &Unit) -> Option<RoleArn> {
    let Backend::S3(s3) = &unit.backend else {
        return None;
    };
    let own = unit.assume_role.last().map(|role| &role.role_arn);
    s3.role_arn.as_ref().or(own).cloned()
}

pub(crate) fn unusable(error: &BucketError) -> Failure {
    let parts = error.parts().into_iter();
    let failures = parts.map(|(text, hint)| Failure::fact(text, hint, error.is_refusal()));
    let merged = failures.reduce(|mut first, other| {
        first.diagnostics.extend(other.diagnostics);
        first
    });
    merged.unwrap_or_else(|| Failure::fact(error.to_string(), None, error.is_refusal()))
}
