//! Which units a command line means.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::graph::{Direction, Graph};
use super::problem::list;
use super::suggest::nearest;
use crate::model::{Project, UnitId};

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

/// Names of a project, for look-ups.
struct Names<'a> {
    project: &'a Project,
    /// The units of each environment, which are neighbours.
    environments: HashMap<&'a str, std::ops::Range<usize>>,
}

/// What one pattern matched.
struct Matched {
    units: Vec<usize>,
    is_literal: bool,
}

impl<'a> Names<'a> {
    fn new(project: &'a Project) -> Self {
        let mut environments: HashMap<&str, std::ops::Range<usize>> = HashMap::new();
        for (index, unit) in project.units.iter().enumerate() {
            let range = environments
                .entry(unit.id.environment.as_str())
                .or_insert(index..index);
            range.end = index + 1;
        }
        Self {
            project,
            environments,
        }
    }

    fn matching(
        &self,
        pattern: &str,
        flag: Option<&'static str>,
    ) -> Result<Matched, SelectionError> {
        // Shells complete folders with a slash.
        let text = pattern.strip_suffix('/').unwrap_or(pattern);
        let (environment, stack) = match text.split_once('/') {
            Some((environment, stack)) => (environment, Some(stack)),
            None => (text, None),
        };
        let is_literal = !is_glob(environment);
        let units: Vec<usize> = if !is_glob(text) {
            let units = self
                .environments
                .get(environment)
                .cloned()
                .unwrap_or_default();
            units
                .filter(|&index| stack.is_none_or(|stack| self.is_stack(index, stack)))
                .collect()
        } else if stack.is_none() {
            let glob = glob(text)?;
            self.all(|id| glob.is_match(id.environment.as_str()))
        } else {
            let glob = glob(text)?;
            self.all(|id| id.stack.is_some() && glob.is_match(id.to_string()))
        };
        if units.is_empty() {
            return Err(SelectionError::NoMatch {
                pattern: pattern.to_owned(),
                flag,
                hint: self.hint(environment, stack),
            });
        }
        Ok(Matched { units, is_literal })
    }

    fn is_stack(&self, index: usize, stack: &str) -> bool {
        let own = self.project.units[index].id.stack.as_ref();
        own.is_some_and(|own| own.as_str() == stack)
    }

    fn all(&self, is_meant: impl Fn(&UnitId) -> bool) -> Vec<usize> {
        let units = self.project.units.iter().enumerate();
        units
            .filter(|(_, unit)| is_meant(&unit.id))
            .map(|(index, _)| index)
            .collect()
    }

    /// What was probably meant, or what there is.
    fn hint(&self, environment: &str, stack: Option<&str>) -> String {
        let project = self.project;
        let environments: Vec<&str> = project
            .environments
            .iter()
            .map(|environment| environment.name.as_str())
            .collect();
        if is_glob(environment) {
            return match stack {
                Some(_) => format!("`{environment}/…` matches stacks; `*` does not cross `/`"),
                None => format!(
                    "the environments are {}",
                    list(environments.into_iter(), 20)
                ),
            };
        }
        let Some(units) = self.environments.get(environment) else {
            if let Some(found) = nearest(environment, environments.iter().copied()) {
                return match stack {
                    Some(stack) => format!("did you mean `{found}/{stack}`?"),
                    None => format!("did you mean `{found}`?"),
                };
            }
            let mut stacks = project.units.iter().filter(|unit| {
                unit.id
                    .stack
                    .as_ref()
                    .is_some_and(|stack| stack.as_str() == environment)
            });
            return match stacks.next() {
                Some(unit) => format!(
                    "`{environment}` is a stack: write `{}` or `*/{environment}`",
                    unit.id
                ),
                None => format!(
                    "the environments are {}",
                    list(environments.into_iter(), 20)
                ),
            };
        };
        let stacks: Vec<&str> = project.units[units.clone()]
            .iter()
            .filter_map(|unit| unit.id.stack.as_ref().map(AsRef::as_ref))
            .collect();
        if stacks.is_empty() {
            return format!("`{environment}` has no stacks: write `{environment}`");
        }
        match stack.and_then(|stack| nearest(stack, stacks.iter().copied())) {
            Some(found) => format!("did you mean `{environment}/{found}`?"),
            None => format!(
                "the stacks of `{environment}` are {}",
                list(stacks.into_iter(), 20)
            ),
        }
    }

    fn check_tags(&self, tags: &[String]) -> Result<(), SelectionError> {
        let known = || {
            let environments = self.project.environments.iter();
            environments.flat_map(|environment| environment.tags.iter().map(String::as_str))
        };
        for tag in tags {
            if known().any(|known| known == tag) {
                continue;
            }
            let mut names: Vec<&str> = known().collect();
            names.sort_unstable();
            names.dedup();
            let hint = match nearest(tag, names.iter().copied()) {
                Some(found) => format!("did you mean `{found}`?"),
                None if names.is_empty() => {
                    "no environment has tags: add `tags = [\"…\"]` to it".to_owned()
                }
                None => format!("the tags are {}", list(names.into_iter(), 20)),
            };
            return Err(SelectionError::NoTag {
                tag: tag.clone(),
                hint,
            });
        }
        Ok(())
    }

    /// The unit or the environment that a folder lies in; the innermost one counts.
    fn around(&self, working_dir: &Path) -> Result<Vec<usize>, SelectionError> {
        let depth = |folder: &Path| {
            working_dir
                .starts_with(folder)
                .then(|| folder.components().count())
        };
        let units = self.project.units.iter().map(|unit| unit.folder.as_path());
        let environments = self
            .project
            .environments
            .iter()
            .map(|environment| environment.folder.as_path());
        let (of_unit, of_environment) = (
            units.filter_map(depth).max(),
            environments.filter_map(depth).max(),
        );
        if of_unit.is_none() && of_environment.is_none() {
            let names = self.project.environments.iter();
            return Err(SelectionError::NothingNamed {
                environments: names
                    .map(|environment| environment.name.to_string())
                    .collect(),
            });
        }
        if of_unit >= of_environment {
            let is_innermost = |index: &usize| depth(&self.project.units[*index].folder) == of_unit;
            let units: Vec<usize> = (0..self.project.units.len()).filter(is_innermost).collect();
            return self.only_one(&units).map(|()| units);
        }
        let environments: Vec<&str> = self
            .project
            .environments
            .iter()
            .filter(|environment| depth(&environment.folder) == of_environment)
            .map(|environment| environment.name.as_str())
            .collect();
        let units = environments
            .iter()
            .filter_map(|name| self.environments.get(name).cloned());
        let units: Vec<usize> = units.flatten().collect();
        match environments.as_slice() {
            [_] => Ok(units),
            _ => self.only_one(&units).map(|()| units),
        }
    }

    fn only_one(&self, units: &[usize]) -> Result<(), SelectionError> {
        match units {
            [] | [_] => Ok(()),
            [first, ..] => Err(SelectionError::SharedFolder {
                folder: self.project.units[*first].folder.clone(),
                units: units
                    .iter()
                    .map(|&unit| self.project.units[unit].id.to_string())
                    .collect(),
            }),
        }
    }
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '[', ']', '{', '}', '!'])
}

fn glob(pattern: &str) -> Result<GlobMatcher, SelectionError> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher())
        .map_err(|error| SelectionError::BadPattern {
            pattern: pattern.to_owned(),
            reason: error.kind().to_string(),
        })
}

#[cfg(test)]
mod tests;
