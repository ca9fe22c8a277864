//! The proof that a state has arrived: read back by S3's own history and by Terraform, and equal.

use std::fs;

use super::copies::DATA_FILES;
use super::io_failure;
use super::mover::is_of_move;
use super::survey::{Survey, WorkspaceSurvey};
use crate::aws::ObjectEncryption;
use crate::journal::write_private;
use crate::model::{Backend, Diagnostic, S3Backend};
use crate::stage::SafeBackend;
use crate::stage::failure::Failure;
use crate::stage::plugin_cache;
use crate::stage::record::Record;
use crate::stage::states::unreadable;
use crate::stage::terraform_step::{self, Call, Surroundings, Variables};
use crate::state::{S3State, StateDocument, StateStore, content_hash};
use crate::terraform::command;

/// Holds the history of one state against what a move writes: the current version has the content
/// of the source and is encrypted as it should be, and nothing else came since the look but empty
/// states that Terraform writes on the way. Gives the current version.
///
/// # Errors
/// It does not hold: what is there is named, and nothing was removed.
pub(super) async fn history(
    record: &mut Record<'_>,
    state: &S3State,
    workspace: &WorkspaceSurvey,
    before: &[String],
    destination: &Backend,
) -> Result<Option<String>, Failure> {
    let versions = state.versions().await.map_err(|error| unreadable(&error))?;
    let place = state.url();
    let mut current = None;
    for version in &versions {
        let is_new = !before.contains(&version.version_id);
        let is_current = version.latest && !version.deleted;
        if !is_new && !is_current {
            continue;
        }
        if version.deleted {
            return Err(foreign(&place, &version.version_id, "deletes the state"));
        }
        let raw = state
            .version(&version.version_id)
            .await
            .map_err(|error| unreadable(&error))?;
        if is_current {
            is_equal(&raw.bytes, workspace, &place)?;
            if workspace.content.hash.is_some() {
                encrypted(record, raw.encryption.as_ref(), destination, &place)?;
            }
            current = Some(version.version_id.clone());
        } else if !is_of_move(&raw.bytes, workspace) {
            return Err(foreign(&place, &version.version_id, "holds another state"));
        }
    }
    if current.is_none() && workspace.content.hash.is_some() {
        return Err(missing(&place));
    }
    Ok(current)
}

/// The same of a file, which has no history.
pub(super) async fn current(
    store: &StateStore,
    workspace: &WorkspaceSurvey,
) -> Result<(), Failure> {
    let raw = store.raw().await.map_err(|error| unreadable(&error))?;
    match raw {
        Some(raw) => is_equal(&raw.bytes, workspace, &store.place()),
        None if workspace.content.hash.is_none() => Ok(()),
        None => Err(missing(&store.place())),
    }
}

/// Lets Terraform itself read every workspace from the backend that it is set up for now.
///
/// # Errors
/// It reads something else.
pub(super) async fn pulled(
    record: &mut Record<'_>,
    survey: &Survey,
    safe: &SafeBackend,
    destination: &Backend,
) -> Result<(), Failure> {
    let (ctx, unit) = (record.ctx, record.unit);
    let data_dir = ctx.data_dir(unit);
    let selected = data_dir.join(DATA_FILES[1]);
    let select = |name: &str| write_private(&selected, name.as_bytes());
    for workspace in &survey.workspaces {
        if workspace.raw.is_none() && workspace.name.is_default() {
            continue;
        }
        select(workspace.name.as_str())?;
        let surroundings = Surroundings {
            data_dir: &data_dir,
            plugin_cache: &plugin_cache::shared(ctx),
            variables: &Variables::default(),
        };
        let call = Call::new(command::state_pull()).private();
        let finished = terraform_step::run(record, safe.account(), surroundings, call)
            .await?
            .succeeded("terraform state pull")?;
        let place = destination.with_workspace(workspace.name.clone()).place();
        let pulled = finished.private_output();
        if pulled.trim_ascii().is_empty() && workspace.content.hash.is_none() {
            continue;
        }
        is_equal(pulled, workspace, &place)?;
    }
    // The one of the manifest, where it came along; else whoever initialises makes it.
    let wanted = unit.backend.workspace();
    let there = survey.workspaces.iter().any(|each| each.name == *wanted);
    if there && !wanted.is_default() {
        return Ok(select(wanted.as_str())?);
    }
    fs::remove_file(&selected).map_err(|error| io_failure("remove", &ctx.shown(&selected), &error))
}

