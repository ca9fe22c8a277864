//! What is wrong with a manifest: all of it, each with its place.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::source::{Source, Span, display_name};
use crate::model::{Diagnostic, Severity};

/// One thing that is wrong, or worth a warning.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// One line: what is wrong.
    pub summary: String,
    /// A few words at the place itself.
    pub label: Option<String>,
    /// Why, where that is not plain.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The file, absolute.
    pub file: PathBuf,
    /// The bytes in the file that it is about.
    pub span: Option<Span>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column in characters, from 1.
    pub column: Option<u32>,
    /// Other places that belong to it.
    pub(super) related: Vec<Related>,
    /// What it was found in first, and then the rest: units that share a wrong default.
    pub(super) units: Vec<String>,
}

/// Another place that belongs to a problem.
#[derive(Debug, Clone)]
pub(super) struct Related {
    /// Index among the sources of [`Problems`].
    pub(super) source: usize,
    pub(super) span: Span,
    pub(super) label: String,
}

impl Problem {
    /// An error.
    pub(super) fn error(summary: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            summary: summary.into(),
            label: None,
            detail: None,
            hint: None,
            file: PathBuf::new(),
            span: None,
            line: None,
            column: None,
            related: Vec::new(),
            units: Vec::new(),
        }
    }

    pub(super) fn at(mut self, span: &Span) -> Self {
        self.span = Some(span.clone());
        self
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Another place in the manifest.
    pub(super) fn related(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.related.push(Related {
            source: MANIFEST,
            span: span.clone(),
            label: label.into(),
        });
        self
    }

    fn diagnostic(&self, root: &Path, sources: &[Arc<Source>]) -> Diagnostic {
        let mut diagnostic = match self.severity {
            Severity::Error => Diagnostic::error(&self.summary),
            Severity::Warning => Diagnostic::warning(&self.summary),
        };
        for text in self.label.iter().chain(&self.detail) {
            diagnostic = diagnostic.with_detail(text);
        }
        for related in &self.related {
            let source = &sources[related.source];
            let (line, _) = source.position(related.span.start);
            let file = display_name(&source.path, Some(root));
            diagnostic = diagnostic.with_detail(format!("{file}:{line}: {}", related.label));
        }
        if let Some(units) = self.other_units() {
            diagnostic = diagnostic.with_detail(units);
        }
        if let Some(hint) = &self.hint {
            diagnostic = diagnostic.with_hint(hint);
        }
        diagnostic.at(display_name(&self.file, Some(root)), self.line)
    }

    /// "the same in `b`, `c` and 3 more", where one place is wrong for several units.
    pub(super) fn other_units(&self) -> Option<String> {
        let others = self.units.get(1..).filter(|others| !others.is_empty())?;
        Some(format!(
            "the same in {}",
            list(others.iter().map(String::as_str), 3)
        ))
    }
}

/// Index of the manifest among the sources.
pub(super) const MANIFEST: usize = 0;

/// Everything that is wrong with a manifest; never empty.
#[derive(Debug)]
pub struct Problems {
    pub(super) problems: Vec<Problem>,
    pub(super) sources: Vec<Arc<Source>>,
}

impl Problems {
    /// The problems, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.problems.len()
    }

    /// For reports: files are named relative to `root`, the manifest's folder.
    pub fn to_diagnostics(&self, root: &Path) -> Vec<Diagnostic> {
        self.problems
            .iter()
            .map(|problem| problem.diagnostic(root, &self.sources))
            .collect()
    }
}

/// Takes problems in while a manifest is resolved.
///
/// A wrong default is wrong for every unit that inherits it. It is told once, with the names of the
/// units: problems with the same code at the same place are one.
#[derive(Debug)]
pub(super) struct Collector {
    problems: Vec<Problem>,
    sources: Vec<Arc<Source>>,
    known: HashMap<(&'static str, Option<Span>), usize>,
}

impl Collector {
    pub(super) fn new(manifest: Arc<Source>) -> Self {
        Self {
            problems: Vec::new(),
            sources: vec![manifest],
            known: HashMap::new(),
        }
    }

    /// Adds a problem.
    pub(super) fn add(&mut self, problem: Problem) {
        let manifest = &self.sources[MANIFEST];
        let position = problem
            .span
            .as_ref()
            .map(|span| manifest.position(span.start));
        self.problems.push(Problem {
            file: manifest.path.clone(),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            ..problem
        });
    }

