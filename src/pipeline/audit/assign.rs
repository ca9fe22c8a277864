//! Which units an event is about.

use std::collections::BTreeSet;

use super::event::{Sighting, Target};
use crate::model::{AuditEvent, Backend, S3Backend, StateWorkspace, Unit, UnitId};

/// The states that units of the project use, selected or not: buckets and keys.
pub(super) struct States<'b>(BTreeSet<(&'b str, String)>);

impl<'b> States<'b> {
    pub(super) fn of(backends: impl Iterator<Item = &'b Backend>) -> Self {
        let states = backends.filter_map(|backend| match backend {
            Backend::S3(s3) => Some((s3.bucket.as_str(), s3.object_key())),
            Backend::Local(_) | Backend::Other(_) => None,
        });
        Self(states.collect())
    }

    /// The event with the units that it is about; `None`: it is about none of them.
    pub(super) fn assign(
        &self,
        sighting: Sighting,
        users: &BTreeSet<usize>,
        units: &[&Unit],
    ) -> Option<AuditEvent> {
        let Sighting { event, target } = sighting;
        let mut workspace = None;
        let meant: Vec<UnitId> = users
            .iter()
            .filter_map(|&user| units.get(user))
            .filter(|unit| match &unit.backend {
                Backend::S3(s3) => match &target {
                    Target::Object { bucket, key } => {
                        let found = self.workspace_of(s3, bucket, key);
                        let is_meant = found.is_some();
                        workspace = workspace.take().or(found);
                        is_meant
                    }
                    Target::Bucket(bucket) => s3.bucket.as_str() == bucket,
                    Target::Unknown => true,
                },
                Backend::Local(_) | Backend::Other(_) => false,
            })
            .map(|unit| unit.id.clone())
            .collect();
        (!meant.is_empty()).then_some(AuditEvent {
            units: meant,
            workspace,
            ..event
        })
    }

    /// The workspace of a unit whose state this object is; `None`: it is no state of this unit's.
    fn workspace_of(&self, s3: &S3Backend, bucket: &str, key: &str) -> Option<StateWorkspace> {
        if s3.bucket.as_str() != bucket {
            return None;
        }
        let own = s3.object_key();
        // Units that differ in their workspace alone have one state each.
        if key != own && self.0.contains(&(bucket, key.to_owned())) {
            return None;
        }
        let name = if key == own {
            s3.workspace.as_str()
        } else if key == s3.key.as_str() {
            "default"
        } else {
            let named = key.strip_prefix(s3.workspace_prefix())?.strip_prefix('/')?;
            let (name, rest) = named.split_once('/')?;
            if rest != s3.key.as_str() || name.is_empty() {
                return None;
            }
            name
        };
        Some(StateWorkspace {
            name: name.to_owned(),
            is_own: key == own,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::model::Workspace;

    fn s3(workspace: Workspace, options: Map<String, serde_json::Value>) -> S3Backend {
        S3Backend {
            bucket: "acme".parse().expect("valid"),
            key: "eks/terraform.tfstate".parse().expect("valid"),
            region: "eu-central-1".parse().expect("valid"),
            workspace,
            use_lockfile: true,
            kms_key_id: None,
            role_arn: None,
            own_role: None,
            owner: "123456789012".parse().expect("valid"),
            caller: "123456789012".parse().expect("valid"),
            use_path_style: false,
            options,
        }
    }

    #[test]
    fn each_state_under_the_key_of_a_unit_is_the_units_unless_another_unit_uses_it() {
        let plain = s3(Workspace::default(), Map::new());
        let prod = s3("prod".parse().expect("valid"), Map::new());
        let backends = [plain.clone(), prod.clone()].map(|s3| Backend::S3(Box::new(s3)));
        let states = States::of(backends.iter());
        let none = States::of([].iter());
        let options = json!({ "workspace_key_prefix": "spaces" });
        let prefixed = s3(
            Workspace::default(),
            options.as_object().cloned().unwrap_or_default(),
        );
        for (states, s3, key, expected) in [
            (
                &states,
                &plain,
                "eks/terraform.tfstate",
                Some(("default", true)),
            ),
            (
                &states,
                &prod,
                "env:/prod/eks/terraform.tfstate",
                Some(("prod", true)),
            ),
            (&states, &plain, "env:/prod/eks/terraform.tfstate", None),
            (&states, &prod, "eks/terraform.tfstate", None),
            (
                &states,
                &plain,
                "env:/x/eks/terraform.tfstate",
                Some(("x", false)),
            ),
            (&states, &plain, "env:/x/eks/terraform.tfstate.tflock", None),
            (&states, &plain, "env://eks/terraform.tfstate", None),
            (&states, &plain, "env:/x/other/terraform.tfstate", None),
            (
                &none,
                &prod,
                "eks/terraform.tfstate",
                Some(("default", false)),
            ),
            (
                &none,
                &prefixed,
                "spaces/x/eks/terraform.tfstate",
                Some(("x", false)),
            ),
            (&none, &prefixed, "env:/x/eks/terraform.tfstate", None),
        ] {
            let found = states.workspace_of(s3, "acme", key);
            let found = found.as_ref().map(|each| (each.name.as_str(), each.is_own));
            assert_eq!(found, expected, "{key}");
            assert_eq!(states.workspace_of(s3, "another", key), None);
        }
    }
}
