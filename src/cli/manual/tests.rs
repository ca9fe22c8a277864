use clap::CommandFactory;

use super::super::Cli;
use super::*;

/// The widest line of help that clap does not wrap on an ordinary terminal.
const WIDTH: usize = 80;

fn pages() -> Vec<Page> {
    Page::all(&Cli::command())
}

fn page(name: &str) -> Page {
    let pages = pages();
    let found = pages.into_iter().find(|page| page.name == name);
    found.unwrap_or_else(|| panic!("there is no page `{name}`"))
}

/// The arguments of the tfw command in an example: what a shell would give to it.
fn arguments(line: &str) -> Vec<String> {
    let start = line
        .find("tfw ")
        .unwrap_or_else(|| panic!("no tfw in `{line}`"));
    // `<(tfw completions bash)`, `"$(tfw env dev)"`.
    let end = if line[..start].ends_with('(') {
        line[start..].find(')').map(|end| start + end)
    } else {
        None
    };
    let line = &line[start..end.unwrap_or(line.len())];
    let words = shlex::split(line).unwrap_or_else(|| panic!("`{line}` has open quotes"));
    let ends = |word: &String| matches!(word.as_str(), "|" | ">" | ">>" | "&&");
    let length = words.iter().position(ends).unwrap_or(words.len());
    words[..length].to_vec()
}

#[test]
fn every_command_says_what_it_does_and_shows_how() {
    let pages = pages();
    assert!(pages.len() > 10);
    for page in &pages {
        assert!(!page.about.is_empty(), "`{}` has no about", page.name);
        assert!(
            !page.about.ends_with('.') && page.about.len() <= 110,
            "`{}` is one line, no sentence: {}",
            page.name,
            page.about
        );
        assert!(
            !page.examples().is_empty(),
            "`{}` has no examples",
            page.name
        );
        assert!(
            !page.exit_codes.is_empty(),
            "`{}` has no exit codes",
            page.name
        );
        for group in &page.groups {
            for entry in &group.entries {
                assert!(
                    !entry.help.is_empty(),
                    "`{}`: `{}` has no help",
                    page.name,
                    entry.term
                );
            }
        }
    }
}

#[test]
fn every_example_parses_and_the_first_is_of_its_command() {
    for page in pages() {
        for (index, example) in page.examples().iter().enumerate() {
            let arguments = arguments(example.line);
            if let Err(error) = Cli::command().try_get_matches_from(&arguments) {
                panic!(
                    "the help of `{}` shows `{}`:\n{error}",
                    page.name, example.line
                );
            }
            let typed = arguments.join(" ");
            assert!(
                index > 0 || typed.starts_with(&page.name),
                "the help of `{}` begins with `{typed}`",
                page.name
            );
        }
    }
}

#[test]
fn no_line_of_examples_wraps_on_an_ordinary_terminal() {
    for page in pages() {
        for section in &page.sections {
            for line in &section.lines {
                // The two columns that the help indents by.
                assert!(
                    line.chars().count() + 2 <= WIDTH,
                    "`{}`: too wide: {line}",
                    page.name
                );
            }
        }
    }
}

#[test]
fn help_wraps_between_words_at_every_width() {
    /// The help at a width, with all words of one text in a row.
    fn words(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }
    fn visit(command: &clap::Command, visited: &mut usize) {
        let render = |width: usize, long: bool| {
            let mut command = command.clone().term_width(width);
            let help = if long {
                command.render_long_help()
            } else {
                command.render_help()
            };
            help.to_string()
        };
        for long in [false, true] {
            let wide = render(200, long);
            for width in [80, 100] {
                let narrow = render(width, long);
                assert_eq!(words(&narrow), words(&wide), "{width} columns");
                for line in narrow.lines() {
                    assert!(line.chars().count() <= width, "{width}: {line}");
                }
            }
        }
        *visited += 1;
        for command in command.get_subcommands() {
            visit(command, visited);
        }
    }
    let mut command = Cli::command();
    command.build();
    let mut visited = 0;
    visit(&command, &mut visited);
    assert!(visited > 10);
}

#[test]
fn a_page_takes_the_help_apart() {
    let page = page("tfw exec");
    assert_eq!(page.usage, "tfw exec [OPTIONS] <UNIT> -- <ARGS>...");
    assert_eq!(page.file_name(), "tfw-exec.1");
    let headings: Vec<&str> = page
        .groups
        .iter()
        .map(|group| group.heading.as_str())
        .collect();
    assert_eq!(headings, ["Arguments", "Consent", GLOBAL]);
    assert_eq!(page.groups[0].entries[0].term, "<UNIT>");
    let example = &page.examples()[0];
    assert_eq!(example.line, "tfw exec dev -- state list");
    assert_eq!(example.note, Some("read the state"));
    // Of its own, not those of `tfw`.
    assert_eq!(page.exit_codes.len(), 3);
}

#[test]
fn a_manual_page_has_the_usual_sections() {
    let text = page("tfw").roff();
    let sections: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix(".SH "))
        .map(|heading| heading.trim_matches('"'))
        .collect();
    assert_eq!(
        sections,
        [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "COMMANDS",
            "OPTIONS",
            "EXAMPLES",
            "EXIT STATUS",
            "ENVIRONMENT",
            "FILES",
            "SEE ALSO"
        ]
    );
    let plan = page("tfw plan").roff();
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        plan.starts_with(&format!(
            ".TH tfw-plan 1 \" \" \"tfw {version}\" \"tfw manual\"\n"
        )),
        "{plan}"
    );
    assert!(plan.contains("held by someone else"), "inherited codes");
    for page in pages() {
        let text = page.roff();
        assert!(text.contains("\n.SH EXAMPLES\n"), "{}", page.name);
        // groff takes other characters for Latin-1, unless it is told.
        assert!(text.is_ascii(), "{}", page.name);
    }
}

#[test]
fn the_reference_has_every_command_and_its_flags() {
    let text = reference(&Cli::command());
    for page in pages() {
        assert!(text.contains(&format!("\n## {}\n", page.name)));
    }
    assert!(text.contains("| `-y, --yes` |"));
    assert_eq!(text.matches("| `--no-input` |").count(), 1, "once for all");
    assert!(
        !text.contains("\n### Examples"),
        "examples stand in a block of code"
    );
}
