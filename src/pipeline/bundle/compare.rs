//! What a bundle records against what is: facts, in words for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use super::record::{Basis, ToolRecord};
use super::tree::Tree;
use crate::terraform::{LOCK_FILE, StateMark};

/// Something that is not as the bundle records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// What it is about, for the headline.
    pub(super) what: &'static str,
    /// What was recorded, and what is now.
    pub(super) detail: String,
}

impl Difference {
    pub(super) fn new(what: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { what, detail }
    }

    /// `NAME: recorded A, now B`.
    fn between(what: &'static str, name: &str, recorded: &str, now: &str) -> Self {
        Self::new(what, format!("{name}: recorded {recorded}, now {now}"))
    }
}

/// All differences between what a plan rests on and what it would rest on now. `both_committed`:
/// git told the commit then and now; else there is nothing that a file could be changed against.
pub(super) fn differences(recorded: &Basis, now: &Basis, both_committed: bool) -> Vec<Difference> {
    let mut all = Vec::new();
    if recorded.account_id != now.account_id {
        let (recorded, now) = (
            optional(recorded.account_id.as_ref()),
            optional(now.account_id.as_ref()),
        );
        all.push(Difference::between("account", "account", &recorded, &now));
    }
    if recorded.region != now.region {
        let (recorded, now) = (
            optional(recorded.region.as_ref()),
            optional(now.region.as_ref()),
        );
        all.push(Difference::between("region", "region", &recorded, &now));
    }
    if recorded.roles != now.roles {
        let (recorded, now) = (quoted(&recorded.roles), quoted(&now.roles));
        all.push(Difference::between("role", "role", &recorded, &now));
    }
    backend(recorded, now, &mut all);
    if recorded.terraform != now.terraform {
        let named = |tool: &ToolRecord| format!("{} {}", tool.name, tool.version);
        let (recorded, now) = (named(&recorded.terraform), named(&now.terraform));
        all.push(Difference::between(
            "Terraform",
            "Terraform",
            &recorded,
            &now,
        ));
    }
    if recorded.lock_file != now.lock_file {
        let short = |hash: &Option<String>| {
            hash.as_ref().map_or_else(
                || "none".to_owned(),
                |hash| format!("SHA-256 {}", abbreviated(hash)),
            )
        };
        let (recorded, now) = (short(&recorded.lock_file), short(&now.lock_file));
        let name = format!("`{LOCK_FILE}`");
        all.push(Difference::between("lock file", &name, &recorded, &now));
    }
    let files = keyed(&recorded.files, &now.files);
    all.extend(files.iter().map(|(name, change)| {
        Difference::new("files", format!("`{name}`: {}", change.of("content")))
    }));
    if both_committed {
        let told: BTreeSet<&str> = files.iter().map(|(name, _)| *name).collect();
        let uncommitted = keyed(&recorded.uncommitted, &now.uncommitted);
        let others = uncommitted
            .into_iter()
            .filter(|(name, _)| !told.contains(name));
        all.extend(others.map(|(name, change)| {
            let detail = match change {
                Change::Added => "recorded as committed, now changed",
                Change::Removed => "recorded with a change that is not committed, now without",
                Change::Other => "recorded with another change that is not committed",
            };
            Difference::new("files", format!("`{name}`: {detail}"))
        }));
    }
    for (name, change) in keyed(&recorded.variables, &now.variables) {
        let detail = format!("variable `{name}`: {}", change.of("value"));
        all.push(Difference::new("inputs", detail));
    }
    for (name, change) in keyed(&recorded.environment, &now.environment) {
        let detail = format!("environment variable `{name}`: {}", change.of("value"));
        all.push(Difference::new("inputs", detail));
    }
    all
}

