//! What is looked at on disk before anything of a unit runs.
//!
//! Each guard stands against a way to lose a state that Terraform itself lets pass: with no
//! backend block it initialises a local state and exits 0; after a hand-typed
//! `init -reconfigure` it plans everything as new (Terraform 1.11.4).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::Context;
use super::failure::Failure;
use crate::model::{Backend, Diagnostic, Unit};
use crate::root_module::{BackendBlock, ReadError, RootModule};
use crate::terraform::backend_config::{self, BackendConfigError};
use crate::terraform::{Recorded, foreign_arguments};

/// Looks at a root module and what `.terraform` records before any init.
///
/// # Errors
/// A refusal with a hint, or a failure where the root module cannot be read.
pub(crate) fn check(ctx: &Context, unit: &Unit) -> Result<RootModule, Failure> {
    let module = read_module(ctx, unit)?;
    backend_block(ctx, unit, &module)?;
    if !matches!(unit.backend, Backend::Local(_)) {
        local_state(ctx, unit)?;
    }
    recorded_location(ctx, unit)?;
    Ok(module)
}

/// Reads the root module of a unit.
pub(crate) fn read_module(ctx: &Context, unit: &Unit) -> Result<RootModule, Failure> {
    RootModule::read(&unit.folder).map_err(|error| unreadable(ctx, unit, &error))
}

/// Refuses an apply over a state that an earlier apply could not save.
pub(crate) fn errored_state(ctx: &Context, unit: &Unit) -> Result<(), Failure> {
    let file = unit.folder.join("errored.tfstate");
    if !file.exists() {
        return Ok(());
    }
    Err(Failure::refused(
        Diagnostic::error(format!(
            "`{}` is a state that an earlier apply could not save; another apply would overwrite it",
            ctx.shown(&file)
        ))
        .with_hint(format!(
            "`tfw exec {} -- state push errored.tfstate` saves it; then remove the file",
            unit.id
        )),
    ))
}

fn unreadable(ctx: &Context, unit: &Unit, error: &ReadError) -> Failure {
    let mut diagnostic = Diagnostic::error(error.to_string());
    if let ReadError::Syntax {
        file,
        line,
        message,
    } = error
    {
        diagnostic = Diagnostic::error(format!("the root module is not valid: {message}"))
            .at(ctx.shown(file), Some(*line));
    }
    Failure::failed(diagnostic.with_hint(format!("`tfw validate {}` may say more", unit.id)))
}

/// Refuses a root module whose backend block is missing, of another type, or says otherwise than the
/// manifest.
pub(crate) fn backend_block(
    ctx: &Context,
    unit: &Unit,
    module: &RootModule,
) -> Result<(), Failure> {
    let kind = unit.backend.kind();
    let folder = ctx.shown(&unit.folder);
    if let Some(cloud) = &module.cloud {
        return Err(Failure::refused(
            Diagnostic::error(format!(
                "`{folder}` has a `cloud` block, and the manifest says `backend.type = \"{kind}\"`"
            ))
            .with_hint(format!("replace the block by `backend \"{kind}\" {{}}`"))
            .at(ctx.shown(&cloud.file), Some(cloud.line)),
        ));
    }
    match &module.backend {
        Some(block) if block.kind == kind => backend_arguments(ctx, unit, block),
        Some(block) => Err(Failure::refused(
            Diagnostic::error(format!(
                "`{folder}` has a backend block of type `{}`, and the manifest says `{kind}`",
                block.kind
            ))
            .with_detail("an init would leave the state where it is, or copy it unseen")
            .with_hint(format!(
                "`tfw migrate {}` moves the state and edits the block",
                unit.id
            ))
            .at(ctx.shown(&block.location.file), Some(block.location.line)),
        )),
        // Without a block Terraform uses the local backend: right when nothing else is asked for.
        None if matches!(&unit.backend, Backend::Local(local) if local.options.is_empty()) => {
            Ok(())
        }
        None => Err(Failure::refused(
            Diagnostic::error(format!("`{folder}` has no backend block"))
                .with_detail(
                    "Terraform would ignore the backend configuration and keep a local state",
                )
                .with_hint(format!(
                    "write `terraform {{ backend \"{kind}\" {{}} }}` where no state exists yet; \
                     `tfw migrate {}` moves one that does",
                    unit.id
                )),
        )),
    }
}

