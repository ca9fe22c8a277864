//! What a migration refuses to do, after it has looked at both sides.

use super::source;
use super::survey::{Content, Survey, There, WorkspaceSurvey, store};
use crate::aws::{AwsError, Versioning};
use crate::model::{Backend, Diagnostic, Workspace};
use crate::stage::SafeBackend;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::states::unreadable;
use crate::state::StateStore;

/// Refuses a move onto itself: what is removed in the end would be what was moved.
pub(super) async fn apart(
    record: &Record<'_>,
    safe: &SafeBackend,
    from: &Backend,
    destination: &Backend,
    name: &Workspace,
) -> Result<(), Failure> {
    let (StateStore::Local(one), StateStore::Local(other)) = (
        store(record, safe, from, name).await?,
        store(record, safe, destination, name).await?,
    ) else {
        return Ok(());
    };
    if source::one_file(one.path()) != source::one_file(other.path()) {
        return Ok(());
    }
    Err(Failure::refused(
        Diagnostic::error(format!(
            "the state of workspace `{name}` of `{}` is to be moved onto itself, `{}`",
            record.unit.id,
            record.ctx.shown(one.path())
        ))
        .with_hint("give the destination a `path` and a `workspace_dir` of its own"),
    ))
}

/// Refuses to move a state into a workspace that the unit does not use: everything would be
/// planned as new.
pub(super) fn in_its_workspace(record: &Record<'_>, survey: &Survey) -> Result<(), Failure> {
    let wanted = record.unit.backend.workspace();
    let full: Vec<&WorkspaceSurvey> = survey
        .workspaces
        .iter()
        .filter(|each| each.content.hash.is_some())
        .collect();
    if full.is_empty() || full.iter().any(|each| each.name == *wanted) {
        return Ok(());
    }
    let names: Vec<String> = full.iter().map(|each| format!("`{}`", each.name)).collect();
    Err(Failure::refused(
        Diagnostic::error(format!(
            "`{}` uses the workspace `{wanted}`, and the state to be moved is in {}",
            record.unit.id,
            names.join(", ")
        ))
        .with_hint("set `backend.workspace` in the manifest to the one that is meant"),
    ))
}

/// Refuses a bucket that keeps no versions: a migration into it could not be taken back. Gives the
/// bucket where it does not exist yet; tfw creates it with versions.
pub(super) async fn versioned(
    record: &Record<'_>,
    safe: &SafeBackend,
    destination: &Backend,
) -> Result<Option<String>, Failure> {
    let Backend::S3(s3) = destination else {
        return Ok(None);
    };
    let failed = |error| Failure::aws("looking at the bucket's versioning", &error);
    let bucket = safe.state_account().bucket(s3).await.map_err(failed)?;
    let versioning = match bucket.versioning().await {
        Err(AwsError::NoSuchBucket { bucket }) => return Ok(Some(bucket)),
        other => other.map_err(failed)?,
    };
    match versioning {
        Versioning::Enabled => Ok(None),
        Versioning::Suspended | Versioning::Off => Err(Failure::refused(
            Diagnostic::error(format!(
                "the state bucket `{}` keeps no versions, so that a slip could not be taken back",
                s3.bucket
            ))
            .with_hint(format!(
                "`tfw backend ensure {}` mends that; then run again",
                record.unit.id
            )),
        )),
    }
}

/// Refuses to replace a state that nobody agreed to replace, and shows both sides.
pub(super) fn refuse_different(
    record: &Record<'_>,
    survey: &Survey,
    destination: &Backend,
) -> Result<(), Failure> {
    let unit = &record.unit.id;
    let different = survey.workspaces.iter().find_map(|each| match &each.there {
        There::Different(modified, found) => Some((each, modified, found)),
        _ => None,
    });
    let Some((workspace, modified, found)) = different else {
        return Ok(());
    };
    let place = destination.with_workspace(workspace.name.clone()).place();
    let side = |what: &str, content: &Content, more: &str| {
        format!(
            "{what}: lineage {}, serial {}, {}, written by Terraform {}{more}",
            content.lineage,
            content.serial,
            super::proposal::resources(content.resources),
            content.terraform_version,
        )
    };
    let mut diagnostic = Diagnostic::error(format!(
        "there is another state at the destination of `{unit}`, `{place}`"
    ))
    .with_detail(side(
        &source::shown(record.unit, &survey.source),
        &workspace.content,
        "",
    ))
    .with_detail(side(&place, found, &format!(", last changed {modified}")));
    let only = |these: &[String], not_those: &[String]| -> Vec<String> {
        these
            .iter()
            .filter(|address| !not_those.contains(address))
            .take(5)
            .cloned()
            .collect()
    };
    for (where_, these, those) in [
        ("source", &workspace.content.addresses, &found.addresses),
        (
            "destination",
            &found.addresses,
            &workspace.content.addresses,
        ),
    ] {
        let only = only(these, those);
        if !only.is_empty() {
            diagnostic =
                diagnostic.with_detail(format!("only at the {where_}: {}", only.join(", ")));
        }
    }
    if found.lineage == workspace.content.lineage {
        let ahead = if found.serial > workspace.content.serial {
            "ahead"
        } else {
            "behind"
        };
        diagnostic = diagnostic.with_detail(format!(
            "both are of one lineage: the destination is {} changes {ahead}",
            found.serial.abs_diff(workspace.content.serial)
        ));
    }
    let leftover = if workspace.recovered {
        "the local files look like what a hand-typed migration leaves behind: if the state at the destination is the right one, move them away"
    } else {
        "if the state at the destination is the right one, and the source a leftover, move the source away"
    };
    diagnostic = diagnostic.with_hint(leftover);
    Err(Failure::refused(diagnostic.with_hint(format!(
        "where the one at the destination is to be replaced: `tfw migrate {unit} --overwrite {}`",
        found.lineage
    ))))
}

/// Refuses to select the manifest's workspace where it has no state and the selected one has:
/// everything would be planned as new.
pub(super) async fn only_there(
    record: &Record<'_>,
    safe: &SafeBackend,
    destination: &Backend,
    selected: &str,
) -> Result<(), Failure> {
    let Ok(selected) = selected.parse::<Workspace>() else {
        return Ok(());
    };
    let wanted = record.unit.backend.workspace();
    let has_state = async |name: &Workspace| {
        let found = store(record, safe, destination, name).await?.read().await;
        let found = found.map_err(|error| unreadable(&error))?;
        Ok::<bool, Failure>(found.is_some_and(|version| !version.document.is_empty()))
    };
    if has_state(wanted).await? || !has_state(&selected).await? {
        return Ok(());
    }
    Err(Failure::refused(
        Diagnostic::error(format!(
            "`{}` uses the workspace `{wanted}`, which has no state, and `{selected}` has one",
            record.unit.id
        ))
        .with_hint(format!(
            "set `backend.workspace = \"{selected}\"` in the manifest; tfw moves no state from one workspace to another"
        )),
    ))
}
