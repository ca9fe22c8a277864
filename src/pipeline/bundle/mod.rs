//! Bundles: plans that are made once, reviewed, and applied exactly so, maybe elsewhere.
//!
//! `tfw plan --out DIR` writes a folder with one document, `bundle.json`, and the saved plan of
//! each unit that has changes. The document records what each plan rests on ([`record`]); it is
//! written last, so that a run which was broken off leaves no bundle. `tfw apply --from DIR` holds
//! all of that against the world before anything runs ([`check`]), and then lets the plans go the
//! way of every other plan: shown, asked about, applied, read back.
//!
//! A plan is tied to no checkout: Terraform keeps the paths of modules in it relative to the root
//! module, in whose folder tfw runs it. So a bundle may be applied from another clone of the same
//! commit, and nothing in the document is an absolute path.

mod apply;
mod basis;
mod check;
mod compare;
mod digest;
mod error;
mod record;
#[cfg(test)]
mod testing;
mod tree;
mod write;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::UnitId;
use record::{BundleRecord, UnitRecord};

pub use apply::apply_bundle;
pub(super) use apply::{Admitted, take_up};
pub(super) use check::AdoptedPlan;
pub use error::BundleError;
pub use write::{Draft, plan_bundle};

/// The document's name in the folder.
const DOCUMENT: &str = "bundle.json";

/// A bundle as it lies in its folder; nothing of it has been held against the world yet.
#[derive(Debug)]
pub struct Bundle {
    folder: PathBuf,
    record: BundleRecord,
}

impl Bundle {
    /// Reads the document of a bundle.
    ///
    /// # Errors
    /// There is none, or this tfw cannot work from it.
    pub fn read(folder: &Path) -> Result<Self, BundleError> {
        let file = folder.join(DOCUMENT);
        let bytes = fs::read(&file).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => BundleError::Absent {
                folder: folder.to_owned(),
            },
            _ => BundleError::Unreadable {
                file: file.clone(),
                source,
            },
        })?;
        let record = BundleRecord::parse(&bytes).map_err(|why| BundleError::NotABundle {
            file,
            why: why.to_string(),
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            record,
        })
    }

    /// Where it lies, as it was named.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The units that it has a record of.
    pub fn units(&self) -> impl Iterator<Item = &UnitId> {
        self.record.units.iter().map(|unit| &unit.unit)
    }

    fn unit(&self, id: &UnitId) -> Option<&UnitRecord> {
        self.record.units.iter().find(|unit| unit.unit == *id)
    }
}

/// The name of a unit's plan in the folder.
fn plan_name(unit: &UnitId) -> String {
    format!("{}.tfplan", unit.file_stem())
}
