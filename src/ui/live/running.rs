//! What is known of the units that run, in words.
//!
//! It knows the time only from its callers, so that what is told can be tested without waiting.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::events::{Event, Phase, ResourceProgress};
use crate::model::UnitId;
use crate::ui::style::{CYAN, DIM, name_width, time};

/// More running units than this are counted, not named, in a log.
const NAMED: usize = 16;
/// Columns that a unit's line needs beside its name: the spinner, the time, the phase, the count.
const BESIDE_NAME: usize = 26;
/// A name keeps so many columns, however narrow the terminal is.
const SHORTEST_NAME: usize = 8;

/// What is known of the units that run, and of how many have run.
#[derive(Debug, Default)]
pub(super) struct Running {
    selected: usize,
    finished: usize,
    width: usize,
    units: Vec<RunningUnit>,
    /// Time that units have spent in earlier stretches of work.
    spent: HashMap<UnitId, Duration>,
    begun: Option<Instant>,
}

#[derive(Debug)]
struct RunningUnit {
    unit: UnitId,
    phase: Phase,
    since: Instant,
    done: usize,
    total: usize,
}

impl Running {
    /// How many units the run is about.
    pub(super) fn selected(&self) -> usize {
        self.selected
    }

    /// How many of them are done with.
    pub(super) fn finished(&self) -> usize {
        self.finished
    }

    pub(super) fn observe(&mut self, event: &Event, now: Instant) {
        match event {
            Event::RunStarted { units, .. } => {
                self.selected = units.len();
                self.width = name_width(units.iter().map(|(unit, _)| unit));
                self.begun = Some(now);
            }
            Event::Phase { unit, phase } => match self.find(unit) {
                Some(running) => {
                    if running.phase != *phase {
                        (running.done, running.total) = (0, 0);
                    }
                    running.phase = *phase;
                }
                None => self.units.push(RunningUnit {
                    unit: unit.clone(),
                    phase: *phase,
                    since: now,
                    done: 0,
                    total: 0,
                }),
            },
            Event::Resource {
                unit,
                action,
                progress,
                ..
            } => {
                if let Some(running) = self.find(unit) {
                    running.count(action, progress);
                }
            }
            Event::Waits { unit } => self.rest(unit, now),
            Event::UnitFinished { unit, .. } => {
                self.rest(unit, now);
                self.finished += 1;
            }
            _ => {}
        }
    }

    fn find(&mut self, unit: &UnitId) -> Option<&mut RunningUnit> {
        self.units.iter_mut().find(|running| running.unit == *unit)
    }

    fn rest(&mut self, unit: &UnitId, now: Instant) {
        let Some(position) = self.units.iter().position(|each| each.unit == *unit) else {
            return;
        };
        let resting = self.units.remove(position);
        *self.spent.entry(resting.unit).or_default() += now - resting.since;
    }

    /// `dev/network   41s  applying 3/12` for each running unit, at most so many lines; of a name
    /// that is too long for so many columns only the end is told.
    pub(super) fn lines(
        &self,
        now: Instant,
        most: usize,
        columns: usize,
        colour: bool,
    ) -> Vec<String> {
        let longest = columns.saturating_sub(BESIDE_NAME).max(SHORTEST_NAME);
        let width = self.width.min(longest);
        let listed = if self.units.len() > most {
            most.saturating_sub(1)
        } else {
            most
        };
        let mut lines: Vec<String> = self
            .units
            .iter()
            .take(listed)
            .map(|running| {
                let name = end(&running.unit.to_string(), longest);
                let spent = self.spent.get(&running.unit).copied().unwrap_or_default();
                let time = time(milliseconds(spent + (now - running.since)));
                let (doing, count) = (running.phase.doing(), running.counted());
                if colour {
                    format!("{CYAN}{name:width$}{CYAN:#} {DIM}{time:>6}{DIM:#}  {doing}{count}")
                } else {
                    format!("{name:width$} {time:>6}  {doing}{count}")
                }
            })
            .collect();
        if self.units.len() > listed {
            lines.push(format!("and {} more", self.units.len() - listed));
        }
        lines
    }

    /// `3/40 done, 4 running, 33 waiting, 12s`.
    pub(super) fn overall(&self, now: Instant) -> String {
        let running = self.units.len();
        let waiting = self.selected.saturating_sub(self.finished + running);
        let mut text = format!("{}/{} done", self.finished, self.selected);
        for (count, what) in [(running, "running"), (waiting, "waiting")] {
            if count > 0 {
                let _ = write!(text, ", {count} {what}");
            }
        }
        if let Some(begun) = self.begun {
            let _ = write!(text, ", {}", time(milliseconds(now - begun)));
        }
        text
    }

    pub(super) fn heartbeat(&self, now: Instant) -> Option<String> {
        if self.units.is_empty() {
            return None;
        }
        let units: Vec<String> = self
            .units
            .iter()
            .take(NAMED)
            .map(|running| {
                format!(
                    "{} ({}{})",
                    running.unit,
                    running.phase.doing(),
                    running.counted()
                )
            })
            .collect();
        let more = self.units.len() - units.len();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        Some(format!("{}: {}{more}", self.overall(now), units.join(", ")))
    }
}

