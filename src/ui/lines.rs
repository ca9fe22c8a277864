//! From a fact to lines: one line for each event that matters, prefixed with its unit.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::events::{Event, Phase, ResourceProgress};
use crate::model::{Changes, Diagnostic, Outcome, ResourceChange, Severity, UnitId, UnitResult};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const RED: Style = AnsiColor::Red.on_default();
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
pub(super) const CYAN: Style = AnsiColor::Cyan.on_default();

/// Unit names longer than this do not widen the prefix of all others.
const WIDEST_PREFIX: usize = 32;

/// Renders events; knows how wide the prefix of this run is.
#[derive(Debug)]
pub(super) struct Lines {
    quiet: bool,
    verbose: bool,
    width: usize,
    /// The run looks for drift: its plans tell of the past, and change nothing.
    drift: bool,
    /// Plans that were not shown, of units that have not ended: somebody may be asked about them.
    unseen: Vec<(UnitId, String)>,
}

impl Lines {
    pub(super) fn new(quiet: bool, verbose: bool) -> Self {
        Self {
            quiet,
            verbose,
            width: 0,
            drift: false,
            unseen: Vec::new(),
        }
    }

    /// The plans that nobody has seen yet: nobody is asked about what was not shown, however quiet
    /// it is to be.
    pub(super) fn unseen_plans(&mut self) -> String {
        let plans = std::mem::take(&mut self.unseen);
        plans.into_iter().map(|(_, plan)| plan).collect()
    }

    /// The lines of one event, each with its newline; empty when there is nothing to show.
    pub(super) fn render(&mut self, event: &Event) -> String {
        match event {
            Event::RunStarted {
                run_id,
                command,
                units,
            } => {
                self.drift = *command == "drift";
                self.width = units
                    .iter()
                    .map(|(unit, _)| unit.to_string().len())
                    .max()
                    .unwrap_or(0);
                self.width = self.width.min(WIDEST_PREFIX);
                let count = units.len();
                let s = if count == 1 { "" } else { "s" };
                self.told(format!(
                    "{BOLD}tfw {command}{BOLD:#}: {count} unit{s}, run {run_id}\n"
                ))
            }
            Event::Diagnostic { unit, diagnostic } => {
                self.prefixed(unit.as_ref(), diagnostic_lines(diagnostic))
            }
            Event::Interrupted { message } => format!("{YELLOW}{message}{YELLOW:#}\n"),
            Event::UnitFinished { unit, outcome } => {
                self.unseen.retain(|(planned, _)| planned != unit);
                self.finished(unit, outcome)
            }
            Event::Planned {
                unit,
                changes,
                resources,
                outputs,
            } => {
                let plan = self.planned(unit, *changes, resources, outputs);
                if self.quiet {
                    self.unseen.push((unit.clone(), plan));
                    return String::new();
                }
                plan
            }
            _ if self.quiet => String::new(),
            Event::Phase { unit, phase } => match phase {
                Phase::Credentials | Phase::Backend | Phase::Output | Phase::State
                    if !self.verbose =>
                {
                    String::new()
                }
                phase => self.line(unit, &format!("{DIM}{}{DIM:#}", phase.doing())),
            },
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
            Event::Provisional { unit, because } => self.line(
                unit,
                &format!("provisional: `{because}` has changes that are not applied yet"),
            ),
            Event::Detail { .. } | Event::Ask(_) | Event::RunEnded => String::new(),
        }
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
                width = self.width
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
        // Every plan reads what is there; that is worth a line for those who ask.
        if matches!(action, "refresh" | "read") && !self.verbose {
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
            ResourceProgress::Running(seconds) => self.line(
                unit,
                &format!("{DIM}{address}: still at it ({action}, {seconds}s){DIM:#}"),
            ),
            ResourceProgress::Started if self.verbose => {
                self.line(unit, &format!("{DIM}{address}: {action} …{DIM:#}"))
            }
            ResourceProgress::Started => String::new(),
        }
    }

