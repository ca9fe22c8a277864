//! What unit tests of this room share.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Backend, BucketSpec, CredentialsSpec, Encryption, S3Backend, Unit, Workspace};

/// A unit `dev` with its state in `s3://bkt/k/t.tfstate`.
pub(super) fn unit() -> Unit {
    Unit {
        id: "dev".parse().expect("valid"),
        folder: "/p/dev".into(),
        shares_folder: false,
        account_id: Some("123456789012".parse().expect("valid")),
        provider_assumes_role: false,
        extra_account_ids: Vec::new(),
        region: Some("eu-west-1".parse().expect("valid")),
        protected: false,
        tags: Vec::new(),
        depends_on: Vec::new(),
        backend: Backend::S3(Box::new(S3Backend {
            bucket: "bkt".parse().expect("valid"),
            key: "k/t.tfstate".parse().expect("valid"),
            region: "eu-west-1".parse().expect("valid"),
            workspace: Workspace::default(),
            use_lockfile: true,
            kms_key_id: None,
            role_arn: None,
            own_role: None,
            owner: "123456789012".parse().expect("valid"),
            caller: "123456789012".parse().expect("valid"),
            use_path_style: false,
            options: serde_json::Map::new(),
        })),
        bucket: BucketSpec::new(Encryption::Aes256),
        credentials: CredentialsSpec::default(),
        assume_role: Vec::new(),
        var_files: Vec::new(),
        vars: BTreeMap::new(),
        inputs: BTreeMap::new(),
        env: BTreeMap::new(),
        lock_timeout: Duration::ZERO,
    }
}
