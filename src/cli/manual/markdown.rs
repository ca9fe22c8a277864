//! The command reference, `docs/commands.md`.

use std::fmt::Write as _;

use clap::Command;

use super::{EXAMPLES, EXIT_CODES, GLOBAL, Group, Page, Section, pair};

/// All commands on one page. Options of every command stand in it once.
pub(in crate::cli) fn reference(command: &Command) -> String {
    let pages = Page::all(command);
    let mut text = String::from(
        "<!-- Written by `cargo xtask docs` from the command line itself; do not edit. -->\n\n\
         # Commands\n\n\
         `tfw COMMAND --help` and `man tfw-COMMAND` say the same. `-h` is short, `--help` has \
         everything.\n",
    );
    text.push_str("\n| command | does |\n|---|---|\n");
    for page in pages.iter().filter(|page| page.commands.is_empty()) {
        let anchor = page.name.replace(' ', "-");
        let _ = writeln!(
            text,
            "| [`{}`](#{anchor}) | {} |",
            page.name,
            cell(&page.about)
        );
    }
    for page in &pages {
        command_page(&mut text, page);
    }
    text
}

fn command_page(text: &mut String, page: &Page) {
    let top = !page.name.contains(' ');
    let _ = write!(text, "\n## {}\n\n{}.\n", page.name, page.about);
    for paragraph in &page.description {
        let _ = write!(text, "\n{}\n", escape(paragraph));
    }
    let _ = write!(text, "\n```text\n{}\n```\n", page.usage);
    for group in &page.groups {
        if top || group.heading != GLOBAL {
            options(text, group);
        }
    }
    if !top {
        text.push_str("\nAnd the [global options](#global-options).\n");
    }
    let examples = page.examples();
    if !examples.is_empty() {
        text.push_str("\n```sh\n");
        let width = examples.iter().map(|example| example.line.len()).max();
        for example in &examples {
            let _ = match example.note {
                Some(note) => {
                    writeln!(
                        text,
                        "{:w$}  # {note}",
                        example.line,
                        w = width.unwrap_or(0)
                    )
                }
                None => writeln!(text, "{}", example.line),
            };
        }
        text.push_str("```\n");
    }
    for section in &page.sections {
        if section.heading != EXAMPLES {
            terms(text, section);
        }
    }
}

fn options(text: &mut String, group: &Group) {
    let heading = match group.heading.as_str() {
        // A heading of its own, since every command links to it.
        GLOBAL => format!("\n### {GLOBAL}\n"),
        _ => String::new(),
    };
    let _ = write!(text, "{heading}\n| {} | |\n|---|---|\n", group.heading);
    for entry in &group.entries {
        let _ = writeln!(text, "| `{}` | {} |", entry.term, cell(&entry.help));
    }
}

fn terms(text: &mut String, section: &Section) {
    let column = if section.heading == EXIT_CODES {
        "code"
    } else {
        ""
    };
    let _ = write!(
        text,
        "\n### {}\n\n| {column} | meaning |\n|---|---|\n",
        section.heading
    );
    for line in &section.lines {
        let (term, meaning) = pair(line);
        let _ = writeln!(text, "| `{}` | {} |", term.replace('`', ""), cell(meaning));
    }
}

/// Text in a table.
fn cell(text: &str) -> String {
    escape(text).replace('|', "\\|")
}

/// Text outside of code in which Markdown would see more than is meant.
fn escape(text: &str) -> String {
    text.split('`')
        .enumerate()
        .map(|(index, part)| match index % 2 {
            0 => part.replace('*', "\\*").replace('<', "\\<"),
            _ => format!("`{part}`"),
        })
        .collect()
}
