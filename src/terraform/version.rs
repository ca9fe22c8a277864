//! Which version a binary is. Asking costs 40 ms, so the answer is kept.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use semver::Version;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::binary::{Binary, Flavour};
use crate::env_vars::EnvSnapshot;
use crate::model::hex;
use crate::process::{self, Output, Signals, SpawnError, Spec, Variables};

/// Why the version of a binary is not known.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// It could not be run.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// It ran, and did not say.
    #[error("`{} version -json` did not print a version ({status}){said}", binary.display())]
    Unreadable {
        /// The binary.
        binary: PathBuf,
        /// How it ended.
        status: process::Status,
        /// The first line that it printed, as the end of a sentence.
        said: String,
    },
}

impl VersionError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Spawn(error) => error.hint(),
            Self::Unreadable { binary, .. } => Some(format!(
                "check that `{}` is Terraform or OpenTofu",
                binary.display()
            )),
        }
    }
}

/// What the cache holds for one binary: an answer, and what it is an answer about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    path: PathBuf,
    size: u64,
    modified: (i64, i64),
    version: String,
}

/// The version of a binary, from `cache` where that knows it: by path, size and time of change.
///
/// The cache is a convenience: what is wrong in it is ignored, and so is a folder that cannot be
/// written.
///
/// # Errors
/// The binary cannot be run, or does not print a version.
pub(super) async fn read(
    binary: &Binary,
    cache: &Path,
    inherited: &EnvSnapshot,
    signals: &Signals,
) -> Result<Version, VersionError> {
    let stamp = stamp(&binary.path);
    let file = cache.join(file_name(&binary.path));
    if let Some((size, modified)) = stamp
        && let Some(entry) = load(&file)
        && (&entry.path, entry.size, entry.modified) == (&binary.path, size, modified)
        && let Ok(version) = Version::parse(&entry.version)
    {
        return Ok(version);
    }
    let version = ask(binary, inherited, signals).await?;
    if let Some((size, modified)) = stamp {
        let _ = store(
            &file,
            &Entry {
                path: binary.path.clone(),
                size,
                modified,
                version: version.to_string(),
            },
        );
    }
    Ok(version)
}

/// Whether `init` of this version can print `-json`. Its errors then carry files and lines.
pub(super) fn init_prints_json(flavour: Flavour, version: &Version) -> bool {
    // Terraform since 1.9 (its documentation, "Machine-Readable UI"); OpenTofu since 1.8.
    let since = match flavour {
        Flavour::Terraform => (1, 9),
        Flavour::OpenTofu => (1, 8),
    };
    (version.major, version.minor) >= since
}

async fn ask(
    binary: &Binary,
    inherited: &EnvSnapshot,
    signals: &Signals,
) -> Result<Version, VersionError> {
    #[derive(Deserialize)]
    struct Answer {
        // OpenTofu calls it so too.
        terraform_version: String,
    }

    // No credentials, no arguments of the person's, no log settings: only what a program needs to
    // start. CHECKPOINT_DISABLE: Terraform would ask the internet whether it is outdated.
    let mut env: Variables = ["PATH", "HOME", "TMPDIR", "LANG"]
        .into_iter()
        .filter_map(|name| Some((name, inherited.get(name)?)))
        .collect();
    env.set("CHECKPOINT_DISABLE", "1");
    let spec = Spec {
        program: binary.path.clone(),
        args: super::command::version(),
        env,
        // Not the root module's folder: the answer does not depend on it.
        folder: PathBuf::from("/"),
        stdout: Output::Private,
        stderr: Output::Private,
    };
    let exit = process::run(spec, signals, |_| {}).await?;
    let answer: Option<Answer> = serde_json::from_slice(exit.stdout.bytes()).ok();
    match answer.and_then(|answer| Version::parse(&answer.terraform_version).ok()) {
        Some(version) if exit.status.success() => Ok(version),
        _ => {
            let text = format!("{}\n{}", exit.stderr.text(), exit.stdout.text());
            let first = text.lines().map(str::trim).find(|line| !line.is_empty());
            Err(VersionError::Unreadable {
                binary: binary.path.clone(),
                status: exit.status,
                said: first.map_or_else(String::new, |line| format!(": {line}")),
            })
        }
    }
}

fn stamp(path: &Path) -> Option<(u64, (i64, i64))> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.size(), (metadata.mtime(), metadata.mtime_nsec())))
}

/// One file for each path, so that two binaries do not take turns.
fn file_name(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    format!("terraform-version-{}.json", hex(&digest[..8]))
}

