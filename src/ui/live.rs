//! What goes on right now, at the bottom of a terminal: a line for each running unit, and below
//! them how far the run is.
//!
//! indicatif makes the lines, [`block`] puts them on the terminal, and [`running`] has the words.

mod block;
mod running;

use std::io;
use std::time::Instant;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use block::Block;
use running::Running;

use crate::events::Event;

/// More running units than this are counted, not listed.
const LISTED: usize = 16;
/// Lines of the terminal that stay free for what is printed, of those that are not for units.
const FREE_LINES: usize = 6;
/// A terminal with fewer columns has no room for a bar beside what it stands for.
const BAR_COLUMNS: usize = 64;

/// The lines; draws nothing where there is no terminal.
pub(super) struct Live {
    enabled: bool,
    colour: bool,
    running: Running,
    screen: Option<Screen>,
}

struct Screen {
    block: Block,
    lines: MultiProgress,
    units: Vec<ProgressBar>,
    overall: ProgressBar,
    /// Whether the last line has a bar; `None`: it has no style yet.
    has_bar: Option<bool>,
}

impl Live {
    pub(super) fn new(enabled: bool, colour: bool) -> Self {
        Self {
            enabled,
            colour,
            running: Running::default(),
            screen: None,
        }
    }

    /// Takes note of a fact. It is drawn when the next tick is due: of thousands of facts a second
    /// a person sees eight.
    pub(super) fn observe(&mut self, event: &Event) {
        self.running.observe(event, Instant::now());
        if matches!(event, Event::RunStarted { .. }) {
            self.show();
        }
    }

    /// The units that run now, and for how long: what a log is told from time to time.
    pub(super) fn heartbeat(&self) -> Option<String> {
        self.running.heartbeat(Instant::now())
    }

    /// Draws what has changed.
    pub(super) fn tick(&mut self) {
        if let Some(screen) = &mut self.screen {
            let size = super::size().unwrap_or((80, 24));
            screen.draw(&self.running, Instant::now(), size, self.colour);
        }
    }

    /// Draws from now on.
    pub(super) fn show(&mut self) {
        if self.enabled {
            let total = self.running.selected() as u64;
            self.screen = Some(Screen::new(Block::new(Box::new(io::stderr())), total));
            self.tick();
        }
    }

    /// Takes the lines away.
    pub(super) fn hide(&mut self) {
        if let Some(screen) = self.screen.take() {
            screen.block.close();
        }
    }

    /// Writes something above the lines.
    pub(super) fn suspend(&self, write: impl FnOnce()) {
        match &self.screen {
            Some(screen) => screen.lines.suspend(write),
            None => write(),
        }
    }
}

impl Screen {
    fn new(block: Block, total: u64) -> Self {
        // Each change of a line would draw them all; the block takes them when they are complete.
        let target = ProgressDrawTarget::term_like(Box::new(block.clone()));
        let lines = MultiProgress::with_draw_target(target);
        block.hold();
        let overall = lines.add(ProgressBar::new(total));
        Self {
            block,
            lines,
            units: Vec::new(),
            overall,
            has_bar: None,
        }
    }

    fn draw(
        &mut self,
        running: &Running,
        now: Instant,
        (columns, rows): (usize, usize),
        colour: bool,
    ) {
        self.block.hold();
        self.block.resize(columns, rows);
        let most = rows.saturating_sub(FREE_LINES).clamp(1, LISTED);
        let told = running.lines(now, most, columns, colour);
        while self.units.len() > told.len() {
            if let Some(line) = self.units.pop() {
                self.lines.remove(&line);
            }
        }
        for (index, text) in told.into_iter().enumerate() {
            if self.units.len() == index {
                let line = ProgressBar::new_spinner();
                if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                    line.set_style(style);
                }
                self.units
                    .push(self.lines.insert_before(&self.overall, line));
            }
            self.units[index].set_message(text);
            self.units[index].tick();
        }
        self.style_overall(columns >= BAR_COLUMNS);
        self.overall.set_position(running.finished() as u64);
        self.overall.set_message(running.overall(now));
        self.block.release();
        self.overall.tick();
    }

    fn style_overall(&mut self, has_bar: bool) {
        if self.has_bar == Some(has_bar) {
            return;
        }
        let template = if has_bar {
            "{bar:20} {wide_msg}"
        } else {
            "{wide_msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.overall.set_style(style.progress_chars("━━╌"));
        }
        self.has_bar = Some(has_bar);
    }
}

#[cfg(test)]
mod tests;
