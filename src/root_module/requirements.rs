//! What `terraform init` depends on, as one text: part of the fingerprint that tells whether it
//! must run again.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::files::{self, normalize};
use super::{ReadError, RootModule};

impl RootModule {
    /// The requirements of this module and of the local modules below it, in canonical text.
    ///
    /// Comments, layout and the arguments of resources do not show in it; providers, module
    /// sources, versions and the backend block do.
    pub fn requirements(&self) -> String {
        let mut text = String::new();
        if let Some(backend) = &self.backend {
            line(&mut text, "backend", &backend.kind);
            let mut arguments: Vec<_> = backend.arguments.iter().collect();
            arguments.sort_unstable_by_key(|(name, _)| *name);
            for (name, value) in arguments {
                line(&mut text, "  argument", &format!("{name} = {value}"));
            }
        }
        if self.cloud.is_some() {
            line(&mut text, "cloud", "");
        }
        self.walk(&mut |name, module| match module {
            Ok(module) => module.describe(name, &mut text),
            Err(error) => describe_unreadable(name, &self.folder.join(name), error, &mut text),
        });
        text
    }

    /// The folders of the local modules that this one calls, directly or through others; each
    /// once, in the order in which they are met.
    pub fn local_modules(&self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        self.walk(&mut |name, _| {
            if name != Path::new("") {
                folders.push(normalize(&self.folder.join(name)));
            }
        });
        folders
    }

    /// Local names of the providers that an init installs for this module and the local modules
    /// below it; what comes with Terraform itself (`terraform_data`) is none of them.
    pub fn installed_providers(&self) -> BTreeSet<String> {
        let mut providers = BTreeSet::new();
        self.walk(&mut |_, module| {
            if let Ok(module) = module {
                providers.extend(module.own_providers());
            }
        });
        providers
    }

    /// Those of this module alone.
    fn own_providers(&self) -> impl Iterator<Item = String> {
        let required = self
            .required_providers
            .iter()
            .filter(|(name, _)| !name.contains(' '))
            .map(|(name, _)| name);
        let is_built_in = |name: &&String| match self.required_providers.get(*name) {
            Some(requirement) => requirement.contains("terraform.io/builtin/"),
            None => *name == "terraform",
        };
        let names = required.chain(&self.used_providers);
        names.filter(move |name| !is_built_in(name)).cloned()
    }

    /// Visits this module and the local modules below it, each once. Modules are named by their
    /// path from this one, so that the text is the same wherever the repository lies.
    fn walk(&self, visit: &mut dyn FnMut(&Path, Result<&Self, &ReadError>)) {
        let mut seen = BTreeSet::from([PathBuf::new()]);
        visit(Path::new(""), Ok(self));
        let mut pending = self.called(Path::new(""));
        pending.reverse();
        while let Some(name) = pending.pop() {
            if !seen.insert(name.clone()) {
                continue; // called twice, or calls itself
            }
            let module = Self::read(&normalize(&self.folder.join(&name)));
            visit(&name, module.as_ref());
            if let Ok(module) = module {
                pending.extend(module.called(&name).into_iter().rev());
            }
        }
    }

    /// The local modules that this module, named `name`, calls.
    fn called(&self, name: &Path) -> Vec<PathBuf> {
        self.modules
            .values()
            .filter_map(|call| call.source.as_deref())
            .filter(|source| source.starts_with("./") || source.starts_with("../"))
            .map(|source| normalize(&name.join(source)))
            .collect()
    }

    fn describe(&self, name: &Path, text: &mut String) {
        line(text, "module", &name.to_string_lossy());
        let mut versions = self.required_version.clone();
        versions.sort_unstable();
        for version in versions {
            line(text, "  required_version", &version);
        }
        for (provider, requirement) in &self.required_providers {
            line(
                text,
                "  required_provider",
                &format!("{provider} {requirement}"),
            );
        }
        for provider in &self.used_providers {
            line(text, "  provider", provider);
        }
        for (call, module) in &self.modules {
            let source = module.source.as_deref().unwrap_or("?");
            let version = module.version.as_deref().unwrap_or_default();
            line(text, "  call", &format!("{call} {source} {version}"));
        }
    }
}

/// A module that cannot be read may become anything, so that its whole text counts.
fn describe_unreadable(name: &Path, folder: &Path, error: &ReadError, text: &mut String) {
    line(text, "unreadable module", &name.to_string_lossy());
    if let ReadError::Syntax { .. } = error {
        for file in files::configuration(folder).unwrap_or_default() {
            let content = fs::read_to_string(&file.path).unwrap_or_default();
            line(text, "  text", &format!("{content:?}"));
        }
    }
}

fn line(text: &mut String, keyword: &str, value: &str) {
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "{keyword} {value}");
}
