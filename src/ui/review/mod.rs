//! What the plans of several units change, resource by resource, each change once.
//!
//! Environments are meant to be alike, and reviewing forty times the same plan hides the one that
//! differs. So plans are laid over each other: units that stand in the same place of their
//! environment (the same stack, or the environment itself) are compared, and a change that is the
//! same in several (same action, same address, same attributes from and to) is told once, with the
//! names of its environments. What only one environment has stands out.
//!
//! Two values are not compared, since no two environments have them in common: what an attribute
//! was that becomes `(known after apply)`, and the id of an object that goes.

mod render;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::model::{AttributeChange, EnvironmentName, ResourceChange, StackName, UnitId};

pub(super) use render::render;

/// Variants of one resource's change are told one after the other where most environments have the
/// same and so few differ from it; else attribute by attribute.
const FEW_VARIANTS: usize = 3;

/// A unit's plan, as it was told.
#[derive(Debug, Clone)]
pub(super) struct UnitPlan {
    pub(super) unit: UnitId,
    pub(super) resources: Vec<ResourceChange>,
    pub(super) outputs: Vec<String>,
    /// Terraform's own words.
    pub(super) text: Option<String>,
}

/// Plans of units that stand in the same place of their environments.
#[derive(Debug, PartialEq, Eq)]
struct Section {
    stack: Option<StackName>,
    environments: Vec<EnvironmentName>,
    items: Vec<Item>,
}

/// One thing that changes. Environments are positions in the section's list.
#[derive(Debug, PartialEq, Eq)]
enum Item {
    /// A resource that changes alike in these environments.
    Same {
        resource: ResourceChange,
        /// What each attribute was, where that is not compared and differs.
        before: HashMap<String, Vec<(usize, String)>>,
        environments: Vec<usize>,
    },
    /// A resource that environments change alike but for some attributes: a name, a network.
    Various {
        resource: ResourceChange,
        /// For each attribute its variants, and the environments of each.
        attributes: Vec<Vec<(AttributeChange, Vec<usize>)>>,
        environments: Vec<usize>,
    },
    /// A root output.
    Output {
        output: String,
        environments: Vec<usize>,
    },
}

/// Lays plans over each other. Units keep the order in which they are given.
fn sections(plans: &[UnitPlan]) -> Vec<Section> {
    let mut stacks: Vec<Option<&StackName>> = Vec::new();
    for plan in plans {
        let stack = plan.unit.stack.as_ref();
        if !stacks.contains(&stack) {
            stacks.push(stack);
        }
    }
    let sections = stacks.into_iter().map(|stack| {
        let plans: Vec<&UnitPlan> = plans
            .iter()
            .filter(|plan| plan.unit.stack.as_ref() == stack)
            .collect();
        section(stack, &plans)
    });
    sections
        .filter(|section| !section.items.is_empty())
        .collect()
}

fn section(stack: Option<&StackName>, plans: &[&UnitPlan]) -> Section {
    let mut addresses: Vec<&str> = Vec::new();
    let mut found: HashMap<&str, Vec<(usize, &ResourceChange)>> = HashMap::new();
    let mut outputs: Vec<(&str, Vec<usize>)> = Vec::new();
    for (environment, plan) in plans.iter().enumerate() {
        for resource in &plan.resources {
            let changes = found.entry(&resource.address).or_insert_with(|| {
                addresses.push(&resource.address);
                Vec::new()
            });
            changes.push((environment, resource));
        }
        for output in &plan.outputs {
            match outputs.iter_mut().find(|(name, _)| *name == output) {
                Some((_, environments)) => environments.push(environment),
                None => outputs.push((output, vec![environment])),
            }
        }
    }
    let mut items: Vec<Item> = addresses
        .iter()
        .flat_map(|address| variants(&found[address]))
        .collect();
    items.extend(
        outputs
            .into_iter()
            .map(|(output, environments)| Item::Output {
                output: output.to_owned(),
                environments,
            }),
    );
    Section {
        stack: stack.cloned(),
        environments: plans
            .iter()
            .map(|plan| plan.unit.environment.clone())
            .collect(),
        items,
    }
}

