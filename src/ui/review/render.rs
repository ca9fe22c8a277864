//! A review as text.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::super::style::{BOLD, DIM, GREEN, RED, YELLOW, symbol, wrap};
use super::{Item, Section, UnitPlan, sections};
use crate::model::{AttributeChange, ResourceChange};

/// So many environments are named wherever they are meant.
const NAMED: usize = 8;
/// Of more environments than [`NAMED`], so many that are missing are named instead.
const MISSING_NAMED: usize = 3;
/// So many values of one attribute are told.
const VALUES: usize = 10;
/// Longer values are cut around what differs.
const LONGEST_VALUE: usize = 80;
/// What is kept of equal text before a difference.
const CONTEXT: usize = 16;

/// What these plans change, under a heading that begins with `what` (`Changes`); empty where that
/// is nothing. Nothing is wider than `width` columns, but for single words.
pub(in crate::ui) fn render(plans: &[UnitPlan], what: &str, width: usize) -> String {
    if let [plan] = plans
        && let Some(text) = &plan.text
    {
        return format!("\n{}\n", text.trim());
    }
    let mut text = String::new();
    for section in sections(plans) {
        Page {
            section: &section,
            what,
            width,
            changed: section.changed(),
            text: &mut text,
        }
        .write();
    }
    text
}

impl Section {
    /// The environments in which anything changes.
    fn changed(&self) -> Vec<usize> {
        let mut changed = vec![false; self.environments.len()];
        for item in &self.items {
            for &environment in item.environments() {
                changed[environment] = true;
            }
        }
        (0..changed.len()).filter(|&each| changed[each]).collect()
    }
}

impl Item {
    fn environments(&self) -> &[usize] {
        match self {
            Self::Same { environments, .. }
            | Self::Various { environments, .. }
            | Self::Output { environments, .. } => environments,
        }
    }
}

struct Page<'a> {
    section: &'a Section,
    what: &'a str,
    width: usize,
    changed: Vec<usize>,
    text: &'a mut String,
}

