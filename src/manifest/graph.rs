//! Which unit needs which, for thousands of units in linear time.
//!
//! An environment that depends on another makes every unit of the one wait for every unit of the
//! other. Drawn as edges between units that would be quadratic, so each environment has two nodes
//! of its own: its *start*, which all its units come after, and its *end*, which comes after all of
//! them.

use std::collections::HashMap;
use std::ops::Range;

use crate::model::{Dependencies, Project, UnitId};

/// The explicit dependencies of a project: `depends_on` and `inputs`. Position is not among them.
#[derive(Debug, Clone)]
pub struct Graph {
    pub(super) environments: Vec<EnvironmentNode>,
    pub(super) units: Vec<UnitNode>,
    /// For each node, the nodes that it comes after.
    upstream: Vec<Vec<usize>>,
    /// For each node, the nodes that come after it.
    downstream: Vec<Vec<usize>>,
}

/// An environment in the graph.
#[derive(Debug, Clone)]
pub(super) struct EnvironmentNode {
    /// Its units.
    pub(super) units: Range<usize>,
    /// The environments that it depends on; `None`: position alone.
    pub(super) depends_on: Option<Vec<usize>>,
}

/// A unit in the graph.
#[derive(Debug, Clone)]
pub(super) struct UnitNode {
    pub(super) environment: usize,
    /// Siblings that it depends on.
    pub(super) depends_on: Vec<usize>,
    /// Units whose outputs it takes.
    pub(super) inputs: Vec<usize>,
}

/// Which way to follow dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To what a unit needs.
    Upstream,
    /// To what needs a unit.
    Downstream,
}

impl Graph {
    /// The dependencies of a project.
    pub fn new(project: &Project) -> Self {
        let by_unit: HashMap<&UnitId, usize> = project
            .units
            .iter()
            .enumerate()
            .map(|(index, unit)| (&unit.id, index))
            .collect();
        let by_name: HashMap<_, usize> = project
            .environments
            .iter()
            .enumerate()
            .map(|(index, environment)| (&environment.name, index))
            .collect();
        let mut first = 0;
        let environments: Vec<EnvironmentNode> = project
            .environments
            .iter()
            .map(|environment| {
                let own = project.units[first..]
                    .iter()
                    .take_while(|unit| unit.id.environment == environment.name)
                    .count();
                first += own;
                EnvironmentNode {
                    units: first - own..first,
                    depends_on: match &environment.depends_on {
                        Dependencies::Position => None,
                        Dependencies::Explicit(names) => Some(
                            names
                                .iter()
                                .filter_map(|name| by_name.get(name).copied())
                                .collect(),
                        ),
                    },
                }
            })
            .collect();
        let units = project
            .units
            .iter()
            .map(|unit| {
                let index = |id| by_unit.get(id).copied();
                UnitNode {
                    environment: by_name
                        .get(&unit.id.environment)
                        .copied()
                        .unwrap_or_default(),
                    depends_on: unit.depends_on.iter().filter_map(index).collect(),
                    inputs: unit
                        .inputs
                        .values()
                        .filter_map(|input| index(&input.unit))
                        .collect(),
                }
            })
            .collect();
        Self::from_parts(environments, units)
    }

    pub(super) fn from_parts(environments: Vec<EnvironmentNode>, units: Vec<UnitNode>) -> Self {
        let mut graph = Self {
            environments,
            units,
            upstream: Vec::new(),
            downstream: Vec::new(),
        };
        let mut upstream = vec![Vec::new(); graph.units.len() + 2 * graph.environments.len()];
        for (index, environment) in graph.environments.iter().enumerate() {
            upstream[graph.start(index)].extend(
                environment
                    .depends_on
                    .iter()
                    .flatten()
                    .map(|&on| graph.end(on)),
            );
            upstream[graph.end(index)].extend(environment.units.clone());
        }
        for (index, unit) in graph.units.iter().enumerate() {
            upstream[index].push(graph.start(unit.environment));
            upstream[index].extend(&unit.depends_on);
            upstream[index].extend(&unit.inputs);
        }
        graph.downstream = reversed(&upstream);
        graph.upstream = upstream;
        graph
    }

    /// The node that all units of an environment come after.
    pub(super) fn start(&self, environment: usize) -> usize {
        self.units.len() + 2 * environment
    }

    /// The node that comes after all units of an environment.
    pub(super) fn end(&self, environment: usize) -> usize {
        self.start(environment) + 1
    }

    /// For each node, the nodes that it comes after. Units come first, by index.
    pub(super) fn upstream(&self) -> &[Vec<usize>] {
        &self.upstream
    }

