//! A page for `man`.

use ::roff::{Inline, Roff, bold, italic, roman};

use super::{EXAMPLES, EXIT_CODES, Page, pair};

/// The page in the language of `man`.
pub(super) fn render(page: &Page) -> String {
    let mut roff = Roff::new();
    let name = page.name.replace(' ', "-");
    let version = concat!("tfw ", env!("CARGO_PKG_VERSION"));
    // An empty date would be lost, and what follows would take its place.
    roff.control("TH", [name.as_str(), "1", " ", version, "tfw manual"]);

    roff.control("SH", ["NAME"]);
    // `whatis` reads this line: nothing in it may be set apart.
    roff.text([roman(format!("{name} - {}", page.about.replace('`', "")))]);

    roff.control("SH", ["SYNOPSIS"]);
    let rest = page.usage.strip_prefix(&page.name).unwrap_or(&page.usage);
    roff.text([bold(&page.name), roman(rest)]);

    roff.control("SH", ["DESCRIPTION"]);
    roff.text(inlines(&format!("{}.", page.about)));
    for paragraph in &page.description {
        roff.control("PP", []);
        roff.text(inlines(paragraph));
    }

    if !page.commands.is_empty() {
        roff.control("SH", ["COMMANDS"]);
        for (command, about) in &page.commands {
            roff.control("TP", []);
            roff.text([bold(format!("{}(1)", command.replace(' ', "-")))]);
            roff.text(inlines(about));
        }
    }

    roff.control("SH", ["OPTIONS"]);
    for group in &page.groups {
        // Those that belong to no group need no heading of their own.
        if group.heading != "Options" && group.heading != "Arguments" {
            roff.control("SS", [group.heading.as_str()]);
        }
        for entry in &group.entries {
            roff.control("TP", []);
            roff.text([bold(&entry.term)]);
            roff.text(inlines(&entry.help));
        }
    }

    let examples = page.examples();
    if !examples.is_empty() {
        roff.control("SH", ["EXAMPLES"]);
        for example in examples {
            roff.control("TP", []);
            roff.text([bold(example.line)]);
            roff.text([roman(example.note.unwrap_or_default())]);
        }
    }

    terms(
        &mut roff,
        "EXIT STATUS",
        page.exit_codes.iter().map(String::as_str),
    );
    for section in &page.sections {
        if section.heading != EXAMPLES && section.heading != EXIT_CODES {
            let lines = section.lines.iter().map(String::as_str);
            terms(&mut roff, &section.heading.to_uppercase(), lines);
        }
    }

    roff.control("SH", ["SEE ALSO"]);
    roff.text(see_also(page));
    // Without the preamble that makes straight quotes of apostrophes: `man` knows them.
    roff.to_roff()
}

/// A section of terms and what they mean.
fn terms<'a>(roff: &mut Roff, heading: &str, lines: impl Iterator<Item = &'a str>) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return;
    }
    roff.control("SH", [heading]);
    for line in lines {
        let (term, meaning) = pair(line);
        roff.control("TP", []);
        roff.text([bold(term)]);
        roff.text(inlines(meaning));
    }
}

/// The command above, and Terraform's own page.
fn see_also(page: &Page) -> Vec<Inline> {
    match page.name.rsplit_once(' ') {
        Some(("tfw", _)) => vec![bold("tfw"), roman("(1)")],
        Some((above, _)) => vec![
            bold("tfw"),
            roman("(1), "),
            bold(above.replace(' ', "-")),
            roman("(1)"),
        ],
        None => {
            let mut commands = Vec::new();
            for (command, _) in &page.commands {
                if !commands.is_empty() {
                    commands.push(roman(", "));
                }
                commands.extend([bold(command.replace(' ', "-")), roman("(1)")]);
            }
            commands
        }
    }
}

/// Text in which names stand in backticks.
fn inlines(text: &str) -> Vec<Inline> {
    text.split('`')
        .enumerate()
        .filter(|(_, part)| !part.is_empty())
        .map(|(index, part)| match index % 2 {
            0 => roman(part),
            _ => italic(part),
        })
        .collect()
}