impl Page<'_> {
    fn write(&mut self) {
        let (what, names) = (self.what, self.names(&self.changed));
        let heading = match (&self.section.stack, self.changed.len()) {
            (Some(stack), 1) => format!("{what} in {names}/{stack}"),
            (Some(stack), _) => format!("{what} in the stack {stack} of {names}"),
            (None, count) if count > NAMED => {
                format!("{what} in {count} environments: {names}")
            }
            (None, _) => format!("{what} in {names}"),
        };
        self.text.push('\n');
        self.line(&format!("{BOLD}{heading}{BOLD:#}"), 2);
        let section = self.section;
        for item in &section.items {
            match item {
                Item::Same {
                    resource,
                    before,
                    environments,
                } => {
                    self.resource(resource, environments);
                    for attribute in &resource.attributes {
                        let values = before.get(&attribute.path);
                        self.attribute(attribute, values.map(Vec::as_slice), "");
                    }
                }
                Item::Various {
                    resource,
                    attributes,
                    environments,
                } => {
                    self.resource(resource, environments);
                    for variants in attributes {
                        self.variants(variants, environments.len());
                    }
                }
                Item::Output {
                    output,
                    environments,
                } => {
                    let label = self.label(environments);
                    self.line(&format!("  output {output}{label}"), 6);
                }
            }
        }
    }

    fn resource(&mut self, resource: &ResourceChange, environments: &[usize]) {
        let (symbol, style) = symbol(&resource.actions);
        let label = self.label(environments);
        self.line(
            &format!(
                "  {style}{symbol}{style:#} {BOLD}{}{BOLD:#}{label}",
                resource.address
            ),
            8,
        );
        for note in &resource.notes {
            self.line(&format!("      {DIM}({note}){DIM:#}"), 8);
        }
    }

    /// One attribute. `before`: what it was in each environment, where that differs.
    fn attribute(
        &mut self,
        change: &AttributeChange,
        before: Option<&[(usize, String)]>,
        label: &str,
    ) {
        let path = &change.path;
        let (old, new) = cut(change.before.as_deref(), change.after.as_deref());
        let old = match before {
            Some(values) => Some(self.values(values)),
            None => old,
        };
        let mark = if change.forces_replacement {
            format!(" {YELLOW}# forces replacement{YELLOW:#}")
        } else {
            String::new()
        };
        let value = match (old, new) {
            (Some(old), Some(new)) => format!("{RED}{old}{RED:#} → {GREEN}{new}{GREEN:#}"),
            (Some(old), None) => format!("{RED}{old}{RED:#}"),
            (None, new) => format!("{GREEN}{}{GREEN:#}", new.unwrap_or_default()),
        };
        self.line(&format!("      {path}: {value}{mark}{label}"), 10);
    }

    /// `"a" (dev), "b" (prod)`, or how many there are.
    fn values(&self, values: &[(usize, String)]) -> String {
        let mut distinct: Vec<(&str, Vec<usize>)> = Vec::new();
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (environment, value) in values {
            let position = *known.entry(value).or_insert_with(|| {
                distinct.push((value, Vec::new()));
                distinct.len() - 1
            });
            distinct[position].1.push(*environment);
        }
        if distinct.len() > MISSING_NAMED {
            return format!("({} different values)", distinct.len());
        }
        let told = distinct.iter().map(|(value, environments)| {
            let (value, _) = cut(Some(value), None);
            format!(
                "{} ({})",
                value.unwrap_or_default(),
                self.names(environments)
            )
        });
        told.collect::<Vec<_>>().join(", ")
    }

    fn variants(&mut self, variants: &[(AttributeChange, Vec<usize>)], all: usize) {
        let is_rule = |environments: &[usize]| environments.len() * 2 > all;
        let has_rule = variants.iter().any(|(_, each)| is_rule(each));
        for (change, environments) in variants.iter().take(VALUES) {
            let label = if environments.len() == all {
                String::new()
            } else if has_rule || variants.len() == 1 {
                self.label(environments)
            } else {
                // Each has its own: that is what differs between environments, and no exception.
                format!("  {DIM}({}){DIM:#}", self.names(environments))
            };
            self.attribute(change, None, &label);
        }
        if let Some(more) = variants.len().checked_sub(VALUES).filter(|more| *more > 0) {
            let path = &variants[0].0.path;
            self.line(
                &format!(
                    "      {DIM}{path}: and {more} other values; `tfw plan` of one environment \
                     tells its own{DIM:#}"
                ),
                10,
            );
        }
    }

    /// Where something changes, behind it; nothing where the heading has said so.
    fn label(&self, environments: &[usize]) -> String {
        let all = self.changed.len();
        let missing: Vec<usize> = self
            .changed
            .iter()
            .copied()
            .filter(|environment| environments.binary_search(environment).is_err())
            .collect();
        match environments {
            _ if all == 1 => String::new(),
            [one] => format!(
                "  {YELLOW}only in {}{YELLOW:#}",
                self.section.environments[*one]
            ),
            many if many.len() <= NAMED => format!("  {DIM}in {}{DIM:#}", self.names(many)),
            many if missing.is_empty() => format!("  {DIM}in all {}{DIM:#}", many.len()),
            many if missing.len() <= MISSING_NAMED => format!(
                "  {DIM}in {} of {all}, not in {}{DIM:#}",
                many.len(),
                self.names(&missing)
            ),
            many => format!("  {DIM}in {}: {}{DIM:#}", many.len(), self.names(many)),
        }
    }

    fn names(&self, environments: &[usize]) -> String {
        let names = environments
            .iter()
            .map(|environment| self.section.environments[*environment].to_string());
        names.collect::<Vec<_>>().join(", ")
    }

    fn line(&mut self, line: &str, indent: usize) {
        let _ = writeln!(self.text, "{}", wrap(line, self.width, indent));
    }
}

/// Both values, cut where they are long: around the first place in which they differ, so that a
/// long policy shows what changes in it.
fn cut(before: Option<&str>, after: Option<&str>) -> (Option<String>, Option<String>) {
    let equal = match (before, after) {
        (Some(before), Some(after)) => before
            .chars()
            .zip(after.chars())
            .take_while(|(one, other)| one == other)
            .count(),
        _ => 0,
    };
    let window = |value: &str| {
        let length = value.chars().count();
        if length <= LONGEST_VALUE {
            return value.to_owned();
        }
        let last = length - LONGEST_VALUE;
        let start = equal.saturating_sub(CONTEXT).min(last);
        let shown: String = value.chars().skip(start).take(LONGEST_VALUE).collect();
        let left = if start > 0 { "…" } else { "" };
        let right = if start < last { "…" } else { "" };
        format!("{left}{shown}{right}")
    };
    (before.map(window), after.map(window))
}
