//! What one file contributes, whichever syntax it is in.

use std::collections::{BTreeMap, BTreeSet};

use super::{BackendBlock, Location, ModuleCall, ProviderBlock, Variable};

/// What one file says.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) backend: Option<BackendBlock>,
    pub(super) cloud: Option<Location>,
    pub(super) variables: Vec<(String, VariablePart)>,
    pub(super) required_version: Vec<String>,
    pub(super) required_providers: BTreeMap<String, String>,
    pub(super) used_providers: BTreeSet<String>,
    pub(super) modules: Vec<(String, ModuleCall)>,
    pub(super) providers: Vec<ProviderBlock>,
}

/// A variable block of one file; in an override file it may be a fragment.
#[derive(Debug)]
pub(super) struct VariablePart {
    pub(super) location: Location,
    pub(super) sensitive: Option<bool>,
    pub(super) has_default: bool,
    pub(super) type_text: Option<String>,
}

impl From<VariablePart> for Variable {
    fn from(part: VariablePart) -> Self {
        Self {
            location: part.location,
            sensitive: part.sensitive.unwrap_or(false),
            required: !part.has_default,
            type_text: part.type_text,
        }
    }
}

impl Part {
    /// Notes the provider of a resource type: what stands before the first underscore.
    pub(super) fn implies(&mut self, resource_type: &str) {
        let provider = resource_type.split('_').next().unwrap_or(resource_type);
        self.used_providers.insert(provider.to_owned());
    }

    /// Notes the provider that a `provider` argument names, as in `aws.east`.
    pub(super) fn names_provider(&mut self, reference: &str) {
        let name = reference.trim().split('.').next().unwrap_or(reference);
        self.used_providers.insert(name.trim().to_owned());
    }
}
