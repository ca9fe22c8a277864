//! What the help says of a command, taken apart: manual pages (`roff`) and the command reference
//! in `docs/commands.md` (`markdown`) are two ways to print a [`Page`].
//!
//! A help text ends in sections, each a heading at the start of a line (`Examples:`) with indented
//! lines below it. An example is a command line, and after two spaces or more what it is for.

mod markdown;
mod roff;
#[cfg(test)]
mod tests;

use clap::{Arg, Command};

pub(super) use markdown::reference;

/// The heading of arguments that every command takes.
pub(super) const GLOBAL: &str = "Global options";
/// The heading of examples.
const EXAMPLES: &str = "Examples";
/// The heading of exit codes.
const EXIT_CODES: &str = "Exit codes";

/// One command.
pub(super) struct Page {
    /// `tfw manifest show`.
    pub(super) name: String,
    /// One line.
    about: String,
    /// What the long help says beyond that, in paragraphs.
    description: Vec<String>,
    /// `tfw plan [OPTIONS] [UNIT]...`.
    usage: String,
    groups: Vec<Group>,
    /// Names of the commands below this one, and what each does.
    commands: Vec<(String, String)>,
    sections: Vec<Section>,
    /// Codes and what they mean: the command's own, else those of the command above it.
    exit_codes: Vec<String>,
}

/// Arguments under one heading.
struct Group {
    heading: String,
    entries: Vec<Entry>,
}

/// One argument.
struct Entry {
    /// `-y, --yes`, `--tag <TAG>`, `[UNIT]...`.
    term: String,
    help: String,
}

/// A part of the text after the options.
struct Section {
    heading: String,
    /// Its lines, without the indent.
    lines: Vec<String>,
}

/// A line of `Examples:`.
pub(super) struct Example<'a> {
    /// The command line.
    pub(super) line: &'a str,
    /// What it is for.
    pub(super) note: Option<&'a str>,
}

impl Page {
    /// Reads a command that clap has built.
    fn of(command: &Command, above: Option<&Self>) -> Self {
        let about = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        let long = command.get_long_about().map(ToString::to_string);
        let after = command
            .get_after_long_help()
            .or_else(|| command.get_after_help())
            .map(ToString::to_string)
            .unwrap_or_default();
        let usage = command.clone().render_usage().to_string();
        let sections = sections(&after);
        let exit_codes = sections
            .iter()
            .find(|section| section.heading == EXIT_CODES)
            .map(|section| section.lines.clone())
            .or_else(|| above.map(|above| above.exit_codes.clone()))
            .unwrap_or_default();
        Self {
            name: full_name(command),
            description: long
                .iter()
                .flat_map(|text| paragraphs(text))
                .filter(|paragraph| *paragraph != about)
                .collect(),
            about,
            usage: usage.trim_start_matches("Usage: ").to_owned(),
            groups: groups(command),
            commands: visible_commands(command)
                .map(|command| {
                    let about = command.get_about().map(ToString::to_string);
                    (full_name(command), about.unwrap_or_default())
                })
                .collect(),
            sections,
            exit_codes,
        }
    }

    /// The page and those of all commands below it, in the order of the help.
    pub(super) fn all(command: &Command) -> Vec<Self> {
        let mut command = command.clone();
        command.build();
        let mut pages = Vec::new();
        collect(&command, None, &mut pages);
        pages
    }

    /// `tfw-manifest-show.1`.
    pub(super) fn file_name(&self) -> String {
        format!("{}.1", self.name.replace(' ', "-"))
    }

    /// The page as `man` reads it.
    pub(super) fn roff(&self) -> String {
        roff::render(self)
    }

    /// What stands under `Examples:`.
    pub(super) fn examples(&self) -> Vec<Example<'_>> {
        self.section(EXAMPLES)
            .map(|section| section.lines.iter().map(|line| example(line)).collect())
            .unwrap_or_default()
    }

    fn section(&self, heading: &str) -> Option<&Section> {
        self.sections
            .iter()
            .find(|section| section.heading == heading)
    }
}

