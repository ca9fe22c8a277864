//! `tfw state`: the versions of a state, what they say, how they differ, and copies of many.
//!
//! Read from S3, or from the files of a local state; no Terraform runs, and only `rollback` and
//! `push` write more than `.tfw/` and the folder of a backup. What is derived from a version is
//! kept, never the version.

mod backup;
mod cache;
mod diff;
mod exchange;
mod history;
mod pull;
mod rewrite;
mod show;
mod versions;

pub use backup::{Backup, BackupError};
pub use diff::{DiffOptions, diff as diff_states};
pub use history::{History, history as state_history};
pub use pull::{pull as pull_states, raw as raw_state};
pub use rewrite::{Replacement, replace as replace_states};
pub use show::{ShowOptions, show as show_state};
