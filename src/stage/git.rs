//! Asks git about the manifest's repository.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::Context;
use super::failure::Failure;
use crate::env_vars::{EnvSnapshot, GIT_CONFIG, GIT_OPTIONAL_LOCKS};
use crate::process::{self, Captured, Output, SpawnError, Spec, Variables};
use crate::root_module::{normalize, relative};

/// What git says where there is no repository. Another "not a git repository" is one that git
/// cannot find its way in.
pub(crate) const NO_REPOSITORY: &str = "not a git repository (or any";

/// Runs git in the manifest's folder. A refusal of git's is its first line.
///
/// # Errors
/// The run is being stopped.
pub(crate) async fn git<const N: usize>(
    ctx: &Context,
    arguments: [&str; N],
    more: &[OsString],
) -> Result<Result<Captured, String>, Failure> {
    // A repository's own settings could name a program to run (`core.fsmonitor`).
    let options = ["-c", "core.fsmonitor=false"];
    let spec = Spec {
        program: PathBuf::from("git"),
        args: options
            .into_iter()
            .chain(arguments)
            .map(OsString::from)
            .chain(more.iter().cloned())
            .collect(),
        env: environment(&ctx.inherited),
        folder: ctx.project.root.clone(),
        stdout: Output::Private,
        stderr: Output::Private,
    };
    match process::run(spec, &ctx.signals, |_| {}).await {
        Ok(exit) if exit.status.success() => Ok(Ok(exit.stdout)),
        Ok(exit) => {
            let said = exit.stderr.text();
            let first = said.lines().find(|line| !line.trim().is_empty());
            let first = first.unwrap_or("it said nothing").trim();
            let first = first.strip_prefix("fatal: ").unwrap_or(first);
            Ok(Err(format!("git says: {first}")))
        }
        Err(SpawnError::Stopping { .. }) => Err(Failure::not_started()),
        Err(error) => Ok(Err(error.to_string())),
    }
}

/// Folders as git takes them: from the top of the repository, to the letter. `prefix` is where in it
/// the manifest's folder `root` lies (`--show-prefix`). What lies outside is none of git's business.
pub(crate) fn pathspecs<'a>(
    root: &Path,
    prefix: &Path,
    folders: impl IntoIterator<Item = &'a PathBuf>,
) -> Vec<OsString> {
    folders
        .into_iter()
        .map(|folder| normalize(&prefix.join(relative(root, folder))))
        .filter(|path| !path.starts_with(".."))
        .map(|path| {
            let mut pathspec = OsString::from(":(top,literal)");
            pathspec.push(path);
            pathspec
        })
        .collect()
}

/// What git needs to start, and what it is configured with. Not what leads it to another
/// repository (`GIT_DIR`, which a hook has set), and no credentials.
fn environment(inherited: &EnvSnapshot) -> Variables {
    let kept = ["PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR"];
    let mut variables: Variables = inherited
        .iter()
        .filter(|(name, _)| {
            kept.iter().any(|kept| name == kept) || name.to_string_lossy().starts_with(GIT_CONFIG)
        })
        .collect();
    // "not a git repository" is read.
    variables.set("LC_ALL", "C");
    variables.set(GIT_OPTIONAL_LOCKS, "0");
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_git_to_another_repository() {
        let inherited = EnvSnapshot::from_iter([
            ("PATH", "/usr/bin"),
            ("GIT_DIR", "/elsewhere/.git"),
            ("GIT_WORK_TREE", "/elsewhere"),
            ("GIT_CONFIG_COUNT", "1"),
            ("AWS_SECRET_ACCESS_KEY", "s3cret"),
        ]);
        let variables = environment(&inherited);
        let names: Vec<_> = variables.iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            ["GIT_CONFIG_COUNT", "GIT_OPTIONAL_LOCKS", "LC_ALL", "PATH"]
        );
    }
}