    fn planned(
        &self,
        unit: &UnitId,
        changes: Changes,
        resources: &[ResourceChange],
        outputs: &[String],
    ) -> String {
        let mut lines = Vec::new();
        for resource in resources {
            let (symbol, style) = symbol(&resource.actions);
            lines.push(format!(
                "{style}{symbol}{style:#} {BOLD}{}{BOLD:#}",
                resource.address
            ));
            lines.extend(resource.attributes.iter().map(|line| format!("    {line}")));
        }
        lines.extend(outputs.iter().map(|output| format!("output {output}")));
        lines.push(if self.drift {
            format!("{BOLD}drift:{BOLD:#} {}", describe_drift(changes))
        } else {
            format!("{BOLD}plan:{BOLD:#} {}", describe_changes(changes))
        });
        self.prefixed(Some(unit), lines)
    }

    fn finished(&self, unit: &UnitId, outcome: &Outcome) -> String {
        let style = result_style(outcome.result);
        let word = result_word(outcome.result);
        match outcome.result {
            UnitResult::Succeeded if self.quiet => String::new(),
            UnitResult::Succeeded => {
                let time = outcome
                    .duration_ms
                    .map_or(String::new(), |ms| format!(" ({})", time(ms)));
                self.line(unit, &format!("{style}{word}{style:#}{time}"))
            }
            _ => {
                // What a diagnostic has just said is not said again.
                let told = |reason: &&str| {
                    outcome
                        .diagnostics
                        .iter()
                        .any(|told| told.summary == **reason)
                };
                let reason = outcome.reason.as_deref().filter(|reason| !told(reason));
                let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
                self.line(unit, &format!("{style}{word}{style:#}{reason}"))
            }
        }
    }
}

/// A diagnostic as lines: severity and summary, place, detail.
pub fn diagnostic_lines(diagnostic: &Diagnostic) -> Vec<String> {
    let (word, style) = match diagnostic.severity {
        Severity::Error => ("error", RED.bold()),
        Severity::Warning => ("warning", YELLOW.bold()),
    };
    let mut lines = vec![format!("{style}{word}{style:#}: {}", diagnostic.summary)];
    if let Some(file) = &diagnostic.file {
        let line = diagnostic
            .line
            .map_or(String::new(), |line| format!(":{line}"));
        lines.push(format!("  {DIM}at {file}{line}{DIM:#}"));
    }
    if let Some(detail) = &diagnostic.detail {
        lines.extend(detail.lines().map(|line| format!("  {line}")));
    }
    lines
}

