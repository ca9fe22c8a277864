//! The resource instances of a state, by the addresses that Terraform prints.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::StateDocument;

/// One instance of a resource or data source. Its attributes may be secret: it has no `Debug`.
#[derive(Clone, Copy)]
pub struct Instance<'a> {
    resource: &'a Value,
    instance: &'a Value,
}

impl StateDocument {
    /// Every instance, data sources and deposed objects among them, in the order of the document.
    pub fn instances(&self) -> impl Iterator<Item = Instance<'_>> {
        self.resources.iter().flat_map(|resource| {
            let instances = resource.get("instances").and_then(Value::as_array);
            let instances = instances.into_iter().flatten();
            instances.map(move |instance| Instance { resource, instance })
        })
    }
}

impl<'a> Instance<'a> {
    /// `module.a["x"].aws_vpc.this[0]`, `data.aws_ami.this`; of an object that waits to be
    /// destroyed, with ` (deposed KEY)`.
    pub fn address(&self) -> String {
        let module = self.text("module").map(|module| format!("{module}."));
        let data = if self.is_managed() { "" } else { "data." };
        let key = self.instance.get("index_key");
        let key = key.map_or_else(String::new, |key| format!("[{key}]"));
        let deposed = self.instance.get("deposed").and_then(Value::as_str);
        let deposed = deposed.map_or_else(String::new, |deposed| format!(" (deposed {deposed})"));
        format!(
            "{}{data}{}.{}{key}{deposed}",
            module.unwrap_or_default(),
            self.kind(),
            self.text("name").unwrap_or_default()
        )
    }

    /// Whether Terraform makes it; else it is a data source.
    pub fn is_managed(&self) -> bool {
        self.text("mode") != Some("data")
    }

    /// `aws_vpc`.
    pub fn kind(&self) -> &'a str {
        self.text("type").unwrap_or_default()
    }

    /// `provider["registry.terraform.io/hashicorp/aws"]`.
    pub fn provider(&self) -> &'a str {
        self.text("provider").unwrap_or_default()
    }

    /// Whether the next apply replaces it.
    pub fn is_tainted(&self) -> bool {
        self.instance.get("status").and_then(Value::as_str) == Some("tainted")
    }

    /// Its attributes; of a state that an old Terraform wrote, flat ones.
    pub fn attributes(&self) -> &'a Value {
        let of = |name| self.instance.get(name).filter(|value| !value.is_null());
        let found = of("attributes").or_else(|| of("attributes_flat"));
        found.unwrap_or(&Value::Null)
    }

    /// The paths of its attributes that Terraform calls sensitive, as it wrote them.
    pub(super) fn sensitive_paths(&self) -> &'a [Value] {
        let paths = self.instance.get("sensitive_attributes");
        paths.and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// What is true of it beside its attributes, with names: what moved it to another provider, an
    /// upgrade of its schema, a taint.
    pub(super) fn traits(&self) -> [(&'static str, &'a Value); 3] {
        let of = |from: &'a Value, name| from.get(name).unwrap_or(&Value::Null);
        [
            ("provider", of(self.resource, "provider")),
            ("schema version", of(self.instance, "schema_version")),
            ("status", of(self.instance, "status")),
        ]
    }

    /// Tells one content from another, and nothing of it.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for (_, value) in self.traits() {
            hash.update(format!("{value} "));
        }
        hash.update(self.attributes().to_string());
        hash.finalize().into()
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.resource.get(name).and_then(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &str = r#"{"version": 4, "resources": [
        {"mode": "managed", "module": "module.m[\"k\"]", "type": "a", "name": "x", "provider": "p",
         "instances": [{"index_key": 0, "attributes": {"id": "1"}},
                       {"index_key": "b", "status": "tainted", "attributes": {"id": "1"}},
                       {"index_key": "b", "deposed": "00000001"}]},
        {"mode": "data", "type": "d", "name": "z", "instances": [{"attributes_flat": {"a.#": "1"}}]}]}"#;

    #[test]
    fn instances_have_the_addresses_that_terraform_prints() {
        let state = StateDocument::parse(STATE.as_bytes()).unwrap();
        let found: Vec<Instance<'_>> = state.instances().collect();
        let addresses: Vec<String> = found.iter().map(Instance::address).collect();
        assert_eq!(
            addresses,
            [
                r#"module.m["k"].a.x[0]"#,
                r#"module.m["k"].a.x["b"]"#,
                r#"module.m["k"].a.x["b"] (deposed 00000001)"#,
                "data.d.z",
            ]
        );
        assert!(found[0].is_managed() && !found[3].is_managed());
        assert!(!found[0].is_tainted() && found[1].is_tainted());
        assert_eq!((found[0].kind(), found[0].provider()), ("a", "p"));
        assert_eq!(found[3].attributes()["a.#"], "1");
        assert!(found[2].attributes().is_null());
    }

    #[test]
    fn a_taint_is_a_change() {
        let state = StateDocument::parse(STATE.as_bytes()).unwrap();
        let digests: Vec<[u8; 32]> = state.instances().map(|each| each.digest()).collect();
        assert_ne!(digests[0], digests[1]);
    }
}
