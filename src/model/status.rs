//! A unit at a glance: the words of `tfw status`.

use jiff::Timestamp;
use serde::Serialize;

use super::{BackendAddress, Lock, Unit, UnitId};

/// What is known of one unit without running Terraform. As a document, what is not known or does
/// not apply is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitStatus {
    /// The unit.
    pub unit: UnitId,
    /// Whether what is on disk is initialised for the backend of the manifest.
    pub initialised: Option<bool>,
    /// Where its state lives.
    pub backend: BackendAddress,
    /// Who holds the lock of its state.
    pub lock: Option<Lock>,
    /// Counts up with each change of the state.
    pub serial: Option<u64>,
    /// How many managed resources the state has, every instance by itself.
    pub resources: Option<usize>,
    /// When the state was written last.
    pub modified: Option<Timestamp>,
    /// What its state bucket is like; `None`: that may not be read, or there is none.
    pub condition: Option<Condition>,
    /// Whether there is a state.
    #[serde(skip)]
    pub state: StatePresence,
    /// Whether a state has yet to be moved to the backend: a local one beside it, or a migration
    /// that was broken off.
    #[serde(skip)]
    pub unmigrated: bool,
}

/// What a state bucket is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// As the manifest says, or stronger.
    Safe,
    /// Not as the manifest says.
    Weak,
    /// There is no bucket.
    Absent,
}

/// Whether a unit has a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatePresence {
    /// It has.
    There,
    /// It has none yet.
    Absent,
    /// Not even the bucket is there.
    NoBucket,
    /// It could not be told.
    Unknown,
}

impl UnitStatus {
    /// Nothing is known but what the manifest says.
    pub fn unknown(unit: &Unit) -> Self {
        Self::of(unit.id.clone(), unit.backend.address())
    }

    fn of(unit: UnitId, backend: BackendAddress) -> Self {
        Self {
            unit,
            initialised: None,
            backend,
            lock: None,
            serial: None,
            resources: None,
            modified: None,
            condition: None,
            state: StatePresence::Unknown,
            unmigrated: false,
        }
    }

    /// A status for unit tests of other rooms.
    #[cfg(test)]
    pub(crate) fn blank(unit: &str) -> Self {
        let backend = super::Backend::Local(super::LocalBackend::default());
        Self::of(unit.parse().expect("a unit"), backend.address())
    }
}
