//! A text file that problems point into.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// A range of bytes in a text.
pub type Span = Range<usize>;

/// A text and where its lines begin.
#[derive(Debug)]
pub(super) struct Source {
    /// The file, absolute.
    pub(super) path: PathBuf,
    /// The file as messages name it: relative to the working directory where it lies below it.
    pub(super) name: String,
    /// Its text.
    pub(super) text: String,
    line_starts: Vec<usize>,
}

impl Source {
    pub(super) fn new(path: &Path, base: Option<&Path>, text: String) -> Self {
        let line_starts = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect();
        Self {
            path: path.to_owned(),
            name: display_name(path, base),
            text,
            line_starts,
        }
    }

    /// Line and column of an offset, both from 1; the column counts characters.
    pub(super) fn position(&self, offset: usize) -> (u32, u32) {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|&start| start <= offset);
        let start = self.line_starts[line - 1];
        let column = self
            .text
            .get(start..offset)
            .map_or(0, |text| text.chars().count())
            + 1;
        (as_u32(line), as_u32(column))
    }

    /// The text of a line (from 1), without what surrounds it.
    pub(super) fn line_span(&self, line: u32) -> Span {
        let index = (line as usize)
            .saturating_sub(1)
            .min(self.line_starts.len() - 1);
        let start = self.line_starts[index];
        let end = self
            .line_starts
            .get(index + 1)
            .map_or(self.text.len(), |next| next - 1);
        let text = &self.text[start..end];
        let indent = text.len() - text.trim_start().len();
        let length = text.trim().len();
        start + indent..start + indent + length
    }

    /// The whole lines that a range touches, and the number of the first of them.
    pub(super) fn lines_around(&self, span: &Span) -> (Span, usize) {
        let (first, _) = self.position(span.start);
        let (last, _) = self.position(span.end.max(span.start));
        let start = self.line_starts[first as usize - 1];
        let end = self
            .line_starts
            .get(last as usize)
            .copied()
            .unwrap_or(self.text.len());
        (start..end, first as usize)
    }
}

/// A path as messages name it: relative to `base` where it lies below it.
pub(super) fn display_name(path: &Path, base: Option<&Path>) -> String {
    let shown = base
        .and_then(|base| path.strip_prefix(base).ok())
        .filter(|rest| !rest.as_os_str().is_empty())
        .unwrap_or(path);
    shown.display().to_string()
}

fn as_u32(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let source = Source::new(
            Path::new("/r/x.toml"),
            Some(Path::new("/r")),
            "ä = 1\n\n  b = 2\n".into(),
        );
        assert_eq!(source.name, "x.toml");
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(3), (1, 3));
        assert_eq!(source.position(10), (3, 3));
        assert_eq!(&source.text[source.line_span(3)], "b = 2");
        let (lines, first) = source.lines_around(&(10..11));
        assert_eq!((&source.text[lines], first), ("  b = 2\n", 3));
    }
}
