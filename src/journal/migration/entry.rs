//! What a migration's journal says.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A step of a migration that is about to begin, or is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// It begins.
    Begun {
        /// The run that began it.
        run_id: String,
        /// Where the state comes from, for people.
        from: String,
        /// Where it goes, for people.
        to: String,
        /// Where it comes from, for a later run.
        source: Place,
        /// Where it goes, for a later run.
        destination: Place,
    },
    /// These files have been copied.
    BackedUp {
        /// All of them.
        files: Vec<Copied>,
    },
    /// What is moved, and what lay at the destination.
    Surveyed {
        /// All workspaces.
        workspaces: Vec<Surveyed>,
    },
    /// A plan from the source has been made.
    Baseline {
        /// The hash of what it would change.
        hash: String,
    },
    /// The backend block is about to be edited.
    EditingBlock {
        /// The file.
        file: PathBuf,
        /// Whether it was there before.
        existed: bool,
        /// The SHA-256 of the file afterwards.
        after: String,
    },
    /// The backend block is edited.
    BlockEdited,
    /// The lock of a workspace is about to be taken.
    Locking {
        /// The workspace.
        workspace: String,
        /// The lock's id.
        id: String,
    },
    /// All locks are held.
    Locked,
    /// The second look, under the locks: versions that are there before anything is written.
    Looked {
        /// Each workspace and its versions.
        versions: Vec<(String, Vec<String>)>,
    },
    /// Terraform is about to move the states.
    Moving,
    /// Terraform has ended.
    Moved,
    /// What was written.
    Written {
        /// Each workspace and the version that holds its state now.
        versions: Vec<(String, Option<String>)>,
    },
    /// Everything has been read back and found equal.
    Verified,
    /// The locks are about to be released.
    Unlocking,
    /// The locks are released.
    Unlocked,
    /// The local files are about to be removed.
    Removing,
    /// The migration is complete.
    Done,
    /// Everything is about to be put back.
    Aborting,
    /// Everything is as it was.
    Aborted,
}

/// A place of states: where one is moved away from, or to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Place {
    /// Files, as seen from the root module.
    Local {
        /// Of the default workspace; `None`: `terraform.tfstate`.
        path: Option<String>,
        /// Of the others; `None`: `terraform.tfstate.d`.
        workspace_dir: Option<String>,
        /// One file that was named: no other workspace belongs to it.
        #[serde(default)]
        alone: bool,
    },
    /// A bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// The key of the default workspace's state.
        key: String,
        /// The bucket's region.
        region: String,
        /// What the keys of other workspaces begin with; `None`: Terraform's own.
        workspace_key_prefix: Option<String>,
    },
}

/// A file that was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// The file.
    pub original: PathBuf,
    /// Its copy, relative to the migration's folder.
    pub copy: PathBuf,
    /// The SHA-256 of both.
    pub sha256: String,
    /// What it is.
    pub role: Role,
}

/// What a copied file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A local state, or an older one beside it: it goes in the end.
    State,
    /// A state at another remote place: that one stays.
    Remote,
    /// A file that lay at the destination.
    Destination,
    /// What Terraform records of its backend in the data folder.
    DataFolder,
    /// Configuration that is edited.
    Configuration,
}

/// One workspace as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surveyed {
    /// Its name.
    pub name: String,
    /// How many managed resources it has.
    pub resources: usize,
    /// Their addresses.
    pub addresses: Vec<String>,
    /// The SHA-256 of its content; `None`: it is empty, and nothing is written for `default`.
    pub content: Option<String>,
    /// The source's serial.
    pub serial: u64,
    /// The source's lineage.
    pub lineage: String,
    /// The Terraform that wrote the source.
    pub terraform_version: String,
    /// The version at the destination that somebody agreed to replace.
    pub replaces: Option<String>,
}
