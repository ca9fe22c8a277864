//! Edits the backend block of a root module in place.
//!
//! Only the bytes that must change do: comments, layout and everything else stay as they are.
//! (Printing a parsed file again would change some: `hcl-edit` does for three of 1,287 real ones.)

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use hcl_edit::Span;
use hcl_edit::structure::{Block, Body, Structure};

use super::{BackendBlock, ReadError, RootModule, files, hcl};

/// The file for a backend block where the root module has no `terraform` block to hold it.
const NEW_FILE: &str = "backend.tf";

/// An edit that has not been made yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendEdit {
    /// The file.
    pub file: PathBuf,
    /// What stands in it now; `None`: it is a new one.
    pub before: Option<String>,
    /// What is to stand in it.
    pub after: String,
}

/// Why a backend block is not edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// JSON, which has no comments to keep and no one way to be written.
    #[error("the backend block stands in `{}`, and tfw edits no JSON", file.display())]
    Json {
        /// The file.
        file: PathBuf,
    },
    /// The edited text does not say what it should; nothing was written.
    #[error("the backend block in `{}` is written in a way that tfw cannot edit", file.display())]
    Unexpected {
        /// The file.
        file: PathBuf,
    },
}

/// The edit that gives a root module a backend block of this kind without the arguments that are
/// `foreign` to it; of another kind, it loses all of them. `None`: it is right as it is.
///
/// # Errors
/// The block cannot be edited.
pub fn backend_edit(
    module: &RootModule,
    kind: &str,
    foreign: &[String],
) -> Result<Option<BackendEdit>, EditError> {
    let edit = match &module.backend {
        Some(block) if block.kind == kind && foreign.is_empty() => return Ok(None),
        Some(block) => edit_block(block, kind, foreign)?,
        None => add_block(&module.folder, kind)?,
    };
    let part = hcl::part(&edit.file, &edit.after)?;
    let is_right = part.backend.as_ref().is_some_and(|block| {
        block.kind == kind && !block.arguments.keys().any(|name| foreign.contains(name))
    });
    if is_right {
        Ok(Some(edit))
    } else {
        Err(EditError::Unexpected { file: edit.file })
    }
}

fn edit_block(
    block: &BackendBlock,
    kind: &str,
    foreign: &[String],
) -> Result<BackendEdit, EditError> {
    let file = &block.location.file;
    if file
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        return Err(EditError::Json { file: file.clone() });
    }
    let before = files::read(file)?;
    let (mark, text) = split_mark(&before);
    let body = hcl::body(file, text)?;
    let unexpected = || EditError::Unexpected { file: file.clone() };
    // Terraform takes one backend block in a file at most.
    let found = terraform_blocks(&body)
        .flat_map(|terraform| terraform.body.get_blocks("backend"))
        .next()
        .ok_or_else(unexpected)?;
    let same_kind = block.kind == kind;
    let mut cuts: Vec<(Range<usize>, String)> = Vec::new();
    if !same_kind {
        let label = found.labels.first().and_then(Span::span);
        cuts.push((label.ok_or_else(unexpected)?, format!("\"{kind}\"")));
    }
    let inside = braces(found, text).ok_or_else(unexpected)?;
    let mut gone: Vec<Range<usize>> = Vec::new();
    for structure in &found.body {
        let (name, span) = match structure {
            Structure::Attribute(attribute) => (attribute.key.as_str(), attribute.span()),
            Structure::Block(block) => (block.ident.as_str(), block.span()),
        };
        if !same_kind || foreign.iter().any(|foreign| foreign == name) {
            gone.push(span.ok_or_else(unexpected)?);
        }
    }
    // With everything gone, nothing but white space may be left: then the braces close up.
    let left = without(
        &text[inside.clone()],
        gone.iter()
            .map(|gone| gone.start - inside.start..gone.end - inside.start),
    );
    if left.trim().is_empty() {
        cuts.push((inside, String::new()));
    } else {
        cuts.extend(
            gone.into_iter()
                .map(|gone| (whole_line(text, gone), String::new())),
        );
    }
    cuts.sort_by_key(|(range, _)| range.start);
    Ok(BackendEdit {
        file: file.clone(),
        after: format!("{mark}{}", spliced(text, &cuts)),
        before: Some(before),
    })
}

