//! The values of one unit, each with the place that set it.

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::relative;
use crate::manifest::Manifest;
use crate::manifest::layers::{Entries, Layer, Leaf, Merged, find};
use crate::manifest::resolve::merged;
use crate::manifest::source::Span;
use crate::manifest::tree::{Entry, Table};
use crate::model::{Backend, Dependencies, Encryption, Unit, WebIdentity};

/// One resolved value.
pub(super) struct Shown {
    pub(super) name: String,
    pub(super) value: Json,
    pub(super) origin: Option<Origin>,
}

/// Where a value was written.
pub(super) struct Origin {
    /// `defaults`, `environments.dev`, …
    pub(super) table: String,
    pub(super) line: u32,
}

/// The values of one unit while they are collected.
pub(super) struct Sheet<'m> {
    manifest: &'m Manifest,
    unit: &'m Unit,
    environment: &'m Table,
    stack: Option<&'m Table>,
    merged: Entries<'m>,
    values: Vec<Shown>,
}

impl<'m> Sheet<'m> {
    pub(super) fn new(
        manifest: &'m Manifest,
        unit: &'m Unit,
        environment: &'m Table,
        stack: Option<&'m Table>,
    ) -> Self {
        Self {
            manifest,
            unit,
            environment,
            stack,
            merged: merged(&manifest.document, environment, stack),
            values: Vec::new(),
        }
    }

    /// All values of the unit, in the order of the design.
    pub(super) fn fill(mut self) -> Vec<Shown> {
        let unit = self.unit;
        let root = &self.manifest.project.root;
        self.own("path", json!(relative(&unit.folder, root)));
        self.of_environment("account_id", unit.account_id.as_ref().map(|id| json!(id)));
        self.inherited(
            "region",
            &["region"],
            unit.region.as_ref().map(|region| json!(region)),
        );
        self.of_environment("protected", Some(json!(unit.protected)));
        self.of_environment("tags", Some(json!(unit.tags)));
        self.dependencies();
        self.backend();
        let profile = unit
            .credentials
            .profile
            .as_ref()
            .map(|profile| json!(profile));
        self.inherited("credentials.profile", &["credentials", "profile"], profile);
        if let Some(mfa) = &unit.credentials.mfa {
            self.setting("credentials.mfa_serial", Some(json!(mfa.serial)));
            let process = (!mfa.process.is_empty()).then(|| json!(mfa.process));
            self.setting("credentials.mfa_process", process);
            let duration = json!(format!("{}s", mfa.session_duration.as_secs()));
            self.setting("credentials.session_duration", Some(duration));
        }
        let delivery = unit.credentials.delivery;
        let delivery = delivery.map(|delivery| json!(delivery.as_str()));
        self.setting("credentials.delivery", delivery);
        self.roles();
        if self.is_set(&["provider_assumes_role"]) {
            let by_itself = Some(json!(unit.provider_assumes_role));
            self.setting("provider_assumes_role", by_itself);
        }
        if self.is_set(&["extra_account_ids"]) {
            let accounts = Some(json!(unit.extra_account_ids));
            self.setting("extra_account_ids", accounts);
        }
        let files: Vec<String> = unit
            .var_files
            .iter()
            .map(|file| relative(file, root))
            .collect();
        self.inherited("var_files", &["var_files"], Some(json!(files)));
        for (name, value) in &unit.vars {
            self.entry("vars", name, value.clone());
        }
        for (name, value) in &unit.env {
            self.entry("env", name, json!(value));
        }
        let timeout = self
            .leaf(&["lock_timeout"])
            .and_then(|leaf| leaf.node.value.as_str());
        let timeout = timeout.filter(|text| !text.is_empty()).unwrap_or("0s");
        self.inherited("lock_timeout", &["lock_timeout"], Some(json!(timeout)));
        self.values
    }

    fn dependencies(&mut self) {
        let unit = self.unit;
        let environments = &self.manifest.project.environments;
        let own = environments
            .iter()
            .find(|own| own.name == unit.id.environment);
        if let Some(Dependencies::Explicit(names)) = own.map(|own| &own.depends_on) {
            let name = match unit.id.stack {
                Some(_) => "environment.depends_on",
                None => "depends_on",
            };
            let entry = self.environment.get("depends_on");
            self.push(
                name,
                Some(json!(names)),
                entry.map(|entry| self.environment_origin(&entry.key)),
            );
        }
        if unit.id.stack.is_some() {
            self.own("depends_on", json!(unit.depends_on));
        }
        let table = self.stack.unwrap_or(self.environment);
        let inputs = table
            .get("inputs")
            .and_then(|entry| entry.node.value.as_table());
        for (name, input) in &unit.inputs {
            let entry = inputs.and_then(|inputs| inputs.get(name.as_str()));
            let value = json!(format!("{}.{}", input.unit, input.output));
            let origin = entry.map(|entry| self.own_origin(&entry.key));
            self.push(&format!("inputs.{name}"), Some(value), origin);
        }
    }

