//! The versions of a state: a table.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use jiff::Timestamp;

use super::style::age;
use super::style::{BOLD, DIM, count, wrap};
use super::{Options, coloured, stdout_width};
use crate::model::{HistoryEntry, InstanceChanges, UnitId};

/// What stands where there is nothing to say.
const NOTHING: &str = "-";
/// So much of a lineage tells one from another.
const LINEAGE: usize = 8;

/// What `tfw state history` prints. `total`: how many versions there are.
pub fn history(
    unit: &UnitId,
    versions: &[HistoryEntry],
    total: usize,
    now: Timestamp,
    options: Options,
) -> String {
    coloured(render(unit, versions, total, now, stdout_width()), options)
}

fn render(
    unit: &UnitId,
    versions: &[HistoryEntry],
    total: usize,
    now: Timestamp,
    width: Option<usize>,
) -> String {
    if versions.is_empty() {
        return format!("{BOLD}{unit}: no versions: there is no state{BOLD:#}\n");
    }
    let limit = width.unwrap_or(usize::MAX);
    let fits = |layout: &Layout| {
        let lines = table(versions, now, *layout);
        lines.iter().all(|line| line.chars().count() <= limit)
    };
    let layouts = [Layout::Wide, Layout::Narrow];
    let layout = layouts.into_iter().find(fits).unwrap_or(Layout::Below);
    let mut lines = table(versions, now, layout);
    if layout == Layout::Below {
        for (line, version) in lines.iter_mut().skip(1).zip(versions) {
            if let Some(id) = &version.version_id {
                let _ = write!(line, "\n    {DIM}{id}{DIM:#}");
            }
        }
    }
    let mut text = lines.join("\n");
    let shown = if versions.len() < total {
        format!("the newest {} of {total} versions", versions.len())
    } else {
        count(total, "version")
    };
    let _ = write!(text, "\n\n{BOLD}{unit}: {shown}{BOLD:#}\n");
    for version in versions {
        if let (Some(problem), Some(back)) = (&version.problem, version.back) {
            let line = format!("{} cannot be read: {problem}", named(back));
            let _ = writeln!(text, "{}", wrap(&line, limit, 2));
        }
    }
    let states = versions.iter().filter(|version| version.back.is_some());
    let is_deleted = versions.first().is_some_and(|newest| newest.deleted);
    let is_damaged = |back| {
        let mut versions = versions.iter();
        versions.any(|version| version.back == Some(back) && version.problem.is_some())
    };
    let hint = match states.count() {
        0 => return text,
        _ if is_deleted => {
            format!("hint: `tfw state rollback {unit} --to latest` brings the deleted state back")
        }
        2.. if is_damaged(0) => format!(
            "hint: `tfw state rollback {unit} --to VERSION` puts one that can be read in its place"
        ),
        count if count == 1 || is_damaged(1) => {
            format!("hint: `tfw state show {unit}` tells what is in it")
        }
        _ => format!("hint: `tfw state diff {unit} latest~1 latest` tells what changed last"),
    };
    let _ = writeln!(text, "{}", wrap(&hint, limit, 2));
    text
}

/// How much a line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Wide,
    /// Without what can be had by `--json`.
    Narrow,
    /// The ids of the versions each on a line of its own, which the caller adds.
    Below,
}

