//! What is looked at for all units before any of them is migrated: one refusal stops the run.

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use serde_json::Value;

use super::reading::older;
use super::survey::{self, Survey};
use super::{Options, lock_table, refusals, source};
use crate::journal::migration::{Place, Role};
use crate::journal::{FolderLock, Migration};
use crate::model::{Backend, Diagnostic, LocalBackend, Unit};
use crate::root_module::{BackendEdit, EditError, RootModule, backend_edit};
use crate::stage::Context;
use crate::stage::SafeBackend;
use crate::stage::backend;
use crate::stage::buckets::Absent;
use crate::stage::consent::Matter;
use crate::stage::failure::Failure;
use crate::stage::guards;
use crate::stage::provider_guard;
use crate::stage::record::Record;
use crate::stage::state_lock::LOCK_TABLE;
use crate::state::StateStore;
use crate::terraform::{Recorded, foreign_arguments};

/// What stands beside [`LOCK_TABLE`].
const LOCK_TABLE_ENDPOINT: &str = "dynamodb_endpoint";

/// What is to be done to one unit.
#[derive(Debug)]
pub(super) struct Plan {
    /// Nobody else works in the root module; `None` of a dry run.
    pub(super) turn: Option<Rc<FolderLock>>,
    /// The account; and the bucket, unless it is `new_bucket`.
    pub(super) safe: SafeBackend,
    /// Where the state is to be.
    pub(super) destination: Backend,
    /// The state bucket, where it is not there yet.
    pub(super) new_bucket: Option<String>,
    /// What is moved; `None`: the state is where it should be, or there is none.
    pub(super) survey: Option<Survey>,
    /// The backend block that the root module needs.
    pub(super) edit: Option<BackendEdit>,
    /// The DynamoDB table that is used no longer.
    pub(super) lock_table: Option<String>,
    /// The workspace that is selected, where it is another one than the manifest's and nothing else
    /// differs.
    pub(super) other_workspace: Option<String>,
    /// Local files that go when all is proven.
    pub(super) files: Vec<PathBuf>,
    /// A migration of the unit that was broken off.
    pub(super) unfinished: Option<Migration>,
}

/// A selected unit: what is known of it, and what is to be done.
pub(super) struct Desk<'c> {
    pub(super) record: Record<'c>,
    turn: Option<Rc<FolderLock>>,
    on_disk: Option<OnDisk>,
    safe: Option<SafeBackend>,
    pub(super) plan: Option<Plan>,
    pub(super) failure: Option<Failure>,
}

/// What can be seen without asking anybody.
#[derive(Debug)]
struct OnDisk {
    destination: Backend,
    source: Option<Place>,
    edit: Option<BackendEdit>,
    lock_table: Option<String>,
    other_workspace: Option<String>,
    unfinished: Option<Migration>,
}

/// Looks at all selected units. In a `dry_run` nothing is made, also no bucket.
pub(super) async fn look<'c>(ctx: &'c Context, options: &Options) -> Vec<Desk<'c>> {
    let mut desks: Vec<Desk<'c>> = Vec::new();
    let mut turns: HashMap<PathBuf, Rc<FolderLock>> = HashMap::new();
    for unit in ctx.units() {
        let mut record = Record::new(ctx, unit);
        record.migrates();
        // Before anything is looked at: a Terraform that has outlived its tfw may be moving still.
        let turn = match turns.get(&unit.folder) {
            Some(turn) => Ok(Some(Rc::clone(turn))),
            None if options.dry_run => Ok(None),
            None => take_turn(&record).await.map(Some),
        };
        if let Ok(Some(turn)) = &turn {
            turns.insert(unit.folder.clone(), Rc::clone(turn));
        }
        desks.push(Desk::new(record, turn, options));
    }
    if desks.iter().any(Desk::is_refused) {
        return desks;
    }
    prove(&mut desks).await;
    if desks.iter().any(Desk::is_refused) {
        return desks;
    }
    for desk in &mut desks {
        desk.survey(options).await;
    }
    desks
}

