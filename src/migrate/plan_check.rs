//! `--verify plan`: what Terraform would change must be the same before the move and after it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::value::RawValue;

use super::copies::DATA_FILES;
use super::io_failure;
use super::survey::Survey;
use crate::journal::{make_private_folder, write_private};
use crate::model::{Backend, Diagnostic};
use crate::process::Status;
use crate::root_module::RootModule;
use crate::stage::SafeBackend;
use crate::stage::failure::Failure;
use crate::stage::guards;
use crate::stage::inputs::{self, Missing};
use crate::stage::plugin_cache;
use crate::stage::record::Record;
use crate::stage::terraform_step::{self, Call, Surroundings};
use crate::state::content_hash;
use crate::terraform::backend_config;
use crate::terraform::command::{self, Init, InitBackend, Plan, PlanMode};

/// What of a plan says what would happen.
const CHANGES: [&str; 2] = ["resource_changes", "output_changes"];

/// The hash of what a plan from the source would change, made with the root module as it is and a
/// data folder of its own.
///
/// # Errors
/// The backend block does not lead to the source, or the plan fails.
pub(super) async fn baseline(
    record: &mut Record<'_>,
    survey: &Survey,
    safe: &SafeBackend,
) -> Result<String, Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    let module = guards::read_module(ctx, unit)?;
    let backend = leads_to(record, &module, survey)?;
    let folder = ctx.run.tfw().data(&unit.id).join("baseline");
    make_private_folder(&folder)?;
    write_private(
        &folder.join(DATA_FILES[1]),
        unit.backend.workspace().as_str().as_bytes(),
    )?;
    let cache = plugin_cache::choose(ctx, unit).await?;
    let surroundings = Surroundings {
        data_dir: &folder,
        plugin_cache: cache.folder(),
        variables: &terraform_step::Variables::default(),
    };
    let init = Init {
        backend,
        json: ctx.terraform()?.init_prints_json(),
    };
    terraform_step::run(
        record,
        safe.account(),
        surroundings,
        Call::new(command::init(&init)),
    )
    .await?
    .succeeded("terraform init")?;
    cache.adopt(&folder)?;
    let hash = plan(record, safe, &folder).await?;
    fs::remove_dir_all(&folder)
        .map_err(|error| io_failure("remove", &ctx.shown(&folder), &error))?;
    Ok(hash)
}

/// Plans again, from the destination, and compares.
///
/// # Errors
/// The plan fails, or would change something else.
pub(super) async fn same_as(
    record: &mut Record<'_>,
    safe: &SafeBackend,
    baseline: &str,
) -> Result<(), Failure> {
    let data_dir = record.ctx.data_dir(record.unit);
    if plan(record, safe, &data_dir).await? == baseline {
        record.note("a plan before the move and one after it would change the same");
        return Ok(());
    }
    Err(Failure::failed(
        Diagnostic::error(format!(
            "a plan of `{}` would change something else after the move than before it",
            record.unit.id
        ))
        .with_hint("the log has both plans"),
    ))
}

/// How an init gets to the source by the block that is there.
fn leads_to(
    record: &Record<'_>,
    module: &RootModule,
    survey: &Survey,
) -> Result<InitBackend, Failure> {
    let kind = module.backend.as_ref().map_or("local", |block| &block.kind);
    if kind != survey.from.kind() {
        return Err(Failure::refused(
            Diagnostic::error(format!(
                "`--verify plan` cannot plan `{}` before the move: its backend block is of type `{kind}`, and the state is in {}",
                record.unit.id,
                super::proposal::from(record, survey)
            ))
            .with_hint("migrate without it, and run `tfw plan` afterwards"),
        ));
    }
    if matches!(survey.from, Backend::Local(_)) {
        return Ok(InitBackend::AsWritten);
    }
    let arguments = guards::arguments(&survey.from)?;
    let folder = record.ctx.run.tfw().data(&record.unit.id);
    make_private_folder(&folder)?;
    let config = folder.join("source.tfbackend");
    write_private(&config, backend_config::render(&arguments).as_bytes())?;
    Ok(InitBackend::File {
        config,
        reconfigure: true,
    })
}

async fn plan(
    record: &mut Record<'_>,
    safe: &SafeBackend,
    data_dir: &Path,
) -> Result<String, Failure> {
    record.phase(crate::events::Phase::Plan);
    let (ctx, unit) = (record.ctx, record.unit);
    let variables = inputs::variables(record, Missing::Fail).await?;
    let out = ctx.run.plan_file(&unit.id)?;
    let surroundings = Surroundings {
        data_dir,
        plugin_cache: &plugin_cache::shared(ctx),
        variables: &variables,
    };
    let mut arguments = command::plan(&Plan {
        mode: PlanMode::Normal,
        out: out.clone(),
        lock_timeout: unit.lock_timeout,
        var_files: unit.var_files.clone(),
    });
    // tfw holds the lock where there is one.
    arguments.push("-lock=false".into());
    let finished =
        terraform_step::run(record, safe.account(), surroundings, Call::new(arguments)).await?;
    if !matches!(finished.status, Status::Code(0 | 2)) {
        return Err(finished.failure("terraform plan"));
    }
    let call = Call::new(command::show(&out)).private();
    let shown = terraform_step::run(record, safe.account(), surroundings, call)
        .await?
        .succeeded("terraform show")?;
    crate::journal::remove_if_there(&out)?;
    changes(shown.private_output()).ok_or_else(|| {
        Failure::failed(Diagnostic::error(
            "`terraform show` printed no plan".to_owned(),
        ))
    })
}

/// The hash of what a plan would change.
fn changes(document: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(document).ok()?;
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
    let parts: Vec<String> = CHANGES
        .iter()
        .filter_map(|name| Some(format!("\"{name}\":{}", fields.get(*name)?.get())))
        .collect();
    content_hash(format!("{{{}}}", parts.join(",")).as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_change_counts() {
        let plan = |timestamp: &str, action: &str| {
            changes(
                format!(
                    r#"{{"timestamp":"{timestamp}","resource_changes":[{{"change":{{"actions":["{action}"]}}}}]}}"#
                )
                .as_bytes(),
            )
        };
        assert_eq!(plan("1", "update"), plan("2", "update"));
        assert_ne!(plan("1", "update"), plan("1", "no-op"));
        assert_eq!(changes(b"no plan"), None);
    }
}
