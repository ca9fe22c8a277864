//! A state written anew, under its lock, so that it is encrypted as the manifest says.

use serde_json::json;

use super::look::StateLook;
use crate::journal::{Step, StepState};
use crate::model::{Backend, Diagnostic};
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::state_lock::{StateLock, with_details};
use crate::stage::states::unreadable;

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
        (Ok(()), released) => {
            released?;
            record.note(format!("`{}` is encrypted anew", look.state.url()));
            Ok(())
        }
        (Err(failure), Ok(())) => Err(failure),
        (Err(failure), Err(left)) => Err(with_details(failure, &left)),
    }
}

async fn write(record: &mut Record<'_>, look: &StateLook) -> Result<(), Failure> {
    let Backend::S3(s3) = &record.unit.backend else {
        return Ok(());
    };
    let state = &look.state;
    let store = crate::state::StateStore::S3(state.clone());
    let before = store.raw().await.map_err(|error| unreadable(&error))?;
    // Somebody has destroyed it since the look.
    let Some(before) = before else { return Ok(()) };
    let detail = json!({ "place": state.url(), "version": before.version_id });
    let (run, unit) = (&record.ctx.run, &record.unit.id);
    run.step(unit, Step::Reencrypt, StepState::Begun, &detail)?;
    let written = state.write_again(&before).await;
    if let Err(error) = written {
        record.step_ended(Step::Reencrypt, StepState::Failed);
        return Err(Failure::fact(
            error.to_string(),
            error.hint(),
            error.is_refusal(),
        ));
    }
    let after = store.raw().await.map_err(|error| unreadable(&error))?;
    let holds = after.as_ref().is_some_and(|after| {
        after.bytes == before.bytes
            && after
                .encryption
                .as_ref()
                .is_some_and(|found| look.fits(found, s3))
    });
    if !holds {
        record.step_ended(Step::Reencrypt, StepState::Failed);
        let version = before.version_id.as_deref().unwrap_or("the one before");
        return Err(Failure::failed(
            Diagnostic::error(format!(
                "`{}` was written anew, and reads back as something else",
                state.url()
            ))
            .with_hint(format!("the version before is `{version}`")),
        ));
    }
    record.step_ended(Step::Reencrypt, StepState::Done);
    Ok(())
}
