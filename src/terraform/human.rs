//! Diagnostics as Terraform prints them for people.
//!
//! With `-json` Terraform still prints some early errors this way, and `init -migrate-state` knows
//! nothing else. On a terminal a box is drawn around each (`╷ │ ╵`); with `-no-color` the box is
//! gone and an empty line is all that separates them.

use std::path::{Component, Path, PathBuf};

use super::diagnostics::hint;
use crate::model::{Diagnostic, Severity};

/// Reads every diagnostic in `text`, with or without box and colours. `folder_shown`, the root
/// module's path relative to the manifest, is put in front of their files.
pub fn parse_human(text: &str, folder_shown: &str) -> Vec<Diagnostic> {
    let lines: Vec<String> = text.lines().map(without_colours).collect();
    let boxed = lines.iter().any(|line| line.starts_with('╷'));
    let mut found: Vec<Vec<&str>> = Vec::new();
    let mut open = false;
    let mut may_start = true;
    for line in &lines {
        if boxed && line.starts_with('╵') {
            open = false;
        } else if boxed && line.starts_with('╷') {
            may_start = true;
        } else {
            let content = if boxed { within_box(line) } else { line };
            if may_start && severity(content).is_some() {
                found.push(vec![content]);
                open = true;
            } else if open && let Some(body) = found.last_mut() {
                body.push(content);
            }
            // Inside a box, an `Error:` further down belongs to the detail.
            may_start = !boxed && content.is_empty();
        }
    }
    found
        .iter()
        .filter_map(|body| diagnostic(body, folder_shown))
        .collect()
}

/// Puts a diagnostic together from its parts, in the order in which Terraform prints them: the
/// resource, the source line, the explanation.
pub(super) fn compose(
    severity: Severity,
    summary: &str,
    address: Option<&str>,
    source: &[String],
    detail: &str,
) -> Diagnostic {
    // Some summaries are whole texts; a report has one line for them.
    let (first, rest) = summary.split_once("\n\n").unwrap_or((summary, ""));
    let first = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut diagnostic = match severity {
        Severity::Error => Diagnostic::error(first),
        Severity::Warning => Diagnostic::warning(first),
    };
    if let Some(address) = address {
        diagnostic = diagnostic.with_detail(format!("with {address}"));
    }
    for line in source {
        diagnostic = diagnostic.with_detail(line);
    }
    for text in [rest, detail]
        .map(str::trim)
        .into_iter()
        .filter(|text| !text.is_empty())
    {
        diagnostic = diagnostic.with_detail(text);
    }
    match hint(&diagnostic) {
        Some(hint) => diagnostic.with_hint(hint),
        None => diagnostic,
    }
}

/// The path of a file that Terraform names, seen from the manifest: Terraform's is relative to the
/// root module, `../../modules/vpc/main.tf`.
pub(super) fn shown_path(folder_shown: &str, file: &str) -> String {
    // Values from elsewhere have names such as `<value for var.name>`.
    if file.starts_with('<') {
        return file.to_owned();
    }
    let mut shown = PathBuf::new();
    for part in Path::new(folder_shown).join(file).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(shown.components().next_back(), Some(Component::Normal(_))) =>
            {
                shown.pop();
            }
            part => shown.push(part),
        }
    }
    shown.display().to_string()
}

fn severity(line: &str) -> Option<(Severity, &str)> {
    let error = line
        .strip_prefix("Error: ")
        .map(|summary| (Severity::Error, summary));
    error.or_else(|| {
        line.strip_prefix("Warning: ")
            .map(|summary| (Severity::Warning, summary))
    })
}

fn diagnostic(body: &[&str], folder_shown: &str) -> Option<Diagnostic> {
    let (severity, first) = severity(body.first()?)?;
    let mut lines = body.iter().skip(1).copied().peekable();
    let mut summary = first.to_owned();
    while let Some(line) = lines.next_if(|line| !line.is_empty()) {
        summary.push(' ');
        summary.push_str(line);
    }
    while lines.next_if(|line| line.is_empty()).is_some() {}

    let mut address = None;
    let mut place = None;
    let mut source = Vec::new();
    if lines
        .peek()
        .is_some_and(|line| line.starts_with("  with ") || line.starts_with("  on "))
    {
        while let Some(line) = lines.next_if(|line| !line.is_empty()) {
            if let Some(with) = line.strip_prefix("  with ") {
                address = Some(with.trim_end_matches([',', ':']));
            } else if let Some(on) = line.strip_prefix("  on ") {
                place = location(on);
            } else {
                source.push(line.trim().to_owned());
            }
        }
    }
    let detail: Vec<&str> = lines.collect();
    // What Terraform points at is its first source line; the others are values, or more of it.
    source.truncate(1);
    let diagnostic = compose(severity, &summary, address, &source, &detail.join("\n"));
    Some(match place {
        Some((file, line)) => diagnostic.at(shown_path(folder_shown, file), line),
        None => diagnostic,
    })
}

/// Reads `main.tf line 3, in resource "terraform_data" "a":`.
fn location(on: &str) -> Option<(&str, Option<u32>)> {
    let Some((file, rest)) = on.rsplit_once(" line ") else {
        return on.strip_suffix(':').map(|file| (file, None));
    };
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((file, digits.parse().ok().filter(|line| *line > 0)))
}

fn within_box(line: &str) -> &str {
    let content = line.strip_prefix('│').unwrap_or(line);
    content.strip_prefix(' ').unwrap_or(content)
}

