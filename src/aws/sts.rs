//! STS: who are these keys, and may they become that role.

use jiff::Timestamp;

use super::client::{OneConnectTimeout, Service};
use super::failure::{Asked, Failure};
use super::{Aws, AwsError, Keys, Session};
use crate::model::{AccountId, AssumeRole, Region, RoleArn};

impl Aws {
    /// Asks AWS whose keys these are (one `GetCallerIdentity`, which needs no permission).
    ///
    /// # Errors
    /// The keys are not valid (any more), or STS cannot be reached.
    pub async fn identify(&self, keys: Keys, region: &Region) -> Result<Session, AwsError> {
        let endpoint = self.endpoint(Service::Sts, region);
        let asked = Asked {
            action: "sts:GetCallerIdentity",
            endpoint: &endpoint,
            what: "the caller",
            by_head: false,
        };
        let answer = self
            .sts(&keys, region)
            .await
            .get_caller_identity()
            .send()
            .await
            .map_err(|error| Failure::of(&error, asked).into_fact(asked))?;
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
        let asked = Asked {
            action: "sts:AssumeRole",
            endpoint: &endpoint,
            what: role.role_arn.as_str(),
            by_head: false,
        };
        let failed = |cause: AwsError| role_failed(&role.role_arn, cause);
        let answer = self
            .sts(keys, region)
            .await
            .assume_role()
            .role_arn(role.role_arn.as_str())
            .role_session_name(session_name)
            .set_external_id(role.external_id.clone())
            .set_duration_seconds(
                role.duration
                    .map(|duration| i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)),
            )
            .send()
            .await
            .map_err(|error| failed(Failure::of(&error, asked).into_fact(asked)))?;
        let credentials = answer
            .credentials()
            .ok_or_else(|| failed(incomplete(asked, "no credentials")))?;
        let arn = answer
            .assumed_role_user()
            .map(|user| user.arn().to_owned())
            .unwrap_or_default();
        let account_id = account_of(&arn).ok_or_else(|| failed(incomplete(asked, "no account")))?;
        let keys = Keys {
            access_key_id: credentials.access_key_id().to_owned(),
            secret_access_key: credentials.secret_access_key().into(),
            session_token: Some(credentials.session_token().into()),
            expires: Timestamp::from_second(credentials.expiration().secs()).ok(),
        };
        Ok(Session::answered(keys, account_id, arn))
    }

    async fn sts(&self, keys: &Keys, region: &Region) -> aws_sdk_sts::Client {
        let settings = self.settings(region, Some(keys.to_sdk())).await;
        let config = aws_sdk_sts::config::Builder::from(&settings)
            .retry_classifier(OneConnectTimeout)
            .build();
        aws_sdk_sts::Client::from_conf(config)
    }
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
