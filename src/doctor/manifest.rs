//! The manifest, which had no problems when this is asked, but may say what is out of date.

use super::findings::grouped;
use crate::model::{Area, Backend, Check, Unit};
use crate::stage::Context;
use crate::terraform::obsolete_arguments;

pub(super) fn look(ctx: &Context) -> Vec<Check> {
    let obsolete = grouped(ctx.units().flat_map(|unit| obsolete_options(ctx, unit)));
    if !obsolete.is_empty() {
        return obsolete;
    }
    let counted = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    vec![Check::ok(
        Area::Manifest,
        format!(
            "`{}` with {}, {}",
            ctx.shown(&ctx.project.manifest),
            counted(ctx.project.environments.len(), "environment"),
            counted(ctx.project.units.len(), "unit")
        ),
    )]
}

/// Arguments of the backend that the manifest passes on, and Terraform no longer wants.
fn obsolete_options(ctx: &Context, unit: &Unit) -> Vec<Check> {
    let Backend::S3(s3) = &unit.backend else {
        return Vec::new();
    };
    let found = obsolete_arguments(&s3.options);
    let checks = found.into_iter().filter_map(|obsolete| {
        let instead = obsolete.instead?;
        let message = format!(
            "`{}` sets `{}` in `backend.options`, which is obsolete",
            ctx.shown(&ctx.project.manifest),
            obsolete.name
        );
        let hint = match obsolete.name {
            "dynamodb_table" | "dynamodb_endpoint" => format!(
                "take it out as soon as nobody locks by the table: S3's own lock ({instead}) is the default"
            ),
            _ => format!("write {instead} in its place"),
        };
        Some(Check::warning(Area::Manifest, message).with_hint(hint).of([&unit.id]))
    });
    checks.collect()
}
