use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::*;
use crate::manifest::testing::abstract_project;

/// For each selected unit the units that it waits for, directly or through gates and others:
/// `unit < upstream upstream`.
fn waits(project: &Project, selected: &[&str], mode: OrderMode) -> Vec<String> {
    let name = |unit: usize| project.units[unit].id.to_string();
    let indices: Vec<usize> = (0..project.units.len())
        .filter(|&unit| selected.is_empty() || selected.contains(&name(unit).as_str()))
        .collect();
    let order = order(project, &indices, mode);
    let mut upstream: Vec<BTreeSet<usize>> = Vec::new();
    let mut lines = Vec::new();
    for (index, node) in order.nodes.iter().enumerate() {
        let mut all = BTreeSet::new();
        for &after in &node.after {
            assert!(after < index, "a node stands after those that it waits for");
            all.extend(upstream[after].iter().copied());
            if let NodeKind::Unit(unit) = order.nodes[after].kind {
                all.insert(unit);
            }
        }
        if let NodeKind::Unit(unit) = node.kind {
            let names: Vec<String> = all.iter().map(|&unit| name(unit)).collect();
            lines.push((
                unit,
                format!("{} < {}", name(unit), names.join(" "))
                    .trim_end()
                    .to_owned(),
            ));
        }
        upstream.push(all);
    }
    lines.sort_unstable();
    assert_eq!(
        lines.len(),
        indices.len(),
        "every selected unit stands in it once"
    );
    lines.into_iter().map(|(_, line)| line).collect()
}

const CHAIN: &str = "
    [environments.a]
    [environments.b.stacks.x]
    [environments.b.stacks.y]
    depends_on = ['x']
    [environments.free]
    depends_on = []
    [environments.c]
    [environments.d]
    depends_on = ['b']";

#[test]
fn environments_run_by_position_unless_they_say_otherwise() {
    let project = abstract_project(CHAIN);
    assert_eq!(
        waits(&project, &[], OrderMode::Apply),
        [
            "a <",
            "b/x < a",
            "b/y < a b/x",
            "free <",
            "c < free",
            "d < a b/x b/y"
        ]
    );
}

#[test]
fn destroy_is_apply_the_other_way_round() {
    let project = abstract_project(CHAIN);
    assert_eq!(
        waits(&project, &[], OrderMode::Destroy),
        [
            "a < b/x b/y d",
            "b/x < b/y d",
            "b/y < d",
            "free < c",
            "c <",
            "d <"
        ]
    );
}

#[test]
fn only_selected_units_wait_for_each_other() {
    let project = abstract_project(CHAIN);
    let waits = |selected: &[&str]| waits(&project, selected, OrderMode::Apply);
    assert_eq!(
        waits(&["a", "c"]),
        ["a <", "c < a"],
        "the nearest selected one above"
    );
    assert_eq!(
        waits(&["a", "d"]),
        ["a <", "d < a"],
        "through `b`, which is not selected"
    );
    assert_eq!(waits(&["b/y", "d"]), ["b/y <", "d < b/y"]);
    assert_eq!(waits(&["free", "d"]), ["free <", "d <"]);
    assert_eq!(waits(&["c"]), ["c <"]);
}

#[test]
fn stacks_wait_through_those_that_are_not_selected() {
    let project = abstract_project(
        "[environments.a.stacks.x]
         [environments.a.stacks.y]
         depends_on = ['x']
         [environments.a.stacks.z]
         inputs = { v = 'y.v' }
         [environments.a.stacks.lone]",
    );
    assert_eq!(
        waits(&project, &["a/x", "a/z", "a/lone"], OrderMode::Apply),
        ["a/x <", "a/z < a/x", "a/lone <"]
    );
    assert_eq!(
        waits(&project, &[], OrderMode::InputsOnly),
        ["a/x <", "a/y <", "a/z < a/y", "a/lone <"],
        "what changes nothing waits for outputs alone"
    );
    assert_eq!(
        waits(&project, &["a/x", "a/z"], OrderMode::InputsOnly),
        ["a/x <", "a/z <"]
    );
}

#[test]
fn inputs_cross_environments() {
    let project = abstract_project(
        "[environments.z]
         depends_on = []
         inputs = { v = 'y.v' }
         [environments.y]
         depends_on = []",
    );
    assert_eq!(waits(&project, &[], OrderMode::Apply), ["z < y", "y <"]);
    assert_eq!(waits(&project, &[], OrderMode::Destroy), ["z <", "y < z"]);
}

#[test]
fn thousands_of_units_take_few_edges() {
    let stacks = 100;
    let mut manifest = String::new();
    for environment in 0..20 {
        for stack in 0..stacks {
            writeln!(manifest, "[environments.e{environment}.stacks.s{stack}]").expect("written");
        }
    }
    let project = abstract_project(&manifest);
    let all: Vec<usize> = (0..project.units.len()).collect();
    let order = order(&project, &all, OrderMode::Apply);
    let edges: usize = order.nodes.iter().map(|node| node.after.len()).sum();
    assert!(
        order.nodes.len() <= 2 * all.len() && edges <= 3 * all.len(),
        "{edges} edges"
    );
}
