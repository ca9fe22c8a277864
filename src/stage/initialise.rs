//! `terraform init`, and the proof that it need not run.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::Context;
use super::SafeBackend;
use super::failure::Failure;
use super::fingerprint::Fingerprint;
use super::guards;
use super::plugin_cache;
use super::record::Record;
use super::retry::Tries;
use super::terraform_step::{self, Call, Finished, Surroundings, Variables};
use crate::events::Phase;
use crate::journal::{
    JournalError, Step as JournalStep, StepState, make_private_folder, write_private,
};
use crate::model::{InitRun, Unit, Workspace};
use crate::root_module::RootModule;
use crate::terraform::command::{self, Init, InitBackend};
use crate::terraform::{Recorded, backend_config};

/// A root module that is initialised for the unit's backend and workspace. Only [`initialise`]
/// makes it.
#[derive(Debug)]
pub struct Initialised {
    backend: SafeBackend,
    data_dir: PathBuf,
    plugin_cache: PathBuf,
    backend_config: Option<PathBuf>,
}

impl Initialised {
    pub(crate) fn backend(&self) -> &SafeBackend {
        &self.backend
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub(crate) fn plugin_cache(&self) -> &Path {
        &self.plugin_cache
    }

    /// The generated file for `-backend-config`; `None` where there is nothing to configure.
    pub(crate) fn backend_config(&self) -> Option<&Path> {
        self.backend_config.as_deref()
    }

    /// Runs Terraform with the unit's credentials.
    pub(crate) async fn terraform(
        &self,
        record: &mut Record<'_>,
        call: Call,
        variables: &Variables,
    ) -> Result<Finished, Failure> {
        let surroundings = Surroundings {
            data_dir: &self.data_dir,
            plugin_cache: &self.plugin_cache,
            variables,
        };
        terraform_step::run(record, self.backend.account(), surroundings, call).await
    }
}

/// Initialises where needed.
pub(crate) async fn initialise(
    record: &mut Record<'_>,
    module: &RootModule,
    backend: SafeBackend,
) -> Result<Initialised, Failure> {
    let site = Site::new(record, module)?;
    if site.is_current(record.ctx, record.unit, module)? {
        record.init(InitRun::Skipped);
        return Ok(site.initialised(record.ctx, backend));
    }
    run_init(record, module, backend).await
}

/// Initialises, needed or not.
pub(crate) async fn run_init(
    record: &mut Record<'_>,
    module: &RootModule,
    backend: SafeBackend,
) -> Result<Initialised, Failure> {
    let site = Site::new(record, module)?;
    let (ctx, unit) = (record.ctx, record.unit);
    record.phase(Phase::Init);
    record.init(InitRun::Ran);
    Fingerprint::forget(ctx, unit)?;
    site.write_config(ctx, unit)?;
    site.make_data_dir(ctx)?;
    ctx.run
        .step(&unit.id, JournalStep::Init, StepState::Begun, &json!({}))?;
    let end = site.init_with_retries(record, &backend).await;
    let state = if end.is_ok() {
        StepState::Done
    } else {
        StepState::Failed
    };
    record.step_ended(JournalStep::Init, state);
    end?;
    // The init may have written the lock file, which is part of the fingerprint.
    Fingerprint::take(ctx, unit, module, &site.config)?.record(ctx, unit)?;
    Ok(site.initialised(ctx, backend))
}

/// Gets a root module ready for an init that somebody else types.
pub(crate) fn prepare_only(
    record: &mut Record<'_>,
    module: &RootModule,
    backend: SafeBackend,
) -> Result<Initialised, Failure> {
    let site = Site::new(record, module)?;
    site.write_config(record.ctx, record.unit)?;
    Ok(site.initialised(record.ctx, backend))
}

/// Whether what an init left in the data folder is of the manifest's backend, with these
/// arguments (`None`: the root module has no backend block), and still there.
pub(crate) fn agrees_on_disk(
    recorded: &Recorded,
    unit: &Unit,
    arguments: Option<&Map<String, Value>>,
) -> bool {
    match arguments {
        Some(arguments) => recorded.agrees(&unit.backend, arguments),
        None => {
            recorded.location_differences(&unit.backend).is_empty() && recorded.missing.is_empty()
        }
    }
}

/// Where an init works, and with what.
struct Site {
    data_dir: PathBuf,
    backend_config: PathBuf,
    config: String,
    arguments: Option<Map<String, Value>>,
}

impl Site {
    fn new(record: &Record<'_>, module: &RootModule) -> Result<Self, Failure> {
        let (ctx, unit) = (record.ctx, record.unit);
        // Without a block in the root module there is nothing that Terraform could configure: the
        // guards let that pass for the local backend's defaults alone.
        let arguments = match &module.backend {
            Some(block) => Some(guards::arguments_beside(&unit.backend, block)?),
            None => None,
        };
        Ok(Self {
            data_dir: ctx.data_dir(unit),
            backend_config: ctx.run.tfw().data(&unit.id).join("backend.tfbackend"),
            config: arguments
                .as_ref()
                .map_or_else(String::new, backend_config::render),
            arguments,
        })
    }

    fn write_config(&self, ctx: &Context, unit: &Unit) -> Result<(), JournalError> {
        make_private_folder(&ctx.run.tfw().data(&unit.id))?;
        write_private(&self.backend_config, self.config.as_bytes())
    }

    /// Terraform would make it too, but says little of a folder that cannot be written.
    fn make_data_dir(&self, ctx: &Context) -> Result<(), JournalError> {
        if self.data_dir.starts_with(ctx.run.tfw().path()) {
            return make_private_folder(&self.data_dir);
        }
        std::fs::create_dir_all(&self.data_dir).map_err(|source| JournalError {
            doing: "create",
            path: self.data_dir.clone(),
            source,
        })
    }

