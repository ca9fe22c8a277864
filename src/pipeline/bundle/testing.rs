//! A bundle's document for unit tests.

use std::collections::BTreeMap;

use super::digest::Salt;
use super::record::{
    BackendRecord, Basis, BundleRecord, LeftOut, PlanRecord, SCHEMA, ToolRecord, UnitRecord,
};
use crate::model::Changes;
use crate::terraform::StateMark;

fn one(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), "1".to_owned())])
}

pub(super) fn basis() -> Basis {
    Basis {
        account_id: Some("111111111111".parse().expect("valid")),
        region: Some("eu-central-1".parse().expect("valid")),
        roles: vec![
            "arn:aws:iam::111111111111:role/test"
                .parse()
                .expect("valid"),
        ],
        backend: BackendRecord {
            kind: "s3".to_owned(),
            workspace: "default".to_owned(),
            account_id: None,
            arguments: [("key".to_owned(), "terraform.tfstate".into())]
                .into_iter()
                .collect(),
        },
        terraform: ToolRecord {
            name: "Terraform".to_owned(),
            version: "1.11.4".to_owned(),
        },
        lock_file: Some("a".repeat(64)),
        files: one("dev/main.tf"),
        uncommitted: BTreeMap::new(),
        variables: one("greeting"),
        environment: BTreeMap::new(),
    }
}

pub(super) fn record() -> BundleRecord {
    BundleRecord {
        schema: SCHEMA,
        tfw_version: "0.1.0".to_owned(),
        created: "2026-01-01T00:00:00Z".to_owned(),
        project: None,
        selection: vec!["--all".to_owned()],
        commit: None,
        salt: Salt::new(),
        units: vec![UnitRecord {
            unit: "dev/app".parse().expect("a unit"),
            changes: Changes::default(),
            provisional: false,
            plan: Some(PlanRecord {
                file: "dev.app.tfplan".to_owned(),
                sha256: "b".repeat(64),
            }),
            state: Some(StateMark {
                lineage: "l".to_owned(),
                serial: 1,
            }),
            basis: basis(),
        }],
        left_out: vec![LeftOut {
            unit: "dev/eks".parse().expect("a unit"),
            reason: "provisional".to_owned(),
        }],
    }
}
