//! States and plans that lie about: in root modules, and in what tfw keeps of its runs.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::findings::{UNITS, grouped, of_failure};
use crate::journal::Migration;
use crate::model::{Area, Backend, Check, Unit};
use crate::stage::Context;
use crate::stage::guards;

/// What a file in a root module is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Terraform's local state of a workspace.
    State,
    /// A copy of one, which Terraform or a person made.
    Copy,
    /// A saved plan.
    Plan,
}

pub(super) fn look(ctx: &Context) -> Vec<Check> {
    grouped(ctx.units().flat_map(|unit| {
        let mut checks = in_root_module(ctx, unit);
        checks.extend(in_runs(ctx, unit));
        checks.extend(migration(ctx, unit));
        if checks.is_empty() {
            checks.push(Check::ok(Area::StateFiles, "none lies about"));
        }
        checks.into_iter().map(|check| {
            if check.units.is_empty() {
                check.of([&unit.id])
            } else {
                check
            }
        })
    }))
}

fn in_root_module(ctx: &Context, unit: &Unit) -> Vec<Check> {
    let mut checks = Vec::new();
    if let Err(failure) = guards::errored_state(ctx, unit) {
        checks.extend(of_failure(Area::StateFiles, unit, &failure));
    }
    // Beside the local backend, states and their backups are where they belong.
    let is_local = matches!(unit.backend, Backend::Local(_));
    for (file, kind) in left(&unit.folder) {
        let file = ctx.shown(&file);
        checks.push(match kind {
            Kind::State | Kind::Copy if is_local => continue,
            Kind::State => Check::problem(
                Area::StateFiles,
                format!("`{file}` is a local state that was not migrated"),
            )
            .with_hint(format!("`tfw migrate {UNITS}` moves it to its backend")),
            Kind::Copy => Check::warning(
                Area::StateFiles,
                format!("`{file}` is a copy of a state, with its secrets in plaintext"),
            )
            .with_hint("delete it when the state is where it belongs"),
            Kind::Plan => Check::warning(
                Area::StateFiles,
                format!("`{file}` is a saved plan, with secrets in plaintext"),
            )
            .with_hint("delete it when it is not to be applied any more"),
        });
    }
    checks
}

/// States that Terraform could not save.
fn in_runs(ctx: &Context, unit: &Unit) -> Vec<Check> {
    let states = ctx.run.tfw().errored_states(&unit.id);
    let checks = states.into_iter().map(|state| {
        let path = state.display().to_string();
        let typed = shlex::try_quote(&path).unwrap_or_default();
        Check::problem(
            Area::StateFiles,
            format!(
                "`{}` is a state that an apply could not save",
                ctx.shown(&state)
            ),
        )
        .with_hint(format!(
            "`tfw exec {} -- state push {typed}` saves it, where that is not done; then delete it",
            unit.id
        ))
    });
    checks.collect()
}

fn migration(ctx: &Context, unit: &Unit) -> Option<Check> {
    match Migration::unfinished(ctx.run.tfw(), &unit.id) {
        Ok(None) => None,
        Ok(Some(_)) => Some(
            Check::warning(Area::StateFiles, "a migration of its state is not finished").with_hint(
                format!("`tfw migrate {UNITS}` goes on with it, `--abort` puts it back"),
            ),
        ),
        Err(error) => Some(Check::unknown(Area::StateFiles, error.to_string())),
    }
}

/// The states and plans in a root module that are not empty, by name. `errored.tfstate` is none of
/// them.
fn left(folder: &Path) -> Vec<(PathBuf, Kind)> {
    let workspaces = files(&folder.join("terraform.tfstate.d"));
    let of_workspaces = workspaces.iter().flat_map(|folder| files(folder));
    let all = files(folder).into_iter().chain(of_workspaces);
    let mut left: Vec<(PathBuf, Kind)> = all
        .filter_map(|file| Some((kind(&file)?, file)))
        .filter(|(_, file)| {
            fs::metadata(file).is_ok_and(|found| found.is_file() && found.len() > 0)
        })
        .map(|(kind, file)| (file, kind))
        .collect();
    left.sort_unstable();
    left
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect()
}

fn kind(file: &Path) -> Option<Kind> {
    let name = file.file_name()?.to_str()?;
    match name {
        "terraform.tfstate" => Some(Kind::State),
        "errored.tfstate" => None,
        _ if is_state(name) => Some(Kind::Copy),
        _ if is_saved_plan(file) => Some(Kind::Plan),
        _ => None,
    }
}

/// Whether a file of this name is a state or a backup of one: `x.tfstate`, `x.tfstate.backup`,
/// `x.tfstate.1767225600.backup`.
pub(super) fn is_state(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "tfstate")
        || name.contains(".tfstate.") && name.ends_with(".backup")
}

/// Whether a file has one of the names that people give to saved plans, and is one: a zip archive.
pub(super) fn is_saved_plan(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    let is_named_so = name.is_some_and(|name| {
        matches!(name, "tfplan" | "plan.out") || name.strip_suffix(".tfplan").is_some()
    });
    let is_zip = || {
        let mut magic = [0; 4];
        File::open(file)
            .and_then(|mut file| file.read_exact(&mut magic))
            .is_ok()
            && magic == *b"PK\x03\x04"
    };
    is_named_so && is_zip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_plans_are_told_from_what_only_looks_like_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, content) in [
            ("terraform.tfstate", "{}"),
            ("terraform.tfstate.backup", "{}"),
            ("terraform.tfstate.1767225600.backup", "{}"),
            ("old.tfstate", ""),
            ("errored.tfstate", "{}"),
            ("terraform.tfstate.d/blue/terraform.tfstate", "{}"),
            (".terraform/terraform.tfstate", "{}"),
            (".terraform.tfstate.lock.info", "{}"),
            ("main.tf", "# a tfplan"),
            ("tfplan", "PK\x03\x04"),
            ("eu.tfplan", "PK\x03\x04"),
            ("plan.out", "No changes."),
            ("archive.zip", "PK\x03\x04"),
        ] {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().expect("a parent")).expect("made");
            fs::write(file, content).expect("written");
        }
        let found = left(folder.path());
        let found: Vec<(&str, Kind)> = found
            .iter()
            .map(|(file, kind)| {
                let below = file.strip_prefix(folder.path()).expect("below");
                (below.to_str().expect("UTF-8"), *kind)
            })
            .collect();
        assert_eq!(
            found,
            [
                ("eu.tfplan", Kind::Plan),
                ("terraform.tfstate", Kind::State),
                ("terraform.tfstate.1767225600.backup", Kind::Copy),
                ("terraform.tfstate.backup", Kind::Copy),
                ("terraform.tfstate.d/blue/terraform.tfstate", Kind::State),
                ("tfplan", Kind::Plan),
            ]
        );
    }
}
