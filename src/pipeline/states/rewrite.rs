//! `tfw state rollback` and `push`: another state in the place of the current one, as a new version
//! with a higher serial, under the lock of the state.
//!
//! Nothing is lost: what was there stays a version of its own, and whatever breaks off leaves the
//! old state or the new one.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::locks;
use super::versions::{Versions, id_of};
use crate::events::Event;
use crate::journal::{Step, StepState};
use crate::model::{Diagnostic, StateDiff, Unit};
use crate::stage::Context;
use crate::stage::consent::Matter;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::state_lock::{StateLock, with_details};
use crate::stage::states::unreadable;
use crate::state::{
    Fingerprint, LocalState, RawState, S3State, Secrets, StateStore, StateVersion, compare,
    with_serial,
};

/// What takes the place of the current state.
#[derive(Debug, Clone)]
pub enum Replacement {
    /// One of its versions: `~N`, a version id or a serial.
    Version(String),
    /// A file.
    File(PathBuf),
}

impl Replacement {
    fn doing(&self) -> &'static str {
        match self {
            Self::Version(_) => "rolling back the state",
            Self::File(_) => "pushing the state",
        }
    }

    fn operation(&self) -> &'static str {
        match self {
            Self::Version(_) => "rollback",
            Self::File(_) => "push",
        }
    }
}

/// Replaces the state of the selected unit; whether that is done.
pub async fn replace(ctx: &Context, replacement: &Replacement) -> bool {
    let mut replaced = true;
    for unit in ctx.units() {
        let mut record = Record::new(ctx, unit);
        let end = replace_one(&mut record, replacement).await;
        replaced &= end.is_ok();
        record.finish(end);
    }
    replaced
}

async fn replace_one(record: &mut Record<'_>, replacement: &Replacement) -> Result<(), Failure> {
    let unit = record.unit;
    locks::guard(unit, "ID")?;
    let versions = Versions::list(record).await?;
    let Some(state) = versions.in_s3() else {
        return Err(not_in_s3(unit));
    };
    let wanted = match replacement {
        Replacement::Version(name) => {
            let version = versions.find(record, name).await?;
            versions.raw(version).await?
        }
        Replacement::File(file) => of_file(file).await?,
    };
    let place = state.url();
    let parsed = wanted.parse(&place).map_err(|error| unreadable(&error))?;
    let current = read(state).await?;
    let last = match &current {
        Some((_, version)) => Some(version.clone()),
        // Deleted: the last one before says which lineage and which serial it was.
        None => match versions.states().next() {
            Some(version) => Some(versions.read(version).await?),
            None => None,
        },
    };
    if let Some(last) = &last {
        same_lineage(record, last, &parsed)?;
    }
    if let Some((_, version)) = &current
        && says_the_same(version, &parsed)
    {
        record.note("the state says that already: nothing to do");
        return Ok(());
    }
    let before = last.as_ref().map_or(0, |last| last.document.serial);
    let serial = before.max(parsed.document.serial) + 1;
    let content = with_serial(&wanted.bytes, serial)
        .map_err(|why| Failure::failed(Diagnostic::error(format!("`{place}`: {why}"))))?;
    show(
        record,
        current.as_ref().map(|(_, version)| version),
        &parsed,
    );
    agree(record, replacement, &place, serial).await?;

    let lock = StateLock::take(record, state, replacement.operation()).await?;
    let raw = current.as_ref().map(|(raw, _)| raw);
    let written = write(record, state, raw, &content).await;
    let released = lock.release(record).await;
    match (written, released) {
        (Ok(()), released) => {
            released?;
            record.note(format!("`{place}` has the serial {serial} now"));
            Ok(())
        }
        (Err(failure), Ok(())) => Err(failure),
        (Err(failure), Err(left)) => Err(with_details(failure, &left)),
    }
}

