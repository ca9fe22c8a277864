//! What a person sees. The only room that writes to the terminal.
//!
//! A consumer of events: [`Console`] turns each fact into lines, shows what is going on right
//! now in one line at the bottom of a terminal, and asks questions. People's output goes to
//! stdout, or to stderr where stdout carries a document (`--json`).

mod lines;
mod progress;
mod prompt;
mod status;
mod summary;

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};

use anstream::AutoStream;

use crate::events::{Ask, Event, Events};
use crate::model::{Outcome, UnitId};

pub use lines::diagnostic_lines;
pub use status::status;

/// How to talk to a person.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Stdout carries a document, so people's output goes to stderr.
    pub document_on_stdout: bool,
    /// Only problems and questions.
    pub quiet: bool,
    /// Also what explains tfw's own doings.
    pub verbose: bool,
    /// Colours.
    pub colour: bool,
    /// Whether people's output goes to a terminal, where a line can be redrawn.
    pub terminal: bool,
}

/// The person's side of a run.
pub struct Console {
    options: Options,
    out: Box<dyn Write + Send>,
    progress: progress::Progress,
    lines: lines::Lines,
    selected: Vec<UnitId>,
    outcomes: HashMap<UnitId, Outcome>,
    /// A signal asked the run to end: nobody is asked anything any more.
    interrupted: bool,
}

impl Console {
    /// A console on stdout, or on stderr where stdout carries a document.
    pub fn new(options: Options) -> Self {
        if options.document_on_stdout {
            Self::on_stderr(options)
        } else {
            Self::on(
                Box::new(AutoStream::new(io::stdout(), choice(options))),
                options,
            )
        }
    }

    /// A console on stderr, for errors that stop a command.
    pub fn on_stderr(options: Options) -> Self {
        Self::on(
            Box::new(AutoStream::new(io::stderr(), choice(options))),
            options,
        )
    }

    fn on(out: Box<dyn Write + Send>, options: Options) -> Self {
        Self {
            options,
            out,
            progress: progress::Progress::new(options.terminal && !options.quiet),
            lines: lines::Lines::new(options.quiet, options.verbose),
            selected: Vec::new(),
            outcomes: HashMap::new(),
            interrupted: false,
        }
    }

    /// Shows one fact. A question waits for its answer, or for the run to be interrupted; what
    /// happens meanwhile is shown afterwards.
    pub async fn show(&mut self, event: Event, rest: &mut Events, held: &mut VecDeque<Event>) {
        self.progress.observe(&event);
        match &event {
            Event::RunStarted { units, .. } => {
                self.selected = units.iter().map(|(unit, _)| unit.clone()).collect();
            }
            Event::UnitFinished { unit, outcome } => {
                self.outcomes.insert(unit.clone(), (**outcome).clone());
            }
            Event::Interrupted { .. } => self.interrupted = true,
            _ => {}
        }
        match event {
            Event::Ask(ask) => self.ask(ask, rest, held).await,
            event => {
                let text = self.lines.render(&event);
                self.write(&text);
            }
        }
    }

    async fn ask(&mut self, ask: Ask, rest: &mut Events, held: &mut VecDeque<Event>) {
        if self.interrupted {
            let _ = ask.reply.send(false);
            return;
        }
        let plans = self.lines.unseen_plans();
        self.write(&plans);
        self.progress.hide();
        let mut answer = prompt::ask(&mut self.out, &ask.question, &ask.expects);
        let agreed = loop {
            tokio::select! {
                answer = &mut answer => break answer.unwrap_or(false),
                event = rest.recv() => match event {
                    Some(event @ Event::Interrupted { .. }) => {
                        let text = self.lines.render(&event);
                        self.write(&format!("\n{text}"));
                        self.interrupted = true;
                        break false;
                    }
                    Some(event) => held.push_back(event),
                    None => break false,
                },
            }
        };
        self.progress.show();
        // A run that no longer waits for the answer has ended already.
        let _ = ask.reply.send(agreed);
    }

    /// The table at the end, and where to look next.
    pub fn summary(&mut self) {
        self.progress.hide();
        if !self.options.quiet {
            let outcomes = &mut self.outcomes;
            let units: Vec<(UnitId, Outcome)> = std::mem::take(&mut self.selected)
                .into_iter()
                .filter_map(|unit| outcomes.remove(&unit).map(|outcome| (unit, outcome)))
                .collect();
            let text = summary::render(&units);
            self.write(&text);
        }
    }

    /// Writes lines for people as they are.
    pub fn write(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let out = &mut self.out;
        // A reader that is gone must not stop the run: children may be writing state.
        self.progress.suspend(|| {
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        });
    }
}

fn choice(options: Options) -> anstream::ColorChoice {
    if options.colour {
        anstream::ColorChoice::Always
    } else {
        anstream::ColorChoice::Never
    }
}

/// How many columns text for people may have.
pub fn width() -> usize {
    let columns = rustix::termios::tcgetwinsize(io::stderr()).map_or(0, |size| size.ws_col);
    // A pipe has no width, and some terminals say zero.
    if columns == 0 {
        100
    } else {
        usize::from(columns).clamp(60, 140)
    }
}

/// Prints a document on stdout, and nothing else. A reader that has seen enough (`| head`) is no
/// error.
///
/// # Errors
/// Stdout is closed or full.
pub fn print_document(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
