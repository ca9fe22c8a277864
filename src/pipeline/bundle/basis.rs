//! What a plan rests on, as it is now.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::digest::Salt;
use super::record::{BackendRecord, Basis, ToolRecord};
use super::tree::Tree;
use crate::env_vars::TF_VAR_PREFIX;
use crate::model::sha256;
use crate::model::{Backend, Unit};
use crate::root_module::{ReadError, RootModule, automatic_tfvars, relative};
use crate::stage::Context;
use crate::stage::failure::Failure;
use crate::stage::guards;
use crate::stage::terraform_step::Variables;
use crate::terraform::LOCK_FILE;

/// The files that a unit's plan is made from.
#[derive(Debug)]
pub(super) struct Sources {
    /// The root module, and the local modules below it.
    pub(super) folders: BTreeSet<PathBuf>,
    /// Their configuration, and the files of variables.
    files: BTreeSet<PathBuf>,
    /// The variables that the root module declares.
    declared: BTreeSet<String>,
}

impl Sources {
    /// Finds them.
    pub(super) fn find(unit: &Unit) -> Result<Self, ReadError> {
        let module = RootModule::read(&unit.folder)?;
        let automatic = automatic_tfvars(&unit.folder).map_err(|source| ReadError::Io {
            file: unit.folder.clone(),
            source,
        })?;
        let mut files: BTreeSet<PathBuf> = module.sources()?.into_iter().collect();
        files.extend(automatic);
        files.extend(unit.var_files.iter().cloned());
        let mut folders: BTreeSet<PathBuf> = module.local_modules().into_iter().collect();
        folders.insert(unit.folder.clone());
        Ok(Self {
            folders,
            files,
            declared: module.variables.into_keys().collect(),
        })
    }

    /// Hashes of the files, by their way from the manifest's folder. One that cannot be read is
    /// as good as not there.
    pub(super) fn digests(&self, root: &Path, salt: &Salt) -> BTreeMap<String, String> {
        let readable = self.files.iter().filter_map(|file| {
            let name = relative(root, file).display().to_string();
            let digest = salt.digest(&name, &fs::read(file).ok()?);
            Some((name, digest))
        });
        readable.collect()
    }
}

/// Everything around the units that a basis is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) ctx: &'a Context,
    pub(super) salt: &'a Salt,
    pub(super) tree: &'a Tree,
    /// The bundle's own folder, which may lie in the repository.
    pub(super) bundle: &'a Path,
}

impl View<'_> {
    /// The basis of a unit.
    pub(super) fn basis(
        &self,
        unit: &Unit,
        sources: &Sources,
        variables: &Variables,
    ) -> Result<Basis, Failure> {
        let terraform = self.ctx.terraform()?;
        let lock_file = fs::read(unit.folder.join(LOCK_FILE)).ok();
        let roles = unit.assume_role.iter().map(|role| role.role_arn.clone());
        Ok(Basis {
            account_id: unit.account_id.clone(),
            region: unit.region.clone(),
            roles: roles.collect(),
            backend: self.backend(unit)?,
            terraform: ToolRecord {
                name: terraform.name().to_owned(),
                version: terraform.version().to_string(),
            },
            lock_file: lock_file.map(|bytes| sha256(&bytes)),
            files: sources.digests(&self.ctx.project.root, self.salt),
            uncommitted: self.uncommitted(sources),
            variables: self.digests(variables.iter()),
            environment: self.digests(self.environment(unit, sources, variables)),
        })
    }

    fn backend(&self, unit: &Unit) -> Result<BackendRecord, Failure> {
        let mut arguments = guards::arguments(&unit.backend)?;
        if matches!(unit.backend, Backend::Other(_)) {
            arguments = arguments
                .into_iter()
                .map(|(name, value)| {
                    let digest = self.salt.digest(&name, value.to_string().as_bytes());
                    (name, Value::String(digest))
                })
                .collect::<Map<_, _>>();
        }
        Ok(BackendRecord {
            kind: unit.backend.kind().to_owned(),
            workspace: unit.backend.workspace().to_string(),
            account_id: match &unit.backend {
                Backend::S3(s3) => Some(s3.owner.clone()),
                Backend::Local(_) | Backend::Other(_) => None,
            },
            arguments,
        })
    }

    /// What is not committed in the folders of a unit.
    pub(super) fn uncommitted(&self, sources: &Sources) -> BTreeMap<String, Option<String>> {
        let in_bundle = |path: &Path| {
            path.canonicalize()
                .is_ok_and(|path| path.starts_with(self.bundle))
        };
        let changed = self.tree.changed_in(&sources.folders).into_iter();
        changed
            .filter(|path| !in_bundle(path))
            .map(|path| {
                let name = relative(&self.ctx.project.root, path).display().to_string();
                let content = fs::read(path).ok();
                let digest = content.map(|content| self.salt.digest(&name, &content));
                (name, digest)
            })
            .collect()
    }

    /// What the child gets by its environment beside tfw's own: `env` of the manifest, and the
    /// person's own `TF_VAR_*` where the root module takes them and the manifest sets no other.
    fn environment(
        &self,
        unit: &Unit,
        sources: &Sources,
        variables: &Variables,
    ) -> BTreeMap<String, String> {
        let own = self.ctx.inherited.iter().filter_map(|(name, value)| {
            let name = name.to_str()?;
            let variable = name.strip_prefix(TF_VAR_PREFIX)?;
            let taken = sources.declared.contains(variable)
                && !variables.iter().any(|(set, _)| set == variable);
            taken.then(|| (name.to_owned(), value.to_string_lossy().into_owned()))
        });
        own.chain(unit.env.clone()).collect()
    }

    fn digests<N: AsRef<str>, V: AsRef<str>>(
        &self,
        values: impl IntoIterator<Item = (N, V)>,
    ) -> BTreeMap<String, String> {
        let digest = |(name, value): (N, V)| {
            let name = name.as_ref();
            (
                name.to_owned(),
                self.salt.digest(name, value.as_ref().as_bytes()),
            )
        };
        values.into_iter().map(digest).collect()
    }
}