fn collect(command: &Command, above: Option<usize>, pages: &mut Vec<Page>) {
    let page = Page::of(command, above.and_then(|above| pages.get(above)));
    let own = pages.len();
    pages.push(page);
    for command in visible_commands(command) {
        collect(command, Some(own), pages);
    }
}

fn visible_commands(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|command| command.get_name() != "help" && !command.is_hide_set())
}

fn full_name(command: &Command) -> String {
    command
        .get_bin_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned()
}

/// The arguments under their headings, in the order of the help: what has no place in a command
/// line of its own first, what every command takes last.
fn groups(command: &Command) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let visible = || command.get_arguments().filter(|arg| !arg.is_hide_set());
    let positional = visible().filter(|arg| arg.is_positional());
    let (global, own): (Vec<_>, Vec<_>) = visible()
        .filter(|arg| !arg.is_positional())
        .partition(|arg| arg.get_help_heading() == Some(GLOBAL));
    for arg in positional.chain(own).chain(global) {
        let default = if arg.is_positional() {
            "Arguments"
        } else {
            "Options"
        };
        let heading = arg.get_help_heading().unwrap_or(default);
        let entry = entry(arg);
        match groups.iter_mut().find(|group| group.heading == heading) {
            Some(group) => group.entries.push(entry),
            None => groups.push(Group {
                heading: heading.to_owned(),
                entries: vec![entry],
            }),
        }
    }
    groups
}

fn entry(arg: &Arg) -> Entry {
    let help = arg
        .get_long_help()
        .or_else(|| arg.get_help())
        .map(|help| sentences(&paragraphs(&help.to_string())))
        .unwrap_or_default();
    let values: Vec<String> = if arg.get_action().takes_values() {
        arg.get_possible_values()
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| format!("`{}`", value.get_name()))
            .collect()
    } else {
        Vec::new()
    };
    Entry {
        term: term(arg),
        help: match values.as_slice() {
            [] => help,
            values => format!("{help}: {}", values.join(", ")),
        },
    }
}

fn term(arg: &Arg) -> String {
    if arg.is_positional() {
        return arg.to_string();
    }
    // `--tag <TAG>`, as clap prints it in messages.
    let long = arg.to_string();
    match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(_)) => format!("-{short}, {long}"),
        _ => long,
    }
}

/// Paragraphs in one: the first, which is the short help, is no sentence.
fn sentences(paragraphs: &[String]) -> String {
    match paragraphs {
        [only] => only.clone(),
        paragraphs => paragraphs.join(". ").replace(".. ", ". "),
    }
}

/// Paragraphs, each on one line.
fn paragraphs(text: &str) -> Vec<String> {
    text.split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|paragraph| !paragraph.is_empty())
        .collect()
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        let heading = line
            .strip_suffix(':')
            .filter(|heading| !heading.starts_with(' '));
        match (heading, sections.last_mut()) {
            (Some(heading), _) => sections.push(Section {
                heading: match heading {
                    "Example" => EXAMPLES.to_owned(),
                    heading => heading.to_owned(),
                },
                lines: Vec::new(),
            }),
            (None, Some(section)) if !line.trim().is_empty() => {
                section
                    .lines
                    .push(line.strip_prefix("  ").unwrap_or(line).to_owned());
            }
            (None, _) => {}
        }
    }
    sections
}

fn example(line: &str) -> Example<'_> {
    let (line, note) = pair(line);
    Example {
        line,
        note: Some(note).filter(|note| !note.is_empty()),
    }
}

/// `CODE  meaning`, or `NAME  meaning`.
fn pair(line: &str) -> (&str, &str) {
    line.split_once("  ")
        .map_or((line, ""), |(term, meaning)| (term, meaning.trim_start()))
}
