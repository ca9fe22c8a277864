//! Disks that refuse, and what a test's repository holds.
//!
//! Root writes where permissions forbid it, so a read-only folder has to be a mount. It belongs to
//! one command, in a mount namespace that ends with it: nothing is left mounted, whatever happens.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::TestEnvironment;
use super::command::TestCommand;

/// Mounts as the script says, and becomes the command. User namespaces let everybody mount.
const IN_NAMESPACE: &str = r#"
folder=$1 size=$2; shift 2
if [ -z "$size" ]; then
    mount --bind "$folder" "$folder" && mount -o remount,bind,ro "$folder"
else
    mkdir -p "$folder" && mount -t tmpfs -o "size=$size,mode=700" tmpfs "$folder"
fi || { echo "this test mounts a file system: run as root, or allow user namespaces" >&2; exit 99; }
exec "$@"
"#;

impl TestEnvironment {
    /// `tfw ARGS…` to which a folder of the repository is read-only.
    pub(crate) fn tfw_with_read_only<const N: usize>(
        &self,
        folder: &str,
        args: [&str; N],
    ) -> TestCommand {
        self.in_namespace(folder, "").args(args)
    }

    /// `tfw ARGS…` to which a folder of the repository is an empty disk of this size, as `mount`
    /// writes it: `16k`. What is written there is gone afterwards.
    pub(crate) fn tfw_with_disk<const N: usize>(
        &self,
        folder: &str,
        size: &str,
        args: [&str; N],
    ) -> TestCommand {
        self.in_namespace(folder, size).args(args)
    }

    fn in_namespace(&self, folder: &str, size: &str) -> TestCommand {
        self.command(Path::new("unshare"), &self.path(""))
            .args(["--map-root-user", "--mount", "sh", "-c", IN_NAMESPACE, "sh"])
            .args([self.path(folder)])
            .args([size, env!("CARGO_BIN_EXE_tfw")])
    }

    /// Every file of the repository with its content, but for `.tfw/`.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        collect(&self.path(""), &mut |path| {
            found.insert(path.to_owned(), fs::read(path).unwrap());
        });
        found
    }

    /// Every path below `.tfw/`, and the folder itself.
    pub(crate) fn tfw_files(&self) -> Vec<PathBuf> {
        let root = self.path("environments/.tfw");
        let mut found = vec![root.clone()];
        let mut folders = vec![root];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                // Links of the plugin cache lead elsewhere.
                if path.is_dir() && !path.is_symlink() {
                    folders.push(path.clone());
                }
                found.push(path);
            }
        }
        found
    }
}

fn collect(folder: &Path, take: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().is_some_and(|name| name == ".tfw") || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            collect(&path, take);
        } else {
            take(&path);
        }
    }
}