fn add_block(folder: &Path, kind: &str) -> Result<BackendEdit, EditError> {
    let line = format!("backend \"{kind}\" {{}}");
    for file in files::configuration(folder)? {
        if file.is_json || file.is_override {
            continue;
        }
        let before = files::read(&file.path)?;
        let (mark, text) = split_mark(&before);
        let body = hcl::body(&file.path, text)?;
        let Some(block) = terraform_blocks(&body).next() else {
            continue;
        };
        let Some(inside) = braces(block, text) else {
            return Err(EditError::Unexpected { file: file.path });
        };
        let newline = newline_of(text);
        let content = &text[inside.clone()];
        let cut = if content.contains('\n') {
            // Before the closing brace, which stands at the margin of the block.
            let at = inside.start + content.trim_end_matches([' ', '\t']).len();
            let indent = margin(text, inside.end);
            let lead = if text[..at].ends_with('\n') {
                ""
            } else {
                newline
            };
            (at..at, format!("{lead}{indent}  {line}{newline}"))
        } else {
            // A block on one line takes one argument and nothing beside it.
            let indent = margin(text, inside.start);
            let argument = content.trim();
            let argument = if argument.is_empty() {
                String::new()
            } else {
                format!("{indent}  {argument}{newline}")
            };
            (
                inside,
                format!("{newline}{argument}{indent}  {line}{newline}{indent}"),
            )
        };
        return Ok(BackendEdit {
            after: format!("{mark}{}", spliced(text, &[cut])),
            file: file.path,
            before: Some(before),
        });
    }
    let file = folder.join(NEW_FILE);
    let before = file.exists().then(|| files::read(&file)).transpose()?;
    let mut after = before.clone().unwrap_or_default();
    if !after.is_empty() {
        after.push_str(if after.ends_with('\n') { "\n" } else { "\n\n" });
    }
    // Writing to a string does not fail.
    let _ = write!(after, "terraform {{\n  {line}\n}}\n");
    Ok(BackendEdit {
        file,
        before,
        after,
    })
}

fn terraform_blocks(body: &Body) -> impl Iterator<Item = &Block> {
    body.get_blocks("terraform")
}

/// A byte order mark, and the rest.
fn split_mark(text: &str) -> (&str, &str) {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => text.split_at(text.len() - rest.len()),
        None => ("", text),
    }
}

/// What stands between the braces of a block.
fn braces(block: &Block, text: &str) -> Option<Range<usize>> {
    let span = block.span()?;
    let head = match block.labels.last() {
        Some(label) => label.span()?.end,
        None => block.ident.span()?.end,
    };
    let open = head + text.get(head..span.end)?.find('{')? + 1;
    let close = text.get(..span.end)?.rfind('}')?;
    (open <= close).then_some(open..close)
}

/// The range with the white space before it on its line, and the line's end where nothing else
/// stands on it. A comment behind it stays, on a line of its own.
fn whole_line(text: &str, range: Range<usize>) -> Range<usize> {
    let start = text[..range.start].trim_end_matches([' ', '\t']).len();
    let alone = start == 0 || text[..start].ends_with('\n');
    let rest = &text[range.end..];
    let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\r']).len();
    match rest[blank..].chars().next() {
        Some('\n') if alone => start..range.end + blank + 1,
        _ if alone => range.start..range.end + blank,
        _ => start..range.end,
    }
}

/// The text without these ranges.
fn without(text: &str, gone: impl Iterator<Item = Range<usize>>) -> String {
    let cuts: Vec<(Range<usize>, String)> = gone.map(|range| (range, String::new())).collect();
    spliced(text, &cuts)
}

