//! What a run came to: the table at its end, the totals, and where to look next.

use std::fmt::Write as _;

use anstyle::Style;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::next::next;
use super::style::{
    BOLD, DIM, YELLOW, count, counted, drifted, result_style, result_word, time, wrap,
};
use crate::events::Typed;
use crate::model::{Changes, Outcome, UnitId, UnitResult};

/// Of more units than this, those without anything to tell are counted only.
const LISTED: usize = 30;
/// So many of the slowest are named, of runs in which it matters.
const SLOWEST: usize = 3;
/// Of more units than this, only the folder of the logs is named.
const LOGS: usize = 4;
/// Units that are faster than this need no naming, in milliseconds.
const SLOW_MS: u64 = 1_000;

/// A run that has ended.
pub(super) struct Results<'a> {
    pub(super) command: &'a str,
    pub(super) typed: &'a Typed,
    pub(super) units: &'a [(UnitId, Outcome)],
    /// Units that were planned before their upstream's changes are applied, and that upstream.
    pub(super) provisional: &'a [(UnitId, UnitId)],
    pub(super) elapsed_ms: u64,
    pub(super) width: usize,
}

impl Results<'_> {
    /// The table, totals, the slowest, logs of what went wrong, and the next command.
    pub(super) fn render(&self) -> String {
        if self.units.is_empty() {
            return String::new();
        }
        let mut text = self.table();
        let _ = writeln!(text, "\n{}", wrap(&self.totals(), self.width, 2));
        for line in [self.slowest(), self.provisional()].into_iter().flatten() {
            let _ = writeln!(text, "{}", wrap(&line, self.width, 2));
        }
        for line in self.logs() {
            let _ = writeln!(text, "{}", wrap(&line, self.width, 2));
        }
        for line in next(self.command, self.typed, self.units) {
            let line = format!("{BOLD}next:{BOLD:#} {line}");
            let _ = writeln!(text, "{}", wrap(&line, self.width, 2));
        }
        text
    }

    fn table(&self) -> String {
        let is_long = self.units.len() > LISTED;
        let listed: Vec<&(UnitId, Outcome)> = self
            .units
            .iter()
            .filter(|(_, outcome)| !is_long || !is_plain(outcome))
            .collect();
        let left_out = self.units.len() - listed.len();
        let mut text = String::from("\n");
        if !listed.is_empty() {
            self.rows(&listed, &mut text);
        }
        if left_out > 0 {
            let what = if listed.is_empty() {
                "unit"
            } else {
                "more unit"
            };
            let _ = writeln!(
                text,
                "{DIM}{} with nothing to tell{DIM:#}",
                count(left_out, what)
            );
        }
        text
    }

    fn rows(&self, units: &[&(UnitId, Outcome)], text: &mut String) {
        let changes = |outcome: &Outcome| self.changes_of(outcome);
        let has_changes = units.iter().any(|(_, outcome)| changes(outcome).is_some());
        let has_time = units
            .iter()
            .any(|(_, outcome)| outcome.duration_ms.is_some());
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(ContentArrangement::Disabled);
        let mut header = vec!["UNIT", "RESULT"];
        let is_drift = self.command == "drift";
        if has_changes && is_drift {
            header.extend(["CHANGED", "GONE"]);
        } else if has_changes {
            header.extend(["+", "~", "-", "-/+"]);
        }
        if has_time {
            header.push("TIME");
        }
        table.set_header(header);
        for (unit, outcome) in units {
            let mut row = vec![unit.to_string(), self.word(unit, outcome).to_owned()];
            if has_changes {
                let counts = |c: Changes| {
                    if is_drift {
                        vec![c.change, c.destroy]
                    } else {
                        vec![c.add, c.change, c.destroy, c.replace]
                    }
                };
                let changes = changes(outcome);
                let cells = counts(changes.unwrap_or_default()).into_iter();
                row.extend(cells.map(|count| match changes {
                    Some(_) => count.to_string(),
                    None => String::new(),
                }));
            }
            if has_time {
                row.push(outcome.duration_ms.map(time).unwrap_or_default());
            }
            table.add_row(row);
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if index >= 2 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        let styles =
            std::iter::once(BOLD).chain(units.iter().map(|(_, outcome)| row_style(outcome)));
        for (line, style) in table.to_string().lines().zip(styles) {
            let _ = writeln!(text, "{style}{}{style:#}", line.trim_end());
        }
    }

    fn word(&self, unit: &UnitId, outcome: &Outcome) -> &'static str {
        let provisional = self.provisional.iter().any(|(each, _)| each == unit);
        if provisional && outcome.result == UnitResult::Succeeded {
            return "provisional";
        }
        result_word(outcome.result)
    }

    /// `3 units: 2 succeeded, 1 failed, in 12s; 2 to add, 0 to change, 0 to destroy`.
    fn totals(&self) -> String {
        let all = [
            UnitResult::Succeeded,
            UnitResult::Failed,
            UnitResult::Refused,
            UnitResult::Locked,
            UnitResult::Interrupted,
            UnitResult::Skipped,
        ];
        let counts: Vec<String> = all
            .into_iter()
            .filter_map(|result| {
                let of = |(_, outcome): &&(UnitId, Outcome)| outcome.result == result;
                let number = self.units.iter().filter(of).count();
                let style = result_style(result);
                (number > 0).then(|| format!("{style}{number} {}{style:#}", result_word(result)))
            })
            .collect();
        let mut text = format!(
            "{BOLD}{}{BOLD:#}: {}, in {}",
            count(self.units.len(), "unit"),
            counts.join(", "),
            time(self.elapsed_ms)
        );
        if self.units.len() > 1
            && let Some(changes) = self.changes()
        {
            let differs = self.units.iter().any(|(_, outcome)| outcome.differs);
            let changes = match self.command {
                "drift" if !differs => "no drift".to_owned(),
                _ if !differs => "no changes".to_owned(),
                "apply" | "destroy" => counted(changes, ["added", "changed", "destroyed"]),
                "drift" => drifted(changes),
                _ => counted(changes, ["to add", "to change", "to destroy"]),
            };
            let _ = write!(text, "; {changes}");
        }
        text
    }

    /// What is told of a unit's changes: of an apply, what was done, and not what was only planned.
    fn changes_of(&self, outcome: &Outcome) -> Option<Changes> {
        let is_apply = matches!(self.command, "apply" | "destroy");
        outcome
            .changes
            .filter(|_| !is_apply || outcome.applied || !outcome.differs)
    }

    /// All changes together; `None`: there is nothing to count.
    fn changes(&self) -> Option<Changes> {
        let each = self
            .units
            .iter()
            .filter_map(|(_, outcome)| self.changes_of(outcome));
        each.reduce(|sum, more| Changes {
            add: sum.add.saturating_add(more.add),
            change: sum.change.saturating_add(more.change),
            destroy: sum.destroy.saturating_add(more.destroy),
            replace: sum.replace.saturating_add(more.replace),
            import: sum.import.saturating_add(more.import),
            outputs: sum.outputs.saturating_add(more.outputs),
        })
    }

    /// `slowest: prod/eks 42s, dev 8.1s`, where there is more than one unit to compare.
    fn slowest(&self) -> Option<String> {
        let mut times: Vec<(u64, &UnitId)> = self
            .units
            .iter()
            .filter_map(|(unit, outcome)| Some((outcome.duration_ms?, unit)))
            .collect();
        times.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        if times.len() <= SLOWEST || times[0].0 < SLOW_MS {
            return None;
        }
        let named = times.iter().take(SLOWEST);
        let named: Vec<String> = named
            .map(|(ms, unit)| format!("{unit} {}", time(*ms)))
            .collect();
        Some(format!("slowest: {}", named.join(", ")))
    }

    /// Where the logs of what went wrong are.
    fn logs(&self) -> Vec<String> {
        let logs: Vec<(&UnitId, &str)> = self
            .units
            .iter()
            .filter_map(|(unit, outcome)| match outcome.result {
                UnitResult::Failed | UnitResult::Interrupted | UnitResult::Locked => {
                    Some((unit, outcome.log.as_deref()?))
                }
                _ => None,
            })
            .collect();
        match logs[..] {
            [(_, log), ..] if logs.len() > LOGS => {
                let folder = log.rsplit_once('/').map_or("", |(folder, _)| folder);
                vec![format!("logs of {} units: {folder}/", logs.len())]
            }
            _ => logs
                .iter()
                .map(|(unit, log)| format!("log of {unit}: {log}"))
                .collect(),
        }
    }

    fn provisional(&self) -> Option<String> {
        let [(_, first), ..] = self.provisional else {
            return None;
        };
        let units: Vec<String> = self
            .provisional
            .iter()
            .map(|(unit, _)| unit.to_string())
            .collect();
        let is = if units.len() == 1 { "is" } else { "are" };
        Some(format!(
            "{YELLOW}provisional:{YELLOW:#} {} {is} planned as if nothing changed upstream, and `{first}` \
             has changes; `tfw apply` plans again after them",
            units.join(", ")
        ))
    }
}

