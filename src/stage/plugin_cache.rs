//! One plugin cache for all units, correct while units run at once.
//!
//! Terraform installs into `TF_PLUGIN_CACHE_DIR` in place: an init that finds its provider absent
//! from the cache, or that has no `.terraform.lock.hcl` to trust the cache by, overwrites a
//! binary that another unit may be running ("text file busy", 9 of 72 plans with Terraform
//! 1.11.4). So only an init that will find everything in the shared cache gets the shared cache.
//! Any other one gets a cache of its own, and what it installed is moved into the shared one by
//! renaming whole packages, which never touches one that is there.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::Context;
use super::failure::Failure;
use crate::env_vars::TF_PLUGIN_CACHE_DIR;
use crate::journal::{FolderLock, JournalError, make_private_folder};
use crate::model::{Diagnostic, Unit, describe_io};
use crate::terraform::LockFile;

/// Folders between a cache and one package: host, namespace, type, version, platform.
const DEPTH: usize = 5;

/// The cache that one init may use.
#[derive(Debug)]
pub(crate) enum PluginCache {
    /// Everything that the lock file names is there.
    Warm(PathBuf),
    /// Something is missing, or nobody knows what is needed.
    Cold {
        /// The cache of this init alone, beside the shared one.
        own: tempfile::TempDir,
        /// The shared one.
        shared: PathBuf,
        /// Held where a lock file says that the next init will want the same packages: it waits,
        /// and finds them.
        _turn: Option<FolderLock>,
    },
}

/// The shared cache: the person's own, or one in `.tfw/`.
pub(crate) fn shared(ctx: &Context) -> PathBuf {
    match ctx.inherited.get(TF_PLUGIN_CACHE_DIR) {
        // Relative, it would be another folder for each child.
        Some(folder) => std::path::absolute(folder).unwrap_or_else(|_| PathBuf::from(folder)),
        None => ctx.run.tfw().cache().join("providers"),
    }
}

/// Chooses the cache for an init of a unit.
pub(crate) async fn choose(ctx: &Context, unit: &Unit) -> Result<PluginCache, Failure> {
    let shared = shared(ctx);
    make_private_folder(&shared)?;
    let Some(lock_file) = LockFile::read(&unit.folder)
        .map_err(|error| Failure::failed(Diagnostic::error(error.to_string())))?
    else {
        return cold(shared, None);
    };
    if lock_file.is_installed_in(&shared) {
        return Ok(PluginCache::Warm(shared));
    }
    let turn = ctx
        .lock_folder(&shared, || {
            ctx.events.detail(
                Some(&unit.id),
                "waits for another unit that fills the plugin cache",
            );
        })
        .await?;
    if lock_file.is_installed_in(&shared) {
        return Ok(PluginCache::Warm(shared));
    }
    cold(shared, Some(turn))
}

fn cold(shared: PathBuf, turn: Option<FolderLock>) -> Result<PluginCache, Failure> {
    // Beside the shared cache, so that renaming between the two works.
    let parent = shared.parent().unwrap_or(&shared);
    let own = tempfile::Builder::new()
        .prefix("providers-")
        .tempdir_in(parent)
        .map_err(|source| cannot("create a folder in", parent, &source))?;
    Ok(PluginCache::Cold {
        own,
        shared,
        _turn: turn,
    })
}

impl PluginCache {
    /// `TF_PLUGIN_CACHE_DIR` of the init.
    pub(crate) fn folder(&self) -> &Path {
        match self {
            Self::Warm(shared) => shared,
            Self::Cold { own, .. } => own.path(),
        }
    }

    /// After a successful init: what it installed goes into the shared cache, and its links
    /// follow.
    pub(crate) fn adopt(self, data_dir: &Path) -> Result<(), Failure> {
        let Self::Cold { own, shared, _turn } = self else {
            return Ok(());
        };
        let packages =
            packages(own.path(), DEPTH).map_err(|source| cannot("read", own.path(), &source))?;
        for package in packages {
            let target = shared.join(&package);
            move_whole(&own.path().join(&package), &target)
                .map_err(|source| cannot("fill", &target, &source))?;
            let link = data_dir.join("providers").join(&package);
            if link.is_symlink() {
                relink(&link, &target).map_err(|source| cannot("link", &link, &source))?;
            }
        }
        Ok(())
    }
}

fn cannot(doing: &'static str, path: &Path, source: &io::Error) -> Failure {
    let error = JournalError {
        doing,
        path: path.to_owned(),
        source: io::Error::new(source.kind(), describe_io(source)),
    };
    Failure::from(error)
}

/// The paths, relative to `folder`, of everything that lies `depth` levels below it.
fn packages(folder: &Path, depth: usize) -> io::Result<Vec<PathBuf>> {
    let mut level = vec![PathBuf::new()];
    for _ in 0..depth {
        let mut next = Vec::new();
        for path in level {
            let here = folder.join(&path);
            if !here.is_dir() {
                continue;
            }
            for entry in fs::read_dir(here)? {
                next.push(path.join(entry?.file_name()));
            }
        }
        level = next;
    }
    Ok(level)
}

/// Moves a package to its place; one that is there already stays, since it may be running.
fn move_whole(package: &Path, target: &Path) -> io::Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::rename(package, target) {
        Err(_) if target.exists() => Ok(()),
        result => result,
    }
}

fn relink(link: &Path, target: &Path) -> io::Result<()> {
    let fresh = link.with_extension("tfw");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(target, &fresh)?;
    fs::rename(&fresh, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: &str = "registry.terraform.io/hashicorp/aws/5.0.0/linux_amd64";

    fn install(cache: &Path, content: &str) {
        let folder = cache.join(PACKAGE);
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("provider"), content).expect("written");
    }

    fn link_of(data_dir: &Path, cache: &Path) -> PathBuf {
        let link = data_dir.join("providers").join(PACKAGE);
        fs::create_dir_all(link.parent().expect("a parent")).expect("made");
        symlink(cache.join(PACKAGE), &link).expect("linked");
        link
    }

    #[test]
    fn what_one_init_installed_moves_into_the_shared_cache_and_its_links_follow() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let (shared, data_dir) = (root.path().join("shared"), root.path().join("data"));
        let own = tempfile::tempdir_in(root.path()).expect("made");
        install(own.path(), "new");
        let link = link_of(&data_dir, own.path());
        let cache = PluginCache::Cold {
            own,
            shared: shared.clone(),
            _turn: None,
        };
        cache.adopt(&data_dir).expect("adopted");
        assert_eq!(fs::read_link(&link).expect("a link"), shared.join(PACKAGE));
        assert_eq!(
            fs::read_to_string(link.join("provider")).expect("there"),
            "new"
        );
    }

    #[test]
    fn a_package_that_is_there_is_never_touched() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let (shared, data_dir) = (root.path().join("shared"), root.path().join("data"));
        install(&shared, "running");
        let own = tempfile::tempdir_in(root.path()).expect("made");
        install(own.path(), "new");
        let link = link_of(&data_dir, own.path());
        let cache = PluginCache::Cold {
            own,
            shared: shared.clone(),
            _turn: None,
        };
        cache.adopt(&data_dir).expect("adopted");
        assert_eq!(
            fs::read_to_string(link.join("provider")).expect("there"),
            "running"
        );
    }
}
