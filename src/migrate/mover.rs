//! What happens while tfw holds the locks: a last look, the move, the proof.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::cleanup;
use super::copies::DATA_FILES;
use super::steps::not_stopped;
use super::survey::{self, Survey, There, WorkspaceSurvey};
use super::verify;
use super::{Options, io_failure, plan_check};
use crate::journal::migration::Entry;
use crate::journal::{FolderLock, Migration, make_private_folder, write_private};
use crate::model::{Backend, Diagnostic, InitRun, Workspace};
use crate::stage::SafeBackend;
use crate::stage::failure::Failure;
use crate::stage::fingerprint::Fingerprint;
use crate::stage::guards;
use crate::stage::plugin_cache;
use crate::stage::record::Record;
use crate::stage::states::unreadable;
use crate::stage::terraform_step::{self, Call, Finished, Surroundings, Variables};
use crate::state::{StateDocument, StateStore, content_hash};
use crate::terraform::backend_config;
use crate::terraform::command::{self, Init, InitBackend};

/// What happens while tfw holds the locks.
pub(super) struct Mover<'a, 'c> {
    pub(super) record: &'a mut Record<'c>,
    pub(super) survey: &'a Survey,
    pub(super) safe: &'a SafeBackend,
    pub(super) destination: &'a Backend,
    pub(super) turn: Option<&'a FolderLock>,
}

impl Mover<'_, '_> {
    /// Looks again, moves, and proves.
    pub(super) async fn under_locks(
        mut self,
        migration: &mut Migration,
        options: &Options,
    ) -> Result<(), Failure> {
        let before = self.versions().await?;
        migration.note(Entry::Looked {
            versions: before
                .iter()
                .map(|(name, versions)| (name.to_string(), versions.clone()))
                .collect(),
        })?;
        self.look_again(options).await?;
        if self.survey.is_moved() {
            // Of a state that is there already, `.terraform` alone is to know: from a place where
            // nothing is, nothing is moved.
            let finished = self.terraform(&migration.folder().join("nothing")).await?;
            self.tell(finished)?;
        } else {
            not_stopped(self.record)?;
            migration.note(Entry::Moving)?;
            self.make_workspaces().await?;
            let finished = self.terraform(&migration.folder().join("source")).await?;
            migration.note(Entry::Moved)?;
            self.tell(finished)?;
        }
        let versions = self.written(&before).await?;
        migration.note(Entry::Written {
            versions: versions
                .iter()
                .map(|(name, version)| (name.to_string(), version.clone()))
                .collect(),
        })?;
        verify::pulled(self.record, self.survey, self.safe, self.destination).await?;
        self.source_is_as_it_was().await?;
        let baseline = migration.entries().iter().find_map(|entry| match entry {
            Entry::Baseline { hash } => Some(hash.clone()),
            _ => None,
        });
        if let Some(baseline) = baseline {
            plan_check::same_as(self.record, self.safe, &baseline).await?;
        }
        migration.note(Entry::Verified)?;
        let report = cleanup::report(self.record, migration, &[]);
        self.record.migrated(report);
        Ok(())
    }

    /// The versions that each state has now.
    async fn versions(&self) -> Result<Vec<(Workspace, Vec<String>)>, Failure> {
        let mut all = Vec::new();
        for workspace in &self.survey.workspaces {
            let store =
                survey::store(self.record, self.safe, self.destination, &workspace.name).await?;
            let versions = match store {
                StateStore::S3(state) => state
                    .versions()
                    .await
                    .map_err(|error| unreadable(&error))?
                    .into_iter()
                    .map(|version| version.version_id)
                    .collect(),
                StateStore::Local(_) => Vec::new(),
            };
            all.push((workspace.name.clone(), versions));
        }
        Ok(all)
    }

