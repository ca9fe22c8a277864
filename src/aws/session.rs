//! Secrets, and whose they are.
//!
//! [`Keys`] are secrets as some source gave them: nobody knows yet whose they are. A [`Session`]
//! is keys plus the identity in AWS's own answer about them. It is made in this room alone, from
//! such an answer.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::AwsError;
use crate::model::AccountId;

/// Keys of which the identity is not known. `Debug` redacts.
#[derive(Debug, Clone)]
pub struct Keys {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: SecretString,
    pub(super) session_token: Option<SecretString>,
    pub(super) expires: Option<Timestamp>,
}

impl Keys {
    /// When they end; `None`: never, or not known.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// Keys of a session that was kept.
    pub fn temporary(
        access_key_id: String,
        secret_access_key: SecretString,
        session_token: SecretString,
        expires: Timestamp,
    ) -> Self {
        Self {
            access_key_id,
            secret_access_key,
            session_token: Some(session_token),
            expires: Some(expires),
        }
    }

    /// Whether they are a session's, and not long-term ones.
    pub fn is_temporary(&self) -> bool {
        self.session_token.is_some()
    }

    /// The secret half and the token, to be kept.
    pub fn secrets(&self) -> (&SecretString, Option<&SecretString>) {
        (&self.secret_access_key, self.session_token.as_ref())
    }

    /// The public half: tells keys apart without telling a secret.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    pub(super) fn from_sdk(credentials: &Credentials) -> Self {
        Self {
            access_key_id: credentials.access_key_id().to_owned(),
            secret_access_key: credentials.secret_access_key().into(),
            session_token: credentials.session_token().map(Into::into),
            expires: credentials
                .expiry()
                .and_then(|expiry| Timestamp::try_from(expiry).ok()),
        }
    }

    pub(super) fn to_sdk(&self) -> Credentials {
        Credentials::new(
            &self.access_key_id,
            self.secret_access_key.expose_secret(),
            self.session_token
                .as_ref()
                .map(|token| token.expose_secret().to_owned()),
            self.expires.map(SystemTime::from),
            "tfw",
        )
    }
}

/// Keys of which AWS itself has said whose they are. `Debug` redacts.
#[derive(Debug, Clone)]
pub struct Session {
    /// The public half of the keys.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: SecretString,
    /// The token of temporary keys.
    pub session_token: Option<SecretString>,
    /// When the keys end; `None`: never, or not known.
    pub expires: Option<Timestamp>,
    /// The account, as AWS answered.
    pub account_id: AccountId,
    /// The principal, as AWS answered.
    pub arn: String,
    /// Keeps every other room from making one up.
    _answered: Answered,
}

#[derive(Debug, Clone)]
struct Answered;

impl Session {
    /// Joins keys with what AWS answered about them.
    pub(super) fn answered(keys: Keys, account_id: AccountId, arn: String) -> Self {
        Self {
            access_key_id: keys.access_key_id,
            secret_access_key: keys.secret_access_key,
            session_token: keys.session_token,
            expires: keys.expires,
            account_id,
            arn,
            _answered: Answered,
        }
    }

    /// The keys alone.
    pub fn keys(&self) -> Keys {
        Keys {
            access_key_id: self.access_key_id.clone(),
            secret_access_key: self.secret_access_key.clone(),
            session_token: self.session_token.clone(),
            expires: self.expires,
        }
    }

    /// How long the keys still live; `None`: for ever, or not known. Zero when they have ended.
    pub fn remaining(&self, now: Timestamp) -> Option<Duration> {
        remaining(self.expires, now)
    }

    /// A session for unit tests of other rooms.
    #[cfg(test)]
    pub(crate) fn for_tests(account_id: &str, expires: Option<Timestamp>) -> Self {
        let keys = Keys {
            access_key_id: "ASIATEST".to_owned(),
            secret_access_key: "secret".into(),
            session_token: Some("token".into()),
            expires,
        };
        Self::answered(
            keys,
            account_id.parse().expect("a test's account id"),
            format!("arn:aws:sts::{account_id}:assumed-role/Test/tfw"),
        )
    }
}

/// How long something that expires still lives.
pub(super) fn remaining(expires: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    expires.map(|end| Duration::try_from(end.duration_since(now)).unwrap_or_default())
}

/// A future without a name.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Gives sessions, renewed when the last one is about to end. `credentials` has two: base
/// credentials as they are, and a role that is assumed.
pub trait SessionSource: Send + Sync + std::fmt::Debug {
    /// The current session.
    fn session(&self) -> BoxFuture<'_, Result<Session, AwsError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_never_printed() {
        let session = Session::for_tests("111111111111", None);
        let printed = format!("{session:?} {:?}", session.keys());
        assert!(printed.contains("ASIATEST"));
        assert!(!printed.contains("\"secret\"") && !printed.contains("\"token\""));
    }

    #[test]
    fn keys_survive_the_way_through_the_sdk() {
        let expires: Timestamp = "2030-01-02T03:04:05Z".parse().unwrap();
        let keys = Session::for_tests("111111111111", Some(expires)).keys();
        let back = Keys::from_sdk(&keys.to_sdk());
        assert_eq!(back.access_key_id(), "ASIATEST");
        assert_eq!(back.expires(), Some(expires));
        assert_eq!(back.session_token.unwrap().expose_secret(), "token");
    }

    #[test]
    fn an_ended_session_has_no_life_left() {
        let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let ended = Session::for_tests(
            "111111111111",
            Some("2029-12-31T23:59:59Z".parse().unwrap()),
        );
        assert_eq!(ended.remaining(now), Some(Duration::ZERO));
        let lives = Session::for_tests(
            "111111111111",
            Some("2030-01-01T00:20:00Z".parse().unwrap()),
        );
        assert_eq!(lives.remaining(now), Some(Duration::from_mins(20)));
        assert_eq!(
            Session::for_tests("111111111111", None).remaining(now),
            None
        );
    }
}
