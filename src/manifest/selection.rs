//! Which units a command line means.

mod names;

use std::path::PathBuf;

use super::graph::{Direction, Graph};
use super::problem::list;
use crate::model::Project;
use names::Names;

/// What was typed.
#[derive(Debug, Clone, Default)]
pub struct SelectionRequest {
    /// `dev`, `prod/eks`, `*/network`.
    pub patterns: Vec<String>,
    /// `--all`
    pub all: bool,
    /// `--tag`: units of environments that carry one of them; with patterns, those of the patterns.
    pub tags: Vec<String>,
    /// `--exclude`: patterns of units to leave out, whatever selected them.
    pub exclude: Vec<String>,
    /// `--with-dependencies`
    pub with_dependencies: bool,
    /// `--with-dependents`
    pub with_dependents: bool,
    /// Where the command was typed: inside an environment, that environment is meant.
    pub working_dir: PathBuf,
}

/// The units that are meant; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// In manifest order.
    pub units: Vec<SelectedUnit>,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelectedUnit {
    /// Index in [`Project::units`].
    pub index: usize,
    /// Whether its environment was named, letter by letter: not by glob, tag, `--all`, the working
    /// directory or as a dependency. `destroy` takes protected environments in no other way.
    pub named: bool,
}

impl Selected {
    /// Indices in [`Project::units`], in manifest order.
    pub fn indices(&self) -> Vec<usize> {
        self.units.iter().map(|unit| unit.index).collect()
    }
}

/// Why no units could be selected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// Nothing was named, and the working directory is in no environment.
    #[error("no environment is named")]
    NothingNamed {
        /// The environments that there are.
        environments: Vec<String>,
    },
    /// `--all` together with patterns.
    #[error("`--all` and `{pattern}` exclude each other")]
    AllAndPattern {
        /// The first pattern.
        pattern: String,
    },
    /// A pattern that matches nothing.
    #[error("`{pattern}` {}", match flag { Some(flag) => format!("of `{flag}` matches nothing"), None => "matches no environment and no unit".to_owned() })]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// `--exclude`, where it was given with that.
        flag: Option<&'static str>,
        /// What to type instead.
        hint: String,
    },
    /// A tag that no environment carries.
    #[error("no environment has the tag `{tag}`")]
    NoTag {
        /// The tag.
        tag: String,
        /// What to type instead.
        hint: String,
    },
    /// A pattern that is not a glob.
    #[error("`{pattern}` is not a pattern: {reason}")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The working directory belongs to several units.
    #[error("several units use the folder `{}`", folder.display())]
    SharedFolder {
        /// The folder.
        folder: PathBuf,
        /// The units.
        units: Vec<String>,
    },
    /// Tags and exclusions left nothing.
    #[error("nothing is left of the selection after {after}")]
    NothingLeft {
        /// `--tag`, `--exclude`.
        after: &'static str,
    },
}

impl SelectionError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let of = |names: &[String]| list(names.iter().map(String::as_str), 20);
        match self {
            Self::NothingNamed { environments } => Some(format!(
                "name what is meant, or say `--all`; there are {}",
                of(environments)
            )),
            Self::AllAndPattern { .. } => Some("leave one of them out".to_owned()),
            Self::NoMatch { hint, .. } | Self::NoTag { hint, .. } => Some(hint.clone()),
            Self::SharedFolder { units, .. } => Some(format!("name the unit: {}", of(units))),
            Self::BadPattern { .. } => {
                Some("`*` stands for any part of a name, as in `*/network`".to_owned())
            }
            Self::NothingLeft { .. } => None,
        }
    }
}

/// Selects units.
///
/// # Errors
/// A pattern, a tag or an exclusion means nothing, or nothing is left.
pub fn select(project: &Project, request: &SelectionRequest) -> Result<Selected, SelectionError> {
    if let (true, Some(pattern)) = (request.all, request.patterns.first()) {
        let pattern = pattern.clone();
        return Err(SelectionError::AllAndPattern { pattern });
    }
    let names = Names::new(project);
    let count = project.units.len();
    let mut chosen = vec![false; count];
    let mut named = vec![false; count];
    for pattern in &request.patterns {
        let matched = names.matching(pattern, None)?;
        for index in matched.units {
            chosen[index] = true;
            named[index] |= matched.is_literal;
        }
    }
    if request.patterns.is_empty() {
        if request.all || !request.tags.is_empty() {
            chosen.fill(true);
        } else {
            for index in names.around(&request.working_dir)? {
                chosen[index] = true;
            }
        }
    }
    if !request.tags.is_empty() {
        names.check_tags(&request.tags)?;
        for (unit, chosen) in project.units.iter().zip(&mut chosen) {
            *chosen &= request.tags.iter().any(|tag| unit.tags.contains(tag));
        }
        at_least_one(&chosen, "`--tag`")?;
    }
    if request.with_dependencies || request.with_dependents {
        let graph = Graph::new(project);
        let units = indices(&chosen);
        for (wanted, direction) in [
            (request.with_dependencies, Direction::Upstream),
            (request.with_dependents, Direction::Downstream),
        ] {
            if wanted {
                let closure = graph.closure(&units, direction);
                chosen
                    .iter_mut()
                    .zip(closure)
                    .for_each(|(chosen, more)| *chosen |= more);
            }
        }
    }
    for pattern in &request.exclude {
        for index in names.matching(pattern, Some("--exclude"))?.units {
            chosen[index] = false;
        }
    }
    at_least_one(&chosen, "`--exclude`")?;
    let units = indices(&chosen)
        .into_iter()
        .map(|index| SelectedUnit {
            index,
            named: named[index],
        })
        .collect();
    Ok(Selected { units })
}

fn indices(chosen: &[bool]) -> Vec<usize> {
    (0..chosen.len()).filter(|&index| chosen[index]).collect()
}

fn at_least_one(chosen: &[bool], after: &'static str) -> Result<(), SelectionError> {
    if chosen.contains(&true) {
        Ok(())
    } else {
        Err(SelectionError::NothingLeft { after })
    }
}

#[cfg(test)]
mod tests;
