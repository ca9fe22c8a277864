//! IAM: the inline policies of whoever asks.

use aws_sdk_iam::Client;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::client::{OneConnectTimeout, Service};
use super::failure::Endpoint;
use super::{Aws, AwsError, Session};
use crate::model::Region;

/// A user or a role, whose inline policies can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IamIdentity {
    /// A user, by its name.
    User(String),
    /// A role, by its name.
    Role(String),
}

/// An identity whose policies cannot be changed, or not by what AWS tells of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotChangeable {
    /// No policy of the account concerns its root user.
    #[error("`{0}` is the account's root user, whom no policy of the account denies anything")]
    Root(String),
    /// IAM Identity Center made the role, and alone may change it.
    #[error("the role `{0}` belongs to IAM Identity Center, and its policies cannot be changed")]
    SsoRole(String),
    /// A session of `GetFederationToken`: which user made it is not told.
    #[error("`{0}` is a federated session, which does not tell whose policies it has")]
    Federated(String),
    /// Something else.
    #[error("`{0}` is neither a user nor a role")]
    Unknown(String),
}

impl NotChangeable {
    /// What to do instead.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Root(_) => "delete the access keys of the root user, and work as somebody else",
            Self::SsoRole(_) => {
                "end the sessions of the person in IAM Identity Center: Users, the user, Active sessions"
            }
            Self::Federated(_) => "use credentials of the user who made it",
            Self::Unknown(_) => "use credentials of the user or the role whose sessions are meant",
        }
    }
}

impl IamIdentity {
    /// Reads the ARN that STS gives of a caller.
    ///
    /// # Errors
    /// It is of somebody whose policies cannot be changed.
    pub fn of_caller(arn: &str) -> Result<Self, NotChangeable> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, _, service, _, _, resource] = parts[..] else {
            return Err(NotChangeable::Unknown(arn.to_owned()));
        };
        match (service, &resource.split('/').collect::<Vec<_>>()[..]) {
            ("iam", ["root"]) => Err(NotChangeable::Root(arn.to_owned())),
            // Between the two may stand a path, which is no part of the name.
            ("iam", ["user", .., name]) => Ok(Self::User((*name).to_owned())),
            // Names of such roles are theirs alone (IAM Identity Center User Guide, "Referencing
            // permission sets in resource policies").
            ("sts", ["assumed-role", name, ..]) if name.starts_with("AWSReservedSSO_") => {
                Err(NotChangeable::SsoRole((*name).to_owned()))
            }
            ("sts", ["assumed-role", name, ..]) => Ok(Self::Role((*name).to_owned())),
            ("sts", ["federated-user", ..]) => Err(NotChangeable::Federated(arn.to_owned())),
            _ => Err(NotChangeable::Unknown(arn.to_owned())),
        }
    }

    /// `user` or `role`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Role(_) => "role",
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::User(name) | Self::Role(name) => name,
        }
    }
}

/// IAM, asked by a session about its own identity: the account is the one that AWS says the session
/// is of, whatever the manifest says of others.
#[derive(Debug, Clone)]
pub struct Iam {
    client: Client,
    endpoint: Endpoint,
}

impl Aws {
    /// IAM of the partition of a region.
    pub async fn iam(&self, session: &Session, region: &Region) -> Iam {
        let keys = session.keys().to_sdk();
        let settings = self.settings(region, Some(keys)).await;
        let config =
            aws_sdk_iam::config::Builder::from(&settings).retry_classifier(OneConnectTimeout);
        Iam {
            client: Client::from_conf(config.build()),
            endpoint: Endpoint(self.endpoint(Service::Iam, region)),
        }
    }
}

impl Iam {
    /// Writes an inline policy, over one of the same name.
    ///
    /// # Errors
    /// IAM could not or would not.
    pub async fn put_policy(
        &self,
        of: &IamIdentity,
        name: &str,
        document: &str,
    ) -> Result<(), AwsError> {
        match of {
            IamIdentity::User(user) => self
                .client
                .put_user_policy()
                .user_name(user)
                .policy_name(name)
                .policy_document(document)
                .send()
                .await
                .map(drop)
                .map_err(|error| self.endpoint.failure("iam:PutUserPolicy", user, &error)),
            IamIdentity::Role(role) => self
                .client
                .put_role_policy()
                .role_name(role)
                .policy_name(name)
                .policy_document(document)
                .send()
                .await
                .map(drop)
                .map_err(|error| self.endpoint.failure("iam:PutRolePolicy", role, &error)),
        }
    }

    /// Removes an inline policy; `false`: there was none.
    ///
    /// # Errors
    /// IAM could not or would not.
    pub async fn delete_policy(&self, of: &IamIdentity, name: &str) -> Result<bool, AwsError> {
        match of {
            IamIdentity::User(user) => {
                let answer = self
                    .client
                    .delete_user_policy()
                    .user_name(user)
                    .policy_name(name)
                    .send();
                self.was_there("iam:DeleteUserPolicy", user, answer.await)
            }
            IamIdentity::Role(role) => {
                let answer = self
                    .client
                    .delete_role_policy()
                    .role_name(role)
                    .policy_name(name)
                    .send();
                self.was_there("iam:DeleteRolePolicy", role, answer.await)
            }
        }
    }

    fn was_there<T, E>(
        &self,
        action: &'static str,
        what: &str,
        answer: Result<T, SdkError<E, HttpResponse>>,
    ) -> Result<bool, AwsError>
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        match answer {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("NoSuchEntity") => Ok(false),
            Err(error) => Err(self.endpoint.failure(action, what, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_policies_can_be_changed_is_read_from_the_arn() {
        let user = |name: &str| Ok(IamIdentity::User(name.to_owned()));
        let role = |name: &str| Ok(IamIdentity::Role(name.to_owned()));
        for (arn, expected) in [
            ("arn:aws:iam::111111111111:user/ci", user("ci")),
            ("arn:aws:iam::111111111111:user/bots/eu/ci", user("ci")),
            ("arn:aws-cn:iam::111111111111:user/a@b", user("a@b")),
            (
                "arn:aws:sts::111111111111:assumed-role/Deploy/tfw-x",
                role("Deploy"),
            ),
        ] {
            assert_eq!(IamIdentity::of_caller(arn), expected, "{arn}");
        }
    }

    #[test]
    fn root_sso_federated_and_others_are_refused() {
        let refused = |arn: &str| IamIdentity::of_caller(arn).expect_err("refused");
        let root = refused("arn:aws:iam::111111111111:root");
        assert!(matches!(root, NotChangeable::Root(_)));
        let sso = refused(
            "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Admin_0123456789abcdef/me",
        );
        assert!(sso.to_string().contains("IAM Identity Center"));
        assert!(sso.hint().contains("Active sessions"));
        let federated = refused("arn:aws:sts::111111111111:federated-user/me");
        assert!(matches!(federated, NotChangeable::Federated(_)));
        for arn in ["arn:aws:iam::111111111111:role/Deploy", "", "user/ci"] {
            assert!(matches!(refused(arn), NotChangeable::Unknown(_)), "{arn}");
        }
    }
}
