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
    dangers(&foreign, wanted, days, &desired, found);

    let own = own.into_iter().next();
    let own_days = own
        .as_ref()
        .filter(|own| own.enabled && own.whole && own.prefix.is_empty() && !own.spares_versions)
        .and_then(|own| own.noncurrent_days);
    let Some(days) = days else {
        if let Some(own) = &own {
            let is = own.noncurrent_days.map(|days| days.to_string());
            found.add(setting, is.or(Some("0".to_owned())), desired);
            found.change(Change::Lifecycle(
                lifecycle.with_noncurrent_days(RULE, None),
            ));
        }
        return;
    };
    let theirs = foreign
        .iter()
        .filter(|rule| rule.whole && rule.prefix.is_empty())
        .filter_map(|rule| rule.noncurrent_days)
        .max();
    let is = match (own_days, theirs) {
        (Some(own), _) => Some(own),
        // A rule that tfw's own was made into something else.
        (None, _) if own.is_some() => None,
        (None, theirs) => theirs,
    };
    match is {
        Some(is) if is == days => return,
        Some(is) if is > days && !wanted.may_weaken(setting) => {
            found.keep(setting, Some(is.to_string()), desired, Reason::Stronger);
            return;
        }
        // Somebody else's, and too short: told above; another rule would not make it longer.
        Some(is) if is < days && own_days.is_none() => return,
        Some(is) => found.add(setting, Some(is.to_string()), desired),
        None => found.add(setting, None, desired),
    }
    let changed = lifecycle.with_noncurrent_days(RULE, Some(days));
    found.change(Change::Lifecycle(changed));
}

/// Rules of others that remove what should stay: only they can take them out.
fn dangers(
    foreign: &[LifecycleRuleFacts],
    wanted: &Wanted,
    days: Option<u32>,
    desired: &str,
    found: &mut Findings,
) {
    let meets = |rule: &LifecycleRuleFacts| {
        rule.prefix.is_empty() || wanted.keys.iter().any(|key| key.starts_with(&rule.prefix))
    };
    for rule in foreign.iter().filter(|rule| meets(rule)) {
        if rule.removes_current {
            found.keep(
                Setting::NoncurrentDays,
                Some(format!("the rule `{}` removes current states", rule.id)),
                desired,
                Reason::Foreign("it is somebody else's: take it out by hand".to_owned()),
            );
        }
        let too_short = rule
            .noncurrent_days
            .filter(|is| days.is_none_or(|days| *is < days));
        if let Some(is) = too_short {
            found.keep(
                Setting::NoncurrentDays,
                Some(format!("{is} by the rule `{}`", rule.id)),
                desired,
                Reason::Foreign("it is somebody else's: change it by hand".to_owned()),
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
        assert_eq!(lines(&none.differences), ["Add noncurrent_days - → 90"]);
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

    #[test]
    fn without_a_wish_a_denied_look_is_nothing() {
        let mut actual = Actual::bare();
        actual.lifecycle = Err("denied".to_owned());
        assert!(found(&actual, &wanted()).differences.is_empty());
        assert_eq!(found(&actual, &of_days(1)).differences.len(), 1);
    }
}