async fn of_file(file: &Path) -> Result<RawState, Failure> {
    let store = StateStore::Local(LocalState::at(file));
    let raw = store.raw().await.map_err(|error| unreadable(&error))?;
    raw.ok_or_else(|| {
        Failure::failed(Diagnostic::error(format!(
            "there is no state in `{}`",
            file.display()
        )))
    })
}

/// The current state, where there is one.
async fn read(state: &S3State) -> Result<Option<(RawState, StateVersion)>, Failure> {
    let store = StateStore::S3(state.clone());
    let Some(raw) = store.raw().await.map_err(|error| unreadable(&error))? else {
        return Ok(None);
    };
    let version = raw
        .parse(&state.url())
        .map_err(|error| unreadable(&error))?;
    Ok(Some((raw, version)))
}

/// Writes under the lock, if nothing has moved since it was shown, and reads back.
async fn write(
    record: &mut Record<'_>,
    state: &S3State,
    before: Option<&RawState>,
    content: &[u8],
) -> Result<(), Failure> {
    let store = StateStore::S3(state.clone());
    let now = store.raw().await.map_err(|error| unreadable(&error))?;
    let etag = |raw: Option<&RawState>| raw.and_then(|raw| raw.etag.clone());
    if now.is_some() != before.is_some() || etag(now.as_ref()) != etag(before) {
        return Err(moved(state));
    }
    let detail = json!({
        "place": state.url(),
        "version": now.as_ref().and_then(|raw| raw.version_id.clone()),
    });
    let run = &record.ctx.run;
    run.step(&record.unit.id, Step::WriteState, StepState::Begun, &detail)?;
    let written = state.replace(etag(now.as_ref()).as_deref(), content).await;
    // An answer that got lost, and a request that was sent twice, look like a failure.
    let after = store.raw().await.map_err(|error| unreadable(&error))?;
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

fn moved(state: &S3State) -> Failure {
    Failure::refused(
        Diagnostic::error(format!("`{}` has changed since it was shown", state.url()))
            .with_hint("run it again: then it shows what is there now"),
    )
}

fn not_in_s3(unit: &Unit) -> Failure {
    Failure::refused(
        Diagnostic::error(format!("the state of `{}` is not in S3", unit.id))
            .with_hint("a local state is a file: copy the one that is meant over it"),
    )
}

/// Whether two states say the same: then there is nothing to write.
fn says_the_same(one: &StateVersion, other: &StateVersion) -> bool {
    let secrets = Secrets::of(&[&one.document, &other.document], false);
    let (_, outputs) = compare(&one.document, &other.document, &secrets);
    outputs.is_empty() && Fingerprint::of(&one.document) == Fingerprint::of(&other.document)
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

/// Shows what will be otherwise.
fn show(record: &Record<'_>, current: Option<&StateVersion>, wanted: &StateVersion) {
    let Some(current) = current else { return };
    let (before, after) = (&current.document, &wanted.document);
    let secrets = Secrets::of(&[before, after], false);
    let (resources, outputs) = compare(before, after, &secrets);
    record.ctx.events.emit(Event::StateDiffers {
        diff: Box::new(StateDiff {
            unit: record.unit.id.clone(),
            from: id_of(current),
            to: id_of(wanted),
            changes: Fingerprint::of(after).since(&Fingerprint::of(before)),
            resources,
            outputs,
        }),
    });
}

async fn agree(
    record: &Record<'_>,
    replacement: &Replacement,
    place: &str,
    serial: u64,
) -> Result<(), Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    let what = match replacement {
        Replacement::Version(name) => format!("the version `{name}`"),
        Replacement::File(file) => format!("`{}`", file.display()),
    };
    let question = || {
        format!(
            "tfw will write {what} as the new state of `{}`, with the serial {serial}:\n  {place}\nThe state that is there stays a version in the bucket. No resource changes.",
            unit.id
        )
    };
    ctx.consent
        .obtain(ctx, Matter::Tfw, &[unit], question, replacement.doing())
        .await
}
