//! One state in the place of another, as a new version with a higher serial, under the lock of the
//! state.
//!
//! Nothing is lost: what was there stays a version of its own, and whatever breaks off leaves the
//! old state or the new one.

use std::path::PathBuf;

use serde_json::json;

use super::versions::{Versions, id_of, not_in_s3};
use crate::events::Event;
use crate::journal::{Step, StepState};
use crate::model::{Diagnostic, StateDiff, Workspace};
use crate::stage::consent::Matter;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::state_lock::{StateLock, with_details};
use crate::stage::states::unreadable;
use crate::state::{
    Fingerprint, RawState, S3State, Secrets, StateStore, StateVersion, compare, content_hash,
    with_serial,
};

/// What takes the place of one state.
pub(super) struct Wanted {
    /// Whose state.
    pub(super) workspace: Workspace,
    pub(super) source: Source,
}

/// Where it comes from.
pub(super) enum Source {
    /// One of the versions of that state, by `~N`, a version id or a serial.
    Version(String),
    /// A file that was read.
    File { path: PathBuf, raw: RawState },
}

/// A state and what it says.
struct Read {
    raw: RawState,
    version: StateVersion,
}

/// Shows what will be otherwise, asks, and exchanges the state, all of it under the lock.
pub(super) async fn run(
    record: &mut Record<'_>,
    wanted: &Wanted,
    doing: &str,
    operation: &str,
) -> Result<(), Failure> {
    let versions = Versions::of_workspace(record, &wanted.workspace).await?;
    let Some(state) = versions.in_s3() else {
        return Err(not_in_s3(&record.unit.id));
    };
    let raw = match &wanted.source {
        Source::Version(name) => versions.raw(versions.find(record, name).await?).await?,
        Source::File { raw, .. } => raw.clone(),
    };
    let place = match &wanted.source {
        Source::Version(_) => state.url(),
        Source::File { path, .. } => path.display().to_string(),
    };
    let next = Read {
        version: raw.parse(&place).map_err(|error| unreadable(&error))?,
        raw,
    };
    let current = read(state).await?;
    let last = match &current {
        Some(current) => Some(current.version.clone()),
        // Deleted: the last one before says which lineage and which serial it was.
        None => match versions.states().next() {
            Some(version) => Some(versions.read(version).await?),
            None => None,
        },
    };
    if let Some(last) = &last {
        same_lineage(record, last, &next.version)?;
    }
    if let Some(current) = &current
        && says_the_same(&current.raw, &next.raw)
    {
        record.note(format!(
            "`{}` says that already: nothing to do",
            state.url()
        ));
        return Ok(());
    }
    if record.ctx.signals.is_stopping() {
        return Err(Failure::not_started());
    }
    let lock = StateLock::take(record, state, operation).await?;
    let exchange = Exchange {
        state,
        source: &wanted.source,
        doing,
        serial: last
            .map_or(0, |last| last.document.serial)
            .max(next.version.document.serial)
            + 1,
        current,
        next,
    };
    let exchanged = exchange.under(&lock, record).await;
    let released = lock.release(record).await;
    match (exchanged, released) {
        (Ok(()), released) => {
            released?;
            let (place, serial) = (state.url(), exchange.serial);
            record.note(format!("`{place}` has the serial {serial} now"));
            Ok(())
        }
        (Err(failure), Ok(())) => Err(failure),
        (Err(failure), Err(left)) => Err(with_details(failure, &left)),
    }
}

/// The current state, where there is one.
async fn read(state: &S3State) -> Result<Option<Read>, Failure> {
    let Some(raw) = raw(state).await? else {
        return Ok(None);
    };
    let version = raw.parse(&state.url());
    let version = version.map_err(|error| unreadable(&error))?;
    Ok(Some(Read { raw, version }))
}

async fn raw(state: &S3State) -> Result<Option<RawState>, Failure> {
    let raw = StateStore::S3(state.clone()).raw().await;
    raw.map_err(|error| unreadable(&error))
}

/// All that is known of an exchange once the lock is held.
struct Exchange<'a> {
    state: &'a S3State,
    source: &'a Source,
    doing: &'a str,
    current: Option<Read>,
    next: Read,
    serial: u64,
}

