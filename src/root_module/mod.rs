//! What the HCL of a root module says that tfw must know before Terraform runs.
//!
//! Terraform stays the judge of its own language: this room reads only a few blocks (`terraform`,
//! `variable`, `module`, `provider`, and the types of resources), never evaluates an expression,
//! and leaves syntax errors to the caller, who lets `terraform init` report them in full.
//!
//! Files are taken as Terraform takes them: every `*.tf` and `*.tf.json`, then the override files
//! (`override.tf`, `*_override.tf`), whose blocks win. Of OpenTofu's `*.tofu` files each one stands
//! for the `*.tf` file of the same name.

mod edit;
mod error;
mod files;
mod hcl;
mod json;
mod part;
mod provider;
mod requirements;
mod tfvars;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub use edit::{BackendEdit, EditError, backend_edit};
pub use error::ReadError;
pub use files::{normalize, relative};
pub use provider::{Argument, ProviderBlock, ProviderRole};
pub use tfvars::{automatic_tfvars, read_tfvars};

use files::ConfigurationFile;
use part::Part;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u32,
}

/// A `backend "KIND" {}` block.
#[derive(Debug, Clone, PartialEq)]
pub struct BackendBlock {
    /// `s3`, `local`, …
    pub kind: String,
    /// Where the block begins.
    pub location: Location,
    /// What stands in it: plain values, and the text of any other expression.
    pub arguments: Map<String, Value>,
    /// The line of each argument.
    lines: BTreeMap<String, u32>,
}

impl BackendBlock {
    /// Where an argument stands.
    pub fn place_of(&self, argument: &str) -> Location {
        Location {
            line: *self.lines.get(argument).unwrap_or(&self.location.line),
            ..self.location.clone()
        }
    }
}

/// A `variable` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Where the block begins.
    pub location: Location,
    /// Whether it says `sensitive = true`.
    pub sensitive: bool,
    /// Whether it has no default.
    pub required: bool,
    /// Its type, as written.
    pub type_text: Option<String>,
}

/// A `module` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleCall {
    /// Where the block begins.
    pub location: Location,
    /// `source`, where it is a plain string.
    pub source: Option<String>,
    /// `version`, as written.
    pub version: Option<String>,
}

/// One folder of Terraform configuration, read.
#[derive(Debug, Clone)]
pub struct RootModule {
    /// The folder.
    pub folder: PathBuf,
    /// The backend block, where there is one.
    pub backend: Option<BackendBlock>,
    /// A `cloud {}` block, which excludes a backend block.
    pub cloud: Option<Location>,
    /// The variables that it declares.
    pub variables: BTreeMap<String, Variable>,
    /// Every `required_version`; all of them must hold.
    pub required_version: Vec<String>,
    /// `required_providers`: local name and what is required, in canonical text.
    pub required_providers: BTreeMap<String, String>,
    /// Local names of the providers that blocks use or imply (`aws_vpc` implies `aws`).
    pub used_providers: BTreeSet<String>,
    /// The modules that it calls.
    pub modules: BTreeMap<String, ModuleCall>,
    /// Its `provider` blocks, whatever they are of.
    pub providers: Vec<ProviderBlock>,
}

impl RootModule {
    /// Reads a folder.
    ///
    /// # Errors
    /// There is no such folder, or no configuration in it; a file cannot be read; or a file is not
    /// valid HCL or JSON, which is for the caller to ignore: Terraform explains it better.
    pub fn read(folder: &Path) -> Result<Self, ReadError> {
        Self::read_files(folder, |_| true)
    }

