//! What to do after a run: the very command.

use crate::events::Typed;
use crate::model::{Outcome, UnitId, UnitResult};

/// More units than this are not named one by one.
const NAMED: usize = 6;

/// What comes next, one line each: what it does, and the command.
pub(super) fn next(command: &str, typed: &Typed, units: &[(UnitId, Outcome)]) -> Vec<String> {
    let words = |command: &str, selection: &str| {
        let words = ["tfw", command, selection, &typed.options];
        let given: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        given.join(" ")
    };
    let names = |chosen: &[&UnitId]| {
        let names: Vec<String> = chosen.iter().map(ToString::to_string).collect();
        names.join(" ")
    };
    let named = |chosen: &[&UnitId]| {
        if chosen.len() > NAMED || chosen.len() == units.len() {
            typed.selection.clone()
        } else {
            names(chosen)
        }
    };
    let with = |wanted: &dyn Fn(&Outcome) -> bool| -> Vec<&UnitId> {
        units
            .iter()
            .filter(|(_, outcome)| wanted(outcome))
            .map(|(unit, _)| unit)
            .collect()
    };
    let is_stuck = |outcome: &Outcome| {
        matches!(
            outcome.result,
            UnitResult::Failed | UnitResult::Locked | UnitResult::Interrupted
        )
    };
    if units.iter().any(|(_, outcome)| is_stuck(outcome)) {
        // What waits for a unit in an apply is skipped with it, and comes with it again; a plan
        // skips what no second plan would make.
        let is_apply = matches!(command, "apply" | "destroy" | "migrate");
        let left = with(&|outcome| match outcome.result {
            UnitResult::Succeeded | UnitResult::Refused => false,
            UnitResult::Skipped => is_apply,
            _ => true,
        });
        let again = [words(command, &named(&left)), typed.flags.clone()];
        let again = again.join(" ").trim_end().to_owned();
        let all = |result| {
            units
                .iter()
                .all(|(_, outcome)| !is_stuck(outcome) || outcome.result == result)
        };
        let when = if all(UnitResult::Interrupted) {
            "go on"
        } else if all(UnitResult::Locked) {
            "when the lock is free"
        } else {
            "when that is mended"
        };
        return vec![format!("{when}: {again}")];
    }
    let changed = with(&|outcome| outcome.differs);
    match command {
        "init" => vec![format!(
            "see what would change: {}",
            words("plan", &typed.selection)
        )],
        "migrate" => {
            let moved = with(&|outcome| matches!(outcome.migration, Some(Some(_))));
            // Back in a local file, the manifest comes first; it has been named. And nothing has
            // moved in a dry run.
            let has_moved = ["--to-local", "--dry-run"]
                .iter()
                .all(|flag| !typed.flags.contains(flag));
            if moved.is_empty() || !has_moved {
                Vec::new()
            } else {
                vec![format!(
                    "see that nothing would change: {}",
                    words("plan", &named(&moved))
                )]
            }
        }
        "plan" | "drift" | "state rollback" | "state push" if changed.is_empty() => Vec::new(),
        "plan" => match &typed.bundle {
            Some(folder) => vec![format!(
                "apply exactly these plans: {}",
                words("apply", &format!("--from {folder}"))
            )],
            None => vec![format!("apply: {}", words("apply", &typed.selection))],
        },
        "state rollback" | "state push" => vec![format!(
            "where these changes are meant: {}",
            // By their names: a backup is no bundle, and its flag is not for an apply.
            words("apply", &names(&changed))
        )],
        "drift" => vec![
            format!(
                "see what an apply would set back: {}",
                words("plan", &named(&changed))
            ),
            format!(
                "or accept it into the state: {} -- apply -refresh-only",
                words("exec", &changed[0].to_string())
            ),
        ],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(results: &[(&str, UnitResult, bool)]) -> Vec<(UnitId, Outcome)> {
        let outcome = |result, differs| Outcome {
            result,
            differs,
            ..Outcome::blank()
        };
        results
            .iter()
            .map(|&(name, result, differs)| {
                (name.parse().expect("a unit"), outcome(result, differs))
            })
            .collect()
    }

    fn typed() -> Typed {
        Typed {
            options: "--manifest 'my live/tfw.toml'".to_owned(),
            selection: "--all".to_owned(),
            flags: String::new(),
            bundle: None,
        }
    }

    #[test]
    fn after_a_plan_with_changes_comes_its_apply() {
        let ran = units(&[
            ("dev", UnitResult::Succeeded, true),
            ("prod", UnitResult::Succeeded, false),
        ]);
        assert_eq!(
            next("plan", &typed(), &ran),
            ["apply: tfw apply --all --manifest 'my live/tfw.toml'"]
        );
        let kept = Typed {
            bundle: Some("review".to_owned()),
            ..Typed::default()
        };
        assert_eq!(
            next("plan", &kept, &ran),
            ["apply exactly these plans: tfw apply --from review"]
        );
        assert!(next("plan", &typed(), &ran[1..]).is_empty());
        assert_eq!(
            next("drift", &Typed::default(), &ran),
            [
                "see what an apply would set back: tfw plan dev",
                "or accept it into the state: tfw exec dev -- apply -refresh-only"
            ]
        );
    }

    #[test]
    fn after_a_failure_comes_the_same_for_what_is_left() {
        let ran = units(&[
            ("dev", UnitResult::Succeeded, true),
            ("test", UnitResult::Failed, false),
            ("prod", UnitResult::Skipped, false),
        ]);
        assert_eq!(
            next("apply", &Typed::default(), &ran),
            ["when that is mended: tfw apply test prod"]
        );
        assert_eq!(
            next("plan", &Typed::default(), &ran),
            ["when that is mended: tfw plan test"]
        );
    }
}
