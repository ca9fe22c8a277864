//! Which files make up a module, in the order in which they count.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::ReadError;

/// One file of a module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ConfigurationFile {
    pub(super) path: PathBuf,
    pub(super) is_json: bool,
    pub(super) is_override: bool,
}

/// The configuration files of a folder: ordinary ones by name, then override files by name.
pub(super) fn configuration(folder: &Path) -> Result<Vec<ConfigurationFile>, ReadError> {
    Ok(among(folder, list(folder)?))
}

/// The configuration files among these names, in that order.
pub(super) fn among(folder: &Path, mut names: Vec<String>) -> Vec<ConfigurationFile> {
    names.sort_unstable();
    let mut files: Vec<ConfigurationFile> = names
        .iter()
        .filter_map(|name| {
            let (stem, is_tofu, is_json) = stem(name)?;
            if !is_tofu {
                let twin = format!("{stem}.tofu{}", if is_json { ".json" } else { "" });
                if names.binary_search(&twin).is_ok() {
                    return None;
                }
            }
            Some(ConfigurationFile {
                path: folder.join(name),
                is_json,
                is_override: stem == "override" || stem.ends_with("_override"),
            })
        })
        .collect();
    files.sort_by_key(|file| file.is_override); // stable: names stay sorted
    files
}

/// Splits `main.tofu.json` into `main`, whether it is OpenTofu's alone, and whether it is JSON.
fn stem(name: &str) -> Option<(&str, bool, bool)> {
    // Terraform skips the droppings of editors too (`configs/parser_config_dir.go`, IsIgnoredFile).
    if name.starts_with('.') || name.ends_with('~') || name.starts_with('#') {
        return None;
    }
    let (rest, is_json) = match name.strip_suffix(".json") {
        Some(rest) => (rest, true),
        None => (name, false),
    };
    if let Some(stem) = rest.strip_suffix(".tf") {
        return Some((stem, false, is_json));
    }
    rest.strip_suffix(".tofu").map(|stem| (stem, true, is_json))
}

/// Names in a folder. Names that are not UTF-8 are none of Terraform's.
pub(super) fn list(folder: &Path) -> Result<Vec<String>, ReadError> {
    let unreadable = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ReadError::NoFolder {
            folder: folder.to_owned(),
        },
        _ => ReadError::Io {
            file: folder.to_owned(),
            source,
        },
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        if let Ok(name) = entry.map_err(unreadable)?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}

/// Reads a text file.
pub(super) fn read(file: &Path) -> Result<String, ReadError> {
    fs::read_to_string(file).map_err(|source| ReadError::Io {
        file: file.to_owned(),
        source,
    })
}

/// Resolves `.` and `..` by name alone, without asking the file system; a leading `..` stays.
pub fn normalize(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match result.components().next_back() {
                Some(Component::Normal(_)) => {
                    result.pop();
                }
                Some(Component::RootDir | Component::Prefix(_)) => {}
                Some(Component::ParentDir | Component::CurDir) | None => result.push(".."),
            },
            other => result.push(other),
        }
    }
    result
}

/// The way from one folder to a path, both absolute or both relative to the same; by name alone.
pub fn relative(from: &Path, to: &Path) -> PathBuf {
    let common = from
        .components()
        .zip(to.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = from
        .components()
        .skip(common)
        .map(|_| Component::ParentDir.as_os_str());
    let down = to.components().skip(common);
    up.chain(down.map(Component::as_os_str)).collect()
}

/// The line of each byte offset of one text.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line at an offset, from 1.
    pub(super) fn at(&self, offset: usize) -> u32 {
        let line = self.0.partition_point(|&newline| newline < offset) + 1;
        u32::try_from(line).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_file_is() {
        assert_eq!(stem("main.tf"), Some(("main", false, false)));
        assert_eq!(stem("main.tofu.json"), Some(("main", true, true)));
        for other in [".main.tf", "main.tf~", "#main.tf#", "main.tfvars", "x.json"] {
            assert_eq!(stem(other), None, "{other}");
        }
    }

    #[test]
    fn paths_are_resolved_by_name() {
        for (path, expected) in [
            ("/a/./b/../c", "/a/c"),
            ("../x/../y", "../y"),
            ("/../a", "/a"),
            ("./a", "a"),
            ("..", ".."),
            ("../..", "../.."),
        ] {
            assert_eq!(normalize(Path::new(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn lines_count_from_one() {
        let lines = Lines::new("a\nb\n\nc");
        assert_eq!(
            [lines.at(0), lines.at(1), lines.at(2), lines.at(5)],
            [1, 1, 2, 4]
        );
    }

    #[test]
    fn a_way_goes_up_and_down() {
        for (from, to, way) in [
            ("/r/e", "/r/e/dev/main.tf", "dev/main.tf"),
            ("/r/e", "/r/modules/vpc", "../modules/vpc"),
            ("/r/e", "/r/e", ""),
            ("environments", "tf-modules/a.tf", "../tf-modules/a.tf"),
            ("", "a/b", "a/b"),
        ] {
            let found = relative(Path::new(from), Path::new(to));
            assert_eq!(found, Path::new(way), "{from} to {to}");
        }
    }
}
