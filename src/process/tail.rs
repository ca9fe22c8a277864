//! Reads the lines that somebody else appends to a file.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// A file, read from where it ended when this began.
///
/// Reads are synchronous: they come from the page cache, in pieces, and never block for long.
#[derive(Debug)]
pub(super) struct Tail {
    file: File,
    /// What came after the last newline.
    partial: Vec<u8>,
}

impl Tail {
    /// Opens a file at its end.
    pub(super) fn at_end(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self {
            file,
            partial: Vec::new(),
        })
    }

    /// Gives `on_line` each line that is complete by now, without its line ending. Returns whether
    /// anything was read.
    pub(super) fn read(&mut self, on_line: &mut impl FnMut(&str)) -> io::Result<bool> {
        let mut any = false;
        let mut buffer = [0; 16 * 1024];
        loop {
            let length = match self.file.read(&mut buffer) {
                Ok(0) => return Ok(any),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            any = true;
            let mut pieces = buffer[..length].split(|byte| *byte == b'\n').peekable();
            while let Some(piece) = pieces.next() {
                self.partial.extend_from_slice(piece);
                if pieces.peek().is_some() {
                    self.give(on_line);
                }
            }
        }
    }

    /// Reads what is left, a last line without an ending included.
    pub(super) fn finish(mut self, on_line: &mut impl FnMut(&str)) -> io::Result<()> {
        self.read(on_line)?;
        if !self.partial.is_empty() {
            self.give(on_line);
        }
        Ok(())
    }

    fn give(&mut self, on_line: &mut impl FnMut(&str)) {
        let line = self.partial.strip_suffix(b"\r").unwrap_or(&self.partial);
        on_line(&String::from_utf8_lossy(line));
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn lines_are_given_when_they_are_complete() {
        let mut file = tempfile::NamedTempFile::new().expect("file");
        writeln!(file, "written before").expect("write");
        let mut tail = Tail::at_end(file.path()).expect("open");
        let mut lines: Vec<String> = Vec::new();
        let mut on_line = |line: &str| lines.push(line.to_owned());

        assert!(!tail.read(&mut on_line).expect("read"));
        file.write_all(b"one\ntw").expect("write");
        assert!(tail.read(&mut on_line).expect("read"));
        file.write_all(b"o\r\n\n\xff\xfe!\nrest").expect("write");
        tail.finish(&mut on_line).expect("read");
        assert_eq!(lines, ["one", "two", "", "\u{fffd}\u{fffd}!", "rest"]);
    }

    #[test]
    fn a_line_may_be_longer_than_the_buffer() {
        let mut file = tempfile::NamedTempFile::new().expect("file");
        let tail = Tail::at_end(file.path()).expect("open");
        let long = "x".repeat(100_000);
        writeln!(file, "{long}").expect("write");
        let mut lines: Vec<String> = Vec::new();
        tail.finish(&mut |line: &str| lines.push(line.to_owned()))
            .expect("read");
        assert_eq!(lines, [long]);
    }
}
