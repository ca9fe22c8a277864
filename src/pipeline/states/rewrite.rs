//! `tfw state rollback` and `push`: other states in the place of the current ones.
//!
//! What can be refused is refused for all units before the first is touched. Then one state after
//! the other is exchanged, each under its own lock.

use std::path::{Path, PathBuf};

use super::super::locks;
use super::backup::{Backup, BackupError};
use super::exchange::{self, Source, Wanted};
use super::versions::not_in_s3;
use crate::events::Phase;
use crate::model::{Backend, Diagnostic, Unit, Workspace, describe_io};
use crate::stage::Context;
use crate::stage::consent::Matter;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::state::RawState;

/// What takes the place of the current states.
#[derive(Debug, Clone)]
pub enum Replacement {
    /// One of the unit's versions: `latest~N`, a version id or a serial.
    Version(String),
    /// A file.
    File(PathBuf),
    /// What a backup has of each unit.
    Backup(Backup),
}

impl Replacement {
    fn doing(&self) -> &'static str {
        match self {
            Self::Version(_) => "rolling back the state",
            Self::File(_) | Self::Backup(_) => "pushing the state",
        }
    }

    /// What can be typed where Terraform alone knows the locks.
    fn by_terraform(&self, unit: &Unit) -> String {
        let unit = &unit.id;
        let push = |file: &str| {
            format!("`tfw exec {unit} -- state push {file}`, which takes Terraform's own lock")
        };
        match self {
            Self::Version(version) => format!(
                "`tfw state pull {unit} --version {version} > old.tfstate`, raise the `serial` in it above the current one, then {}",
                push("old.tfstate")
            ),
            Self::File(file) => push(&file.display().to_string()),
            Self::Backup(backup) => {
                let file = backup.of(unit).next();
                let file = file.map_or_else(String::new, |state| state.file.clone());
                push(&backup.folder().join(file).display().to_string())
            }
        }
    }

    /// What the lock is for.
    fn operation(&self) -> &'static str {
        match self {
            Self::Version(_) => "rollback",
            Self::File(_) | Self::Backup(_) => "push",
        }
    }
}

/// Replaces the states of the selected units; whether a plan of all of them shows what Terraform
/// would now do.
pub async fn replace(ctx: &Context, replacement: &Replacement) -> bool {
    let mut desks = Vec::new();
    for unit in ctx.units() {
        let mut record = Record::new(ctx, unit);
        record.replaces();
        let wanted = prepare(&record, replacement).await;
        desks.push((record, wanted));
    }
    let refused = desks.iter().find_map(|(record, wanted)| {
        let failure = wanted.as_ref().err()?;
        failure.is_refusal().then(|| record.unit.id.clone())
    });
    let (mut written, mut all) = (Vec::new(), true);
    for (mut record, wanted) in desks {
        let end = match (wanted, &refused) {
            (Err(failure), _) => Err(failure),
            (Ok(_), Some(refused)) => Err(Failure::not_started_beside(refused)),
            (Ok(_), None) if ctx.signals.is_stopping() => Err(Failure::not_started()),
            (Ok(wanted), None) => replace_all(&mut record, replacement, wanted).await,
        };
        all &= end.is_ok();
        let unit = &record.unit.id;
        // Also where another one of its states, or the lock, then failed.
        let outcome = record.finish(end);
        if outcome.replaced.is_some_and(|states| !states.is_empty()) {
            written.push(unit.to_string());
        }
    }
    if written.is_empty() {
        return false;
    }
    let is_whole = all && !ctx.signals.is_stopping();
    if !is_whole {
        let units = written.join(" ");
        let what = format!("`tfw plan {units}` shows what Terraform would now do");
        ctx.events.note(None, what);
    }
    is_whole
}

/// What can be told without asking S3, and what takes the place of the unit's states.
async fn prepare(record: &Record<'_>, replacement: &Replacement) -> Result<Vec<Wanted>, Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    if let Backend::Local(_) = unit.backend {
        return Err(not_in_s3(&unit.id));
    }
    locks::guard(unit, &replacement.by_terraform(unit))?;
    ctx.consent
        .can_obtain(Matter::Tfw, unit, replacement.doing())?;
    let own = || unit.backend.workspace().clone();
    match replacement {
        Replacement::Version(name) => Ok(vec![Wanted {
            workspace: own(),
            source: Source::Version(name.clone()),
        }]),
        Replacement::File(path) => Ok(vec![Wanted {
            workspace: own(),
            source: Source::File {
                raw: read(path).await?,
                path: path.clone(),
            },
        }]),
        Replacement::Backup(backup) => backup
            .of(&unit.id)
            .map(|state| {
                let (path, bytes) = backup.content(state).map_err(|error| of_backup(&error))?;
                let workspace = state.workspace.parse::<Workspace>();
                let workspace = workspace.map_err(|error| {
                    Failure::refused(
                        Diagnostic::error(format!(
                            "`{}` is of the workspace `{}`: {error}",
                            path.display(),
                            state.workspace
                        ))
                        .with_hint("take another backup, or correct its `manifest.json`"),
                    )
                })?;
                Ok(Wanted {
                    workspace,
                    source: Source::File {
                        raw: RawState::of_file(bytes),
                        path,
                    },
                })
            })
            .collect(),
    }
}

async fn read(path: &Path) -> Result<RawState, Failure> {
    match tokio::fs::read(path).await {
        Ok(bytes) => Ok(RawState::of_file(bytes)),
        Err(error) => Err(Failure::failed(
            Diagnostic::error(format!(
                "cannot read `{}`: {}",
                path.display(),
                describe_io(&error)
            ))
            .with_hint("name a file that `tfw state pull` wrote"),
        )),
    }
}

fn of_backup(error: &BackupError) -> Failure {
    match error {
        BackupError::Changed(_) => Failure::refused(error.to_diagnostic()),
        _ => Failure::failed(error.to_diagnostic()),
    }
}

async fn replace_all(
    record: &mut Record<'_>,
    replacement: &Replacement,
    states: Vec<Wanted>,
) -> Result<(), Failure> {
    record.phase(Phase::State);
    let (doing, operation) = (replacement.doing(), replacement.operation());
    for wanted in states {
        exchange::run(record, &wanted, doing, operation).await?;
    }
    Ok(())
}
