//! What `terraform init` left in the data folder, and whether it is all still there.
//!
//! Two questions are asked of it. Before an init: is another place recorded than the manifest's?
//! Then state lies there, and a decision is needed. And when an init is to be skipped: does what
//! is on disk agree with what the fingerprint promises?

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::backend_block::is_place_or_identity;
use crate::model::describe_io;
use crate::model::{Backend, Workspace};

/// What a data folder (`.terraform`) records.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The backend that was initialised last; `None`: none was.
    pub backend: Option<RecordedBackend>,
    /// The workspace that is selected.
    pub workspace: String,
    /// What an init installed, or should have, and is not there.
    pub missing: Vec<Missing>,
}

/// A backend, as `.terraform/terraform.tfstate` records it.
#[derive(Clone, PartialEq, Deserialize)]
pub struct RecordedBackend {
    /// `s3`, `local`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// All its arguments; those that were not given are `null`. A hand-typed init may have left
    /// secrets here, so `Debug` shows names only.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// Terraform's hash of the backend block.
    #[serde(default)]
    pub hash: u64,
}

/// Something that an init would put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The folder of a module.
    Module {
        /// Its name in the configuration.
        key: String,
        /// Where it should be.
        folder: PathBuf,
    },
    /// A provider in the version of the lock file.
    Provider {
        /// Its address: `registry.terraform.io/hashicorp/aws`.
        address: String,
        /// The version.
        version: String,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module { key, folder } => {
                write!(f, "the folder `{}` of module `{key}`", folder.display())
            }
            Self::Provider { address, version } => write!(f, "provider `{address}` {version}"),
        }
    }
}

/// A setting that the manifest wants otherwise than it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `bucket`, `key`, `workspace` …
    pub setting: String,
    /// What is recorded; `None`: nothing.
    pub recorded: Option<String>,
    /// What the manifest wants; `None`: nothing.
    pub wanted: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: &Option<String>| {
            value
                .as_deref()
                .map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"))
        };
        write!(
            f,
            "{}: recorded {}, wanted {}",
            self.setting,
            show(&self.recorded),
            show(&self.wanted)
        )
    }
}

/// A file that says what is recorded cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    /// It cannot be read.
    #[error("`{}` cannot be read: {}", path.display(), describe_io(source))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not what Terraform writes.
    #[error("`{}` is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl RecordedError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => "check its permissions".to_owned(),
            Self::Damaged { path, .. } => format!(
                "look which backend it names, then delete `{}` and run `tfw init`",
                path.display()
            ),
        }
    }
}

impl Recorded {
    /// Reads a data folder of the root module in `root`. A folder that is not there records
    /// nothing.
    ///
    /// # Errors
    /// A file in it, or the root module's lock file, cannot be read or understood. Whether another
    /// place is recorded is not known then, so it must not count as "nothing".
    pub fn read(data_dir: &Path, root: &Path) -> Result<Self, RecordedError> {
        #[derive(Deserialize)]
        struct File {
            backend: Option<RecordedBackend>,
        }
        let file: Option<File> = json(&data_dir.join("terraform.tfstate"))?;
        let workspace = text(&data_dir.join("environment"))?
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| Workspace::DEFAULT.to_owned());
        let mut missing = missing_modules(data_dir, root)?;
        missing.extend(missing_providers(data_dir, root)?);
        Ok(Self {
            // Terraform records the absence of a backend block as an empty type.
            backend: file
                .and_then(|file| file.backend)
                .filter(|backend| !backend.kind.is_empty()),
            workspace,
            missing,
        })
    }

    /// The settings that say where the state is, and differ from the manifest's: then state was
    /// left at the recorded place. Empty where nothing is recorded.
    pub fn location_differences(&self, wanted: &Backend) -> Vec<Difference> {
        let Some(recorded) = &self.backend else {
            return Vec::new();
        };
        let mut differences = Vec::new();
        let mut compare = |setting: &str, recorded: Option<String>, wanted: Option<String>| {
            if recorded != wanted {
                differences.push(Difference {
                    setting: setting.to_owned(),
                    recorded,
                    wanted,
                });
            }
        };
        if recorded.kind != wanted.kind() {
            compare(
                "type",
                Some(recorded.kind.clone()),
                Some(wanted.kind().to_owned()),
            );
            return differences;
        }
        compare(
            "workspace",
            Some(self.workspace.clone()),
            Some(wanted.workspace().to_string()),
        );
        let option = |name: &str| recorded.config.get(name).and_then(shown);
        match wanted {
            Backend::S3(s3) => {
                compare("bucket", option("bucket"), Some(s3.bucket.to_string()));
                compare("key", option("key"), Some(s3.key.to_string()));
                // An init by hand may have taken the region from the environment. A bucket has
                // one name and one region, so nothing is lost by looking past that.
                if let Some(region) = option("region") {
                    compare("region", Some(region), Some(s3.region.to_string()));
                }
                for name in ["workspace_key_prefix", "endpoint", "endpoints"] {
                    compare(name, option(name), s3.options.get(name).and_then(shown));
                }
            }
            Backend::Local(local) => {
                for name in ["path", "workspace_dir"] {
                    compare(name, option(name), local.options.get(name).and_then(shown));
                }
            }
            // Which of its arguments say where the state is, only that backend knows.
            Backend::Other(other) => {
                for (name, value) in &other.options {
                    compare(name, option(name), shown(value));
                }
            }
        }
        differences
    }

    /// Whether an init would find nothing to do: this backend is recorded with these arguments
    /// (of [`super::backend_config::arguments`]), none beside them says where the state is or as
    /// whom it is reached, the workspace is selected, and nothing is gone.
    pub fn agrees(&self, wanted: &Backend, arguments: &Map<String, Value>) -> bool {
        let Some(recorded) = &self.backend else {
            return false;
        };
        let foreign = |name: &str, value: &Value| {
            is_place_or_identity(wanted, name)
                && shown(value) != arguments.get(name).and_then(shown)
        };
        self.missing.is_empty()
            && self.location_differences(wanted).is_empty()
            && !recorded
                .config
                .iter()
                .any(|(name, value)| foreign(name, value))
            && arguments.iter().all(|(name, value)| {
                let recorded = recorded.config.get(name).unwrap_or(&Value::Null);
                contains(recorded, value)
            })
    }
}

