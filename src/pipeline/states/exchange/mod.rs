//! One state in the place of another, as a new version with a higher serial, under the lock of the
//! state.
//!
//! Nothing is lost: what was there stays a version of its own, or is copied where the bucket keeps
//! none, and whatever breaks off leaves the old state or the new one.

mod words;

use std::path::{Path, PathBuf};

use serde_json::json;

use super::versions::{Versions, not_in_s3, store_of};
use crate::journal::{Step, StepState, make_private_folder, write_private};
use crate::model::{Diagnostic, Workspace};
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::state_lock::StateLock;
use crate::stage::states::unreadable;
use crate::state::{
    RawState, S3State, StateError, StateStore, StateVersion, content_hash, with_serial,
};

/// Versions that are looked at for a state that can be read.
const LOOKED_AT: usize = 20;

/// What takes the place of one state.
pub(super) struct Wanted {
    /// Whose state.
    pub(super) workspace: Workspace,
    pub(super) source: Source,
}

/// Where it comes from.
pub(super) enum Source {
    /// One of the versions of that state, by `latest~N`, a version id or a serial.
    Version(String),
    /// A file that was read.
    File { path: PathBuf, raw: RawState },
}

/// What takes the place of the state that is there.
struct Next {
    raw: RawState,
    version: StateVersion,
}

/// The object that is there; it need not be a state that can be read.
struct Current {
    raw: RawState,
    version: Result<StateVersion, String>,
}

/// Shows what will be otherwise, asks, and exchanges the state, all of it under the lock. The record
/// then has what was written.
pub(super) async fn run(
    record: &mut Record<'_>,
    wanted: &Wanted,
    doing: &str,
    operation: &str,
) -> Result<(), Failure> {
    let StateStore::S3(state) = store_of(record, &wanted.workspace).await? else {
        return Err(not_in_s3(&record.unit.id));
    };
    let (next, listed) = match &wanted.source {
        Source::Version(name) => {
            let versions = Versions::in_bucket(state.clone()).await?;
            let raw = versions.raw(versions.find(record, name).await?).await?;
            let version = raw.parse(&state.url());
            let version = version.map_err(|error| unreadable(&error))?;
            (Next { raw, version }, Some(versions))
        }
        Source::File { path, raw } => (of_file(path, raw)?, None),
    };
    let current = current(&state).await?;
    let readable = current
        .as_ref()
        .and_then(|current| current.version.as_ref().ok());
    let last = if let Some(version) = readable {
        Some(version.clone())
    } else {
        // Deleted or damaged: one before says which lineage and which serial it was.
        let versions = match listed {
            Some(versions) => versions,
            None => Versions::in_bucket(state.clone()).await?,
        };
        last_readable(&versions).await?
    };
    if let Some(last) = &last {
        same_lineage(record, last, &next.version)?;
    }
    if let Some(current) = &current
        && says_the_same(current, &next)
    {
        let place = state.url();
        record.note(format!("`{place}` says that already: nothing to do"));
        return Ok(());
    }
    if record.ctx.signals.is_stopping() {
        return Err(Failure::not_started());
    }
    let lock = StateLock::take(record, &state, operation).await?;
    let before = last.as_ref().map_or(0, |last| last.document.serial);
    let exchange = Exchange {
        state: &state,
        wanted,
        doing,
        serial: before.max(next.version.document.serial) + 1,
        current,
        last,
        next,
    };
    let exchanged = exchange.under(&lock, record).await;
    let released = lock.release(record).await;
    match (exchanged, released) {
        (Ok(()), released) => released,
        (Err(failure), Ok(())) => Err(failure),
        (Err(failure), Err(left)) => Err(failure.beside(&left)),
    }
}

fn of_file(path: &Path, raw: &RawState) -> Result<Next, Failure> {
    let place = path.display();
    let hint = "name a file that `tfw state pull` or `terraform state pull` wrote";
    let refused = |why: String| Failure::failed(Diagnostic::error(why).with_hint(hint));
    if raw.bytes.is_empty() {
        return Err(refused(format!(
            "`{place}` is empty: there is no state in it"
        )));
    }
    let version = raw.parse(&place.to_string());
    let version = version.map_err(|error| refused(error.to_string()))?;
    if version.document.lineage.is_empty() {
        return Err(refused(format!(
            "the state in `{place}` has no lineage, as every state of Terraform's has"
        )));
    }
    Ok(Next {
        raw: raw.clone(),
        version,
    })
}

