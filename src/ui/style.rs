//! The words, colours and measures that all of the screen shares.

use anstyle::{AnsiColor, Style};
use jiff::Timestamp;

use crate::model::{Changes, Outcome, UnitId, UnitResult};

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const RED: Style = AnsiColor::Red.on_default();
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
pub(super) const CYAN: Style = AnsiColor::Cyan.on_default();

/// Unit names longer than this do not widen the column of all others.
const WIDEST_NAME: usize = 32;

/// The column that these names take.
pub(super) fn name_width<'a>(units: impl IntoIterator<Item = &'a UnitId>) -> usize {
    let widths = units.into_iter().map(|unit| unit.to_string().len());
    widths.max().unwrap_or(0).min(WIDEST_NAME)
}

/// A unit's result as a word.
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

/// Terraform's sign for what happens to a resource.
pub(super) fn symbol(actions: &[String]) -> (&'static str, Style) {
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

/// What a plan would do in a few words; `None`: nothing at all.
pub(super) fn changes_planned(outcome: &Outcome) -> Option<String> {
    let changes = outcome.changes?;
    if !outcome.differs {
        return None;
    }
    Some(counted(changes, ["to add", "to change", "to destroy"]))
}

/// `3 to add, 1 to change, 0 to destroy, 1 replaced`, with these words for the first three.
pub(super) fn counted(changes: Changes, words: [&str; 3]) -> String {
    let Changes {
        add,
        change,
        destroy,
        replace,
        import,
        outputs,
    } = changes;
    let resources = [add, change, destroy].into_iter().zip(words);
    let mut parts: Vec<String> = resources
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let s = if outputs == 1 { "" } else { "s" };
    for (count, what) in [
        (replace, "replaced".to_owned()),
        (import, "imported".to_owned()),
        (outputs, format!("output{s}")),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    parts.join(", ")
}

/// `2 changed outside of Terraform, 1 gone`: nothing of it is to be done, all of it has happened.
pub(super) fn drifted(changes: Changes) -> String {
    let s = if changes.outputs == 1 { "" } else { "s" };
    let counts = [
        (changes.change, "changed outside of Terraform".to_owned()),
        (changes.destroy, "gone".to_owned()),
        (changes.outputs, format!("output{s} would differ")),
    ];
    let told: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if told.is_empty() {
        "nothing drifted".to_owned()
    } else {
        told.join(", ")
    }
}

/// `1 unit`, `3 units`.
pub(super) fn count(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}

/// `0.3s`, `42s`, `3m05s`, `2h07m`.
pub(super) fn time(ms: u64) -> String {
    match ms {
        0..10_000 => format!("{}.{}s", ms / 1000, ms % 1000 / 100),
        10_000..60_000 => format!("{}s", ms / 1000),
        60_000..3_600_000 => format!("{}m{:02}s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{}h{:02}m", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// `3 h ago`. A clock that is behind makes nothing of the future.
pub(super) fn age(then: Timestamp, now: Timestamp) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let seconds = now.as_second() - then.as_second();
    match seconds {
        ..MINUTE => "just now".to_owned(),
        MINUTE..HOUR => format!("{} min ago", seconds / MINUTE),
        HOUR..DAY => format!("{} h ago", seconds / HOUR),
        DAY.. => format!("{} d ago", seconds / DAY),
    }
}

/// Breaks a line between words where it is wider than `width`; what follows is indented. A word
/// that is too long alone (a path, an ARN) stays whole, so that it can be copied, and so does a
/// command in backticks where there is room for it.
pub(super) fn wrap(line: &str, width: usize, indent: usize) -> String {
    if textwrap::core::display_width(line) <= width {
        return line.to_owned();
    }
    let spaces = " ".repeat(indent);
    let options = textwrap::Options::new(width)
        .subsequent_indent(&spaces)
        .break_words(false)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    // What a line begins with is its place, which is no word.
    let begin = line.len() - line.trim_start().len();
    let options = options.initial_indent(&line[..begin]);
    let line = hold_together(&line[begin..], width.saturating_sub(indent));
    textwrap::fill(&line, options).replace(HELD, " ")
}

/// Stands for a blank that is no place to break a line; a private character that nobody prints, as
/// wide as a blank.
const HELD: char = '\u{e000}';

/// Holds what stands in backticks together, unless it is wider than `width`.
fn hold_together(line: &str, width: usize) -> String {
    let parts = line.split('`').enumerate().map(|(index, part)| {
        // With both backticks and a sign behind.
        if index % 2 == 1 && part.contains(' ') && part.chars().count() + 3 <= width {
            part.replace(' ', HELD.encode_utf8(&mut [0; 4]))
        } else {
            part.to_owned()
        }
    });
    parts.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        assert_eq!(
            [time(340), time(42_900), time(185_000), time(7_620_000)],
            ["0.3s", "42s", "3m05s", "2h07m"]
        );
    }

    #[test]
    fn lines_break_between_words_only() {
        assert_eq!(
            wrap(
                "  hint: look at this-very-long/path-that/nobody/cuts now",
                20,
                4
            ),
            "  hint: look at\n    this-very-long/path-that/nobody/cuts\n    now"
        );
        assert_eq!(
            wrap(
                "hint: run `tfw plan dev` or `terraform plan -refresh-only`, and look",
                22,
                2
            ),
            "hint: run\n  `tfw plan dev` or\n  `terraform plan\n  -refresh-only`, and\n  look"
        );
        let coloured = format!("{RED}red{RED:#} words do not count");
        assert_eq!(wrap(&coloured, 23, 2), coloured);
    }

    #[test]
    fn changes_are_counted_in_words() {
        let changes = Changes {
            add: 1,
            destroy: 1,
            replace: 1,
            outputs: 2,
            ..Changes::default()
        };
        assert_eq!(
            counted(changes, ["to add", "to change", "to destroy"]),
            "1 to add, 0 to change, 1 to destroy, 1 replaced, 2 outputs"
        );
    }

    #[test]
    fn ages_are_in_the_largest_unit_that_fits() {
        let now: Timestamp = "2026-01-02T12:00:00Z".parse().expect("a time");
        let ago = |seconds: i64| {
            age(
                Timestamp::from_second(now.as_second() - seconds).expect("a time"),
                now,
            )
        };
        assert_eq!(
            [-5, 59, 60, 3599, 3600, 86_399, 86_400, 40_000_000].map(ago),
            [
                "just now",
                "just now",
                "1 min ago",
                "59 min ago",
                "1 h ago",
                "23 h ago",
                "1 d ago",
                "462 d ago"
            ]
        );
    }
}
