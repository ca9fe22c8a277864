//! The history of one account in one region: each key is looked up once, and what was found is kept
//! also where the rest fails or is not waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use super::event::Sighting;
use crate::aws::{AwsError, CloudTrail, HistoryEvent, Trail};
use crate::events::Event;
use crate::model::{BucketName, Diagnostic, Period};
use crate::stage::Context;
use crate::stage::context::at_once;
use crate::stage::failure::Failure;

/// After so many pages, some ten seconds, a person is told that there is a lot.
const MANY_PAGES: usize = 20;

/// The history of one account in one region.
pub(super) struct Place {
    cloudtrail: CloudTrail,
    /// What is looked up there, and the units that it is looked up for.
    pub(super) lookups: BTreeMap<Subject, BTreeSet<usize>>,
}

/// What is looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// A key of KMS, by its ARN.
    Key(String),
    /// A bucket, by its name.
    Bucket(String),
}

impl Subject {
    fn name(&self) -> &str {
        match self {
            Self::Key(name) | Self::Bucket(name) => name,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(arn) => write!(f, "the key `{arn}`"),
            Self::Bucket(name) => write!(f, "the bucket `{name}`"),
        }
    }
}

/// What was found of one subject.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) sightings: Vec<Sighting>,
    /// The oldest event of all that came.
    pub(super) back_to: Option<Timestamp>,
    pub(super) end: End,
}

/// How a lookup ended.
#[derive(Debug)]
pub(super) enum End {
    /// All is read.
    Whole,
    /// The run is being stopped.
    Interrupted,
    /// CloudTrail told no more.
    Failed(AwsError),
}

impl Looked {
    /// Whether there is anything to go by.
    pub(super) fn has_told(&self) -> bool {
        matches!(self.end, End::Whole) || self.back_to.is_some()
    }

    /// Why it is not all that there is.
    pub(super) fn failure(&self) -> Option<Failure> {
        match &self.end {
            End::Whole => None,
            End::Interrupted => Some(Failure::interrupted(
                "CloudTrail's history was not read to its end: the run was interrupted",
            )),
            End::Failed(error) => Some(failure("cannot read CloudTrail's event history", error)),
        }
    }
}

impl Place {
    pub(super) fn new(cloudtrail: CloudTrail) -> Self {
        Self {
            cloudtrail,
            lookups: BTreeMap::new(),
        }
    }

    /// Adds what is to be looked up for the units of one bucket.
    pub(super) fn add(&mut self, keys: &BTreeSet<String>, bucket: &BucketName, users: &[usize]) {
        let keys = keys.iter().cloned().map(Subject::Key);
        let bucket = Subject::Bucket(bucket.to_string());
        let bucket = self.cloudtrail.may_have_data_events().then_some(bucket);
        for subject in keys.chain(bucket) {
            self.lookups.entry(subject).or_default().extend(users);
        }
    }

    /// Whether a key is looked up for a unit.
    pub(super) fn knows_key_of(&self, user: usize) -> bool {
        self.lookups
            .iter()
            .any(|(subject, users)| matches!(subject, Subject::Key(_)) && users.contains(&user))
    }

    /// What the history has of each subject, and the trails; `None`: the run is being stopped.
    pub(super) async fn ask(
        &self,
        ctx: &Context,
        period: Period,
    ) -> (Vec<Looked>, Option<Result<Vec<Trail>, AwsError>>) {
        let subjects = self.lookups.keys();
        let lookups = at_once(subjects.map(|subject| self.look_up(ctx, subject, period)));
        let trails = async {
            tokio::select! {
                biased;
                () = ctx.signals.stopped() => None,
                trails = self.cloudtrail.trails() => Some(trails),
            }
        };
        tokio::join!(lookups, trails)
    }

    async fn look_up(&self, ctx: &Context, subject: &Subject, period: Period) -> Looked {
        let mut sightings = Vec::new();
        let mut progress = Progress::default();
        let page = |events: Vec<HistoryEvent>| {
            sightings.extend(events.iter().filter_map(Sighting::of));
            progress.add(&events);
            ctx.events.detail(None, progress.line(subject));
            if progress.pages == MANY_PAGES {
                ctx.events.emit(Event::Diagnostic {
                    unit: None,
                    diagnostic: progress.warning(subject),
                });
            }
        };
        let Period { since, until } = period;
        let pages = self.cloudtrail.lookup(subject.name(), since, until, page);
        let end = tokio::select! {
            biased;
            () = ctx.signals.stopped() => End::Interrupted,
            read = pages => match read {
                Ok(()) => End::Whole,
                Err(error) => End::Failed(error),
            },
        };
        Looked {
            sightings,
            back_to: progress.back_to,
            end,
        }
    }
}

/// How far a lookup is.
#[derive(Debug, Default)]
struct Progress {
    pages: usize,
    events: usize,
    back_to: Option<Timestamp>,
}

impl Progress {
    fn add(&mut self, events: &[HistoryEvent]) {
        self.pages += 1;
        self.events += events.len();
        let oldest = events.iter().map(|event| event.time).min();
        self.back_to = self.back_to.into_iter().chain(oldest).min();
    }

    fn line(&self, subject: &Subject) -> String {
        let back_to = self.back_to.map_or(String::new(), |time| {
            time.strftime(", back to %Y-%m-%d %H:%M UTC").to_string()
        });
        format!("{} events of {subject} so far{back_to}", self.events)
    }

    /// All that is told of a lookup without `-v`: stdout is the document's.
    fn warning(&self, subject: &Subject) -> Diagnostic {
        Diagnostic::warning(format!(
            "the history is long, and read at two requests a second: {}",
            self.line(subject)
        ))
        .with_hint("a shorter `--since` asks for less; Ctrl-C ends it, and shows what was found")
    }
}

/// An error of AWS while `doing` something.
pub(super) fn failure(doing: &str, error: &AwsError) -> Failure {
    Failure::fact(format!("{doing}: {error}"), hint(error), error.is_refusal())
}

/// What to do about an error of AWS. The pace is that of CloudTrail, whatever else runs.
pub(super) fn hint(error: &AwsError) -> Option<String> {
    match error {
        AwsError::Throttled { .. } => {
            Some("run it again later, or with a shorter `--since`".to_owned())
        }
        other => other.hint(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_lookup_tells_how_far_it_is() {
        let event = |time: &str| HistoryEvent {
            time: time.parse().expect("a time"),
            name: "Decrypt".to_owned(),
            resources: Vec::new(),
            record: String::new(),
        };
        let mut progress = Progress::default();
        progress.add(&[event("2026-01-02T11:00:00Z"), event("2026-01-02T10:00:00Z")]);
        progress.add(&[]);
        let subject = Subject::Bucket("acme".to_owned());
        assert_eq!(
            progress.line(&subject),
            "2 events of the bucket `acme` so far, back to 2026-01-02 10:00 UTC"
        );
        let warning = format!("{:?}", progress.warning(&subject));
        assert!(warning.contains("--since"), "{warning}");
    }

    #[test]
    fn throttling_is_not_a_matter_of_parallelism() {
        let error = AwsError::Throttled {
            action: "cloudtrail:LookupEvents".to_owned(),
            message: "Rate exceeded".to_owned(),
        };
        let told = format!("{:?}", failure("cannot read", &error).diagnostics);
        assert!(
            told.contains("--since") && !told.contains("parallelism"),
            "{told}"
        );
    }
}
