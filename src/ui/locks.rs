//! Who holds which state lock: a table, and one lock in full.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;

use super::style::age;
use super::style::{BOLD, YELLOW, count, wrap};
use super::{Options, coloured, stdout_width};
use crate::model::{HeldLock, OwnRun, UnitId};

/// What `tfw lock list` prints: a table. `looked`: of how many units the locks are known.
pub fn locks(locks: &[HeldLock], looked: usize, now: Timestamp, options: Options) -> String {
    coloured(render(locks, looked, now, stdout_width()), options)
}

/// What `tfw lock show` prints: all of each lock, and what to do next.
pub fn lock(
    unit: &UnitId,
    locks: &[HeldLock],
    looked: usize,
    now: Timestamp,
    options: Options,
) -> String {
    let width = stdout_width().unwrap_or(usize::MAX);
    let mut text = String::new();
    for lock in locks {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&in_full(lock, now, width));
    }
    if locks.is_empty() && looked > 0 {
        let _ = writeln!(text, "nobody holds a lock of {unit}");
    }
    coloured(text, options)
}

fn render(locks: &[HeldLock], looked: usize, now: Timestamp, width: Option<usize>) -> String {
    if locks.is_empty() {
        return match looked {
            0 => String::new(),
            looked => format!("no state is locked ({} looked at)\n", count(looked, "unit")),
        };
    }
    let mut lines = table(locks, now, true);
    let limit = width.unwrap_or(usize::MAX);
    let is_narrow = lines.iter().any(|line| line.chars().count() > limit);
    if is_narrow {
        lines = table(locks, now, false);
    }
    let mut text = lines.join("\n");
    let _ = write!(
        text,
        "\n\n{BOLD}{} in {}{BOLD:#}\n",
        count(locks.len(), "lock"),
        count(looked, "unit")
    );
    if is_narrow {
        for lock in locks {
            let _ = writeln!(text, "{}: id {}", lock.unit, lock.holder().id);
        }
    }
    let hint = match locks {
        [lock] => format!(
            "hint: `tfw lock show {}` tells what to do about it",
            lock.unit
        ),
        _ => "hint: `tfw lock show UNIT` tells what to do about one".to_owned(),
    };
    let _ = writeln!(text, "{}", wrap(&hint, limit, 2));
    text
}

fn table(locks: &[HeldLock], now: Timestamp, with_ids: bool) -> Vec<String> {
    let has_others = locks.iter().any(|lock| lock.workspace != "default");
    let has_own = locks.iter().any(|lock| lock.mine.is_some());
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    let columns = [
        ("UNIT", true),
        ("WORKSPACE", has_others),
        ("HOLDER", true),
        ("OPERATION", true),
        ("SINCE", true),
        ("TERRAFORM", with_ids),
        ("OWN RUN", has_own),
        ("ID", with_ids),
    ];
    let chosen = |cells: [String; 8]| -> Vec<String> {
        let shown = cells
            .into_iter()
            .zip(columns)
            .filter(|(_, (_, shown))| *shown);
        shown.map(|(cell, _)| cell).collect()
    };
    table.set_header(chosen(columns.map(|(name, _)| name.to_owned())));
    for lock in locks {
        let holder = lock.holder();
        let since: Option<Timestamp> = holder.created.parse().ok();
        table.add_row(chosen([
            lock.unit.to_string(),
            lock.workspace.clone(),
            holder.who.clone(),
            holder.doing(),
            since.map_or_else(|| holder.since(), |since| age(since, now)),
            lock.terraform_version
                .clone()
                .unwrap_or_else(|| "-".to_owned()),
            match &lock.mine {
                Some(own) if own.alive => format!("{}, at work", own.command),
                Some(own) => format!("{}, ended", own.command),
                None => "-".to_owned(),
            },
            holder.id.clone(),
        ]));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = table.to_string();
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

fn in_full(lock: &HeldLock, now: Timestamp, width: usize) -> String {
    let holder = lock.holder();
    let since: Option<Timestamp> = holder.created.parse().ok();
    let ago = since.map_or_else(String::new, |since| format!(" ({})", age(since, now)));
    let mut text = format!("{BOLD}{} is locked by {}{BOLD:#}\n", lock.unit, holder.who);
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<10} {value}");
        }
    };
    field("operation", &holder.doing());
    field("since", &format!("{}{ago}", holder.since()));
    field("id", &holder.id);
    field("workspace", &lock.workspace);
    field(
        "terraform",
        lock.terraform_version.as_deref().unwrap_or_default(),
    );
    field("info", &lock.info);
    field("place", &lock.place);
    if let Some(own) = &lock.mine {
        field("own run", &described(own));
    }
    for line in advice(lock) {
        let _ = writeln!(text, "{}", wrap(&line, width, 2));
    }
    text
}

fn described(own: &OwnRun) -> String {
    let how = if own.certain {
        ""
    } else {
        "most likely, by its time: "
    };
    let work = if own.alive {
        format!("{YELLOW}still at work{YELLOW:#}")
    } else {
        "no longer at work".to_owned()
    };
    format!(
        "{how}{} (`{}`, process {}), {work}",
        own.run_id, own.command, own.pid
    )
}

