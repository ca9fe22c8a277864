//! What a person sees. The only room that writes to the terminal.
//!
//! A consumer of events: [`Console`] tells each fact as it happens (`lines`), shows what goes on
//! right now at the bottom of a terminal (`live`), asks questions (`prompt`), and ends with what
//! the plans change (`review`), what went wrong (`problems`) and a table (`results`). People's
//! output goes to stdout, or to stderr where stdout carries a document (`--json`).

mod audit;
mod backends;
mod doctor;
mod history;
mod lines;
mod live;
mod locks;
mod migration;
mod next;
mod problems;
mod prompt;
mod results;
mod review;
mod sessions;
mod state;
mod status;
mod style;

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, Write};
use std::time::{Duration, Instant};

use anstream::AutoStream;
use tokio::sync::oneshot;

use crate::events::{Ask, AskCode, Event, Events, Phase, Typed};
use crate::model::{Outcome, UnitId, UnitResult};

pub use audit::{audit, audit_csv};
pub use backends::backends;
pub use doctor::doctor;
pub use history::history;
pub use locks::{lock, locks};
pub use problems::diagnostic_lines;
pub use sessions::sessions;
pub use state::{state, state_diff};
pub use status::status;

/// How often what is live is redrawn.
const REDRAW: Duration = Duration::from_millis(125);
/// How often a log hears that work goes on: some CI systems end a job that is silent for minutes.
const HEARTBEAT: Duration = Duration::from_mins(1);
/// Columns of a table where there is no terminal; nothing else is broken there.
const COLUMNS: usize = 100;

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
    live: live::Live,
    lines: lines::Lines,
    begun: Instant,
    command: &'static str,
    typed: Typed,
    /// There is a bundle, and not only a folder for it.
    bundled: bool,
    selected: Vec<UnitId>,
    outcomes: HashMap<UnitId, Outcome>,
    provisional: Vec<(UnitId, UnitId)>,
    /// Units whose apply has begun: their changes are what was done, all others' what was planned.
    applied: HashSet<UnitId>,
    /// Plans that nobody has seen yet.
    plans: Vec<review::UnitPlan>,
    /// Errors and warnings that nobody has seen yet.
    problems: problems::Problems,
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
        let live = options.terminal && !options.quiet;
        Self {
            options,
            out,
            live: live::Live::new(live, options.colour),
            lines: lines::Lines::new(options.quiet, options.verbose, live),
            begun: Instant::now(),
            command: "",
            typed: Typed::default(),
            bundled: false,
            selected: Vec::new(),
            outcomes: HashMap::new(),
            provisional: Vec::new(),
            applied: HashSet::new(),
            plans: Vec::new(),
            problems: problems::Problems::default(),
            interrupted: false,
        }
    }

    /// How often [`Console::tick`] is due.
    pub fn interval(&self) -> Duration {
        if self.options.terminal {
            REDRAW
        } else {
            HEARTBEAT
        }
    }

    /// Shows that time goes by.
    pub fn tick(&mut self) {
        if self.options.quiet {
            return;
        }
        if self.options.terminal {
            self.live.tick();
        } else if let Some(line) = self.live.heartbeat() {
            self.write(&format!("{line}\n"));
        }
    }

    /// Shows one fact. A question waits for its answer, or for the run to be interrupted; what
    /// happens meanwhile is shown afterwards.
    pub async fn show(&mut self, event: Event, rest: &mut Events, held: &mut VecDeque<Event>) {
        match &event {
            Event::Phase {
                unit,
                phase: Phase::Apply,
            } => {
                self.show_plan_of(unit);
                self.applied.insert(unit.clone());
            }
            Event::Interrupted { .. } => self.interrupted = true,
            _ => {}
        }
        let event = match event {
            Event::Ask(ask) => return self.ask(ask, rest, held).await,
            Event::AskCode(ask) => return self.ask_code(ask, rest, held).await,
            event => event,
        };
        let text = self.lines.render(&event, self.width());
        self.write(&text);
        self.live.observe(&event);
        self.keep(event);
    }

    /// Keeps what is told at the end, or before a question.
    fn keep(&mut self, event: Event) {
        match event {
            Event::RunStarted {
                command,
                typed,
                units,
                ..
            } => {
                self.begun = Instant::now();
                self.command = command;
                self.typed = typed;
                self.selected = units.into_iter().map(|(unit, _)| unit).collect();
            }
            Event::Planned {
                unit,
                resources,
                outputs,
                text,
                ..
            } => self.plans.push(review::UnitPlan {
                unit,
                resources,
                outputs,
                text,
            }),
            Event::Diagnostic {
                unit: Some(unit),
                diagnostic,
            } => self.problems.add(&unit, &diagnostic),
            Event::Bundled { .. } => self.bundled = true,
            Event::Provisional { unit, because } => self.provisional.push((unit, because)),
            Event::UnitFinished { unit, mut outcome } => {
                if let Some(before) = self.outcomes.remove(&unit) {
                    outcome.follows(before);
                }
                self.outcomes.insert(unit, *outcome);
            }
            _ => {}
        }
    }

    /// A plan that is applied without a question is shown before that.
    fn show_plan_of(&mut self, unit: &UnitId) {
        let Some(position) = self.plans.iter().position(|plan| plan.unit == *unit) else {
            return;
        };
        let plan = self.plans.remove(position);
        if !self.options.quiet {
            let mut text = review::render(&[plan], "Changes", self.width());
            if !text.is_empty() {
                text.push('\n');
            }
            self.write(&text);
        }
    }

    /// What nobody has seen yet: plans, and what went wrong.
    fn show_open(&mut self, with_plans: bool) {
        let mut plans = std::mem::take(&mut self.plans);
        let positions: HashMap<&UnitId, usize> = self.selected.iter().zip(0..).collect();
        plans.sort_by_key(|plan| positions.get(&plan.unit).copied());
        let mut text = String::new();
        if with_plans {
            let what = if self.command == "drift" {
                "Drift"
            } else {
                "Changes"
            };
            text = review::render(&plans, what, self.width());
        }
        text.push_str(&self.problems.take(&self.selected, self.width()));
        self.write(&text);
    }

    async fn ask(&mut self, ask: Ask, rest: &mut Events, held: &mut VecDeque<Event>) {
        if self.interrupted {
            let _ = ask.reply.send(false);
            return;
        }
        // However quiet it is to be: nobody is asked about what was not shown.
        self.show_open(true);
        self.live.hide();
        let width = self.width();
        let lines: Vec<String> = ask
            .question
            .lines()
            .map(|line| style::wrap(line, width, 4))
            .collect();
        let answer = prompt::ask(&mut self.out, &lines.join("\n"), &ask.expects);
        let told = "\ninterrupted: that is no agreement, and nothing new is started\n";
        let agreed = self.wait_for(answer, told, rest, held).await;
        self.live.show();
        // A run that no longer waits for the answer has ended already.
        let _ = ask.reply.send(agreed.unwrap_or(false));
    }

    async fn ask_code(&mut self, ask: AskCode, rest: &mut Events, held: &mut VecDeque<Event>) {
        if self.interrupted {
            return;
        }
        self.live.hide();
        let answer = prompt::ask_code(&mut self.out, &ask.question);
        let told = "\ninterrupted: nothing new is started\n";
        let code = self.wait_for(answer, told, rest, held).await;
        self.live.show();
        let _ = ask.reply.send(code.flatten());
    }

    /// Waits for an answer, or for the run to be interrupted, which is said as `told`.
    async fn wait_for<T>(
        &mut self,
        mut answer: oneshot::Receiver<T>,
        told: &str,
        rest: &mut Events,
        held: &mut VecDeque<Event>,
    ) -> Option<T> {
        loop {
            tokio::select! {
                answer = &mut answer => return answer.ok(),
                event = rest.recv() => match event {
                    Some(Event::Interrupted { .. }) => {
                        // While somebody is asked nothing runs: there is nothing to wait for.
                        self.write(told);
                        self.interrupted = true;
                        return None;
                    }
                    Some(event) => held.push_back(event),
                    None => return None,
                },
            }
        }
    }

    /// What went wrong, and, unless it is to be `brief`, what the plans change, the table, and
    /// where to look next.
    pub fn end(&mut self, brief: bool) {
        self.live.hide();
        let brief = brief || self.options.quiet;
        self.show_open(!brief);
        if brief {
            return;
        }
        // A folder without a document is nothing to apply.
        self.typed.bundle = self.typed.bundle.take().filter(|_| self.bundled);
        let units = self.ended();
        let results = results::Results {
            command: self.command,
            typed: &self.typed,
            units: &units,
            provisional: &self.provisional,
            elapsed_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            width: self.width(),
        };
        let mut text = if self.typed.flags.contains("--dry-run") {
            String::new()
        } else {
            migration::render(&units, self.width())
        };
        text.push_str(&results.render());
        self.write(&text);
    }

    /// What became of each unit, in the order of the manifest.
    fn ended(&mut self) -> Vec<(UnitId, Outcome)> {
        let writes = matches!(self.command, "apply" | "destroy");
        let mut units = Vec::new();
        for unit in std::mem::take(&mut self.selected) {
            let Some(mut outcome) = self.outcomes.remove(&unit) else {
                continue;
            };
            // Declined, or interrupted before its turn: none of its plan has happened.
            if writes && outcome.result != UnitResult::Succeeded && !self.applied.contains(&unit) {
                outcome.changes = None;
            }
            units.push((unit, outcome));
        }
        units
    }

    /// Writes lines for people as they are.
    pub fn write(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let out = &mut self.out;
        // A reader that is gone must not stop the run: children may be writing state.
        self.live.suspend(|| {
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        });
    }

    /// The columns of the terminal as it is now. A log is never broken into lines: it is searched.
    fn width(&self) -> usize {
        if self.options.terminal {
            size().map_or(COLUMNS, |(columns, _)| columns)
        } else {
            usize::MAX
        }
    }
}

fn choice(options: Options) -> anstream::ColorChoice {
    if options.colour {
        anstream::ColorChoice::Always
    } else {
        anstream::ColorChoice::Never
    }
}

/// The columns and rows of the terminal that people look at. A pipe has none, and some terminals
/// say zero.
fn size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    let (columns, rows) = (usize::from(size.ws_col), usize::from(size.ws_row));
    (columns > 0 && rows > 0).then_some((columns, rows))
}

/// The columns of stdout, for what is printed there as a table. A pipe has no width, and some
/// terminals say zero: then nothing is broken.
fn stdout_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then(|| usize::from(size.ws_col))
}

/// How many columns an explanation with snippets of source may have.
pub fn width() -> usize {
    size().map_or(COLUMNS, |(columns, _)| columns.clamp(60, 140))
}

/// Text with its colours, where they are wanted.
fn coloured(text: String, options: Options) -> String {
    if options.colour {
        text
    } else {
        anstream::adapter::strip_str(&text).to_string()
    }
}

/// Tells people one line on stderr at once, before somebody else gets the terminal.
pub fn tell(line: &str) {
    // Who cannot hear it has lost no more than the line.
    let _ = writeln!(io::stderr(), "{line}");
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
