//! The file that tells Terraform its backend: `terraform init -backend-config=FILE`.
//!
//! What stands in it ends up in `.terraform/terraform.tfstate` and inside saved plans, in clear,
//! so no credential may: those come by the environment.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::model::{AssumeRole, Backend, S3Backend};

/// Options of a backend that cannot be passed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendConfigError {
    /// It would be stored in clear.
    #[error("the backend option `{name}` is a secret, and Terraform would store it in clear")]
    Secret {
        /// The option.
        name: String,
    },
    /// The manifest has a key of its own for it.
    #[error("the backend option `{name}` is set twice")]
    SetTwice {
        /// The option.
        name: String,
    },
    /// Terraform could not read it.
    #[error("`{name}` is not the name of a backend option")]
    InvalidName {
        /// The option.
        name: String,
    },
}

impl BackendConfigError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Secret { .. } => {
                "remove it: tfw passes credentials by the child's environment".to_owned()
            }
            Self::SetTwice { name } => {
                format!("remove `{name}` from `backend.options`: tfw sets it from `backend`")
            }
            Self::InvalidName { .. } => {
                "names are letters, digits, `_` and `-`, and begin with a letter".to_owned()
            }
        }
    }
}

/// Options of Terraform's S3 backend that are credentials.
const SECRETS: [&str; 5] = [
    "access_key",
    "secret_key",
    "token",
    "sse_customer_key",
    "assume_role_with_web_identity",
];

/// The accounts in whose name Terraform's S3 backend works; in any other it ends with an error.
const ALLOWED_ACCOUNTS: &str = "allowed_account_ids";

/// Options that make [`ALLOWED_ACCOUNTS`] the manifest's own business, or an error: Terraform takes
/// one list alone, and cannot check what it is not to ask.
const ACCOUNT_OPTIONS: [&str; 3] = [
    ALLOWED_ACCOUNTS,
    "forbidden_account_ids",
    "skip_requesting_account_id",
];

/// The arguments that tfw passes for a backend.
///
/// # Errors
/// An option is a secret, has no valid name, or is set twice.
pub fn arguments(backend: &Backend) -> Result<Map<String, Value>, BackendConfigError> {
    let (mut arguments, options) = match backend {
        Backend::S3(s3) => (s3_arguments(s3), &s3.options),
        Backend::Local(local) => (Map::new(), &local.options),
        Backend::Other(other) => (Map::new(), &other.options),
    };
    if let Backend::S3(s3) = backend
        && !ACCOUNT_OPTIONS.iter().any(|name| is_given(options, name))
    {
        // The account of the caller, whatever role it took (Terraform 1.11.4): not the bucket's.
        let caller = json!([s3.caller.as_str()]);
        arguments.insert(ALLOWED_ACCOUNTS.to_owned(), caller);
    }
    for (name, value) in options {
        let name = name.clone();
        if !is_identifier(&name) {
            return Err(BackendConfigError::InvalidName { name });
        }
        if matches!(backend, Backend::S3(_)) && SECRETS.contains(&name.as_str()) {
            return Err(BackendConfigError::Secret { name });
        }
        if arguments.contains_key(&name) {
            return Err(BackendConfigError::SetTwice { name });
        }
        arguments.insert(name, value.clone());
    }
    Ok(arguments)
}

/// The same, for a root module whose block has these arguments beside them.
///
/// # Errors
/// As for [`arguments`].
pub fn arguments_beside(
    backend: &Backend,
    block: &Map<String, Value>,
) -> Result<Map<String, Value>, BackendConfigError> {
    let mut arguments = arguments(backend)?;
    let excludes = |name: &&str| **name != *ALLOWED_ACCOUNTS && is_given(block, name);
    if ACCOUNT_OPTIONS.iter().any(excludes) {
        arguments.shift_remove(ALLOWED_ACCOUNTS);
    }
    Ok(arguments)
}

/// Whether an argument says something: `false` and nothing are what Terraform does anyway.
fn is_given(arguments: &Map<String, Value>, name: &str) -> bool {
    arguments
        .get(name)
        .is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
}

/// The text of the file with these [`arguments`].
pub fn render(arguments: &Map<String, Value>) -> String {
    let mut text = String::from("# Made by tfw for `terraform init -backend-config`.\n");
    for (name, value) in arguments {
        text.push_str(name);
        text.push_str(" = ");
        push_value(&mut text, value);
        text.push('\n');
    }
    text
}