    fn initialised(self, ctx: &Context, backend: SafeBackend) -> Initialised {
        Initialised {
            backend,
            plugin_cache: plugin_cache::shared(ctx),
            data_dir: self.data_dir,
            backend_config: (!self.config.is_empty()).then_some(self.backend_config),
        }
    }

    /// Whether the last init was of the same things, and what it made is still there.
    fn is_current(&self, ctx: &Context, unit: &Unit, module: &RootModule) -> Result<bool, Failure> {
        let fingerprint = Fingerprint::take(ctx, unit, module, &self.config)?;
        // Somebody may have typed an init since, with other arguments.
        let agrees = |recorded| agrees_on_disk(&recorded, unit, self.arguments.as_ref());
        Ok(fingerprint.is_recorded(ctx, unit)
            && Recorded::read(&self.data_dir, &unit.folder).is_ok_and(agrees))
    }

    async fn init_with_retries(
        &self,
        record: &mut Record<'_>,
        backend: &SafeBackend,
    ) -> Result<(), Failure> {
        let mut tries = Tries::default();
        loop {
            let finished = self.init_once(record, backend).await?;
            if finished.status.success() {
                for warning in finished.diagnostics {
                    record.diagnostic(warning);
                }
                break;
            }
            if !tries.again(record, "terraform init", &finished).await? {
                return Err(finished.failure("terraform init"));
            }
        }
        self.select_workspace(record, backend).await
    }

    async fn init_once(
        &self,
        record: &mut Record<'_>,
        safe: &SafeBackend,
    ) -> Result<Finished, Failure> {
        let (ctx, unit) = (record.ctx, record.unit);
        let cache = plugin_cache::choose(ctx, unit).await?;
        let recorded = Recorded::read(&self.data_dir, &unit.folder).ok();
        // Where the place is the same, what else changed (encryption, the lock) is for Terraform
        // to take over without moving anything. The guards have looked already; should somebody
        // have been at it since, Terraform stops at the difference.
        let reconfigure = recorded.is_some_and(|recorded| {
            recorded.backend.is_some() && recorded.location_differences(&unit.backend).is_empty()
        });
        let backend = if self.config.is_empty() {
            InitBackend::AsWritten
        } else {
            InitBackend::File {
                config: self.backend_config.clone(),
                reconfigure,
            }
        };
        let json = ctx.terraform()?.init_prints_json();
        let call = Call::new(command::init(&Init { backend, json }));
        let surroundings = Surroundings {
            data_dir: &self.data_dir,
            plugin_cache: cache.folder(),
            variables: &Variables::default(),
        };
        let finished = terraform_step::run(record, safe.account(), surroundings, call).await?;
        if finished.status.success() {
            cache.adopt(&self.data_dir)?;
        }
        Ok(finished)
    }

    /// Terraform's init leaves the workspace that was selected; a fresh one has `default`.
    async fn select_workspace(
        &self,
        record: &mut Record<'_>,
        backend: &SafeBackend,
    ) -> Result<(), Failure> {
        let unit = record.unit;
        let workspace = unit.backend.workspace();
        let recorded = Recorded::read(&self.data_dir, &unit.folder);
        if recorded.is_ok_and(|recorded| recorded.workspace == workspace.as_str()) {
            return Ok(());
        }
        let selected = self.make_or_select(record, backend).await;
        if selected.is_err() {
            // The guards let no record of another workspace pass, so this init made it. Left
            // there, it would be a state that somebody else chose, and stand in the way.
            let _ = fs::remove_file(self.data_dir.join("terraform.tfstate"));
        }
        selected
    }

    async fn make_or_select(
        &self,
        record: &mut Record<'_>,
        backend: &SafeBackend,
    ) -> Result<(), Failure> {
        let (ctx, unit) = (record.ctx, record.unit);
        let workspace = unit.backend.workspace();
        let surroundings = Surroundings {
            data_dir: &self.data_dir,
            plugin_cache: &plugin_cache::shared(ctx),
            variables: &Variables::default(),
        };
        // Selecting one that does not exist makes it, which writes a state.
        if !ctx.consent.covers_protection(unit) {
            let call = Call::new(command::list_workspaces()).private();
            let listed = terraform_step::run(record, backend.account(), surroundings, call)
                .await?
                .succeeded("terraform workspace list")?;
            if !lists(listed.private_output(), workspace) {
                agree_to_workspace(record).await?;
            }
        }
        let call = Call::new(command::select_workspace(workspace));
        terraform_step::run(record, backend.account(), surroundings, call)
            .await?
            .succeeded("terraform workspace select")
            .map(drop)
    }
}

async fn agree_to_workspace(record: &mut Record<'_>) -> Result<(), Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    let doing = format!("creating the workspace `{}`", unit.backend.workspace());
    let question = || format!("tfw goes on with {doing} of `{}`, which is new", unit.id);
    record.pause();
    let agreed = ctx
        .consent
        .obtain_protection(ctx, unit, question, &doing)
        .await;
    record.resume();
    agreed
}

/// Whether `terraform workspace list` names a workspace; the selected one has an asterisk.
fn lists(printed: &[u8], workspace: &Workspace) -> bool {
    String::from_utf8_lossy(printed)
        .lines()
        .any(|line| line.trim_start_matches(['*', ' ']).trim_end() == workspace.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_is_listed_whether_it_is_selected_or_not() {
        let printed = b"  default\n* blue\n  green\n\n";
        for (name, there) in [("blue", true), ("green", true), ("gree", false)] {
            assert_eq!(lists(printed, &name.parse().expect("valid")), there);
        }
    }
}
