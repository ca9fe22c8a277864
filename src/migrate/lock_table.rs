//! Whether a state that is locked by DynamoDB is free.
//!
//! tfw speaks no DynamoDB. `terraform force-unlock` does, and asked to release an id that nobody can
//! have it only looks: it names the lock that is there instead (Terraform 1.11.4). It works in a
//! data folder of its own, so that a look leaves `.terraform` as it is.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::copies::DATA_FILES;
use super::io_failure;
use crate::journal::{make_private_folder, write_private};
use crate::model::{Backend, Diagnostic, Workspace};
use crate::stage::SafeBackend;
use crate::stage::failure::Failure;
use crate::stage::guards;
use crate::stage::plugin_cache;
use crate::stage::record::Record;
use crate::stage::terraform_step::{self, Call, Surroundings, Variables};
use crate::terraform::backend_config;
use crate::terraform::command::{self, Init, InitBackend};

/// What it says of a lock with another id.
const HELD: &str = "does not match existing lock";
/// What it says where the table has no such item: it tries to read an empty document.
const FREE: &str = "unexpected end of JSON input";

/// Refuses while somebody holds the lock of one of these workspaces in the table.
///
/// # Errors
/// The refusal, or nobody could tell.
pub(super) async fn is_free(
    record: &mut Record<'_>,
    safe: &SafeBackend,
    place: &Backend,
    workspaces: &[Workspace],
    table: &str,
) -> Result<(), Failure> {
    let ctx = record.ctx;
    let folder = ctx.run.tfw().data(&record.unit.id).join("lock-table");
    make_private_folder(&folder)?;
    initialise(record, safe, place, table, &folder).await?;
    for workspace in workspaces {
        look(record, safe, workspace, table, &folder).await?;
    }
    fs::remove_dir_all(&folder).map_err(|error| io_failure("remove", &ctx.shown(&folder), &error))
}

/// Sets Terraform up for the place, with the table. The backend is set up before anything is
/// installed, so that a provider which cannot be had does no harm here.
async fn initialise(
    record: &mut Record<'_>,
    safe: &SafeBackend,
    place: &Backend,
    table: &str,
    folder: &Path,
) -> Result<(), Failure> {
    let ctx = record.ctx;
    let mut arguments = guards::arguments(place)?;
    arguments.insert("dynamodb_table".to_owned(), Value::String(table.to_owned()));
    arguments.insert("use_lockfile".to_owned(), Value::Bool(false));
    let config = folder.join("lock-table.tfbackend");
    write_private(&config, backend_config::render(&arguments).as_bytes())?;
    let init = Init {
        backend: InitBackend::File {
            config,
            reconfigure: true,
        },
        json: ctx.terraform()?.init_prints_json(),
    };
    let cache = plugin_cache::choose(ctx, record.unit).await?;
    let surroundings = Surroundings {
        data_dir: folder,
        plugin_cache: cache.folder(),
        variables: &Variables::default(),
    };
    let call = Call::new(command::init(&init));
    let finished = terraform_step::run(record, safe.account(), surroundings, call).await?;
    if !folder.join(DATA_FILES[0]).exists() {
        return Err(finished.failure("terraform init"));
    }
    Ok(())
}

async fn look(
    record: &mut Record<'_>,
    safe: &SafeBackend,
    workspace: &Workspace,
    table: &str,
    folder: &Path,
) -> Result<(), Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    write_private(&folder.join(DATA_FILES[1]), workspace.as_str().as_bytes())?;
    let log = ctx.run.log(&unit.id);
    let before = fs::metadata(&log).map_or(0, |metadata| metadata.len());
    let surroundings = Surroundings {
        data_dir: folder,
        plugin_cache: &plugin_cache::shared(ctx),
        variables: &Variables::default(),
    };
    let nobodys = format!("tfw-looks-{:016x}", fastrand::u64(..));
    let call = Call::new(command::force_unlock(&nobodys));
    terraform_step::run(record, safe.account(), surroundings, call).await?;
    let said = fs::read(&log).unwrap_or_default();
    let said = said.get(usize::try_from(before).unwrap_or(usize::MAX)..);
    let said = String::from_utf8_lossy(said.unwrap_or_default()).into_owned();
    if said.contains(HELD) {
        let field = |name: &str| {
            said.lines()
                .find_map(|line| line.trim().strip_prefix(name))
                .map_or_else(|| "?".to_owned(), |value| value.trim().to_owned())
        };
        return Err(Failure::refused(
            Diagnostic::error(format!(
                "the state of `{}` is locked in the DynamoDB table `{table}` by {} since {}",
                unit.id,
                field("Who:"),
                field("Created:")
            ))
            .with_detail(format!("lock id: {}", field("ID:")))
            .with_hint("wait until that is done, then run again"),
        ));
    }
    if said.contains(FREE) {
        return Ok(());
    }
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with('#')).collect();
    Err(Failure::failed(
        Diagnostic::error(format!(
            "cannot tell whether the state of `{}` is locked in the DynamoDB table `{table}`",
            unit.id
        ))
        .with_detail(lines.join("\n"))
        .with_hint("the credentials need `dynamodb:GetItem` on the table"),
    ))
}
