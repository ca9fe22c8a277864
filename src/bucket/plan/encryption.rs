//! The KMS key, and the default encryption of the bucket.

use super::{Change, Findings, Setting};
use crate::aws::DefaultEncryption;
use crate::bucket::actual::{Key, KeyFacts};
use crate::bucket::policy::{self, Policy, Statement};
use crate::bucket::{Actual, Wanted};
use crate::model::{Encryption, Reason};

/// The key itself, where the manifest names one.
pub(super) fn key(actual: &Actual, wanted: &Wanted, found: &mut Findings) {
    let Some(arn) = wanted.kms_key() else { return };
    let name = short(arn);
    match &actual.key {
        Key::NotAsked => {}
        Key::Absent if wanted.spec.create_kms_key => {
            found.add(Setting::KmsKey, None, name);
            found.add(Setting::KmsKeyRotation, None, "every year");
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
        Key::There(facts) => care_for_key(facts, wanted, found),
    }
}

fn care_for_key(facts: &KeyFacts, wanted: &Wanted, found: &mut Findings) {
    let desired = "every year";
    if let Some(rotates) = &facts.rotates
        && found.known(rotates, Setting::KmsKeyRotation, desired) == Some(&false)
    {
        found.add(Setting::KmsKeyRotation, None, desired);
        found.change(Change::RotateKey(facts.arn.clone()));
    }
    let desired = "the account in charge";
    let setting = Setting::KmsKeyPolicy;
    let Some(policy) = &facts.policy else { return };
    let Some(text) = found.known(policy, setting, desired) else {
        return;
    };
    let mut policy = match text.as_deref().map_or(Ok(Policy::new()), Policy::parse) {
        Ok(policy) => policy,
        Err(why) => {
            found.keep(setting, None, desired, Reason::Unreadable(why));
            return;
        }
    };
    let mut lacks = false;
    for (sid, statement, what) in key_statements(wanted) {
        let meaning = Statement::of(&statement).unwrap_or_default();
        if !policy.statements().iter().any(|each| each.covers(&meaning)) {
            policy.set(sid, Some(&statement));
            found.add(setting, None, what);
            lacks = true;
        }
    }
    if lacks {
        found.change(Change::KeyPolicy {
            key: facts.arn.clone(),
            policy: policy.text(),
        });
    }
}

/// What the policy of a key must say.
fn key_statements(wanted: &Wanted) -> Vec<(&'static str, serde_json::Value, String)> {
    let mut statements = vec![(
        policy::ACCOUNT_IN_CHARGE,
        policy::account_in_charge(wanted.partition, &wanted.owner),
        "the account in charge".to_owned(),
    )];
    if let Some(insiders) = &wanted.insiders {
        let others = insiders.others(&wanted.owner);
        let names: Vec<&str> = others.iter().map(String::as_str).collect();
        statements.extend(
            policy::others_may_use_key(wanted.partition, &others).map(|statement| {
                let what = format!("{} may use it", names.join(", "));
                (policy::OTHER_ACCOUNTS, statement, what)
            }),
        );
    }
    statements
}

/// The policy of a key that tfw creates.
pub(in crate::bucket) fn new_key_policy(wanted: &Wanted) -> String {
    let mut policy = Policy::new();
    for (sid, statement, _) in key_statements(wanted) {
        policy.set(sid, Some(&statement));
    }
    policy.text()
}

/// The default encryption. A stronger one than asked for is kept.
pub(super) fn bucket(actual: &Actual, wanted: &Wanted, found: &mut Findings) {
    let setting = Setting::Encryption;
    let desired = described(&asked_for(wanted, None));
    let Some(encryption) = found.known(&actual.encryption, setting, &desired) else {
        return;
    };
    let is = encryption.as_ref();
    if matches!(actual.key, Key::Unusable(_)) {
        return;
    }
    match (&wanted.spec.encryption, is) {
        (Encryption::Aes256, Some(is)) if is.algorithm == "AES256" => return,
        (Encryption::Aes256, Some(is)) if is.is_kms() && !wanted.may_weaken(setting) => {
            found.keep(setting, Some(described(is)), desired, Reason::Stronger);
            return;
        }
        (Encryption::Kms { key }, Some(is)) if fits(is, key.as_deref(), actual) => return,
        _ => {}
    }
    let key_arn = actual.key_arn();
    let asked = asked_for(wanted, is).in_place_of(is);
    found.add(setting, is.map(described), described(&asked));
    // A key that has yet to be created has no ARN: the next look has it.
    if !matches!(actual.key, Key::Absent) {
        let mut asked = asked;
        asked.key = key_arn.map(str::to_owned).or(asked.key);
        found.change(Change::Encryption(asked));
    }
}

/// Whether a bucket that asks KMS is as it should be.
fn fits(is: &DefaultEncryption, key: Option<&str>, actual: &Actual) -> bool {
    // Double encryption knows no bucket keys.
    let saves = is.bucket_key || is.algorithm == "aws:kms:dsse";
    let right_key = key.is_none_or(|wanted| {
        let has = is.key.as_deref();
        let resolved = actual.key_arn();
        has.is_some_and(|has| same_key(has, wanted))
            || (resolved.is_some()
                && (has
                    .zip(resolved)
                    .is_some_and(|(has, resolved)| same_key(has, resolved))
                    || actual.encryption_key_arn.as_deref() == resolved))
    });
    is.is_kms() && saves && right_key
}

/// What is asked for, in the terms of S3; double encryption stays where it is.
fn asked_for(wanted: &Wanted, is: Option<&DefaultEncryption>) -> DefaultEncryption {
    match &wanted.spec.encryption {
        Encryption::Aes256 => DefaultEncryption::new("AES256", None, false),
        Encryption::Kms { key } => {
            let double = is.is_some_and(|is| is.algorithm == "aws:kms:dsse");
            let algorithm = if double { "aws:kms:dsse" } else { "aws:kms" };
            DefaultEncryption::new(algorithm, key.clone(), !double)
        }
    }
}

/// `aws:kms alias/terraform-state`, as people write it.
fn described(encryption: &DefaultEncryption) -> String {
    let mut text = encryption.algorithm.clone();
    if let Some(key) = &encryption.key {
        text.push(' ');
        text.push_str(short(key));
    }
    if encryption.algorithm == "aws:kms" && !encryption.bucket_key {
        text.push_str(" without a bucket key");
    }
    text
}

/// What comes after the account in the ARN of a key.
pub fn short(arn: &str) -> &str {
    arn.splitn(6, ':').nth(5).unwrap_or(arn)
}

/// A key may be named by its id, by its ARN or by an alias: an id is the end of its ARN.
pub fn same_key(one: &str, other: &str) -> bool {
    let tail = |key: &str| {
        key.rsplit_once(":key/")
            .map_or(key, |(_, id)| id)
            .to_owned()
    };
    one == other || tail(one) == tail(other)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{lines, wanted};
    use super::*;

    const ALIAS: &str = "arn:aws:kms:eu-central-1:111111111111:alias/state";
    const ARN: &str = "arn:aws:kms:eu-central-1:111111111111:key/1-2-3";

    fn of_kms(key: Option<&str>) -> Wanted {
        let mut wanted = wanted();
        wanted.spec.encryption = Encryption::Kms {
            key: key.map(str::to_owned),
        };
        wanted
    }

    fn with(algorithm: &str, key: Option<&str>, bucket_key: bool) -> Actual {
        let mut actual = Actual::bare();
        let key = key.map(str::to_owned);
        actual.encryption = Ok(Some(DefaultEncryption::new(algorithm, key, bucket_key)));
        actual
    }

    fn there(mut actual: Actual) -> Actual {
        actual.key = Key::There(KeyFacts {
            arn: ARN.to_owned(),
            rotates: None,
            policy: None,
        });
        actual
    }

    fn found(actual: &Actual, wanted: &Wanted) -> Findings {
        let mut found = Findings::default();
        key(actual, wanted, &mut found);
        bucket(actual, wanted, &mut found);
        found
    }

    #[test]
    fn encryption_may_be_stronger_than_the_manifest_but_not_weaker() {
        let aes = wanted();
        assert!(
            found(&with("AES256", None, false), &aes)
                .differences
                .is_empty()
        );
        let kms = found(&with("aws:kms", Some(ARN), true), &aes);
        assert_eq!(
            lines(&kms.differences),
            ["Keep encryption aws:kms key/1-2-3 → AES256 (Stronger)"]
        );
        assert!(kms.changes.is_empty());
        let mut weaker = aes.clone();
        weaker.weaker.insert(Setting::Encryption);
        let weakened = found(&with("aws:kms", Some(ARN), true), &weaker);
        assert_eq!(
            weakened.changes,
            [Change::Encryption(DefaultEncryption::new(
                "AES256", None, false
            ))]
        );
        let none = found(&Actual::bare(), &aes);
        assert_eq!(lines(&none.differences), ["Add encryption - → AES256"]);
    }

    #[test]
    fn a_key_is_the_same_by_its_alias_its_arn_and_its_id() {
        let kms = of_kms(Some(ALIAS));
        for has in [ALIAS, ARN, "1-2-3"] {
            let actual = there(with("aws:kms", Some(has), true));
            assert!(found(&actual, &kms).differences.is_empty(), "{has}");
        }
        let mut by_other_alias = there(with("aws:kms", Some("alias/other"), true));
        by_other_alias.encryption_key_arn = Some(ARN.to_owned());
        assert!(found(&by_other_alias, &kms).differences.is_empty());
        let other = found(&there(with("aws:kms", Some("9-9-9"), true)), &kms);
        assert_eq!(
            lines(&other.differences),
            ["Change encryption aws:kms 9-9-9 → aws:kms alias/state"]
        );
        assert_eq!(
            other.changes,
            [Change::Encryption(DefaultEncryption::new(
                "aws:kms",
                Some(ARN.to_owned()),
                true
            ))]
        );
    }

    #[test]
    fn a_bucket_key_is_asked_for_and_double_encryption_stays() {
        let kms = of_kms(None);
        let without = found(&with("aws:kms", None, false), &kms);
        assert_eq!(
            lines(&without.differences),
            ["Change encryption aws:kms without a bucket key → aws:kms"]
        );
        assert!(
            found(&with("aws:kms:dsse", None, false), &kms)
                .changes
                .is_empty()
        );
        let kms = of_kms(Some(ALIAS));
        let other_key = found(&there(with("aws:kms:dsse", Some("9-9-9"), false)), &kms);
        assert_eq!(
            lines(&other_key.differences),
            ["Change encryption aws:kms:dsse 9-9-9 → aws:kms:dsse alias/state"]
        );
    }

    #[test]
    fn a_key_that_is_absent_is_created_only_where_that_is_asked_for() {
        let mut kms = of_kms(Some(ALIAS));
        let mut actual = Actual::bare();
        actual.key = Key::Absent;
        let refused = found(&actual, &kms);
        assert!(
            lines(&refused.differences)[0].starts_with("Keep kms_key - → alias/state (Foreign")
        );
        kms.spec.create_kms_key = true;
        let created = found(&actual, &kms);
        insta::assert_snapshot!(lines(&created.differences).join("\n"), @r"
        Add kms_key - → alias/state
        Add kms_key_rotation - → every year
        Add encryption - → aws:kms alias/state
        ");
        assert!(created.changes.is_empty(), "its ARN is not known yet");
    }

    #[test]
    fn a_key_of_tfws_rotates_and_leaves_the_account_in_charge() {
        let mut kms = of_kms(Some(ALIAS));
        kms.spec.create_kms_key = true;
        let mut actual = with("aws:kms", Some(ARN), true);
        let with_policy = |policy: &str| {
            Key::There(KeyFacts {
                arn: ARN.to_owned(),
                rotates: Some(Ok(true)),
                policy: Some(Ok(Some(policy.to_owned()))),
            })
        };
        // The policy that KMS itself gives to a key.
        actual.key = with_policy(
            r#"{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions",
            "Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"kms:*","Resource":"*"}]}"#,
        );
        assert!(found(&actual, &kms).differences.is_empty());
        actual.key = with_policy(r#"{"Version":"2012-10-17","Statement":[{"Sid":"Theirs"}]}"#);
        let lacking = found(&actual, &kms);
        assert_eq!(
            lines(&lacking.differences),
            ["Add kms_key_policy - → the account in charge"]
        );
        let [Change::KeyPolicy { policy, .. }] = &lacking.changes[..] else {
            panic!("{:?}", lacking.changes);
        };
        assert!(
            policy.contains(r#"{"Sid":"Theirs"},{"Sid":"TfwAccountInCharge""#),
            "{policy}"
        );
    }
}
