//! The proof that credentials belong to the account of the manifest.

use std::sync::Arc;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

use super::{Aws, AwsError, Session, SessionSource};
use crate::model::{AccountId, Region};

/// Proof that the account behind a unit's credentials is the manifest's, in AWS's own words, or
/// that the unit gets no credentials at all.
///
/// Whatever acts with credentials takes a `&VerifiedAccount`, so that acting before asking does not
/// compile. Sessions come from it renewed and verified again. Cheap to clone.
#[derive(Debug, Clone)]
pub struct VerifiedAccount(Option<Proven>);

#[derive(Debug, Clone)]
struct Proven {
    aws: Aws,
    source: Arc<dyn SessionSource>,
    /// The account of the source's sessions.
    guarded: AccountId,
    /// Where the work is done: the same, unless the provider assumes a role.
    account: AccountId,
    arn: String,
    region: Region,
}

impl VerifiedAccount {
    /// Gets a session and compares its account with the manifest's.
    ///
    /// # Errors
    /// [`AwsError::AccountMismatch`], or there is no session.
    pub async fn prove(
        aws: Aws,
        source: Arc<dyn SessionSource>,
        expected: AccountId,
        region: Region,
    ) -> Result<Self, AwsError> {
        let session = guarded(source.session().await?, &expected)?;
        Ok(Self(Some(Proven {
            aws,
            source,
            guarded: expected.clone(),
            account: expected,
            arn: session.arn,
            region,
        })))
    }

    /// Proves the account of the `role` that a provider assumes by itself. What is handed out are
    /// the credentials that it does so with, and they stay in the account that they are of now.
    ///
    /// # Errors
    /// [`AwsError::AccountMismatch`], or there is no session of one of the two.
    pub async fn prove_for_provider(
        aws: Aws,
        role: &dyn SessionSource,
        handed_out: Arc<dyn SessionSource>,
        expected: AccountId,
        region: Region,
    ) -> Result<Self, AwsError> {
        let session = guarded(role.session().await?, &expected)?;
        Ok(Self(Some(Proven {
            aws,
            guarded: handed_out.session().await?.account_id,
            source: handed_out,
            account: expected,
            arn: session.arn,
            region,
        })))
    }

    /// A unit that gets no credentials: nothing can be done with them in a wrong account.
    pub fn without_credentials() -> Self {
        Self(None)
    }

    /// Whether there are credentials.
    pub fn has_credentials(&self) -> bool {
        self.0.is_some()
    }

    /// The account in which the work is done; `None`: no credentials.
    pub fn account_id(&self) -> Option<&AccountId> {
        self.0.as_ref().map(|proven| &proven.account)
    }

    /// Who AWS says that the credentials are; `None`: no credentials.
    pub fn arn(&self) -> Option<&str> {
        self.0.as_ref().map(|proven| proven.arn.as_str())
    }

    /// Who acts where, for people: `role Execution in account 111111111111`. The session's name,
    /// which is part of the ARN, tells them nothing.
    pub fn principal(&self) -> Option<String> {
        let account = self.account_id()?;
        let resource = self.arn()?.rsplit(':').next()?;
        let who = match resource.split('/').collect::<Vec<_>>()[..] {
            ["assumed-role", role, ..] => format!("role {role}"),
            _ => resource.replacen('/', " ", 1),
        };
        Some(format!("{who} in account {account}"))
    }

    /// The region of the unit; `None`: no credentials.
    pub fn region(&self) -> Option<&Region> {
        self.0.as_ref().map(|proven| &proven.region)
    }

    /// The current session, renewed where the last one is about to end, and verified again then;
    /// `None`: no credentials are delivered.
    ///
    /// # Errors
    /// The session cannot be renewed, or the renewed one is of another account.
    pub async fn session(&self) -> Result<Option<Session>, AwsError> {
        match &self.0 {
            Some(proven) => proven.session().await.map(Some),
            None => Ok(None),
        }
    }

