//! Root modules: their backend block against the manifest, and their providers' lock file.

use super::findings::{UNITS, grouped, of_failure};
use crate::model::{Area, Check, Unit};
use crate::root_module::{BackendBlock, RootModule};
use crate::stage::Context;
use crate::stage::guards;
use crate::terraform::{LOCK_FILE, LockFile, Obsolete, obsolete_arguments};

pub(super) fn look(ctx: &Context) -> Vec<Check> {
    grouped(ctx.units().flat_map(|unit| of_unit(ctx, unit)))
}

fn of_unit(ctx: &Context, unit: &Unit) -> Vec<Check> {
    let mut module = match guards::read_module(ctx, unit) {
        Ok(module) => module,
        Err(failure) => return of_failure(Area::Module, unit, &failure),
    };
    let lock_file = lock_file(unit, &module);
    let mut checks = obsolete(ctx, unit, &mut module);
    for guard in [
        guards::backend_block(ctx, unit, &module),
        guards::recorded_location(ctx, unit),
    ] {
        if let Err(failure) = guard {
            checks.extend(of_failure(Area::Module, unit, &failure));
        }
    }
    if checks.is_empty() {
        let well = "the backend block is as the manifest says";
        checks.push(Check::ok(Area::Module, well).of([&unit.id]));
    }
    checks.push(lock_file);
    checks
}

/// What should not stand in the backend block. Secrets are taken out of the `module`, so that
/// nobody is told to write them into the manifest.
fn obsolete(ctx: &Context, unit: &Unit, module: &mut RootModule) -> Vec<Check> {
    let Some(block) = module.backend.as_mut().filter(|block| block.kind == "s3") else {
        return Vec::new();
    };
    let found = obsolete_arguments(&block.arguments);
    let checks = found
        .iter()
        .map(|each| of_argument(ctx, unit, block, *each))
        .collect();
    for secret in found.iter().filter(|each| each.instead.is_none()) {
        block.arguments.remove(secret.name);
    }
    checks
}

fn of_argument(ctx: &Context, unit: &Unit, block: &BackendBlock, obsolete: Obsolete) -> Check {
    let Obsolete { name, instead } = obsolete;
    let place = block.place_of(name);
    let place = format!("{}:{}", ctx.shown(&place.file), place.line);
    let check = match instead {
        None => Check::problem(
            Area::Module,
            format!("{place}: `{name}` in the backend block is a secret in plaintext"),
        )
        .with_hint(
            "take it out, and make it worthless: Terraform has written it into `.terraform` and into saved plans",
        ),
        Some(instead) => {
            let message = format!("{place}: `{name}` in the backend block is obsolete");
            let hint = match name {
                "dynamodb_table" | "dynamodb_endpoint" => format!(
                    "take it out as soon as nobody locks by the table: tfw sends {instead}, unless the manifest says otherwise"
                ),
                _ => format!("take it out, or write {instead} in its place: tfw sends what the manifest says"),
            };
            Check::warning(Area::Module, message).with_hint(hint)
        }
    };
    check.of([&unit.id])
}

/// Without a lock file each init may choose other versions of providers.
fn lock_file(unit: &Unit, module: &RootModule) -> Check {
    let area = Area::LockFile;
    let check = match LockFile::read(&unit.folder) {
        Ok(Some(_)) => Check::ok(area, format!("`{LOCK_FILE}` is there")),
        Ok(None) if module.installed_providers().is_empty() => {
            Check::ok(area, "no provider to lock")
        }
        Ok(None) => Check::warning(
            area,
            format!("no `{LOCK_FILE}`: each init may choose other versions of providers"),
        )
        .with_hint(format!("`tfw init {UNITS}` writes it; commit it")),
        Err(error) => {
            let text = error.to_string();
            match text.split_once("\nhint: ") {
                Some((summary, hint)) => Check::problem(area, summary).with_hint(hint),
                None => Check::problem(area, text).with_hint("check its permissions"),
            }
        }
    };
    check.of([&unit.id])
}