impl fmt::Debug for RecordedBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.config.iter().filter(|(_, value)| !value.is_null());
        f.debug_struct("RecordedBackend")
            .field("kind", &self.kind)
            .field("config", &given.map(|(name, _)| name).collect::<Vec<_>>())
            .field("hash", &self.hash)
            .finish()
    }
}

/// A value for comparison and for people; nothing for what was not given, which Terraform records
/// as `null`, also inside of objects.
pub(super) fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Object(fields) => {
            let mut given: Vec<String> = fields
                .iter()
                .filter_map(|(name, value)| Some(format!("{name}={}", shown(value)?)))
                .collect();
            given.sort();
            (!given.is_empty()).then(|| given.join(", "))
        }
        other => Some(other.to_string()),
    }
}

/// Whether what was wanted stands in what is recorded. Terraform fills objects up with `null`, and
/// turns numbers and booleans that were given as strings into what the argument takes.
fn contains(recorded: &Value, wanted: &Value) -> bool {
    match (recorded, wanted) {
        (Value::Object(recorded), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, value)| contains(recorded.get(name).unwrap_or(&Value::Null), value)),
        (recorded, wanted) => shown(recorded) == shown(wanted),
    }
}

fn missing_modules(data_dir: &Path, root: &Path) -> Result<Vec<Missing>, RecordedError> {
    #[derive(Deserialize)]
    struct Manifest {
        #[serde(rename = "Modules", default)]
        modules: Vec<Module>,
    }
    #[derive(Deserialize)]
    struct Module {
        #[serde(rename = "Key")]
        key: String,
        /// Relative to the folder that Terraform runs in.
        #[serde(rename = "Dir")]
        dir: PathBuf,
    }
    let manifest: Option<Manifest> = json(&data_dir.join("modules").join("modules.json"))?;
    let modules = manifest
        .map(|manifest| manifest.modules)
        .unwrap_or_default();
    Ok(modules
        .into_iter()
        .map(|module| (module.key, root.join(module.dir)))
        .filter(|(_, folder)| !folder.is_dir())
        .map(|(key, folder)| Missing::Module { key, folder })
        .collect())
}

/// Providers lie at `providers/HOST/NAMESPACE/TYPE/VERSION/OS_ARCH`, and with a plugin cache that
/// last part is a link into the cache, which somebody may have cleaned.
fn missing_providers(data_dir: &Path, root: &Path) -> Result<Vec<Missing>, RecordedError> {
    let path = root.join(".terraform.lock.hcl");
    let Some(text) = text(&path)? else {
        return Ok(Vec::new());
    };
    let body: hcl_edit::structure::Body =
        text.parse()
            .map_err(|error: hcl_edit::parser::Error| RecordedError::Damaged {
                problem: format!("line {}: {}", error.location().line(), error.message()),
                path: path.clone(),
            })?;
    let mut missing = Vec::new();
    for block in body.get_blocks("provider") {
        let address = block.labels.first().map(|label| label.as_str().to_owned());
        let version = block
            .body
            .get_attribute("version")
            .and_then(|version| version.value.as_str().map(str::to_owned));
        let (Some(address), Some(version)) = (address, version) else {
            continue;
        };
        let folder = data_dir.join("providers").join(&address).join(&version);
        if !has_platform(&folder) {
            missing.push(Missing::Provider { address, version });
        }
    }
    Ok(missing)
}

/// Whether a folder of a provider's version has a package that is really there. Which platform
/// Terraform was built for, only Terraform knows: it may run under an emulation.
fn has_platform(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| {
        entries
            .filter_map(Result::ok)
            // Follows links, so that a link to nowhere is none.
            .any(|entry| entry.path().is_dir())
    })
}

fn text(path: &Path) -> Result<Option<String>, RecordedError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RecordedError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}

fn json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Option<T>, RecordedError> {
    let Some(text) = text(path)? else {
        return Ok(None);
    };
    // Terraform leaves an empty file behind in some cases; it reads it as none.
    if text.trim().is_empty() {
        return Ok(None);
    }
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| RecordedError::Damaged {
            path: path.to_owned(),
            problem: error.to_string(),
        })
}

#[cfg(test)]
mod tests;
