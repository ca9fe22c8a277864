use std::io::{self, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;
use crate::events::{Phase, Typed};
use crate::model::Outcome;

/// A terminal that is looked at.
#[derive(Clone)]
struct Terminal(Arc<Mutex<vt100::Parser>>);

impl Terminal {
    fn new(columns: u16, rows: u16) -> Self {
        let (columns, rows) = size(columns, rows);
        Self(Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 100))))
    }

    fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = size(columns, rows);
        self.0.lock().expect("a lock").set_size(rows, columns);
    }

    fn print(&self, text: &str) {
        self.0.lock().expect("a lock").process(text.as_bytes());
    }

    fn contents(&self) -> String {
        let contents = self.0.lock().expect("a lock").screen().contents();
        let lines = contents.lines().map(|line| line.trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("a lock").process(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn size(columns: u16, rows: u16) -> (NonZeroU16, NonZeroU16) {
    let size = |number| NonZeroU16::new(number).expect("more than nothing");
    (size(columns), size(rows))
}

struct Story {
    terminal: Terminal,
    screen: Screen,
    running: Running,
    start: Instant,
}

/// A run in which these units are planned, and some more wait.
fn planning(units: &[&str], waiting: usize, columns: u16, rows: u16) -> Story {
    let terminal = Terminal::new(columns, rows);
    let start = Instant::now();
    let mut running = Running::default();
    let unit = |name: &str| name.parse().expect("a unit");
    let waiting = (0..waiting).map(|number| format!("waits-{number}"));
    let all = units.iter().map(ToString::to_string).chain(waiting);
    let event = Event::RunStarted {
        run_id: "r1".to_owned(),
        command: "plan",
        typed: Typed::default(),
        units: all.map(|name| (unit(&name), Outcome::blank())).collect(),
    };
    running.observe(&event, start);
    for name in units {
        let (unit, phase) = (unit(name), Phase::Plan);
        running.observe(&Event::Phase { unit, phase }, start);
    }
    let total = running.selected() as u64;
    let screen = Screen::new(Block::new(Box::new(terminal.clone())), total);
    terminal.print("tfw plan\r\n");
    Story {
        terminal,
        screen,
        running,
        start,
    }
}

impl Story {
    fn draw(&mut self, seconds: u64, columns: usize, rows: usize) -> String {
        let now = self.start + Duration::from_secs(seconds);
        self.screen.draw(&self.running, now, (columns, rows), false);
        // The sign that turns is another one each time.
        self.terminal.contents().replace(
            |letter: char| ('\u{2801}'..='\u{28ff}').contains(&letter),
            "*",
        )
    }
}

#[test]
fn a_line_for_each_unit_stands_above_the_run() {
    let mut story = planning(&["dev", "prod/network"], 1, 70, 20);
    insta::assert_snapshot!(story.draw(1, 70, 20), @r"
    tfw plan

    * dev            1.0s  planning
    * prod/network   1.0s  planning
    ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 0/3 done, 2 running, 1 waiting, 1.0s
    ");
    assert_eq!(story.draw(1, 70, 20), story.draw(1, 70, 20));
    story.screen.block.close();
    assert_eq!(story.terminal.contents(), "tfw plan");
}

#[test]
fn a_narrow_terminal_has_no_bar_and_breaks_nothing() {
    let mut story = planning(&["dev", "frankfurt-production/network"], 3, 40, 20);
    insta::assert_snapshot!(story.draw(70, 40, 20), @r"
    tfw plan

    * dev             1m10s  planning
    * …ction/network  1m10s  planning
    0/5 done, 2 running, 3 waiting, 1m10s
    ");
}

#[test]
fn a_terminal_is_never_flooded() {
    let names: Vec<String> = (0..60).map(|number| format!("unit-{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut story = planning(&names, 0, 80, 10);
    insta::assert_snapshot!(story.draw(1, 80, 10), @r"
    tfw plan

    * unit-00   1.0s  planning
    * unit-01   1.0s  planning
    * unit-02   1.0s  planning
    * and 57 more
    ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 0/60 done, 60 running, 1.0s
    ");
    // Too low for what is drawn in any case.
    for rows in [3, 2, 1] {
        story.terminal.resize(80, rows);
        story.draw(1, 80, usize::from(rows));
        let seen = story.draw(1, 80, usize::from(rows));
        assert!(seen.lines().count() <= usize::from(rows), "{seen}");
    }
}

#[test]
fn neither_another_size_nor_what_is_typed_leaves_a_line_behind() {
    let mut story = planning(&["dev", "prod"], 1, 120, 20);
    for (columns, rows) in [(120, 20), (50, 20), (40, 9), (200, 40), (100, 8)] {
        story.terminal.resize(columns, rows);
        story.terminal.print("^C");
        let seen = story.draw(1, usize::from(columns), usize::from(rows));
        for line in ["tfw plan", "dev", "prod", "0/3 done"] {
            assert_eq!(seen.matches(line).count(), 1, "{line}: {seen}");
        }
        assert!(!seen.contains("^C"), "{seen}");
    }
    story.screen.block.close();
    assert_eq!(story.terminal.contents(), "tfw plan");
}

#[test]
fn what_is_written_meanwhile_stands_above_the_lines() {
    let mut story = planning(&["dev"], 0, 70, 20);
    story.draw(1, 70, 20);
    let terminal = story.terminal.clone();
    story.screen.lines.suspend(|| terminal.print("a line\r\n"));
    insta::assert_snapshot!(story.draw(1, 70, 20), @r"
    tfw plan
    a line

    * dev   1.0s  planning
    ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 0/1 done, 1 running, 1.0s
    ");
}

#[test]
fn a_line_that_terminals_break_when_they_are_made_narrower_is_erased_whole() {
    let mut story = planning(&["dev"], 0, 70, 20);
    story.draw(1, 70, 20);
    // As terminals do that break lines anew: the cursor stays where it is, and there are more rows
    // below it.
    story
        .terminal
        .print("\x1b7\r\n* dev   1.0s  plan\r\nning\r\n━━━━━\r\n0/1 done\x1b8");
    let seen = story.draw(2, 40, 20);
    assert!(!seen.contains("━━"), "{seen}");
    assert_eq!(seen.lines().count(), 4, "{seen}");
}
