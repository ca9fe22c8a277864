//! STS: who are these keys, and may they become that role.

use aws_sdk_sts::types::{AssumedRoleUser, Credentials, PolicyDescriptorType, Tag};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::client::{OneConnectTimeout, Service};
use super::failure::{Asked, fact};
use super::{Aws, AwsError, Keys, Session};
use crate::model::{AccountId, AssumeRole, MfaSpec, Region, RoleArn};

impl Aws {
    /// Asks AWS whose keys these are (one `GetCallerIdentity`, which needs no permission).
    ///
    /// # Errors
    /// The keys are not valid (any more), or STS cannot be reached.
    pub async fn identify(&self, keys: Keys, region: &Region) -> Result<Session, AwsError> {
        let endpoint = self.endpoint(Service::Sts, region);
        let asked = Asked::of("sts:GetCallerIdentity", &endpoint, "the caller");
        let answer = self
            .sts(Some(&keys), region)
            .await
            .get_caller_identity()
            .send()
            .await
            .map_err(|error| fact(&error, asked))?;
        let arn = answer.arn().unwrap_or_default().to_owned();
        let account_id = answer
            .account()
            .map(str::to_owned)
            .and_then(|account| AccountId::new(account).ok())
            .or_else(|| account_of(&arn))
            .ok_or_else(|| incomplete(asked, "no account"))?;
        Ok(Session::answered(keys, account_id, arn))
    }

    /// Assumes a role (one `AssumeRole`). AWS's answer names the role's account, which makes a
    /// further question unnecessary.
    ///
    /// # Errors
    /// [`AwsError::AssumeRole`] with the reason.
    pub async fn assume_role(
        &self,
        keys: &Keys,
        role: &AssumeRole,
        session_name: &str,
        region: &Region,
    ) -> Result<Session, AwsError> {
        let endpoint = self.endpoint(Service::Sts, region);
        let asked = Asked::of("sts:AssumeRole", &endpoint, role.role_arn.as_str());
        let failed = |cause: AwsError| role_failed(&role.role_arn, cause);
        let answer = self
            .sts(Some(keys), region)
            .await
            .assume_role()
            .role_arn(role.role_arn.as_str())
            .role_session_name(session_name)
            .set_external_id(role.external_id.clone())
            .set_duration_seconds(seconds(role))
            .set_tags(tags(asked, role).map_err(failed)?)
            .set_transitive_tag_keys(some(&role.transitive_tag_keys))
            .set_source_identity(role.source_identity.clone())
            .set_policy(role.policy.clone())
            .set_policy_arns(policy_arns(role))
            .send()
            .await
            .map_err(|error| failed(fact(&error, asked)))?;
        let user = answer.assumed_role_user();
        assumed(asked, answer.credentials(), user).map_err(failed)
    }

    /// Makes a session of long-term keys and a code (one `GetSessionToken`).
    ///
    /// # Errors
    /// [`AwsError::MfaRejected`], [`AwsError::ClockSkew`], or STS could not or would not.
    pub async fn session_token(
        &self,
        keys: &Keys,
        mfa: &MfaSpec,
        code: &SecretString,
        region: &Region,
    ) -> Result<Keys, AwsError> {
        let endpoint = self.endpoint(Service::Sts, region);
        let asked = Asked::of("sts:GetSessionToken", &endpoint, mfa.serial.as_str());
        let seconds = mfa.session_duration.as_secs();
        let answer = self
            .sts(Some(keys), region)
            .await
            .get_session_token()
            .serial_number(mfa.serial.as_str())
            .token_code(code.expose_secret())
            .duration_seconds(i32::try_from(seconds).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| match fact(&error, asked) {
                // "MultiFactorAuthentication failed with invalid MFA one time pass code."
                AwsError::AccessDenied { message, .. }
                    if message.contains("MultiFactorAuthentication") =>
                {
                    AwsError::MfaRejected {
                        serial: mfa.serial.to_string(),
                        message,
                    }
                }
                other => other,
            })?;
        let credentials = answer.credentials();
        credentials
            .map(of_sts)
            .ok_or_else(|| incomplete(asked, "no credentials"))
    }