/// Terraform's sentence for a plan's counts.
pub(super) fn describe_changes(changes: Changes) -> String {
    let Changes {
        add,
        change,
        destroy,
        replace,
        import,
        outputs,
    } = changes;
    if changes == Changes::default() {
        return "no changes to resources".to_owned();
    }
    let mut text = format!("{add} to add, {change} to change, {destroy} to destroy");
    for (count, what) in [
        (replace, "replaced"),
        (import, "to import"),
        (outputs, "outputs change"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}

/// The counts of a refresh-only plan: nothing of it is to be done, all of it has happened.
fn describe_drift(changes: Changes) -> String {
    let counts = [
        (changes.change, "changed outside of Terraform"),
        (changes.destroy, "gone"),
        (changes.outputs, "output values differ"),
    ];
    let told: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if told.is_empty() {
        "none".to_owned()
    } else {
        told.join(", ")
    }
}

fn symbol(actions: &[String]) -> (&'static str, Style) {
    let has = |action: &str| actions.iter().any(|each| each == action);
    match (has("create"), has("delete")) {
        (true, true) => ("-/+", YELLOW),
        (true, false) => ("+", GREEN),
        (false, true) => ("-", RED),
        (false, false) if has("update") => ("~", YELLOW),
        (false, false) if has("read") => ("<=", CYAN),
        (false, false) => ("·", DIM),
    }
}

pub(super) fn result_word(result: UnitResult) -> &'static str {
    match result {
        UnitResult::Succeeded => "succeeded",
        UnitResult::Failed => "failed",
        UnitResult::Skipped => "skipped",
        UnitResult::Refused => "refused",
        UnitResult::Locked => "locked",
        UnitResult::Interrupted => "interrupted",
    }
}

pub(super) fn result_style(result: UnitResult) -> Style {
    match result {
        UnitResult::Succeeded => GREEN,
        UnitResult::Failed | UnitResult::Refused => RED.bold(),
        UnitResult::Skipped => DIM,
        UnitResult::Locked | UnitResult::Interrupted => YELLOW,
    }
}

/// `0.3s`, `42s`, `3m05s`.
pub(super) fn time(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{}s", ms / 1000, ms % 1000 / 100),
        10_000..60_000 => format!("{}s", ms / 1000),
        _ => format!("{}m{:02}s", ms / 60_000, ms % 60_000 / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn each_line_is_prefixed_with_its_unit() {
        let mut lines = Lines::new(false, false);
        let unit: UnitId = "dev/network".parse().expect("a unit");
        lines.render(&Event::RunStarted {
            run_id: "r1".to_owned(),
            command: "plan",
            units: vec![
                (unit.clone(), Outcome::blank()),
                ("prod".parse().expect("a unit"), Outcome::blank()),
            ],
        });
        let diagnostic = Diagnostic::error("reference to undeclared resource")
            .with_detail("it is not declared")
            .with_hint("declare it")
            .at("dev/main.tf", Some(3));
        let text = lines.render(&Event::Diagnostic {
            unit: Some(unit),
            diagnostic,
        });
        insta::assert_snapshot!(plain(&text), @r"
        dev/network  error: reference to undeclared resource
        dev/network    at dev/main.tf:3
        dev/network    it is not declared
        dev/network    hint: declare it
        ");
    }

    #[test]
    fn a_plan_shows_each_resource_and_its_attributes() {
        let mut lines = Lines::new(false, false);
        let text = lines.render(&Event::Planned {
            unit: "dev".parse().expect("a unit"),
            changes: Changes {
                add: 1,
                destroy: 1,
                replace: 1,
                ..Changes::default()
            },
            resources: vec![ResourceChange {
                address: "aws_vpc.this".to_owned(),
                actions: vec!["delete".to_owned(), "create".to_owned()],
                attributes: vec!["cidr_block: \"a\" → \"b\"".to_owned()],
            }],
            outputs: vec!["~ vpc_id".to_owned()],
        });
        insta::assert_snapshot!(plain(&text), @r#"
        dev  -/+ aws_vpc.this
        dev      cidr_block: "a" → "b"
        dev  output ~ vpc_id
        dev  plan: 1 to add, 0 to change, 1 to destroy, 1 replaced
        "#);
    }

    #[test]
    fn drift_is_told_in_the_past_tense() {
        let drift = |change, destroy, outputs| {
            describe_drift(Changes {
                change,
                destroy,
                outputs,
                ..Changes::default()
            })
        };
        assert_eq!(drift(0, 0, 0), "none");
        assert_eq!(
            drift(2, 1, 1),
            "2 changed outside of Terraform, 1 gone, 1 output values differ"
        );
    }

    #[test]
    fn quiet_keeps_problems() {
        let mut lines = Lines::new(true, false);
        let note = Event::Note {
            unit: None,
            message: "hello".to_owned(),
        };
        assert_eq!(lines.render(&note), "");
        let problem = Event::Diagnostic {
            unit: None,
            diagnostic: Diagnostic::warning("weak"),
        };
        assert_eq!(plain(&lines.render(&problem)), "warning: weak\n");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(
            [time(340), time(42_900), time(185_000)],
            ["0.3s", "42s", "3m05s"]
        );
    }
}
