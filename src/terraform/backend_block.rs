//! The arguments that stand in a root module's own backend block.
//!
//! Terraform merges them with the generated file, so that one which is only in the block moves the
//! state, or reaches it as somebody else, and tfw would look at another place in another name.

use serde_json::{Map, Value};

use super::recorded::shown;
use crate::model::Backend;

/// Arguments of Terraform's S3 backend that say where the state is, or as whom it is reached; so do
/// all that begin with `assume_role` or `shared_`, and all endpoints.
const PLACE_AND_IDENTITY: [&str; 12] = [
    "bucket",
    "key",
    "region",
    "workspace_key_prefix",
    "endpoint",
    "endpoints",
    "profile",
    "access_key",
    "secret_key",
    "token",
    "role_arn",
    "sse_customer_key",
];

/// An argument of Terraform's S3 backend that should no longer be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obsolete {
    /// Its name.
    pub name: &'static str,
    /// What to write in its place; `None`: it is a secret, and belongs nowhere.
    pub instead: Option<&'static str>,
}

const IN_ASSUME_ROLE: &str = "`assume_role = { … }`";
const IN_ENDPOINTS: &str = "`endpoints = { … }`";

/// Deprecated since Terraform 1.6, which changed the S3 backend, or, the table, since 1.11, in which
/// the lock file was stable (their upgrade notes); and the keys, which Terraform writes in plaintext
/// into `.terraform` and into every saved plan.
const OBSOLETE: [(&str, Option<&str>); 19] = [
    ("dynamodb_table", Some("`use_lockfile = true`")),
    ("dynamodb_endpoint", Some("`use_lockfile = true`")),
    ("endpoint", Some(IN_ENDPOINTS)),
    ("iam_endpoint", Some(IN_ENDPOINTS)),
    ("sts_endpoint", Some(IN_ENDPOINTS)),
    ("force_path_style", Some("`use_path_style`")),
    (
        "shared_credentials_file",
        Some("`shared_credentials_files`"),
    ),
    ("role_arn", Some(IN_ASSUME_ROLE)),
    ("session_name", Some(IN_ASSUME_ROLE)),
    ("external_id", Some(IN_ASSUME_ROLE)),
    ("assume_role_duration_seconds", Some(IN_ASSUME_ROLE)),
    ("assume_role_policy", Some(IN_ASSUME_ROLE)),
    ("assume_role_policy_arns", Some(IN_ASSUME_ROLE)),
    ("assume_role_tags", Some(IN_ASSUME_ROLE)),
    ("assume_role_transitive_tag_keys", Some(IN_ASSUME_ROLE)),
    ("access_key", None),
    ("secret_key", None),
    ("token", None),
    ("sse_customer_key", None),
];

/// The obsolete arguments, and the secrets, among those of an S3 backend, in the order of the table.
pub fn obsolete_arguments(arguments: &Map<String, Value>) -> Vec<Obsolete> {
    let is_set = |name: &str| arguments.get(name).and_then(shown).is_some();
    let found = OBSOLETE.into_iter().filter(|(name, _)| is_set(name));
    found
        .map(|(name, instead)| Obsolete { name, instead })
        .collect()
}

/// The arguments of a block that are not the manifest's: those that it says otherwise, and those
/// that it does not say and that decide where the state is or as whom it is reached. `wanted` is
/// [`super::backend_config::arguments`].
pub fn foreign_arguments(
    block: &Map<String, Value>,
    backend: &Backend,
    wanted: &Map<String, Value>,
) -> Vec<String> {
    let is_foreign = |name: &str, value: &Value| match wanted.get(name) {
        Some(wanted) => shown(value) != shown(wanted),
        None => shown(value).is_some() && is_place_or_identity(backend, name),
    };
    block
        .iter()
        .filter(|(name, value)| is_foreign(name, value))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Whether an argument says where the state is, or as whom it is reached.
pub(super) fn is_place_or_identity(backend: &Backend, name: &str) -> bool {
    match backend {
        Backend::S3(_) => {
            PLACE_AND_IDENTITY.contains(&name)
                || name.starts_with("assume_role")
                || name.starts_with("shared_")
                || (name.ends_with("_endpoint") && name != "dynamodb_endpoint")
        }
        Backend::Local(_) => matches!(name, "path" | "workspace_dir"),
        // Only that backend knows, and tfw itself does not look there.
        Backend::Other(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LocalBackend, S3Backend, Workspace};
    use serde_json::json;

    fn s3() -> Backend {
        Backend::S3(Box::new(S3Backend {
            bucket: "bkt".parse().expect("valid"),
            key: "k/t.tfstate".parse().expect("valid"),
            region: "eu-west-1".parse().expect("valid"),
            workspace: Workspace::default(),
            use_lockfile: true,
            kms_key_id: None,
            role_arn: Some("arn:aws:iam::123456789012:role/x".parse().expect("valid")),
            own_role: None,
            owner: "123456789012".parse().expect("valid"),
            caller: "123456789012".parse().expect("valid"),
            use_path_style: true,
            options: Map::new(),
        }))
    }

    fn foreign(block: Value, backend: &Backend) -> Vec<String> {
        let Value::Object(block) = block else {
            panic!("a block is an object");
        };
        let wanted = crate::terraform::backend_config::arguments(backend).expect("valid");
        foreign_arguments(&block, backend, &wanted)
    }

    #[test]
    fn what_the_manifest_says_too_may_stand_in_the_block() {
        let same = json!({
            "bucket": "bkt", "region": "eu-west-1", "encrypt": true, "use_lockfile": "true",
            "assume_role": { "role_arn": "arn:aws:iam::123456789012:role/x", "duration": null },
            "profile": null, "dynamodb_table": "locks", "max_retries": 3,
        });
        assert!(foreign(same, &s3()).is_empty());
    }

    #[test]
    fn what_it_says_otherwise_may_not() {
        let other = json!({
            "bucket": "other", "encrypt": false,
            "assume_role": { "role_arn": "arn:aws:iam::123456789012:role/x", "external_id": "y" },
        });
        assert_eq!(foreign(other, &s3()), ["bucket", "encrypt", "assume_role"]);
    }

    #[test]
    fn obsolete_arguments_and_secrets_are_told_apart() {
        let Value::Object(block) = json!({
            "bucket": "b", "secret_key": "s", "dynamodb_table": "locks", "endpoint": null,
        }) else {
            panic!("a block is an object");
        };
        let found = obsolete_arguments(&block);
        let found: Vec<_> = found.iter().map(|each| (each.name, each.instead)).collect();
        assert_eq!(
            found,
            [
                ("dynamodb_table", Some("`use_lockfile = true`")),
                ("secret_key", None)
            ]
        );
    }

    #[test]
    fn what_decides_the_place_or_the_identity_must_be_the_manifests() {
        for name in [
            "workspace_key_prefix",
            "endpoints",
            "sts_endpoint",
            "profile",
            "token",
            "assume_role_with_web_identity",
            "shared_credentials_files",
        ] {
            assert_eq!(foreign(json!({ name: ["x"] }), &s3()), [name]);
        }
        let local = Backend::Local(LocalBackend::default());
        assert_eq!(foreign(json!({ "path": "elsewhere" }), &local), ["path"]);
    }
}