/// The text with each range, in order, replaced.
fn spliced(text: &str, cuts: &[(Range<usize>, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (range, new) in cuts {
        out.push_str(&text[at..range.start]);
        out.push_str(new);
        at = range.end;
    }
    out.push_str(&text[at..]);
    out
}

/// The white space at the beginning of the line of this place.
fn margin(text: &str, at: usize) -> String {
    let line = &text[text[..at].rfind('\n').map_or(0, |end| end + 1)..];
    line.chars()
        .take_while(|c| matches!(c, ' ' | '\t'))
        .collect()
}

fn newline_of(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The text of `main.tf` after the edit; `None`: there was nothing to edit.
    fn edited(before: &str, kind: &str, foreign: &[&str]) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("main.tf"), before).unwrap();
        let module = RootModule::read(folder.path()).unwrap();
        let foreign: Vec<String> = foreign.iter().map(|&name| name.to_owned()).collect();
        let edit = backend_edit(&module, kind, &foreign).unwrap()?;
        assert_eq!(edit.file, folder.path().join("main.tf"));
        assert_eq!(edit.before.as_deref(), Some(before));
        Some(edit.after)
    }

    #[test]
    fn a_right_block_stays() {
        let text = "terraform {\n  backend \"s3\" {}\n}\n";
        assert_eq!(edited(text, "s3", &[]), None);
    }

    #[test]
    fn a_block_is_added_before_the_closing_brace() {
        let text = "# top\nterraform {\n  required_version = \">= 1\" # why\n}\n\nlocals {}\n";
        assert_eq!(
            edited(text, "s3", &[]).unwrap(),
            "# top\nterraform {\n  required_version = \">= 1\" # why\n  backend \"s3\" {}\n}\n\nlocals {}\n"
        );
    }

    #[test]
    fn blocks_on_one_line_are_opened() {
        assert_eq!(
            edited("terraform {}\n", "s3", &[]).unwrap(),
            "terraform {\n  backend \"s3\" {}\n}\n"
        );
        assert_eq!(
            edited("terraform { required_version = \">= 1\" }\n", "s3", &[]).unwrap(),
            "terraform {\n  required_version = \">= 1\"\n  backend \"s3\" {}\n}\n"
        );
    }

    #[test]
    fn windows_line_ends_and_a_byte_order_mark_stay() {
        let text = "\u{feff}terraform {\r\n}\r\n";
        assert_eq!(
            edited(text, "s3", &[]).unwrap(),
            "\u{feff}terraform {\r\n  backend \"s3\" {}\r\n}\r\n"
        );
    }

    #[test]
    fn foreign_arguments_go_and_comments_stay() {
        let text = r#"terraform {
  backend "s3" {
    # where we lived
    bucket         = "old" # since 2019
    key            = "x" // and this
    dynamodb_table = "locks"
    max_retries    = 3
  }
}
"#;
        let after = edited(text, "s3", &["bucket", "dynamodb_table"]).unwrap();
        assert_eq!(
            after,
            r#"terraform {
  backend "s3" {
    # where we lived
    # since 2019
    key            = "x" // and this
    max_retries    = 3
  }
}
"#
        );
    }

    #[test]
    fn a_block_that_loses_everything_closes() {
        let text =
            "terraform {\n  backend \"s3\" {\n    bucket = \"old\"\n    key    = \"k\"\n  }\n}\n";
        assert_eq!(
            edited(text, "s3", &["bucket", "key"]).unwrap(),
            "terraform {\n  backend \"s3\" {}\n}\n"
        );
        let nested = "terraform {\n  backend \"s3\" {\n    assume_role = {\n      role_arn = \"r\"\n    }\n  }\n}\n";
        assert_eq!(
            edited(nested, "s3", &["assume_role"]).unwrap(),
            "terraform {\n  backend \"s3\" {}\n}\n"
        );
    }

    #[test]
    fn another_kind_loses_its_arguments() {
        let text = "terraform {\n  backend \"local\" { path = \"s/x.tfstate\" }\n}\n";
        assert_eq!(
            edited(text, "s3", &[]).unwrap(),
            "terraform {\n  backend \"s3\" {}\n}\n"
        );
        let commented =
            "terraform {\n  backend \"local\" {\n    # keep\n    path = \"x\"\n  }\n}\n";
        assert_eq!(
            edited(commented, "s3", &[]).unwrap(),
            "terraform {\n  backend \"s3\" {\n    # keep\n  }\n}\n"
        );
    }

    #[test]
    fn without_a_terraform_block_it_gets_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("main.tf"), "locals {}\n").unwrap();
        let module = RootModule::read(folder.path()).unwrap();
        let edit = backend_edit(&module, "s3", &[]).unwrap().unwrap();
        assert_eq!(
            (edit.file, edit.before, edit.after.as_str()),
            (
                folder.path().join("backend.tf"),
                None,
                "terraform {\n  backend \"s3\" {}\n}\n"
            )
        );
    }

    #[test]
    fn json_is_left_to_people() {
        let folder = tempfile::tempdir().unwrap();
        let text = r#"{"terraform":{"backend":{"local":{}}}}"#;
        fs::write(folder.path().join("main.tf.json"), text).unwrap();
        let module = RootModule::read(folder.path()).unwrap();
        let error = backend_edit(&module, "s3", &[]).unwrap_err();
        assert!(matches!(error, EditError::Json { .. }));
    }
}
