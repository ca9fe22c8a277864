//! As whom one provider works, by what stands in its block.

use crate::model::{AccountId, AssumeRole, RoleArn, Unit};
use crate::root_module::{Argument, Location, ProviderBlock, ProviderRole};

/// Arguments that win over the credentials in Terraform's environment.
const CREDENTIALS: [&str; 7] = [
    "profile",
    "access_key",
    "secret_key",
    "token",
    "shared_credentials_file",
    "shared_credentials_files",
    "shared_config_files",
];

const WEB_IDENTITY: &str = "assume_role_with_web_identity";

/// An argument or a block, and where it stands.
pub(super) type Named<'p> = (&'static str, &'p Location);

/// As whom a provider works. With nothing in it: as whom Terraform is.
#[derive(Default)]
pub(super) struct Identity<'p> {
    /// Credentials of its own, which name no account.
    pub(super) credentials: Vec<Named<'p>>,
    /// The same, and roles, where they are not literal.
    pub(super) unknown: Vec<Named<'p>>,
    /// A role by a token of somebody else's, which is no matter of the credentials that it gets.
    pub(super) by_token: Option<Named<'p>>,
    /// The roles that it assumes, the last of which it works as; none where one is not literal.
    pub(super) roles: Vec<Role<'p>>,
}

/// A role that is written out.
pub(super) struct Role<'p> {
    pub(super) arn: &'p str,
    pub(super) location: &'p Location,
    block: &'p ProviderRole,
}

/// What stands at a place of a role.
pub(super) enum Text<'p> {
    Absent,
    Literal(&'p str),
    Unknown,
}

impl<'p> Identity<'p> {
    pub(super) fn of(block: &'p ProviderBlock) -> Self {
        let mut identity = Self::default();
        for name in CREDENTIALS {
            match block.arguments.get(name) {
                Some(argument) if !argument.is_nothing() => {
                    let named = (name, &argument.location);
                    if argument.literal.is_some() {
                        identity.credentials.push(named);
                    } else {
                        identity.unknown.push(named);
                    }
                }
                _ => {}
            }
        }
        let roles = [
            (WEB_IDENTITY, &block.web_identity),
            ("assume_role", &block.assume_role),
        ];
        for (name, block) in roles
            .into_iter()
            .flat_map(|(name, roles)| roles.iter().map(move |role| (name, role)))
        {
            match text(block, "role_arn") {
                // Without an ARN the provider assumes nothing.
                Text::Absent => {}
                Text::Unknown => identity.unknown.push((name, &block.location)),
                Text::Literal(arn) => {
                    identity.roles.push(Role {
                        arn,
                        location: &block.location,
                        block,
                    });
                    if name == WEB_IDENTITY {
                        identity.by_token = Some((name, &block.location));
                    }
                }
            }
        }
        if identity.unknown_role().is_some() {
            identity.roles.clear();
        }
        identity
    }

    /// The first block of a role that is not literal.
    pub(super) fn unknown_role(&self) -> Option<Named<'p>> {
        let is_role = |(name, _): &&Named<'p>| !CREDENTIALS.contains(name);
        self.unknown.iter().find(is_role).copied()
    }

    /// Whether the provider works as whom Terraform is.
    pub(super) fn is_delivered(&self) -> bool {
        self.credentials.is_empty() && self.unknown.is_empty() && self.roles.is_empty()
    }

    /// Its roles as tfw assumes them; `None`: there are none, or only Terraform can.
    pub(super) fn chain(&self, unit: &Unit) -> Option<Vec<AssumeRole>> {
        if self.roles.is_empty() || self.by_token.is_some() {
            return None;
        }
        self.roles.iter().map(|role| role.assumed(unit)).collect()
    }
}

impl<'p> Role<'p> {
    /// The account in its ARN; `None`: that is none.
    pub(super) fn account(&self) -> Option<AccountId> {
        Some(self.arn.parse::<RoleArn>().ok()?.account_id())
    }

    /// Another argument of its block.
    pub(super) fn text(&self, name: &str) -> Text<'p> {
        text(self.block, name)
    }

    /// Itself as tfw assumes it; `None`: its external id is not literal, or its ARN is none.
    fn assumed(&self, unit: &Unit) -> Option<AssumeRole> {
        let external_id = match self.text("external_id") {
            Text::Absent => None,
            Text::Literal(id) => Some(id.to_owned()),
            Text::Unknown => return None,
        };
        let role_arn: RoleArn = self.arn.parse().ok()?;
        // The manifest's own role, where it is the same, is assumed once for both.
        let own = unit
            .assume_role
            .iter()
            .find(|own| own.role_arn == role_arn && own.external_id == external_id);
        Some(own.cloned().unwrap_or(AssumeRole {
            external_id,
            ..AssumeRole::new(role_arn)
        }))
    }
}

fn text<'p>(role: &'p ProviderRole, name: &str) -> Text<'p> {
    let Some(arguments) = &role.arguments else {
        return Text::Unknown;
    };
    match arguments.get(name) {
        None => Text::Absent,
        Some(argument) if argument.is_nothing() => Text::Absent,
        Some(argument) => argument.text().map_or(Text::Unknown, Text::Literal),
    }
}

/// The accounts in which the block itself lets the provider work; `None`: any, or not literal.
pub(super) fn allowed_accounts(block: &ProviderBlock) -> Option<Vec<&str>> {
    listed(block, "allowed_account_ids")
}

/// The accounts in a list of a block; `None`: there is none, or it is not literal.
pub(super) fn listed<'p>(block: &'p ProviderBlock, name: &str) -> Option<Vec<&'p str>> {
    let accounts = block.arguments.get(name).and_then(Argument::texts)?;
    (!accounts.is_empty()).then_some(accounts)
}