fn table(versions: &[HistoryEntry], now: Timestamp, layout: Layout) -> Vec<String> {
    let wide = layout == Layout::Wide;
    let columns = [
        ("", true),
        ("WRITTEN", true),
        ("SERIAL", true),
        ("RESOURCES", true),
        ("CHANGES", true),
        ("SIZE", wide),
        ("TERRAFORM", wide),
        ("LINEAGE", wide),
        ("VERSION", layout != Layout::Below),
    ];
    let chosen = |cells: [String; 9]| -> Vec<String> {
        let shown = cells
            .into_iter()
            .zip(columns)
            .filter(|(_, (_, shown))| *shown);
        shown.map(|(cell, _)| cell).collect()
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(chosen(columns.map(|(name, _)| name.to_owned())));
    for version in versions {
        let text = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
        let lineage = version.lineage.as_deref();
        let written = version.modified.map(|time| {
            let time_of_day = time.strftime("%Y-%m-%d %H:%M:%S");
            if wide {
                format!("{time_of_day} UTC, {}", age(time, now))
            } else {
                time_of_day.to_string()
            }
        });
        let changes = if version.deleted {
            "deleted".to_owned()
        } else if version.problem.is_some() {
            "no state".to_owned()
        } else {
            text(version.changes.map(changes))
        };
        table.add_row(chosen([
            version.back.map_or_else(String::new, named),
            text(written),
            text(version.serial.map(|serial| serial.to_string())),
            text(version.resources.map(|resources| resources.to_string())),
            changes,
            text(version.size.map(size)),
            text(version.terraform_version.clone()),
            text(lineage.map(|lineage| lineage.chars().take(LINEAGE).collect())),
            text(version.version_id.clone()),
        ]));
    }
    let right = ["SERIAL", "RESOURCES", "SIZE"];
    let names = columns.iter().filter(|(_, shown)| *shown);
    for (column, (name, _)) in table.column_iter_mut().zip(names) {
        column.set_padding((0, 2));
        if right.contains(name) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let text = table.to_string();
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// The name of a version by how many states are newer. Shells make a folder of a bare `~1`.
fn named(back: usize) -> String {
    match back {
        0 => "latest".to_owned(),
        back => format!("latest~{back}"),
    }
}

/// `+2 ~1 -3`; `none` where only outputs differ, or nothing does.
pub(super) fn changes(changes: InstanceChanges) -> String {
    let InstanceChanges {
        add,
        change,
        destroy,
    } = changes;
    let told = [("+", add), ("~", change), ("-", destroy)];
    let told: Vec<String> = told
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(sign, count)| format!("{sign}{count}"))
        .collect();
    if told.is_empty() {
        "none".to_owned()
    } else {
        told.join(" ")
    }
}

/// `512 B`, `1.2 KiB`, `3.4 MiB`.
fn size(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..KIB => format!("{bytes} B"),
        KIB..MIB => format!("{} KiB", tenths(KIB)),
        MIB.. => format!("{} MiB", tenths(MIB)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions() -> Vec<HistoryEntry> {
        let version = |id: &str, back: Option<usize>, serial: Option<u64>| HistoryEntry {
            version_id: Some(id.to_owned()),
            modified: Some("2026-01-02T11:55:00Z".parse().expect("a time")),
            size: back.map(|_| 1300),
            serial,
            lineage: serial.map(|_| "ff3f1c2a-aaaa-bbbb".to_owned()),
            terraform_version: serial.map(|_| "1.11.4".to_owned()),
            resources: serial.map(|_| 12),
            latest: back == Some(0),
            deleted: back.is_none(),
            changes: None,
            back,
            problem: None,
        };
        let mut newest = version("v4", Some(0), Some(9));
        newest.changes = Some(InstanceChanges {
            add: 2,
            change: 3,
            destroy: 1,
        });
        let mut broken = version("v2", Some(1), None);
        broken.problem = Some("it is encrypted by OpenTofu".to_owned());
        vec![
            newest,
            version("v3", None, None),
            broken,
            version("v1", Some(2), Some(8)),
        ]
    }

    fn shown(width: Option<usize>) -> String {
        let now = "2026-01-02T12:00:00Z".parse().expect("a time");
        let unit = "prod/eks".parse().expect("a unit");
        let text = render(&unit, &versions(), 7, now, width);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn a_table_tells_what_changed_when() {
        insta::assert_snapshot!(shown(None), @r"
                  WRITTEN                             SERIAL  RESOURCES  CHANGES      SIZE  TERRAFORM  LINEAGE   VERSION
        latest    2026-01-02 11:55:00 UTC, 5 min ago       9         12  +2 ~3 -1  1.2 KiB  1.11.4     ff3f1c2a  v4
                  2026-01-02 11:55:00 UTC, 5 min ago       -          -  deleted         -  -          -         v3
        latest~1  2026-01-02 11:55:00 UTC, 5 min ago       -          -  no state  1.2 KiB  -          -         v2
        latest~2  2026-01-02 11:55:00 UTC, 5 min ago       8         12  -         1.2 KiB  1.11.4     ff3f1c2a  v1

        prod/eks: the newest 4 of 7 versions
        latest~1 cannot be read: it is encrypted by OpenTofu
        hint: `tfw state show prod/eks` tells what is in it
        ");
    }

    #[test]
    fn in_eighty_columns_the_version_can_still_be_copied() {
        insta::assert_snapshot!(shown(Some(80)), @r"
                  WRITTEN              SERIAL  RESOURCES  CHANGES   VERSION
        latest    2026-01-02 11:55:00       9         12  +2 ~3 -1  v4
                  2026-01-02 11:55:00       -          -  deleted   v3
        latest~1  2026-01-02 11:55:00       -          -  no state  v2
        latest~2  2026-01-02 11:55:00       8         12  -         v1

        prod/eks: the newest 4 of 7 versions
        latest~1 cannot be read: it is encrypted by OpenTofu
        hint: `tfw state show prod/eks` tells what is in it
        ");
    }

    #[test]
    fn where_there_is_no_room_versions_stand_on_lines_of_their_own() {
        insta::assert_snapshot!(shown(Some(54)), @r"
                  WRITTEN              SERIAL  RESOURCES  CHANGES
        latest    2026-01-02 11:55:00       9         12  +2 ~3 -1
            v4
                  2026-01-02 11:55:00       -          -  deleted
            v3
        latest~1  2026-01-02 11:55:00       -          -  no state
            v2
        latest~2  2026-01-02 11:55:00       8         12  -
            v1

        prod/eks: the newest 4 of 7 versions
        latest~1 cannot be read: it is encrypted by OpenTofu
        hint: `tfw state show prod/eks` tells what is in it
        ");
    }

    #[test]
    fn what_comes_next_is_what_can_be_done() {
        let unit = "dev".parse().expect("a unit");
        let now = "2026-01-02T12:00:00Z".parse().expect("a time");
        let text = |versions: &[HistoryEntry]| render(&unit, versions, 4, now, None);
        let mut found = versions();
        assert!(text(&found[1..]).contains("`tfw state rollback dev --to latest` brings"));
        found[0].problem = Some("it is empty".to_owned());
        assert!(text(&found).contains("`tfw state rollback dev --to VERSION` puts"));
        assert!(text(&[]).contains("dev: no versions"));
    }

    #[test]
    fn sizes_are_in_the_largest_unit_that_fits() {
        assert_eq!(
            [0, 1023, 1024, 1300, 5_500_000].map(size),
            ["0 B", "1023 B", "1.0 KiB", "1.2 KiB", "5.2 MiB"]
        );
    }
}