async fn take_turn(record: &Record<'_>) -> Result<Rc<FolderLock>, Failure> {
    let waiting = || record.note("waits for other work in the same root module");
    let turn = record.ctx.lock_folder(&record.unit.folder, waiting).await?;
    Ok(Rc::new(turn))
}

/// Accounts and buckets of the units that may go on.
async fn prove(desks: &mut [Desk<'_>]) {
    let hopeful: Vec<usize> = (0..desks.len())
        .filter(|&index| desks[index].failure.is_none())
        .collect();
    let records: Vec<&Record<'_>> = hopeful.iter().map(|&index| &desks[index].record).collect();
    // One that is absent is created after the question, which tells of it.
    let prepared = backend::prepare(&records, Absent::GoOn).await;
    for (index, result) in hopeful.into_iter().zip(prepared) {
        match result {
            Ok(safe) => desks[index].safe = Some(safe),
            Err(failure) => desks[index].failure = Some(failure),
        }
    }
}

impl<'c> Desk<'c> {
    fn new(
        mut record: Record<'c>,
        turn: Result<Option<Rc<FolderLock>>, Failure>,
        options: &Options,
    ) -> Self {
        let looked = turn.and_then(|turn| {
            let on_disk = OnDisk::look(record.ctx, record.unit, options)?;
            if options.verify_plan && !options.abort {
                let module = guards::read_module(record.ctx, record.unit)?;
                provider_guard::check(&mut record, &module)?;
            }
            Ok((turn, on_disk))
        });
        let (turn, on_disk, failure) = match looked {
            Ok((turn, on_disk)) => (turn, Some(on_disk), None),
            Err(failure) => (None, None, Some(failure)),
        };
        Self {
            record,
            turn,
            on_disk,
            safe: None,
            plan: None,
            failure,
        }
    }

    pub(super) fn is_refused(&self) -> bool {
        self.failure.as_ref().is_some_and(Failure::is_refusal)
    }

    /// Reads source and destination.
    async fn survey(&mut self, options: &Options) {
        if self.failure.is_some() {
            return;
        }
        let (Some(on_disk), Some(safe)) = (self.on_disk.take(), self.safe.take()) else {
            self.failure = Some(Failure::not_started());
            return;
        };
        let turn = self.turn.take();
        match on_disk.plan(&mut self.record, turn, safe, options).await {
            Ok(plan) => self.plan = Some(plan),
            Err(failure) => self.failure = Some(failure),
        }
    }
}

impl OnDisk {
    fn look(ctx: &Context, unit: &Unit, options: &Options) -> Result<Self, Failure> {
        let unfinished = Migration::unfinished(ctx.run.tfw(), &unit.id)?;
        let wanted = if options.to_local {
            Backend::Local(LocalBackend {
                workspace: unit.backend.workspace().clone(),
                ..LocalBackend::default()
            })
        } else {
            unit.backend.clone()
        };
        let destination = match unfinished.as_ref().and_then(Migration::places) {
            Some((source, destination)) => begun(unit, &wanted, source, destination, options)?,
            None => wanted,
        };
        if options.abort {
            return Ok(Self {
                destination,
                source: None,
                edit: None,
                lock_table: None,
                other_workspace: None,
                unfinished,
            });
        }
        if let Backend::Other(other) = &destination {
            return Err(Failure::refused(
                Diagnostic::error(format!(
                    "`{}` keeps its state in a `{}` backend, and tfw moves states between local files and S3",
                    unit.id, other.kind
                ))
                .with_hint("`terraform init -migrate-state` in its folder moves it, unproven"),
            ));
        }
        let module = guards::read_module(ctx, unit)?;
        if let Some(cloud) = &module.cloud {
            return Err(Failure::refused(
                Diagnostic::error(format!(
                    "`{}` has a `cloud` block, whose states tfw cannot read",
                    ctx.shown(&unit.folder)
                ))
                .with_hint("move the state to a file first: `terraform state pull`")
                .at(ctx.shown(&cloud.file), Some(cloud.line)),
            ));
        }
        guards::errored_state(ctx, unit)?;
        let recorded = Recorded::read(&ctx.data_dir(unit), &unit.folder).map_err(|error| {
            Failure::failed(Diagnostic::error(error.to_string()).with_hint(error.hint()))
        })?;
        // A migration that was begun knows where it began; by now the disk may tell otherwise.
        let source = match unfinished.as_ref().and_then(Migration::places) {
            Some((source, _)) => Some(source.clone()),
            None => source::locate(ctx, unit, &module, &recorded, &destination, options)?,
        };
        if unit.shares_folder && options.to_local {
            return Err(Failure::refused(
                Diagnostic::error(format!(
                    "several units share the root module `{}`, and a local state in it can be one's alone",
                    ctx.shown(&unit.folder)
                ))
                .with_hint("give the unit a root module of its own first"),
            ));
        }
        if unit.shares_folder
            && options.from.is_none()
            && unfinished.is_none()
            && matches!(source, Some(Place::Local { .. }))
        {
            return Err(Failure::refused(
                Diagnostic::error(format!(
                    "several units share the root module `{}`, and there is one local state in it",
                    ctx.shown(&unit.folder)
                ))
                .with_hint(format!(
                    "`tfw migrate {} --from FILE` says whose it is",
                    unit.id
                )),
            ));
        }
        let lock_table = lock_table_of(&module, &recorded, &destination);
        let differences = recorded.location_differences(&destination);
        let other_workspace = match differences.as_slice() {
            [only] if only.setting == "workspace" => Some(recorded.workspace.clone()),
            _ => None,
        };
        Ok(Self {
            other_workspace,
            edit: edit(ctx, &module, &destination)?,
            destination,
            source,
            lock_table,
            unfinished,
        })
    }

    async fn plan(
        self,
        record: &mut Record<'_>,
        turn: Option<Rc<FolderLock>>,
        safe: SafeBackend,
        options: &Options,
    ) -> Result<Plan, Failure> {
        let Self {
            destination,
            source,
            edit,
            lock_table,
            other_workspace,
            unfinished,
        } = self;
        let proven = unfinished.as_ref().is_some_and(Migration::is_proven);
        let new_bucket = if options.abort {
            None
        } else {
            refusals::versioned(record, &safe, &destination).await?
        };
        let mut survey = None;
        if let (Some(source), false) = (source, proven) {
            let found = survey::survey(
                record,
                &safe,
                source,
                &destination,
                unfinished.as_ref(),
                options.overwrite.as_deref(),
            )
            .await?;
            if found.is_empty() && options.from.is_some() {
                return Err(Failure::refused(
                    Diagnostic::error(format!(
                        "there is no state at the place that `--from` names, `{}`",
                        source::shown(record.unit, &found.source)
                    ))
                    .with_hint("look at the spelling, and at the region of the bucket"),
                ));
            }
            survey = (!found.is_empty()).then_some(found);
        }
        if let Some(table) = &lock_table {
            let (place, names) = match &survey {
                Some(survey) => (&survey.from, survey.names()),
                None => (&destination, vec![record.unit.backend.workspace().clone()]),
            };
            lock_table::is_free(record, &safe, place, &names, table).await?;
        }
        let files = match (&survey, &unfinished) {
            (Some(survey), _) => local_files(record, &safe, survey).await?,
            // What is left to remove of a migration that was proven.
            (None, Some(migration)) if proven => migration
                .copies()
                .iter()
                .filter(|copied| copied.role == Role::State && copied.original.exists())
                .map(|copied| copied.original.clone())
                .collect(),
            (None, _) => Vec::new(),
        };
        if survey.is_none()
            && let Some(workspace) = &other_workspace
        {
            refusals::only_there(record, &safe, &destination, workspace).await?;
        }
        let plan = Plan {
            turn,
            safe,
            destination,
            new_bucket,
            survey,
            edit,
            lock_table,
            other_workspace,
            files,
            unfinished,
        };
        let has_work = if options.abort {
            plan.unfinished.is_some()
        } else {
            !plan.is_nothing()
        };
        if has_work && !options.dry_run {
            let consent = &record.ctx.consent;
            consent.can_obtain(Matter::Tfw, record.unit, "migrating the state")?;
        }
        Ok(plan)
    }
}

impl Plan {
    /// Whether there is nothing to be done at all.
    pub(super) fn is_nothing(&self) -> bool {
        self.survey.is_none()
            && self.edit.is_none()
            && self.lock_table.is_none()
            && self.other_workspace.is_none()
            && self.unfinished.is_none()
    }
}

/// The local states of the source, and the older ones beside them.
async fn local_files(
    record: &Record<'_>,
    safe: &SafeBackend,
    survey: &Survey,
) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for workspace in &survey.workspaces {
        let store = survey::store(record, safe, &survey.from, &workspace.name).await?;
        if let StateStore::Local(local) = store {
            let both = [local.path().to_owned(), older(local.path())];
            files.extend(both.into_iter().filter(|file| file.exists()));
        }
    }
    Ok(files)
}

