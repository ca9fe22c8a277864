//! Problems as people read them: with the lines of the file that they are about.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::problem::{MANIFEST, Problem, Problems};
use super::source::Span;
use crate::model::Severity;

impl Problems {
    /// All problems with their snippets, for a terminal that is `width` columns wide; ends with a
    /// line that counts them.
    pub fn render(&self, color: bool, width: usize) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let renderer = renderer.term_width(width);
        let mut text = String::new();
        for problem in &self.problems {
            for line in renderer.render(&[self.group(problem)]).lines() {
                text.push_str(line.trim_end());
                text.push('\n');
            }
            text.push('\n');
        }
        let noun = match self.problems.len() {
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        };
        text + &format!("{noun} in {}\n", self.sources[MANIFEST].name)
    }

    fn group<'a>(&'a self, problem: &'a Problem) -> Group<'a> {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = level.primary_title(problem.summary.as_str()).elements(
            // The manifest first, then each other file once, in the order in which they were named.
            files_of(problem)
                .into_iter()
                .filter_map(|source| self.snippet(problem, source)),
        );
        if let Some(detail) = &problem.detail {
            group = group.element(Level::NOTE.message(detail.as_str()));
        }
        if let Some(units) = problem.other_units() {
            group = group.element(Level::NOTE.message(units));
        }
        if let Some(hint) = &problem.hint {
            group = group.element(Level::HELP.with_name("hint").message(hint.as_str()));
        }
        group
    }

    fn snippet<'a>(
        &'a self,
        problem: &'a Problem,
        source: usize,
    ) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
        let primary = problem
            .span
            .as_ref()
            .filter(|_| source == MANIFEST)
            .map(|span| (AnnotationKind::Primary, span, problem.label.as_deref()));
        let related = problem
            .related
            .iter()
            .filter(|related| related.source == source)
            .map(|related| {
                let label = Some(related.label.as_str());
                (AnnotationKind::Context, &related.span, label)
            });
        let marks: Vec<_> = primary.into_iter().chain(related).collect();
        let start = marks.iter().map(|(_, span, _)| span.start).min()?;
        let end = marks.iter().map(|(_, span, _)| span.end).max()?;
        let source = &self.sources[source];
        // Only the lines that matter: the renderer looks at every line that it is given, and a
        // manifest may have thousands.
        let (window, line) = source.lines_around(&(start..end));
        let shift = |span: &Span| span.start - window.start..span.end - window.start;
        let annotations = marks
            .iter()
            .map(|(kind, span, label)| kind.span(shift(span)).label(*label));
        Some(
            Snippet::source(&source.text[window.clone()])
                .path(source.name.as_str())
                .line_start(line)
                .annotations(annotations),
        )
    }
}

/// The manifest, and each other file that a problem names, once.
fn files_of(problem: &Problem) -> Vec<usize> {
    let mut files = vec![MANIFEST];
    for related in &problem.related {
        if !files.contains(&related.source) {
            files.push(related.source);
        }
    }
    files
}