fn backend(recorded: &Basis, now: &Basis, all: &mut Vec<Difference>) {
    let (recorded, now) = (&recorded.backend, &now.backend);
    let mut tell = |name: &str, recorded: &str, now: &str| {
        if recorded != now {
            all.push(Difference::between("backend", name, recorded, now));
        }
    };
    tell(
        "backend",
        &format!("`{}`", recorded.kind),
        &format!("`{}`", now.kind),
    );
    tell(
        "workspace",
        &format!("`{}`", recorded.workspace),
        &format!("`{}`", now.workspace),
    );
    tell(
        "owner of the bucket",
        &optional(recorded.account_id.as_ref()),
        &optional(now.account_id.as_ref()),
    );
    let names: BTreeSet<&String> = recorded
        .arguments
        .keys()
        .chain(now.arguments.keys())
        .collect();
    for name in names {
        let shown = |arguments: &serde_json::Map<String, serde_json::Value>| {
            arguments
                .get(name)
                .map_or_else(|| "none".to_owned(), |value| format!("`{value}`"))
        };
        tell(
            &format!("backend argument `{name}`"),
            &shown(&recorded.arguments),
            &shown(&now.arguments),
        );
    }
}

/// The commit that is checked out against the recorded one. Where none was recorded there is
/// nothing to hold it against; the files have their hashes.
pub(super) fn commit(recorded: Option<&str>, now: &Tree) -> Option<Difference> {
    let recorded = recorded?;
    let now = match now {
        Tree::Commit { id, .. } if id == recorded => return None,
        Tree::Commit { id, .. } => abbreviated(id).to_owned(),
        Tree::None => "no git repository".to_owned(),
        Tree::Unknown(why) => format!("not known ({why})"),
    };
    Some(Difference::between(
        "commit",
        "commit",
        abbreviated(recorded),
        &now,
    ))
}

/// The state as it is against the one that the plan was made from.
pub(super) fn state(recorded: Option<&StateMark>, now: Option<&StateMark>) -> Option<Difference> {
    if recorded == now {
        return None;
    }
    let other_life =
        matches!((recorded, now), (Some(recorded), Some(now)) if recorded.lineage != now.lineage);
    let shown = |mark: Option<&StateMark>| match mark {
        None => "none".to_owned(),
        Some(mark) if other_life => format!("serial {} of lineage `{}`", mark.serial, mark.lineage),
        Some(mark) => format!("serial {}", mark.serial),
    };
    Some(Difference::between(
        "state",
        "state",
        &shown(recorded),
        &shown(now),
    ))
}

/// What became of a name.
#[derive(Debug, Clone, Copy)]
enum Change {
    Added,
    Removed,
    Other,
}

impl Change {
    fn of(self, what: &str) -> String {
        match self {
            Self::Added => "recorded as not there, now there".to_owned(),
            Self::Removed => "recorded, now not there".to_owned(),
            Self::Other => format!("another {what} than recorded"),
        }
    }
}

fn keyed<'a, T: PartialEq>(
    recorded: &'a BTreeMap<String, T>,
    now: &'a BTreeMap<String, T>,
) -> Vec<(&'a str, Change)> {
    let names: BTreeSet<&String> = recorded.keys().chain(now.keys()).collect();
    let changes = names.into_iter().filter_map(|name| {
        let change = match (recorded.get(name), now.get(name)) {
            (Some(recorded), Some(now)) if recorded == now => return None,
            (Some(_), Some(_)) => Change::Other,
            (Some(_), None) => Change::Removed,
            (None, _) => Change::Added,
        };
        Some((name.as_str(), change))
    });
    changes.collect()
}

/// As much of a hash as tells it from others.
fn abbreviated(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn optional<T: Display>(value: Option<&T>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| format!("`{value}`"))
}

