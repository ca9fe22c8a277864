//! What a saved plan was made from, read from the plan itself.
//!
//! A saved plan is a zip archive (Terraform `internal/plans/planfile`). Its entry `tfstate` is the
//! refreshed state with the lineage and the serial of the one that was read. Those two are what
//! `terraform apply` holds against the state of then ("Saved plan is stale"), so that they are
//! right where a look at the state before or after the plan may hit another one. Under `tfconfig`
//! lie the files of all modules, which is what `terraform apply` works from: `modules.json` names
//! them, and the files of the module `KEY` are in `m-KEY` (`internal/configs/configload`).

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zip::ZipArchive;

/// Tells one version of a state from every other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateMark {
    /// The state's life.
    pub lineage: String,
    /// Counts up with each change.
    pub serial: u64,
}

/// A module that a plan was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedModule {
    /// Its name in the configuration, `network.subnets`; of the root module, nothing.
    pub key: String,
    /// Where it lay, as seen from the folder in which the plan was made.
    pub folder: PathBuf,
    /// Its files, by name.
    pub files: BTreeMap<String, String>,
}

/// A file is no plan that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPlan {
    /// No archive: cut off, or encrypted by OpenTofu.
    #[error("it is no archive as Terraform writes it (OpenTofu may have encrypted it)")]
    NoArchive,
    /// Without the state that it was made from.
    #[error("it does not say which state it was made from")]
    NoState,
    /// Without the modules that it was made of.
    #[error("it does not say which modules it was made of")]
    NoModules,
}

/// The state that a plan was made from; `None`: there was none.
///
/// # Errors
/// [`NotAPlan`].
pub fn state_of_plan(plan: &[u8]) -> Result<Option<StateMark>, NotAPlan> {
    let mut archive = ZipArchive::new(Cursor::new(plan)).map_err(|_| NotAPlan::NoArchive)?;
    let mut entry = archive.by_name("tfstate").map_err(|_| NotAPlan::NoState)?;
    let mut state = Vec::new();
    entry
        .read_to_end(&mut state)
        .map_err(|_| NotAPlan::NoState)?;
    let head: Head = serde_json::from_slice(&state).map_err(|_| NotAPlan::NoState)?;
    // Terraform has no other way to say that there was no state: one without a lineage.
    Ok((!head.lineage.is_empty()).then_some(StateMark {
        lineage: head.lineage,
        serial: head.serial,
    }))
}

/// The modules that a plan was made of, the root module among them.
///
/// # Errors
/// [`NotAPlan`].
pub fn modules_of_plan(plan: &[u8]) -> Result<Vec<PlannedModule>, NotAPlan> {
    const FOLDER: &str = "tfconfig/";
    #[derive(Deserialize)]
    struct Listed {
        #[serde(rename = "Key")]
        key: String,
        #[serde(rename = "Dir")]
        dir: PathBuf,
    }
    let mut archive = ZipArchive::new(Cursor::new(plan)).map_err(|_| NotAPlan::NoArchive)?;
    let mut files: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut listed: Option<Vec<Listed>> = None;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|_| NotAPlan::NoModules)?;
        let name = entry.name().map_err(|_| NotAPlan::NoModules)?.into_owned();
        let Some(name) = name.strip_prefix(FOLDER) else {
            continue;
        };
        let mut text = Vec::new();
        entry
            .read_to_end(&mut text)
            .map_err(|_| NotAPlan::NoModules)?;
        if name == "modules.json" {
            listed = serde_json::from_slice(&text).ok();
        } else if let Some((key, file)) = name
            .strip_prefix("m-")
            .and_then(|name| name.rsplit_once('/'))
            && let Ok(text) = String::from_utf8(text)
        {
            let of_module = files.entry(key.to_owned()).or_default();
            of_module.insert(file.to_owned(), text);
        }
    }
    let modules = listed.ok_or(NotAPlan::NoModules)?.into_iter();
    let modules = modules.map(|Listed { key, dir }| PlannedModule {
        files: files.remove(&key).unwrap_or_default(),
        key,
        folder: dir,
    });
    Ok(modules.collect())
}

#[derive(Deserialize)]
struct Head {
    lineage: String,
    serial: u64,
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn plan(entry: &str, text: &str) -> Vec<u8> {
        archive(&[(entry, text)])
    }

    fn archive(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (entry, text) in entries {
            archive
                .start_file(*entry, SimpleFileOptions::default())
                .expect("begun");
            archive.write_all(text.as_bytes()).expect("written");
        }
        archive.finish().expect("finished").into_inner()
    }

    #[test]
    fn a_plan_has_the_modules_that_it_was_made_of() {
        let made_of = archive(&[
            ("tfplan", "x"),
            ("tfconfig/m-/main.tf", "root"),
            ("tfconfig/m-a.b/main.tf", "inner"),
            ("tfconfig/m-a.b/more.tf.json", "{}"),
            (
                "tfconfig/modules.json",
                r#"[{"Key":"","Dir":"."},{"Key":"a.b","Source":"./b","Dir":"../b"}]"#,
            ),
        ]);
        let modules = modules_of_plan(&made_of).expect("readable");
        let told: Vec<_> = modules
            .iter()
            .map(|module| {
                let files: Vec<&str> = module.files.keys().map(String::as_str).collect();
                (module.key.as_str(), module.folder.to_str(), files)
            })
            .collect();
        assert_eq!(
            told,
            [
                ("", Some("."), vec!["main.tf"]),
                ("a.b", Some("../b"), vec!["main.tf", "more.tf.json"]),
            ]
        );
        assert_eq!(modules[0].files["main.tf"], "root");
        let without = plan("tfconfig/m-/main.tf", "root");
        assert_eq!(modules_of_plan(&without), Err(NotAPlan::NoModules));
    }

    #[test]
    fn a_plan_names_the_state_that_it_was_made_from() {
        let made_from = plan("tfstate", r#"{"version": 4, "serial": 7, "lineage": "l"}"#);
        let mark = StateMark {
            lineage: "l".to_owned(),
            serial: 7,
        };
        assert_eq!(state_of_plan(&made_from), Ok(Some(mark)));
        let first = plan("tfstate", r#"{"version": 4, "serial": 0, "lineage": ""}"#);
        assert_eq!(state_of_plan(&first), Ok(None));
    }

    #[test]
    fn what_is_no_plan_says_so() {
        let whole = plan("tfstate", r#"{"serial": 7, "lineage": "l"}"#);
        for bytes in [&b""[..], b"{}", &whole[..whole.len() - 3]] {
            assert_eq!(state_of_plan(bytes), Err(NotAPlan::NoArchive));
        }
        for other in [plan("tfplan", "x"), plan("tfstate", "x")] {
            assert_eq!(state_of_plan(&other), Err(NotAPlan::NoState));
        }
    }
}
