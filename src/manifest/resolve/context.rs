//! One unit while it is resolved: its merged settings and where each of them stands.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::manifest::layers::{Entries, Leaf, Merged, find};
use crate::manifest::problem::{Collector, Problem};
use crate::manifest::source::Span;
use crate::manifest::tree::Value;
use crate::model::{AccountId, InvalidName, Region, UnitId};

/// Something is wrong, and has been reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reported;

/// One unit.
pub(super) struct Context<'a> {
    pub(super) id: &'a UnitId,
    /// Where the unit is declared.
    pub(super) key: &'a Span,
    /// Where its environment is declared.
    pub(super) environment_key: &'a Span,
    /// Where the environment's account stands; where it does not, the environment.
    pub(super) account_place: &'a Span,
    pub(super) merged: Entries<'a>,
    /// Dotted paths of settings that are wrong and have been reported.
    pub(super) invalid: BTreeSet<String>,
    pub(super) account: Result<Option<AccountId>, Reported>,
    pub(super) region: Result<Option<Region>, Reported>,
}

impl<'a> Context<'a> {
    /// The setting at a dotted path.
    pub(super) fn find(&self, path: &str) -> Option<&Merged<'a>> {
        let names: Vec<&str> = path.split('.').collect();
        find(&self.merged, &names)
    }

    /// The value that stands at a dotted path; for a table, the one that was set last in it.
    pub(super) fn leaf(&self, path: &str) -> Option<Leaf<'a>> {
        self.find(path).and_then(Merged::latest)
    }

    /// Where a setting stands; where it is not set, where the unit is declared.
    pub(super) fn place(&self, path: &str) -> &'a Span {
        self.leaf(path).map_or(self.key, |leaf| &leaf.node.span)
    }

    /// Whether the setting is wrong and has been reported, or lies in one that is.
    pub(super) fn is_invalid(&self, path: &str) -> bool {
        if self.invalid.contains(path) {
            return true;
        }
        path.rsplit_once('.')
            .is_some_and(|(table, _)| self.is_invalid(table))
    }

    /// Whether `""` stands there.
    pub(super) fn is_unset(&self, path: &str) -> bool {
        self.leaf(path)
            .is_some_and(|leaf| matches!(&leaf.node.value, Value::String(text) if text.is_empty()))
    }

    /// Reports a problem with the value of a setting; `path` is its code.
    pub(super) fn wrong(
        &self,
        problems: &mut Collector,
        path: &'static str,
        make: impl FnOnce() -> Problem,
    ) -> Reported {
        problems.add_for(self.id, path, Some(self.place(path)), |_| make());
        Reported
    }

    /// Parses a setting that may be absent.
    pub(super) fn optional<T: FromStr<Err = InvalidName>>(
        &self,
        problems: &mut Collector,
        path: &'static str,
        value: Option<&str>,
    ) -> Result<Option<T>, Reported> {
        match value.map(str::parse) {
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(error)) => {
                Err(self.wrong(problems, path, || Problem::error(error.to_string())))
            }
            None if self.is_invalid(path) => Err(Reported),
            None => Ok(None),
        }
    }

    /// The environment's account, which `because` makes necessary.
    pub(super) fn required_account(
        &self,
        problems: &mut Collector,
        because: &str,
    ) -> Result<AccountId, Reported> {
        if let Some(account) = self.account.clone()? {
            return Ok(account);
        }
        problems.add_for(
            &self.id.environment,
            "account_id",
            Some(self.environment_key),
            |_| {
                Problem::error(format!("`{}` has no `account_id`", self.id.environment))
                    .label(because.to_owned())
                    .detail(
                        "tfw proves that credentials belong to this account before it uses them",
                    )
                    .hint(format!(
                        "add `account_id = \"…\"` (12 digits) to `[environments.{}]`",
                        self.id.environment
                    ))
            },
        );
        Err(Reported)
    }
}