fn is_equal(bytes: &[u8], workspace: &WorkspaceSurvey, place: &str) -> Result<(), Failure> {
    let readable = StateDocument::parse(bytes);
    let hash = match &readable {
        Ok(document) if document.is_empty() => None,
        Ok(_) => content_hash(bytes).ok(),
        Err(error) => {
            return Err(unequal(
                place,
                &format!("what is there cannot be read: {error}"),
            ));
        }
    };
    if hash == workspace.content.hash {
        return Ok(());
    }
    let resources = readable.map_or(0, |document| document.resource_count());
    Err(unequal(
        place,
        &format!(
            "it has {}, the source has {}",
            super::proposal::resources(resources),
            super::proposal::resources(workspace.content.resources)
        ),
    ))
}

/// `encrypt = true` is always sent, so every object says how it is encrypted; servers other than
/// S3 may not.
fn encrypted(
    record: &mut Record<'_>,
    found: Option<&ObjectEncryption>,
    destination: &Backend,
    place: &str,
) -> Result<(), Failure> {
    let Backend::S3(s3) = destination else {
        return Ok(());
    };
    let Some(found) = found else {
        if s3.kms_key_id.is_some() {
            return Err(unequal(
                place,
                "it is not encrypted with the manifest's KMS key",
            ));
        }
        record.diagnostic(Diagnostic::warning(format!(
            "the server does not say how `{place}` is encrypted"
        )));
        return Ok(());
    };
    if is_encrypted_with(found, s3) {
        return Ok(());
    }
    Err(unequal(
        place,
        &format!(
            "it is encrypted by {} with {}, and not with the manifest's KMS key",
            found.algorithm,
            found.kms_key.as_deref().unwrap_or("no key of its own")
        ),
    ))
}

/// What S3 tells of an object is the ARN of a key; the manifest may name it by an alias, which
/// only KMS could resolve.
fn is_encrypted_with(found: &ObjectEncryption, s3: &S3Backend) -> bool {
    let Some(wanted) = &s3.kms_key_id else {
        return !found.algorithm.is_empty();
    };
    let is_kms = found.algorithm.starts_with("aws:kms");
    let names_alias = wanted.contains(":alias/") || wanted.starts_with("alias/");
    let id = |key: &str| key.rsplit('/').next().unwrap_or(key).to_owned();
    let is_key = found
        .kms_key
        .as_ref()
        .is_some_and(|key| id(key) == id(wanted));
    is_kms && (names_alias || is_key)
}

fn unequal(place: &str, why: &str) -> Failure {
    Failure::failed(Diagnostic::error(format!(
        "what arrived in `{place}` is not what was sent: {why}"
    )))
}

fn missing(place: &str) -> Failure {
    Failure::failed(Diagnostic::error(format!(
        "there is no state in `{place}` after the move"
    )))
}

fn foreign(place: &str, version: &str, does: &str) -> Failure {
    Failure::failed(Diagnostic::error(format!(
        "somebody else wrote to `{place}` during the migration, past the lock: version {version} {does}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_id_and_an_alias_by_the_algorithm() {
        let unit = super::super::testing::unit();
        let Backend::S3(mut s3) = unit.backend else {
            panic!("it is S3");
        };
        let found = |algorithm: &str, key: Option<&str>| ObjectEncryption {
            algorithm: algorithm.to_owned(),
            kms_key: key.map(str::to_owned),
            bucket_key: false,
        };
        let kms = found("aws:kms", Some("arn:aws:kms:eu-west-1:1:key/k-1"));
        let aes = found("AES256", None);
        assert!(is_encrypted_with(&aes, &s3) && is_encrypted_with(&kms, &s3));
        s3.kms_key_id = Some("arn:aws:kms:eu-west-1:1:key/k-1".to_owned());
        assert!(is_encrypted_with(&kms, &s3) && !is_encrypted_with(&aes, &s3));
        s3.kms_key_id = Some("arn:aws:kms:eu-west-1:1:key/k-2".to_owned());
        assert!(!is_encrypted_with(&kms, &s3));
        s3.kms_key_id = Some("arn:aws:kms:eu-west-1:1:alias/state".to_owned());
        assert!(is_encrypted_with(&kms, &s3) && !is_encrypted_with(&aes, &s3));
    }
}
