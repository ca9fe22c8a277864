//! From the manifest's order to a schedule of the selected units.

use std::collections::HashMap;

use super::schedule::Plan;
use crate::manifest::{self, NodeKind, OrderMode};
use crate::runner::{Node, Schedule};
use crate::stage::Context;

/// The schedule of the selected units; positions are those in `ctx.selected`.
pub(super) fn plan(ctx: &Context, mode: OrderMode) -> Plan {
    let order = manifest::order(&ctx.project, &ctx.selected, mode);
    let positions: HashMap<usize, usize> = ctx.selected.iter().copied().zip(0..).collect();
    let units: Vec<Option<usize>> = order
        .nodes
        .iter()
        .map(|node| match node.kind {
            NodeKind::Unit(index) => positions.get(&index).copied(),
            NodeKind::Gate => None,
        })
        .collect();
    let nodes = order
        .nodes
        .into_iter()
        .zip(&units)
        .map(|(node, unit)| Node {
            after: node.after,
            gate: unit.is_none(),
        })
        .collect();
    Plan {
        schedule: Schedule {
            nodes,
            limit: ctx.parallelism,
            fail_fast: ctx.fail_fast,
        },
        units,
    }
}

/// The selected units without any order among them: commands in which none needs another.
pub(super) fn unordered(ctx: &Context) -> Plan {
    let units: Vec<Option<usize>> = (0..ctx.selected.len()).map(Some).collect();
    let nodes = units.iter().map(|_| Node::default()).collect();
    Plan {
        schedule: Schedule {
            nodes,
            limit: ctx.parallelism,
            fail_fast: ctx.fail_fast,
        },
        units,
    }
}

/// For each position the positions that it waits for, with the gates taken out.
pub(super) fn upstreams(plan: &Plan, positions: usize) -> Vec<Vec<usize>> {
    let mut upstreams = vec![Vec::new(); positions];
    for (node, position) in plan.units.iter().enumerate() {
        let Some(position) = *position else { continue };
        let mut pending = plan.schedule.nodes[node].after.clone();
        let mut seen = vec![false; plan.units.len()];
        while let Some(upstream) = pending.pop() {
            if std::mem::replace(&mut seen[upstream], true) {
                continue;
            }
            match plan.units[upstream] {
                Some(position_of_upstream) => upstreams[position].push(position_of_upstream),
                None => pending.extend(&plan.schedule.nodes[upstream].after),
            }
        }
    }
    upstreams
}
