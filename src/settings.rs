//! From what was typed, the environment and the manifest to what a command works on.
//!
//! Parsing only validates; work happens on [`Settings`], in which everything is decided.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::thread;

use crate::env_vars::{EnvSnapshot, TFW_MANIFEST, TFW_TERRAFORM};
use crate::manifest::{self, Manifest, NotFound, Problems, SelectionError, SelectionRequest};
use crate::model::{Diagnostic, EnvironmentName, Project, UnitId, describe_io, nearest};
use crate::terraform::{Binary, BinaryError, Constraint, Unusable};

/// What was typed that concerns every command.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a> {
    /// `--manifest`.
    pub manifest: Option<&'a Path>,
    /// `--terraform`.
    pub terraform: Option<&'a str>,
}

/// The manifest, and what stands in for parts of it.
#[derive(Debug)]
pub struct Settings {
    /// The manifest, resolved.
    pub manifest: Manifest,
    /// Where tfw was started.
    pub working_dir: PathBuf,
    /// What to run: from `--terraform`, `$TFW_TERRAFORM` or the manifest, in this order.
    terraform: String,
}

/// Why a command cannot begin. Nothing was touched.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The working directory is gone.
    #[error("cannot tell the working directory: {0}")]
    WorkingDirectory(String),
    /// There is no manifest.
    #[error(transparent)]
    NoManifest(#[from] NotFound),
    /// The manifest has problems.
    #[error("the manifest has problems")]
    Manifest {
        /// All of them.
        problems: Box<Problems>,
        /// The manifest's folder.
        root: PathBuf,
    },
    /// The selection selects nothing, or something that does not exist.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// There is no Terraform.
    #[error(transparent)]
    NoTerraform(#[from] BinaryError),
    /// There is one, and it cannot be used.
    #[error(transparent)]
    Terraform(#[from] Unusable),
    /// A flag names something that the manifest does not have.
    #[error("`{flag} {value}`: there is no such {what}")]
    Unknown {
        /// `--approve`.
        flag: &'static str,
        /// What was given.
        value: String,
        /// "environment", "unit".
        what: &'static str,
        /// The nearest one that exists.
        nearest: Option<String>,
    },
}

impl SettingsError {
    /// The error as the report has it.
    pub fn to_diagnostics(&self) -> Vec<Diagnostic> {
        let hint = match self {
            Self::Manifest { problems, root } => return problems.to_diagnostics(root),
            Self::WorkingDirectory(_) => None,
            Self::NoManifest(error) => Some(error.hint().to_owned()),
            Self::Selection(error) => error.hint(),
            Self::NoTerraform(error) => Some(error.hint()),
            Self::Terraform(error) => error.hint(),
            Self::Unknown { nearest, .. } => nearest
                .as_ref()
                .map(|nearest| format!("did you mean `{nearest}`?")),
        };
        let diagnostic = Diagnostic::error(self.to_string());
        vec![match hint {
            Some(hint) => diagnostic.with_hint(hint),
            None => diagnostic,
        }]
    }
}

impl Settings {
    /// Finds and reads the manifest.
    ///
    /// # Errors
    /// There is none, or it has problems: then all of them.
    pub fn resolve(
        arguments: Arguments<'_>,
        environment: &EnvSnapshot,
    ) -> Result<Self, SettingsError> {
        let working_dir = std::env::current_dir()
            .map_err(|error| SettingsError::WorkingDirectory(describe_io(&error)))?;
        let path = manifest::find(
            arguments.manifest,
            environment.get(TFW_MANIFEST),
            &working_dir,
        )?;
        let manifest = manifest::load(&path, |constraint| {
            constraint
                .parse::<Constraint>()
                .map(drop)
                .map_err(|error| error.to_string())
        })
        .map_err(|problems| SettingsError::Manifest {
            problems: Box::new(problems),
            root: path.parent().unwrap_or(&working_dir).to_owned(),
        })?;
        let terraform = arguments
            .terraform
            .or_else(|| environment.get(TFW_TERRAFORM).and_then(OsStr::to_str))
            .unwrap_or(&manifest.project.terraform.binary)
            .to_owned();
        Ok(Self {
            manifest,
            working_dir,
            terraform,
        })
    }

    /// The project in the manifest.
    pub fn project(&self) -> &Project {
        &self.manifest.project
    }

    /// The units that were meant, as indices into the project's units.
    ///
    /// # Errors
    /// A pattern matches nothing, or there is no selection.
    pub fn select(&self, request: &SelectionRequest) -> Result<manifest::Selected, SettingsError> {
        Ok(manifest::select(self.project(), request)?)
    }

    /// Finds the binary; its version is looked at when the run has a folder to remember it in.
    ///
    /// # Errors
    /// There is none.
    pub fn binary(&self) -> Result<Binary, BinaryError> {
        Binary::find(&self.terraform, &self.project().root)
    }

    /// Units at once: the manifest's number, else the available cores, at least two.
    pub fn parallelism(&self) -> usize {
        let cores = || {
            thread::available_parallelism()
                .map_or(2, usize::from)
                .max(2)
        };
        self.project().terraform.parallelism.unwrap_or_else(cores)
    }

    /// The environments that `--approve` names.
    ///
    /// # Errors
    /// There is no environment of that name.
    pub fn approved(&self, names: &[String]) -> Result<BTreeSet<EnvironmentName>, SettingsError> {
        let known = || {
            self.project()
                .environments
                .iter()
                .map(|environment| &environment.name)
        };
        names
            .iter()
            .map(|name| {
                known()
                    .find(|known| known.as_str() == name)
                    .cloned()
                    .ok_or_else(|| SettingsError::Unknown {
                        flag: "--approve",
                        value: name.clone(),
                        what: "environment",
                        nearest: nearest(name, known().map(EnvironmentName::as_str)),
                    })
            })
            .collect()
    }

    /// The units that `--new-state` names.
    ///
    /// # Errors
    /// There is no unit of that name.
    pub fn new_states(&self, names: &[String]) -> Result<BTreeSet<UnitId>, SettingsError> {
        names
            .iter()
            .map(|name| {
                let mut ids = self.project().units.iter().map(|unit| &unit.id);
                ids.find(|id| id.to_string() == *name)
                    .cloned()
                    .ok_or_else(|| {
                        let known: Vec<String> = self
                            .project()
                            .units
                            .iter()
                            .map(|unit| unit.id.to_string())
                            .collect();
                        SettingsError::Unknown {
                            flag: "--new-state",
                            value: name.clone(),
                            what: "unit",
                            nearest: nearest(name, known.iter().map(String::as_str)),
                        }
                    })
            })
            .collect()
    }
}
