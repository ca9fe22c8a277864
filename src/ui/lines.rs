//! From a fact to lines: what is told as it happens, prefixed with its unit.

use std::fmt::Write as _;

use super::style::{
    BOLD, CYAN, DIM, GREEN, RED, YELLOW, changes_planned, count, counted, drifted, name_width,
    result_style, result_word, time, wrap,
};
use super::{backends, state};
use crate::events::{Event, Phase, ResourceProgress};
use crate::model::{Outcome, UnitId, UnitResult};

use super::problems::diagnostic_lines;

/// Of more units than this, a terminal is not told each resource: the line of the unit counts
/// them. A log is told all.
const FOLLOWED_UNITS: usize = 4;

/// Renders events; knows how wide the prefix of this run is.
#[derive(Debug)]
pub(super) struct Lines {
    quiet: bool,
    verbose: bool,
    /// Whether running units have lines of their own, that are redrawn.
    live: bool,
    command: &'static str,
    units: usize,
    name_width: usize,
}

impl Lines {
    pub(super) fn new(quiet: bool, verbose: bool, live: bool) -> Self {
        Self {
            quiet,
            verbose,
            live,
            command: "",
            units: 0,
            name_width: 0,
        }
    }

    /// The lines of one event, each with its newline; empty when there is nothing to show. On a
    /// terminal none is wider than `width`.
    pub(super) fn render(&mut self, event: &Event, width: usize) -> String {
        let text = match event {
            Event::RunStarted {
                run_id,
                command,
                units,
                ..
            } => {
                self.command = command;
                self.units = units.len();
                self.name_width = name_width(units.iter().map(|(unit, _)| unit));
                let count = count(units.len(), "unit");
                self.told(format!(
                    "{BOLD}tfw {command}{BOLD:#}: {count}, run {run_id}\n"
                ))
            }
            Event::Diagnostic {
                unit: None,
                diagnostic,
            } => self.prefixed(None, diagnostic_lines(diagnostic)),
            // What is about to be done is shown to whoever agreed beforehand, too.
            Event::Backends { conditions } => backends::lines(conditions),
            Event::StateDiffers { diff } => state::difference(diff),
            Event::Interrupted { message } => format!("{YELLOW}{message}{YELLOW:#}\n"),
            Event::UnitFinished { unit, outcome } => self.finished(unit, outcome),
            _ if self.quiet => String::new(),
            Event::Phase { unit, phase } => {
                let tells = match phase {
                    // A log is told when something begins to change.
                    Phase::Apply => !self.live || self.verbose,
                    _ => self.verbose,
                };
                if tells {
                    self.line(unit, &format!("{DIM}{}{DIM:#}", phase.doing()))
                } else {
                    String::new()
                }
            }
            Event::Resource {
                unit,
                address,
                action,
                progress,
            } => self.resource(unit, address, action, progress),
            Event::Note { unit, message } => self.prefixed(unit.as_ref(), [message.clone()]),
            Event::Detail { unit, message } if self.verbose => {
                self.prefixed(unit.as_ref(), [format!("{DIM}{message}{DIM:#}")])
            }
            Event::Detail { .. }
            | Event::Diagnostic { .. }
            | Event::Planned { .. }
            | Event::Bundled { .. }
            | Event::Provisional { .. }
            | Event::Waits { .. }
            | Event::Ask(_)
            | Event::AskCode(_)
            | Event::RunEnded => String::new(),
        };
        text.lines().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{}", wrap(line, width, 4));
            text
        })
    }

    fn told(&self, text: String) -> String {
        if self.quiet { String::new() } else { text }
    }

    fn line(&self, unit: &UnitId, text: &str) -> String {
        self.prefixed(Some(unit), [text.to_owned()])
    }

    fn prefixed(&self, unit: Option<&UnitId>, lines: impl IntoIterator<Item = String>) -> String {
        let prefix = unit.map_or(String::new(), |unit| {
            format!(
                "{CYAN}{:width$}{CYAN:#}  ",
                unit.to_string(),
                width = self.name_width
            )
        });
        lines.into_iter().fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{}", format!("{prefix}{line}").trim_end());
            text
        })
    }

    fn resource(
        &self,
        unit: &UnitId,
        address: &str,
        action: &str,
        progress: &ResourceProgress,
    ) -> String {
        let failed = matches!(progress, ResourceProgress::Failed(_));
        // Every plan reads what is there; that is worth a line for those who ask.
        let is_read = matches!(action, "refresh" | "read");
        let is_counted = self.live && self.units > FOLLOWED_UNITS;
        if !self.verbose && !failed && (is_read || is_counted) {
            return String::new();
        }
        match progress {
            ResourceProgress::Done(seconds) => self.line(
                unit,
                &format!("{GREEN}{address}: {action} done{GREEN:#} after {seconds}s"),
            ),
            ResourceProgress::Failed(seconds) => self.line(
                unit,
                &format!("{RED}{address}: {action} failed{RED:#} after {seconds}s"),
            ),
            ResourceProgress::Running(seconds) if !self.live || self.verbose => self.line(
                unit,
                &format!("{DIM}{address}: still at it ({action}, {seconds}s){DIM:#}"),
            ),
            ResourceProgress::Started if self.verbose => {
                self.line(unit, &format!("{DIM}{address}: {action} …{DIM:#}"))
            }
            ResourceProgress::Planned
            | ResourceProgress::Started
            | ResourceProgress::Running(_) => String::new(),
        }
    }

    fn finished(&self, unit: &UnitId, outcome: &Outcome) -> String {
        let style = result_style(outcome.result);
        let word = result_word(outcome.result);
        if outcome.result == UnitResult::Succeeded {
            if self.quiet {
                return String::new();
            }
            let time = outcome
                .duration_ms
                .map_or(String::new(), |ms| format!(" {DIM}({}){DIM:#}", time(ms)));
            let what = self.came_to(outcome);
            return self.line(unit, &format!("{style}{word}{style:#}{what}{time}"));
        }
        let reason = outcome.reason.as_deref();
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        self.line(unit, &format!("{style}{word}{style:#}{reason}"))
    }

    /// `: 3 to add, 0 to change, 0 to destroy`, `: no changes`.
    fn came_to(&self, outcome: &Outcome) -> String {
        match (self.command, outcome.changes) {
            ("apply" | "destroy", Some(changes)) if outcome.differs => {
                format!(": {}", counted(changes, ["added", "changed", "destroyed"]))
            }
            ("drift", Some(changes)) if outcome.differs => format!(": {}", drifted(changes)),
            ("drift", Some(_)) => ": no drift".to_owned(),
            (_, Some(_)) => format!(
                ": {}",
                changes_planned(outcome).unwrap_or_else(|| "no changes".to_owned())
            ),
            (_, None) => match outcome.replaced.as_ref().map_or(0, Vec::len) {
                0 => String::new(),
                1 => ": the state is written".to_owned(),
                count => format!(": {count} states are written"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Typed;
    use crate::model::{Changes, Diagnostic};

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn started(lines: &mut Lines, command: &'static str, names: &[&str]) {
        let event = Event::RunStarted {
            run_id: "r1".to_owned(),
            command,
            typed: Typed::default(),
            units: names
                .iter()
                .map(|name| (name.parse().expect("a unit"), Outcome::blank()))
                .collect(),
        };
        lines.render(&event, 100);
    }

    fn finished(unit: &str, outcome: Outcome) -> Event {
        Event::UnitFinished {
            unit: unit.parse().expect("a unit"),
            outcome: Box::new(outcome),
        }
    }

    #[test]
    fn a_finished_unit_is_one_line() {
        let mut lines = Lines::new(false, false, true);
        started(&mut lines, "plan", &["dev/network", "prod"]);
        let changes = |add| Outcome {
            result: UnitResult::Succeeded,
            changes: Some(Changes {
                add,
                ..Changes::default()
            }),
            differs: add > 0,
            duration_ms: Some(1_234),
            ..Outcome::blank()
        };
        let failed = Outcome {
            result: UnitResult::Failed,
            reason: Some("`terraform plan` failed: Invalid reference".to_owned()),
            ..Outcome::blank()
        };
        let text = [
            finished("prod", changes(2)),
            finished("prod", changes(0)),
            finished("dev/network", failed),
        ]
        .map(|event| lines.render(&event, 50))
        .concat();
        insta::assert_snapshot!(plain(&text), @r"
        prod         succeeded: 2 to add, 0 to change, 0
            to destroy (1.2s)
        prod         succeeded: no changes (1.2s)
        dev/network  failed: `terraform plan` failed:
            Invalid reference
        ");
    }

    #[test]
    fn quiet_keeps_problems() {
        let mut lines = Lines::new(true, false, false);
        let note = Event::Note {
            unit: None,
            message: "hello".to_owned(),
        };
        assert_eq!(lines.render(&note, 100), "");
        let problem = Event::Diagnostic {
            unit: None,
            diagnostic: Diagnostic::warning("weak"),
        };
        assert_eq!(plain(&lines.render(&problem, 100)), "warning: weak\n");
    }

    #[test]
    fn a_log_is_told_each_resource_and_a_full_terminal_only_failures() {
        let done = |progress| Event::Resource {
            unit: "a".parse().expect("a unit"),
            address: "terraform_data.x".to_owned(),
            action: "create".to_owned(),
            progress,
        };
        let mut log = Lines::new(false, false, false);
        let mut screen = Lines::new(false, false, true);
        for lines in [&mut log, &mut screen] {
            started(lines, "apply", &["a", "b", "c", "d", "e"]);
        }
        let succeeded = done(ResourceProgress::Done(2));
        assert_eq!(
            plain(&log.render(&succeeded, 100)),
            "a  terraform_data.x: create done after 2s\n"
        );
        assert_eq!(screen.render(&succeeded, 100), "");
        assert_eq!(
            plain(&screen.render(&done(ResourceProgress::Failed(2)), 100)),
            "a  terraform_data.x: create failed after 2s\n"
        );
    }
}
