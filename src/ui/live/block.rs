//! The terminal on which indicatif draws: lines that nothing tears that happens on a real one.
//!
//! indicatif fills each line with blanks up to the edge, leaves the cursor behind the last one, and
//! climbs up by as many rows as it has drawn. On a real terminal that number is soon wrong: made
//! narrower, terminals break the filled lines in two (all but xterm do), and the `^C` that a
//! terminal echoes makes one row more. What is above then stays, one heap of stale lines for each
//! such event.
//!
//! So the cursor is kept *above* the lines, in an empty row. Whatever becomes of them, all that is
//! below the cursor is theirs: erasing to the end of the screen takes them away. What a person types
//! meanwhile comes to stand in the empty row, and goes with it.

use std::fmt;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::TermLike;
use textwrap::core::display_width;

/// Erases from the cursor's row to the end of the screen (ECMA-48, ED).
const ERASE: &str = "\r\x1b[J";

/// The lines. Clones are the same lines.
#[derive(Debug, Clone)]
pub(super) struct Block(Arc<Mutex<State>>);

struct State {
    out: Box<dyn Write + Send>,
    columns: usize,
    rows: usize,
    /// What is drawn is incomplete, and not shown.
    held: bool,
    /// Lines that indicatif has written since the last flush; the last one may be incomplete.
    lines: Vec<String>,
    /// Columns of the incomplete one.
    filled: usize,
    /// Whether there are lines on the terminal.
    shown: bool,
}

impl Block {
    /// Lines below what was written to `out`, the terminal, whose cursor is at the beginning of a
    /// row.
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(State {
            out,
            columns: 80,
            rows: 24,
            held: false,
            lines: Vec::new(),
            filled: 0,
            shown: false,
        })))
    }

    /// From the next flush on the terminal has this size.
    pub(super) fn resize(&self, columns: usize, rows: usize) {
        let mut state = self.state();
        (state.columns, state.rows) = (columns.max(1), rows.max(1));
    }

    /// Shows nothing of what is drawn from now on.
    pub(super) fn hold(&self) {
        self.state().held = true;
    }

    /// Shows what is drawn from now on.
    pub(super) fn release(&self) {
        self.state().held = false;
    }

    /// Takes the lines away, for good.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.lines.clear();
        // A reader that is gone must not stop the run.
        let _ = state.show();
        state.held = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes text with the terminal's eyes: a line ends where it reaches the edge.
    fn write(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.filled == 0 {
            self.lines.push(String::new());
        }
        if let Some(line) = self.lines.last_mut() {
            line.push_str(text);
        }
        self.filled = (self.filled + display_width(text)) % self.columns;
    }

    /// Replaces the lines on the terminal by those that were written, at once.
    fn show(&mut self) -> io::Result<()> {
        let lines = std::mem::take(&mut self.lines);
        self.filled = 0;
        if lines.is_empty() && !self.shown {
            return Ok(());
        }
        let mut text = String::from(ERASE);
        let mut height = 0;
        // The last ones tell most. The cursor's row is to stay on the screen.
        for line in &lines[lines.len().saturating_sub(self.rows - 1)..] {
            let line = line.trim_end();
            height += display_width(line).div_ceil(self.columns).max(1);
            let _ = write!(text, "\r\n{line}");
        }
        if height > 0 {
            let _ = write!(text, "\x1b[{height}A\r");
        }
        self.shown = height > 0;
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

/// Where the cursor is and what is cleared is this module's business: only text counts.
impl TermLike for Block {
    fn width(&self) -> u16 {
        u16::try_from(self.state().columns).unwrap_or(u16::MAX)
    }

    fn height(&self) -> u16 {
        u16::try_from(self.state().rows).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        let mut state = self.state();
        state.write(text);
        state.filled = 0;
        Ok(())
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.state().write(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.held {
            state.lines.clear();
            state.filled = 0;
            return Ok(());
        }
        state.show()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("columns", &self.columns)
            .field("rows", &self.rows)
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}
