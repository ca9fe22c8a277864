//! The bucket policy: TLS only, and only a few.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Change, Findings, Setting};
use crate::bucket::policy::{self, Insiders, Policy, Statement};
use crate::bucket::{Actual, Wanted};
use crate::model::Reason;

const TLS: &str = "TLS only";

pub(super) fn policy(actual: &Actual, wanted: &Wanted, found: &mut Findings) {
    if !wanted.force_tls && wanted.insiders.is_none() {
        return;
    }
    let parsed = actual.policy.clone().and_then(|text| {
        let parsed = text.as_deref().map_or(Ok(Policy::new()), Policy::parse);
        parsed.map_err(|why| format!("what is there is no policy: {why}"))
    });
    let all = wanted.insiders.as_ref().map(|insiders| only(&insiders.0));
    let mut policy = match parsed {
        Ok(policy) => policy,
        Err(why) => {
            let reason = || Reason::Unreadable(why.clone());
            if wanted.force_tls {
                found.keep(Setting::ForceTls, None, TLS, reason());
            }
            if let Some(all) = all {
                found.keep(Setting::AllowedPrincipals, None, all, reason());
            }
            return;
        }
    };
    let before = policy.text();
    if wanted.force_tls {
        let statement = policy::tls_only(wanted.partition, &wanted.bucket);
        if !covered(&policy, &statement) {
            policy.set(policy::TLS_ONLY, Some(&statement));
            found.add(Setting::ForceTls, None, TLS);
        }
    }
    if let Some(insiders) = &wanted.insiders {
        few(&mut policy, insiders, wanted, found);
    }
    if policy.text() != before {
        found.change(Change::Policy(policy.text()));
    }
}

/// Lets in those of the manifest and nobody else. Whoever was shut out before stays shut out,
/// unless it may be made weaker.
fn few(policy: &mut Policy, insiders: &Insiders, wanted: &Wanted, found: &mut Findings) {
    let setting = Setting::AllowedPrincipals;
    let deny = |insiders: &BTreeSet<String>| {
        policy::insiders_only(wanted.partition, &wanted.bucket, insiders)
    };
    let own = policy.own(policy::INSIDERS_ONLY);
    let is: Option<BTreeSet<String>> = own
        .as_ref()
        .filter(|own| {
            own.spared_principals().is_some_and(|spared| {
                Statement::of(&deny(spared)).is_some_and(|same| own.covers(&same))
            })
        })
        .and_then(|own| own.spared_principals().cloned());
    let let_in: BTreeSet<String> = match &is {
        Some(is) if !wanted.may_weaken(setting) => insiders.0.intersection(is).cloned().collect(),
        _ => insiders.0.clone(),
    };
    let statement = deny(&let_in);
    if is.as_ref() != Some(&let_in) && (is.is_some() || !covered(policy, &statement)) {
        policy.set(policy::INSIDERS_ONLY, Some(&statement));
        found.add(setting, is.as_ref().map(only), only(&let_in));
    }
    let others = Insiders(let_in.clone()).others(&wanted.owner);
    let allow = policy::others_may_use(wanted.partition, &wanted.bucket, &others);
    let has = policy.own(policy::OTHER_ACCOUNTS);
    match &allow {
        Some(allow)
            if has != Statement::of(allow) && (has.is_some() || !covered(policy, allow)) =>
        {
            let names: Vec<&str> = others.iter().map(String::as_str).collect();
            let was = has.map(|_| "others of other accounts".to_owned());
            policy.set(policy::OTHER_ACCOUNTS, Some(allow));
            found.add(setting, was, format!("let in {}", names.join(", ")));
        }
        None if has.is_some() => {
            policy.set(policy::OTHER_ACCOUNTS, None);
            found.add(
                setting,
                Some("other accounts let in".to_owned()),
                "none of other accounts",
            );
        }
        _ => {}
    }
    if let Some(is) = is
        && let_in != insiders.0
    {
        found.keep(
            setting,
            Some(only(&is)),
            only(&insiders.0),
            Reason::Stronger,
        );
    }
}

/// Whether some statement, whoever wrote it, does what this one would.
fn covered(policy: &Policy, statement: &Value) -> bool {
    let meaning = Statement::of(statement).unwrap_or_default();
    policy.statements().iter().any(|each| each.covers(&meaning))
}

