//! Credentials of units: base, chain of roles, cache, guard.
//!
//! A unit's chain begins with base credentials (a profile, or what the machine has) and goes
//! through its roles. [`Sessions`] holds one source for each distinct beginning of a chain, so that
//! a role is assumed once for all units that go through it, and hands out a
//! [`VerifiedAccount`] only when the end of the chain is in the account of the manifest.

mod cache;
mod cached;
mod endpoint;
mod error;
mod mfa;
mod revocation;
mod session_name;
mod source;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::aws::{Aws, AwsError, Iam, Session, SessionSource, VerifiedAccount};
use crate::model::{
    AccountId, AssumeRole, Backend, CredentialsSpec, MfaSpec, Region, RoleArn, Unit,
};

pub use cache::{CacheProblem, SessionCache};
pub use cached::LEAST_LIFE;
pub use endpoint::{Endpoint, Ticket};
pub use error::CredentialsError;
pub use mfa::{Login, is_code};
pub use revocation::{Outliving, REVOKING_POLICY, cutoff, outliving, revoking_policy};

use mfa::MfaSource;
use source::{BaseSource, Parent, RoleSource};

/// The sessions of one run, shared by its units. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sessions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    aws: Aws,
    session_name: String,
    login: Arc<Login>,
    sources: Mutex<BTreeMap<Chain, Parent>>,
}

/// The beginning of a chain: base credentials, and the roles up to here. Its region is not part of
/// it: a session is as good in every region of its partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Chain {
    profile: Option<String>,
    mfa: Option<MfaSpec>,
    roles: Vec<AssumeRole>,
}

impl Sessions {
    /// The sessions of a run of a project, which their names tell in `CloudTrail`.
    pub fn new(aws: Aws, project: Option<&str>, run_id: &str, login: Login) -> Self {
        Self(Arc::new(Inner {
            aws,
            login: Arc::new(login),
            session_name: session_name::default_session_name(project, run_id),
            sources: Mutex::default(),
        }))
    }

    /// Gets the credentials of a unit, and proves that they belong to its account.
    ///
    /// A unit without an account is not asked about: it gets none. Where nothing asks for
    /// credentials (no profile, no role, state not in S3) and the machine has none, the unit goes
    /// on without; `account_id` is set and [`VerifiedAccount::has_credentials`] is false then,
    /// which is worth a warning.
    ///
    /// # Errors
    /// [`CredentialsError`], a refusal where the account is another one.
    pub async fn verify(&self, unit: &Unit) -> Result<VerifiedAccount, CredentialsError> {
        let Some(expected) = &unit.account_id else {
            return Ok(VerifiedAccount::without_credentials());
        };
        match self.prove(unit, unit.assume_role.clone(), expected).await {
            Ok(account) => Ok(account),
            Err(AwsError::NoCredentials { .. }) if may_go_without(unit) => {
                Ok(VerifiedAccount::without_credentials())
            }
            Err(cause) => {
                let role = unit.assume_role.last().map(|last| last.role_arn.clone());
                Err(self.error(unit, role, cause).await)
            }
        }
    }

    /// Gets the credentials of a unit whose provider assumes a role by itself: those that it does so
    /// with. What is proven to be in the unit's account is each of these chains of roles, assumed
    /// as the provider will; without any (they are not written out) the manifest's own.
    ///
    /// # Errors
    /// [`CredentialsError`], a refusal where the account is another one.
    pub async fn verify_for_provider(
        &self,
        unit: &Unit,
        chains: &[Vec<AssumeRole>],
    ) -> Result<VerifiedAccount, CredentialsError> {
        let Some(expected) = &unit.account_id else {
            return Ok(VerifiedAccount::without_credentials());
        };
        let before = unit.delivered_roles();
        let mut proofs: Vec<Vec<AssumeRole>> = chains
            .iter()
            .map(|chain| [before, chain].concat())
            .collect();
        if proofs.is_empty() {
            proofs.push(unit.assume_role.clone());
        }
        let region = region_of(unit);
        let source = |roles| self.source(&unit.credentials, roles, &region);
        let handed_out = source(before.to_vec());
        let mut verified = VerifiedAccount::without_credentials();
        for roles in proofs {
            let role = roles.last().map(|last| last.role_arn.clone());
            let provider = source(roles);
            let proven = VerifiedAccount::prove_for_provider(
                self.0.aws.clone(),
                &*provider,
                handed_out.clone(),
                expected.clone(),
                region.clone(),
            );
            verified = match proven.await {
                Ok(account) => account,
                Err(cause) => return Err(self.error(unit, role, cause).await),
            };
        }
        Ok(verified)
    }

    /// Gets the credentials that reach a unit's state: those of `backend.role_arn`, assumed with
    /// the unit's own, and proven to belong to the bucket's owner. Without such a role they are the
    /// unit's own, which the caller has from [`Self::verify`]; where the provider assumes a role,
    /// that is not the state's, for which there is the manifest's.
    ///
    /// # Errors
    /// [`CredentialsError`], a refusal where the account is another one.
    pub async fn verify_backend(
        &self,
        unit: &Unit,
        account: &VerifiedAccount,
    ) -> Result<VerifiedAccount, CredentialsError> {
        let Backend::S3(backend) = &unit.backend else {
            return Ok(account.clone());
        };
        let (roles, expected) = match &backend.role_arn {
            Some(role_arn) => {
                let role = AssumeRole::new(role_arn.clone());
                let roles = [unit.delivered_roles(), &[role]].concat();
                (roles, &backend.owner)
            }
            None if unit.provider_assumes_role => (unit.assume_role.clone(), &backend.caller),
            None => return Ok(account.clone()),
        };
        let role = roles.last().map(|last| last.role_arn.clone());
        match self.prove(unit, roles, expected).await {
            Ok(account) => Ok(account),
            Err(cause) => Err(self.error(unit, role, cause).await),
        }
    }