fn s3_arguments(s3: &S3Backend) -> Map<String, Value> {
    let mut arguments = Map::new();
    let mut set = |name: &str, value: Value| {
        arguments.insert(name.to_owned(), value);
    };
    set("bucket", s3.bucket.as_str().into());
    set("key", s3.key.as_str().into());
    set("region", s3.region.as_str().into());
    set("encrypt", true.into());
    set("use_lockfile", s3.use_lockfile.into());
    if let Some(key) = &s3.kms_key_id {
        set("kms_key_id", key.as_str().into());
    }
    if s3.use_path_style {
        set("use_path_style", true.into());
    }
    if let Some(role) = &s3.role_arn {
        set("assume_role", json!({ "role_arn": role.as_str() }));
    } else if let Some(role) = &s3.own_role {
        set("assume_role", role_arguments(role));
    }
    arguments
}

/// A role as the backend takes it. An external id is no secret: it stands in trust policies.
fn role_arguments(role: &AssumeRole) -> Value {
    let mut arguments = Map::new();
    let given = [
        ("role_arn", Some(role.role_arn.as_str())),
        ("external_id", role.external_id.as_deref()),
        ("session_name", role.session_name.as_deref()),
        ("source_identity", role.source_identity.as_deref()),
        ("policy", role.policy.as_deref()),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            arguments.insert(name.to_owned(), value.into());
        }
    }
    if let Some(duration) = role.duration {
        let seconds = format!("{}s", duration.as_secs());
        arguments.insert("duration".to_owned(), seconds.into());
    }
    for (name, list) in [
        ("policy_arns", &role.policy_arns),
        ("transitive_tag_keys", &role.transitive_tag_keys),
    ] {
        if !list.is_empty() {
            arguments.insert(name.to_owned(), json!(list));
        }
    }
    if !role.tags.is_empty() {
        arguments.insert("tags".to_owned(), json!(role.tags));
    }
    Value::Object(arguments)
}

/// HCL's identifiers, as far as arguments of backends use them.
fn is_identifier(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

fn push_value(text: &mut String, value: &Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => text.push_str(&value.to_string()),
        Value::String(string) => push_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                text.push_str(if position == 0 { "" } else { ", " });
                push_value(text, item);
            }
            text.push(']');
        }
        Value::Object(fields) => {
            text.push('{');
            for (position, (name, field)) in fields.iter().enumerate() {
                text.push_str(if position == 0 { " " } else { ", " });
                push_string(text, name);
                text.push_str(" = ");
                push_value(text, field);
            }
            text.push_str(if fields.is_empty() { "}" } else { " }" });
        }
    }
}