    /// Under the locks nothing changes any more: is it still what the question was about?
    async fn look_again(&self, options: &Options) -> Result<(), Failure> {
        for workspace in &self.survey.workspaces {
            let now = survey::there(
                self.record,
                self.safe,
                self.destination,
                workspace,
                options.overwrite.as_deref(),
            )
            .await?;
            if !same(&now, &workspace.there) {
                return Err(Failure::refused(
                    Diagnostic::error(format!(
                        "the state at `{}` has changed since it was looked at",
                        self.destination
                            .with_workspace(workspace.name.clone())
                            .place()
                    ))
                    .with_hint("run again: it shows what is there now"),
                ));
            }
        }
        self.source_is_as_it_was().await
    }

    /// Whoever works at the source now would see his changes left behind.
    async fn source_is_as_it_was(&self) -> Result<(), Failure> {
        survey::source_is_free(self.record, self.safe, self.survey).await?;
        for workspace in &self.survey.workspaces {
            let store =
                survey::store(self.record, self.safe, &self.survey.from, &workspace.name).await?;
            let now = store.raw().await.map_err(|error| unreadable(&error))?;
            let then = workspace.raw.as_ref().filter(|_| !workspace.recovered);
            let is_same = match (&now, then) {
                (Some(now), Some(then)) => now.bytes == then.bytes,
                // Of one that a move by hand emptied, the copy has it all.
                (None, _) => true,
                (Some(_), None) => false,
            };
            if !is_same {
                return Err(Failure::refused(
                    Diagnostic::error(format!(
                        "the state at `{}` has changed since it was looked at",
                        store.place()
                    ))
                    .with_hint(format!(
                        "`tfw migrate --abort {}` puts everything back; then migrate again",
                        self.record.unit.id
                    )),
                ));
            }
        }
        Ok(())
    }

    /// Makes the named workspaces that are not there. Terraform would take a lock of its own to
    /// make one, in spite of `-lock=false` (1.11.4), and tfw holds that lock; and an empty one it
    /// would not make at all.
    async fn make_workspaces(&self) -> Result<(), Failure> {
        for workspace in &self.survey.workspaces {
            if workspace.name.is_default() || !matches!(workspace.there, There::Nothing) {
                continue;
            }
            let version = self.record.ctx.terraform()?.version();
            let empty = empty_state(&version.to_string());
            match survey::store(self.record, self.safe, self.destination, &workspace.name).await? {
                StateStore::S3(state) => {
                    // One that came meanwhile is looked at in the end, as everything is.
                    state
                        .write_new(&empty)
                        .await
                        .map_err(|error| unreadable(&error))?;
                }
                StateStore::Local(local) => {
                    let path = local.path();
                    let folder = path.parent().unwrap_or(Path::new("."));
                    fs::create_dir_all(folder).map_err(|error| {
                        io_failure("create", &folder.display().to_string(), &error)
                    })?;
                    if workspace.raw.is_some() || path.exists() {
                        continue;
                    }
                    write_private(path, &empty)?;
                }
            }
        }
        Ok(())
    }

    /// `terraform init -migrate-state`, from the copies in `source`.
    async fn terraform(&mut self, source: &Path) -> Result<Finished, Failure> {
        let record = &mut *self.record;
        let (ctx, unit) = (record.ctx, record.unit);
        record.phase(crate::events::Phase::Migrate);
        record.init(InitRun::Ran);
        Fingerprint::forget(ctx, unit)?;
        let data_dir = ctx.data_dir(unit);
        fs::create_dir_all(&data_dir)
            .map_err(|error| io_failure("create", &ctx.shown(&data_dir), &error))?;
        let [recorded, selected] = DATA_FILES.map(|name| data_dir.join(name));
        make_private_folder(source)?;
        write_private(&recorded, record_of(source).to_string().as_bytes())?;
        write_private(&selected, Workspace::DEFAULT.as_bytes())?;
        let arguments = guards::arguments(self.destination)?;
        let config = if arguments.is_empty() {
            None
        } else {
            let folder = ctx.run.tfw().data(&unit.id);
            make_private_folder(&folder)?;
            let file = folder.join("backend.tfbackend");
            write_private(&file, backend_config::render(&arguments).as_bytes())?;
            Some(file)
        };
        let init = Init {
            backend: InitBackend::Migrate { config },
            // Terraform refuses `-json` beside `-migrate-state`.
            json: false,
        };
        let cache = plugin_cache::choose(ctx, unit).await?;
        let surroundings = Surroundings {
            data_dir: &data_dir,
            plugin_cache: cache.folder(),
            variables: &Variables::default(),
        };
        let mut call = Call::new(command::init(&init));
        if let Some(turn) = self.turn {
            call = call.under(turn);
        }
        let finished = terraform_step::run(record, self.safe.account(), surroundings, call).await?;
        if finished.status.success() {
            cache.adopt(&data_dir)?;
        }
        Ok(finished)
    }

