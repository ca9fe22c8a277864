//! What a migration would do, in words: for the question, and for `--dry-run`.

use similar::TextDiff;

use super::desk::Plan;
use super::source;
use super::survey::{Survey, There, WorkspaceSurvey};
use crate::journal::migration::Place;
use crate::model::{Backend, MigratedWorkspace, Migration};
use crate::root_module::BackendEdit;
use crate::stage::Context;
use crate::stage::backend::where_and_who;
use crate::stage::record::Record;

/// Lines around a change in a diff.
const CONTEXT: usize = 2;

/// What will happen to one unit, line by line.
pub(super) fn lines(record: &Record<'_>, plan: &Plan, keep_local: bool) -> Vec<String> {
    let unit = record.unit;
    let to = to(record, &plan.destination);
    let mut lines = Vec::new();
    match &plan.survey {
        Some(survey) => {
            let from = place(record.ctx, &source::shown(unit, &survey.source));
            let what = if survey.is_moved() {
                "is there already"
            } else {
                "moves"
            };
            lines.push(format!("{}: {from} → {to}, {what}", unit.id));
        }
        None => lines.push(format!("{}: the state stays in {to}", unit.id)),
    }
    let who = where_and_who(unit, &plan.safe);
    // The place of the state is in the first line.
    lines.extend(
        who.lines()
            .filter(|line| line.starts_with("    as "))
            .map(str::to_owned),
    );
    if let Some(bucket) = &plan.new_bucket {
        lines.push(format!(
            "    creates the state bucket {bucket}: versioned, encrypted, closed"
        ));
    }
    if let Some(survey) = &plan.survey {
        lines.extend(survey.workspaces.iter().filter_map(workspace));
    }
    if let Some(edit) = &plan.edit {
        lines.push(format!("    edits {}:", record.ctx.shown(&edit.file)));
        lines.extend(diff(edit));
    }
    if let (Some(workspace), None) = (&plan.other_workspace, &plan.survey) {
        lines.push(format!(
            "    selects the workspace `{}`; `{workspace}` is selected now",
            unit.backend.workspace()
        ));
    }
    if let Some(table) = &plan.lock_table {
        lines.push(format!(
            "    no longer locks by the DynamoDB table `{table}`; the table itself stays"
        ));
    }
    let gone: Vec<String> = plan
        .files
        .iter()
        .map(|file| record.ctx.shown(file))
        .collect();
    if !gone.is_empty() {
        let verb = if keep_local {
            "moves into the backup"
        } else {
            "deletes"
        };
        lines.push(format!("    {verb}, once all is read back and equal:"));
        lines.extend(gone.iter().map(|file| format!("      {file}")));
    } else if let Some(survey) = &plan.survey
        && matches!(survey.from, Backend::S3(_))
    {
        lines.push("    leaves the state at the old place as it is".to_owned());
    }
    lines
}

/// `12 resources`, `1 resource`, `no resources`.
pub(super) fn resources(count: usize) -> String {
    match count {
        0 => "no resources".to_owned(),
        1 => "1 resource".to_owned(),
        many => format!("{many} resources"),
    }
}

/// A place for people: relative to the manifest where it is a file below it.
pub(super) fn place(ctx: &Context, place: &str) -> String {
    if place.starts_with("s3://") {
        return place.to_owned();
    }
    ctx.shown(std::path::Path::new(place))
}

fn workspace(workspace: &WorkspaceSurvey) -> Option<String> {
    let name = &workspace.name;
    let state = match (&workspace.raw, &workspace.content.hash) {
        (None, _) if name.is_default() => return None,
        (_, None) => "empty".to_owned(),
        _ => resources(workspace.content.resources),
    };
    let there = match &workspace.there {
        There::Nothing | There::Empty(_) => String::new(),
        There::Equal(_) => ", is there already".to_owned(),
        There::Replaceable(version, found) => format!(
            ", replaces lineage {} with {}, of which {} stays",
            found.lineage,
            resources(found.resources),
            match version {
                Some(version) => format!("version {version}"),
                None => "a copy".to_owned(),
            }
        ),
        There::Different(..) => return None,
    };
    Some(format!("    workspace {name}: {state}{there}"))
}

/// The edit as a diff, indented.
fn diff(edit: &BackendEdit) -> Vec<String> {
    let before = edit.before.as_deref().unwrap_or_default();
    let diff = TextDiff::from_lines(before, &edit.after);
    let mut lines: Vec<String> = Vec::new();
    for (position, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if position > 0 {
            lines.push("      …".to_owned());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let line = format!("      {}{}", change.tag(), change.value().trim_end());
            lines.push(line.trim_end().to_owned());
        }
    }
    while lines.last().is_some_and(|line| line.trim().is_empty()) {
        lines.pop();
    }
    lines
}

/// What would be moved, for the report of a dry run: nothing is written or deleted yet.
pub(super) fn report(record: &Record<'_>, plan: &Plan, survey: &Survey) -> Migration {
    let moved = survey
        .workspaces
        .iter()
        .filter(|each| each.raw.is_some() || !each.name.is_default());
    Migration {
        from: from(record, survey),
        to: to(record, &plan.destination),
        workspaces: moved
            .map(|each| MigratedWorkspace {
                name: each.name.to_string(),
                resources: each.content.resources,
                sha256: each.content.hash.clone(),
                version_id: None,
            })
            .collect(),
        deleted: Vec::new(),
        backup: None,
    }
}

/// The question about all units.
pub(super) fn question(proposals: &[Vec<String>]) -> String {
    let count = proposals.len();
    let s = if count == 1 { "" } else { "s" };
    let lines: Vec<String> = proposals
        .iter()
        .flatten()
        .map(|line| format!("  {line}"))
        .collect();
    format!(
        "tfw will migrate {count} unit{s}, one after the other:\n{}\nDeleting is not wiping: disks and git histories keep what was on them.",
        lines.join("\n")
    )
}

/// Where a state goes, for people.
pub(super) fn to(record: &Record<'_>, destination: &Backend) -> String {
    match source::place_of(destination) {
        Some(place @ Place::Local { .. }) => {
            self::place(record.ctx, &source::shown(record.unit, &place))
        }
        _ => destination.place(),
    }
}

/// For `Survey`, the places where a state is now.
pub(super) fn from(record: &Record<'_>, survey: &Survey) -> String {
    place(record.ctx, &source::shown(record.unit, &survey.source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_shown_as_what_goes_and_what_comes() {
        let edit = BackendEdit {
            file: "main.tf".into(),
            before: Some(
                "terraform {\n  backend \"local\" {}\n}\n\nlocals {}\n\nlocals {}\n".to_owned(),
            ),
            after: "terraform {\n  backend \"s3\" {}\n}\n\nlocals {}\n\nlocals {}\n".to_owned(),
        };
        assert_eq!(
            diff(&edit).join("\n"),
            "       terraform {\n      -  backend \"local\" {}\n      +  backend \"s3\" {}\n       }"
        );
    }

    #[test]
    fn resources_are_counted_in_words() {
        assert_eq!(
            [resources(0), resources(1), resources(12)],
            ["no resources", "1 resource", "12 resources"]
        );
    }
}
