//! What a migration came to: from, to, workspaces, what is gone and where its copy is.

use std::fmt::Write as _;

use super::style::{BOLD, DIM, count, wrap};
use crate::model::{Migration, Outcome, UnitId};

/// Digits of a hash that people compare.
const DIGITS: usize = 12;

/// The summary of every unit that was migrated; empty where none was.
pub(super) fn render(units: &[(UnitId, Outcome)], width: usize) -> String {
    let migrated = units.iter().filter_map(|(unit, outcome)| {
        let migration = outcome.migration.as_ref()?.as_ref()?;
        Some((unit, migration))
    });
    let mut text = String::new();
    let mut deleted = 0;
    for (unit, migration) in migrated {
        text.push('\n');
        for line in lines(unit, migration) {
            let _ = writeln!(text, "{}", wrap(&line, width, 4));
        }
        deleted += migration.deleted.len();
    }
    if deleted > 0 {
        let line = format!(
            "{DIM}deleting is not wiping: disks and git histories keep what was on them{DIM:#}"
        );
        let _ = writeln!(text, "\n{}", wrap(&line, width, 2));
    }
    text
}

fn lines(unit: &UnitId, migration: &Migration) -> Vec<String> {
    let mut lines = vec![format!(
        "{BOLD}{unit}{BOLD:#}: {} → {}",
        migration.from, migration.to
    )];
    for workspace in &migration.workspaces {
        let mut line = format!(
            "  workspace {}: {}",
            workspace.name,
            count(workspace.resources, "resource")
        );
        if let Some(hash) = &workspace.sha256 {
            let _ = write!(line, ", content {}", &hash[..DIGITS.min(hash.len())]);
        }
        if let Some(version) = &workspace.version_id {
            let _ = write!(line, ", version {version}");
        }
        lines.push(line);
    }
    if !migration.deleted.is_empty() {
        lines.push(format!("  deleted: {}", migration.deleted.join(", ")));
    }
    if let Some(backup) = &migration.backup {
        lines.push(format!(
            "  copies: {backup} (the state in clear, readable by you alone; remove them when you need them no longer)"
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MigratedWorkspace;

    #[test]
    fn a_migration_is_told_whole() {
        let migration = Migration {
            from: "dev/terraform.tfstate".to_owned(),
            to: "s3://acme/terraform.tfstate".to_owned(),
            workspaces: vec![
                MigratedWorkspace {
                    name: "default".to_owned(),
                    resources: 12,
                    sha256: Some("0123456789abcdef".to_owned()),
                    version_id: Some("v-1".to_owned()),
                },
                MigratedWorkspace {
                    name: "blue".to_owned(),
                    resources: 0,
                    sha256: None,
                    version_id: None,
                },
            ],
            deleted: vec!["dev/terraform.tfstate".to_owned()],
            backup: Some(".tfw/backups/dev.1".to_owned()),
        };
        let outcome = Outcome {
            migration: Some(Some(migration)),
            ..Outcome::blank()
        };
        let units = [("dev".parse().expect("a unit"), outcome)];
        let text = render(&units, 100);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string(), @r"

        dev: dev/terraform.tfstate → s3://acme/terraform.tfstate
          workspace default: 12 resources, content 0123456789ab, version v-1
          workspace blue: 0 resources
          deleted: dev/terraform.tfstate
          copies: .tfw/backups/dev.1 (the state in clear, readable by you alone; remove them when you need
            them no longer)

        deleting is not wiping: disks and git histories keep what was on them
        ");
        assert_eq!(render(&[], 100), "");
    }
}
