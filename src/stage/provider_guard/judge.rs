//! Which providers are refused, which are warned of, and in which words.

use std::path::Path;

use super::identity::{Identity, Named, Role, Text, allowed_accounts, listed};
use crate::model::{AccountId, Diagnostic, Unit};
use crate::root_module::{Location, ProviderBlock, RootModule};

/// Where a provider block stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Root,
    Module,
}

/// What is to be said of the providers of a module.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) refusals: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl Findings {
    pub(super) fn add(&mut self, other: Self) {
        self.refusals.extend(other.refusals);
        self.warnings.extend(other.warnings);
    }
}

/// Holds providers against what the manifest says of their unit.
pub(super) struct Judge<'u> {
    unit: &'u Unit,
    account: &'u AccountId,
    shown: &'u dyn Fn(&Path) -> String,
}

impl<'u> Judge<'u> {
    /// `shown` says a path as reports print it.
    pub(super) fn new(
        unit: &'u Unit,
        account: &'u AccountId,
        shown: &'u dyn Fn(&Path) -> String,
    ) -> Self {
        Self {
            unit,
            account,
            shown,
        }
    }

    pub(super) fn module(&self, module: &RootModule, place: Place) -> Findings {
        let mut findings = Findings::default();
        let mut has_default = false;
        for block in module.aws_providers() {
            match (place, &block.alias) {
                (Place::Root, None) => {
                    has_default = true;
                    self.default(block, &mut findings);
                }
                (Place::Module, _) if block.is_proxy => {}
                _ => self.other(block, &mut findings),
            }
        }
        if place == Place::Root && self.unit.provider_assumes_role && !has_default {
            let folder = (self.shown)(&module.folder);
            findings.refusals.push(self.without_role(&format!(
                "`{folder}` has no default `aws` provider that does"
            )));
        }
        findings
    }

    /// The provider that Terraform takes where none is named: it works as whom tfw has proven.
    fn default(&self, block: &ProviderBlock, findings: &mut Findings) {
        let identity = Identity::of(block);
        let name = format!("the default provider `{}`", block.name);
        let by_itself = self.unit.provider_assumes_role;
        if let Some((what, location)) = own_credentials(&identity) {
            findings.refusals.push(
                self.at(
                    location,
                    Diagnostic::error(format!("{name} sets {what}, which wins over the credentials that tfw has proven")),
                )
                .with_hint("take it out: `credentials` and `assume_role` in the manifest say whose credentials Terraform gets"),
            );
        }
        if identity.by_token.is_some() {
            // Refused already, with what brings it along.
        } else if let Some(last) = identity.roles.last() {
            if last.account().as_ref() != Some(self.account) {
                let refusal = self.in_other_account(&name, last);
                findings
                    .refusals
                    .push(refusal.with_hint("correct the role, or `account_id` in the manifest"));
            } else if !by_itself {
                findings.refusals.push(self.assumes(&name, &identity.roles));
            } else if identity.chain(self.unit).is_none() {
                findings.warnings.push(self.unchecked(
                    &name,
                    ("external_id", last.location),
                    "tfw cannot assume the role to see that it is there",
                    None,
                ));
            }
        } else if by_itself && identity.unknown_role().is_none() {
            let refusal = self.without_role(&format!("{name} assumes none"));
            findings.refusals.push(self.at(&block.location, refusal));
        }
        let own = allowed_accounts(block);
        let is_own = |accounts: &Vec<&str>| {
            accounts
                .iter()
                .all(|account| *account == self.account.as_str())
        };
        // The provider itself holds whoever it is against such a list.
        if !own.as_ref().is_some_and(is_own) {
            for &named in &identity.unknown {
                let why = format!(
                    "it may lead to another account than {}, which tfw has proven",
                    self.account
                );
                let list = list(std::iter::once(self.account));
                findings
                    .warnings
                    .push(self.unchecked(&name, named, &why, Some(&list)));
            }
        }
        self.lists(block, &name, findings);
    }