/// Where a migration that was begun goes: to where it began to go, or nowhere.
fn begun(
    unit: &Unit,
    wanted: &Backend,
    source: &Place,
    destination: &Place,
    options: &Options,
) -> Result<Backend, Failure> {
    let is_same = source::place_of(wanted).as_ref() == Some(destination);
    let from_same = options
        .from
        .as_ref()
        .is_none_or(|from| source::named(unit, from) == *source);
    if is_same && from_same {
        return Ok(wanted.clone());
    }
    // Back to a local file, without the flag being typed again; and the way back of any.
    let began_to_local = matches!(destination, Place::Local { .. })
        && !matches!(unit.backend, Backend::Local(_))
        && from_same;
    if began_to_local || options.abort {
        let backend = source::backend(unit, destination)?;
        return Ok(backend.with_workspace(unit.backend.workspace().clone()));
    }
    let id = &unit.id;
    Err(Failure::refused(
        Diagnostic::error(format!(
            "an unfinished migration of `{id}` goes from `{}` to `{}`",
            source::shown(unit, source),
            source::shown(unit, destination)
        ))
        .with_hint(format!(
            "end it as it was begun, or `tfw migrate --abort {id}`; then migrate to elsewhere"
        )),
    ))
}

/// The edit that the backend block needs, if any.
fn edit(
    ctx: &Context,
    module: &RootModule,
    destination: &Backend,
) -> Result<Option<BackendEdit>, Failure> {
    let wanted = guards::arguments(destination)?;
    if module.backend.is_none() && matches!(destination, Backend::Local(_)) && wanted.is_empty() {
        return Ok(None);
    }
    let foreign = match &module.backend {
        Some(block) if block.kind == destination.kind() => {
            let mut foreign = foreign_arguments(&block.arguments, destination, &wanted);
            let outdated = [LOCK_TABLE, LOCK_TABLE_ENDPOINT]
                .into_iter()
                .filter(|name| block.arguments.contains_key(*name) && !wanted.contains_key(*name));
            foreign.extend(outdated.map(str::to_owned));
            foreign
        }
        _ => Vec::new(),
    };
    backend_edit(module, destination.kind(), &foreign).map_err(|error| {
        let file = match &error {
            EditError::Json { file } | EditError::Unexpected { file } => Some(file),
            EditError::Read(_) => None,
        };
        let mut diagnostic = Diagnostic::error(error.to_string()).with_hint(format!(
            "write the block yourself, as `backend \"{}\" {{}}`, and migrate again",
            destination.kind()
        ));
        if let Some(file) = file {
            diagnostic = diagnostic.at(ctx.shown(file), None);
        }
        Failure::refused(diagnostic)
    })
}

/// The DynamoDB table that the state was locked by so far, and will not be any more.
fn lock_table_of(
    module: &RootModule,
    recorded: &Recorded,
    destination: &Backend,
) -> Option<String> {
    let Backend::S3(s3) = destination else {
        return None;
    };
    if s3.options.contains_key(LOCK_TABLE) {
        return None;
    }
    let in_block = module.backend.as_ref().map(|block| &block.arguments);
    let in_record = recorded.backend.as_ref().map(|backend| &backend.config);
    in_block
        .into_iter()
        .chain(in_record)
        .find_map(|arguments| arguments.get(LOCK_TABLE).and_then(Value::as_str))
        .map(str::to_owned)
}