impl Exchange<'_> {
    async fn under(&self, lock: &StateLock<'_>, record: &mut Record<'_>) -> Result<(), Failure> {
        let place = self.state.url();
        let content = with_serial(&self.next.raw.bytes, self.serial)
            .map_err(|why| Failure::failed(Diagnostic::error(format!("`{place}`: {why}"))))?;
        // Whoever had the lock before may have written.
        let now = raw(self.state).await?;
        if now.is_some() != self.current.is_some() || etag(now.as_ref()) != self.etag() {
            return Err(moved(self.state));
        }
        self.show(record);
        record.pause();
        let agreed = self.agree(record).await;
        record.resume();
        agreed?;
        // A person may have taken an hour, and another one the lock away.
        lock.must_hold().await?;
        self.write(record, &content).await
    }

    /// The entity tag of the state that was looked at.
    fn etag(&self) -> Option<String> {
        etag(self.current.as_ref().map(|current| &current.raw))
    }

    /// Writes if nothing has moved, and reads back.
    async fn write(&self, record: &mut Record<'_>, content: &[u8]) -> Result<(), Failure> {
        let state = self.state;
        let replaced = self.current.as_ref();
        let detail = json!({
            "place": state.url(),
            "version": replaced.and_then(|current| current.raw.version_id.clone()),
            "serial": self.serial,
        });
        let run = &record.ctx.run;
        run.step(&record.unit.id, Step::WriteState, StepState::Begun, &detail)?;
        let written = state.replace(self.etag().as_deref(), content).await;
        // An answer that got lost, and a request that was sent twice, look like a failure.
        let after = match raw(state).await {
            Ok(after) => after,
            Err(unread) => {
                record.step_ended(Step::WriteState, StepState::Failed);
                return Err(self.unknown(written.err().map(|error| error.to_string()), unread));
            }
        };
        if after.is_some_and(|after| after.bytes == content) {
            record.step_ended(Step::WriteState, StepState::Done);
            return Ok(());
        }
        record.step_ended(Step::WriteState, StepState::Failed);
        Err(match written {
            Err(error) => Failure::fact(error.to_string(), error.hint(), error.is_refusal()),
            Ok(()) => Failure::failed(Diagnostic::error(format!(
                "`{}` was written, and reads back as something else",
                state.url()
            ))),
        })
    }

    /// What it says after the write cannot be read.
    fn unknown(&self, written: Option<String>, mut unread: Failure) -> Failure {
        let what = match written {
            None => "was written, and cannot be read back".to_owned(),
            Some(error) => format!("may have been written ({error}), and cannot be read back"),
        };
        let summary = format!("`{}` {what}", self.state.url());
        let mut diagnostic = Diagnostic::error(&summary).with_hint(format!(
            "the new state has the serial {}; what was there is a version of its own: `tfw state history` lists both",
            self.serial
        ));
        for told in unread.diagnostics.drain(..) {
            diagnostic = diagnostic.with_detail(told.summary);
        }
        Failure::failed(diagnostic)
    }

    /// Shows what will be otherwise.
    fn show(&self, record: &Record<'_>) {
        let Some(current) = &self.current else {
            let count = self.next.version.document.resource_count();
            record.note(format!(
                "`{}` has no state now; this one has {count} resources",
                self.state.url()
            ));
            return;
        };
        let (current, next) = (&current.version, &self.next.version);
        let (before, after) = (&current.document, &next.document);
        let secrets = Secrets::of(&[before, after], false);
        let (resources, outputs) = compare(before, after, &secrets);
        record.ctx.events.emit(Event::StateDiffers {
            diff: Box::new(StateDiff {
                unit: record.unit.id.clone(),
                from: id_of(current),
                to: id_of(next),
                changes: Fingerprint::of(after).since(&Fingerprint::of(before)),
                resources,
                outputs,
            }),
        });
    }

    async fn agree(&self, record: &Record<'_>) -> Result<(), Failure> {
        let (ctx, unit) = (record.ctx, record.unit);
        let what = match self.source {
            Source::Version(name) => format!("the version `{name}`"),
            Source::File { path, .. } => format!("`{}`", path.display()),
        };
        let stays = match self.current {
            Some(_) => "The state that is there stays a version in the bucket. ",
            None => "",
        };
        let question = || {
            format!(
                "tfw will write {what} as the new state of `{}`, with the serial {}:\n  {}\n{stays}No resource changes. The lock is held meanwhile.",
                unit.id,
                self.serial,
                self.state.url()
            )
        };
        ctx.consent
            .obtain(ctx, Matter::Tfw, &[unit], question, self.doing)
            .await
    }
}

fn etag(raw: Option<&RawState>) -> Option<String> {
    raw.and_then(|raw| raw.etag.clone())
}

fn moved(state: &S3State) -> Failure {
    Failure::refused(
        Diagnostic::error(format!(
            "`{}` has changed since it was looked at",
            state.url()
        ))
        .with_hint("run it again: then it shows what is there now"),
    )
}

/// Whether two states say the same, whatever their serials are: then there is nothing to write.
fn says_the_same(one: &RawState, other: &RawState) -> bool {
    let hashes = (content_hash(&one.bytes), content_hash(&other.bytes));
    matches!(hashes, (Ok(one), Ok(other)) if one == other)
}

fn same_lineage(
    record: &Record<'_>,
    last: &StateVersion,
    wanted: &StateVersion,
) -> Result<(), Failure> {
    let (is, other) = (&last.document.lineage, &wanted.document.lineage);
    if is == other {
        return Ok(());
    }
    Err(Failure::refused(
        Diagnostic::error(format!(
            "the lineage of that state is `{other}`, and the one of `{}` is `{is}`",
            record.unit.id
        ))
        .with_detail("two lineages are two states: the one does not come from the other")
        .with_hint(format!(
            "`tfw migrate {} --from FILE --overwrite {is}` replaces one by another",
            record.unit.id
        )),
    ))
}
