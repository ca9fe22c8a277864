//! The default encryption of the bucket, and what its states are encrypted with.

use super::{Change, Findings, Setting};
use crate::aws::DefaultEncryption;
use crate::bucket::actual::Key;
use crate::bucket::{Actual, Wanted};
use crate::model::{Encryption, Reason};

/// The default encryption. A stronger one than asked for is kept.
pub(super) fn bucket(actual: &Actual, wanted: &Wanted, found: &mut Findings) {
    default(actual, wanted, found);
    if wanted.spec.encryption == (Encryption::Kms { key: None }) && !wanted.states_have_key {
        // `encrypt = true` without a key sends `AES256`, whatever the bucket's default is.
        found.keep(
            Setting::StateEncryption,
            Some("AES256".to_owned()),
            "aws:kms",
            Reason::Foreign(
                "Terraform asks S3 for AES256 unless it is given a key: set `bucket.kms_key`"
                    .to_owned(),
            ),
        );
    }
}

fn default(actual: &Actual, wanted: &Wanted, found: &mut Findings) {
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
        (Encryption::Kms { key: Some(key) }, Some(is)) => {
            if let Key::Unreadable(why) = &actual.key
                && may_be_same(is, key)
            {
                let reason = Reason::Unreadable(why.clone());
                found.keep(setting, Some(described(is)), desired, reason);
                return;
            }
        }
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

/// Whether the key of a bucket may be this one by another name, where KMS does not say: an alias may
/// be any key.
fn may_be_same(is: &DefaultEncryption, key: &str) -> bool {
    let is_alias = |key: &str| key.contains("alias/");
    let has = is.key.as_deref().filter(|_| is.is_kms());
    has.is_some_and(|has| !same_key(has, key) && (is_alias(has) || is_alias(key)))
}

/// What is asked for, in the terms of S3; double encryption stays where it is, and so does the key
/// where the manifest names none.
fn asked_for(wanted: &Wanted, is: Option<&DefaultEncryption>) -> DefaultEncryption {
    match &wanted.spec.encryption {
        Encryption::Aes256 => DefaultEncryption::new("AES256", None, false),
        Encryption::Kms { key } => {
            let double = is.is_some_and(|is| is.algorithm == "aws:kms:dsse");
            let algorithm = if double { "aws:kms:dsse" } else { "aws:kms" };
            let has = is.filter(|is| is.is_kms()).and_then(|is| is.key.clone());
            DefaultEncryption::new(algorithm, key.clone().or(has), !double)
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
    use super::super::LetIn;
    use super::super::key::key;
    use super::super::testing::{lines, wanted};
    use super::*;
    use crate::bucket::actual::KeyFacts;
    use crate::model::Difference;

    const ALIAS: &str = "arn:aws:kms:eu-central-1:111111111111:alias/state";
    const ARN: &str = "arn:aws:kms:eu-central-1:111111111111:key/1-2-3";

    fn of_kms(key: Option<&str>) -> Wanted {
        let mut wanted = wanted();
        wanted.spec.encryption = Encryption::Kms {
            key: key.map(str::to_owned),
        };
        wanted.states_have_key = true;
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
            can_rotate: true,
            rotates: None,
            policy: None,
        });
        actual
    }

    fn found(actual: &Actual, wanted: &Wanted) -> Findings {
        let mut found = Findings::default();
        key(actual, wanted, &LetIn::Anybody, &mut found);
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
    fn without_a_key_in_the_manifest_the_one_that_is_there_stays() {
        let kms = of_kms(None);
        let theirs = found(&with("aws:kms", Some(ARN), false), &kms);
        assert_eq!(
            theirs.changes,
            [Change::Encryption(DefaultEncryption::new(
                "aws:kms",
                Some(ARN.to_owned()),
                true
            ))]
        );
        let default = found(&with("AES256", None, false), &kms);
        assert_eq!(
            lines(&default.differences),
            ["Change encryption AES256 → aws:kms"]
        );
    }

    #[test]
    fn without_a_key_terraform_does_not_use_kms() {
        let mut kms = of_kms(None);
        kms.states_have_key = false;
        let told = found(&with("aws:kms", None, true), &kms);
        assert!(lines(&told.differences)[0].starts_with("Keep state_encryption AES256 → aws:kms"));
        assert!(!told.differences[0].is_harmless() && told.changes.is_empty());
    }

    #[test]
    fn a_key_that_may_not_be_looked_at_may_be_the_one_that_is_there() {
        let kms = of_kms(Some(ALIAS));
        let denied = |mut actual: Actual| {
            actual.key = Key::Unreadable("denied".to_owned());
            actual
        };
        let perhaps = found(&denied(with("aws:kms", Some(ARN), true)), &kms);
        assert!(perhaps.changes.is_empty());
        assert!(perhaps.differences.iter().all(Difference::is_unknown));
        let same = found(&denied(with("aws:kms", Some(ALIAS), true)), &kms);
        assert_eq!(same.differences.len(), 1, "only the key itself is unknown");
        let aes = found(&denied(with("AES256", None, false)), &kms);
        assert_eq!(aes.changes.len(), 1);
        let other_id = found(
            &denied(with("aws:kms", Some("9-9-9"), true)),
            &of_kms(Some(ARN)),
        );
        assert_eq!(other_id.changes.len(), 1, "two ids are two keys");
    }
}
