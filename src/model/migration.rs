//! What became of a migration: the words of the report.

use serde::Serialize;

/// What was moved, from where to where, and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Migration {
    /// Where the state was: `s3://BUCKET/KEY`, or a file.
    pub from: String,
    /// Where it is now.
    pub to: String,
    /// Each workspace.
    pub workspaces: Vec<MigratedWorkspace>,
    /// Files that were removed after everything had been read back, relative to the manifest.
    pub deleted: Vec<String>,
    /// The folder with copies of all that was removed or replaced, relative to the manifest.
    pub backup: Option<String>,
}

/// One workspace of a migrated state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MigratedWorkspace {
    /// Its name.
    pub name: String,
    /// How many managed resources it has.
    pub resources: usize,
    /// The SHA-256 of its content, without lineage, serial and Terraform's version; `null` of one
    /// that is empty.
    pub sha256: Option<String>,
    /// Its version in the bucket; `null` in a file.
    pub version_id: Option<String>,
}