    /// For each node, the nodes that come after it.
    pub(super) fn downstream(&self) -> &[Vec<usize>] {
        &self.downstream
    }

    /// The environment of a node.
    pub(super) fn environment_of(&self, node: usize) -> usize {
        match node.checked_sub(self.units.len()) {
            Some(of_environment) => of_environment / 2,
            None => self.units[node].environment,
        }
    }

    /// The units that a unit needs directly: all units of the environments that its own environment
    /// depends on, the siblings in its `depends_on`, and the units of its `inputs`.
    pub fn explicit_upstreams(&self, unit: usize) -> Vec<usize> {
        self.neighbours(unit, &self.upstream)
    }

    /// The units that need a unit directly.
    pub fn explicit_downstreams(&self, unit: usize) -> Vec<usize> {
        self.neighbours(unit, &self.downstream)
    }

    /// The units of which a unit takes outputs.
    pub fn inputs(&self, unit: usize) -> &[usize] {
        &self.units[unit].inputs
    }

    /// Units next to a unit, seen through the nodes of environments.
    fn neighbours(&self, unit: usize, edges: &[Vec<usize>]) -> Vec<usize> {
        let mut found = Vec::new();
        let mut pending = edges[unit].clone();
        while let Some(node) = pending.pop() {
            if node < self.units.len() {
                found.push(node);
            } else {
                pending.extend(&edges[node]);
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The given units and everything that they need, or that needs them; for each unit whether it
    /// is among them.
    pub fn closure(&self, units: &[usize], direction: Direction) -> Vec<bool> {
        let edges = match direction {
            Direction::Upstream => &self.upstream,
            Direction::Downstream => &self.downstream,
        };
        let mut seen = vec![false; edges.len()];
        let mut pending = units.to_vec();
        while let Some(node) = pending.pop() {
            if !std::mem::replace(&mut seen[node], true) {
                pending.extend(&edges[node]);
            }
        }
        seen.truncate(self.units.len());
        seen
    }
}

/// The same edges the other way round.
pub(super) fn reversed(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut result = vec![Vec::new(); edges.len()];
    for (from, targets) in edges.iter().enumerate() {
        for &to in targets {
            result[to].push(from);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::testing::abstract_project;

    const MANIFEST: &str = "
        [environments.dns]
        [environments.dev.stacks.network]
        [environments.dev.stacks.app]
        depends_on = ['network']
        [environments.prod]
        depends_on = ['dev']
        [environments.prod.stacks.network]
        inputs = { zone = 'dns.zone' }
        [environments.prod.stacks.app]
        inputs = { vpc = 'network.vpc' }
        [environments.last]";

    fn names(project: &Project, units: &[usize]) -> Vec<String> {
        units
            .iter()
            .map(|&unit| project.units[unit].id.to_string())
            .collect()
    }

    fn index(project: &Project, name: &str) -> usize {
        let mut units = project.units.iter();
        units
            .position(|unit| unit.id.to_string() == name)
            .expect("a unit")
    }

    #[test]
    fn direct_neighbours_are_units() {
        let project = abstract_project(MANIFEST);
        let graph = Graph::new(&project);
        let up = |name| names(&project, &graph.explicit_upstreams(index(&project, name)));
        let down = |name| names(&project, &graph.explicit_downstreams(index(&project, name)));
        assert_eq!(up("dev/app"), ["dev/network"]);
        assert_eq!(up("prod/network"), ["dns", "dev/network", "dev/app"]);
        assert_eq!(up("prod/app"), ["dev/network", "dev/app", "prod/network"]);
        assert_eq!(up("last"), Vec::<String>::new(), "position is order only");
        assert_eq!(down("dns"), ["prod/network"]);
        assert_eq!(down("dev/network"), ["dev/app", "prod/network", "prod/app"]);
        assert_eq!(
            names(&project, graph.inputs(index(&project, "prod/app"))),
            ["prod/network"]
        );
    }

    #[test]
    fn closures_are_transitive() {
        let project = abstract_project(MANIFEST);
        let graph = Graph::new(&project);
        let closure = |name, direction| {
            let inside = graph.closure(&[index(&project, name)], direction);
            let units: Vec<usize> = (0..inside.len()).filter(|&unit| inside[unit]).collect();
            names(&project, &units)
        };
        assert_eq!(
            closure("prod/app", Direction::Upstream),
            ["dns", "dev/network", "dev/app", "prod/network", "prod/app"]
        );
        assert_eq!(
            closure("dns", Direction::Downstream),
            ["dns", "prod/network", "prod/app"]
        );
        assert_eq!(closure("last", Direction::Upstream), ["last"]);
    }
}