/// A quoted template without any template in it:
/// <https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md#template-expressions>.
fn push_string(text: &mut String, string: &str) {
    text.push('"');
    let mut chars = string.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '$' | '%' if chars.peek() == Some(&'{') => {
                text.push(c);
                text.push(c);
            }
            c if c.is_control() => {
                // Writing to a string does not fail.
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LocalBackend, OtherBackend};

    fn s3(options: Value) -> S3Backend {
        let Value::Object(options) = options else {
            panic!("options are an object");
        };
        S3Backend {
            bucket: "acme-tfstate-dev".parse().expect("valid"),
            key: "network/terraform.tfstate".parse().expect("valid"),
            region: "eu-west-1".parse().expect("valid"),
            workspace: crate::model::Workspace::default(),
            use_lockfile: true,
            kms_key_id: None,
            role_arn: None,
            own_role: None,
            owner: "111111111111".parse().expect("valid"),
            caller: "111111111111".parse().expect("valid"),
            use_path_style: false,
            options,
        }
    }

    fn rendered(backend: S3Backend) -> Result<String, BackendConfigError> {
        arguments(&Backend::S3(Box::new(backend))).map(|arguments| render(&arguments))
    }

    #[test]
    fn an_s3_backend_is_always_encrypted() {
        assert_eq!(
            rendered(s3(json!({}))).expect("valid"),
            "# Made by tfw for `terraform init -backend-config`.\n\
             bucket = \"acme-tfstate-dev\"\n\
             key = \"network/terraform.tfstate\"\n\
             region = \"eu-west-1\"\n\
             encrypt = true\n\
             use_lockfile = true\n\
             allowed_account_ids = [\"111111111111\"]\n"
        );
    }

    #[test]
    fn everything_of_the_manifest_is_passed() {
        let mut backend = s3(json!({
            "endpoints": { "s3": "http://127.0.0.1:5000" },
            "max_retries": 3,
            "allowed_account_ids": ["111111111111"],
        }));
        backend.kms_key_id = Some("arn:aws:kms:eu-west-1:111111111111:key/x".to_owned());
        backend.role_arn = Some(
            "arn:aws:iam::222222222222:role/State"
                .parse()
                .expect("valid"),
        );
        backend.use_path_style = true;
        let text = rendered(backend).expect("valid");
        for line in [
            "kms_key_id = \"arn:aws:kms:eu-west-1:111111111111:key/x\"",
            "use_path_style = true",
            "assume_role = { \"role_arn\" = \"arn:aws:iam::222222222222:role/State\" }",
            "endpoints = { \"s3\" = \"http://127.0.0.1:5000\" }",
            "max_retries = 3",
            "allowed_account_ids = [\"111111111111\"]",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn the_account_of_the_caller_is_the_only_one_allowed() {
        let with = |options: Value, block: Value| {
            let mut backend = s3(options);
            backend.owner = "222222222222".parse().expect("valid");
            let backend = Backend::S3(Box::new(backend));
            let block = block.as_object().cloned().unwrap_or_default();
            let arguments = arguments_beside(&backend, &block).expect("valid");
            arguments.get("allowed_account_ids").cloned()
        };
        let own = Some(json!(["111111111111"]));
        assert_eq!(with(json!({}), json!({})), own);
        let off = json!({ "skip_requesting_account_id": false });
        assert_eq!(with(off.clone(), off), own);
        let others = json!(["111111111111", "222222222222"]);
        let given = json!({ "allowed_account_ids": others });
        assert_eq!(with(given.clone(), json!({})), Some(others));
        assert_eq!(with(json!({}), given), own);
        for excludes in [
            json!({ "forbidden_account_ids": ["333333333333"] }),
            json!({ "skip_requesting_account_id": true }),
        ] {
            assert_eq!(with(excludes.clone(), json!({})), None);
            assert_eq!(with(json!({}), excludes), None);
        }
    }

    #[test]
    fn a_role_that_is_left_to_terraform_is_passed_whole() {
        let mut backend = s3(json!({}));
        let arn = "arn:aws:iam::111111111111:role/Deploy";
        backend.own_role = Some(AssumeRole {
            external_id: Some("e/1".to_owned()),
            duration: Some(std::time::Duration::from_mins(30)),
            ..AssumeRole::new(arn.parse().expect("valid"))
        });
        let text = rendered(backend).expect("valid");
        let line = "assume_role = { \"role_arn\" = \"arn:aws:iam::111111111111:role/Deploy\", \"external_id\" = \"e/1\", \"duration\" = \"1800s\" }";
        assert!(text.lines().any(|found| found == line), "{text}");
    }

    #[test]
    fn strings_come_through_whatever_is_in_them() {
        let hostile = "a\"b\\c ${d} %{e} $${f} $ % \n\r\t \u{7} ü 漢";
        let text = rendered(s3(
            json!({ "note": hostile, "nested": { hostile: [hostile] } }),
        ))
        .expect("valid");
        let body: hcl_edit::structure::Body = text.parse().expect("HCL");
        let read = body.get_attribute("note").expect("there");
        // As hcl-edit reads a template without interpolations: literal parts, escapes resolved.
        let shown = match &read.value {
            hcl_edit::expr::Expression::String(string) => string.value().clone(),
            hcl_edit::expr::Expression::StringTemplate(template) => template
                .iter()
                .map(|element| match element {
                    hcl_edit::template::Element::Literal(literal) => literal.value().clone(),
                    other => panic!("interpolated: {other:?}"),
                })
                .collect(),
            other => panic!("not a string: {other:?}"),
        };
        // It keeps the escape of `${`; Terraform turns it into one sign.
        assert_eq!(
            shown.replace("$${", "${").replace("%%{", "%{"),
            hostile.replace("$${", "${")
        );
        assert!(text.contains("$${d} %%{e} $$${f}"), "{text}");
    }

    #[test]
    fn secrets_never_get_into_the_file() {
        for name in SECRETS {
            let error = rendered(s3(json!({ name: "x" }))).expect_err(name);
            assert!(
                matches!(error, BackendConfigError::Secret { .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn an_option_must_be_one_and_the_only_one() {
        let error = rendered(s3(json!({ "bucket": "other" }))).expect_err("twice");
        assert_eq!(
            error.to_string(),
            "the backend option `bucket` is set twice"
        );
        let error = rendered(s3(json!({ "a = 1\nbucket": "x" }))).expect_err("name");
        assert!(matches!(error, BackendConfigError::InvalidName { .. }));
    }

    #[test]
    fn other_backends_get_their_options() {
        let options = || {
            let mut options = Map::new();
            options.insert("path".to_owned(), "state/x.tfstate".into());
            options
        };
        let local = Backend::Local(LocalBackend {
            workspace: crate::model::Workspace::default(),
            options: options(),
        });
        assert!(
            render(&arguments(&local).expect("valid")).ends_with("path = \"state/x.tfstate\"\n")
        );
        let other = Backend::Other(OtherBackend {
            kind: "http".to_owned(),
            workspace: crate::model::Workspace::default(),
            options: options(),
        });
        assert!(render(&arguments(&other).expect("valid")).contains("path"));
    }
}
