//! Units and environments that wait for each other.

use std::collections::{BTreeMap, HashMap, VecDeque};

use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

use super::references::{Edge, InputEdge};
use super::{EnvironmentDraft, UnitDraft};
use crate::manifest::graph::{EnvironmentNode, Graph, UnitNode};
use crate::manifest::problem::{Collector, Problem};
use crate::manifest::source::Span;

/// The edges of one unit: `depends_on` and `inputs`.
pub(super) type UnitEdges<'a> = (Vec<Edge<'a>>, BTreeMap<String, InputEdge<'a>>);

/// Reports each circle once, with all the places that make it one.
pub(super) fn check(
    environments: &[EnvironmentDraft<'_>],
    drafts: &[UnitDraft<'_>],
    environment_edges: &[Option<Vec<Edge<'_>>>],
    unit_edges: &[UnitEdges<'_>],
    problems: &mut Collector,
) {
    let check = Check {
        graph: graph(environments, drafts, environment_edges, unit_edges),
        environments,
        drafts,
        environment_edges,
        unit_edges,
    };
    // Circles among units first: in one that goes through environments they would get lost.
    let units = drafts.len();
    let among_units = check.circles(&|from, to| from < units && to < units);
    let mut in_circle = vec![false; units];
    for &unit in among_units.iter().flatten() {
        in_circle[unit] = true;
    }
    let others = check
        .circles(&|from, to| !(from < units && to < units && in_circle[from] && in_circle[to]));
    for circle in &among_units {
        problems.add(check.circle(circle, &|from, to| from < units && to < units));
    }
    for circle in &others {
        problems.add(check.circle(circle, &|_, _| true));
    }
    if among_units.is_empty() && others.is_empty() {
        check.positions(problems);
    }
}

fn graph(
    environments: &[EnvironmentDraft<'_>],
    drafts: &[UnitDraft<'_>],
    environment_edges: &[Option<Vec<Edge<'_>>>],
    unit_edges: &[UnitEdges<'_>],
) -> Graph {
    let environments = environments
        .iter()
        .zip(environment_edges)
        .map(|(environment, edges)| EnvironmentNode {
            units: environment.units.clone(),
            depends_on: edges
                .as_ref()
                .map(|edges| edges.iter().map(|edge| edge.to).collect()),
        })
        .collect();
    let units = drafts
        .iter()
        .zip(unit_edges)
        .map(|(draft, (depends_on, inputs))| UnitNode {
            environment: draft.environment,
            depends_on: depends_on.iter().map(|edge| edge.to).collect(),
            inputs: inputs.values().map(|input| input.edge.to).collect(),
        })
        .collect();
    Graph::from_parts(environments, units)
}

struct Check<'a> {
    graph: Graph,
    environments: &'a [EnvironmentDraft<'a>],
    drafts: &'a [UnitDraft<'a>],
    environment_edges: &'a [Option<Vec<Edge<'a>>>],
    unit_edges: &'a [UnitEdges<'a>],
}

/// One step of a circle that somebody wrote down.
struct Step<'a> {
    from: String,
    to: String,
    verb: &'static str,
    place: &'a Span,
}

impl<'a> Check<'a> {
    fn as_petgraph(&self, is_meant: &dyn Fn(usize, usize) -> bool) -> DiGraph<(), ()> {
        let edges = self.graph.upstream();
        let mut petgraph = DiGraph::with_capacity(edges.len(), edges.len());
        for _ in edges {
            petgraph.add_node(());
        }
        for (from, targets) in edges.iter().enumerate() {
            for &to in targets.iter().filter(|&&to| is_meant(from, to)) {
                petgraph.add_edge(NodeIndex::new(from), NodeIndex::new(to), ());
            }
        }
        petgraph
    }

    /// Sets of nodes that all reach each other, along some of the edges.
    fn circles(&self, is_meant: &dyn Fn(usize, usize) -> bool) -> Vec<Vec<usize>> {
        let petgraph = self.as_petgraph(is_meant);
        kosaraju_scc(&petgraph)
            .into_iter()
            .filter(|nodes| nodes.len() > 1 || petgraph.contains_edge(nodes[0], nodes[0]))
            .map(|nodes| nodes.into_iter().map(NodeIndex::index).collect())
            .collect()
    }

    /// Tells a shortest circle among nodes that all reach each other.
    fn circle(&self, nodes: &[usize], is_meant: &dyn Fn(usize, usize) -> bool) -> Problem {
        let path = self.shortest_circle(nodes, is_meant);
        let mut steps: Vec<Step<'_>> = path
            .iter()
            .zip(path.iter().cycle().skip(1))
            .filter_map(|(&from, &to)| self.step(from, to))
            .collect();
        // Begin with what stands first in the file.
        let first = (0..steps.len()).min_by_key(|&index| steps[index].place.start);
        steps.rotate_left(first.unwrap_or(0));
        let Some((first, others)) = steps.split_first() else {
            return Problem::error("units wait for each other");
        };
        let summary = match others {
            [] if first.from == first.to => format!("`{}` waits for itself", first.from),
            _ => {
                let mut names: Vec<String> = steps
                    .iter()
                    .map(|step| format!("`{}`", step.from))
                    .collect();
                names.push(format!("`{}`", first.from));
                format!("dependencies go in a circle: {}", names.join(" → "))
            }
        };
        let tell = |step: &Step<'_>| format!("`{}` {} `{}`", step.from, step.verb, step.to);
        let mut problem = Problem::error(summary).at(first.place).label(tell(first));
        for step in others {
            problem = problem.related(step.place, tell(step));
        }
        problem
    }

    /// Breadth first from one node back to itself, within the nodes of a circle.
    fn shortest_circle(
        &self,
        nodes: &[usize],
        is_meant: &dyn Fn(usize, usize) -> bool,
    ) -> Vec<usize> {
        let allowed: std::collections::HashSet<usize> = nodes.iter().copied().collect();
        let start = nodes.iter().copied().min().unwrap_or_default();
        let mut came_from: HashMap<usize, usize> = HashMap::new();
        let mut pending = VecDeque::from([start]);
        while let Some(node) = pending.pop_front() {
            let next = self.graph.upstream()[node].iter();
            for &next in next.filter(|&&next| is_meant(node, next)) {
                if next == start {
                    let mut path = vec![node];
                    let mut at = node;
                    while at != start {
                        at = came_from[&at];
                        path.push(at);
                    }
                    path.reverse();
                    return path;
                }
                if allowed.contains(&next) && !came_from.contains_key(&next) {
                    came_from.insert(next, node);
                    pending.push_back(next);
                }
            }
        }
        vec![start]
    }

    /// What somebody wrote to make one node wait for another; `None`: it follows from the layout.
    fn step(&self, from: usize, to: usize) -> Option<Step<'a>> {
        let units = self.drafts.len();
        let environment = self.graph.environment_of(to);
        if from >= units {
            let own = self.graph.environment_of(from);
            let edges = self.environment_edges[own].as_ref()?;
            let edge = edges
                .iter()
                .find(|edge| edge.to == environment && to >= units)?;
            return Some(Step {
                from: self.environments[own].name.to_string(),
                to: self.environments[environment].name.to_string(),
                verb: "waits for",
                place: edge.place,
            });
        }
        let (depends_on, inputs) = &self.unit_edges[from];
        let waits = depends_on.iter().map(|edge| (edge, "waits for"));
        let takes = inputs
            .values()
            .map(|input| (&input.edge, "takes an output of"));
        let (edge, verb) = waits.chain(takes).find(|(edge, _)| edge.to == to)?;
        Some(Step {
            from: self.drafts[from].id.to_string(),
            to: self.drafts[to].id.to_string(),
            verb,
            place: edge.place,
        })
    }

    /// An environment without `depends_on` waits for those above it, so that none of those may
    /// need it. This also makes every partial selection free of circles: a circle through position
    /// would have to come down again by an explicit dependency.
    fn positions(&self, problems: &mut Collector) {
        let Ok(sorted) = toposort(&self.as_petgraph(&|_, _| true), None) else {
            return;
        };
        // Edges point upstream, so that whatever needs a node comes before it.
        let mut highest: Vec<usize> = vec![usize::MAX; sorted.len()];
        for node in sorted {
            let node = node.index();
            for &downstream in &self.graph.downstream()[node] {
                let own = self.graph.environment_of(downstream);
                highest[node] = highest[node].min(highest[downstream]).min(own);
            }
        }
        for (index, environment) in self.environments.iter().enumerate() {
            let needed_by = environment.units.clone().map(|unit| highest[unit]).min();
            let Some(above) = needed_by.filter(|&above| above < index) else {
                continue;
            };
            if self.environment_edges[index].is_some() {
                continue;
            }
            let (name, above_name) = (&environment.name, &self.environments[above].name);
            let place = self.place_of_need(above, index);
            problems.add(
                Problem::error(format!("`{above_name}` needs `{name}`, which stands below it"))
                    .at(environment.key)
                    .label("has no `depends_on`, so it waits for those above it")
                    .related(
                        place.unwrap_or(self.environments[above].key),
                        format!("`{above_name}` needs it here"),
                    )
                    .hint(format!(
                        "move `[environments.{name}]` above `[environments.{above_name}]`, or give it `depends_on = []`"
                    )),
            );
        }
    }

    /// Where one environment says that it needs another, if it says so directly.
    fn place_of_need(&self, of: usize, on: usize) -> Option<&'a Span> {
        let edges = self.environment_edges[of].iter().flatten();
        let named = edges
            .filter(|edge| edge.to == on)
            .map(|edge| edge.place)
            .next();
        named.or_else(|| {
            let units = self.environments[of].units.clone();
            let mut inputs = units.flat_map(|unit| self.unit_edges[unit].1.values());
            inputs
                .find(|input| self.drafts[input.edge.to].environment == on)
                .map(|input| input.edge.place)
        })
    }
}
