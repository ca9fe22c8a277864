//! The table of `tfw status`.
//!
//! It is made for the width at hand: what a narrow terminal has no room for is left out step by
//! step, and never wrapped. A pipe gets all of it.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::Timestamp;

use super::style::{BOLD, age};
use super::{Options, coloured};
use crate::model::{BackendAddress, Condition, Lock, StatePresence, UnitId, UnitStatus};

/// A command that is meant to be typed names no more units than this.
const MOST_NAMED: usize = 5;
/// A unit's name is never cut shorter than this.
const SHORTEST_NAME: usize = 12;
/// What stands where there is nothing to say.
const NOTHING: &str = "-";

/// The table for people, as wide as stdout.
pub fn status(units: &[UnitStatus], now: Timestamp, options: Options) -> String {
    coloured(render(units, now, super::stdout_width()), options)
}

/// How much there is room for; each step leaves out one thing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Room {
    /// Everything.
    Wide,
    /// No backend.
    Medium,
    /// No dates.
    Narrow,
    /// No holders of locks: they stand below.
    Tight,
}

/// The table, its totals, and what can be done. `None`: no width to keep to.
fn render(units: &[UnitStatus], now: Timestamp, width: Option<usize>) -> String {
    let limit = width.unwrap_or(usize::MAX);
    let mut room = Room::Wide;
    let mut lines = table(units, now, room, usize::MAX);
    for next in [Room::Medium, Room::Narrow, Room::Tight] {
        if widest(&lines) <= limit {
            break;
        }
        room = next;
        lines = table(units, now, room, usize::MAX);
    }
    let excess = widest(&lines).saturating_sub(limit);
    if excess > 0 {
        let names = units.iter().map(|unit| unit.unit.to_string().len());
        let longest = names.max().unwrap_or(0).saturating_sub(excess);
        lines = table(units, now, room, longest.max(SHORTEST_NAME));
    }
    let mut text = lines.join("\n");
    let _ = write!(text, "\n\n{BOLD}{}{BOLD:#}\n", totals(units));
    if room == Room::Tight {
        for unit in units {
            if let Some(lock) = &unit.lock {
                let holder = describe_lock(lock, now);
                let _ = writeln!(text, "{} is locked by {holder}", unit.unit);
            }
        }
    }
    text.push_str(&hint(units));
    text
}

fn widest(lines: &[String]) -> usize {
    let widths = lines.iter().map(|line| line.chars().count());
    widths.max().unwrap_or(0)
}

