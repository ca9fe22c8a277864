//! One state bucket and the units that keep their state in it: looked at, and made what it must be,
//! once for all of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::SafeBackend;
use super::context::at_once;
use super::failure::Failure;
use super::record::Record;
use crate::aws::{AwsError, Bucket, Kms, VerifiedAccount};
use crate::bucket::{self, Actual, BucketError, Plan, Presence, Setting, Wanted};
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
                    users: Vec::new(),
                });
                sites.len() - 1
            });
        sites[site].users.push(index);
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
        let others = ctx
            .project
            .units
            .iter()
            .filter(|unit| self.is_used_by(unit));
        let (mut roles, mut keys) = (Vec::new(), Vec::new());
        for unit in others {
            roles.extend(role_for_state(unit));
            if let Backend::S3(s3) = &unit.backend {
                keys.push(s3.object_key());
            }
        }
        roles.sort();
        roles.dedup();
        let wanted = Wanted::new(self.s3, &bucket, spec, &roles, keys)
            .allowing_weaker(weaker)
            .of_project(ctx.project.name.as_deref());
        let kms = match &spec.encryption {
            Encryption::Kms { key: Some(arn) } => {
                let region = arn.split(':').nth(3).and_then(|region| region.parse().ok());
                let region = region.as_ref().unwrap_or(&self.s3.region);
                Some(self.account.kms(region).await?)
            }
            Encryption::Kms { key: None } | Encryption::Aes256 => None,
        };
        let exists = presence == Presence::Exists;
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
        let arn = self.account.arn().unwrap_or_default();
        opened
            .wanted
            .check_lockout(&opened.bucket, arn)
            .map_err(|error| unusable(&error))
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
        let detail = json!({ "alias": alias });
        let (_, new) = self
            .step(Step::CreateKey, &detail, async {
                bucket::ensure_key(kms, &opened.bucket, &opened.wanted, alias).await
            })
            .await?;
        if new {
            let name = alias.rsplit(':').next().unwrap_or(alias);
            self.record.note(format!("created the KMS key `{name}`"));
        }
        Ok(())
    }

    async fn mend(&self, opened: &Opened) -> Result<Plan, Failure> {
        let detail = json!({ "bucket": self.s3.bucket });
        let mended =
            async { bucket::mend(&opened.bucket, opened.kms.as_ref(), &opened.wanted).await };
        let plan = self.step(Step::MendBucket, &detail, mended).await?;
        let bucket = &self.s3.bucket;
        if opened.exists {
            let set = plan.settings_set().join(", ");
            self.record
                .note(format!("mended the state bucket `{bucket}`: {set}"));
        } else {
            self.record
                .note(format!("created the state bucket `{bucket}`"));
        }
        Ok(plan)
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
    let mended = sites
        .iter()
        .zip(failures)
        .map(async |((site, opened), failure)| match failure {
            Some(failure) => Err(failure),
            None => site.mend(opened).await,
        });
    at_once(mended).await
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
    Failure::fact(error.to_string(), error.hint(), error.is_refusal())
}
