//! What came of the work on a unit: the words of the report.

use serde::Serialize;

use super::{AccountId, Changes, Lock, Migration, Region, ReplacedState, Unit};

/// How one unit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitResult {
    /// All that was asked is done.
    Succeeded,
    /// Something went wrong.
    Failed,
    /// Never started, because something before it did not succeed.
    Skipped,
    /// A guard or a missing consent stopped it; nothing of it was changed.
    Refused,
    /// Somebody else holds its state lock.
    Locked,
    /// A signal stopped it.
    Interrupted,
}

/// Whether `terraform init` was needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InitRun {
    /// It ran.
    Ran,
    /// What it would have made was there already.
    Skipped,
}

/// The weight of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It stops the unit or the run.
    Error,
    /// It does not.
    Warning,
}

/// One thing that tfw or Terraform has to say.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// One line: what happened, to what.
    pub summary: String,
    /// Why, and after `hint:` what to do next; may have several lines.
    pub detail: Option<String>,
    /// The file, relative to the manifest's folder where it lies below it.
    pub file: Option<String>,
    /// The line in `file`, from 1.
    pub line: Option<u32>,
}

impl Diagnostic {
    /// An error with a summary alone.
    pub fn error(summary: impl Into<String>) -> Self {
        Self::new(Severity::Error, summary)
    }

    /// A warning with a summary alone.
    pub fn warning(summary: impl Into<String>) -> Self {
        Self::new(Severity::Warning, summary)
    }

    fn new(severity: Severity, summary: impl Into<String>) -> Self {
        Self {
            severity,
            summary: summary.into(),
            detail: None,
            file: None,
            line: None,
        }
    }

    /// Adds (a line of) detail.
    #[must_use]
    pub fn with_detail(mut self, detail: impl AsRef<str>) -> Self {
        let text = self.detail.get_or_insert_default();
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(detail.as_ref());
        self
    }

    /// Adds a `hint:` line: what to do next.
    #[must_use]
    pub fn with_hint(self, hint: impl AsRef<str>) -> Self {
        self.with_detail(format!("hint: {}", hint.as_ref()))
    }

    /// Says where: a file and, from 1, a line.
    #[must_use]
    pub fn at(mut self, file: impl Into<String>, line: Option<u32>) -> Self {
        self.file = Some(file.into());
        self.line = line;
        self
    }
}

impl Outcome {
    /// Carries on what the unit did before the plan that follows a rollback: the plan's outcome
    /// stands, and what was written and said stays told.
    pub fn follows(&mut self, before: Self) {
        if before.replaced.is_none() || self.replaced.is_some() {
            return;
        }
        self.replaced = before.replaced;
        let since = std::mem::replace(&mut self.diagnostics, before.diagnostics);
        for diagnostic in since {
            if !self.diagnostics.contains(&diagnostic) {
                self.diagnostics.push(diagnostic);
            }
        }
        let spent = before.duration_ms.unwrap_or_default() + self.duration_ms.unwrap_or_default();
        self.duration_ms = Some(spent);
    }

    /// The outcome of a unit that has not begun: what is known of it beforehand.
    pub fn pending(unit: &Unit) -> Self {
        Self {
            account_id: unit.account_id.clone(),
            region: unit.region.clone(),
            ..Self::of(unit.backend.address())
        }
    }

    fn of(backend: BackendAddress) -> Self {
        Self {
            result: UnitResult::Skipped,
            reason: None,
            account_id: None,
            region: None,
            backend,
            init: None,
            provisional: None,
            changes: None,
            differs: false,
            applied: false,
            lock: None,
            diagnostics: Vec::new(),
            duration_ms: None,
            log: None,
            plan_file: None,
            migration: None,
            replaced: None,
        }
    }

    /// An outcome for unit tests of other rooms.
    #[cfg(test)]
    pub(crate) fn blank() -> Self {
        Self::of(super::Backend::Local(super::LocalBackend::default()).address())
    }
}

/// The place of a state, as reports print it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackendAddress {
    /// `s3`, `local`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The bucket, for `s3`.
    pub bucket: Option<String>,
    /// The key of the default workspace, for `s3`.
    pub key: Option<String>,
    /// The Terraform workspace.
    pub workspace: String,
}

/// All that a report says of one unit but its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// How it ended.
    pub result: UnitResult,
    /// Why, when it did not succeed: one line.
    pub reason: Option<String>,
    /// The account of the unit.
    pub account_id: Option<AccountId>,
    /// The region of the unit.
    pub region: Option<Region>,
    /// Where its state lives.
    pub backend: BackendAddress,
    /// Whether `terraform init` ran; `None`: it did not come to that.
    pub init: Option<InitRun>,
    /// Planned while an upstream unit had changes that were not applied yet.
    pub provisional: Option<bool>,
    /// What the plan would change, or what was applied; of `drift`, what was changed (`change`) or
    /// is gone (`destroy`) outside of Terraform.
    pub changes: Option<Changes>,
    /// Whether there is anything to apply, by Terraform's own detailed exit status: a plan that
    /// only moves resources has changes, and counts none.
    #[serde(skip)]
    pub differs: bool,
    /// Whether `changes` is what was done; else it is what the plan would do.
    #[serde(skip)]
    pub applied: bool,
    /// The lock that stood in the way.
    pub lock: Option<Lock>,
    /// Errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// Time spent on the unit, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Its log, relative to the manifest's folder.
    pub log: Option<String>,
    /// Its saved plan, relative to the manifest's folder.
    pub plan_file: Option<String>,
    /// What was moved; only a migration's report has the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration: Option<Option<Migration>>,
    /// The states that were replaced; only the report of a rollback or a push has the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Vec<ReplacedState>>,
}