    fn backend(&mut self) {
        let unit = self.unit;
        let kind = json!(unit.backend.kind());
        self.inherited("backend.type", &["backend", "type"], Some(kind));
        let workspace = Some(json!(unit.backend.workspace()));
        let options = match &unit.backend {
            Backend::S3(s3) => {
                self.setting("backend.bucket", Some(json!(s3.bucket)));
                self.setting("backend.key", Some(json!(s3.key)));
                self.first(
                    "backend.region",
                    json!(s3.region),
                    &[&["backend", "region"], &["region"]],
                );
                self.setting("backend.use_lockfile", Some(json!(s3.use_lockfile)));
                if let Some(key) = &s3.kms_key_id {
                    let places: &[&[&str]] = &[&["backend", "kms_key_id"], &["bucket", "kms_key"]];
                    self.first("backend.kms_key_id", json!(key), places);
                }
                self.setting("backend.workspace", workspace);
                self.setting(
                    "backend.role_arn",
                    s3.role_arn.as_ref().map(|role| json!(role)),
                );
                self.owner(json!(s3.owner));
                self.setting("backend.use_path_style", Some(json!(s3.use_path_style)));
                &s3.options
            }
            Backend::Local(local) => {
                self.setting("backend.workspace", workspace);
                &local.options
            }
            Backend::Other(other) => {
                self.setting("backend.workspace", workspace);
                &other.options
            }
        };
        for (name, value) in options {
            let path = ["backend", "options", name];
            self.inherited(&path.join("."), &path, Some(value.clone()));
        }
        if matches!(unit.backend, Backend::S3(_)) {
            let (encryption, key) = match &unit.bucket.encryption {
                Encryption::Aes256 => ("AES256", None),
                Encryption::Kms { key } => ("aws:kms", key.as_ref().map(|key| json!(key))),
            };
            self.setting("bucket.encryption", Some(json!(encryption)));
            self.setting("bucket.kms_key", key);
            self.bucket();
        }
    }

    /// What the bucket must be like beside its encryption, where the manifest says something.
    fn bucket(&mut self) {
        let unit = self.unit;
        let bucket = &unit.bucket;
        if bucket.create_kms_key {
            self.setting("bucket.create_kms_key", Some(json!(true)));
        }
        if !bucket.allowed_principals.is_empty() {
            let allowed = json!(bucket.allowed_principals);
            self.setting("bucket.allowed_principals", Some(allowed));
        }
        let days = bucket.noncurrent_days.map(|days| json!(days));
        self.setting("bucket.noncurrent_days", days);
        let logs = bucket.access_log_bucket.as_ref().map(|logs| json!(logs));
        self.setting("bucket.access_log_bucket", logs);
        for (name, value) in &bucket.tags {
            self.entry("bucket.tags", name, json!(value));
        }
        self.setting("bucket.force_tls", bucket.force_tls.map(|on| json!(on)));
    }

    /// The bucket's owner: set itself, or by the backend's role, or by the environment.
    fn owner(&mut self, owner: Json) {
        let places: [&[&str]; 2] = [&["backend", "account_id"], &["backend", "role_arn"]];
        if places.iter().any(|place| self.is_set(place)) {
            self.first("backend.account_id", owner, &places);
        } else {
            self.of_environment_as("backend.account_id", "account_id", Some(owner));
        }
    }

