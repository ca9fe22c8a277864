//! A folder that holds something of each unit, and the selection among them: the bundle of
//! `tfw apply --from DIR`, the backup of `tfw state push --from DIR`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::Error;
use crate::manifest::SelectionRequest;
use crate::model::{Diagnostic, UnitId};
use crate::settings::Settings;

/// What such a folder holds.
#[derive(Debug, Clone)]
pub(super) struct Held {
    what: &'static str,
    folder: PathBuf,
    units: BTreeSet<UnitId>,
}

impl Held {
    /// `what` is its name in messages: "bundle".
    pub(super) fn new<'u>(
        what: &'static str,
        folder: &Path,
        units: impl Iterator<Item = &'u UnitId>,
    ) -> Self {
        Self {
            what,
            folder: folder.to_owned(),
            units: units.cloned().collect(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Why a unit that was meant too is left out.
    pub(super) fn why_left_out(&self) -> String {
        format!("it is not in the {}", self.what)
    }

    /// The selected units that it holds, and those that were meant too and are not in it. Nothing
    /// selected, or `--all`, is the whole folder, wherever it is typed.
    ///
    /// # Errors
    /// The manifest lacks a unit of the folder, what was named is not in it, or nothing is left.
    pub(super) fn select(
        &self,
        settings: &Settings,
        request: SelectionRequest,
    ) -> Result<(Vec<usize>, Vec<UnitId>), Error> {
        let units = &settings.project().units;
        let is_held = |index: &usize| self.units.contains(&units[*index].id);
        let whole = request.patterns.is_empty() && request.tags.is_empty();
        if whole {
            let known: BTreeSet<UnitId> = units.iter().map(|unit| unit.id.clone()).collect();
            let gone: Vec<String> = self
                .units
                .difference(&known)
                .map(|id| format!("`{id}`"))
                .collect();
            if !gone.is_empty() {
                return Err(Error::Refused(
                    Diagnostic::error(format!(
                        "the {} has {}, and the manifest has not",
                        self.what,
                        gone.join(", ")
                    ))
                    .with_hint(format!(
                        "make the {} again, or name those of its units that are meant",
                        self.what
                    )),
                ));
            }
        }
        for pattern in &request.patterns {
            let alone = SelectionRequest {
                patterns: vec![pattern.clone()],
                working_dir: request.working_dir.clone(),
                ..SelectionRequest::default()
            };
            let mut meant = settings.select(&alone)?.indices().into_iter();
            if !meant.any(|index| is_held(&index)) {
                return Err(Error::Usage(self.lacks(&format!("`{pattern}`"))));
            }
        }
        let request = SelectionRequest {
            all: whole,
            ..request
        };
        let (taken, left): (Vec<usize>, Vec<usize>) = settings
            .select(&request)?
            .indices()
            .into_iter()
            .partition(is_held);
        if taken.is_empty() {
            return Err(Error::Usage(self.lacks("what is selected")));
        }
        let left = if whole { Vec::new() } else { left };
        let left = left.into_iter().map(|index| units[index].id.clone());
        Ok((taken, left.collect()))
    }

    fn lacks(&self, what: &str) -> Diagnostic {
        let held: Vec<String> = self.units.iter().map(|id| format!("`{id}`")).collect();
        Diagnostic::error(format!("{what} is not in the {}", self.what))
            .with_hint(format!("it has {}", held.join(", ")))
    }
}
