//! Terraform. git is looked at with what it tracks.

use crate::model::{Area, Check};
use crate::stage::Context;
use crate::terraform::{Binary, BinaryError, Terraform};

/// Whether there is a binary, and whether its version is one that may be used.
pub(super) async fn terraform(ctx: &Context, binary: Result<Binary, BinaryError>) -> Check {
    let binary = match binary {
        Ok(binary) => binary,
        Err(error) => {
            return Check::problem(Area::Tools, error.to_string()).with_hint(error.hint());
        }
    };
    let checked = Terraform::check(
        binary,
        ctx.project.terraform.version.as_deref(),
        ctx.units().any(|unit| unit.backend.uses_native_lock()),
        &ctx.run.tfw().cache(),
        &ctx.inherited,
        &ctx.signals,
    )
    .await;
    match checked {
        Ok(terraform) => Check::ok(
            Area::Tools,
            format!(
                "{} {} (`{}`)",
                terraform.name(),
                terraform.version(),
                terraform.path().display()
            ),
        ),
        Err(error) if ctx.signals.is_stopping() => Check::unknown(Area::Tools, error.to_string()),
        Err(error) => {
            let check = Check::problem(Area::Tools, error.to_string());
            match error.hint() {
                Some(hint) => check.with_hint(hint),
                None => check,
            }
        }
    }
}
