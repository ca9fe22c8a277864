//! Which Terraform runs.

use std::path::{Path, PathBuf};

/// A Terraform binary that is there and may be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// Its absolute path.
    pub path: PathBuf,
    /// Whose it is.
    pub flavour: Flavour,
}

/// Terraform, or its fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// `HashiCorp`'s.
    Terraform,
    /// The Linux Foundation's.
    OpenTofu,
}

impl Flavour {
    /// Its name, as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Terraform => "Terraform",
            Self::OpenTofu => "OpenTofu",
        }
    }
}

/// There is no such binary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BinaryError {
    /// No such name on `PATH`.
    #[error("`{name}` was not found on `PATH`")]
    NotOnPath {
        /// The name.
        name: String,
    },
    /// No such file, or one that may not be run.
    #[error("there is no program at `{}`", path.display())]
    NotAtPath {
        /// The file that was looked for.
        path: PathBuf,
    },
}

impl BinaryError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NotOnPath { name } if name == "tofu" => {
                "install OpenTofu (https://opentofu.org/docs/intro/install), or name another binary by `terraform.binary`, `--terraform` or `TFW_TERRAFORM`".to_owned()
            }
            Self::NotOnPath { .. } => {
                "install Terraform (https://developer.hashicorp.com/terraform/install), or name another binary by `terraform.binary`, `--terraform` or `TFW_TERRAFORM`".to_owned()
            }
            Self::NotAtPath { .. } => {
                "correct `terraform.binary`, `--terraform` or `TFW_TERRAFORM`; a relative path starts at the manifest's folder".to_owned()
            }
        }
    }
}

impl Binary {
    /// Finds what a setting names: a program on `PATH`, or, where the setting has a `/`, a path,
    /// relative to the manifest's folder.
    ///
    /// # Errors
    /// There is no such program.
    pub fn find(setting: &str, manifest_root: &Path) -> Result<Self, BinaryError> {
        let path = if setting.contains('/') {
            let path = manifest_root.join(setting);
            which::which(&path).map_err(|_| BinaryError::NotAtPath { path })?
        } else {
            which::which(setting).map_err(|_| BinaryError::NotOnPath {
                name: setting.to_owned(),
            })?
        };
        let flavour = flavour_of(&path);
        Ok(Self { path, flavour })
    }
}

/// Tells the flavour by the name of the file, or of what it links to: the two print the same
/// documents, and `terraform` may be a link to `tofu`.
fn flavour_of(path: &Path) -> Flavour {
    let is_tofu = |path: &Path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().contains("tofu"))
    };
    if is_tofu(path) || path.canonicalize().is_ok_and(|target| is_tofu(&target)) {
        Flavour::OpenTofu
    } else {
        Flavour::Terraform
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use tempfile::TempDir;

    fn program(folder: &Path, name: &str) {
        let path = folder.join(name);
        std::fs::write(&path, "#!/bin/sh\n").expect("write");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
    }

    #[test]
    fn a_path_starts_at_the_manifest() {
        let root = TempDir::new().expect("folder");
        program(root.path(), "terraform-1.11");
        let binary = Binary::find("./terraform-1.11", root.path()).expect("found");
        assert!(binary.path.ends_with("terraform-1.11"));
        assert!(binary.path.is_absolute());
        assert_eq!(binary.flavour, Flavour::Terraform);
    }

    #[test]
    fn a_link_to_tofu_is_opentofu() {
        let root = TempDir::new().expect("folder");
        program(root.path(), "tofu");
        symlink("tofu", root.path().join("terraform")).expect("link");
        let binary = Binary::find("./terraform", root.path()).expect("found");
        assert_eq!(binary.flavour, Flavour::OpenTofu);
    }

    #[test]
    fn a_name_comes_from_the_path_variable() {
        assert!(Binary::find("sh", Path::new("/")).is_ok());
        let error = Binary::find("no-such-terraform", Path::new("/")).expect_err("missing");
        assert_eq!(
            error.to_string(),
            "`no-such-terraform` was not found on `PATH`"
        );
        assert!(error.hint().contains("--terraform"));
    }

    #[test]
    fn a_file_that_may_not_be_run_is_no_program() {
        let root = TempDir::new().expect("folder");
        std::fs::write(root.path().join("terraform"), "").expect("write");
        let error = Binary::find("./terraform", root.path()).expect_err("refused");
        assert!(matches!(error, BinaryError::NotAtPath { .. }));
    }
}
