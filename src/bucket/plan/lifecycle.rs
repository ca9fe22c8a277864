//! Old versions of states: removed in time, where the manifest says so. Current ones: never.

use super::{Change, Findings, Setting};
use crate::aws::LifecycleRuleFacts;
use crate::bucket::{Actual, Wanted};
use crate::model::Reason;

/// The name of tfw's own rule.
const RULE: &str = "tfw-noncurrent-versions";

pub(super) fn old_versions(actual: &Actual, wanted: &Wanted, found: &mut Findings) {
    let setting = Setting::NoncurrentDays;
    let days = wanted.spec.noncurrent_days.map(u32::from);
    let desired = days.map_or_else(|| "for ever".to_owned(), |days| days.to_string());
    let lifecycle = match (&actual.lifecycle, days) {
        // Nobody asked.
        (Err(_), None) => return,
        (read, _) => match found.known(read, setting, &desired) {
            Some(lifecycle) => lifecycle,
            None => return,
        },
    };
    let facts = lifecycle.facts();
    let (own, foreign): (Vec<_>, Vec<_>) = facts.into_iter().partition(|rule| rule.id == RULE);
    let foreign: Vec<LifecycleRuleFacts> =
        foreign.into_iter().filter(|rule| rule.enabled).collect();
    let own = own.into_iter().next();
    dangers(&foreign, own.as_ref(), wanted, days, &desired, found);

    let Some(days) = days else {
        let removes = own.filter(|own| own.enabled);
        if let Some(is) = removes.and_then(|own| own.noncurrent_days) {
            found.add(setting, Some(is.to_string()), desired);
            let changed = lifecycle.with_noncurrent_days(RULE, None);
            found.change(Change::Lifecycle(changed));
        }
        return;
    };
    let theirs = || {
        let of_all = foreign.iter().filter(|rule| rule.is_about_all());
        of_all.filter_map(|rule| rule.noncurrent_days).min()
    };
    let changed = lifecycle.with_noncurrent_days(RULE, Some(days));
    let is = match &own {
        Some(own) if is_as_written(own) => own.noncurrent_days,
        Some(own) if wanted.may_weaken(setting) => {
            found.add(setting, Some(kept(own)), desired);
            found.change(Change::Lifecycle(changed));
            return;
        }
        Some(own) => {
            let too_short = own.noncurrent_days.is_some_and(|is| is < days) && own.enabled;
            if too_short {
                found.add(setting, Some(kept(own)), desired);
                let longer = lifecycle.with_longer_wait(RULE, days);
                found.change(Change::Lifecycle(longer));
            } else {
                found.keep(setting, Some(kept(own)), desired, Reason::Stronger);
            }
            return;
        }
        None => theirs(),
    };
    match is {
        Some(is) if is == days => return,
        Some(is) if is > days && !wanted.may_weaken(setting) => {
            found.keep(setting, Some(is.to_string()), desired, Reason::Stronger);
            return;
        }
        // Somebody else's, and too short: told above; another rule would not make it longer.
        Some(is) if is < days && own.is_none() => return,
        Some(is) => found.add(setting, Some(is.to_string()), desired),
        None => found.add(
            setting,
            None,
            format!("{desired} (older versions of states are removed)"),
        ),
    }
    found.change(Change::Lifecycle(changed));
}

/// Whether tfw's own rule does what tfw lets it do, after however many days.
fn is_as_written(own: &LifecycleRuleFacts) -> bool {
    own.is_about_all() && !own.spares_versions && own.noncurrent_days.is_some()
}

/// How long tfw's own rule keeps old versions, of which somebody has made another one.
fn kept(own: &LifecycleRuleFacts) -> String {
    match own.noncurrent_days.filter(|_| own.enabled) {
        None => "for ever".to_owned(),
        Some(days) if own.spares_versions => format!("{days}, and the newest ones for longer"),
        Some(days) => format!("{days}, of some objects only"),
    }
}

