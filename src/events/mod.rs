//! Facts that happen in a run, and questions that a run asks.
//!
//! A leaf. Whoever works emits; `ui`, `report` and the journal consume the same facts, so that a
//! new output format is one more consumer. No sender ever waits for a consumer, and a consumer
//! that is gone is no error: the work goes on.

use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot};

use crate::model::{
    BucketCondition, Changes, Diagnostic, EnvironmentName, Outcome, ResourceChange, StateDiff,
    UnitId,
};

/// One fact of a run.
#[derive(Debug)]
pub enum Event {
    /// The run begins; every unit that was selected, in manifest order.
    RunStarted {
        /// The run's id.
        run_id: String,
        /// tfw's command: `plan`.
        command: &'static str,
        /// What was typed, for the command that comes next.
        typed: Typed,
        /// The selected units, and what is known of each beforehand.
        units: Vec<(UnitId, Outcome)>,
    },
    /// A unit enters a phase of its work.
    Phase {
        /// The unit.
        unit: UnitId,
        /// The phase.
        phase: Phase,
    },
    /// A unit waits: for others, for its turn, or for a person.
    Waits {
        /// The unit.
        unit: UnitId,
    },
    /// Terraform works on a resource.
    Resource {
        /// The unit.
        unit: UnitId,
        /// The resource's address.
        address: String,
        /// Terraform's word: `create`, `update`, `delete`, `read`, `refresh`.
        action: String,
        /// How far it is.
        progress: ResourceProgress,
    },
    /// A plan is made and saved.
    Planned {
        /// The unit.
        unit: UnitId,
        /// How much it would change.
        changes: Changes,
        /// Each resource that it would change, for review.
        resources: Vec<ResourceChange>,
        /// Root outputs that it would change, with `+`, `~` or `-`, by name only.
        outputs: Vec<String>,
        /// Terraform's own words for all of that, coloured, where one unit alone is looked at.
        text: Option<String>,
    },
    /// An error or a warning, of a unit or of the run.
    Diagnostic {
        /// The unit; `None`: the whole run.
        unit: Option<UnitId>,
        /// What is to be said.
        diagnostic: Diagnostic,
    },
    /// One line that a person should see: a wait, a retry, something that tfw did on the way.
    Note {
        /// The unit; `None`: the whole run.
        unit: Option<UnitId>,
        /// The line.
        message: String,
    },
    /// One line for `-v`: a command line, a cache hit, a request.
    Detail {
        /// The unit; `None`: the whole run.
        unit: Option<UnitId>,
        /// The line.
        message: String,
    },
    /// A unit is done with, well or badly.
    UnitFinished {
        /// The unit.
        unit: UnitId,
        /// How it ended.
        outcome: Box<Outcome>,
    },
    /// A plan was made while an upstream unit had changes that are not applied yet.
    Provisional {
        /// The unit.
        unit: UnitId,
        /// The upstream unit.
        because: UnitId,
    },
    /// The plan of a unit is in a bundle.
    Bundled {
        /// The unit.
        unit: UnitId,
        /// Its plan in the bundle, as reports print it; `None`: it has no changes.
        plan_file: Option<String>,
    },
    /// How the state buckets differ from the manifest, before that is mended.
    Backends {
        /// One for each bucket.
        conditions: Vec<BucketCondition>,
    },
    /// How the state that takes the place of the current one differs, before somebody is asked.
    StateDiffers {
        /// From the one to the other.
        diff: Box<StateDiff>,
    },
    /// A signal asked the run to end: what tfw does about it.
    Interrupted {
        /// One line for people.
        message: String,
    },
    /// Nothing more comes: the consumers may finish.
    RunEnded,
    /// Somebody must decide.
    Ask(Ask),
    /// Somebody must type a code.
    AskCode(AskCode),
}

/// What was typed, as a shell takes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    /// Options that every command takes and that matter to the next one too:
    /// `--manifest live/tfw.toml`; empty where there were none.
    pub options: String,
    /// The selection: `--all`, `dev 'prod/*'`; empty where it was the working directory's.
    pub selection: String,
    /// Flags of the command that a second try needs too: `--to-local`; empty where there were none.
    pub flags: String,
    /// The folder of the bundle that `plan` fills.
    pub bundle: Option<String>,
}