/// What to do about a lock.
fn advice(lock: &HeldLock) -> Vec<String> {
    let Some(release) = &lock.release else {
        let advice = match &lock.id {
            None => {
                "hint: it does not say whose it is: find out who wrote it, then remove it yourself"
                    .to_owned()
            }
            Some(id) if lock.place.starts_with("s3://") => format!(
                "hint: it is in DynamoDB, too: where nobody works any more, \
                 `tfw exec {} -- force-unlock {id}`",
                lock.unit
            ),
            Some(_) => "hint: the lock ends with the process that works on the state; a file that \
                        was left behind stops nobody"
                .to_owned(),
        };
        return vec![advice];
    };
    let who = lock.holder().who;
    let wait = match &lock.mine {
        Some(own) if own.alive => format!(
            "hint: wait for it; its log is in `.tfw/runs/{}`",
            own.run_id
        ),
        Some(_) => {
            "hint: that run no longer works; a Terraform that outlived it is only known of an apply"
                .to_owned()
        }
        None if lock.is_local_host => format!(
            "hint: {who} is on this machine, and no run of tfw's: look for a Terraform that works here"
        ),
        None => format!("hint: wait for it, or ask {who}"),
    };
    vec![
        wait,
        format!("hint: where nobody works any more, `{release}`"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-01-02T12:00:00Z";

    fn held(unit: &str) -> HeldLock {
        HeldLock {
            unit: unit.parse().expect("a unit"),
            workspace: "default".to_owned(),
            id: Some("4bb62615-0184-90de-d3f5-c7d319d2f2d5".to_owned()),
            who: Some("alice@laptop".to_owned()),
            operation: Some("OperationTypeApply".to_owned()),
            created: Some("2026-01-02T11:55:00.5Z".to_owned()),
            terraform_version: Some("1.11.4".to_owned()),
            mine: None,
            place: "s3://acme/terraform.tfstate.tflock".to_owned(),
            info: String::new(),
            is_local_host: false,
            release: Some("tfw lock release dev --id 4bb62615".to_owned()),
        }
    }

    fn own(alive: bool) -> HeldLock {
        HeldLock {
            workspace: "blue".to_owned(),
            mine: Some(OwnRun {
                run_id: "20260102T115459Z-000000".to_owned(),
                command: "apply".to_owned(),
                pid: 7,
                alive,
                certain: false,
            }),
            ..held("prod/app")
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    fn now() -> Timestamp {
        NOW.parse().expect("a time")
    }

    #[test]
    fn a_table_tells_who_and_since_when() {
        let text = plain(&render(&[held("dev"), own(true)], 3, now(), None));
        insta::assert_snapshot!(text, @r"
        UNIT      WORKSPACE  HOLDER        OPERATION  SINCE      TERRAFORM  OWN RUN         ID
        dev       default    alice@laptop  apply      5 min ago  1.11.4     -               4bb62615-0184-90de-d3f5-c7d319d2f2d5
        prod/app  blue       alice@laptop  apply      5 min ago  1.11.4     apply, at work  4bb62615-0184-90de-d3f5-c7d319d2f2d5

        2 locks in 3 units
        hint: `tfw lock show UNIT` tells what to do about one
        ");
    }

    #[test]
    fn in_eighty_columns_ids_stand_below_and_can_be_copied() {
        let text = plain(&render(&[held("dev")], 1, now(), Some(80)));
        insta::assert_snapshot!(text, @r"
        UNIT  HOLDER        OPERATION  SINCE
        dev   alice@laptop  apply      5 min ago

        1 lock in 1 unit
        dev: id 4bb62615-0184-90de-d3f5-c7d319d2f2d5
        hint: `tfw lock show dev` tells what to do about it
        ");
    }

    #[test]
    fn nothing_held_is_a_sentence() {
        assert_eq!(
            render(&[], 3, now(), None),
            "no state is locked (3 units looked at)\n"
        );
        assert_eq!(
            render(&[], 0, now(), None),
            "",
            "nothing was looked at: the errors say why"
        );
    }

    #[test]
    fn one_lock_in_full_tells_what_to_do() {
        let text = [own(true), own(false), held("dev")].map(|lock| in_full(&lock, now(), 80));
        insta::assert_snapshot!(plain(&text.join("\n")), @r"
        prod/app is locked by alice@laptop
          operation  apply
          since      2026-01-02 11:55:00 UTC (5 min ago)
          id         4bb62615-0184-90de-d3f5-c7d319d2f2d5
          workspace  blue
          terraform  1.11.4
          place      s3://acme/terraform.tfstate.tflock
          own run    most likely, by its time: 20260102T115459Z-000000 (`apply`, process 7), still at work
        hint: wait for it; its log is in `.tfw/runs/20260102T115459Z-000000`
        hint: where nobody works any more, `tfw lock release dev --id 4bb62615`

        prod/app is locked by alice@laptop
          operation  apply
          since      2026-01-02 11:55:00 UTC (5 min ago)
          id         4bb62615-0184-90de-d3f5-c7d319d2f2d5
          workspace  blue
          terraform  1.11.4
          place      s3://acme/terraform.tfstate.tflock
          own run    most likely, by its time: 20260102T115459Z-000000 (`apply`, process 7), no longer at work
        hint: that run no longer works; a Terraform that outlived it is only known of an
          apply
        hint: where nobody works any more, `tfw lock release dev --id 4bb62615`

        dev is locked by alice@laptop
          operation  apply
          since      2026-01-02 11:55:00 UTC (5 min ago)
          id         4bb62615-0184-90de-d3f5-c7d319d2f2d5
          workspace  default
          terraform  1.11.4
          place      s3://acme/terraform.tfstate.tflock
        hint: wait for it, or ask alice@laptop
        hint: where nobody works any more, `tfw lock release dev --id 4bb62615`
        ");
    }

    #[test]
    fn a_lock_that_says_nothing_is_one_all_the_same() {
        let broken = HeldLock {
            id: None,
            who: None,
            operation: None,
            created: None,
            terraform_version: None,
            release: None,
            ..held("dev")
        };
        let text = plain(&in_full(&broken, now(), 200));
        assert!(text.contains("dev is locked by somebody"), "{text}");
        assert!(text.contains("remove it yourself"), "{text}");
    }
}
