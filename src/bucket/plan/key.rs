//! The KMS key that the bucket encrypts with: whether it is there, rotates, and whom it obeys.

use std::collections::BTreeSet;

use super::encryption::short;
use super::{Change, Findings, LetIn, Setting};
use crate::bucket::actual::{Key, KeyFacts};
use crate::bucket::policy::{self, Policy, Statement};
use crate::bucket::{Actual, Wanted};
use crate::model::Reason;

const IN_CHARGE: &str = "the account in charge";

/// The key itself, where the manifest names one.
pub(super) fn key(actual: &Actual, wanted: &Wanted, let_in: &LetIn, found: &mut Findings) {
    let Some(arn) = wanted.kms_key() else { return };
    let name = short(arn);
    match &actual.key {
        Key::NotAsked => {}
        Key::Absent if wanted.spec.create_kms_key => {
            found.add(Setting::KmsKey, None, name);
            found.add(Setting::KmsKeyRotation, None, "every year");
            let others = let_in.others(wanted).unwrap_or_default();
            if !others.is_empty() {
                found.add(Setting::KmsKeyPolicy, None, may_use_it(&others));
            }
        }
        Key::Absent => found.keep(
            Setting::KmsKey,
            None,
            name,
            Reason::Foreign("it does not exist, and `create_kms_key` is not set".to_owned()),
        ),
        Key::Unreadable(why) => {
            found.keep(Setting::KmsKey, None, name, Reason::Unreadable(why.clone()));
        }
        Key::Unusable(state) => found.keep(
            Setting::KmsKey,
            Some(state.clone()),
            name,
            Reason::Foreign("nothing can be encrypted with it".to_owned()),
        ),
        Key::There(facts) => {
            rotation(facts, found);
            key_policy(facts, wanted, let_in, found);
        }
    }
}

fn rotation(facts: &KeyFacts, found: &mut Findings) {
    let (setting, desired) = (Setting::KmsKeyRotation, "every year");
    let Some(rotates) = &facts.rotates else {
        return;
    };
    if found.known(rotates, setting, desired) != Some(&false) {
        return;
    }
    if facts.can_rotate {
        found.add(setting, None, desired);
        found.change(Change::RotateKey(facts.arn.clone()));
    } else {
        found.keep(
            setting,
            None,
            desired,
            Reason::Foreign(
                "KMS rotates no key whose material is imported, in a key store of one's own, or of another region"
                    .to_owned(),
            ),
        );
    }
}

fn key_policy(facts: &KeyFacts, wanted: &Wanted, let_in: &LetIn, found: &mut Findings) {
    let setting = Setting::KmsKeyPolicy;
    let Some(policy) = &facts.policy else { return };
    let Some(text) = found.known(policy, setting, IN_CHARGE) else {
        return;
    };
    let mut policy = match text.as_deref().map_or(Ok(Policy::new()), Policy::parse) {
        Ok(policy) => policy,
        Err(why) => {
            found.keep(setting, None, IN_CHARGE, Reason::Unreadable(why));
            return;
        }
    };
    let before = policy.text();
    let in_charge = policy::account_in_charge(wanted.partition, &wanted.owner);
    if !policy.covers(&in_charge) {
        if wanted.may_weaken(setting) {
            policy.set(policy::ACCOUNT_IN_CHARGE, Some(&in_charge));
            found.add(setting, None, IN_CHARGE);
        } else {
            found.keep(
                setting,
                None,
                IN_CHARGE,
                Reason::Foreign(
                    "somebody keeps the account out of it, perhaps on purpose; `--allow-weaker kms_key_policy` lets it in"
                        .to_owned(),
                ),
            );
        }
    }
    if let Some(others) = let_in.others(wanted) {
        others_may_use(&mut policy, &others, wanted, found);
    }
    if policy.text() != before {
        found.change(Change::KeyPolicy {
            key: facts.arn.clone(),
            policy: policy.text(),
        });
    }
}

/// Lets in these of other accounts for this bucket, and none who was let in for it before.
fn others_may_use(
    policy: &mut Policy,
    others: &BTreeSet<String>,
    wanted: &Wanted,
    found: &mut Findings,
) {
    let sid = policy::key_sid(&wanted.bucket);
    let allow = policy::others_may_use_key(wanted.partition, &wanted.bucket, others);
    let has = policy.own(&sid);
    let fits = match &allow {
        Some(allow) => {
            let meaning = Statement::of(allow).unwrap_or_default();
            // What tfw allows for other buckets goes when they no longer need it.
            let theirs = policy.statements().into_iter();
            let mut theirs = theirs.filter(|each| !policy::is_key_sid(each.sid.as_deref()));
            match &has {
                Some(has) => *has == meaning,
                None => theirs.any(|each| each.covers(&meaning)),
            }
        }
        None => has.is_none(),
    };
    if fits {
        return;
    }
    policy.set(&sid, allow.as_ref());
    let was = has.map(|_| "others of other accounts".to_owned());
    found.add(Setting::KmsKeyPolicy, was, may_use_it(others));
}

fn may_use_it(others: &BTreeSet<String>) -> String {
    if others.is_empty() {
        return "none of other accounts may use it".to_owned();
    }
    let names: Vec<&str> = others.iter().map(String::as_str).collect();
    format!("{} may use it", names.join(", "))
}

