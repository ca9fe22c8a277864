//! The selection of `tfw apply --from DIR`: units of the bundle, all or some.

use std::collections::BTreeSet;

use super::error::Error;
use crate::manifest::SelectionRequest;
use crate::model::{Diagnostic, UnitId};
use crate::pipeline::{Bundle, BundleError};
use crate::settings::Settings;

impl From<BundleError> for Error {
    fn from(error: BundleError) -> Self {
        let diagnostic = error.to_diagnostic();
        if error.is_refusal() {
            Self::Refused(diagnostic)
        } else {
            Self::Usage(diagnostic)
        }
    }
}

/// The selected units of a bundle, and those that were meant too and are not in it. Nothing
/// selected, or `--all`, is the whole bundle, wherever it is typed.
///
/// # Errors
/// The manifest lacks a unit of the bundle, what was named is not in it, or nothing is left.
pub(super) fn select(
    settings: &Settings,
    bundle: &Bundle,
    request: SelectionRequest,
) -> Result<(Vec<usize>, Vec<UnitId>), Error> {
    let units = &settings.project().units;
    let held: BTreeSet<&UnitId> = bundle.units().collect();
    let is_held = |index: &usize| held.contains(&units[*index].id);
    let whole = request.patterns.is_empty() && request.tags.is_empty();
    if whole {
        let known: BTreeSet<&UnitId> = units.iter().map(|unit| &unit.id).collect();
        let gone: Vec<String> = held
            .difference(&known)
            .map(|id| format!("`{id}`"))
            .collect();
        if !gone.is_empty() {
            return Err(Error::Refused(
                Diagnostic::error(format!(
                    "the bundle has {}, and the manifest has not",
                    gone.join(", ")
                ))
                .with_hint("plan again; or name those units of the bundle that are to be applied"),
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
            return Err(Error::Usage(not_held(&format!("`{pattern}`"), &held)));
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
        return Err(Error::Usage(not_held("what is selected", &held)));
    }
    let left = if whole { Vec::new() } else { left };
    let left = left.into_iter().map(|index| units[index].id.clone());
    Ok((taken, left.collect()))
}

fn not_held(what: &str, held: &BTreeSet<&UnitId>) -> Diagnostic {
    let held: Vec<String> = held.iter().map(|id| format!("`{id}`")).collect();
    Diagnostic::error(format!("{what} is not in the bundle"))
        .with_hint(format!("it has {}", held.join(", ")))
}
