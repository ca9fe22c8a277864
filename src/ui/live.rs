//! What goes on right now, at the bottom of a terminal: a line for each running unit, and below
//! them how far the run is.
//!
//! The lines are drawn only where they can be redrawn. They know the time only through
//! [`Live::tick`], so that what is told can be tested without waiting.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::style::{CYAN, DIM, name_width, time};
use crate::events::{Event, Phase, ResourceProgress};
use crate::model::UnitId;

/// More running units than this are counted, not listed.
const LISTED: usize = 16;
/// Lines of the terminal that stay free for what is printed.
const FREE_LINES: usize = 6;

/// What is known of the units that run, and of how many have run.
#[derive(Debug, Default)]
struct Running {
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

/// The lines; draws nothing where there is no terminal.
pub(super) struct Live {
    enabled: bool,
    colour: bool,
    running: Running,
    screen: Option<Screen>,
}

struct Screen {
    lines: MultiProgress,
    units: Vec<ProgressBar>,
    overall: ProgressBar,
}

impl Live {
    pub(super) fn new(enabled: bool, colour: bool) -> Self {
        Self {
            enabled,
            colour,
            running: Running::default(),
            screen: None,
        }
    }

    pub(super) fn observe(&mut self, event: &Event) {
        let now = Instant::now();
        self.running.observe(event, now);
        if matches!(event, Event::RunStarted { .. }) {
            self.show();
        }
        if matches!(
            event,
            Event::Phase { .. } | Event::Waits { .. } | Event::UnitFinished { .. }
        ) {
            self.draw(now);
        }
    }

    /// The units that run now, and for how long: what a log is told from time to time.
    pub(super) fn heartbeat(&self) -> Option<String> {
        self.running.heartbeat(Instant::now())
    }

    /// Draws what has changed with time.
    pub(super) fn tick(&mut self) {
        self.draw(Instant::now());
    }

    /// Draws from now on.
    pub(super) fn show(&mut self) {
        if !self.enabled {
            return;
        }
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let overall = lines.add(ProgressBar::new(self.running.selected as u64));
        if let Ok(style) = ProgressStyle::with_template("{bar:20} {wide_msg}") {
            overall.set_style(style.progress_chars("━━╌"));
        }
        self.screen = Some(Screen {
            lines,
            units: Vec::new(),
            overall,
        });
        self.tick();
    }

    /// Takes the lines away.
    pub(super) fn hide(&mut self) {
        if let Some(screen) = self.screen.take() {
            for line in &screen.units {
                line.finish_and_clear();
            }
            screen.overall.finish_and_clear();
            let _ = screen.lines.clear();
        }
    }

    /// Writes something above the lines.
    pub(super) fn suspend(&self, write: impl FnOnce()) {
        match &self.screen {
            Some(screen) => screen.lines.suspend(write),
            None => write(),
        }
    }

    fn draw(&mut self, now: Instant) {
        let Some(screen) = &mut self.screen else {
            return;
        };
        let told = self.running.lines(now, listed(), self.colour);
        while screen.units.len() > told.len() {
            if let Some(line) = screen.units.pop() {
                line.finish_and_clear();
                screen.lines.remove(&line);
            }
        }
        for (index, text) in told.into_iter().enumerate() {
            if screen.units.len() == index {
                let line = ProgressBar::new_spinner();
                if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                    line.set_style(style);
                }
                screen
                    .units
                    .push(screen.lines.insert_before(&screen.overall, line));
            }
            screen.units[index].set_message(text);
            screen.units[index].tick();
        }
        screen.overall.set_position(self.running.finished as u64);
        screen.overall.set_message(self.running.overall(now));
    }
}

/// How many units may have a line.
fn listed() -> usize {
    let rows = super::size().map_or(24, |(_, rows)| rows);
    rows.saturating_sub(FREE_LINES).clamp(1, LISTED)
}

impl Running {
    fn observe(&mut self, event: &Event, now: Instant) {
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

    /// `dev/network   41s  applying 3/12` for each running unit, at most so many lines.
    fn lines(&self, now: Instant, most: usize, colour: bool) -> Vec<String> {
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
                let name = running.unit.to_string();
                let spent = self.spent.get(&running.unit).copied().unwrap_or_default();
                let time = time(milliseconds(spent + (now - running.since)));
                let width = self.width;
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
    fn overall(&self, now: Instant) -> String {
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

    fn heartbeat(&self, now: Instant) -> Option<String> {
        if self.units.is_empty() {
            return None;
        }
        let units: Vec<String> = self
            .units
            .iter()
            .take(LISTED)
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
        assert!(running.lines(later, 9, false).is_empty());

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
            running.lines(now, 9, false),
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
    fn many_units_are_counted() {
        let start = Instant::now();
        let mut running = started(&["a", "b", "c", "d"], start);
        for name in ["a", "b", "c"] {
            enters(&mut running, name, Phase::Plan, start);
        }
        assert_eq!(
            running.lines(start, 2, false),
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
