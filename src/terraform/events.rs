//! Terraform's `-json` output, line by line.
//!
//! Each line is an object with a `type` (the machine-readable UI, version 1.2). The types that
//! tfw uses are read, others are kept by name, and what is no such object is plain text: some
//! early errors ignore `-json`. Values of outputs are in this stream too; they are skipped while
//! reading and never leave this file.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::human::{compose, parse_human, shown_path};
use crate::events::ResourceProgress;
use crate::model::{Changes, Diagnostic, Severity};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    Diagnostic(Box<Reported>),
    PlannedChange(Planned),
    ChangeSummary(Counts),
    Outputs(BTreeMap<String, OutputAction>),
    Work(Hook, Step),
    WaitsForLock,
    /// A type that says nothing that tfw needs: `version`, `log`, `resource_drift`,
    /// `provision_…`, and whatever a later Terraform adds.
    Other(String),
    Text(String),
}

/// How far the work on a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Start,
    Progress,
    Complete,
    Errored,
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct DiagnosticLine {
    diagnostic: Reported,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Reported {
    severity: String,
    summary: String,
    #[serde(default)]
    detail: String,
    address: Option<String>,
    range: Option<Range>,
    snippet: Option<Snippet>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Range {
    filename: String,
    start: Position,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Position {
    line: u32,
}

/// The source that a diagnostic points at. Its `values` stay unread: they are not needed to find
/// the place, and what is never read is never shown.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Snippet {
    code: String,
    start_line: u32,
}

#[derive(Deserialize)]
struct PlannedLine {
    change: Planned,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Planned {
    resource: Resource,
    action: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Resource {
    addr: String,
}

#[derive(Deserialize)]
struct SummaryLine {
    changes: Counts,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Counts {
    add: u32,
    change: u32,
    remove: u32,
    #[serde(default)]
    import: u32,
}

#[derive(Deserialize)]
struct OutputsLine {
    outputs: BTreeMap<String, OutputAction>,
}

/// What happens to an output. Only plans say it; an apply gives values instead, unread.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct OutputAction {
    action: Option<String>,
}

#[derive(Deserialize)]
struct HookLine {
    hook: Hook,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Hook {
    resource: Resource,
    /// Absent while a resource is refreshed.
    action: Option<String>,
    #[serde(default)]
    elapsed_seconds: u64,
}

impl Line {
    fn parse(line: &str) -> Self {
        let Ok(Header { kind }) = serde_json::from_str(line) else {
            return Self::Text(line.to_owned());
        };
        let read = match kind.as_str() {
            "diagnostic" => body(line)
                .map(|DiagnosticLine { diagnostic }| Self::Diagnostic(Box::new(diagnostic))),
            "planned_change" => {
                body(line).map(|PlannedLine { change }| Self::PlannedChange(change))
            }
            "change_summary" => {
                body(line).map(|SummaryLine { changes }| Self::ChangeSummary(changes))
            }
            "outputs" => body(line).map(|OutputsLine { outputs }| Self::Outputs(outputs)),
            "state_lock_acquire" => Some(Self::WaitsForLock),
            kind => step(kind)
                .and_then(|step| body(line).map(|HookLine { hook }| Self::Work(hook, step))),
        };
        read.unwrap_or(Self::Other(kind))
    }
}

fn body<T: DeserializeOwned>(line: &str) -> Option<T> {
    serde_json::from_str(line).ok()
}

fn step(kind: &str) -> Option<Step> {
    let (work, step) = kind.rsplit_once('_')?;
    if !["apply", "refresh", "ephemeral_op"].contains(&work) {
        return None;
    }
    Some(match step {
        "start" => Step::Start,
        "progress" => Step::Progress,
        "complete" => Step::Complete,
        "errored" => Step::Errored,
        _ => return None,
    })
}

/// Reads the document of `terraform validate -json`; `None`: it is none.
pub fn parse_validation(document: &[u8], folder_shown: &str) -> Option<Vec<Diagnostic>> {
    #[derive(Deserialize)]
    struct Validation {
        diagnostics: Vec<Reported>,
    }
    let validation: Validation = serde_json::from_slice(document).ok()?;
    let diagnostics = validation.diagnostics.into_iter();
    Some(
        diagnostics
            .map(|reported| reported.into_diagnostic(folder_shown))
            .collect(),
    )
}

/// What a line says while Terraform runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Terraform works on a resource.
    Resource {
        /// The resource's address.
        address: String,
        /// Terraform's word: `create`, `update`, `delete`, `read`, `refresh`.
        action: String,
        /// How far it is.
        progress: ResourceProgress,
    },
    /// Somebody else holds the state lock, and Terraform waits for it.
    WaitsForLock,
}

/// What one run of Terraform said, all in all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Errors and warnings, in order; those printed for people come last.
    pub diagnostics: Vec<Diagnostic>,
    /// What is planned or, of an apply, was done. An apply that fails gives no summary: then this
    /// counts the resources that it completed.
    pub changes: Changes,
    /// Lines that are not JSON.
    pub text: Vec<String>,
}

/// Reads Terraform's lines one after the other.
#[derive(Debug, Clone)]
pub struct OutputReader {
    folder_shown: String,
    diagnostics: Vec<Diagnostic>,
    planned: Vec<(String, String)>,
    summary: Option<Counts>,
    outputs_changed: u32,
    completed: BTreeSet<(String, String)>,
    text: Vec<String>,
}

impl OutputReader {
    /// Starts. `folder_shown` is the root module's path relative to the manifest; it is put in
    /// front of the files of diagnostics.
    pub fn new(folder_shown: &str) -> Self {
        Self {
            folder_shown: folder_shown.to_owned(),
            diagnostics: Vec::new(),
            planned: Vec::new(),
            summary: None,
            outputs_changed: 0,
            completed: BTreeSet::new(),
            text: Vec::new(),
        }
    }

    /// Takes one line, and says what is worth telling at once.
    pub fn line(&mut self, line: &str) -> Option<Fact> {
        match Line::parse(line) {
            Line::Diagnostic(reported) => {
                let diagnostic = reported.into_diagnostic(&self.folder_shown);
                self.diagnostics.push(diagnostic);
            }
            Line::PlannedChange(Planned { resource, action }) => {
                self.planned.push((resource.addr.clone(), action.clone()));
                return Some(Fact::Resource {
                    address: resource.addr,
                    action,
                    progress: ResourceProgress::Planned,
                });
            }
            Line::ChangeSummary(counts) => self.summary = Some(counts),
            Line::Outputs(outputs) => {
                let actions = outputs
                    .values()
                    .filter_map(|output| output.action.as_deref());
                self.outputs_changed = count(actions.filter(|action| *action != "noop"));
            }
            Line::Work(hook, step) => return Some(self.work(hook, step)),
            Line::WaitsForLock => return Some(Fact::WaitsForLock),
            Line::Other(_) => {}
            Line::Text(text) => self.text.push(text),
        }
        None
    }

    /// Ends, and gives all that was collected.
    pub fn finish(self) -> Collected {
        let changes = self.changes();
        let mut diagnostics = self.diagnostics;
        diagnostics.extend(parse_human(&self.text.join("\n"), &self.folder_shown));
        Collected {
            diagnostics,
            changes,
            text: self.text,
        }
    }

    fn work(&mut self, hook: Hook, step: Step) -> Fact {
        let seconds = hook.elapsed_seconds;
        let address = hook.resource.addr;
        let action = hook.action.unwrap_or_else(|| "refresh".to_owned());
        if step == Step::Complete {
            self.completed.insert((address.clone(), action.clone()));
        }
        Fact::Resource {
            address,
            action,
            progress: match step {
                Step::Start => ResourceProgress::Started,
                Step::Progress => ResourceProgress::Running(seconds),
                Step::Complete => ResourceProgress::Done(seconds),
                Step::Errored => ResourceProgress::Failed(seconds),
            },
        }
    }

    fn changes(&self) -> Changes {
        let replaced = self
            .planned
            .iter()
            .filter(|(_, action)| action == "replace");
        let Some(summary) = &self.summary else {
            let done = |wanted: &str| count(self.completed.iter().filter(|(_, a)| a == wanted));
            let both = |address: &str| {
                ["delete", "create"].into_iter().all(|action| {
                    self.completed
                        .contains(&(address.to_owned(), action.to_owned()))
                })
            };
            return Changes {
                add: done("create"),
                change: done("update"),
                destroy: done("delete"),
                replace: count(replaced.filter(|(address, _)| both(address))),
                import: 0,
                outputs: 0,
            };
        };
        Changes {
            add: summary.add,
            change: summary.change,
            destroy: summary.remove,
            replace: count(replaced),
            import: summary.import,
            outputs: self.outputs_changed,
        }
    }
}

fn count(items: impl Iterator) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

impl Reported {
    fn into_diagnostic(self, folder_shown: &str) -> Diagnostic {
        let severity = if self.severity == "warning" {
            Severity::Warning
        } else {
            Severity::Error
        };
        let source = match &self.snippet {
            // More than the first line is the rest of a long expression.
            Some(snippet) if severity == Severity::Error => {
                let first = snippet.code.lines().next().unwrap_or_default().trim_end();
                vec![format!("{}: {first}", snippet.start_line)]
            }
            _ => Vec::new(),
        };
        let address = self.address.as_deref();
        let diagnostic = compose(severity, &self.summary, address, &source, &self.detail);
        match self.range {
            Some(Range { filename, start }) if !filename.is_empty() => diagnostic.at(
                shown_path(folder_shown, &filename),
                Some(start.line).filter(|line| *line > 0),
            ),
            _ => diagnostic,
        }
    }
}

#[cfg(test)]
mod tests;