fn table(units: &[UnitStatus], now: Timestamp, room: Room, longest_name: usize) -> Vec<String> {
    let mut header = vec![
        "UNIT",
        if room == Room::Tight {
            "INIT"
        } else {
            "INITIALISED"
        },
        "SERIAL",
        "RESOURCES",
        "LAST CHANGE",
        "BUCKET",
        "LOCK",
    ];
    if room == Room::Wide {
        header.push("BACKEND");
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for unit in units {
        let mut row = vec![
            cut(&unit.unit, longest_name),
            match unit.initialised {
                Some(true) => "yes".to_owned(),
                Some(false) => "no".to_owned(),
                None => "unknown".to_owned(),
            },
            number(unit.serial),
            number(unit.resources),
            last_change(unit, now, room),
            condition(unit).to_owned(),
            match (&unit.lock, room) {
                (None, _) => NOTHING.to_owned(),
                (Some(_), Room::Tight) => "held".to_owned(),
                (Some(lock), _) => describe_lock(lock, now),
            },
        ];
        if room == Room::Wide {
            row.push(place(&unit.backend));
        }
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index == 2 || index == 3 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let text = table.to_string();
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// The end of a name tells more than its beginning.
fn cut(unit: &UnitId, longest: usize) -> String {
    let name = unit.to_string();
    // Names are ASCII.
    match name.len().checked_sub(longest) {
        None | Some(0) => name,
        Some(excess) => format!("…{}", name.get(excess + 1..).unwrap_or_default()),
    }
}

fn number(number: Option<impl ToString>) -> String {
    number.map_or_else(|| NOTHING.to_owned(), |number| number.to_string())
}

fn last_change(unit: &UnitStatus, now: Timestamp, room: Room) -> String {
    match (unit.state, unit.modified) {
        (StatePresence::Absent | StatePresence::NoBucket, _) if unit.unmigrated => {
            "not migrated".to_owned()
        }
        (StatePresence::Absent, _) => "no state".to_owned(),
        (StatePresence::NoBucket, _) => "no bucket".to_owned(),
        (StatePresence::Unknown, _) | (StatePresence::There, None) => "unknown".to_owned(),
        (StatePresence::There, Some(modified)) if room < Room::Narrow => {
            format!("{}, {}", age(modified, now), modified.strftime("%Y-%m-%d"))
        }
        (StatePresence::There, Some(modified)) => age(modified, now),
    }
}

/// What the bucket is like, where there is one to look at.
fn condition(unit: &UnitStatus) -> &'static str {
    match unit.condition {
        Some(Condition::Safe) => "safe",
        Some(Condition::Weak) => "weak",
        Some(Condition::Absent) => "none",
        None if unit.backend.bucket.is_some() => "unknown",
        None => NOTHING,
    }
}

/// `alice@host, apply, 5 min ago`.
fn describe_lock(lock: &Lock, now: Timestamp) -> String {
    let operation = lock
        .operation
        .strip_prefix("OperationType")
        .unwrap_or(&lock.operation);
    let since: Option<Timestamp> = lock.created.parse().ok();
    let parts = [
        lock.who.clone(),
        operation.to_lowercase(),
        since.map(|since| age(since, now)).unwrap_or_default(),
    ];
    let told: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if told.is_empty() {
        "somebody".to_owned()
    } else {
        told.join(", ")
    }
}

fn place(backend: &BackendAddress) -> String {
    let mut place = match (&backend.bucket, &backend.key) {
        (Some(bucket), Some(key)) => format!("s3://{bucket}/{key}"),
        _ => backend.kind.clone(),
    };
    if backend.workspace != "default" {
        let _ = write!(place, " ({})", backend.workspace);
    }
    place
}

/// `12 units: 11 with state, 1 without; 1 locked`.
fn totals(units: &[UnitStatus]) -> String {
    let count = |wanted: &dyn Fn(&UnitStatus) -> bool| units.iter().filter(|u| wanted(u)).count();
    let there = count(&|unit| unit.state == StatePresence::There);
    let unknown = count(&|unit| unit.state == StatePresence::Unknown);
    let locked = count(&|unit| unit.lock.is_some());
    let s = if units.len() == 1 { "" } else { "s" };
    let mut text = format!(
        "{} unit{s}: {there} with state, {} without",
        units.len(),
        units.len() - there - unknown
    );
    for (count, what) in [(unknown, ", {} unknown"), (locked, "; {} locked")] {
        if count > 0 {
            text.push_str(&what.replace("{}", &count.to_string()));
        }
    }
    text
}

/// What to do about units that are not initialised, and about weak buckets.
fn hint(units: &[UnitStatus]) -> String {
    let named = |wanted: &dyn Fn(&UnitStatus) -> bool| {
        let units = units.iter().filter(|unit| wanted(unit));
        let names: Vec<String> = units.map(|unit| unit.unit.to_string()).collect();
        match names.len() {
            0 => None,
            1..=MOST_NAMED => Some(names.join(" ")),
            _ => Some("UNIT".to_owned()),
        }
    };
    let mut text = String::new();
    // What has yet to be migrated would be refused, and says so itself.
    if let Some(bare) = named(&|unit| unit.initialised == Some(false) && !unit.unmigrated) {
        let _ = writeln!(text, "hint: `tfw init {bare}` initialises what is not");
    }
    if let Some(weak) = named(&|unit| unit.condition == Some(Condition::Weak)) {
        let _ = writeln!(text, "hint: `tfw backend check {weak}` tells what is weak");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-02T12:00:00Z";

    fn estate() -> Vec<UnitStatus> {
        let there = |unit: &str, modified: &str| UnitStatus {
            initialised: Some(true),
            serial: Some(1234),
            resources: Some(7),
            modified: Some(modified.parse().expect("a time")),
            state: StatePresence::There,
            ..UnitStatus::blank(unit)
        };
        let mut network = there("staging/network", "2026-01-02T09:00:00Z");
        network.backend = BackendAddress {
            kind: "s3".to_owned(),
            bucket: Some("acme-tfstate-staging".to_owned()),
            key: Some("network/terraform.tfstate".to_owned()),
            workspace: "blue".to_owned(),
        };
        network.lock = Some(Lock {
            id: "l".to_owned(),
            who: "alice@workstation".to_owned(),
            operation: "OperationTypeApply".to_owned(),
            created: "2026-01-02T11:55:00.123456789Z".to_owned(),
        });
        network.condition = Some(Condition::Weak);
        let mut denied = UnitStatus::blank("prod");
        denied.initialised = Some(false);
        let mut new = UnitStatus::blank("lab");
        new.initialised = Some(false);
        new.state = StatePresence::NoBucket;
        vec![there("dev", "2025-12-20T12:00:00Z"), network, denied, new]
    }

    fn shown(width: Option<usize>) -> String {
        let text = render(&estate(), NOW.parse().expect("a time"), width);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn a_pipe_gets_everything() {
        insta::assert_snapshot!(shown(None), @r"
        UNIT             INITIALISED  SERIAL  RESOURCES  LAST CHANGE           BUCKET  LOCK                                 BACKEND
        dev              yes            1234          7  13 d ago, 2025-12-20  -       -                                    local
        staging/network  yes            1234          7  3 h ago, 2026-01-02   weak    alice@workstation, apply, 5 min ago  s3://acme-tfstate-staging/network/terraform.tfstate (blue)
        prod             no                -          -  unknown               -       -                                    local
        lab              no                -          -  no bucket             -       -                                    local

        4 units: 2 with state, 1 without, 1 unknown; 1 locked
        hint: `tfw init prod lab` initialises what is not
        hint: `tfw backend check staging/network` tells what is weak
        ");
    }

    #[test]
    fn in_eighty_columns_the_holder_of_a_lock_stands_below() {
        insta::assert_snapshot!(shown(Some(80)), @r"
        UNIT             INIT  SERIAL  RESOURCES  LAST CHANGE  BUCKET  LOCK
        dev              yes     1234          7  13 d ago     -       -
        staging/network  yes     1234          7  3 h ago      weak    held
        prod             no         -          -  unknown      -       -
        lab              no         -          -  no bucket    -       -

        4 units: 2 with state, 1 without, 1 unknown; 1 locked
        staging/network is locked by alice@workstation, apply, 5 min ago
        hint: `tfw init prod lab` initialises what is not
        hint: `tfw backend check staging/network` tells what is weak
        ");
    }

    #[test]
    fn no_line_of_the_table_is_wider_than_the_terminal() {
        for width in [66, 70, 80, 90, 100, 120, 140] {
            let text = shown(Some(width));
            let table = text.lines().take(estate().len() + 1);
            let widest = table.map(|line| line.chars().count()).max().expect("lines");
            assert!(widest <= width, "{widest} > {width}:\n{text}");
        }
    }
}
