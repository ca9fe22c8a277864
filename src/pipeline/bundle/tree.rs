//! What git says of the manifest's repository: the commit, and what is not committed.
//!
//! A commit and the changes to it, with their content, are together one tree: two checkouts that
//! agree on both hold the same files, those included that tfw does not know Terraform reads
//! (`file`, `templatefile`).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::root_module::{normalize, relative};
use crate::stage::Context;
use crate::stage::failure::Failure;
use crate::stage::git::{NO_REPOSITORY, git, pathspecs};
use crate::terraform::LOCK_FILE;

/// The repository around the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree {
    /// There is none.
    None,
    /// git could not tell; why not.
    Unknown(String),
    /// A commit is checked out.
    Commit {
        /// Its id.
        id: String,
        /// Files that are not as they are in it, deleted ones among them.
        changed: Vec<PathBuf>,
    },
}

impl Tree {
    /// Asks git about these folders. A folder outside the repository is none of its business.
    ///
    /// # Errors
    /// The run is being stopped.
    pub(super) async fn look(ctx: &Context, folders: &BTreeSet<PathBuf>) -> Result<Self, Failure> {
        let root = &ctx.project.root;
        let head = match git(ctx, ["rev-parse", "--show-prefix", "HEAD"], &[]).await? {
            Ok(output) => output,
            // Another "not a git repository" is one that git cannot find its way in.
            Err(why) if why.contains(NO_REPOSITORY) => return Ok(Self::None),
            Err(why) => return Ok(Self::Unknown(why)),
        };
        let text = head.text().into_owned();
        let mut lines = text.lines();
        let (Some(prefix), Some(id)) = (lines.next(), lines.next()) else {
            return Ok(Self::Unknown("`git rev-parse` said nothing".to_owned()));
        };
        let prefix = Path::new(prefix);
        let pathspecs = pathspecs(root, prefix, folders);
        if pathspecs.is_empty() {
            let (id, changed) = (id.to_owned(), Vec::new());
            return Ok(Self::Commit { id, changed });
        }
        let arguments = [
            "status",
            "--porcelain=v1",
            "-z",
            "--no-renames",
            "--untracked-files=all",
            "--ignore-submodules=none",
            "--",
        ];
        Ok(match git(ctx, arguments, &pathspecs).await? {
            Err(why) => Self::Unknown(why),
            Ok(output) => Self::Commit {
                id: id.to_owned(),
                changed: changed(&output.text())
                    .map(|path| root.join(relative(prefix, Path::new(path))))
                    .map(|path| normalize(&path))
                    .collect(),
            },
        })
    }

    pub(super) fn commit(&self) -> Option<&str> {
        match self {
            Self::Commit { id, .. } => Some(id),
            Self::None | Self::Unknown(_) => None,
        }
    }

    /// Changed files in these folders.
    pub(super) fn changed_in(&self, folders: &BTreeSet<PathBuf>) -> Vec<&Path> {
        let Self::Commit { changed, .. } = self else {
            return Vec::new();
        };
        let inside = |path: &&PathBuf| folders.iter().any(|folder| path.starts_with(folder));
        changed
            .iter()
            .filter(inside)
            .map(PathBuf::as_path)
            .collect()
    }
}

/// The paths of `git status --porcelain=v1 -z`: two letters, a blank, the path, a zero byte. Left
/// out is what Terraform and tfw write there themselves: states, `.terraform`, and the lock file,
/// which has a hash of its own.
fn changed(status: &str) -> impl Iterator<Item = &str> {
    let own = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name == LOCK_FILE
            || name.contains(".tfstate")
            || path
                .split('/')
                .any(|part| part == ".terraform" || part == ".tfw" || part == "terraform.tfstate.d")
    };
    let paths = status.split('\0').filter_map(|entry| entry.get(3..));
    paths.filter(move |path| !path.is_empty() && !own(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_terraform_writes_itself_is_no_change() {
        let status = " M dev/main.tf\0?? dev/new file.tpl\0 D old.tf\0?? dev/terraform.tfstate\0\
                      ?? dev/.terraform.lock.hcl\0?? dev/.terraform/x/y\0?? dev/errored.tfstate\0";
        let paths: Vec<&str> = changed(status).collect();
        assert_eq!(paths, ["dev/main.tf", "dev/new file.tpl", "old.tf"]);
        assert_eq!(changed("").count(), 0);
    }
}