/// A phase of one unit's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Getting credentials and proving their account.
    Credentials,
    /// Looking at the backend.
    Backend,
    /// `terraform init`.
    Init,
    /// `terraform plan`.
    Plan,
    /// `terraform plan -refresh-only`.
    Drift,
    /// `terraform apply`.
    Apply,
    /// `terraform validate`.
    Validate,
    /// Reading outputs.
    Output,
    /// Looking at the state.
    State,
    /// Asking CloudTrail.
    Audit,
    /// `terraform init -migrate-state`.
    Migrate,
}

impl Phase {
    /// What is going on, as in "dev: planning".
    pub fn doing(self) -> &'static str {
        match self {
            Self::Credentials => "getting credentials",
            Self::Backend => "looking at the backend",
            Self::Init => "initialising",
            Self::Plan => "planning",
            Self::Drift => "looking for drift",
            Self::Apply => "applying",
            Self::Validate => "validating",
            Self::Output => "reading outputs",
            Self::State => "looking at the state",
            Self::Audit => "asking CloudTrail",
            Self::Migrate => "moving the state",
        }
    }
}

/// How far Terraform is with one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceProgress {
    /// The plan that is applied names it; nothing has been done yet.
    Planned,
    /// It begins.
    Started,
    /// It still works, since so many seconds.
    Running(u64),
    /// It is done.
    Done(u64),
    /// It failed.
    Failed(u64),
}

/// A question, and where its answer goes.
#[derive(Debug)]
pub struct Ask {
    /// What will happen, where, as whom; may have several lines.
    pub question: String,
    /// What counts as yes.
    pub expects: Expects,
    /// The flag that would have answered it, for the refusal where nobody can be asked.
    pub flag: String,
    /// Where the answer goes. Dropped unanswered, it counts as no.
    pub reply: oneshot::Sender<bool>,
}

/// A question whose answer is a code that is secret for a moment, and where it goes.
#[derive(Debug)]
pub struct AskCode {
    /// What for.
    pub question: String,
    /// Where the answer goes. Dropped unanswered, or empty: there is none.
    pub reply: oneshot::Sender<Option<SecretString>>,
}

/// What counts as yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expects {
    /// `yes`, and nothing shorter.
    Yes,
    /// The names of these protected environments, one after the other.
    Names(Vec<EnvironmentName>),
}

/// The sending end: cheap to clone, never waits.
#[derive(Debug, Clone)]
pub struct Emitter(mpsc::UnboundedSender<Event>);

/// The receiving end.
pub type Events = mpsc::UnboundedReceiver<Event>;

/// Makes a channel of events.
pub fn channel() -> (Emitter, Events) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Emitter(sender), receiver)
}

impl Emitter {
    /// Tells a fact.
    pub fn emit(&self, event: Event) {
        // A consumer that is gone must not stop work that may be writing state.
        let _ = self.0.send(event);
    }

    /// Tells people one line about a unit, or about the run.
    pub fn note(&self, unit: Option<&UnitId>, message: impl Into<String>) {
        self.emit(Event::Note {
            unit: unit.cloned(),
            message: message.into(),
        });
    }

    /// Tells one line for `-v`.
    pub fn detail(&self, unit: Option<&UnitId>, message: impl Into<String>) {
        self.emit(Event::Detail {
            unit: unit.cloned(),
            message: message.into(),
        });
    }

    /// Tells that a unit enters a phase.
    pub fn phase(&self, unit: &UnitId, phase: Phase) {
        self.emit(Event::Phase {
            unit: unit.clone(),
            phase,
        });
    }

    /// Asks for a code, and waits for it; `None`: there is none.
    pub async fn ask_code(&self, question: String) -> Option<SecretString> {
        let (reply, answer) = oneshot::channel();
        self.emit(Event::AskCode(AskCode { question, reply }));
        answer.await.ok().flatten()
    }

    /// Asks, and waits for the answer. No answer is a no.
    pub async fn ask(&self, question: String, expects: Expects, flag: String) -> bool {
        let (reply, answer) = oneshot::channel();
        self.emit(Event::Ask(Ask {
            question,
            expects,
            flag,
            reply,
        }));
        answer.await.unwrap_or(false)
    }
}