    /// Gets base credentials as they are, without MFA and roles, with AWS's word on whose they are,
    /// and the way to IAM with them. Any account may be theirs: the manifest names only those of
    /// its units. The partition is that of the unit that is `near`.
    ///
    /// # Errors
    /// There are no credentials, or AWS could not be asked.
    pub async fn base(
        &self,
        profile: Option<&str>,
        near: Option<&Unit>,
    ) -> Result<(Session, Iam), AwsError> {
        let region = near.map_or_else(|| usual_region(None), region_of);
        let spec = CredentialsSpec {
            profile: profile.map(str::to_owned),
            ..CredentialsSpec::default()
        };
        let session = self.source(&spec, Vec::new(), &region).session().await?;
        let iam = self.0.aws.iam(&session, &region).await;
        Ok((session, iam))
    }

    async fn error(&self, unit: &Unit, role: Option<RoleArn>, cause: AwsError) -> CredentialsError {
        CredentialsError {
            lacks_mfa: cause.is_denied() && self.lacks_mfa(unit).await,
            unit: unit.id.clone(),
            role,
            cause,
        }
    }

    async fn prove(
        &self,
        unit: &Unit,
        roles: Vec<AssumeRole>,
        expected: &AccountId,
    ) -> Result<VerifiedAccount, AwsError> {
        let region = region_of(unit);
        let source = self.source(&unit.credentials, roles, &region);
        VerifiedAccount::prove(self.0.aws.clone(), source, expected.clone(), region).await
    }

    /// The source for a chain, with one for each beginning of it that is not there yet.
    fn source(
        &self,
        spec: &CredentialsSpec,
        roles: Vec<AssumeRole>,
        region: &Region,
    ) -> Arc<dyn SessionSource> {
        let Inner { aws, login, .. } = &*self.0;
        // A panic elsewhere leaves the map as good as it was: entries are only ever added.
        let mut sources = self
            .0
            .sources
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut chain = Chain {
            profile: spec.profile.clone(),
            mfa: None,
            roles: Vec::new(),
        };
        let base = sources.entry(chain.clone()).or_insert_with(|| {
            let profile = chain.profile.as_deref();
            Parent::Base(Arc::new(BaseSource::new(aws, profile, region.clone())))
        });
        let mut last = base.clone();
        if let (Some(mfa), Parent::Base(base)) = (&spec.mfa, &last) {
            let (mfa, base) = (mfa.clone(), base.clone());
            chain.mfa = Some(mfa.clone());
            last = sources
                .entry(chain.clone())
                .or_insert_with(|| {
                    let region = region.clone();
                    let source = MfaSource::new(aws, base, mfa, region, login.clone());
                    Parent::Mfa(Arc::new(source))
                })
                .clone();
        }
        for role in roles {
            chain.roles.push(role.clone());
            last = sources
                .entry(chain.clone())
                .or_insert_with(|| {
                    let name = role
                        .session_name
                        .as_deref()
                        .map_or_else(|| self.0.session_name.clone(), session_name::cleaned);
                    let environment = &login.environment;
                    let source =
                        RoleSource::new(aws, last, role, name, region.clone(), environment);
                    Parent::Role(Arc::new(source))
                })
                .clone();
        }
        last.into_source()
    }

    /// Whether the unit asks for MFA, and its base credentials are a session already, for which
    /// nobody was asked.
    async fn lacks_mfa(&self, unit: &Unit) -> bool {
        let chain = Chain {
            profile: unit.credentials.profile.clone(),
            mfa: unit.credentials.mfa.clone(),
            roles: Vec::new(),
        };
        let source = {
            let sources = self.0.sources.lock();
            let sources = sources.unwrap_or_else(PoisonError::into_inner);
            sources.get(&chain).cloned()
        };
        match source {
            Some(Parent::Mfa(mfa)) => mfa.is_passed_through().await,
            _ => false,
        }
    }
}

/// Whether a unit that has an account works without credentials: nothing that tfw does needs any.
fn may_go_without(unit: &Unit) -> bool {
    unit.credentials.profile.is_none()
        && unit.assume_role.is_empty()
        && !matches!(unit.backend, Backend::S3(_))
}

/// The region whose STS is asked: the unit's, its bucket's, or one of the partition of its roles.
fn region_of(unit: &Unit) -> Region {
    let bucket = match &unit.backend {
        Backend::S3(backend) => Some(&backend.region),
        Backend::Local(_) | Backend::Other(_) => None,
    };
    if let Some(region) = unit.region.as_ref().or(bucket) {
        return region.clone();
    }
    let role = unit.assume_role.last().map(|last| last.role_arn.as_str());
    usual_region(role.and_then(|arn| arn.split(':').nth(1)))
}

/// A region that every account of a partition has.
fn usual_region(partition: Option<&str>) -> Region {
    let region = match partition {
        Some("aws-cn") => "cn-north-1",
        Some("aws-us-gov") => "us-gov-west-1",
        _ => "us-east-1",
    };
    Region::new(region).expect("a region's name, written out above")
}

#[cfg(test)]
mod tests;
