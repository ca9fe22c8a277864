//! What has been derived from versions of a state, so that none is read twice.
//!
//! A version never changes. Only what a history tells of it is kept: no address, no value.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::journal::{TfwFolder, make_private_folder, write_private};
use crate::model::{InstanceChanges, sha256};

/// The cached facts of one state's versions.
pub(super) struct Cache {
    file: PathBuf,
    kept: Kept,
    changed: bool,
}

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    /// The state, since its name is only hashed into the file's.
    place: String,
    versions: BTreeMap<String, Facts>,
}

/// What a history tells of one version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) serial: Option<u64>,
    pub(super) lineage: Option<String>,
    pub(super) terraform_version: Option<String>,
    pub(super) resources: Option<usize>,
    /// Why it is no state that tfw can read.
    pub(super) problem: Option<String>,
    /// What changed since which version, once that was looked at.
    pub(super) since: Option<(String, InstanceChanges)>,
}

impl Cache {
    /// The cache of the state at a place; an empty one where it cannot be read.
    pub(super) fn open(tfw: &TfwFolder, place: &str) -> Self {
        let name = &sha256(place.as_bytes())[..16];
        let file = tfw.cache().join("states").join(format!("{name}.json"));
        let kept = fs::read(&file).ok();
        let kept = kept.and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
        let kept = kept
            .filter(|kept| kept.place == place)
            .unwrap_or_else(|| Kept {
                place: place.to_owned(),
                versions: BTreeMap::new(),
            });
        Self {
            file,
            kept,
            changed: false,
        }
    }

    pub(super) fn get(&self, version_id: &str) -> Option<&Facts> {
        self.kept.versions.get(version_id)
    }

    pub(super) fn put(&mut self, version_id: &str, facts: Facts) {
        self.kept.versions.insert(version_id.to_owned(), facts);
        self.changed = true;
    }

    /// Writes it, without versions that are no more. One that cannot be written is none: the next
    /// history takes longer, and that is all.
    pub(super) fn keep(mut self, exists: impl Fn(&str) -> bool) {
        let before = self.kept.versions.len();
        self.kept.versions.retain(|id, _| exists(id));
        if !self.changed && self.kept.versions.len() == before {
            return;
        }
        let Some(folder) = self.file.parent() else {
            return;
        };
        let (Ok(()), Ok(text)) = (make_private_folder(folder), serde_json::to_vec(&self.kept))
        else {
            return;
        };
        let _ = write_private(&self.file, &text);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn facts_are_kept_in_private_for_as_long_as_their_version_is_there() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let tfw = TfwFolder::open(root.path()).expect("opens");
        let facts = |serial| Facts {
            serial: Some(serial),
            ..Facts::default()
        };
        let mut cache = Cache::open(&tfw, "s3://b/k");
        cache.put("v1", facts(1));
        cache.put("v2", facts(2));
        let file = cache.file.clone();
        cache.keep(|id| id != "v1");
        let mode = fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let cache = Cache::open(&tfw, "s3://b/k");
        assert_eq!((cache.get("v1"), cache.get("v2")), (None, Some(&facts(2))));
        assert_eq!(Cache::open(&tfw, "s3://b/other").get("v2"), None);
        fs::write(&file, "garbage").expect("written");
        assert_eq!(Cache::open(&tfw, "s3://b/k").get("v2"), None);
    }
}
