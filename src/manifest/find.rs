//! Where the manifest is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The manifest's file name.
pub const FILE_NAME: &str = "tfw.toml";
/// The folder that is looked into as well, beside every folder on the way up.
const FOLDER: &str = "environments";

/// There is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    /// Somebody named one that is not there.
    #[error("there is no manifest `{}`, which {by} names", path.display())]
    Named {
        /// What was named.
        path: PathBuf,
        /// What named it: `--manifest` or `$TFW_MANIFEST`.
        by: &'static str,
    },
    /// There is none on the way up.
    #[error("there is no `tfw.toml` in `{}` or above it", working_dir.display())]
    Nowhere {
        /// Where the search began.
        working_dir: PathBuf,
    },
}

impl NotFound {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Named { .. } => "name the file itself, as in `--manifest environments/tfw.toml`",
            Self::Nowhere { .. } => {
                "create `environments/tfw.toml`, or name a manifest with `--manifest FILE` or `$TFW_MANIFEST`"
            }
        }
    }
}

/// Finds the manifest: the one that was named, by argument or by variable, else the first
/// `tfw.toml` or `environments/tfw.toml` from the working directory upwards. The path is absolute.
///
/// # Errors
/// There is no such file.
pub fn find(
    explicit: Option<&Path>,
    variable: Option<&OsStr>,
    working_dir: &Path,
) -> Result<PathBuf, NotFound> {
    let named = explicit
        .map(|path| (path, "`--manifest`"))
        .or_else(|| variable.map(|path| (Path::new(path), "`$TFW_MANIFEST`")));
    if let Some((path, by)) = named {
        let path = working_dir.join(path);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(NotFound::Named { path, by })
        };
    }
    working_dir
        .ancestors()
        .flat_map(|folder| [folder.join(FILE_NAME), folder.join(FOLDER).join(FILE_NAME)])
        .find(|path| path.is_file())
        .ok_or_else(|| NotFound::Nowhere {
            working_dir: working_dir.to_owned(),
        })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_first_manifest_on_the_way_up_is_found() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = folder.path();
        fs::create_dir_all(root.join("environments/dev")).expect("created");
        fs::create_dir_all(root.join("tf-modules/vpc")).expect("created");
        let manifest = root.join("environments/tfw.toml");
        let from = |start: &str| find(None, None, &root.join(start));
        assert!(matches!(from("tf-modules"), Err(NotFound::Nowhere { .. })));
        fs::write(&manifest, "").expect("written");
        for start in ["", "environments", "environments/dev", "tf-modules/vpc"] {
            assert_eq!(from(start).as_ref(), Ok(&manifest), "{start}");
        }
        let nearer = root.join("tf-modules/tfw.toml");
        fs::write(&nearer, "").expect("written");
        assert_eq!(from("tf-modules/vpc"), Ok(nearer.clone()));

        let other = OsStr::new("tf-modules/tfw.toml");
        assert_eq!(find(None, Some(other), root), Ok(nearer));
        let explicit = Path::new("environments/tfw.toml");
        assert_eq!(find(Some(explicit), Some(other), root), Ok(manifest));
        let error = find(Some(Path::new("none.toml")), None, root).expect_err("not there");
        assert!(
            error
                .to_string()
                .ends_with("none.toml`, which `--manifest` names"),
            "{error}"
        );
    }
}
