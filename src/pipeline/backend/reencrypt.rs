//! A state written anew, under its lock, so that it is encrypted as the manifest says.

use serde_json::json;

use super::look::StateLook;
use crate::aws::AwsError;
use crate::journal::{Step, StepState};
use crate::model::{Backend, Diagnostic};
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::state_lock::StateLock;
use crate::stage::states::unreadable;
use crate::state::{StateError, StateStore};

/// Writes the state of a unit anew, and reads it back. Its serial stays: nothing in it changes.
pub(super) async fn rewrite(record: &mut Record<'_>, look: &StateLook) -> Result<(), Failure> {
    if record.ctx.signals.is_stopping() {
        return Err(Failure::not_started());
    }
    let Backend::S3(s3) = &record.unit.backend else {
        return Ok(());
    };
    if !s3.use_lockfile {
        return Err(Failure::refused(
            Diagnostic::error(format!(
                "the state in `{}` is not written anew: `use_lockfile` is false, so that nothing would keep Terraform away from it meanwhile",
                look.state.url()
            ))
            .with_hint("set `backend.use_lockfile = true`, or have a `tfw apply` write it"),
        ));
    }
    let lock = StateLock::take(record, &look.state, "reencryption").await?;
    let written = write(record, look).await;
    let released = lock.release(record).await;
    match (written, released) {
        (Ok(before), released) => {
            released?;
            match before {
                Before::Version(id) => record.note(format!(
                    "`{}` is encrypted anew; its version `{id}` stays under the old key",
                    look.state.url()
                )),
                Before::Replaced => {
                    record.note(format!("`{}` is encrypted anew", look.state.url()));
                }
                Before::Nothing => {}
            }
            Ok(())
        }
        (Err(failure), Ok(())) => Err(failure),
        (Err(failure), Err(left)) => Err(failure.beside(&left)),
    }
}

/// What was there before.
enum Before {
    /// A version that is still there.
    Version(String),
    /// An object, in a bucket that keeps no versions.
    Replaced,
    /// Nothing any more: somebody has destroyed it since the look.
    Nothing,
}

async fn write(record: &mut Record<'_>, look: &StateLook) -> Result<Before, Failure> {
    let Backend::S3(s3) = &record.unit.backend else {
        return Ok(Before::Nothing);
    };
    let state = &look.state;
    let store = StateStore::S3(state.clone());
    let before = store.raw().await.map_err(|error| unreadable(&error))?;
    let Some(before) = before else {
        return Ok(Before::Nothing);
    };
    let Some(etag) = before.etag.as_deref() else {
        return Err(left_alone(
            look,
            "the server gives it no entity tag, so that nothing would keep a newer one from being written over",
            None,
        ));
    };
    let notes = state.notes().await.map_err(|error| {
        let because = format!("what stands on it would be lost: {error}");
        left_alone(look, &because, error.hint())
    })?;
    let detail = json!({ "place": state.url(), "version": before.version_id });
    let (run, unit) = (&record.ctx.run, &record.unit.id);
    run.step(unit, Step::Reencrypt, StepState::Begun, &detail)?;
    let written = state.write_again(&before.bytes, etag, &notes).await;
    if let Err(error) = &written
        && !may_be_ours(error)
    {
        record.step_ended(Step::Reencrypt, StepState::Failed);
        let failure = unwritten(error);
        return Err(if notes.has_tags() {
            failure.with_hint("it has tags, which also takes `s3:PutObjectTagging`")
        } else {
            failure
        });
    }
    let after = store.raw().await.map_err(|error| unreadable(&error))?;
    let holds = after.as_ref().is_some_and(|after| {
        after.bytes == before.bytes
            && after
                .encryption
                .as_ref()
                .is_some_and(|found| look.fits(found, s3))
    });
    if holds {
        record.step_ended(Step::Reencrypt, StepState::Done);
        return Ok(before.version_id.map_or(Before::Replaced, Before::Version));
    }
    record.step_ended(Step::Reencrypt, StepState::Failed);
    if let Err(error) = &written {
        return Err(unwritten(error));
    }
    let version = before.version_id.as_deref().unwrap_or("the one before");
    Err(Failure::failed(
        Diagnostic::error(format!(
            "`{}` was written anew, and reads back as something else",
            state.url()
        ))
        .with_hint(format!("the version before is `{version}`")),
    ))
}

/// Whether the state has changed because this very request had been done once already: the SDK
/// sends a request again whose answer was lost.
fn may_be_ours(error: &StateError) -> bool {
    matches!(
        error,
        StateError::Unwritable {
            cause: AwsError::PreconditionFailed { .. },
            ..
        }
    )
}

fn unwritten(error: &StateError) -> Failure {
    Failure::fact(error.to_string(), error.hint(), error.is_refusal())
}

fn left_alone(look: &StateLook, because: &str, hint: Option<String>) -> Failure {
    let url = look.state.url();
    Failure::fact(
        format!("the state in `{url}` is not written anew: {because}"),
        hint,
        true,
    )
}
