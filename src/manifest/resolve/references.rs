//! `depends_on` and `inputs`: names of other units.

use std::collections::{BTreeMap, HashMap};

use super::{EnvironmentDraft, UnitDraft};
use crate::manifest::expand::{Scope, Slot, expand};
use crate::manifest::problem::{Collector, Problem};
use crate::manifest::source::Span;
use crate::manifest::suggest::did_you_mean;
use crate::manifest::tree::{Node, Table, Value};
use crate::model::{Input, UnitId};

/// Everything that can be referred to.
pub(super) struct Index<'a> {
    /// `[environments]` as it stands, with those that were refused.
    document: &'a Table,
    environments: &'a [EnvironmentDraft<'a>],
    drafts: &'a [UnitDraft<'a>],
    by_name: HashMap<&'a str, usize>,
    units: HashMap<&'a UnitId, usize>,
}

/// An edge of the graph, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Edge<'a> {
    /// Index of the unit or environment that is waited for.
    pub(super) to: usize,
    pub(super) place: &'a Span,
}

/// An output of another unit, as it stands in the manifest.
#[derive(Debug)]
pub(super) struct InputEdge<'a> {
    pub(super) input: Input,
    pub(super) key: &'a Span,
    pub(super) edge: Edge<'a>,
}

impl<'a> Index<'a> {
    pub(super) fn new(
        document: &'a Table,
        environments: &'a [EnvironmentDraft<'a>],
        drafts: &'a [UnitDraft<'a>],
    ) -> Self {
        Self {
            document,
            environments,
            drafts,
            by_name: environments
                .iter()
                .enumerate()
                .map(|(index, environment)| (environment.name.as_str(), index))
                .collect(),
            units: drafts
                .iter()
                .enumerate()
                .map(|(index, unit)| (&unit.id, index))
                .collect(),
        }
    }

    /// The environments in `depends_on` of an environment; `None`: it has none.
    pub(super) fn environment_depends_on(
        &self,
        environment: &EnvironmentDraft<'a>,
        problems: &mut Collector,
    ) -> Option<Vec<Edge<'a>>> {
        let items = strings(environment.table, "depends_on")?;
        let mut edges = Vec::new();
        for (name, place) in items {
            match self.by_name.get(name) {
                Some(&to) => edges.push(Edge { to, place }),
                None if self.document.contains_key(name) => {}
                None => {
                    let names = self.by_name.keys().copied();
                    let problem = Problem::error(format!("there is no environment `{name}`"));
                    problems.add(suggest(problem.at(place), name, names));
                }
            }
        }
        Some(edges)
    }

    /// The sibling stacks in `depends_on` of a stack.
    pub(super) fn stack_depends_on(
        &self,
        unit: &UnitDraft<'a>,
        problems: &mut Collector,
    ) -> Vec<Edge<'a>> {
        let Some(table) = unit.stack_table else {
            return Vec::new();
        };
        let mut edges = Vec::new();
        for (name, place) in strings(table, "depends_on").unwrap_or_default() {
            let environment = &self.environments[unit.environment];
            match self.stack(environment, name) {
                Some(to) => edges.push(Edge { to, place }),
                None if environment.has_broken_stack(name) => {}
                None => {
                    let problem =
                        Problem::error(format!("`{}` has no stack `{name}`", environment.name))
                            .at(place);
                    let own = &environment.name;
                    let problem = if self.by_name.contains_key(name) {
                        problem.hint(format!(
                            "`{name}` is an environment: put it into `depends_on` of `[environments.{own}]`"
                        ))
                    } else {
                        suggest(problem, name, environment.stack_names())
                    };
                    problems.add(problem);
                }
            }
        }
        edges
    }

    fn stack(&self, environment: &EnvironmentDraft<'a>, name: &str) -> Option<usize> {
        let id = UnitId {
            environment: environment.name.clone(),
            stack: Some(name.parse().ok()?),
        };
        self.units.get(&id).copied()
    }

    /// The inputs of a unit.
    pub(super) fn inputs(
        &self,
        unit: &UnitDraft<'a>,
        problems: &mut Collector,
    ) -> BTreeMap<String, InputEdge<'a>> {
        let mut inputs = BTreeMap::new();
        let table = unit
            .stack_table
            .unwrap_or(self.environments[unit.environment].table);
        let Some(Value::Table(entries)) = table.get("inputs").map(|entry| &entry.node.value) else {
            return inputs;
        };
        for (name, entry) in entries {
            let Value::String(text) = &entry.node.value else {
                continue;
            };
            match self.input(unit, text, &entry.node) {
                Ok((to, input)) => {
                    let edge = Edge {
                        to,
                        place: &entry.node.span,
                    };
                    let key = &entry.key;
                    inputs.insert(name.clone(), InputEdge { input, key, edge });
                }
                Err(Some(problem)) => problems.add(*problem),
                // It refers to something that is wrong itself, and has been reported.
                Err(None) => {}
            }
        }
        inputs
    }

    fn input(
        &self,
        unit: &UnitDraft<'a>,
        text: &str,
        node: &'a Node,
    ) -> Result<(usize, Input), Option<Box<Problem>>> {
        let wrong = |summary: String| Problem::error(summary).at(&node.span);
        let scope = Scope {
            environment: unit.id.environment.as_str(),
            stack: unit.id.stack.as_ref().map(AsRef::as_ref),
            account_id: Slot::Missing,
            region: Slot::Missing,
        };
        let text = expand(text, &scope).map_err(|error| {
            let explanation = error.explain()?;
            let mut problem = wrong(explanation.summary).maybe_hint(explanation.hint);
            problem.label = explanation.label;
            Some(Box::new(problem))
        })?;
        let Some((name, output)) = text.split_once('.') else {
            return Err(some(
                wrong(format!("`{text}` does not name an output")).hint(
                    "write `STACK.OUTPUT`, `ENVIRONMENT.OUTPUT` or `ENVIRONMENT/STACK.OUTPUT`",
                ),
            ));
        };
        if !is_identifier(output) {
            return Err(some(
                wrong(format!("`{output}` is not the name of an output")).hint(
                    "an output is passed whole: take the part that is needed inside the root module",
                ),
            ));
        }
        let to = self.input_unit(unit, name, &wrong)?;
        let own = &unit.id;
        let id = &self.drafts[to].id;
        if id == own {
            return Err(some(
                wrong(format!("`{own}` takes an input from itself"))
                    .hint("inputs are outputs of other units"),
            ));
        }
        let input = Input {
            unit: id.clone(),
            output: output.to_owned(),
        };
        Ok((to, input))
    }

    /// The unit that `NAME` or `ENVIRONMENT/STACK` means.
    fn input_unit(
        &self,
        unit: &UnitDraft<'a>,
        name: &str,
        wrong: &dyn Fn(String) -> Problem,
    ) -> Result<usize, Option<Box<Problem>>> {
        let own = &self.environments[unit.environment];
        if let Some((environment, stack)) = name.split_once('/') {
            let Some(&index) = self.by_name.get(environment) else {
                if self.document.contains_key(environment) {
                    return Err(None);
                }
                let problem = wrong(format!("there is no environment `{environment}`"));
                let names = self.by_name.keys().copied();
                return Err(some(suggest(problem, environment, names)));
            };
            let environment = &self.environments[index];
            return self.stack(environment, stack).ok_or_else(|| {
                if environment.has_broken_stack(stack) {
                    return None;
                }
                let problem = wrong(format!("`{}` has no stack `{stack}`", environment.name));
                some(suggest(problem, stack, environment.stack_names()))
            });
        }
        if let Some(sibling) = self.stack(own, name) {
            return Ok(sibling);
        }
        let Some(&index) = self.by_name.get(name) else {
            if self.document.contains_key(name) || own.has_broken_stack(name) {
                return Err(None);
            }
            let what = if own.has_stacks {
                format!(
                    "`{}` has no stack `{name}`, and there is no environment of this name",
                    own.name
                )
            } else {
                format!("there is no environment `{name}`")
            };
            let names = own.stack_names().chain(self.by_name.keys().copied());
            return Err(some(suggest(wrong(what), name, names)));
        };
        let environment = &self.environments[index];
        if environment.has_stacks {
            let first = environment.stack_names().next().unwrap_or("STACK");
            return Err(some(
                wrong(format!(
                    "`{name}` has stacks, and outputs belong to one of them"
                ))
                .hint(format!("write `{name}/{first}.OUTPUT`")),
            ));
        }
        Ok(environment.units.start)
    }
}

/// Adds what was probably meant.
fn suggest<'n>(mut problem: Problem, name: &str, known: impl Iterator<Item = &'n str>) -> Problem {
    problem.label = did_you_mean(name, known);
    problem
}

/// A problem to report; `None` in its place is one that has been reported.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the error type of every look-up here"
)]
fn some(problem: Problem) -> Option<Box<Problem>> {
    Some(Box::new(problem))
}

/// The strings of an array, with their places; what is wrong among them has been reported.
fn strings<'a>(table: &'a Table, key: &str) -> Option<Vec<(&'a str, &'a Span)>> {
    let items = table.get(key)?.node.value.as_array()?;
    Some(
        items
            .iter()
            .filter_map(|item| Some((item.value.as_str()?, &item.span)))
            .collect(),
    )
}

/// Terraform's identifiers: a letter or `_`, then letters, digits, `_` and `-`.
fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
}
