//! Which variables tfvars files set.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use hcl_edit::Span;

use super::files::{self, Lines};
use super::{Location, ReadError, hcl, json};

/// The names that one `*.tfvars` or `*.tfvars.json` file sets, and where.
///
/// # Errors
/// The file cannot be read, or is not valid HCL or JSON.
pub fn read_tfvars(file: &Path) -> Result<BTreeMap<String, Location>, ReadError> {
    let text = files::read(file)?;
    if file
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        let object = json::object(file, &text)?;
        return Ok(object
            .keys()
            .map(|name| (name.clone(), json::locate(file, &text, name)))
            .collect());
    }
    let body = hcl::body(file, &text)?;
    let lines = Lines::new(&text);
    Ok(body
        .attributes()
        .map(|attribute| {
            let offset = attribute.key.span().map_or(0, |span| span.start);
            let location = Location {
                file: file.to_owned(),
                line: lines.at(offset),
            };
            (attribute.key.to_string().trim().to_owned(), location)
        })
        .collect())
}

/// The tfvars files that Terraform loads by itself from a root module, in its order: a later one
/// wins (<https://developer.hashicorp.com/terraform/language/values/variables>).
///
/// # Errors
/// The folder cannot be listed.
pub fn automatic_tfvars(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = files::list(folder).map_err(|error| match error {
        ReadError::Io { source, .. } => source,
        other => io::Error::new(io::ErrorKind::NotFound, other.to_string()),
    })?;
    names.retain(|name| rank(name).is_some());
    names.sort_unstable_by(|a, b| (rank(a), a).cmp(&(rank(b), b)));
    Ok(names.iter().map(|name| folder.join(name)).collect())
}

fn rank(name: &str) -> Option<u8> {
    match name {
        "terraform.tfvars" => Some(0),
        "terraform.tfvars.json" => Some(1),
        _ if name.starts_with('.') => None,
        _ if name.ends_with(".auto.tfvars") || name.ends_with(".auto.tfvars.json") => Some(2),
        _ => None,
    }
}