    /// Assumes a role with an OIDC token in place of keys (one `AssumeRoleWithWebIdentity`).
    ///
    /// # Errors
    /// [`AwsError::AssumeRole`] with the reason.
    pub async fn assume_role_with_token(
        &self,
        token: &SecretString,
        role: &AssumeRole,
        session_name: &str,
        region: &Region,
    ) -> Result<Session, AwsError> {
        let endpoint = self.endpoint(Service::Sts, region);
        let asked = Asked::of(
            "sts:AssumeRoleWithWebIdentity",
            &endpoint,
            role.role_arn.as_str(),
        );
        let failed = |cause: AwsError| role_failed(&role.role_arn, cause);
        let answer = self
            .sts(None, region)
            .await
            .assume_role_with_web_identity()
            .role_arn(role.role_arn.as_str())
            .role_session_name(session_name)
            .web_identity_token(token.expose_secret())
            .set_policy(role.policy.clone())
            .set_policy_arns(policy_arns(role))
            .set_duration_seconds(seconds(role))
            .send()
            .await
            .map_err(|error| failed(fact(&error, asked)))?;
        let user = answer.assumed_role_user();
        assumed(asked, answer.credentials(), user).map_err(failed)
    }

    /// Where STS is asked.
    pub fn sts_endpoint(&self, region: &Region) -> String {
        self.endpoint(Service::Sts, region)
    }

    async fn sts(&self, keys: Option<&Keys>, region: &Region) -> aws_sdk_sts::Client {
        let settings = self.settings(region, keys.map(Keys::to_sdk)).await;
        let config = aws_sdk_sts::config::Builder::from(&settings)
            .retry_classifier(OneConnectTimeout)
            .build();
        aws_sdk_sts::Client::from_conf(config)
    }
}

/// A session from what STS answers of a role that was assumed: it names the role's account.
fn assumed(
    asked: Asked<'_>,
    credentials: Option<&Credentials>,
    user: Option<&AssumedRoleUser>,
) -> Result<Session, AwsError> {
    let keys = credentials
        .map(of_sts)
        .ok_or_else(|| incomplete(asked, "no credentials"))?;
    let arn = user.map(|user| user.arn().to_owned()).unwrap_or_default();
    let account_id = account_of(&arn).ok_or_else(|| incomplete(asked, "no account"))?;
    Ok(Session::answered(keys, account_id, arn))
}

fn of_sts(credentials: &Credentials) -> Keys {
    Keys {
        access_key_id: credentials.access_key_id().to_owned(),
        secret_access_key: credentials.secret_access_key().into(),
        session_token: Some(credentials.session_token().into()),
        expires: Timestamp::from_second(credentials.expiration().secs()).ok(),
    }
}

fn seconds(role: &AssumeRole) -> Option<i32> {
    role.duration
        .map(|duration| i32::try_from(duration.as_secs()).unwrap_or(i32::MAX))
}

fn tags(asked: Asked<'_>, role: &AssumeRole) -> Result<Option<Vec<Tag>>, AwsError> {
    let tags = role
        .tags
        .iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build());
    let tags: Vec<Tag> = tags
        .collect::<Result<_, _>>()
        .map_err(|error| AwsError::Other {
            action: asked.action.to_owned(),
            code: "request not sent".to_owned(),
            message: error.to_string(),
            request_id: None,
        })?;
    Ok(some(&tags))
}

fn policy_arns(role: &AssumeRole) -> Option<Vec<PolicyDescriptorType>> {
    let arns = role.policy_arns.iter();
    let arns: Vec<_> = arns
        .map(|arn| PolicyDescriptorType::builder().arn(arn).build())
        .collect();
    some(&arns)
}

/// An empty list is left out: STS would say that it is too short.
fn some<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn role_failed(role: &RoleArn, cause: AwsError) -> AwsError {
    AwsError::AssumeRole {
        role: role.clone(),
        cause: Box::new(cause),
    }
}

fn incomplete(asked: Asked<'_>, lacks: &str) -> AwsError {
    AwsError::Other {
        action: asked.action.to_owned(),
        code: "incomplete answer".to_owned(),
        message: format!("there is {lacks} in it"),
        request_id: None,
    }
}

/// The account in an ARN: its fifth part.
fn account_of(arn: &str) -> Option<AccountId> {
    arn.split(':')
        .nth(4)
        .and_then(|account| AccountId::new(account).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_read_from_what_sts_answers() {
        for (arn, account) in [
            (
                "arn:aws:sts::123456789012:assumed-role/Deploy/tfw",
                Some("123456789012"),
            ),
            (
                "arn:aws-cn:sts::123456789012:assumed-role/a:b/c",
                Some("123456789012"),
            ),
            ("arn:aws:iam::123:user/x", None),
            ("", None),
        ] {
            assert_eq!(
                account_of(arn).as_ref().map(AccountId::as_str),
                account,
                "{arn}"
            );
        }
    }
}
