//! As whom the providers of a unit work.
//!
//! tfw proves whose credentials it hands to Terraform. What a `provider` block says by itself (a
//! role, a profile, keys) wins over them, so that it is read before anything runs, and once more
//! from the saved plan, which has the modules in it that an init has fetched. What is not literal
//! only Terraform can tell; that it was not checked is said.

mod identity;
mod judge;

use std::fs;
use std::path::Path;

use super::Context;
use super::failure::Failure;
use super::record::Record;
use crate::model::{AssumeRole, Diagnostic, Unit};
use crate::root_module::{RootModule, normalize};
use crate::terraform::modules_of_plan;

use identity::Identity;
use judge::{Findings, Judge, Place};

/// Holds the providers of a root module against the manifest, before anything runs.
///
/// # Errors
/// A refusal of all that is wrong, with file, line and what to write instead.
pub(crate) fn check(record: &mut Record<'_>, module: &RootModule) -> Result<(), Failure> {
    let findings = look(record.ctx, record.unit, module, Place::Root);
    tell(record, findings)
}

/// Holds the providers of all modules that a saved plan was made of against the manifest.
///
/// # Errors
/// A refusal, as of [`check`].
pub(crate) fn check_plan(record: &mut Record<'_>, plan: &Path) -> Result<(), Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    if unit.account_id.is_none() {
        return Ok(()); // as in `look`
    }
    let bytes = fs::read(plan).unwrap_or_default();
    let Ok(modules) = modules_of_plan(&bytes) else {
        record.diagnostic(
            Diagnostic::warning("not checked: as whom the providers of modules work")
                .with_detail("the saved plan cannot be read; OpenTofu may have encrypted it"),
        );
        return Ok(());
    };
    let mut findings = Findings::default();
    for mut planned in modules {
        // Most files of a large module say nothing of providers, and need not be parsed.
        planned.files.retain(|_, text| text.contains("provider"));
        let folder = normalize(&unit.folder.join(&planned.folder));
        // By now Terraform has read them all: what is left out has no providers.
        let Ok(module) = RootModule::from_texts(&folder, &planned.files) else {
            continue;
        };
        let place = match planned.key.as_str() {
            "" => Place::Root,
            _ => Place::Module,
        };
        findings.add(look(ctx, unit, &module, place));
    }
    tell(record, findings)
}

/// The chains of roles that the default providers of a unit assume by themselves, as far as they
/// are written out.
pub(crate) fn assumed_roles(unit: &Unit) -> Vec<Vec<AssumeRole>> {
    // What cannot be read is told by the guards of the commands that read it.
    let Ok(module) = RootModule::read(&unit.folder) else {
        return Vec::new();
    };
    let defaults = module.aws_providers().filter(|block| block.alias.is_none());
    let mut chains: Vec<Vec<AssumeRole>> = defaults
        .filter_map(|block| Identity::of(block).chain(unit))
        .collect();
    chains.sort();
    chains.dedup();
    chains
}

fn look(ctx: &Context, unit: &Unit, module: &RootModule, place: Place) -> Findings {
    // Of a unit without an account nothing is promised, and no credentials are handed to it.
    let Some(account) = &unit.account_id else {
        return Findings::default();
    };
    Judge::new(unit, account, &|path| ctx.shown(path)).module(module, place)
}

fn tell(record: &mut Record<'_>, findings: Findings) -> Result<(), Failure> {
    for warning in findings.warnings {
        record.diagnostic(warning);
    }
    let mut refusals = findings.refusals.into_iter();
    let Some(first) = refusals.next() else {
        return Ok(());
    };
    let mut failure = Failure::refused(first);
    failure.diagnostics.extend(refusals);
    Err(failure)
}

#[cfg(test)]
mod tests;
