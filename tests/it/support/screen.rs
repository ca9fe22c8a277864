//! What a person sees on a terminal: its bytes as an emulator shows them, scrolled back to the
//! first line.

use std::fmt;
use std::num::NonZeroU16;

/// Lines that scroll out of the terminal and are still to be seen.
const SCROLLBACK: usize = 10_000;

/// Interprets what is printed.
pub(super) struct Emulator(vt100::Parser);

/// What is on the screen at one time.
#[derive(Debug, Clone)]
pub(crate) struct Screen {
    /// Its rows without blanks at the end, from the first one that was scrolled away to the last
    /// one with text; and whether the terminal, not the program, has broken each.
    rows: Vec<(String, bool)>,
    columns: u16,
    cursor_column: u16,
    cursor_hidden: bool,
    coloured: bool,
}

impl Emulator {
    pub(super) fn new(columns: u16, rows: u16) -> Self {
        let (columns, rows) = size(columns, rows);
        Self(vt100::Parser::new(rows, columns, SCROLLBACK))
    }

    pub(super) fn print(&mut self, bytes: &[u8]) {
        self.0.process(bytes);
    }

    pub(super) fn resize(&mut self, columns: u16, rows: u16) {
        let (columns, rows) = size(columns, rows);
        self.0.set_size(rows, columns);
    }

    pub(super) fn screen(&mut self) -> Screen {
        let (height, columns) = self.0.screen().size();
        let (height, columns) = (height.get(), columns.get());
        let screen = self.0.screen_mut();
        let (_, cursor_column) = screen.cursor_position();
        let (mut rows, mut coloured) = (Vec::new(), false);
        // One window after the other, from what was scrolled away first.
        let mut above = screen.scrollback_len();
        loop {
            screen.set_scrollback(above);
            let shown = u16::try_from(above).map_or(height, |above| match above {
                0 => height,
                above => above.min(height),
            });
            for (row, text) in (0..shown).zip(screen.rows(0, columns)) {
                rows.push((text.trim_end().to_owned(), screen.row_wrapped(row)));
                coloured |= (0..columns)
                    .filter_map(|column| screen.cell(row, column))
                    .any(|cell| cell.fgcolor() != vt100::Color::Default);
            }
            if above == 0 {
                break;
            }
            above -= usize::from(shown);
        }
        while rows.last().is_some_and(|(text, _)| text.is_empty()) {
            rows.pop();
        }
        Screen {
            rows,
            columns,
            cursor_column,
            cursor_hidden: screen.hide_cursor(),
            coloured,
        }
    }
}

fn size(columns: u16, rows: u16) -> (NonZeroU16, NonZeroU16) {
    let size = |number| NonZeroU16::new(number).expect("a terminal has columns and rows");
    (size(columns), size(rows))
}

impl Screen {
    /// Its rows, without blanks at the end.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|(text, _)| text.as_str())
    }

    /// Whether `text` is in one of its rows.
    pub(crate) fn shows(&self, text: &str) -> bool {
        self.rows().any(|row| row.contains(text))
    }

    /// How many rows have `text`.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.rows().filter(|row| row.contains(text)).count()
    }

    /// Whether any letter has a colour.
    pub(crate) fn is_coloured(&self) -> bool {
        self.coloured
    }

    /// Asserts that a command has left the terminal as people like it: the cursor is to be seen, at
    /// the beginning of a line, and nothing that was redrawn is left; no line is wider than the
    /// terminal, but for a word that is, and such a one has a line of its own.
    #[track_caller]
    pub(crate) fn is_tidy(&self) {
        assert!(!self.cursor_hidden, "the cursor is hidden:\n{self}");
        assert_eq!(self.cursor_column, 0, "the last line is not ended:\n{self}");
        self.has_nothing_live();
        let mut broken = String::new();
        for (row, is_broken) in &self.rows {
            broken.push_str(row);
            if !is_broken {
                assert!(
                    broken.len() == row.len() || !broken.trim().contains(' '),
                    "wider than {} columns: {broken}\n{self}",
                    self.columns
                );
                broken.clear();
            }
        }
    }

    /// Asserts that no line is left of those that are redrawn.
    #[track_caller]
    pub(crate) fn has_nothing_live(&self) {
        for live in ["━", "╌", " done, ", " running"] {
            assert!(!self.shows(live), "`{live}` is left:\n{self}");
        }
        let spinner = |row: &str| row.starts_with(['⠁', '⠉', '⠙', '⠚', '⠒', '⠂', '⠲', '⠴', '⠤']);
        assert!(!self.rows().any(spinner), "a spinner is left:\n{self}");
    }

    /// The rows as text in which run ids and times are the same in every run, without the line of
    /// the slowest units.
    pub(crate) fn normal(&self) -> String {
        normal(&self.to_string())
    }
}

impl fmt::Display for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows().try_for_each(|row| writeln!(f, "{row}"))
    }
}

/// Text in which run ids and times are the same in every run, without the line of the slowest units.
pub(crate) fn normal(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("slowest: "));
    let lines = lines.map(|line| {
        let mut normal = String::new();
        let mut word = String::new();
        // A word ends where neither a run id nor a time goes on.
        for letter in line.chars().chain(['\n']) {
            if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.') {
                word.push(letter);
                continue;
            }
            push(&mut normal, &word);
            word.clear();
            normal.push(letter);
        }
        normal
    });
    lines.collect()
}

/// Appends a word; a time takes four columns, which all have that are shorter than a minute.
fn push(text: &mut String, word: &str) {
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let time = word.strip_suffix('s').is_some_and(|time| {
        let (seconds, tenths) = time.split_once('.').unwrap_or((time, "0"));
        is_number(seconds) && is_number(tenths)
    });
    let run = word.split_once('T').is_some_and(|(day, rest)| {
        day.len() == 8
            && is_number(day)
            && rest.get(6..8) == Some("Z-")
            && is_number(&rest[..6])
            && rest.len() == 14
    });
    if time {
        if word.len() == 3 && text.ends_with("  ") {
            text.pop();
        }
        text.push_str("0.0s");
    } else if run {
        text.push_str("20261122T000000Z-000000");
    } else {
        text.push_str(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(columns: u16, rows: u16, bytes: &str) -> Screen {
        let mut emulator = Emulator::new(columns, rows);
        emulator.print(bytes.as_bytes());
        emulator.screen()
    }

    #[test]
    fn all_that_was_scrolled_away_is_seen() {
        let lines: Vec<String> = (1..=11).map(|line| format!("line {line}")).collect();
        let text = lines.join("\r\n") + "\r\n";
        for height in [3, 4, 5, 20] {
            let seen = screen(20, height, &text);
            assert_eq!(seen.to_string(), text.replace('\r', ""));
            seen.is_tidy();
        }
    }

    #[test]
    #[should_panic(expected = "wider than 10 columns")]
    fn lines_that_the_terminal_breaks_are_noticed() {
        screen(10, 5, "/a/path/that/is/long\r\ntwo words here\r\n").is_tidy();
    }

    #[test]
    fn runs_and_times_are_the_same() {
        assert_eq!(
            normal("run 20261122T031437Z-21514b (1.2s)\nslowest: dev 2.1s\nqa   12s  at 3 s-4s\n"),
            "run 20261122T000000Z-000000 (0.0s)\nqa  0.0s  at 3 s-4s\n"
        );
    }
}
