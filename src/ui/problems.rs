//! Errors and warnings of units, equal ones once, with the units that they concern.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::style::{DIM, RED, YELLOW, count, wrap};
use crate::model::{Diagnostic, Severity, UnitId};

/// So many places of one diagnostic are told.
const PLACES: usize = 3;

/// So many units are named even where they are all.
const NAMED: usize = 3;

/// What units had to say that nobody has seen yet.
#[derive(Debug, Default)]
pub(super) struct Problems {
    open: Vec<(UnitId, Diagnostic)>,
    known: HashSet<(UnitId, Diagnostic)>,
}

/// Diagnostics that say the same, of several units or places.
struct Group<'a> {
    first: &'a Diagnostic,
    units: Vec<&'a UnitId>,
    places: Vec<String>,
    known_places: HashSet<String>,
}

impl Problems {
    pub(super) fn add(&mut self, unit: &UnitId, diagnostic: &Diagnostic) {
        let entry = (unit.clone(), diagnostic.clone());
        // An apply repeats what its plan has said.
        if self.known.insert(entry.clone()) {
            self.open.push(entry);
        }
    }

    /// All that is open, warnings before errors, so that the last thing on the screen is the
    /// worst. `selected`: all units of the run, in the order in which they are named; a single one
    /// need not be.
    pub(super) fn take(&mut self, selected: &[UnitId], width: usize) -> String {
        let mut open = std::mem::take(&mut self.open);
        let positions: HashMap<&UnitId, usize> = selected.iter().zip(0..).collect();
        open.sort_by_key(|(unit, _)| positions.get(unit).copied());
        let mut text = String::new();
        for severity in [Severity::Warning, Severity::Error] {
            let these = open.iter().filter(|(_, each)| each.severity == severity);
            for group in groups(these) {
                let _ = write!(text, "\n{}", group.render(selected.len(), width));
            }
        }
        text
    }
}

fn groups<'a>(open: impl Iterator<Item = &'a (UnitId, Diagnostic)>) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut known: HashMap<(&str, Option<&str>), usize> = HashMap::new();
    for (unit, diagnostic) in open {
        let key = (diagnostic.summary.as_str(), diagnostic.detail.as_deref());
        let group = *known.entry(key).or_insert_with(|| {
            groups.push(Group {
                first: diagnostic,
                units: Vec::new(),
                places: Vec::new(),
                known_places: HashSet::new(),
            });
            groups.len() - 1
        });
        let group = &mut groups[group];
        // They are sorted by unit.
        if group.units.last() != Some(&unit) {
            group.units.push(unit);
        }
        if let Some(place) = place(diagnostic)
            && group.known_places.insert(place.clone())
        {
            group.places.push(place);
        }
    }
    groups
}

impl Group<'_> {
    fn render(&self, selected: usize, width: usize) -> String {
        let units: Vec<String> = self.units.iter().map(ToString::to_string).collect();
        let whose = match units.len() {
            _ if selected == 1 => None,
            1 => Some(format!("in {}", units[0])),
            count if count == selected && count > NAMED => Some(format!("in all {count} units")),
            count => Some(format!("in {count} units: {}", units.join(", "))),
        };
        lines(self.first, whose, &self.places)
            .iter()
            .fold(String::new(), |mut text, line| {
                let _ = writeln!(text, "{}", wrap(line, width, indent(line)));
                text
            })
    }
}

/// A diagnostic as lines: severity and summary, place, detail.
pub fn diagnostic_lines(diagnostic: &Diagnostic) -> Vec<String> {
    let place: Vec<String> = place(diagnostic).into_iter().collect();
    lines(diagnostic, None, &place)
}

fn lines(diagnostic: &Diagnostic, whose: Option<String>, places: &[String]) -> Vec<String> {
    let (word, style) = match diagnostic.severity {
        Severity::Error => ("error", RED.bold()),
        Severity::Warning => ("warning", YELLOW.bold()),
    };
    let mut lines = vec![format!("{style}{word}{style:#}: {}", diagnostic.summary)];
    lines.extend(whose.map(|whose| format!("  {DIM}{whose}{DIM:#}")));
    if !places.is_empty() {
        let told = places.iter().take(PLACES).cloned().collect::<Vec<_>>();
        let more = places.len() - told.len();
        let more = if more > 0 {
            format!(" and {}", count(more, "more place"))
        } else {
            String::new()
        };
        lines.push(format!("  {DIM}at {}{more}{DIM:#}", told.join(", ")));
    }
    if let Some(detail) = &diagnostic.detail {
        lines.extend(
            detail
                .lines()
                .map(|line| format!("  {line}").trim_end().to_owned()),
        );
    }
    lines
}

fn place(diagnostic: &Diagnostic) -> Option<String> {
    let file = diagnostic.file.as_ref()?;
    let line = diagnostic.line;
    Some(line.map_or_else(|| file.clone(), |line| format!("{file}:{line}")))
}

/// Where a line goes on that is too long: text below itself, the rest below what it belongs to.
fn indent(line: &str) -> usize {
    let begin = line.len() - line.trim_start().len();
    if begin == 0 || line[begin..].starts_with("hint: ") {
        begin + 2
    } else {
        begin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn unit(name: &str) -> UnitId {
        name.parse().expect("a unit")
    }

    #[test]
    fn equal_ones_are_told_once_with_their_units_and_places() {
        let mut problems = Problems::default();
        let check = |file: &str| {
            Diagnostic::warning("Check block assertion failed")
                .with_detail("12: condition = false")
                .with_detail("the certificate ends in 10 days, which is sooner than it should be")
                .at(file, Some(12))
        };
        problems.add(&unit("dev"), &check("dev/main.tf"));
        problems.add(&unit("dev"), &check("dev/main.tf"));
        problems.add(
            &unit("prod"),
            &Diagnostic::error("no credentials").with_hint("log in"),
        );
        problems.add(&unit("prod"), &check("prod/main.tf"));
        insta::assert_snapshot!(plain(&problems.take(&[unit("dev"), unit("prod"), unit("test")], 60)), @r"

        warning: Check block assertion failed
          in 2 units: dev, prod
          at dev/main.tf:12, prod/main.tf:12
          12: condition = false
          the certificate ends in 10 days, which is sooner than it
          should be

        error: no credentials
          in prod
          hint: log in
        ");
        // What has been seen before a question is not told again after the apply.
        problems.add(&unit("dev"), &check("dev/main.tf"));
        assert_eq!(
            problems.take(&[unit("dev"), unit("prod"), unit("test")], 60),
            ""
        );
    }

    #[test]
    fn of_one_unit_alone_nobody_needs_its_name() {
        let mut problems = Problems::default();
        problems.add(&unit("dev"), &Diagnostic::warning("weak"));
        assert_eq!(
            plain(&problems.take(&[unit("dev")], 60)),
            "\nwarning: weak\n"
        );
    }
}
