//! The environment of a Terraform child. Pure.
//!
//! Nothing that the person has in theirs may win over what tfw sets: credentials and what selects
//! them go, and the shared AWS files are replaced by an empty one. What tells how to reach AWS
//! (endpoints, proxies, `AWS_CA_BUNDLE`) stays.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::env_vars::{
    AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_EC2_METADATA_DISABLED, CHILD_REGION, EnvSnapshot,
    REMOVED_CREDENTIALS, REMOVED_TERRAFORM, SHARED_FILES, TF_CLI_ARGS_PREFIX, TF_DATA_DIR,
    TF_IN_AUTOMATION, TF_PLUGIN_CACHE_DIR, TF_VAR_PREFIX,
};
use crate::process::Variables;

/// Credentials as a child gets them.
#[derive(Debug, Clone)]
pub enum Delivered {
    /// The keys themselves.
    Keys {
        /// Not secret: it stands in AWS's logs.
        access_key_id: String,
        /// Secret.
        secret_access_key: SecretString,
        /// Secret; temporary credentials have one.
        session_token: Option<SecretString>,
    },
    /// Where they are to be had, as long as the run lasts.
    Endpoint {
        /// On this machine.
        url: String,
        /// Secret.
        token: SecretString,
    },
}

/// What a child is given besides what it inherits.
#[derive(Clone, Copy)]
pub struct ChildSettings<'a> {
    /// Its credentials; `None`: it gets none, and finds none.
    pub credentials: Option<&'a Delivered>,
    /// The unit's region.
    pub region: Option<&'a str>,
    /// A file that is there and empty, for the shared AWS files.
    pub empty_file: &'a Path,
    /// Terraform's data folder, where it is not the ordinary one.
    pub data_dir: Option<&'a Path>,
    /// The plugin cache that this child may use, whatever the person's own settings say.
    pub plugin_cache: &'a Path,
    /// Names and encoded values of input variables: see [`encode_variable`].
    pub vars: &'a BTreeMap<String, String>,
    /// `env` of the manifest.
    pub extra: &'a BTreeMap<String, String>,
}

impl fmt::Debug for ChildSettings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |pairs: &BTreeMap<String, String>| pairs.keys().cloned().collect::<Vec<_>>();
        f.debug_struct("ChildSettings")
            .field("credentials", &self.credentials)
            .field("region", &self.region)
            .field("empty_file", &self.empty_file)
            .field("data_dir", &self.data_dir)
            .field("plugin_cache", &self.plugin_cache)
            .field("vars", &names(self.vars))
            .field("extra", &names(self.extra))
            .finish()
    }
}

/// Settings of Terraform in tfw's own environment that no child gets: `TF_CLI_ARGS_plan`. Worth a
/// warning; an empty one is none.
pub fn removed_settings(inherited: &EnvSnapshot) -> Vec<String> {
    inherited
        .iter()
        .filter(|(name, value)| is_terraform_setting(name) && !value.is_empty())
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect()
}

/// Builds the environment of a child.
pub fn child_environment(inherited: &EnvSnapshot, settings: &ChildSettings) -> Variables {
    let own = own_variables(settings);
    let mut variables = Variables::default();
    for (name, value) in inherited.iter() {
        if !is_terraform_setting(name) && !is_credential(name) {
            variables.set(name, value);
        }
    }
    // The manifest's checks refuse reserved names; should one get here, it has no effect.
    for (name, value) in settings.extra {
        if !is_reserved(OsStr::new(name)) {
            variables.set(name, value);
        }
    }
    for (name, value) in own.iter() {
        variables.set(name, value);
    }
    variables
}

