//! One run: its id, its folder and its journal.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    ERRORED_STATE, JournalError, TfwFolder, append_private, make_private_folder, write_private,
};
use crate::model::UnitId;

/// Finished runs whose journal, logs and report are kept: of those that did something, and of those
/// that only looked.
const RUNS_KEPT: usize = 100;
/// In the folder of a run that only looked.
const LOOKED: &str = "looked";
/// Finished runs whose saved plans are kept; plans hold secrets, so these are fewer.
const PLANS_KEPT: usize = 10;

/// One run of tfw and its folder `.tfw/runs/ID/`.
#[derive(Debug, Clone)]
pub struct Run {
    id: String,
    started: Timestamp,
    folder: PathBuf,
    tfw: TfwFolder,
    // A journal line is one short write; the lock only keeps lines whole.
    journal: Arc<Mutex<File>>,
}

/// A step of a unit that changes something, worth knowing of after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Creating a state bucket.
    CreateBucket,
    /// Creating a KMS key.
    CreateKey,
    /// Making the settings of a state bucket.
    MendBucket,
    /// Taking the lock of a state for tfw itself.
    LockState,
    /// Removing the lock of somebody who works no more.
    ReleaseLock,
    /// Writing another state in the place of one.
    WriteState,
    /// Writing a state anew, for its encryption.
    Reencrypt,
    /// `terraform init`.
    Init,
    /// `terraform plan`, which holds the state lock meanwhile.
    Plan,
    /// `terraform apply` of a saved plan.
    Apply,
    /// A hand-typed subcommand by `tfw exec`.
    Exec,
    /// A shell or a command by `tfw shell`.
    Shell,
    /// Writing or removing the policy that revokes sessions.
    Revoke,
}

impl Step {
    /// Whether it changes what outlives this machine, and not merely what can be made again.
    fn changes_the_world(self) -> bool {
        match self {
            Self::CreateBucket
            | Self::CreateKey
            | Self::MendBucket
            | Self::LockState
            | Self::ReleaseLock
            | Self::WriteState
            | Self::Reencrypt
            | Self::Apply
            | Self::Exec
            | Self::Shell
            | Self::Revoke => true,
            Self::Init | Self::Plan => false,
        }
    }
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// About to begin.
    Begun,
    /// Done, and well.
    Done,
    /// Done, and not well.
    Failed,
}

impl Run {
    /// Begins a run: an id, a folder and the first journal entry. Old finished runs go.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn begin(tfw: &TfwFolder, command: &str) -> Result<Self, JournalError> {
        let started = Timestamp::now();
        let id = new_id(started);
        let folder = tfw.run(&id);
        make_private_folder(&folder)?;
        let journal = append_private(&folder.join("journal.jsonl"))?;
        let run = Self {
            id,
            started,
            folder,
            tfw: tfw.clone(),
            journal: Arc::new(Mutex::new(journal)),
        };
        let (pid, host) = (std::process::id(), host());
        run.append(
            &json!({ "event": "begun", "command": command, "pid": pid, "host": host }),
            true,
        )?;
        run.prune();
        Ok(run)
    }

    /// The run's id: sorts by time, unique among machines.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// When it began.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// The run's folder, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder that holds it.
    pub fn tfw(&self) -> &TfwFolder {
        &self.tfw
    }

    /// The one log of a unit.
    pub fn log(&self, unit: &UnitId) -> PathBuf {
        self.folder.join(format!("{}.log", unit.file_stem()))
    }

    /// Where the saved plan of a unit goes; its folder exists afterwards.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn plan_file(&self, unit: &UnitId) -> Result<PathBuf, JournalError> {
        let folder = self.tfw.plans(&self.id);
        make_private_folder(&folder)?;
        Ok(folder.join(format!("{}.tfplan", unit.file_stem())))
    }

    /// Writes a step of a unit into the journal. One that changes the world is on disk before this
    /// returns; of any other a power failure may take the entry, and tfw's own death may not.
    ///
    /// # Errors
    /// The journal cannot be written; then the step must not begin.
    pub fn step(
        &self,
        unit: &UnitId,
        step: Step,
        state: StepState,
        detail: &Value,
    ) -> Result<(), JournalError> {
        self.append(
            &json!({
                "event": "step", "unit": unit, "step": step, "state": state, "detail": detail,
            }),
            step.changes_the_world(),
        )
    }

    /// Writes a step that is of no unit into the journal, as [`Run::step`] does.
    ///
    /// # Errors
    /// The journal cannot be written; then the step must not begin.
    pub fn step_of_run(
        &self,
        step: Step,
        state: StepState,
        detail: &Value,
    ) -> Result<(), JournalError> {
        self.append(
            &json!({ "event": "step", "step": step, "state": state, "detail": detail }),
            step.changes_the_world(),
        )
    }

    /// Ends the run: the report beside the journal, and the last entry.
    ///
    /// # Errors
    /// One of the two cannot be written.
    pub fn end(&self, report: &[u8], exit_code: u8) -> Result<(), JournalError> {
        write_private(&self.folder.join("report.json"), report)?;
        let past = self.tfw.past_run(&self.id);
        if past.is_some_and(|run| run.only_looked()) {
            write_private(&self.folder.join(LOOKED), b"")?;
        }
        self.append(&json!({ "event": "ended", "exit_code": exit_code }), true)
    }

    /// To wait for the disk takes milliseconds, in which no unit of the run goes on: only where
    /// it matters.
    fn append(&self, entry: &Value, onto_disk: bool) -> Result<(), JournalError> {
        let mut line = json!({ "time": Timestamp::now().to_string() });
        if let (Some(line), Some(entry)) = (line.as_object_mut(), entry.as_object()) {
            line.extend(entry.clone());
        }
        let mut file = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(format!("{line}\n").as_bytes())
            .and_then(|()| if onto_disk { file.sync_data() } else { Ok(()) })
            .map_err(|source| {
                JournalError::new("write", &self.folder.join("journal.jsonl"), source)
            })
    }

    /// Removes what old finished runs left. A run without a report may still be going on, or its
    /// person may still need it, so it stays; and so does one that keeps a state which may exist
    /// nowhere else. Failures are no reason to stop a run.
    fn prune(&self) {
        let is_over = |id: &str| {
            let run = self.tfw.run(id);
            (run.join("report.json").exists() && !keeps_a_state(&run)) || !run.exists()
        };
        let looked = |id: &str| self.tfw.run(id).join(LOOKED).exists();
        self.prune_in("plans", PLANS_KEPT, is_over);
        self.prune_in("runs", RUNS_KEPT, |id| is_over(id) && !looked(id));
        self.prune_in("runs", RUNS_KEPT, |id| is_over(id) && looked(id));
    }

    /// Removes the oldest of those that are meant, but for so many.
    fn prune_in(&self, parent: &str, kept: usize, is_meant: impl Fn(&str) -> bool) {
        let parent = self.tfw.path().join(parent);
        let Ok(entries) = fs::read_dir(&parent) else {
            return;
        };
        let mut finished: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|id| is_meant(id))
            .collect();
        finished.sort_unstable();
        let surplus = finished.len().saturating_sub(kept);
        for id in finished.iter().take(surplus) {
            let _ = fs::remove_dir_all(parent.join(id));
        }
    }
}