    /// Adds a problem of one unit, unless the same was found at the same place for another one.
    /// `make` may look at files, so that it runs only when needed.
    pub(super) fn add_for(
        &mut self,
        unit: &dyn std::fmt::Display,
        code: &'static str,
        span: Option<&Span>,
        make: impl FnOnce(&mut Self) -> Problem,
    ) {
        let key = (code, span.cloned());
        if let Some(&index) = self.known.get(&key) {
            let units = &mut self.problems[index].units;
            let unit = unit.to_string();
            if units.last() != Some(&unit) {
                units.push(unit);
            }
            return;
        }
        let mut problem = make(self);
        problem.units.push(unit.to_string());
        if problem.span.is_none() {
            problem.span = span.cloned();
        }
        self.known.insert(key, self.problems.len());
        self.add(problem);
    }

    /// A place in another file, given by its line.
    pub(super) fn place(&mut self, file: &Path, line: u32, label: String) -> Option<Related> {
        let known = self.sources.iter().position(|source| source.path == file);
        let index = if let Some(index) = known {
            index
        } else {
            let text = std::fs::read_to_string(file).ok()?;
            let source = Source::new(file, self.base().as_deref(), text);
            self.sources.push(Arc::new(source));
            self.sources.len() - 1
        };
        Some(Related {
            source: index,
            span: self.sources[index].line_span(line),
            label,
        })
    }

    /// The place of a piece of text within a place of the manifest; the whole where it does not
    /// stand there literally.
    pub(super) fn piece(&self, span: &Span, piece: &str) -> Span {
        let text = self.sources[MANIFEST]
            .text
            .get(span.clone())
            .unwrap_or_default();
        text.find(piece).map_or_else(
            || span.clone(),
            |at| span.start + at..span.start + at + piece.len(),
        )
    }

    /// A path as messages name it.
    pub(super) fn name(&self, path: &Path) -> String {
        display_name(path, self.base().as_deref())
    }

    /// What the manifest's displayed name is relative to.
    fn base(&self) -> Option<PathBuf> {
        let manifest = &self.sources[MANIFEST];
        let mut base = manifest.path.clone();
        for _ in Path::new(&manifest.name).components() {
            base.pop();
        }
        Some(base).filter(|base| !base.as_os_str().is_empty())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// All problems, in the order of their places.
    pub(super) fn finish(mut self) -> Problems {
        self.problems
            .sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
        Problems {
            problems: self.problems,
            sources: self.sources,
        }
    }
}

/// "`a`, `b` and 3 more".
pub(super) fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>, limit: usize) -> String {
    let count = names.len();
    // A single name more costs no more room than "and 1 more".
    let shown = if count <= limit + 1 { count } else { limit };
    let mut names: Vec<String> = names.take(shown).map(|name| format!("`{name}`")).collect();
    let last = match count - shown {
        0 => names.pop().unwrap_or_default(),
        hidden => format!("{hidden} more"),
    };
    if names.is_empty() {
        last
    } else {
        format!("{} and {last}", names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_like_sentences() {
        for (names, expected) in [
            (&["a"][..], "`a`"),
            (&["a", "b"], "`a` and `b`"),
            (&["a", "b", "c"], "`a`, `b` and `c`"),
            (&["a", "b", "c", "d"], "`a`, `b` and 2 more"),
        ] {
            assert_eq!(list(names.iter().copied(), 2), expected);
        }
    }

    #[test]
    fn a_problem_of_many_units_is_told_once() {
        let source = Source::new(Path::new("/r/tfw.toml"), None, "a = 1\n".into());
        let mut collector = Collector::new(Arc::new(source));
        for unit in ["dev", "prod", "test"] {
            collector.add_for(&unit, "code", Some(&(4..5)), |_| Problem::error("wrong"));
        }
        let problems = collector.finish();
        assert_eq!(problems.count(), 1);
        let diagnostic = &problems.to_diagnostics(Path::new("/r"))[0];
        assert_eq!(
            diagnostic.detail.as_deref(),
            Some("the same in `prod` and `test`")
        );
        assert_eq!(
            (diagnostic.file.as_deref(), diagnostic.line),
            (Some("tfw.toml"), Some(1))
        );
    }
}