/// The value of `TF_VAR_NAME`: a string as it is, anything else as JSON, which Terraform reads as
/// an expression.
pub fn encode_variable(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What tfw sets.
fn own_variables(settings: &ChildSettings) -> Variables {
    let mut own = Variables::default();
    own.set(TF_IN_AUTOMATION, "1");
    own.set(AWS_EC2_METADATA_DISABLED, "true");
    for name in SHARED_FILES {
        own.set(name, settings.empty_file);
    }
    if let Some(region) = settings.region {
        for name in CHILD_REGION {
            own.set(name, region);
        }
    }
    match settings.credentials {
        Some(Delivered::Keys {
            access_key_id,
            secret_access_key,
            session_token,
        }) => {
            own.set("AWS_ACCESS_KEY_ID", access_key_id);
            own.set("AWS_SECRET_ACCESS_KEY", secret_access_key.expose_secret());
            if let Some(token) = session_token {
                own.set("AWS_SESSION_TOKEN", token.expose_secret());
            }
        }
        Some(Delivered::Endpoint { url, token }) => {
            own.set(AWS_CONTAINER_CREDENTIALS_FULL_URI, url);
            own.set("AWS_CONTAINER_AUTHORIZATION_TOKEN", token.expose_secret());
        }
        None => {}
    }
    if let Some(folder) = settings.data_dir {
        own.set(TF_DATA_DIR, folder);
    }
    own.set(TF_PLUGIN_CACHE_DIR, settings.plugin_cache);
    for (name, value) in settings.vars {
        own.set(format!("{TF_VAR_PREFIX}{name}"), value);
    }
    own
}

fn is_credential(name: &OsStr) -> bool {
    REMOVED_CREDENTIALS.iter().any(|removed| name == *removed)
}

fn is_terraform_setting(name: &OsStr) -> bool {
    REMOVED_TERRAFORM.iter().any(|removed| name == *removed)
        || name.to_string_lossy().starts_with(TF_CLI_ARGS_PREFIX)
}

/// Whether a name is tfw's, even in a child for which it sets no such variable.
fn is_reserved(name: &OsStr) -> bool {
    is_credential(name)
        || is_terraform_setting(name)
        || CHILD_REGION
            .iter()
            .chain(&SHARED_FILES)
            .any(|own| name == *own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings() -> ChildSettings<'static> {
        ChildSettings {
            credentials: None,
            region: Some("eu-west-1"),
            empty_file: Path::new("/p/.tfw/cache/empty"),
            data_dir: None,
            plugin_cache: Path::new("/p/.tfw/cache/plugins"),
            vars: const { &BTreeMap::new() },
            extra: const { &BTreeMap::new() },
        }
    }

    fn delivered() -> Delivered {
        Delivered::Keys {
            access_key_id: "ASIATFW".to_owned(),
            secret_access_key: SecretString::from("tfw-secret"),
            session_token: Some(SecretString::from("tfw-token")),
        }
    }

    fn value(environment: &Variables, name: &str) -> Option<String> {
        let value = environment.get(name)?;
        Some(value.to_string_lossy().into_owned())
    }

    #[test]
    fn no_inherited_credential_reaches_the_child() {
        let inherited: EnvSnapshot = REMOVED_CREDENTIALS
            .iter()
            .chain(&[
                "AWS_CONFIG_FILE",
                "AWS_SHARED_CREDENTIALS_FILE",
                "AWS_REGION",
            ])
            .map(|name| (*name, "hostile"))
            .collect();
        for credentials in [None, Some(&delivered())] {
            let environment = child_environment(
                &inherited,
                &ChildSettings {
                    credentials,
                    ..settings()
                },
            );
            assert!(
                environment.iter().all(|(_, value)| value != "hostile"),
                "{environment:?}"
            );
            assert_eq!(removed_settings(&inherited), Vec::<String>::new());
            assert_eq!(
                value(&environment, "AWS_CONFIG_FILE").as_deref(),
                Some("/p/.tfw/cache/empty")
            );
            assert_eq!(
                value(&environment, "AWS_EC2_METADATA_DISABLED").as_deref(),
                Some("true")
            );
        }
    }

    #[test]
    fn delivered_credentials_and_region_are_set() {
        let environment = child_environment(
            &EnvSnapshot::default(),
            &ChildSettings {
                credentials: Some(&delivered()),
                ..settings()
            },
        );
        for (name, expected) in [
            ("AWS_ACCESS_KEY_ID", "ASIATFW"),
            ("AWS_SECRET_ACCESS_KEY", "tfw-secret"),
            ("AWS_SESSION_TOKEN", "tfw-token"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("TF_PLUGIN_CACHE_DIR", "/p/.tfw/cache/plugins"),
        ] {
            assert_eq!(
                value(&environment, name).as_deref(),
                Some(expected),
                "{name}"
            );
        }
    }

    #[test]
    fn terraform_settings_are_removed_with_a_warning() {
        let inherited = EnvSnapshot::from_iter([
            ("TF_CLI_ARGS", "-lock=false"),
            ("TF_CLI_ARGS_plan", "-target=x"),
            ("TF_WORKSPACE", "other"),
            ("TF_DATA_DIR", ""),
            ("AWS_S3_ENDPOINT", "http://127.0.0.1:1"),
            ("TF_LOG", "debug"),
            ("TF_VAR_name", "person"),
        ]);
        let environment = child_environment(&inherited, &settings());
        assert_eq!(
            removed_settings(&inherited),
            [
                "AWS_S3_ENDPOINT",
                "TF_CLI_ARGS",
                "TF_CLI_ARGS_plan",
                "TF_WORKSPACE"
            ]
        );
        for gone in [
            "TF_CLI_ARGS",
            "TF_CLI_ARGS_plan",
            "TF_WORKSPACE",
            "TF_DATA_DIR",
            "AWS_S3_ENDPOINT",
        ] {
            assert_eq!(value(&environment, gone), None, "{gone}");
        }
        assert_eq!(value(&environment, "TF_LOG").as_deref(), Some("debug"));
        assert_eq!(
            value(&environment, "TF_VAR_name").as_deref(),
            Some("person")
        );
    }

    #[test]
    fn ways_to_reach_aws_are_kept() {
        let kept = [
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:5000"),
            ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:5001"),
            ("AWS_CA_BUNDLE", "/etc/ca.pem"),
            ("HTTPS_PROXY", "http://proxy:3128"),
            ("no_proxy", "localhost"),
            ("TF_CLI_CONFIG_FILE", "/home/me/.terraformrc"),
            ("PATH", "/usr/bin"),
        ];
        let environment = child_environment(&EnvSnapshot::from_iter(kept), &settings());
        for (name, expected) in kept {
            assert_eq!(
                value(&environment, name).as_deref(),
                Some(expected),
                "{name}"
            );
        }
    }

    #[test]
    fn the_manifest_may_add_but_not_set_what_tfw_sets() {
        let pair = |name: &str| (name.to_owned(), "manifest".to_owned());
        let extra = [
            "TF_LOG",
            "AWS_REGION",
            "AWS_PROFILE",
            "TF_CLI_ARGS_apply",
            "AWS_CONFIG_FILE",
            "TF_VAR_name",
            "TF_VAR_other",
        ]
        .map(pair);
        let environment = child_environment(
            &EnvSnapshot::default(),
            &ChildSettings {
                region: None,
                vars: &BTreeMap::from([("name".to_owned(), "vars".to_owned())]),
                extra: &BTreeMap::from(extra),
                ..settings()
            },
        );
        for reserved in ["AWS_REGION", "AWS_PROFILE", "TF_CLI_ARGS_apply"] {
            assert_eq!(value(&environment, reserved), None, "{reserved}");
        }
        assert_eq!(
            value(&environment, "AWS_CONFIG_FILE").as_deref(),
            Some("/p/.tfw/cache/empty")
        );
        assert_eq!(value(&environment, "TF_LOG").as_deref(), Some("manifest"));
        assert_eq!(value(&environment, "TF_VAR_name").as_deref(), Some("vars"));
        assert_eq!(
            value(&environment, "TF_VAR_other").as_deref(),
            Some("manifest")
        );
    }

    #[test]
    fn no_value_is_debug_printed() {
        let vars = BTreeMap::from([("db".to_owned(), "tfw-secret".to_owned())]);
        let credentials = delivered();
        let settings = ChildSettings {
            credentials: Some(&credentials),
            vars: &vars,
            ..settings()
        };
        let environment = child_environment(&EnvSnapshot::default(), &settings);
        let shown = format!("{environment:?} {settings:?}");
        assert!(shown.contains("TF_VAR_db"), "{shown}");
        assert!(!shown.contains("tfw-secret"), "{shown}");
        assert!(!shown.contains("tfw-token"), "{shown}");
    }

    #[test]
    fn variables_are_raw_strings_or_json() {
        assert_eq!(encode_variable(&json!("a \"b\" ${c}")), "a \"b\" ${c}");
        assert_eq!(encode_variable(&json!(["a", 1])), r#"["a",1]"#);
        assert_eq!(encode_variable(&json!({ "x": true })), r#"{"x":true}"#);
        assert_eq!(encode_variable(&json!(3)), "3");
    }
}