/// This machine, as Terraform names it in its locks.
pub fn host() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

fn keeps_a_state(run: &Path) -> bool {
    fs::read_dir(run).is_ok_and(|entries| {
        entries
            .filter_map(Result::ok)
            .any(|entry| entry.file_name().to_string_lossy().ends_with(ERRORED_STATE))
    })
}

/// `20261121T233550Z-3f9a2c`: the time in UTC, and six random digits.
fn new_id(now: Timestamp) -> String {
    let random = fastrand::u32(..0x0100_0000);
    format!("{}-{random:06x}", now.strftime("%Y%m%dT%H%M%SZ"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, TfwFolder) {
        let root = tempfile::tempdir().expect("a temporary folder");
        let tfw = TfwFolder::open(root.path()).expect("opens");
        (root, tfw)
    }

    #[test]
    fn the_journal_tells_what_was_begun_and_how_it_ended() {
        let (_root, tfw) = folder();
        let run = Run::begin(&tfw, "apply").expect("begins");
        let unit = "dev/network".parse().expect("a unit");
        run.step(&unit, Step::Apply, StepState::Begun, &json!({ "pid": 7 }))
            .expect("written");
        run.end(b"{}", 1).expect("written");
        let journal = fs::read_to_string(run.folder().join("journal.jsonl")).expect("there");
        let lines: Vec<Value> = journal
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0]["command"], "apply");
        assert_eq!(tfw.command_of(run.id()).as_deref(), Some("apply"));
        assert_eq!(tfw.command_of("another"), None);
        assert_eq!(
            (
                lines[1]["unit"].as_str(),
                lines[1]["step"].as_str(),
                lines[1]["state"].as_str()
            ),
            (Some("dev/network"), Some("apply"), Some("begun")),
        );
        assert_eq!(lines[2]["exit_code"], 1);
    }

    #[test]
    fn old_finished_runs_go_and_unfinished_ones_stay() {
        let (_root, tfw) = folder();
        for number in 0..PLANS_KEPT + 3 {
            let id = format!("2020010{}T000000Z-{number:06x}", number % 10);
            make_private_folder(&tfw.plans(&id)).expect("made");
            make_private_folder(&tfw.run(&id)).expect("made");
            if number == 1 {
                write_private(
                    &tfw.errored_state(&id, &"dev".parse().expect("a unit")),
                    b"{}",
                )
                .expect("written");
            }
            if number != 0 {
                write_private(&tfw.run(&id).join("report.json"), b"{}").expect("written");
            }
        }
        Run::begin(&tfw, "plan").expect("begins");
        let left = fs::read_dir(tfw.path().join("plans"))
            .expect("there")
            .count();
        assert_eq!(left, PLANS_KEPT + 2);
        assert!(
            tfw.plans("20200100T000000Z-000000").exists(),
            "the unfinished one stays"
        );
    }

    #[test]
    fn runs_that_only_look_take_no_room_from_those_that_did_something() {
        let (_root, tfw) = folder();
        let apply = Run::begin(&tfw, "apply").expect("begins");
        let unit = "dev".parse().expect("a unit");
        let step = |state| apply.step(&unit, Step::Apply, state, &json!({}));
        step(StepState::Begun).expect("written");
        step(StepState::Done).expect("written");
        apply.end(b"{}", 0).expect("written");
        for _ in 0..RUNS_KEPT + 5 {
            let run = Run::begin(&tfw, "lock list").expect("begins");
            run.end(b"{}", 0).expect("written");
        }
        assert!(apply.folder().join("report.json").exists());
        let left = fs::read_dir(tfw.path().join("runs"))
            .expect("there")
            .count();
        // One more than is kept until the next run begins.
        assert_eq!(left, 1 + RUNS_KEPT + 1);
    }
}