/// The arguments that Terraform is given for a backend.
///
/// # Errors
/// An option cannot be passed: it is a secret, or set twice.
pub(crate) fn arguments(backend: &Backend) -> Result<Map<String, Value>, Failure> {
    backend_config::arguments(backend).map_err(|error| unpassable(&error))
}

/// The same, for a root module with this backend block.
///
/// # Errors
/// As for [`arguments`].
pub(crate) fn arguments_beside(
    backend: &Backend,
    block: &BackendBlock,
) -> Result<Map<String, Value>, Failure> {
    backend_config::arguments_beside(backend, &block.arguments).map_err(|error| unpassable(&error))
}

fn unpassable(error: &BackendConfigError) -> Failure {
    Failure::failed(Diagnostic::error(error.to_string()).with_hint(error.hint()))
}

/// What the block says by itself is Terraform's to obey, and unknown to tfw.
fn backend_arguments(ctx: &Context, unit: &Unit, block: &BackendBlock) -> Result<(), Failure> {
    let foreign = foreign_arguments(&block.arguments, &unit.backend, &arguments(&unit.backend)?);
    if foreign.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(
        Diagnostic::error(format!(
            "the backend block of `{}` sets `{}` otherwise than the manifest",
            ctx.shown(&unit.folder),
            foreign.join("`, `")
        ))
        .with_detail("tfw would look for the state at another place, or in another name")
        .with_hint(format!(
            "remove it from the block; where it is right, say it in `backend` of `{}` in the manifest",
            unit.id
        ))
        .at(ctx.shown(&block.location.file), Some(block.location.line)),
    ))
}

/// A local state beside a remote backend: the state was never migrated.
fn local_state(ctx: &Context, unit: &Unit) -> Result<(), Failure> {
    let Some(file) = local_state_file(&unit.folder) else {
        return Ok(());
    };
    Err(Failure::refused(
        Diagnostic::error(format!(
            "`{}` is a local state, and the manifest says that the state lives in `{}`",
            ctx.shown(&file),
            unit.backend.kind()
        ))
        .with_detail("an init now would leave its resources behind, and plan them as new")
        .with_hint(format!("`tfw migrate {}` moves it, and proves it", unit.id)),
    ))
}

/// The first local state in a root module that is not empty, of any workspace.
pub(crate) fn local_state_file(folder: &Path) -> Option<PathBuf> {
    let workspaces = fs::read_dir(folder.join("terraform.tfstate.d"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("terraform.tfstate")));
    std::iter::once(folder.join("terraform.tfstate"))
        .chain(workspaces)
        .find(|file| fs::metadata(file).is_ok_and(|metadata| metadata.len() > 0))
}

/// What `.terraform` records against what the manifest says.
pub(crate) fn recorded_location(ctx: &Context, unit: &Unit) -> Result<(), Failure> {
    let data_dir = ctx.data_dir(unit);
    let recorded = Recorded::read(&data_dir, &unit.folder).map_err(|error| {
        Failure::failed(Diagnostic::error(error.to_string()).with_hint(error.hint()))
    })?;
    let differences = recorded.location_differences(&unit.backend);
    if differences.is_empty() {
        return Ok(());
    }
    let mut diagnostic = Diagnostic::error(format!(
        "`{}` is initialised for another state than the manifest's",
        ctx.shown(&data_dir)
    ));
    for difference in differences {
        diagnostic = diagnostic.with_detail(difference.to_string());
    }
    Err(Failure::refused(diagnostic.with_hint(format!(
        "`tfw migrate {}` moves the state; if the manifest's state is the right one already, remove `{}`",
        unit.id,
        ctx.shown(&data_dir)
    ))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_states_of_any_workspace_count_and_empty_ones_do_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |path: &str, content: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, content).expect("written");
        };
        write("terraform.tfstate", "");
        assert_eq!(local_state_file(folder.path()), None);
        write("terraform.tfstate.d/blue/terraform.tfstate", "{}");
        let found = local_state_file(folder.path()).expect("found");
        assert!(
            found.ends_with("terraform.tfstate.d/blue/terraform.tfstate"),
            "{found:?}"
        );
    }
}