/// The changes of one address, put together where they are the same.
fn variants(changes: &[(usize, &ResourceChange)]) -> Vec<Item> {
    let mut actions: Vec<Vec<(usize, &ResourceChange)>> = Vec::new();
    for &change in changes {
        let alike = |group: &&mut Vec<(usize, &ResourceChange)>| {
            let (_, first) = group[0];
            first.actions == change.1.actions && first.notes == change.1.notes
        };
        match actions.iter_mut().find(alike) {
            Some(group) => group.push(change),
            None => actions.push(vec![change]),
        }
    }
    // What most have comes first; what stands out, after it.
    actions.sort_by_key(|group| Reverse(group.len()));
    let items = actions.iter().flat_map(|changes| {
        let groups = equal(changes);
        let is_rule = groups[0].len() * 2 > changes.len();
        if groups.len() <= FEW_VARIANTS && is_rule {
            groups.iter().map(|members| same(members)).collect()
        } else {
            vec![various(changes)]
        }
    });
    items.collect()
}

/// Changes in groups of equal ones, the largest first.
fn equal<'a>(changes: &[(usize, &'a ResourceChange)]) -> Vec<Vec<(usize, &'a ResourceChange)>> {
    let mut groups: Vec<Vec<(usize, &ResourceChange)>> = Vec::new();
    let mut known: HashMap<Key, usize> = HashMap::new();
    for &(environment, resource) in changes {
        let group = *known.entry(Key::of(resource)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push((environment, resource));
    }
    groups.sort_by_key(|members| Reverse(members.len()));
    groups
}

fn same(members: &[(usize, &ResourceChange)]) -> Item {
    let resource = members[0].1.clone();
    let mut before = HashMap::new();
    for (position, attribute) in resource.attributes.iter().enumerate() {
        let values: Vec<(usize, String)> = members
            .iter()
            .filter_map(|(environment, member)| {
                let value = member.attributes.get(position)?.before.clone()?;
                Some((*environment, value))
            })
            .collect();
        if values
            .iter()
            .any(|(_, value)| Some(value) != attribute.before.as_ref())
        {
            before.insert(attribute.path.clone(), values);
        }
    }
    Item::Same {
        resource,
        before,
        environments: members
            .iter()
            .map(|(environment, _)| *environment)
            .collect(),
    }
}

fn various(changes: &[(usize, &ResourceChange)]) -> Item {
    let mut attributes: BTreeMap<&str, Vec<(AttributeChange, Vec<usize>)>> = BTreeMap::new();
    for (environment, resource) in changes {
        for change in &resource.attributes {
            let variants = attributes.entry(&change.path).or_default();
            match variants.iter_mut().find(|(known, _)| known == change) {
                Some((_, environments)) => environments.push(*environment),
                None => variants.push((change.clone(), vec![*environment])),
            }
        }
    }
    let resource = ResourceChange {
        attributes: Vec::new(),
        ..changes[0].1.clone()
    };
    Item::Various {
        resource,
        attributes: attributes.into_values().collect(),
        environments: changes
            .iter()
            .map(|(environment, _)| *environment)
            .collect(),
    }
}

/// What must agree for two changes of one address to be the same.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    actions: &'a [String],
    notes: &'a [String],
    attributes: Vec<(&'a str, Option<&'a str>, Option<&'a str>, bool)>,
}

impl<'a> Key<'a> {
    fn of(resource: &'a ResourceChange) -> Self {
        let attributes = resource.attributes.iter().map(|change| {
            let own = change.unknown || change.after.is_none();
            (
                change.path.as_str(),
                change.before.as_deref().filter(|_| !own),
                change.after.as_deref(),
                change.forces_replacement,
            )
        });
        Self {
            actions: &resource.actions,
            notes: &resource.notes,
            attributes: attributes.collect(),
        }
    }
}

#[cfg(test)]
mod tests;
