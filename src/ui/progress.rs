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
    bar: ProgressBar,
    running: Vec<(UnitId, Phase)>,
}

impl Progress {
    pub(super) fn new(enabled: bool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        if enabled {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        Self {
            bar,
            running: Vec::new(),
        }
    }

    pub(super) fn observe(&mut self, event: &Event) {
        match event {
            Event::RunStarted { units, .. } => {
                self.bar.set_length(units.len() as u64);
                self.resume();
            }
            Event::Phase { unit, phase } => {
                self.running.retain(|(id, _)| id != unit);
                self.running.push((unit.clone(), *phase));
            }
            Event::UnitFinished { unit, .. } => {
                self.running.retain(|(id, _)| id != unit);
                self.bar.inc(1);
            }
            _ => return,
        }
        self.bar.set_message(describe(&self.running));
    }

    /// Takes the line away while a question is asked.
    pub(super) fn pause(&self) {
        self.bar.disable_steady_tick();
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
    }

    pub(super) fn resume(&self) {
        self.bar.enable_steady_tick(TICK);
    }

    /// Writes something above the line.
    pub(super) fn suspend(&self, write: impl FnOnce()) {
        self.bar.suspend(write);
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
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