    /// An aliased provider, or one in a module: it may work in some other accounts, too.
    fn other(&self, block: &ProviderBlock, findings: &mut Findings) {
        let identity = Identity::of(block);
        let name = format!("the provider `{}`", block.address());
        let allows = |account: &str| {
            self.unit
                .allowed_accounts()
                .any(|own| own.as_str() == account)
        };
        let listed = allowed_accounts(block);
        let is_bound = listed.is_some_and(|accounts| accounts.into_iter().all(allows));
        if let Some(last) = identity.roles.last() {
            if !last.account().is_some_and(|own| allows(own.as_str())) {
                let refusal = self.in_other_account(&name, last);
                let refusal = match last.account() {
                    Some(account) => refusal.with_hint(self.extra_account(&account)),
                    None => refusal.with_hint("correct it"),
                };
                findings.refusals.push(refusal);
            }
            return;
        }
        if is_bound {
            return;
        }
        if let Some((what, location)) = own_credentials(&identity) {
            let refusal = Diagnostic::error(format!(
                "{name} sets {what}, and nothing tells in which account it works"
            ));
            findings
                .refusals
                .push(self.bound(self.at(location, refusal)));
        } else if identity.is_delivered() && self.unit.provider_assumes_role {
            let refusal = Diagnostic::error(format!(
                "{name} assumes no role, and with `provider_assumes_role` it would work with the base credentials"
            ));
            findings.refusals.push(
                self.bound(self.at(&block.location, refusal)).with_hint(
                    "or write the same `assume_role` into it as into the default provider",
                ),
            );
        }
        for &named in &identity.unknown {
            findings.warnings.push(self.unchecked(
                &name,
                named,
                "it may lead to any account",
                Some(&self.list()),
            ));
        }
    }

    /// A default provider that its own lists keep out of the unit's account.
    fn lists(&self, block: &ProviderBlock, name: &str, findings: &mut Findings) {
        let has = |accounts: Vec<&str>| accounts.contains(&self.account.as_str());
        for (argument, keeps_out) in [
            (
                "allowed_account_ids",
                listed(block, "allowed_account_ids").is_some_and(|list| !has(list)),
            ),
            (
                "forbidden_account_ids",
                listed(block, "forbidden_account_ids").is_some_and(has),
            ),
        ] {
            if let (true, Some(list)) = (keeps_out, block.arguments.get(argument)) {
                let warning = Diagnostic::warning(format!(
                    "{name} refuses the account {} of `{}` by its `{argument}`",
                    self.account, self.unit.id
                ));
                findings.warnings.push(
                    self.at(&list.location, warning)
                        .with_hint("correct the list, or `account_id` in the manifest"),
                );
            }
        }
    }