    fn roles(&mut self) {
        let is_chain = matches!(self.merged.get("assume_role"), Some(Merged::Leaf(_)));
        for (index, role) in self.unit.assume_role.iter().enumerate() {
            let duration = role
                .duration
                .map(|duration| json!(format!("{}s", duration.as_secs())));
            let (file, variable) = match &role.web_identity {
                Some(WebIdentity::File(file)) => (Some(json!(file)), None),
                Some(WebIdentity::Variable(name)) => (None, Some(json!(name))),
                None => (None, None),
            };
            for (key, value) in [
                ("role_arn", Some(json!(role.role_arn))),
                ("external_id", role.external_id.as_ref().map(|id| json!(id))),
                (
                    "session_name",
                    role.session_name.as_ref().map(|name| json!(name)),
                ),
                ("duration", duration),
                ("tags", some(&role.tags)),
                ("transitive_tag_keys", some(&role.transitive_tag_keys)),
                (
                    "source_identity",
                    role.source_identity.as_ref().map(|who| json!(who)),
                ),
                ("policy", role.policy.as_ref().map(|policy| json!(policy))),
                ("policy_arns", some(&role.policy_arns)),
                ("web_identity_token_file", file),
                ("web_identity_token_env", variable),
            ] {
                if is_chain {
                    self.inherited(
                        &format!("assume_role[{index}].{key}"),
                        &["assume_role"],
                        value,
                    );
                } else {
                    self.setting(&format!("assume_role.{key}"), value);
                }
            }
        }
    }

    /// A setting at the path that its name is.
    fn setting(&mut self, name: &str, value: Option<Json>) {
        let path: Vec<&str> = name.split('.').collect();
        self.inherited(name, &path, value);
    }

    fn inherited(&mut self, name: &str, path: &[&str], value: Option<Json>) {
        let origin = self
            .leaf(path)
            .filter(is_set)
            .map(|leaf| self.layer_origin(leaf));
        self.push(name, value, origin);
    }

    /// An entry of a table whose keys people choose: there, `""` is a value like any other.
    fn entry(&mut self, table: &str, name: &str, value: Json) {
        let origin = self
            .leaf(&table.split('.').chain([name]).collect::<Vec<_>>())
            .map(|leaf| self.layer_origin(leaf));
        self.push(&format!("{table}.{name}"), Some(value), origin);
    }

    /// A value that comes from the first of these places that is set.
    fn first(&mut self, name: &str, value: Json, places: &[&[&str]]) {
        let place = places.iter().find(|place| self.is_set(place));
        self.inherited(name, place.copied().unwrap_or_default(), Some(value));
    }

    fn is_set(&self, path: &[&str]) -> bool {
        self.leaf(path).is_some_and(|leaf| is_set(&leaf))
    }

    /// A key of the unit's own table.
    fn own(&mut self, name: &str, value: Json) {
        let table = self.stack.unwrap_or(self.environment);
        let origin = table.get(name).map(|entry| self.own_origin(&entry.key));
        self.push(name, Some(value), origin);
    }

    fn of_environment(&mut self, name: &str, value: Option<Json>) {
        self.of_environment_as(name, name, value);
    }

    fn of_environment_as(&mut self, name: &str, key: &str, value: Option<Json>) {
        let entry: Option<&Entry> = self.environment.get(key);
        let origin = entry.map(|entry| self.environment_origin(&entry.key));
        self.push(name, value, origin);
    }

    fn push(&mut self, name: &str, value: Option<Json>, origin: Option<Origin>) {
        self.values.extend(value.map(|value| Shown {
            name: name.to_owned(),
            value,
            origin,
        }));
    }

    fn leaf(&self, path: &[&str]) -> Option<Leaf<'m>> {
        find(&self.merged, path).and_then(Merged::latest)
    }

    fn layer_origin(&self, leaf: Leaf<'_>) -> Origin {
        match leaf.layer {
            Layer::Defaults => self.origin("defaults".to_owned(), leaf.key),
            Layer::Environment => self.environment_origin(leaf.key),
            Layer::Stack => self.own_origin(leaf.key),
        }
    }

    fn own_origin(&self, key: &Span) -> Origin {
        match &self.unit.id.stack {
            Some(stack) => {
                let environment = &self.unit.id.environment;
                self.origin(format!("environments.{environment}.stacks.{stack}"), key)
            }
            None => self.environment_origin(key),
        }
    }

    fn environment_origin(&self, key: &Span) -> Origin {
        self.origin(format!("environments.{}", self.unit.id.environment), key)
    }

    fn origin(&self, table: String, key: &Span) -> Origin {
        let (line, _) = self.manifest.source.position(key.start);
        Origin { table, line }
    }
}

/// A list or a table that is not empty.
fn some(value: &impl Serialize) -> Option<Json> {
    let value = json!(value);
    let is_empty = value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(serde_json::Map::is_empty);
    (!is_empty).then_some(value)
}

/// `""` unsets, so that what follows is the default.
fn is_set(leaf: &Leaf<'_>) -> bool {
    leaf.node.value.as_str() != Some("")
}
