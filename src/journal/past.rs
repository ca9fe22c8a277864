//! Runs as their journals tell of them: what a later command can know of whoever holds a lock.

use std::fs;

use jiff::Timestamp;
use rustix::process::{Pid, test_kill_process};
use serde_json::Value;

use super::{TfwFolder, host};
use crate::model::UnitId;

/// A run that was begun in this `.tfw/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRun {
    /// Its id.
    pub id: String,
    /// The command: `apply`.
    pub command: String,
    /// The process.
    pub pid: u32,
    /// The machine.
    pub host: String,
    /// Whether it came to its end.
    pub ended: bool,
    steps: Vec<PastStep>,
}

/// A step of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PastStep {
    unit: String,
    name: String,
    begun: Timestamp,
    ended: Option<Timestamp>,
}

/// Steps in which Terraform holds the lock of a state.
const LOCKING: [&str; 4] = ["plan", "apply", "exec", "shell"];

impl TfwFolder {
    /// A run by its id, where it is one of this folder.
    pub fn past_run(&self, id: &str) -> Option<PastRun> {
        // The id may come from a document that anybody wrote.
        let is_id = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_id || id.is_empty() {
            return None;
        }
        let journal = fs::read_to_string(self.run(id).join("journal.jsonl")).ok()?;
        PastRun::parse(id, &journal)
    }

    /// All runs whose journal is still there, the newest first. What cannot be read is left out.
    pub fn past_runs(&self) -> Vec<PastRun> {
        let entries = fs::read_dir(self.path().join("runs"));
        let mut ids: Vec<String> = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.iter().filter_map(|id| self.past_run(id)).collect()
    }
}

impl PastRun {
    fn parse(id: &str, journal: &str) -> Option<Self> {
        let mut run: Option<Self> = None;
        for line in journal.lines() {
            // The last line may have been cut short.
            let Ok(entry) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            let time = text("time").parse::<Timestamp>().ok();
            match (entry["event"].as_str(), &mut run) {
                (Some("begun"), None) => {
                    run = Some(Self {
                        id: id.to_owned(),
                        command: text("command"),
                        pid: entry["pid"].as_u64().and_then(|pid| pid.try_into().ok())?,
                        host: text("host"),
                        ended: false,
                        steps: Vec::new(),
                    });
                }
                (Some("step"), Some(run)) => {
                    run.step(&text("unit"), &text("step"), &text("state"), time?);
                }
                (Some("ended"), Some(run)) => run.ended = true,
                _ => {}
            }
        }
        run
    }

    fn step(&mut self, unit: &str, name: &str, state: &str, time: Timestamp) {
        if state == "begun" {
            self.steps.push(PastStep {
                unit: unit.to_owned(),
                name: name.to_owned(),
                begun: time,
                ended: None,
            });
        } else if let Some(step) = self
            .steps
            .iter_mut()
            .rev()
            .find(|step| step.unit == unit && step.name == name && step.ended.is_none())
        {
            step.ended = Some(time);
        }
    }

    /// Whether it ended without a step, so that nothing came of it but what it printed.
    pub(super) fn only_looked(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether a Terraform of this run worked on a unit at that time.
    pub fn worked_on(&self, unit: &UnitId, at: Timestamp) -> bool {
        self.locking(unit)
            .any(|step| step.begun <= at && step.ended.is_none_or(|ended| at <= ended))
    }

    /// Whether this run's work on a unit goes on, as far as the journal knows.
    pub fn works_on(&self, unit: &UnitId) -> bool {
        !self.ended && self.locking(unit).any(|step| step.ended.is_none())
    }

    fn locking(&self, unit: &UnitId) -> impl Iterator<Item = &PastStep> {
        let unit = unit.to_string();
        self.steps
            .iter()
            .filter(move |step| step.unit == unit && LOCKING.contains(&step.name.as_str()))
    }

    /// Whether its process is still there. The number may be another process's by now: on Linux
    /// it must be a tfw, elsewhere that it lives is all that can be told.
    pub fn is_alive(&self) -> bool {
        if self.ended || self.host != host() {
            return false;
        }
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if pid.is_none_or(|pid| test_kill_process(pid).is_err()) {
            return false;
        }
        let program = |process: &str| {
            let path = fs::read_link(format!("/proc/{process}/exe")).ok()?;
            let name = path.file_name()?.to_string_lossy().into_owned();
            // A program that was replaced since runs on under this name.
            Some(name.trim_end_matches(" (deleted)").to_owned())
        };
        match (program("self"), program(&self.pid.to_string())) {
            (Some(own), Some(other)) => own == other,
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Run, Step, StepState};
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    const JOURNAL: &str = r#"{"time":"2026-01-01T10:00:00Z","event":"begun","command":"apply","pid":7,"host":"h"}
{"time":"2026-01-01T10:00:01Z","event":"step","unit":"dev/app","step":"plan","state":"begun","detail":{}}
{"time":"2026-01-01T10:00:05Z","event":"step","unit":"dev/app","step":"plan","state":"done","detail":{}}
{"time":"2026-01-01T10:01:00Z","event":"step","unit":"dev/app","step":"apply","state":"begun","detail":{}}
{"time":"2026-01-01T10:01:00Z","event":"st"#;

    #[test]
    fn what_a_run_did_when_is_read_from_its_journal() {
        let run = PastRun::parse("r", JOURNAL).expect("a run");
        assert_eq!(
            (run.command.as_str(), run.pid, run.ended),
            ("apply", 7, false)
        );
        let unit = "dev/app".parse().expect("a unit");
        let at = |text| run.worked_on(&unit, time(text));
        assert!(at("2026-01-01T10:00:03Z"), "in the plan");
        assert!(!at("2026-01-01T10:00:30Z"), "between the two");
        assert!(at("2026-01-01T10:30:00Z"), "in the apply, which has no end");
        assert!(run.works_on(&unit));
        let other = "dev".parse().expect("a unit");
        assert!(!run.worked_on(&other, time("2026-01-01T10:30:00Z")));
        assert!(!run.is_alive(), "that was another machine");
    }

    #[test]
    fn a_run_that_goes_on_is_alive_and_one_that_ended_is_not() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let tfw = TfwFolder::open(root.path()).expect("opens");
        let run = Run::begin(&tfw, "plan").expect("begins");
        let unit = "dev".parse().expect("a unit");
        run.step(&unit, Step::Plan, StepState::Begun, &json!({}))
            .expect("written");
        let past = tfw.past_run(run.id()).expect("there");
        assert!(past.is_alive() && past.works_on(&unit));
        run.end(b"{}", 0).expect("written");
        let past = tfw.past_runs().remove(0);
        assert!(past.ended && !past.is_alive() && !past.works_on(&unit));
    }

    #[test]
    fn an_id_from_elsewhere_leads_out_of_no_folder() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let tfw = TfwFolder::open(root.path()).expect("opens");
        for id in ["", "../x", "a/b", "gone"] {
            assert_eq!(tfw.past_run(id), None);
        }
    }
}
