//! Everything about Terraform that tfw must know: how it is found, called, fed and understood.
//!
//! Nothing here starts a process but [`version`]; the rest is argument lists, environments and
//! files that go in, and lines and documents that come out. OpenTofu is the same, but where said.

mod attributes;
mod backend_block;
pub mod backend_config;
mod binary;
pub mod command;
mod constraint;
pub mod diagnostics;
mod environment;
mod events;
mod hand_typed;
mod human;
mod lock_file;
mod plan_document;
mod recorded;
mod saved_plan;
mod version;

use std::path::Path;

use semver::Version;

use crate::env_vars::EnvSnapshot;
use crate::process::Signals;

pub use backend_block::{Obsolete, foreign_arguments, obsolete_arguments};
pub use binary::{Binary, BinaryError, Flavour};
pub use constraint::{Constraint, InvalidConstraint, VersionRefused};
pub use environment::{
    ChildSettings, Delivered, child_environment, encode_variable, removed_settings,
};
pub use events::{Collected, Fact, OutputReader, parse_validation};
pub use hand_typed::HandTyped;
pub use human::parse_human;
pub use lock_file::{LOCK_FILE, LockFile, LockFileError};
pub use plan_document::{PlanDocument, PlanDocumentError};
pub use recorded::{Difference, Recorded, RecordedBackend, RecordedError};
pub use saved_plan::{NotAPlan, PlannedModule, StateMark, modules_of_plan, state_of_plan};
pub use version::VersionError;

/// A binary whose version is one that may be used. Only [`Terraform::check`] makes it.
#[derive(Debug, Clone)]
pub struct Terraform {
    binary: Binary,
    version: Version,
}

/// Why a binary cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Its version is not known.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The manifest's constraint is none.
    #[error("`terraform.version`: {0}")]
    Constraint(#[from] InvalidConstraint),
    /// Its version is not allowed.
    #[error("`{}`: {cause}", binary.display())]
    Refused {
        /// The binary.
        binary: std::path::PathBuf,
        /// Why.
        cause: VersionRefused,
    },
}

impl Unusable {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Version(error) => error.hint(),
            Self::Constraint(error) => Some(error.hint()),
            Self::Refused { cause, .. } => Some(cause.hint()),
        }
    }
}

impl Terraform {
    /// Asks a binary for its version, or `cache`, and holds it against the manifest's constraint;
    /// with `native_lock` also against what S3's lock file needs.
    ///
    /// # Errors
    /// The version is not known, or not allowed.
    pub async fn check(
        binary: Binary,
        constraint: Option<&str>,
        native_lock: bool,
        cache: &Path,
        inherited: &EnvSnapshot,
        signals: &Signals,
    ) -> Result<Self, Unusable> {
        let constraint = constraint.map(str::parse::<Constraint>).transpose()?;
        let version = version::read(&binary, cache, inherited, signals).await?;
        let refused = |cause| Unusable::Refused {
            binary: binary.path.clone(),
            cause,
        };
        if let Some(constraint) = &constraint {
            constraint::gate(&version, constraint).map_err(refused)?;
        }
        if native_lock {
            constraint::gate_native_lock(&version).map_err(refused)?;
        }
        Ok(Self { binary, version })
    }

    /// The program.
    pub fn path(&self) -> &Path {
        &self.binary.path
    }

    /// `Terraform` or `OpenTofu`.
    pub fn name(&self) -> &'static str {
        self.binary.flavour.name()
    }

    /// Its version.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// Tells one binary from another: what it made may not suit the other.
    pub fn identity(&self) -> String {
        format!(
            "{} {} {}",
            self.binary.flavour.name(),
            self.version,
            self.binary.path.display()
        )
    }

    /// Whether its `init` prints JSON, with files and lines in its errors.
    pub fn init_prints_json(&self) -> bool {
        version::init_prints_json(self.binary.flavour, &self.version)
    }
}