    /// A default provider that assumes a role which the manifest could name.
    fn assumes(&self, name: &str, roles: &[Role<'_>]) -> Diagnostic {
        let (Some(first), Some(last)) = (roles.first(), roles.last()) else {
            return Diagnostic::error(format!("{name} assumes a role by itself"));
        };
        let refusal = self
            .at(
                first.location,
                Diagnostic::error(format!("{name} assumes a role by itself: `{}`", last.arn)),
            )
            .with_detail(
                "tfw has proven the credentials that it hands to Terraform, and not this role",
            );
        let own = self.unit.assume_role.last();
        if own.is_some_and(|own| own.role_arn.as_str() == last.arn) {
            return refusal
                .with_hint("take it out: `assume_role` in the manifest names the same role")
                .with_hint("or say `provider_assumes_role = true` there, and tfw leaves it to the provider");
        }
        refusal
            .with_hint(format!(
                "take it out, and write in the manifest:\n\n{}\n",
                self.manifest_lines(roles)
            ))
            .with_hint("or say `provider_assumes_role = true` there, and tfw checks that role and leaves it to the provider")
    }

    /// The lines of the manifest that do what a provider does by itself.
    fn manifest_lines(&self, roles: &[Role<'_>]) -> String {
        let table = format!("{}.assume_role", self.table());
        let table = match roles {
            [_] => format!("[{table}]"),
            _ => format!("[[{table}]]"),
        };
        let mut lines = Vec::new();
        for role in roles {
            lines.push(table.clone());
            lines.push(format!("role_arn = {}", quoted(role.arn)));
            for name in ["external_id", "session_name"] {
                match role.text(name) {
                    Text::Absent => {}
                    Text::Literal(text) => lines.push(format!("{name} = {}", quoted(text))),
                    Text::Unknown => {
                        lines.push(format!("{name} = \"…\" # as in the provider block"));
                    }
                }
            }
        }
        lines.join("\n")
    }

    fn in_other_account(&self, name: &str, role: &Role<'_>) -> Diagnostic {
        let what = match role.account() {
            Some(account) => format!(
                "a role of account {account}, and the account of `{}` is {}",
                self.unit.id, self.account
            ),
            None => "which is not the ARN of an IAM role".to_owned(),
        };
        let refusal = format!("{name} assumes `{}`, {what}", role.arn);
        self.at(role.location, Diagnostic::error(refusal))
    }

    /// The lines of the manifest that let a provider work in another account.
    fn extra_account(&self, account: &AccountId) -> String {
        let extra = self.unit.extra_account_ids.iter().chain([account]);
        format!(
            "where that is meant, write in the manifest:\n\n[{}]\nextra_account_ids = {}\n",
            self.table(),
            list(extra)
        )
    }

    fn without_role(&self, why: &str) -> Diagnostic {
        Diagnostic::error(format!(
            "`provider_assumes_role` of `{}` says that the provider assumes a role, and {why}",
            self.unit.id
        ))
        .with_detail("it would work with the base credentials, whatever their account")
        .with_hint("take the key out of the manifest, or set it to `false` for this unit")
    }

    /// Something of a provider that only Terraform knows.
    fn unchecked(
        &self,
        name: &str,
        (what, location): Named<'_>,
        why: &str,
        list: Option<&str>,
    ) -> Diagnostic {
        let warning = self
            .at(
                location,
                Diagnostic::warning(format!("not checked: `{what}` of {name} is not literal")),
            )
            .with_detail(why);
        match list {
            Some(list) => warning.with_hint(format!(
                "`allowed_account_ids = {list}` in the block makes the provider check it"
            )),
            None => warning,
        }
    }

    /// How a provider is kept to the accounts of the manifest.
    fn bound(&self, refusal: Diagnostic) -> Diagnostic {
        refusal.with_hint(format!(
            "`allowed_account_ids = {}` in the block makes the provider check it; other accounts stand in `extra_account_ids` of the manifest, too",
            self.list()
        ))
    }

    /// All accounts that a provider may work in, as a list.
    fn list(&self) -> String {
        list(self.unit.allowed_accounts())
    }

    /// The table of the unit in the manifest.
    fn table(&self) -> String {
        let id = &self.unit.id;
        match &id.stack {
            Some(stack) => format!("environments.{}.stacks.{stack}", id.environment),
            None => format!("environments.{}", id.environment),
        }
    }

    fn at(&self, location: &Location, diagnostic: Diagnostic) -> Diagnostic {
        diagnostic.at((self.shown)(&location.file), Some(location.line))
    }
}

/// The credentials that a block brings along: their names, and where the first stands.
fn own_credentials<'p>(identity: &Identity<'p>) -> Option<(String, &'p Location)> {
    let all: Vec<Named<'p>> = identity
        .credentials
        .iter()
        .copied()
        .chain(identity.by_token)
        .collect();
    let &(_, location) = all.iter().min_by_key(|(_, location)| location.line)?;
    let names: Vec<String> = all.iter().map(|(name, _)| format!("`{name}`")).collect();
    Some((names.join(", "), location))
}

/// Accounts as a list of strings, which HCL and TOML write alike.
fn list<'a>(accounts: impl Iterator<Item = &'a AccountId>) -> String {
    let accounts: Vec<String> = accounts.map(|account| format!("\"{account}\"")).collect();
    format!("[{}]", accounts.join(", "))
}

/// A string of TOML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