impl RunningUnit {
    fn count(&mut self, action: &str, progress: &ResourceProgress) {
        // Terraform's words for a plan's changes; a replacement is two pieces of work.
        let pieces = match action {
            "replace" => 2,
            "create" | "update" | "delete" | "refresh" => 1,
            _ => 0,
        };
        match (progress, self.phase) {
            // An apply knows beforehand what it will do; a plan finds out what it reads.
            (ResourceProgress::Planned, Phase::Apply)
            | (ResourceProgress::Started, Phase::Plan) => self.total += pieces,
            (ResourceProgress::Done(_), _) => self.done += pieces,
            _ => {}
        }
    }

    /// ` 3/12`; nothing while there is nothing to count.
    fn counted(&self) -> String {
        if self.total == 0 {
            String::new()
        } else {
            format!(" {}/{}", self.done.min(self.total), self.total)
        }
    }
}

/// The end of a name: units of one environment begin alike.
fn end(name: &str, longest: usize) -> String {
    match name.len().checked_sub(longest) {
        // Names are ASCII.
        Some(more @ 1..) => format!("…{}", &name[more + 1..]),
        _ => name.to_owned(),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Typed;
    use crate::model::Outcome;

    fn unit(name: &str) -> UnitId {
        name.parse().expect("a unit")
    }

    fn started(names: &[&str], now: Instant) -> Running {
        let mut running = Running::default();
        let event = Event::RunStarted {
            run_id: "r1".to_owned(),
            command: "apply",
            typed: Typed::default(),
            units: names
                .iter()
                .map(|name| (unit(name), Outcome::blank()))
                .collect(),
        };
        running.observe(&event, now);
        running
    }

    fn enters(running: &mut Running, name: &str, phase: Phase, now: Instant) {
        let unit = unit(name);
        running.observe(&Event::Phase { unit, phase }, now);
    }

    fn resource(running: &mut Running, action: &str, progress: ResourceProgress, now: Instant) {
        let event = Event::Resource {
            unit: unit("dev"),
            address: "terraform_data.a".to_owned(),
            action: action.to_owned(),
            progress,
        };
        running.observe(&event, now);
    }

    #[test]
    fn a_line_tells_phase_time_and_resources() {
        let start = Instant::now();
        let mut running = started(&["dev", "prod/network", "stage"], start);
        enters(&mut running, "dev", Phase::Plan, start);
        let later = start + Duration::from_secs(2);
        running.observe(&Event::Waits { unit: unit("dev") }, later);
        assert!(running.lines(later, 9, 80, false).is_empty());

        // Waiting for an answer is not the unit's time.
        let asked = later + Duration::from_secs(100);
        enters(&mut running, "dev", Phase::Apply, asked);
        enters(&mut running, "prod/network", Phase::Init, asked);
        resource(&mut running, "replace", ResourceProgress::Planned, asked);
        resource(&mut running, "create", ResourceProgress::Planned, asked);
        resource(&mut running, "read", ResourceProgress::Planned, asked);
        resource(&mut running, "delete", ResourceProgress::Done(1), asked);
        let now = asked + Duration::from_secs(40);
        assert_eq!(
            running.lines(now, 9, 80, false),
            [
                "dev             42s  applying 1/3",
                "prod/network    40s  initialising"
            ]
        );
        assert_eq!(
            running.overall(now),
            "0/3 done, 2 running, 1 waiting, 2m22s"
        );
        assert_eq!(
            running.heartbeat(now).as_deref(),
            Some(
                "0/3 done, 2 running, 1 waiting, 2m22s: dev (applying 1/3), prod/network (initialising)"
            )
        );
    }

    #[test]
    fn a_narrow_line_keeps_the_end_of_the_name_and_the_phase() {
        let start = Instant::now();
        let mut running = started(&["dev", "frankfurt-production/network"], start);
        enters(&mut running, "dev", Phase::Plan, start);
        enters(
            &mut running,
            "frankfurt-production/network",
            Phase::Plan,
            start,
        );
        assert_eq!(
            running.lines(start, 9, 40, false),
            [
                "dev              0.0s  planning",
                "…ction/network   0.0s  planning"
            ]
        );
    }

    #[test]
    fn many_units_are_counted() {
        let start = Instant::now();
        let mut running = started(&["a", "b", "c", "d"], start);
        for name in ["a", "b", "c"] {
            enters(&mut running, name, Phase::Plan, start);
        }
        assert_eq!(
            running.lines(start, 2, 80, false),
            ["a   0.0s  planning", "and 2 more"]
        );
        let finished = Event::UnitFinished {
            unit: unit("a"),
            outcome: Box::new(Outcome::blank()),
        };
        running.observe(&finished, start);
        assert_eq!(
            running.overall(start),
            "1/4 done, 2 running, 1 waiting, 0.0s"
        );
    }
}