fn only(insiders: &BTreeSet<String>) -> String {
    let names: Vec<&str> = insiders.iter().map(String::as_str).collect();
    format!("only {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{insiders, lines, wanted};
    use super::*;

    const ROOT: &str = "arn:aws:iam::111111111111:root";
    const A: &str = "arn:aws:iam::111111111111:role/A";
    const B: &str = "arn:aws:iam::222222222222:role/B";

    fn found(policy_text: Option<&str>, wanted: &Wanted) -> Findings {
        let mut actual = Actual::bare();
        actual.policy = Ok(policy_text.map(str::to_owned));
        let mut found = Findings::default();
        policy(&actual, wanted, &mut found);
        found
    }

    fn written(found: &Findings) -> &str {
        match &found.changes[..] {
            [Change::Policy(text)] => text,
            other => panic!("{other:?}"),
        }
    }

    fn tls() -> Wanted {
        let mut wanted = wanted();
        wanted.force_tls = true;
        wanted
    }

    fn letting_in(arns: &[&str]) -> Wanted {
        let mut wanted = wanted();
        wanted.insiders = Some(insiders(arns));
        wanted
    }

    #[test]
    fn what_was_written_is_found_again() {
        for wanted in [tls(), letting_in(&[ROOT, A]), letting_in(&[ROOT, A, B])] {
            let first = found(None, &wanted);
            let text = written(&first);
            let second = found(Some(text), &wanted);
            assert!(second.differences.is_empty(), "{:?}", second.differences);
            assert!(second.changes.is_empty());
        }
    }

    #[test]
    fn the_statements_of_others_stay_and_equal_ones_count() {
        let theirs = r#"{"Sid":"Theirs","Effect":"Deny","Principal":{"AWS":"*"},"Action":["s3:*"],"Resource":["arn:aws:s3:::b/*","arn:aws:s3:::b"],"Condition":{"Bool":{"aws:SecureTransport":false}}}"#;
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{theirs}]}}"#);
        assert!(found(Some(&text), &tls()).differences.is_empty());
        let more = found(Some(&text), &letting_in(&[ROOT, A]));
        assert!(written(&more).contains(theirs));
    }

    #[test]
    fn whoever_was_shut_out_stays_shut_out() {
        let before = found(None, &letting_in(&[ROOT, A]));
        let text = written(&before).to_owned();
        let mut more = letting_in(&[ROOT, A, B]);
        let kept = found(Some(&text), &more);
        assert!(kept.changes.is_empty());
        assert_eq!(kept.differences.len(), 1);
        assert!(kept.differences[0].is_harmless());
        more.weaker.insert(Setting::AllowedPrincipals);
        let widened = found(Some(&text), &more);
        assert!(written(&widened).contains(B));
        assert!(written(&widened).contains("TfwOtherAccounts"));
        let text = written(&widened).to_owned();
        let narrowed = found(Some(&text), &letting_in(&[ROOT, A]));
        assert!(!written(&narrowed).contains(B), "{}", written(&narrowed));
        insta::assert_snapshot!(lines(&narrowed.differences).join("\n"), @r"
        Change allowed_principals only arn:aws:iam::111111111111:role/A, arn:aws:iam::111111111111:root, arn:aws:iam::222222222222:role/B → only arn:aws:iam::111111111111:role/A, arn:aws:iam::111111111111:root
        Change allowed_principals other accounts let in → none of other accounts
        ");
    }

    #[test]
    fn a_statement_of_tfws_that_somebody_weakened_is_mended() {
        let first = found(None, &tls());
        let weakened = written(&first).replace("s3:*", "s3:GetObject");
        let mended = found(Some(&weakened), &tls());
        assert_eq!(written(&mended), written(&first));
        let first = found(None, &letting_in(&[ROOT, A]));
        let weakened = written(&first).replace("s3:PutObject*", "s3:PutObjectTagging");
        let mended = found(Some(&weakened), &letting_in(&[ROOT, A]));
        assert_eq!(written(&mended), written(&first));
    }

    #[test]
    fn what_is_no_policy_is_left() {
        let left = found(Some("{"), &tls());
        assert!(left.changes.is_empty());
        assert!(left.differences[0].is_unknown());
    }
}
