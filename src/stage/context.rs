//! What every stage of every unit needs, made once a run.

use std::future::Future;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::OnceCell;

use crate::credentials::{Endpoint, Sessions};
use crate::env_vars::EnvSnapshot;
use crate::events::Emitter;
use crate::journal::{FolderLock, Run};
use crate::model::{Delivery, Diagnostic, Project, Unit};
use crate::process::Signals;
use crate::terraform::Terraform;

use super::Consent;
use super::failure::Failure;

/// Requests to AWS at once: 8 to 32 are best, hundreds hurt the server and are no faster.
const REQUESTS: usize = 16;

/// Waits for all of these, a few at a time; the answers stand in their order.
pub(crate) async fn at_once<F: Future>(requests: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    stream::iter(requests).buffered(REQUESTS).collect().await
}

/// One run: what was asked, and the means to do it.
#[derive(Debug)]
pub struct Context {
    /// The manifest, resolved.
    pub project: Project,
    /// The selected units: indices into `project.units`, in manifest order.
    pub selected: Vec<usize>,
    /// The environment that tfw was started with.
    pub inherited: EnvSnapshot,
    /// The binary, its version proven to be one that the manifest allows; `None`: the command does
    /// without.
    pub terraform: Option<Terraform>,
    /// The run's folder and journal.
    pub run: Run,
    /// Where facts go.
    pub events: Emitter,
    /// Whether the run is being stopped.
    pub signals: Signals,
    /// Credentials, one session for each distinct role.
    pub sessions: Sessions,
    /// How Terraform gets its credentials where the manifest does not say.
    pub delivery: Delivery,
    /// Where it gets them while the run lasts, once something asks for that.
    pub endpoint: OnceCell<Endpoint>,
    /// What has been agreed to, and whether somebody can be asked.
    pub consent: Consent,
    /// Start nothing new after the first unit that did not succeed.
    pub fail_fast: bool,
    /// Units at once.
    pub parallelism: usize,
}

impl Context {
    /// The selected units, in manifest order.
    pub(crate) fn units(&self) -> impl Iterator<Item = &Unit> {
        self.selected
            .iter()
            .filter_map(|&index| self.project.units.get(index))
    }

    /// The binary.
    ///
    /// # Errors
    /// The command was not to need it.
    pub(crate) fn terraform(&self) -> Result<&Terraform, Failure> {
        self.terraform.as_ref().ok_or_else(|| {
            Failure::failed(Diagnostic::error(
                "this would take Terraform, and the command does without",
            ))
        })
    }

    /// A path as reports print it: relative to the manifest's folder where it lies below it.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.project.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }

    /// Takes the lock of a folder; calls `waiting` once when somebody else has it.
    ///
    /// # Errors
    /// The lock file cannot be made, or the run is being stopped.
    pub(crate) async fn lock_folder(
        &self,
        folder: &Path,
        waiting: impl FnOnce(),
    ) -> Result<FolderLock, Failure> {
        tokio::select! {
            biased;
            () = self.signals.stopped() => Err(Failure::not_started()),
            lock = FolderLock::acquire(self.run.tfw(), folder, waiting) => Ok(lock?),
        }
    }

    /// `TF_DATA_DIR` of a unit: the ordinary `.terraform`, or one of its own where several units
    /// share a root module.
    pub(crate) fn data_dir(&self, unit: &Unit) -> PathBuf {
        if unit.shares_folder {
            self.run.tfw().data(&unit.id).join("terraform")
        } else {
            unit.folder.join(".terraform")
        }
    }
}
