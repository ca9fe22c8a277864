//! Where sessions come from: base credentials as they are, or a role assumed with what is before
//! it in the chain. Each caches, so units that share a part of a chain share its calls.

use std::sync::Arc;

use secrecy::SecretString;

use super::cached::Cached;
use super::mfa::MfaSource;
use crate::aws::{Aws, AwsError, Base, BoxFuture, Keys, Session, SessionSource};
use crate::env_vars::EnvSnapshot;
use crate::model::{AssumeRole, Region, WebIdentity, describe_io};

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
    environment: EnvSnapshot,
    session: Cached<Session>,
}

/// What a role is assumed with.
#[derive(Debug, Clone)]
pub(super) enum Parent {
    Base(Arc<BaseSource>),
    Mfa(Arc<MfaSource>),
    Role(Arc<RoleSource>),
}

impl RoleSource {
    pub(super) fn new(
        aws: &Aws,
        parent: Parent,
        role: AssumeRole,
        session_name: String,
        region: Region,
        environment: &EnvSnapshot,
    ) -> Self {
        Self {
            aws: aws.clone(),
            parent,
            role,
            session_name,
            region,
            environment: environment.clone(),
            session: Cached::new(),
        }
    }

    async fn assume(&self) -> Result<Session, AwsError> {
        if let Some(identity) = &self.role.web_identity {
            let token = token(identity, &self.environment)?;
            return self
                .aws
                .assume_role_with_token(&token, &self.role, &self.session_name, &self.region)
                .await;
        }
        let keys = match &self.parent {
            Parent::Base(base) => base.keys().await?,
            Parent::Mfa(mfa) => mfa.keys().await?,
            Parent::Role(role) => role.session().await?.keys(),
        };
        let with = async |keys: &Keys| {
            self.aws
                .assume_role(keys, &self.role, &self.session_name, &self.region)
                .await
        };
        match (with(&keys).await, &self.parent) {
            // The session that was kept has been revoked, or its key was deleted.
            (Err(error), Parent::Mfa(mfa)) if error.is_stale_session() => {
                with(&mfa.renew(&keys).await?).await
            }
            (answer, _) => answer,
        }
    }
}

impl SessionSource for RoleSource {
    fn session(&self) -> BoxFuture<'_, Result<Session, AwsError>> {
        Box::pin(self.session.get_or_fetch(async || self.assume().await))
    }
}

/// The OIDC token as it is now: CI systems write a new one before the old one ends.
fn token(identity: &WebIdentity, environment: &EnvSnapshot) -> Result<SecretString, AwsError> {
    let (place, text) = match identity {
        WebIdentity::File(file) => (
            format!("the file `{}`", file.display()),
            std::fs::read_to_string(file).map_err(|error| describe_io(&error)),
        ),
        WebIdentity::Variable(name) => (
            format!("the variable `{name}`"),
            environment
                .get(name)
                .map(|token| token.to_string_lossy().into_owned())
                .ok_or_else(|| "it is not set".to_owned()),
        ),
    };
    match text {
        Ok(text) if !text.trim().is_empty() => Ok(SecretString::from(text.trim().to_owned())),
        Ok(_) => Err(AwsError::NoToken {
            place,
            problem: "it is empty".to_owned(),
        }),
        Err(problem) => Err(AwsError::NoToken { place, problem }),
    }
}

impl Parent {
    /// The end of the chain, as it serves units.
    pub(super) fn into_source(self) -> Arc<dyn SessionSource> {
        match self {
            Self::Base(base) => base,
            Self::Mfa(mfa) => mfa,
            Self::Role(role) => role,
        }
    }
}