/// Takes out colour sequences (`ESC [ … m`) and trailing blanks, the carriage return too.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            letters.find(char::is_ascii_alphabetic);
        } else {
            plain.push(letter);
        }
    }
    plain.truncate(plain.trim_end().len());
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Terraform 1.11.4, `plan -no-color` on a syntax error.
    const PLAIN: &str = "
Error: Invalid expression

  on main.tf line 2, in resource \"terraform_data\" \"a\":
   2:   input = 

Expected the start of an expression, but found an invalid expression token.
";

    /// Terraform 1.11.4, `apply` on a terminal.
    const COLOURED: &str = "\u{1b}[0m\u{1b}[1mterraform_data.a (local-exec):\u{1b}[0m \u{1b}[0mboo\r
\u{1b}[31m╷\u{1b}[0m\u{1b}[0m\r
\u{1b}[31m│\u{1b}[0m \u{1b}[0m\u{1b}[1m\u{1b}[31mError: \u{1b}[0m\u{1b}[0m\u{1b}[1mlocal-exec provisioner error\u{1b}[0m\r
\u{1b}[31m│\u{1b}[0m \u{1b}[0m\r
\u{1b}[31m│\u{1b}[0m \u{1b}[0m\u{1b}[0m  with terraform_data.a,\r
\u{1b}[31m│\u{1b}[0m \u{1b}[0m  on main.tf line 3, in resource \"terraform_data\" \"a\":\r
\u{1b}[31m│\u{1b}[0m \u{1b}[0m   3:   provisioner \"local-exec\" { \u{1b}[4mc\u{1b}[0mommand = \"exit 3\" }\u{1b}[0m\r
\u{1b}[31m│\u{1b}[0m \u{1b}[0m\r
\u{1b}[31m│\u{1b}[0m \u{1b}[0mError running command 'exit 3': exit status 3. Output: boo\r
\u{1b}[31m│\u{1b}[0m \u{1b}[0m\r
\u{1b}[31m╵\u{1b}[0m\u{1b}[0m\r
\u{1b}[33m╷\u{1b}[0m\u{1b}[0m\r
\u{1b}[33m│\u{1b}[0m \u{1b}[0m\u{1b}[1m\u{1b}[33mWarning: \u{1b}[0m\u{1b}[0m\u{1b}[1mUnable to open CLI configuration file\u{1b}[0m\r
\u{1b}[33m│\u{1b}[0m \u{1b}[0m\r
\u{1b}[33m│\u{1b}[0m \u{1b}[0mThe CLI configuration file at \"/root/.terraformrc\" does not exist.\r
\u{1b}[33m╵\u{1b}[0m\u{1b}[0m\r
";

    #[test]
    fn a_plain_error_has_its_place_and_its_source_line() {
        let found = parse_human(PLAIN, "environments/dev");
        let expected = Diagnostic::error("Invalid expression")
            .with_detail("2:   input =")
            .with_detail(
                "Expected the start of an expression, but found an invalid expression token.",
            )
            .at("environments/dev/main.tf", Some(2));
        assert_eq!(found, [expected]);
    }

    #[test]
    fn boxes_and_colours_are_seen_through() {
        let found = parse_human(COLOURED, ".");
        let failed = Diagnostic::error("local-exec provisioner error")
            .with_detail("with terraform_data.a")
            .with_detail("3:   provisioner \"local-exec\" { command = \"exit 3\" }")
            .with_detail("Error running command 'exit 3': exit status 3. Output: boo")
            .at("main.tf", Some(3));
        let warned = Diagnostic::warning("Unable to open CLI configuration file")
            .with_detail("The CLI configuration file at \"/root/.terraformrc\" does not exist.");
        assert_eq!(found, [failed, warned]);
    }

    #[test]
    fn several_plain_errors_are_told_apart_and_other_text_is_none() {
        let text = "Initializing the backend...\n\nError: Inconsistent dependency lock file\n\nrun:\n  terraform init\n\nError: Missing required provider\n\nThis one\n";
        let found = parse_human(text, "dev");
        let summaries: Vec<&str> = found.iter().map(|d| d.summary.as_str()).collect();
        assert_eq!(
            summaries,
            [
                "Inconsistent dependency lock file",
                "Missing required provider"
            ]
        );
        assert_eq!(found[0].detail.as_deref(), Some("run:\n  terraform init"));
        assert_eq!(
            parse_human("Initializing the backend...\nhello\n", "dev"),
            []
        );
    }

    #[test]
    fn an_error_inside_a_box_belongs_to_the_detail() {
        let text = "╷\n│ Error: Failed to load \"nofile\" as a plan file\n│ \n│ Error: stat nofile: no such file or directory\n╵\n";
        let found = parse_human(text, "dev");
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].detail.as_deref(),
            Some("Error: stat nofile: no such file or directory")
        );
    }

    #[test]
    fn files_are_shown_from_the_manifest() {
        for (folder, file, shown) in [
            ("environments/dev", "main.tf", "environments/dev/main.tf"),
            (
                "environments/dev",
                "../../modules/vpc/main.tf",
                "modules/vpc/main.tf",
            ),
            (".", "m/main.tf", "m/main.tf"),
            ("", "main.tf", "main.tf"),
            ("../infra", "../m/main.tf", "../m/main.tf"),
            ("dev", "../../m/main.tf", "../m/main.tf"),
            ("dev", "/etc/x.tf", "/etc/x.tf"),
            ("dev", "<value for var.v>", "<value for var.v>"),
        ] {
            assert_eq!(shown_path(folder, file), shown, "{folder} + {file}");
        }
    }
}
