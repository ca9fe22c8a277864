//! `backend.options`: what may not stand there.

use serde_json::{Map, Value as Json};

use super::context::{Context, Reported};
use crate::manifest::problem::{Collector, Problem};
use crate::manifest::raw;

/// Arguments that carry a secret, of any backend. `-backend-config` would write them into
/// `.terraform/terraform.tfstate` and into every saved plan.
const SECRETS: [&str; 13] = [
    "access_key",
    "secret_key",
    "token",
    "password",
    "access_token",
    "client_secret",
    "client_certificate_password",
    "client_private_key_pem",
    "sas_token",
    "oidc_token",
    "encryption_key",
    "sse_customer_key",
    "security_token",
];

/// Arguments of the S3 backend that have a key of their own, or that tfw decides; and what to do.
const OWN_KEYS: [(&str, &str); 22] = [
    ("bucket", "set `backend.bucket`"),
    ("key", "set `backend.key`"),
    ("region", "set `backend.region`"),
    ("use_lockfile", "set `backend.use_lockfile`"),
    ("kms_key_id", "set `backend.kms_key_id`"),
    ("role_arn", "set `backend.role_arn`"),
    (
        "assume_role",
        "set `backend.role_arn`, or `assume_role` beside `backend`",
    ),
    ("use_path_style", "set `backend.use_path_style`"),
    ("force_path_style", "set `backend.use_path_style`"),
    ("workspace", "set `backend.workspace`"),
    (
        "encrypt",
        "take it out: tfw always sends `encrypt = true`, and it cannot be turned off",
    ),
    ("profile", "set `credentials.profile`"),
    ("shared_config_files", CREDENTIALS),
    ("shared_credentials_file", CREDENTIALS),
    ("shared_credentials_files", CREDENTIALS),
    ("assume_role_with_web_identity", CREDENTIALS),
    ("external_id", CREDENTIALS),
    ("session_name", CREDENTIALS),
    ("assume_role_duration_seconds", CREDENTIALS),
    ("assume_role_policy", CREDENTIALS),
    ("assume_role_policy_arns", CREDENTIALS),
    ("assume_role_tags", CREDENTIALS),
];

const CREDENTIALS: &str = "credentials come from `credentials` and `assume_role`";

/// Arguments of the `local` backend.
const LOCAL: [&str; 2] = ["path", "workspace_dir"];

/// Checks the options of one backend and hands them on.
pub(super) fn check(
    context: &Context<'_>,
    raw: &raw::Backend,
    kind: &str,
    problems: &mut Collector,
) -> Result<Map<String, Json>, Reported> {
    let mut result = Ok(());
    for (name, value) in &raw.options {
        let refusal = refusal(name, kind).or_else(|| refused_acl(name, value, kind));
        let Some((summary, hint)) = refusal else {
            continue;
        };
        result = Err(Reported);
        let leaf = context.leaf(&format!("backend.options.{name}"));
        let place = leaf.map_or(context.key, |leaf| leaf.key);
        problems.add_for(context.id, "backend.options", Some(place), |_| {
            Problem::error(summary).hint(hint)
        });
    }
    if context.is_invalid("backend.options")
        || context
            .invalid
            .iter()
            .any(|path| path.starts_with("backend.options."))
    {
        return Err(Reported);
    }
    result.map(|()| raw.options.clone())
}

/// S3 refuses any other ACL in a bucket whose ACLs are off
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html>).
fn refused_acl(name: &str, value: &Json, kind: &str) -> Option<(String, &'static str)> {
    let is_refused = kind == "s3" && name == "acl" && *value != "bucket-owner-full-control";
    is_refused.then(|| {
        (
            format!("S3 refuses states with `acl = {value}`: the bucket's ACLs are off"),
            "take it out; `bucket.allowed_principals` says who gets at the states",
        )
    })
}

fn refusal(name: &str, kind: &str) -> Option<(String, &'static str)> {
    if SECRETS.contains(&name) {
        let summary = format!("`{name}` is a secret and must not stand in a manifest");
        return Some((
            summary,
            match kind {
                "s3" => CREDENTIALS,
                _ => "give it to Terraform in the environment variable that this backend reads",
            },
        ));
    }
    match kind {
        "s3" => OWN_KEYS
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, hint)| (format!("`{name}` cannot stand in `backend.options`"), *hint)),
        "local" if !LOCAL.contains(&name) => Some((
            format!("the `local` backend has no argument `{name}`"),
            "it has `path` and `workspace_dir`",
        )),
        _ => None,
    }
}
