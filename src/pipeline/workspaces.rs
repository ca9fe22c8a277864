//! Which unit tells of a workspace, where several have their states under one key.

use crate::model::{Backend, Unit, Workspace};
use crate::stage::Context;

/// Whether another unit tells of this workspace: it is that unit's own, or that unit has the same
/// key and is selected before this one.
pub(super) fn belongs_to_another(ctx: &Context, unit: &Unit, workspace: &Workspace) -> bool {
    if unit.backend.workspace() == workspace {
        return false;
    }
    let owned = ctx
        .project
        .units
        .iter()
        .any(|other| share_key(unit, other) && other.backend.workspace() == workspace);
    let told_before = ctx
        .units()
        .take_while(|other| other.id != unit.id)
        .any(|other| share_key(unit, other));
    owned || told_before
}

/// Whether the states of two units lie at one place, in different workspaces.
fn share_key(one: &Unit, other: &Unit) -> bool {
    let in_default = |unit: &Unit| unit.backend.with_workspace(Workspace::default());
    one.id != other.id
        && match &one.backend {
            Backend::Local(_) => one.folder == other.folder && in_default(one) == in_default(other),
            Backend::S3(_) => in_default(one).place() == in_default(other).place(),
            Backend::Other(_) => false,
        }
}
