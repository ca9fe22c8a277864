//! The manifest, `tfw.toml`: from text to a proven [`Project`], and what is asked of it then.
//!
//! The way of a file: `source` (text) → `tree` (values with places) → `check` (against the JSON
//! Schema that `raw` describes) → `layers` and `expand` (defaults, environment, stack) → `resolve`
//! (the model). Every step reports into one collector and goes on, so that all problems come out at
//! once, each with its place.
//!
//! On the result work `selection` (which units), `graph` and `order` (in which order) and `show`
//! (where each value came from). Beside it stand `outline`, for
//! shells that complete names, and `reference`, for people.

mod check;
mod expand;
mod find;
mod graph;
mod layers;
mod order;
mod outline;
mod problem;
mod raw;
mod reference;
mod render;
mod resolve;
mod schema;
mod selection;
mod show;
mod source;
mod suggest;
mod tree;

use std::path::Path;
use std::sync::Arc;

pub use find::{FILE_NAME, NotFound, find};
pub use graph::{Direction, Graph};
pub use order::{Node, NodeKind, Order, OrderMode, order};
pub use outline::{Outline, OutlinedEnvironment, outline};
pub use problem::{Problem, Problems};
pub use reference::reference;
pub use resolve::VersionCheck;
pub(crate) use resolve::parse_duration;
pub use schema::schema;
pub use selection::{Selected, SelectedUnit, SelectionError, SelectionRequest, select};
pub use source::Span;

use crate::model::Project;
use crate::root_module::normalize;
use problem::Collector;
use source::Source;
use tree::Table;

/// A manifest without problems.
#[derive(Debug)]
pub struct Manifest {
    /// What it says, resolved.
    pub project: Project,
    /// What it says, as written: where each value came from.
    document: Table,
    source: Arc<Source>,
}

/// Reads a manifest and everything that it names on disk. `check_version` knows the grammar of
/// version constraints, which is `terraform`'s.
///
/// # Errors
/// All problems that it has.
pub fn load(path: &Path, check_version: VersionCheck) -> Result<Manifest, Problems> {
    let working_dir = std::env::current_dir().ok();
    load_from(path, working_dir.as_deref(), check_version)
}

/// Messages name files relative to `base`.
fn load_from(
    path: &Path,
    base: Option<&Path>,
    check_version: VersionCheck,
) -> Result<Manifest, Problems> {
    let path = match base {
        Some(base) => normalize(&base.join(path)),
        None => normalize(path),
    };
    let (text, unreadable) = match std::fs::read_to_string(&path) {
        Ok(text) => (text, None),
        Err(error) => (String::new(), Some(error.kind())),
    };
    let source = Arc::new(Source::new(&path, base, text));
    let mut problems = Collector::new(Arc::clone(&source));
    if let Some(reason) = unreadable {
        let summary = format!("cannot read the manifest `{}`: {reason}", source.name);
        problems.add(Problem::error(summary));
        return Err(problems.finish());
    }
    let Some(mut document) = tree::parse(&source.text, &mut problems) else {
        return Err(problems.finish());
    };
    check::check(&mut document, &mut problems);
    match resolve::project(&document, &path, check_version, &mut problems) {
        Some(project) => Ok(Manifest {
            project,
            document,
            source,
        }),
        None => Err(problems.finish()),
    }
}

#[cfg(test)]
mod testing;
