//! The table at the end of a run.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::lines::{BOLD, result_word, time};
use crate::model::{Outcome, UnitId, UnitResult};

/// Names of the columns; the numbers among them stand on the right.
const COLUMNS: [&str; 7] = [
    "UNIT", "RESULT", "ADD", "CHANGE", "DESTROY", "REPLACE", "TIME",
];

/// The table, a line of totals, and the logs of what went wrong.
pub(super) fn render(units: &[(UnitId, Outcome)]) -> String {
    if units.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(COLUMNS);
    table.add_rows(units.iter().map(row));
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index >= 2 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = String::from("\n");
    for line in table.to_string().lines() {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = writeln!(text, "\n{BOLD}{}{BOLD:#}", totals(units));
    for (unit, outcome) in units {
        if let (UnitResult::Failed | UnitResult::Interrupted | UnitResult::Locked, Some(log)) =
            (outcome.result, &outcome.log)
        {
            let _ = writeln!(text, "log of {unit}: {log}");
        }
    }
    text
}

fn row((unit, outcome): &(UnitId, Outcome)) -> Vec<String> {
    let mut row = vec![unit.to_string(), result_word(outcome.result).to_owned()];
    match outcome.changes {
        Some(c) => row.extend([c.add, c.change, c.destroy, c.replace].map(|n| n.to_string())),
        None => row.extend(std::iter::repeat_n(String::new(), 4)),
    }
    row.push(outcome.duration_ms.map(time).unwrap_or_default());
    row
}

/// `3 units: 2 succeeded, 1 failed`.
fn totals(units: &[(UnitId, Outcome)]) -> String {
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
            let count = units
                .iter()
                .filter(|(_, outcome)| outcome.result == result)
                .count();
            (count > 0).then(|| format!("{count} {}", result_word(result)))
        })
        .collect();
    let s = if units.len() == 1 { "" } else { "s" };
    format!("{} unit{s}: {}", units.len(), counts.join(", "))
}