    /// Terraform may end well with nothing moved, so that an end without an error proves nothing yet.
    fn tell(&mut self, finished: Finished) -> Result<(), Failure> {
        if finished.status.success() {
            for warning in finished.diagnostics {
                self.record.diagnostic(warning);
            }
            return Ok(());
        }
        Err(finished.failure("terraform init -migrate-state"))
    }

    /// What is at the destination now, by S3's own history: every version that came since the look
    /// must be what Terraform writes when it moves this state.
    async fn written(
        &mut self,
        before: &[(Workspace, Vec<String>)],
    ) -> Result<Vec<(Workspace, Option<String>)>, Failure> {
        let mut all = Vec::new();
        for (workspace, (_, before)) in self.survey.workspaces.iter().zip(before) {
            let store =
                survey::store(self.record, self.safe, self.destination, &workspace.name).await?;
            let version = match &store {
                StateStore::S3(state) => {
                    verify::history(self.record, state, workspace, before, self.destination).await?
                }
                StateStore::Local(_) => {
                    verify::current(&store, workspace).await?;
                    None
                }
            };
            all.push((workspace.name.clone(), version));
        }
        Ok(all)
    }
}

fn same(now: &There, then: &There) -> bool {
    match (now, then) {
        (There::Nothing, There::Nothing) => true,
        (There::Empty(now), There::Empty(then)) | (There::Equal(now), There::Equal(then)) => {
            now == then
        }
        (There::Replaceable(now, found), There::Replaceable(then, known)) => {
            now == then && found.hash == known.hash && found.serial == known.serial
        }
        _ => false,
    }
}

/// What `.terraform` records of a local backend whose files are these.
fn record_of(source: &Path) -> serde_json::Value {
    json!({
        "version": 3,
        "backend": {
            "type": "local",
            "config": {
                "path": source.join("terraform.tfstate"),
                "workspace_dir": source.join("terraform.tfstate.d"),
            },
            "hash": 0,
        },
    })
}

/// What `terraform workspace new` writes.
fn empty_state(terraform_version: &str) -> Vec<u8> {
    let lineage = format!("{:032x}", fastrand::u128(..));
    json!({
        "version": 4,
        "terraform_version": terraform_version,
        "serial": 0,
        "lineage": lineage,
        "outputs": {},
        "resources": [],
        "check_results": null,
    })
    .to_string()
    .into_bytes()
}

/// For [`verify`]: whether an entry in a state's history is one that a move of this workspace
/// writes.
pub(super) fn is_of_move(bytes: &[u8], workspace: &WorkspaceSurvey) -> bool {
    if bytes.is_empty() {
        return false;
    }
    let Ok(document) = StateDocument::parse(bytes) else {
        return false;
    };
    document.is_empty() || content_hash(bytes).ok().as_ref() == workspace.content.hash.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_state_is_one_that_tfw_reads_as_empty() {
        let empty = empty_state("1.11.4");
        let document = StateDocument::parse(&empty).unwrap();
        assert!(document.is_empty());
        assert_eq!(document.terraform_version, "1.11.4");
        assert_ne!(
            empty,
            empty_state("1.11.4"),
            "each has a lineage of its own"
        );
    }
}
