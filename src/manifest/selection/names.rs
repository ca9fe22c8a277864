//! What patterns, tags and folders mean in a project.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

use super::SelectionError;
use crate::manifest::problem::list;
use crate::manifest::suggest::nearest;
use crate::model::{Project, UnitId};

/// Names of a project, for look-ups.
pub(super) struct Names<'a> {
    project: &'a Project,
    /// The units of each environment, which are neighbours.
    environments: HashMap<&'a str, Range<usize>>,
}

/// What one pattern matched.
pub(super) struct Matched {
    pub(super) units: Vec<usize>,
    pub(super) is_literal: bool,
}

impl<'a> Names<'a> {
    pub(super) fn new(project: &'a Project) -> Self {
        let mut environments: HashMap<&str, Range<usize>> = HashMap::new();
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

    pub(super) fn matching(
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

    pub(super) fn check_tags(&self, tags: &[String]) -> Result<(), SelectionError> {
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
    pub(super) fn around(&self, working_dir: &Path) -> Result<Vec<usize>, SelectionError> {
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
