//! In which order selected units run.

use std::collections::VecDeque;

use super::graph::{Graph, reversed};
use crate::model::Project;

/// Which rules the order follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderMode {
    /// Commands that change things: explicit dependencies, and position among environments.
    Apply,
    /// The same, the other way round.
    Destroy,
    /// Commands that change nothing: a unit waits only for those whose outputs it takes.
    InputsOnly,
}

/// The order among selected units.
///
/// In a partial run the selected units stand to each other as they would in a full one: what lies
/// between them and is not selected is passed through, not waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Every selected unit once, and gates among them; each after all that it waits for.
    pub nodes: Vec<Node>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What happens at it.
    pub kind: NodeKind,
    /// Indices of the nodes that it waits for, all smaller than its own.
    pub after: Vec<usize>,
}

/// What happens at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// A unit runs: its index in the project.
    Unit(usize),
    /// Nothing; it stands for all that it waits for, so that M units that wait for N others take
    /// M + N edges and not M × N.
    Gate,
}

/// The order of the selected units of a project; see [`Graph::order`].
pub fn order(project: &Project, selected: &[usize], mode: OrderMode) -> Order {
    Graph::new(project).order(selected, mode)
}

impl Graph {
    /// The order of the selected units.
    ///
    /// In [`OrderMode::Apply`] an environment without `depends_on` waits for the nearest selected
    /// environment above it; one with `depends_on` waits for those that it names. Units wait for
    /// the siblings in their `depends_on` and for the units of their `inputs`.
    pub fn order(&self, selected: &[usize], mode: OrderMode) -> Order {
        let mut is_selected = vec![false; self.upstream().len()];
        for &unit in selected {
            is_selected[unit] = true;
        }
        let edges = match mode {
            OrderMode::Apply => self.with_position(&is_selected),
            OrderMode::Destroy => reversed(&self.with_position(&is_selected)),
            OrderMode::InputsOnly => self.direct_inputs(&is_selected),
        };
        condense(&edges, &is_selected)
    }

    /// Explicit edges, and those of position.
    fn with_position(&self, is_selected: &[bool]) -> Vec<Vec<usize>> {
        let mut edges = self.upstream().to_vec();
        let mut above = None;
        for (index, environment) in self.environments.iter().enumerate() {
            if environment.depends_on.is_none() {
                edges[self.start(index)].extend(above.map(|above| self.end(above)));
            }
            if environment.units.clone().any(|unit| is_selected[unit]) {
                above = Some(index);
            }
        }
        edges
    }

    /// Edges of `inputs` between selected units.
    fn direct_inputs(&self, is_selected: &[bool]) -> Vec<Vec<usize>> {
        let mut edges = vec![Vec::new(); is_selected.len()];
        for (index, unit) in self.units.iter().enumerate() {
            if is_selected[index] {
                edges[index].extend(unit.inputs.iter().filter(|&&input| is_selected[input]));
            }
        }
        edges
    }
}

/// Sorts the nodes and leaves out those that make nobody wait.
fn condense(edges: &[Vec<usize>], is_selected: &[bool]) -> Order {
    /// What stands for a node in the result.
    #[derive(Clone, Copy)]
    enum Place {
        Nothing,
        Node(usize),
    }
    let mut places = vec![Place::Nothing; edges.len()];
    let mut nodes = Vec::with_capacity(edges.len());
    for node in sorted(edges) {
        let mut after: Vec<usize> = edges[node]
            .iter()
            .filter_map(|&upstream| match places[upstream] {
                Place::Nothing => None,
                Place::Node(index) => Some(index),
            })
            .collect();
        after.sort_unstable();
        after.dedup();
        let kind = if is_selected[node] {
            NodeKind::Unit(node)
        } else {
            match after.as_slice() {
                [] => continue,
                [only] => {
                    places[node] = Place::Node(*only);
                    continue;
                }
                _ => NodeKind::Gate,
            }
        };
        places[node] = Place::Node(nodes.len());
        nodes.push(Node { kind, after });
    }
    Order { nodes }
}

/// Nodes so that each comes after those that it has edges to (Kahn's algorithm). A project has no
/// cycles: the manifest was refused otherwise.
fn sorted(edges: &[Vec<usize>]) -> Vec<usize> {
    let downstream = reversed(edges);
    let mut missing: Vec<usize> = edges.iter().map(Vec::len).collect();
    let mut ready: VecDeque<usize> = (0..edges.len())
        .filter(|&node| missing[node] == 0)
        .collect();
    let mut order = Vec::with_capacity(edges.len());
    while let Some(node) = ready.pop_front() {
        order.push(node);
        for &next in &downstream[node] {
            missing[next] -= 1;
            if missing[next] == 0 {
                ready.push_back(next);
            }
        }
    }
    debug_assert_eq!(order.len(), edges.len(), "a project has no cycles");
    order
}

#[cfg(test)]
mod tests;