    /// The way to AWS with these credentials; `what` needs them.
    pub(super) fn access_to(&self, what: &str) -> Result<(&Aws, VerifiedCredentials), AwsError> {
        match &self.0 {
            Some(proven) => Ok((&proven.aws, VerifiedCredentials(proven.clone()))),
            None => Err(AwsError::NoCredentials {
                detail: format!("{what} needs some"),
            }),
        }
    }
}

impl Proven {
    async fn session(&self) -> Result<Session, AwsError> {
        guarded(self.source.session().await?, &self.guarded)
    }
}

fn guarded(session: Session, expected: &AccountId) -> Result<Session, AwsError> {
    if session.account_id == *expected {
        Ok(session)
    } else {
        Err(AwsError::AccountMismatch {
            expected: expected.clone(),
            actual: session.account_id,
            arn: session.arn,
        })
    }
}

/// The same proof as the SDK's clients want it: every request takes the current session.
#[derive(Debug)]
pub(super) struct VerifiedCredentials(Proven);

impl ProvideCredentials for VerifiedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            match self.0.session().await {
                Ok(session) => Ok(session.keys().to_sdk()),
                Err(error) => Err(CredentialsError::provider_error(error)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::aws::BoxFuture;
    use crate::env_vars::EnvSnapshot;

    /// Gives one session after the other.
    #[derive(Debug)]
    struct Scripted(Mutex<Vec<Session>>);

    impl SessionSource for Scripted {
        fn session(&self) -> BoxFuture<'_, Result<Session, AwsError>> {
            let next = self.0.lock().unwrap().remove(0);
            Box::pin(async { Ok(next) })
        }
    }

    async fn prove(accounts: &[&str]) -> Result<VerifiedAccount, AwsError> {
        let sessions = accounts
            .iter()
            .map(|account| Session::for_tests(account, None))
            .collect();
        VerifiedAccount::prove(
            Aws::new(&EnvSnapshot::default()).unwrap(),
            Arc::new(Scripted(Mutex::new(sessions))),
            "111111111111".parse().unwrap(),
            "eu-central-1".parse().unwrap(),
        )
        .await
    }

    #[tokio::test]
    async fn another_account_is_no_proof() {
        let error = prove(&["222222222222"]).await.unwrap_err();
        assert!(error.is_refusal());
        assert!(error.to_string().contains("expected account 111111111111"));
    }

    #[tokio::test]
    async fn a_renewed_session_of_another_account_is_not_handed_out() {
        let account = prove(&["111111111111", "111111111111", "222222222222"])
            .await
            .unwrap();
        assert!(account.session().await.unwrap().is_some());
        assert!(account.session().await.unwrap_err().is_refusal());
    }

    #[tokio::test]
    async fn the_role_of_a_provider_is_proven_and_what_it_is_assumed_with_handed_out() {
        let scripted = |accounts: &[&str]| {
            let sessions = accounts
                .iter()
                .map(|account| Session::for_tests(account, None));
            Scripted(Mutex::new(sessions.collect()))
        };
        let prove = async |role: &str, handed_out: &[&str]| {
            VerifiedAccount::prove_for_provider(
                Aws::new(&EnvSnapshot::default()).unwrap(),
                &scripted(&[role]),
                Arc::new(scripted(handed_out)),
                "111111111111".parse().unwrap(),
                "eu-central-1".parse().unwrap(),
            )
            .await
        };
        let account = prove("111111111111", &["999999999999"; 3]).await.unwrap();
        assert_eq!(account.account_id().unwrap().as_str(), "111111111111");
        let session = account.session().await.unwrap().unwrap();
        assert_eq!(session.account_id.as_str(), "999999999999");

        assert!(prove("222222222222", &[]).await.unwrap_err().is_refusal());
        let renewed = prove("111111111111", &["999999999999", "222222222222"]).await;
        assert!(renewed.unwrap().session().await.unwrap_err().is_refusal());
    }

    #[tokio::test]
    async fn without_credentials_there_is_no_session() {
        let account = VerifiedAccount::without_credentials();
        assert!(!account.has_credentials());
        assert_eq!(account.account_id(), None);
        assert!(account.session().await.unwrap().is_none());
    }
}