/// Rules that remove what should stay, or put it where nobody can read it: only those who made them
/// can take them out.
fn dangers(
    foreign: &[LifecycleRuleFacts],
    own: Option<&LifecycleRuleFacts>,
    wanted: &Wanted,
    days: Option<u32>,
    desired: &str,
    found: &mut Findings,
) {
    let meets = |rule: &&LifecycleRuleFacts| {
        rule.enabled && rule.whole && wanted.keys.iter().any(|key| key.starts_with(&rule.prefix))
    };
    let mut tell = |actual: String, reason: &str| {
        found.keep(
            Setting::NoncurrentDays,
            Some(actual),
            desired,
            Reason::Foreign(reason.to_owned()),
        );
    };
    for rule in foreign.iter().chain(own).filter(meets) {
        if rule.removes_current {
            tell(
                format!("the rule `{}` removes current states", rule.id),
                "tfw did not make it so: take it out by hand",
            );
        }
        if let Some(archive) = &rule.archive {
            tell(
                format!("the rule `{}` moves current states to {archive}", rule.id),
                "Terraform cannot read them there: take it out by hand",
            );
        }
    }
    for rule in foreign.iter().filter(meets) {
        let is_short = |is: &u32| days.is_none_or(|days| *is < days);
        if let Some(is) = rule.noncurrent_days.filter(is_short) {
            tell(
                format!("{is} by the rule `{}`", rule.id),
                "it is somebody else's: change it by hand",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{lines, wanted};
    use super::*;
    use crate::aws::Lifecycle;

    fn of_days(days: u32) -> Wanted {
        let mut wanted = wanted();
        wanted.spec.noncurrent_days = std::num::NonZeroU32::new(days);
        wanted
    }

    fn with(lifecycle: Lifecycle) -> Actual {
        let mut actual = Actual::bare();
        actual.lifecycle = Ok(lifecycle);
        actual
    }

    fn found(actual: &Actual, wanted: &Wanted) -> Findings {
        let mut found = Findings::default();
        old_versions(actual, wanted, &mut found);
        found
    }

    #[test]
    fn a_longer_life_is_kept_unless_that_is_allowed() {
        let mut wanted = of_days(90);
        let none = found(&with(Lifecycle::default()), &wanted);
        assert_eq!(
            lines(&none.differences),
            ["Add noncurrent_days - → 90 (older versions of states are removed)"]
        );
        for rule in [RULE, "theirs"] {
            let longer = with(Lifecycle::default().with_noncurrent_days(rule, Some(365)));
            let kept = found(&longer, &wanted);
            assert_eq!(
                lines(&kept.differences),
                ["Keep noncurrent_days 365 → 90 (Stronger)"]
            );
            assert!(kept.changes.is_empty());
        }
        wanted.weaker.insert(Setting::NoncurrentDays);
        let longer = with(Lifecycle::default().with_noncurrent_days(RULE, Some(365)));
        let weakened = found(&longer, &wanted);
        assert_eq!(
            lines(&weakened.differences),
            ["Change noncurrent_days 365 → 90"]
        );
        let same = with(Lifecycle::default().with_noncurrent_days("theirs", Some(90)));
        assert!(found(&same, &wanted).differences.is_empty());
    }

    #[test]
    fn tfws_own_rule_is_made_longer_and_taken_out() {
        let shorter = with(Lifecycle::default().with_noncurrent_days(RULE, Some(30)));
        let longer = found(&shorter, &of_days(90));
        assert_eq!(
            lines(&longer.differences),
            ["Change noncurrent_days 30 → 90"]
        );
        assert_eq!(longer.changes.len(), 1);
        let out = found(&shorter, &wanted());
        assert_eq!(
            lines(&out.differences),
            ["Change noncurrent_days 30 → for ever"]
        );
        assert_eq!(out.changes, [Change::Lifecycle(Lifecycle::default())]);
    }

    #[test]
    fn a_shorter_rule_of_others_is_told_and_left() {
        let theirs = with(Lifecycle::default().with_noncurrent_days("theirs", Some(7)));
        for wanted in [of_days(90), wanted()] {
            let told = found(&theirs, &wanted);
            assert_eq!(told.differences.len(), 1, "{:?}", told.differences);
            assert!(
                told.differences[0]
                    .actual
                    .as_ref()
                    .unwrap()
                    .contains("7 by the rule `theirs`")
            );
            assert!(told.changes.is_empty());
        }
    }

    fn rule(id: &str, days: Option<u32>) -> LifecycleRuleFacts {
        LifecycleRuleFacts {
            id: id.to_owned(),
            enabled: true,
            prefix: String::new(),
            whole: true,
            noncurrent_days: days,
            spares_versions: false,
            removes_current: false,
            archive: None,
        }
    }

    fn rules(all: &[LifecycleRuleFacts]) -> Actual {
        with(Lifecycle::for_tests(all))
    }

    #[test]
    fn tfws_own_rule_that_somebody_made_to_keep_more_is_kept() {
        let own = rule(RULE, Some(90));
        let disabled = LifecycleRuleFacts {
            enabled: false,
            ..own.clone()
        };
        let narrowed = LifecycleRuleFacts {
            prefix: "logs/".to_owned(),
            ..own.clone()
        };
        let sparing = LifecycleRuleFacts {
            spares_versions: true,
            ..own
        };
        for changed in
            [&disabled, &narrowed, &sparing].map(|rule| rules(std::slice::from_ref(rule)))
        {
            let mut wanted = of_days(90);
            let kept = found(&changed, &wanted);
            assert!(kept.changes.is_empty(), "{:?}", kept.differences);
            assert!(kept.differences[0].is_harmless());
            wanted.weaker.insert(Setting::NoncurrentDays);
            let again = found(&changed, &wanted);
            let [Change::Lifecycle(lifecycle)] = &again.changes[..] else {
                panic!("{:?}", again.changes);
            };
            assert!(lifecycle.facts().iter().any(is_as_written));
        }
        let longer = found(&rules(&[narrowed]), &of_days(365));
        let [Change::Lifecycle(lifecycle)] = &longer.changes[..] else {
            panic!("{:?}", longer.changes);
        };
        let facts = &lifecycle.facts()[0];
        assert_eq!(
            (facts.noncurrent_days, facts.prefix.as_str()),
            (Some(365), "logs/")
        );
        // What is off removes nothing, and nothing is to be removed.
        assert!(found(&rules(&[disabled]), &wanted()).differences.is_empty());
    }

    #[test]
    fn of_several_rules_of_others_the_shortest_counts() {
        let several = rules(&[rule("one", Some(365)), rule("two", Some(90))]);
        assert!(found(&several, &of_days(90)).differences.is_empty());
    }

    #[test]
    fn what_happens_to_current_states_is_told() {
        let removing = LifecycleRuleFacts {
            removes_current: true,
            ..rule("theirs", None)
        };
        let told = found(&rules(std::slice::from_ref(&removing)), &wanted());
        assert_eq!(told.differences.len(), 1);
        let of_some = LifecycleRuleFacts {
            whole: false,
            ..removing
        };
        assert!(found(&rules(&[of_some]), &wanted()).differences.is_empty());
        let archiving = LifecycleRuleFacts {
            archive: Some("GLACIER".to_owned()),
            ..rule("theirs", None)
        };
        let told = found(&rules(&[archiving]), &wanted());
        assert!(lines(&told.differences)[0].contains("moves current states to GLACIER"));
    }

    #[test]
    fn without_a_wish_a_denied_look_is_nothing() {
        let mut actual = Actual::bare();
        actual.lifecycle = Err("denied".to_owned());
        assert!(found(&actual, &wanted()).differences.is_empty());
        assert_eq!(found(&actual, &of_days(1)).differences.len(), 1);
    }
}
