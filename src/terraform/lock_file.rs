//! `.terraform.lock.hcl`: which provider versions `terraform init` selected.

use std::env::consts;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hcl_edit::structure::BlockLabel;
use thiserror::Error;

use crate::model::describe_io;

/// The name of the file, in a root module's folder.
pub const LOCK_FILE: &str = ".terraform.lock.hcl";

/// A root module's dependency lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockFile {
    providers: Vec<LockedProvider>,
}

/// One provider of a lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedProvider {
    /// Its source address, `registry.terraform.io/hashicorp/aws`.
    pub source: String,
    /// The selected version, `5.100.0`.
    pub version: String,
}

/// Why a lock file cannot be used. Terraform will say it in its own words, so that a caller who
/// only wants to save work may go on without one.
#[derive(Debug, Error)]
pub enum LockFileError {
    /// It is there, but cannot be read.
    #[error("cannot read `{}`: {}", .file.display(), describe_io(.source))]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no HCL.
    #[error("`{}` line {line}: {message}\nhint: delete the file and run `tfw init`, or restore it from version control", .file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// A provider block has no address, or no version.
    #[error("`{}`: provider `{provider}` has no usable {missing}\nhint: delete the file and run `tfw init`, or restore it from version control", .file.display())]
    Incomplete {
        /// The file.
        file: PathBuf,
        /// The provider, as written.
        provider: String,
        /// `address` or `version`.
        missing: &'static str,
    },
}

impl LockFile {
    /// Reads the lock file of a root module; `None` where there is none.
    ///
    /// # Errors
    /// It cannot be read or understood.
    pub fn read(root_module: &Path) -> Result<Option<Self>, LockFileError> {
        let file = root_module.join(LOCK_FILE);
        match fs::read_to_string(&file) {
            Ok(text) => Self::parse(&file, &text).map(Some),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LockFileError::Unreadable { file, source }),
        }
    }

    /// The providers, in the order of the file.
    pub fn providers(&self) -> &[LockedProvider] {
        &self.providers
    }

    /// Whether a package of every provider, for this machine, is in a folder that is laid out as
    /// Terraform lays out `.terraform/providers` and its plugin cache:
    /// `HOST/NAMESPACE/TYPE/VERSION/OS_ARCH`. A link counts when its target exists.
    pub fn is_installed_in(&self, folder: &Path) -> bool {
        let platform = platform();
        self.providers.iter().all(|provider| {
            folder
                .join(&provider.source)
                .join(&provider.version)
                .join(&platform)
                .is_dir()
        })
    }

    fn parse(file: &Path, text: &str) -> Result<Self, LockFileError> {
        // Terraform accepts a byte order mark, the parser does not.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let body = hcl_edit::parser::parse_body(text).map_err(|error| LockFileError::Syntax {
            file: file.to_owned(),
            line: error.location().line(),
            message: error.message().to_owned(),
        })?;
        let mut providers = Vec::new();
        for block in body.get_blocks("provider") {
            let source = block.labels.first().map_or("", BlockLabel::as_str);
            let incomplete = |missing| LockFileError::Incomplete {
                file: file.to_owned(),
                provider: source.to_owned(),
                missing,
            };
            // They become parts of a path: nothing in them may lead out of the folder.
            let parts: Vec<&str> = source.split('/').collect();
            if parts.len() != 3 || !parts.iter().all(|part| is_path_part(part)) {
                return Err(incomplete("address"));
            }
            let version = block
                .body
                .get_attribute("version")
                .and_then(|version| version.value.as_str())
                .filter(|version| is_path_part(version))
                .ok_or_else(|| incomplete("version"))?;
            providers.push(LockedProvider {
                source: source.to_owned(),
                version: version.to_owned(),
            });
        }
        Ok(Self { providers })
    }
}

fn is_path_part(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains(['/', '\\'])
}

/// This machine in Go's words, as Terraform names the folders of packages: `linux_amd64`.
fn platform() -> String {
    let os = match consts::OS {
        "macos" => "darwin",
        os => os,
    };
    let architecture = match consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        architecture => architecture,
    };
    format!("{os}_{architecture}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by Terraform 1.11.4.
    const WRITTEN: &str = r#"# This file is maintained automatically by "terraform init".
# Manual edits may be lost in future updates.

provider "registry.terraform.io/hashicorp/aws" {
  version     = "5.100.0"
  constraints = "5.100.0"
  hashes = [
    "h1:edXOJWE4ORX8Fm+dpVpICzMZJat4AX0VRCAy/xkcOc0=",
  ]
}
"#;

    fn module(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join(LOCK_FILE), text).expect("written");
        folder
    }

    #[test]
    fn providers_are_read() {
        let lock = LockFile::read(module(WRITTEN).path())
            .expect("read")
            .expect("there");
        let aws = LockedProvider {
            source: "registry.terraform.io/hashicorp/aws".to_owned(),
            version: "5.100.0".to_owned(),
        };
        assert_eq!(lock.providers(), [aws]);
    }

    #[test]
    fn no_file_is_no_error_and_a_broken_one_says_where() {
        let empty = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(LockFile::read(empty.path()).expect("no error"), None);
        for (text, said) in [
            ("provider \"a/b/c\" {\n  version = \n}\n", "line "),
            ("provider \"a/b/c\" {}\n", "`a/b/c` has no usable version"),
            (
                "provider \"a/../c\" { version = \"1.0.0\" }\n",
                "no usable address",
            ),
            (
                "provider \"a/b/c\" { version = \"../1\" }\n",
                "no usable version",
            ),
        ] {
            let error = LockFile::read(module(text).path())
                .expect_err(text)
                .to_string();
            assert!(error.contains(said) && error.contains(LOCK_FILE), "{error}");
        }
        fs::create_dir(empty.path().join(LOCK_FILE)).expect("made");
        let error = LockFile::read(empty.path()).expect_err("a folder");
        assert!(error.to_string().ends_with("is a directory"), "{error}");
    }

    #[test]
    fn a_provider_is_installed_when_its_package_for_this_machine_is_there() {
        let lock = LockFile::read(module(WRITTEN).path())
            .expect("read")
            .expect("there");
        let cache = tempfile::tempdir().expect("a temporary folder");
        assert!(!lock.is_installed_in(cache.path()));
        let version = cache
            .path()
            .join("registry.terraform.io/hashicorp/aws/5.100.0");
        fs::create_dir_all(version.join("plan9_mips")).expect("made");
        assert!(!lock.is_installed_in(cache.path()));
        fs::create_dir(version.join(platform())).expect("made");
        assert!(lock.is_installed_in(cache.path()));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_counts_as_long_as_its_target_is_there() {
        let lock = LockFile::read(module(WRITTEN).path())
            .expect("read")
            .expect("there");
        let providers = tempfile::tempdir().expect("a temporary folder");
        let target = tempfile::tempdir().expect("a temporary folder");
        let version = providers
            .path()
            .join("registry.terraform.io/hashicorp/aws/5.100.0");
        fs::create_dir_all(&version).expect("made");
        std::os::unix::fs::symlink(target.path(), version.join(platform())).expect("linked");
        assert!(lock.is_installed_in(providers.path()));
        drop(target);
        assert!(!lock.is_installed_in(providers.path()));
    }
}
