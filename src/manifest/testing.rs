//! A small repository of environments for tests.

use std::fs;
use std::path::Path;

use super::{Manifest, Problems, load_from};
use crate::model::{Project, Unit};

/// A folder with a manifest, `environments/tfw.toml`, and files beside it.
pub(super) struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    /// Files are named relative to the manifest's folder.
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let repository = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        fs::create_dir(repository.root()).expect("created");
        for (name, text) in files {
            repository.file(name, text);
        }
        repository
    }

    /// Root modules without anything in them.
    pub(super) fn with_folders(folders: &[&str]) -> Self {
        let repository = Self::new(&[]);
        for folder in folders {
            repository.file(&format!("{folder}/main.tf"), "");
        }
        repository
    }

    pub(super) fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("environments")
    }

    pub(super) fn file(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().expect("it has a name")).expect("created");
        fs::write(path, text).expect("written");
    }

    pub(super) fn load(&self, manifest: &str) -> Result<Manifest, Problems> {
        self.file("tfw.toml", manifest);
        let path = Path::new("environments/tfw.toml");
        load_from(path, Some(self.folder.path()), check_version)
    }

    /// A manifest that must be right.
    pub(super) fn manifest(&self, manifest: &str) -> Manifest {
        self.load(manifest)
            .unwrap_or_else(|problems| panic!("{}", problems.render(false, 100)))
    }

    /// A manifest that must be right, resolved.
    pub(super) fn project(&self, manifest: &str) -> Project {
        self.manifest(manifest).project
    }

    /// What is said of a manifest that must be wrong.
    pub(super) fn problems(&self, manifest: &str) -> String {
        match self.load(manifest) {
            Ok(_) => panic!("no problem is found in\n{manifest}"),
            Err(problems) => problems.render(false, 100),
        }
    }

    /// The summaries alone.
    pub(super) fn summaries(&self, manifest: &str) -> Vec<String> {
        match self.load(manifest) {
            Ok(_) => Vec::new(),
            Err(problems) => problems
                .iter()
                .map(|problem| problem.summary.clone())
                .collect(),
        }
    }
}

/// The unit of this name.
pub(super) fn unit<'p>(project: &'p Project, name: &str) -> &'p Unit {
    let mut units = project.units.iter();
    units
        .find(|unit| unit.id.to_string() == name)
        .unwrap_or_else(|| panic!("there is no unit {name}"))
}

/// A project of which only names and dependencies matter: every root module declares every
/// variable that a unit takes as input, and each unit has a local state.
pub(super) fn abstract_project(environments: &str) -> Project {
    let parsed: toml::Table = toml::from_str(environments).expect("valid TOML");
    let repository = Repository::new(&[]);
    let variables = |table: &toml::Value| {
        let inputs = table.get("inputs").and_then(toml::Value::as_table);
        let names = inputs.into_iter().flat_map(toml::Table::keys);
        let blocks: Vec<String> = names
            .map(|name| format!("variable \"{name}\" {{}}\n"))
            .collect();
        blocks.concat()
    };
    let all = parsed["environments"].as_table().expect("a table");
    for (name, environment) in all {
        match environment.get("stacks").and_then(toml::Value::as_table) {
            None => repository.file(&format!("{name}/main.tf"), &variables(environment)),
            Some(stacks) => {
                for (stack, table) in stacks {
                    repository.file(&format!("{name}/{stack}/main.tf"), &variables(table));
                }
            }
        }
    }
    repository.project(&format!(
        "[defaults.backend]\ntype = 'local'\n{environments}"
    ))
}

/// Stands in for `terraform`'s grammar, of which the manifest only knows that there is one.
fn check_version(constraint: &str) -> Result<(), String> {
    if constraint.contains(|c: char| c.is_ascii_alphabetic()) {
        Err(format!("`{constraint}` is not a version"))
    } else {
        Ok(())
    }
}
