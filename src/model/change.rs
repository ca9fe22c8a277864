//! What a plan changes: counted, and resource by resource for review.

use serde::{Deserialize, Serialize};

/// What a plan would change, counted as Terraform counts: a replacement is an `add` and a
/// `destroy`, and `replace` says how many of these there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Resources to create.
    pub add: u32,
    /// Resources to change in place.
    pub change: u32,
    /// Resources to destroy.
    pub destroy: u32,
    /// Resources that are destroyed and created again.
    pub replace: u32,
    /// Resources to import.
    pub import: u32,
    /// Root outputs that change.
    pub outputs: u32,
}

/// One resource in a plan, for review. Sensitive values are masked before they get here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceChange {
    /// The resource's address.
    pub address: String,
    /// Terraform's actions in order: `create`, `update`, `delete`, `read`, `forget`.
    pub actions: Vec<String>,
    /// What is special about it: `moved from …`, `imported, id …`.
    pub notes: Vec<String>,
    /// Each attribute that changes.
    pub attributes: Vec<AttributeChange>,
}

/// One attribute of a resource in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttributeChange {
    /// Where in the resource: `tags["a.b"]`, `ingress[0].port`.
    pub path: String,
    /// The whole value before, as JSON, or what stands for it; `None`: there was none.
    pub before: Option<String>,
    /// The whole value after; `None` of a resource that goes.
    pub after: Option<String>,
    /// Whether `after` stands for a value that nobody knows yet.
    pub unknown: bool,
    /// Whether it is why the resource is replaced.
    pub forces_replacement: bool,
}