async fn current(state: &S3State) -> Result<Option<Current>, Failure> {
    let Some(raw) = object(state).await? else {
        return Ok(None);
    };
    let version = if raw.bytes.is_empty() {
        Err("it is empty".to_owned())
    } else {
        raw.parse(&state.url()).map_err(|error| match error {
            StateError::NotAState { cause, .. } => cause.to_string(),
            other => other.to_string(),
        })
    };
    Ok(Some(Current { raw, version }))
}

async fn object(state: &S3State) -> Result<Option<RawState>, Failure> {
    state.object().await.map_err(|error| unreadable(&error))
}

/// The newest version that is a state.
async fn last_readable(versions: &Versions) -> Result<Option<StateVersion>, Failure> {
    for version in versions.states().take(LOOKED_AT) {
        let raw = versions.raw(version).await?;
        if let Ok(version) = raw.parse(&versions.place) {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// All that is known of an exchange once the lock is held.
struct Exchange<'a> {
    state: &'a S3State,
    wanted: &'a Wanted,
    doing: &'a str,
    current: Option<Current>,
    /// The newest state that can be read; it is the current one where that can.
    last: Option<StateVersion>,
    next: Next,
    serial: u64,
}

impl Exchange<'_> {
    async fn under(&self, lock: &StateLock<'_>, record: &mut Record<'_>) -> Result<(), Failure> {
        let place = self.state.url();
        let content = with_serial(&self.next.raw.bytes, self.serial)
            .map_err(|why| Failure::failed(Diagnostic::error(format!("`{place}`: {why}"))))?;
        // Whoever had the lock before may have written.
        let now = object(self.state).await?;
        if now.is_some() != self.current.is_some() || etag(now.as_ref()) != self.etag() {
            return Err(moved(self.state));
        }
        self.show(record);
        let copy = self.copy_of_current(record);
        record.pause();
        let agreed = self.agree(record, copy.as_deref()).await;
        record.resume();
        agreed?;
        // A person may have taken an hour, and another one the lock away.
        lock.must_hold().await?;
        if let (Some(copy), Some(current)) = (&copy, &self.current) {
            if let Some(folder) = copy.parent() {
                make_private_folder(folder)?;
            }
            write_private(copy, &current.raw.bytes)?;
        }
        let copy = copy.map(|copy| record.ctx.shown(&copy));
        let version_id = self.write(record, &content, copy.as_deref()).await?;
        self.tell(record, version_id, copy);
        Ok(())
    }

    /// The entity tag of what was looked at.
    fn etag(&self) -> Option<String> {
        etag(self.current.as_ref().map(|current| &current.raw))
    }

    /// The version of what was looked at, where the bucket keeps it.
    fn version(&self) -> Option<&str> {
        self.current.as_ref()?.raw.lasting_version()
    }

    /// Where the state is copied that no version keeps.
    fn copy_of_current(&self, record: &Record<'_>) -> Option<PathBuf> {
        if self.current.is_none() || self.version().is_some() {
            return None;
        }
        let run = &record.ctx.run;
        let folder = run.tfw().backup(&record.unit.id, run.id());
        Some(folder.join(format!("{}.tfstate", self.wanted.workspace)))
    }

    /// Writes if nothing has moved, and reads back; the new version.
    async fn write(
        &self,
        record: &mut Record<'_>,
        content: &[u8],
        copy: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        let state = self.state;
        let detail = json!({
            "place": state.url(),
            "version": self.version(),
            "serial": self.serial,
        });
        let run = &record.ctx.run;
        run.step(&record.unit.id, Step::WriteState, StepState::Begun, &detail)?;
        let written = state.replace(self.etag().as_deref(), content).await;
        // An answer that got lost, and a request that was sent twice, look like a failure.
        let failure = match object(state).await {
            Ok(Some(after)) if after.bytes == content => {
                record.step_ended(Step::WriteState, StepState::Done);
                return Ok(after.version_id);
            }
            Ok(_) => match written {
                Err(error) => Failure::fact(error.to_string(), error.hint(), error.is_refusal()),
                Ok(()) => self.something_else(record, copy),
            },
            Err(unread) => {
                let written = written.err().map(|error| error.to_string());
                self.unknown(record, copy, written, &unread)
            }
        };
        record.step_ended(Step::WriteState, StepState::Failed);
        Err(failure)
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

/// Whether two states say the same, whatever their serials are: then there is nothing to write. The
/// Terraform that wrote one counts: an older one may not read what a newer one wrote.
fn says_the_same(current: &Current, next: &Next) -> bool {
    let written_by = |version: &StateVersion| version.document.terraform_version.clone();
    let hash = |raw: &RawState| content_hash(&raw.bytes).ok();
    current.version.as_ref().is_ok_and(|version| {
        written_by(version) == written_by(&next.version) && hash(&current.raw) == hash(&next.raw)
    })
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