    /// Reads a module from the texts of its files, by name, which need not be in the folder any
    /// more.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn from_texts(folder: &Path, texts: &BTreeMap<String, String>) -> Result<Self, ReadError> {
        let names = texts.keys().cloned().collect();
        let text = |file: &Path| {
            let name = file.file_name().and_then(|name| name.to_str());
            let text = name.and_then(|name| texts.get(name));
            Ok(text.cloned().unwrap_or_default())
        };
        Self::of_files(folder, files::among(folder, names), text, |_| true)
    }

    /// The `provider` blocks of AWS's providers.
    pub fn aws_providers(&self) -> impl Iterator<Item = &ProviderBlock> {
        self.providers.iter().filter(|block| {
            let required = self.required_providers.get(&block.name);
            provider::is_of_aws(&block.name, required.map(String::as_str))
        })
    }

    /// The variables that a folder declares; files that hold no `variable` block are not parsed,
    /// which for many root modules makes the difference between tenths of a second and nothing.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub fn variables(folder: &Path) -> Result<BTreeMap<String, Variable>, ReadError> {
        let module = Self::read_files(folder, |text| text.contains("variable"))?;
        Ok(module.variables)
    }

    /// Reads those files of a folder whose text is `wanted`.
    fn read_files(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Self, ReadError> {
        let files = files::configuration(folder)?;
        Self::of_files(folder, files, files::read, wanted)
    }

    fn of_files(
        folder: &Path,
        files: Vec<ConfigurationFile>,
        read: impl Fn(&Path) -> Result<String, ReadError>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Self, ReadError> {
        if files.is_empty() {
            return Err(ReadError::NoConfiguration {
                folder: folder.to_owned(),
            });
        }
        let mut module = Self {
            folder: folder.to_owned(),
            backend: None,
            cloud: None,
            variables: BTreeMap::new(),
            required_version: Vec::new(),
            required_providers: BTreeMap::new(),
            used_providers: BTreeSet::new(),
            modules: BTreeMap::new(),
            providers: Vec::new(),
        };
        for file in files {
            let text = read(&file.path)?;
            if !wanted(&text) {
                continue;
            }
            let part = if file.is_json {
                json::part(&file.path, &text)?
            } else {
                hcl::part(&file.path, &text)?
            };
            module.take(part, file.is_override);
        }
        Ok(module)
    }

    /// The configuration files of this module and of the local modules below it.
    ///
    /// # Errors
    /// A folder cannot be listed.
    pub fn sources(&self) -> Result<Vec<PathBuf>, ReadError> {
        let mut sources = Vec::new();
        for folder in std::iter::once(self.folder.clone()).chain(self.local_modules()) {
            let files = files::configuration(&folder)?;
            sources.extend(files.into_iter().map(|file| file.path));
        }
        Ok(sources)
    }

    /// Whether a folder holds any configuration, without reading it.
    ///
    /// # Errors
    /// There is no such folder, or it cannot be listed.
    pub fn exists(folder: &Path) -> Result<bool, ReadError> {
        Ok(!files::configuration(folder)?.is_empty())
    }

    /// Adds what one file says; an override file replaces what it repeats.
    fn take(&mut self, part: Part, is_override: bool) {
        if part.backend.is_some() || part.cloud.is_some() {
            // A backend in an override file replaces a `cloud` block too, and the reverse.
            self.backend = part.backend;
            self.cloud = part.cloud;
        }
        if is_override && !part.required_version.is_empty() {
            self.required_version.clear();
        }
        self.required_version.extend(part.required_version);
        self.required_providers.extend(part.required_providers);
        self.used_providers.extend(part.used_providers);
        for (name, new) in part.variables {
            match self.variables.get_mut(&name).filter(|_| is_override) {
                Some(variable) => {
                    variable.required &= !new.has_default;
                    variable.sensitive = new.sensitive.unwrap_or(variable.sensitive);
                    variable.type_text = new.type_text.or(variable.type_text.take());
                }
                None => {
                    self.variables.insert(name, new.into());
                }
            }
        }
        for new in part.providers {
            let same =
                |own: &&mut ProviderBlock| (&own.name, &own.alias) == (&new.name, &new.alias);
            match self.providers.iter_mut().find(same).filter(|_| is_override) {
                Some(provider) => provider.overridden_by(new),
                None => self.providers.push(new),
            }
        }
        for (name, new) in part.modules {
            match self.modules.get_mut(&name).filter(|_| is_override) {
                Some(module) => {
                    module.source = new.source.or(module.source.take());
                    module.version = new.version.or(module.version.take());
                }
                None => {
                    self.modules.insert(name, new);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