fn quoted<T: Display>(values: &[T]) -> String {
    if values.is_empty() {
        return "none".to_owned();
    }
    let quoted: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
    quoted.join(" → ")
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn committed() -> Tree {
        Tree::Commit {
            id: "0123456789abcdef".to_owned(),
            changed: Vec::new(),
        }
    }

    fn told(change: impl FnOnce(&mut Basis)) -> Vec<String> {
        let recorded = testing::basis();
        let mut now = recorded.clone();
        change(&mut now);
        differences(&recorded, &now, true)
            .into_iter()
            .map(|difference| format!("{}: {}", difference.what, difference.detail))
            .collect()
    }

    #[test]
    fn what_is_the_same_is_no_difference() {
        assert_eq!(told(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn each_difference_says_what_was_and_what_is() {
        let all = told(|now| {
            now.account_id = Some("222222222222".parse().expect("valid"));
            now.roles.clear();
            now.backend.workspace = "blue".to_owned();
            now.backend
                .arguments
                .insert("key".to_owned(), "other.tfstate".into());
            now.terraform.version = "1.10.0".to_owned();
            now.lock_file = None;
            now.files.insert("dev/main.tf".to_owned(), "2".to_owned());
            now.files.insert("dev/new.tf".to_owned(), "1".to_owned());
            now.uncommitted.insert("dev/new.tf".to_owned(), None);
            now.uncommitted.insert("dev/user.tpl".to_owned(), None);
            now.variables.clear();
            now.environment.insert("TF_LOG".to_owned(), "2".to_owned());
        });
        assert_eq!(
            all,
            [
                "account: account: recorded `111111111111`, now `222222222222`",
                "role: role: recorded `arn:aws:iam::111111111111:role/test`, now none",
                "backend: workspace: recorded `default`, now `blue`",
                "backend: backend argument `key`: recorded `\"terraform.tfstate\"`, now `\"other.tfstate\"`",
                "Terraform: Terraform: recorded Terraform 1.11.4, now Terraform 1.10.0",
                "lock file: `.terraform.lock.hcl`: recorded SHA-256 aaaaaaaaaaaa, now none",
                "files: `dev/main.tf`: another content than recorded",
                "files: `dev/new.tf`: recorded as not there, now there",
                "files: `dev/user.tpl`: recorded as committed, now changed",
                "inputs: variable `greeting`: recorded, now not there",
                "inputs: environment variable `TF_LOG`: recorded as not there, now there",
            ]
        );
    }

    #[test]
    fn a_commit_is_the_same_or_a_difference() {
        let tell = |recorded, now: &Tree| commit(recorded, now).map(|found| found.detail);
        assert_eq!(tell(Some("0123456789abcdef"), &committed()), None);
        assert_eq!(tell(None, &committed()), None);
        assert_eq!(
            tell(Some("fedcba9876543210"), &committed()).as_deref(),
            Some("commit: recorded fedcba987654, now 0123456789ab")
        );
        let unknown = Tree::Unknown("`git` was not found".to_owned());
        assert_eq!(
            tell(Some("fedcba9876543210"), &unknown).as_deref(),
            Some("commit: recorded fedcba987654, now not known (`git` was not found)")
        );
    }

    #[test]
    fn a_state_has_moved_or_is_another_one() {
        let mark = |lineage: &str, serial| StateMark {
            lineage: lineage.to_owned(),
            serial,
        };
        let tell = |recorded: Option<StateMark>, now: Option<StateMark>| {
            state(recorded.as_ref(), now.as_ref()).map(|found| found.detail)
        };
        assert_eq!(tell(Some(mark("l", 3)), Some(mark("l", 3))), None);
        for (recorded, now, detail) in [
            (
                Some(mark("l", 3)),
                Some(mark("l", 4)),
                "state: recorded serial 3, now serial 4",
            ),
            (
                Some(mark("l", 3)),
                Some(mark("m", 3)),
                "state: recorded serial 3 of lineage `l`, now serial 3 of lineage `m`",
            ),
            (
                None,
                Some(mark("l", 1)),
                "state: recorded none, now serial 1",
            ),
            (
                Some(mark("l", 1)),
                None,
                "state: recorded serial 1, now none",
            ),
        ] {
            assert_eq!(tell(recorded, now).as_deref(), Some(detail));
        }
    }
}
