//! What git tracks, and should not: states, plans, and what Terraform and tfw keep for themselves.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::state_files::{is_saved_plan, is_state};
use crate::model::{Area, Check, UnitId};
use crate::root_module::{normalize, relative};
use crate::stage::Context;
use crate::stage::failure::Failure;
use crate::stage::git::{NO_REPOSITORY, git, pathspecs};

/// What is wrong about a tracked path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    State,
    Plan,
    TerraformFolder,
    TfwFolder,
}

/// Whether git is there, and what it tracks in the root modules of the selected units.
pub(super) async fn look(ctx: &Context) -> Vec<Check> {
    let stopped = || Check::unknown(Area::Git, "not looked at: the run was interrupted");
    let version = match git(ctx, ["--version"], &[]).await {
        Ok(Ok(output)) => output.text().trim().replacen("git version ", "git ", 1),
        Ok(Err(why)) => {
            return vec![Check::warning(Area::Tools, why).with_hint(
                "install git: `tfw plan --out` records the commit, and `tfw doctor` looks for states that are tracked",
            )];
        }
        Err(_) => return vec![stopped()],
    };
    let mut checks = vec![Check::ok(Area::Tools, version)];
    match tracked(ctx).await {
        Ok(of_git) => checks.extend(of_git),
        Err(_) => checks.push(stopped()),
    }
    checks
}

async fn tracked(ctx: &Context) -> Result<Vec<Check>, Failure> {
    let root = &ctx.project.root;
    let prefix = match git(ctx, ["rev-parse", "--show-prefix"], &[]).await? {
        Ok(output) => PathBuf::from(output.text().trim_end_matches('\n')),
        Err(why) if why.contains(NO_REPOSITORY) => {
            return Ok(vec![Check::ok(Area::Git, "not a git repository")]);
        }
        Err(why) => return Ok(vec![Check::unknown(Area::Git, why)]),
    };
    // Whole repositories hold fixtures and other people's work: what counts is where tfw works.
    let mut folders: BTreeMap<PathBuf, Vec<&UnitId>> = BTreeMap::new();
    for unit in ctx.units() {
        folders
            .entry(unit.folder.clone())
            .or_default()
            .push(&unit.id);
    }
    folders.insert(ctx.run.tfw().path().to_owned(), Vec::new());
    let pathspecs = pathspecs(root, &prefix, folders.keys());
    let listed = git(ctx, ["ls-files", "-z", "--full-name", "--"], &pathspecs).await?;
    let listed = match listed {
        Ok(listed) => listed,
        Err(why) => return Ok(vec![Check::unknown(Area::Git, why)]),
    };
    let absolute = |path: &Path| normalize(&root.join(relative(&prefix, path)));
    let text = listed.text();
    let paths = text.split('\0').filter(|path| !path.is_empty());
    let is_plan = |path: &Path| is_saved_plan(&absolute(path));
    let mut found: Vec<(PathBuf, Kind)> = paths
        .filter_map(|path| amiss(Path::new(path), is_plan))
        .collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        let well = "no state, plan or `.terraform` is tracked";
        return Ok(vec![Check::ok(Area::Git, well)]);
    }
    let checks = found.into_iter().map(|(path, kind)| {
        let place = absolute(&path);
        let units = folders
            .iter()
            .filter(|(folder, _)| place.starts_with(folder))
            .flat_map(|(_, units)| units.iter().copied());
        told(&ctx.shown(&place), &path, kind).of(units)
    });
    Ok(checks.collect())
}

/// What is wrong about a path that is tracked; of a folder, the folder alone is told.
fn amiss(path: &Path, is_plan: impl Fn(&Path) -> bool) -> Option<(PathBuf, Kind)> {
    let mut folder = PathBuf::new();
    for part in path.components() {
        folder.push(part);
        let kind = match part {
            Component::Normal(name) if name == ".terraform" => Kind::TerraformFolder,
            Component::Normal(name) if name == ".tfw" => Kind::TfwFolder,
            _ => continue,
        };
        return Some((folder, kind));
    }
    let name = path.file_name()?.to_str()?;
    let kind = if is_state(name) {
        Kind::State
    } else if is_plan(path) {
        Kind::Plan
    } else {
        return None;
    };
    Some((path.to_owned(), kind))
}

/// `shown` is the path for people, `path` the one from the top of the repository.
fn told(shown: &str, path: &Path, kind: Kind) -> Check {
    let from_top = format!(":/{}", path.display());
    let typed = shlex::try_quote(&from_top).unwrap_or_default();
    let kept = "the history keeps it, so change the secrets in it";
    let (check, recursive, after) = match kind {
        Kind::State => {
            let message = format!("git tracks `{shown}`, a state with its secrets in plaintext");
            (Check::problem(Area::Git, message), "", kept)
        }
        Kind::Plan => {
            let message = format!("git tracks `{shown}`, a saved plan with secrets in plaintext");
            (Check::problem(Area::Git, message), "", kept)
        }
        Kind::TfwFolder => {
            let message = format!("git tracks `{shown}`, where tfw keeps plans, backups and logs");
            (Check::problem(Area::Git, message), "-r ", kept)
        }
        Kind::TerraformFolder => {
            let message = format!("git tracks `{shown}`, which each init makes anew");
            let after = "the history keeps what was in it";
            (Check::warning(Area::Git, message), "-r ", after)
        }
    };
    check.with_hint(format!(
        "`git rm {recursive}--cached {typed}`, and a line in `.gitignore`; {after}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_should_not_be_tracked_is_told_by_its_path() {
        let is_plan = |path: &Path| path.ends_with("tfplan");
        let kind = |path: &str| amiss(Path::new(path), is_plan);
        let found = |path: &str, kind| Some((PathBuf::from(path), kind));
        for (path, wanted) in [
            ("e/dev/main.tf", None),
            ("e/dev/.terraform.lock.hcl", None),
            ("e/dev/tfstate.tf", None),
            ("e/dev/x.tfstate", found("e/dev/x.tfstate", Kind::State)),
            (
                "e/dev/terraform.tfstate.backup",
                found("e/dev/terraform.tfstate.backup", Kind::State),
            ),
            (
                "e/dev/.terraform/providers/x/y",
                found("e/dev/.terraform", Kind::TerraformFolder),
            ),
            ("e/dev/tfplan", found("e/dev/tfplan", Kind::Plan)),
            (
                "e/.tfw/runs/1/report.json",
                found("e/.tfw", Kind::TfwFolder),
            ),
        ] {
            assert_eq!(kind(path), wanted, "{path}");
        }
    }

    #[test]
    fn the_command_in_the_hint_works_anywhere_in_the_repository() {
        let check = told(
            "dev/a b.tfstate",
            Path::new("e/dev/a b.tfstate"),
            Kind::State,
        );
        assert_eq!(
            check.hint.as_deref(),
            Some(
                "`git rm --cached ':/e/dev/a b.tfstate'`, and a line in `.gitignore`; the history keeps it, so change the secrets in it"
            )
        );
    }
}
