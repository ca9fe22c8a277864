//! What lies on disk, read once however many units use it.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::manifest::suggest::nearest;
use crate::root_module::{Location, ReadError, RootModule, automatic_tfvars, read_tfvars};

/// Names and where they are set.
pub(super) type Names = BTreeMap<String, Location>;

/// A folder that should be a root module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Folder {
    /// It holds configuration.
    RootModule,
    /// There is none.
    Missing,
    /// It holds no `.tf` file.
    NoConfiguration,
    /// Why it cannot be looked at.
    Unreadable(String),
}

/// The cache.
#[derive(Default)]
pub(super) struct Files {
    folders: HashMap<PathBuf, Folder>,
    declared: HashMap<PathBuf, Option<Rc<Names>>>,
    valid: HashMap<PathBuf, bool>,
    automatic: HashMap<PathBuf, Rc<Vec<PathBuf>>>,
    tfvars: HashMap<PathBuf, Option<Rc<Names>>>,
    is_file: HashMap<PathBuf, bool>,
}

impl Files {
    /// What a folder is.
    pub(super) fn folder(&mut self, folder: &Path) -> &Folder {
        remember(
            &mut self.folders,
            folder,
            |folder| match RootModule::exists(folder) {
                Ok(true) => Folder::RootModule,
                Ok(false) => Folder::NoConfiguration,
                Err(ReadError::NoFolder { .. }) => Folder::Missing,
                Err(error) => Folder::Unreadable(error.to_string()),
            },
        )
    }

    /// Whether all of a root module can be read.
    pub(super) fn is_valid(&mut self, folder: &Path) -> bool {
        *remember(&mut self.valid, folder, |folder| {
            RootModule::read(folder).is_ok()
        })
    }

    /// The variables that a root module declares; `None` where that cannot be told, because it is
    /// not valid HCL: Terraform reports that, and better.
    pub(super) fn declared(&mut self, folder: &Path) -> Option<Rc<Names>> {
        remember(&mut self.declared, folder, |folder| {
            let names = RootModule::variables(folder).ok()?.into_iter();
            Some(Rc::new(
                names
                    .map(|(name, variable)| (name, variable.location))
                    .collect(),
            ))
        })
        .clone()
    }

    /// The tfvars files that Terraform loads by itself from a folder.
    pub(super) fn automatic(&mut self, folder: &Path) -> Rc<Vec<PathBuf>> {
        remember(&mut self.automatic, folder, |folder| {
            Rc::new(automatic_tfvars(folder).unwrap_or_default())
        })
        .clone()
    }

    /// The names that a tfvars file sets; `None` where that cannot be told.
    pub(super) fn tfvars(&mut self, file: &Path) -> Option<Rc<Names>> {
        remember(&mut self.tfvars, file, |file| {
            read_tfvars(file).ok().map(Rc::new)
        })
        .clone()
    }

    /// Whether there is such a file.
    pub(super) fn is_file(&mut self, file: &Path) -> bool {
        *remember(&mut self.is_file, file, Path::is_file)
    }
}

fn remember<'m, T>(
    known: &'m mut HashMap<PathBuf, T>,
    path: &Path,
    find_out: impl FnOnce(&Path) -> T,
) -> &'m T {
    // Not `entry`: that would copy the path for every look-up.
    if !known.contains_key(path) {
        known.insert(path.to_owned(), find_out(path));
    }
    &known[path]
}

/// A name in the same folder that was probably meant.
pub(super) fn similar(path: &Path) -> Option<String> {
    let wanted = path.file_name()?.to_str()?;
    let names: Vec<String> = std::fs::read_dir(path.parent()?)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned)
}
