//! Where sessions come from: base credentials as they are, or a role assumed with what is before
//! it in the chain. Each caches, so units that share a part of a chain share its calls.

use std::sync::Arc;

use super::cached::Cached;
use crate::aws::{Aws, AwsError, Base, BoxFuture, Keys, Session, SessionSource};
use crate::model::{AssumeRole, Region};

/// Base credentials.
#[derive(Debug)]
pub(super) struct BaseSource {
    aws: Aws,
    base: Base,
    region: Region,
    keys: Cached<Keys>,
    session: Cached<Session>,
}

impl BaseSource {
    pub(super) fn new(aws: &Aws, profile: Option<&str>, region: Region) -> Self {
        Self {
            base: aws.base(profile, &region),
            aws: aws.clone(),
            region,
            keys: Cached::new(),
            session: Cached::new(),
        }
    }

    /// The keys, without asking AWS whose they are: enough to assume a role with them.
    pub(super) async fn keys(&self) -> Result<Keys, AwsError> {
        self.keys.get_or_fetch(|| self.base.keys()).await
    }
}

impl SessionSource for BaseSource {
    fn session(&self) -> BoxFuture<'_, Result<Session, AwsError>> {
        Box::pin(self.session.get_or_fetch(async || {
            let keys = self.keys().await?;
            self.aws.identify(keys, &self.region).await
        }))
    }
}

/// A role, assumed with the keys of what is before it in the chain.
#[derive(Debug)]
pub(super) struct RoleSource {
    aws: Aws,
    parent: Parent,
    role: AssumeRole,
    session_name: String,
    region: Region,
    session: Cached<Session>,
}

/// What a role is assumed with.
#[derive(Debug, Clone)]
pub(super) enum Parent {
    Base(Arc<BaseSource>),
    Role(Arc<RoleSource>),
}

impl RoleSource {
    pub(super) fn new(
        aws: &Aws,
        parent: Parent,
        role: AssumeRole,
        session_name: String,
        region: Region,
    ) -> Self {
        Self {
            aws: aws.clone(),
            parent,
            role,
            session_name,
            region,
            session: Cached::new(),
        }
    }
}

impl SessionSource for RoleSource {
    fn session(&self) -> BoxFuture<'_, Result<Session, AwsError>> {
        Box::pin(self.session.get_or_fetch(async || {
            let keys = match &self.parent {
                Parent::Base(base) => base.keys().await?,
                Parent::Role(role) => role.session().await?.keys(),
            };
            self.aws
                .assume_role(&keys, &self.role, &self.session_name, &self.region)
                .await
        }))
    }
}

impl Parent {
    /// The end of the chain, as it serves units.
    pub(super) fn into_source(self) -> Arc<dyn SessionSource> {
        match self {
            Self::Base(base) => base,
            Self::Role(role) => role,
        }
    }
}