fn load(file: &Path) -> Option<Entry> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

fn store(file: &Path, entry: &Entry) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    // Made with mode 0600, and renamed: no reader ever sees half of it.
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(&serde_json::to_vec(entry)?)?;
    temporary.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use tempfile::TempDir;

    /// A Terraform that notes each call beside itself.
    async fn fake(folder: &Path, answer: &str) -> Binary {
        let path = folder.join("terraform");
        let calls = folder.join("calls");
        let script = format!(
            "#!/bin/sh\necho \"$* ${{AWS_SECRET_ACCESS_KEY-none}} ${{TF_CLI_ARGS-none}}\" >> {}\n{answer}\n",
            calls.display()
        );
        fs::write(folder.join("script"), script).expect("write");
        // By another process: a file that this one has open for writing cannot be run (ETXTBSY),
        // and what other tests spawn meanwhile inherits it for a moment.
        let spec = Spec {
            program: "/bin/sh".into(),
            args: ["-c", "cp script terraform && chmod 755 terraform"]
                .map(Into::into)
                .into(),
            env: Variables::from_iter([("PATH", "/usr/bin:/bin")]),
            folder: folder.to_owned(),
            stdout: Output::Discard,
            stderr: Output::Discard,
        };
        let exit = process::run(spec, &Signals::never(), |_| {})
            .await
            .expect("runs");
        assert!(exit.status.success());
        Binary::find(path.to_str().expect("utf-8"), folder).expect("found")
    }

    fn calls(folder: &Path) -> Vec<String> {
        fs::read_to_string(folder.join("calls"))
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn environment() -> EnvSnapshot {
        EnvSnapshot::from_iter([
            ("PATH", "/usr/bin:/bin"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("TF_CLI_ARGS", "-bad"),
        ])
    }

    const ANSWER: &str = r#"echo '{"terraform_version": "1.11.4", "platform": "linux_amd64"}'"#;

    #[tokio::test]
    async fn a_binary_is_asked_once_and_in_a_clean_environment() {
        let folder = TempDir::new().expect("folder");
        let binary = fake(folder.path(), ANSWER).await;
        let cache = folder.path().join(".tfw/cache");
        let never = Signals::never();
        for _ in 0..3 {
            let version = read(&binary, &cache, &environment(), &never)
                .await
                .expect("version");
            assert_eq!(version, Version::new(1, 11, 4));
        }
        assert_eq!(calls(folder.path()), ["version -json none none"]);
        let file = cache.join(file_name(&binary.path));
        let mode = fs::metadata(file).expect("cached").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn another_binary_and_a_broken_cache_are_asked_again() {
        let folder = TempDir::new().expect("folder");
        let binary = fake(folder.path(), ANSWER).await;
        let never = Signals::never();
        let env = environment();
        read(&binary, folder.path(), &env, &never)
            .await
            .expect("version");
        fs::write(folder.path().join(file_name(&binary.path)), "{ half").expect("write");
        read(&binary, folder.path(), &env, &never)
            .await
            .expect("version");
        assert_eq!(calls(folder.path()).len(), 2);

        let newer = ANSWER.replace("1.11.4", "1.12.0-beta1");
        let binary = fake(folder.path(), &newer).await;
        let version = read(&binary, folder.path(), &env, &never)
            .await
            .expect("version");
        assert_eq!(version.to_string(), "1.12.0-beta1");
    }

    #[tokio::test]
    async fn a_cache_that_cannot_be_written_does_not_matter() {
        let folder = TempDir::new().expect("folder");
        let binary = fake(folder.path(), ANSWER).await;
        let cache = binary.path.join("not-a-folder");
        assert!(
            read(&binary, &cache, &environment(), &Signals::never())
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn what_is_not_terraform_is_said_so() {
        let folder = TempDir::new().expect("folder");
        let binary = fake(folder.path(), "echo 'what is that?' >&2; exit 4").await;
        let error = read(&binary, folder.path(), &environment(), &Signals::never())
            .await
            .expect_err("no version");
        assert!(
            error
                .to_string()
                .ends_with("did not print a version (exit code 4): what is that?"),
            "{error}"
        );
        assert!(error.hint().is_some());
    }

    #[test]
    fn init_prints_json_since_1_9() {
        assert!(init_prints_json(
            Flavour::Terraform,
            &Version::new(1, 11, 4)
        ));
        assert!(!init_prints_json(
            Flavour::Terraform,
            &Version::new(1, 8, 5)
        ));
        assert!(init_prints_json(Flavour::OpenTofu, &Version::new(1, 8, 0)));
    }
}
