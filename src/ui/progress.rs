//! One line at the bottom of a terminal: how far the run is, and what goes on right now.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::events::{Event, Phase};
use crate::model::UnitId;

/// How many running units the line names.
const NAMED: usize = 3;
/// How often the line is redrawn by itself.
const TICK: Duration = Duration::from_millis(120);

/// The line; draws nothing where there is no terminal.
pub(super) struct Progress {
    enabled: bool,
    bar: ProgressBar,
    selected: u64,
    finished: u64,
    running: Vec<(UnitId, Phase)>,
}

impl Progress {
    pub(super) fn new(enabled: bool) -> Self {
        Self {
            enabled,
            bar: ProgressBar::hidden(),
            selected: 0,
            finished: 0,
            running: Vec::new(),
        }
    }

    pub(super) fn observe(&mut self, event: &Event) {
        match event {
            Event::RunStarted { units, .. } => {
                self.selected = units.len() as u64;
                self.show();
            }
            Event::Phase { unit, phase } => {
                self.running.retain(|(id, _)| id != unit);
                self.running.push((unit.clone(), *phase));
            }
            Event::UnitFinished { unit, .. } => {
                self.running.retain(|(id, _)| id != unit);
                self.finished += 1;
            }
            _ => return,
        }
        self.bar.set_position(self.finished);
        self.bar.set_message(describe(&self.running));
    }

    /// Draws the line from now on.
    pub(super) fn show(&mut self) {
        if !self.enabled {
            return;
        }
        let target = ProgressDrawTarget::stderr();
        self.bar = ProgressBar::with_draw_target(Some(self.selected), target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos}/{len} {wide_msg}") {
            self.bar.set_style(style);
        }
        self.bar.set_position(self.finished);
        self.bar.set_message(describe(&self.running));
        self.bar.enable_steady_tick(TICK);
    }

    /// Takes the line away.
    pub(super) fn hide(&mut self) {
        self.bar.finish_and_clear();
        self.bar = ProgressBar::hidden();
    }

    /// Writes something above the line.
    pub(super) fn suspend(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }
}

fn describe(running: &[(UnitId, Phase)]) -> String {
    let mut named: Vec<String> = running
        .iter()
        .take(NAMED)
        .map(|(unit, phase)| format!("{unit} ({})", phase.doing()))
        .collect();
    if running.len() > NAMED {
        named.push(format!("and {} more", running.len() - NAMED));
    }
    named.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_a_few_units_and_counts_the_rest() {
        let running: Vec<(UnitId, Phase)> = ["a", "b", "c", "d", "e"]
            .iter()
            .map(|name| (name.parse().expect("a unit"), Phase::Plan))
            .collect();
        assert_eq!(describe(&running[..1]), "a (planning)");
        assert_eq!(
            describe(&running),
            "a (planning), b (planning), c (planning), and 2 more"
        );
    }
}
