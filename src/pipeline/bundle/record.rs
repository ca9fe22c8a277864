//! `bundle.json`: what a bundle says of itself.
//!
//! The hashes guard against what changed unseen between a review and an apply, by accident or by
//! another person's work. They are no signature: who can write the folder can write both a plan
//! and its hash, so a bundle must travel by a way that is trusted as much as its reviewers are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::digest::Salt;
use crate::model::{AccountId, Changes, Region, RoleArn, UnitId};
use crate::terraform::StateMark;

/// The version of the document's form.
pub(super) const SCHEMA: u64 = 1;

/// The document. A field that this tfw does not know may be a difference that it would not see, so
/// that one is an error.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BundleRecord {
    pub(super) schema: u64,
    pub(super) tfw_version: String,
    /// RFC 3339.
    pub(super) created: String,
    /// `project.name`.
    pub(super) project: Option<String>,
    /// The selection, as it was typed.
    pub(super) selection: Vec<String>,
    /// `HEAD` of the manifest's repository; `None`: there is none, or git could not tell.
    pub(super) commit: Option<String>,
    /// What the salted hashes are made with.
    pub(super) salt: Salt,
    /// In manifest order.
    pub(super) units: Vec<UnitRecord>,
    /// Units that were planned for, and have no place in the bundle.
    pub(super) left_out: Vec<LeftOut>,
}

/// One unit, and what its plan rests on.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnitRecord {
    pub(super) unit: UnitId,
    pub(super) changes: Changes,
    /// Always false: a provisional plan does not go into a bundle.
    pub(super) provisional: bool,
    /// `None`: there is nothing to apply.
    pub(super) plan: Option<PlanRecord>,
    /// The state that the plan was made from; `None`: there was none.
    pub(super) state: Option<StateMark>,
    pub(super) basis: Basis,
}

/// A saved plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanRecord {
    /// Its name in the bundle's folder.
    pub(super) file: String,
    /// SHA-256, in hex.
    pub(super) sha256: String,
}

/// What decides what a plan is: as it was, or as it is. Paths are relative to the manifest's
/// folder, so that the same commit may be checked out elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Basis {
    pub(super) account_id: Option<AccountId>,
    pub(super) region: Option<Region>,
    /// The roles that are assumed, one after the other.
    pub(super) roles: Vec<RoleArn>,
    pub(super) backend: BackendRecord,
    pub(super) terraform: ToolRecord,
    /// SHA-256 of `.terraform.lock.hcl`; `None`: there is no such file.
    pub(super) lock_file: Option<String>,
    /// Salted hashes of the configuration of the root module and its local modules, and of the
    /// files of variables.
    pub(super) files: BTreeMap<String, String>,
    /// Salted hashes of what is not committed in those folders; `None`: deleted, or a folder.
    pub(super) uncommitted: BTreeMap<String, Option<String>>,
    /// Salted hashes of the variables that tfw passes, by name: `vars` and `inputs`.
    pub(super) variables: BTreeMap<String, String>,
    /// Salted hashes of `env`, and of the person's own `TF_VAR_*` that the root module takes.
    pub(super) environment: BTreeMap<String, String>,
}

/// Everything that decides where the state is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackendRecord {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) workspace: String,
    /// The account that owns the bucket, for `s3`.
    pub(super) account_id: Option<AccountId>,
    /// What Terraform is told of it. Of backends other than `s3` and `local` salted hashes, since
    /// an address may hold a password.
    pub(super) arguments: Map<String, Value>,
}

/// Which Terraform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolRecord {
    /// `Terraform` or `OpenTofu`.
    pub(super) name: String,
    pub(super) version: String,
}

/// A unit that is not in the bundle.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LeftOut {
    pub(super) unit: UnitId,
    pub(super) reason: String,
}

/// Why a document is none that this tfw can work from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotARecord {
    /// Another tfw wrote it.
    #[error("it has the schema {0}, and this tfw reads schema {SCHEMA}")]
    OtherSchema(u64),
    /// No JSON, or not of this form.
    #[error("{0}")]
    Malformed(String),
    /// Two entries for one unit.
    #[error("it has `{0}` twice")]
    Twice(UnitId),
}

impl BundleRecord {
    /// Reads a document.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, NotARecord> {
        #[derive(Deserialize)]
        struct Head {
            schema: u64,
        }
        let malformed = |error: serde_json::Error| NotARecord::Malformed(error.to_string());
        let head: Head = serde_json::from_slice(bytes).map_err(malformed)?;
        if head.schema != SCHEMA {
            return Err(NotARecord::OtherSchema(head.schema));
        }
        let record: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        for (index, unit) in record.units.iter().enumerate() {
            if record.units[..index]
                .iter()
                .any(|other| other.unit == unit.unit)
            {
                return Err(NotARecord::Twice(unit.unit.clone()));
            }
        }
        Ok(record)
    }

    /// The document's text.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self)
            .unwrap_or_else(|_| unreachable!("strings and numbers, by string keys"));
        text.push(b'\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing;
    use super::*;

    #[test]
    fn a_document_reads_as_it_was_written() {
        let record = testing::record();
        let read = BundleRecord::parse(&record.to_json()).expect("reads");
        assert_eq!(read.units[0].basis, record.units[0].basis);
        assert_eq!(read.to_json(), record.to_json());
    }

    #[test]
    fn what_this_tfw_does_not_know_is_not_passed_over() {
        let document = |change: fn(&mut Value)| {
            let mut document: Value =
                serde_json::from_slice(&testing::record().to_json()).expect("JSON");
            change(&mut document);
            BundleRecord::parse(document.to_string().as_bytes()).map(drop)
        };
        assert_eq!(
            document(|d| d["schema"] = json!(2)),
            Err(NotARecord::OtherSchema(2))
        );
        let unknown = document(|d| d["units"][0]["basis"]["clearance"] = json!("top"));
        assert!(
            matches!(&unknown, Err(NotARecord::Malformed(why)) if why.contains("`clearance`")),
            "{unknown:?}"
        );
        let twice = document(|d| {
            let first = d["units"][0].clone();
            d["units"].as_array_mut().expect("units").push(first);
        });
        assert_eq!(
            twice,
            Err(NotARecord::Twice("dev/app".parse().expect("a unit")))
        );
        assert!(BundleRecord::parse(b"{").is_err());
    }
}