/// Whether a unit did what it was to do, and there is nothing to tell of it.
fn is_plain(outcome: &Outcome) -> bool {
    let unchanged = outcome
        .changes
        .is_none_or(|changes| changes == Changes::default());
    outcome.result == UnitResult::Succeeded && !outcome.differs && unchanged
}

fn row_style(outcome: &Outcome) -> Style {
    match outcome.result {
        UnitResult::Succeeded if is_plain(outcome) => DIM,
        UnitResult::Succeeded => Style::new(),
        result => result_style(result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(result: UnitResult, add: Option<u32>, ms: Option<u64>) -> Outcome {
        let changes = |add| Changes {
            add,
            ..Changes::default()
        };
        Outcome {
            result,
            changes: add.map(changes),
            differs: add.is_some_and(|add| add > 0),
            duration_ms: ms,
            ..Outcome::blank()
        }
    }

    fn units(outcomes: Vec<(String, Outcome)>) -> Vec<(UnitId, Outcome)> {
        outcomes
            .into_iter()
            .map(|(name, outcome)| (name.parse().expect("a unit"), outcome))
            .collect()
    }

    fn plain(
        command: &str,
        units: &[(UnitId, Outcome)],
        provisional: &[(UnitId, UnitId)],
    ) -> String {
        let typed = Typed {
            selection: "--all".to_owned(),
            ..Typed::default()
        };
        let results = Results {
            command,
            typed: &typed,
            units,
            provisional,
            elapsed_ms: 12_345,
            width: 80,
        };
        anstream::adapter::strip_str(&results.render()).to_string()
    }

    #[test]
    fn a_plan_ends_with_counts_the_slowest_and_the_next_command() {
        let units = units(vec![
            (
                "dev/network".to_owned(),
                outcome(UnitResult::Succeeded, Some(12), Some(8_100)),
            ),
            (
                "dev/eks".to_owned(),
                outcome(UnitResult::Succeeded, Some(1), Some(300)),
            ),
            (
                "stage".to_owned(),
                outcome(UnitResult::Succeeded, Some(0), Some(900)),
            ),
            (
                "prod".to_owned(),
                outcome(UnitResult::Skipped, None, Some(1)),
            ),
        ]);
        let provisional = [(units[1].0.clone(), units[0].0.clone())];
        insta::assert_snapshot!(plain("plan", &units, &provisional), @r"

        UNIT         RESULT        +  ~  -  -/+  TIME
        dev/network  succeeded    12  0  0    0  8.1s
        dev/eks      provisional   1  0  0    0  0.3s
        stage        succeeded     0  0  0    0  0.9s
        prod         skipped                     0.0s

        4 units: 3 succeeded, 1 skipped, in 12s; 13 to add, 0 to change, 0 to destroy
        slowest: dev/network 8.1s, stage 0.9s, dev/eks 0.3s
        provisional: dev/eks is planned as if nothing changed upstream, and
          `dev/network` has changes; `tfw apply` plans again after them
        next: apply: tfw apply --all
        ");
    }

    #[test]
    fn columns_with_nothing_in_them_are_left_out() {
        let ran = units(vec![(
            "dev".to_owned(),
            outcome(UnitResult::Succeeded, None, Some(1_234)),
        )]);
        insta::assert_snapshot!(plain("init", &ran, &[]), @r"

        UNIT  RESULT     TIME
        dev   succeeded  1.2s

        1 unit: 1 succeeded, in 12s
        next: see what would change: tfw plan --all
        ");
    }

    #[test]
    fn hundreds_of_units_without_changes_are_counted() {
        let mut many: Vec<(String, Outcome)> = (0..300)
            .map(|i| {
                (
                    format!("e{i}"),
                    outcome(UnitResult::Succeeded, Some(0), Some(100)),
                )
            })
            .collect();
        many[7].1 = outcome(UnitResult::Succeeded, Some(2), Some(100));
        insta::assert_snapshot!(plain("plan", &units(many), &[]), @r"

        UNIT  RESULT     +  ~  -  -/+  TIME
        e7    succeeded  2  0  0    0  0.1s
        299 more units with nothing to tell

        300 units: 300 succeeded, in 12s; 2 to add, 0 to change, 0 to destroy
        next: apply: tfw apply --all
        ");
    }
}
