//! The names in a manifest, for shells that complete them: read in a moment, whatever else is
//! wrong with it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::problem::Collector;
use super::source::Source;
use super::tree::{self, Table, Value};

/// The names in a manifest, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Its environments.
    pub environments: Vec<OutlinedEnvironment>,
    /// All their tags, sorted.
    pub tags: Vec<String>,
}

/// An environment's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlinedEnvironment {
    /// Its own.
    pub name: String,
    /// Those of its stacks.
    pub stacks: Vec<String>,
    /// Whether it is protected.
    pub protected: bool,
}

/// Reads the names. Nothing is checked, nothing but this file is read; a file that cannot be read
/// has no names.
pub fn outline(path: &Path) -> Outline {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Outline::default();
    };
    let source = Arc::new(Source::new(path, None, text));
    let mut unheard = Collector::new(Arc::clone(&source));
    tree::parse(&source.text, &mut unheard)
        .as_ref()
        .and_then(|document| table(document, "environments"))
        .map(read)
        .unwrap_or_default()
}

fn read(environments: &Table) -> Outline {
    let mut tags = BTreeSet::new();
    let environments = environments
        .iter()
        .filter_map(|(name, entry)| {
            let environment = entry.node.value.as_table()?;
            let labels = environment.get("tags").map(|entry| &entry.node.value);
            tags.extend(
                labels
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(|tag| tag.value.as_str())
                    .map(str::to_owned),
            );
            let protected = environment.get("protected").map(|entry| &entry.node.value);
            Some(OutlinedEnvironment {
                name: name.clone(),
                stacks: table(environment, "stacks")
                    .map(|stacks| stacks.keys().cloned().collect())
                    .unwrap_or_default(),
                protected: matches!(protected, Some(Value::Boolean(true))),
            })
        })
        .collect();
    Outline {
        environments,
        tags: tags.into_iter().collect(),
    }
}

fn table<'a>(parent: &'a Table, key: &str) -> Option<&'a Table> {
    parent.get(key)?.node.value.as_table()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Outline {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("tfw.toml");
        std::fs::write(&path, text).expect("written");
        outline(&path)
    }

    #[test]
    fn names_come_in_the_manifests_order_and_wrong_keys_hide_none() {
        let outline = of("nonsense = 1\n\
             [environments.dev]\ntags = ['eu', 'live', 3]\nacount_id = 'x'\n\
             [environments.prod]\nprotected = true\ntags = ['eu']\n\
             [environments.prod.stacks.network]\n[environments.prod.stacks.eks]\n");
        assert_eq!(outline.tags, ["eu", "live"]);
        let [dev, prod] = outline.environments.as_slice() else {
            panic!("{outline:?}");
        };
        assert_eq!((dev.name.as_str(), dev.protected), ("dev", false));
        assert_eq!((prod.name.as_str(), prod.protected), ("prod", true));
        assert_eq!(prod.stacks, ["network", "eks"]);
    }

    #[test]
    fn what_cannot_be_read_has_no_names() {
        assert_eq!(outline(Path::new("/nowhere/tfw.toml")), Outline::default());
        assert_eq!(of("[environments"), Outline::default());
        assert_eq!(of("environments = 3"), Outline::default());
    }
}
