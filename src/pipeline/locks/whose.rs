//! Whether a lock is of a run of this machine, and whether that still goes on.

use std::cell::OnceCell;

use jiff::Timestamp;

use crate::journal::{FolderLock, PastRun, host};
use crate::model::{OwnRun, Unit};
use crate::stage::Context;
use crate::state::LockDocument;

/// What tfw writes into its own locks before the id of the run.
const OWN_INFO: &str = "tfw run ";

/// The runs of this machine; their journals are read when the first lock asks for them.
pub(super) struct Runs<'c> {
    ctx: &'c Context,
    past: OnceCell<Vec<PastRun>>,
}

impl<'c> Runs<'c> {
    pub(super) fn new(ctx: &'c Context) -> Self {
        Self {
            ctx,
            past: OnceCell::new(),
        }
    }

    /// The run that holds a lock of a unit; `None`: none of this machine, as far as can be told.
    ///
    /// tfw's own locks name their run. Terraform's name user and machine alone: then it is the run
    /// whose Terraform worked on the unit when the lock was taken.
    pub(super) fn of(&self, unit: &Unit, document: &LockDocument) -> Option<OwnRun> {
        let tfw = self.ctx.run.tfw();
        if let Some(id) = document.info.strip_prefix(OWN_INFO) {
            let run = tfw.past_run(id)?;
            let alive = run.is_alive();
            return Some(own(run, alive, true));
        }
        if !is_local_host(&document.lock.who) {
            return None;
        }
        let taken: Timestamp = document.lock.created.parse().ok()?;
        let past = self.past.get_or_init(|| tfw.past_runs());
        let run = past
            .iter()
            .find(|run| run.host == host() && run.worked_on(&unit.id, taken))?;
        // A Terraform may outlive its tfw; the one of an apply is known.
        let alive = run.is_alive() && run.works_on(&unit.id)
            || !run.ended && FolderLock::is_worked_under(tfw, &unit.folder);
        Some(own(run.clone(), alive, false))
    }
}

fn own(run: PastRun, alive: bool, certain: bool) -> OwnRun {
    OwnRun {
        run_id: run.id,
        command: run.command,
        pid: run.pid,
        alive,
        certain,
    }
}

/// Whether `user@host` is somebody on this machine.
pub(super) fn is_local_host(who: &str) -> bool {
    who.rsplit_once('@').is_some_and(|(_, name)| name == host())
}