/// The policy of a key that tfw creates.
pub(in crate::bucket) fn new_key_policy(wanted: &Wanted, let_in: &LetIn) -> String {
    let mut policy = Policy::new();
    let in_charge = policy::account_in_charge(wanted.partition, &wanted.owner);
    policy.set(policy::ACCOUNT_IN_CHARGE, Some(&in_charge));
    let others = let_in.others(wanted).unwrap_or_default();
    let allow = policy::others_may_use_key(wanted.partition, &wanted.bucket, &others);
    policy.set(&policy::key_sid(&wanted.bucket), allow.as_ref());
    policy.text()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{insiders, lines, wanted};
    use super::*;
    use crate::model::Encryption;

    const ARN: &str = "arn:aws:kms:eu-central-1:111111111111:key/1-2-3";
    const B: &str = "arn:aws:iam::222222222222:role/B";
    const C: &str = "arn:aws:iam::333333333333:role/C";

    /// The policy that KMS itself gives to a key.
    const DEFAULT: &str = r#"{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions",
        "Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"kms:*","Resource":"*"}]}"#;

    fn of_kms() -> Wanted {
        let mut wanted = wanted();
        wanted.spec.encryption = Encryption::Kms {
            key: Some("arn:aws:kms:eu-central-1:111111111111:alias/state".to_owned()),
        };
        wanted.spec.create_kms_key = true;
        wanted
    }

    fn facts(policy: &str) -> KeyFacts {
        KeyFacts {
            arn: ARN.to_owned(),
            can_rotate: true,
            rotates: Some(Ok(true)),
            policy: Some(Ok(Some(policy.to_owned()))),
        }
    }

    fn found(facts: KeyFacts, wanted: &Wanted, let_in: &LetIn) -> Findings {
        let mut actual = Actual::bare();
        actual.key = Key::There(facts);
        let mut found = Findings::default();
        key(&actual, wanted, let_in, &mut found);
        found
    }

    fn written(found: &Findings) -> &str {
        match &found.changes[..] {
            [Change::KeyPolicy { policy, .. }] => policy,
            other => panic!("{other:?}"),
        }
    }

    fn only(arns: &[&str]) -> LetIn {
        LetIn::Only(insiders(arns))
    }

    #[test]
    fn an_account_that_somebody_keeps_out_stays_out_unless_that_is_allowed() {
        let mut kms = of_kms();
        let fine = found(facts(DEFAULT), &kms, &LetIn::Anybody);
        assert!(fine.differences.is_empty());
        let without = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Theirs"}]}"#;
        let kept = found(facts(without), &kms, &LetIn::Anybody);
        assert!(kept.changes.is_empty());
        let told = kept.differences[0].to_string();
        assert!(told.contains("`--allow-weaker kms_key_policy`"), "{told}");
        kms.weaker.insert(Setting::KmsKeyPolicy);
        let added = found(facts(without), &kms, &LetIn::Anybody);
        assert_eq!(
            lines(&added.differences),
            ["Add kms_key_policy - → the account in charge"]
        );
        let policy = written(&added);
        assert!(
            policy.contains(r#"{"Sid":"Theirs"},{"Sid":"TfwAccountInCharge""#),
            "{policy}"
        );
    }

    #[test]
    fn those_of_other_accounts_come_and_go_with_the_bucket() {
        let kms = of_kms();
        let two = found(facts(DEFAULT), &kms, &only(&[B, C]));
        let text = written(&two).to_owned();
        assert!(text.contains(B) && text.contains(C));
        let same = found(facts(&text), &kms, &only(&[B, C]));
        assert!(same.changes.is_empty() && same.differences.is_empty());
        let one = found(facts(&text), &kms, &only(&[B]));
        assert!(written(&one).contains(B) && !written(&one).contains(C));
        let none = found(facts(&text), &kms, &LetIn::Anybody);
        assert!(!written(&none).contains(B));
        let unknown = found(facts(&text), &kms, &LetIn::Unknown);
        assert!(unknown.changes.is_empty());
        // Another bucket with the same key has a statement of its own.
        let mut other = of_kms();
        other.bucket = "other".to_owned();
        let beside = found(facts(&text), &other, &only(&[C]));
        assert!(written(&beside).contains(B));
    }

    #[test]
    fn a_key_that_cannot_rotate_is_told_and_left() {
        let kms = of_kms();
        let resting = |can_rotate| KeyFacts {
            can_rotate,
            rotates: Some(Ok(false)),
            ..facts(DEFAULT)
        };
        let rotated = found(resting(true), &kms, &LetIn::Anybody);
        assert_eq!(rotated.changes, [Change::RotateKey(ARN.to_owned())]);
        let left = found(resting(false), &kms, &LetIn::Anybody);
        assert!(left.changes.is_empty() && left.differences.len() == 1);
    }

    #[test]
    fn a_new_key_obeys_the_account_and_those_who_are_let_in() {
        let policy = new_key_policy(&of_kms(), &only(&[B]));
        assert!(policy.contains("TfwAccountInCharge") && policy.contains(B));
        assert!(!new_key_policy(&of_kms(), &LetIn::Unknown).contains("Other"));
    }
}
