use super::super::testing::{insiders, lines, wanted};
use super::*;
use crate::bucket::BucketError;
use crate::bucket::policy::Caller;

const ROOT: &str = "arn:aws:iam::111111111111:root";
const EVERYBODY: &str = "arn:aws:iam::111111111111:*";
const A: &str = "arn:aws:iam::111111111111:role/A";
const B: &str = "arn:aws:iam::222222222222:role/B";

fn found(policy_text: Option<&str>, wanted: &Wanted) -> Findings {
    let mut actual = Actual::bare();
    actual.policy = Ok(policy_text.map(str::to_owned));
    found_of(&actual, wanted)
}

fn found_of(actual: &Actual, wanted: &Wanted) -> Findings {
    let mut found = Findings::default();
    policy(actual, wanted, &let_in(actual, wanted), &mut found);
    found
}

fn written(found: &Findings) -> &str {
    match &found.changes[..] {
        [Change::Policy { text, .. }] => text.as_deref().unwrap_or("(none)"),
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

/// Whom the written policy spares.
fn spared(found: &Findings) -> Vec<String> {
    let policy = Policy::parse(written(found)).unwrap();
    let own = policy.own(policy::INSIDERS_ONLY).unwrap();
    own.spared_principals().unwrap().iter().cloned().collect()
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
    Change allowed_principals others of other accounts → none of other accounts
    ");
}

#[test]
fn an_account_is_narrowed_to_a_role_and_a_role_is_not_widened_to_its_account() {
    let of_account = found(None, &letting_in(&[ROOT, EVERYBODY]));
    let narrowed = found(Some(written(&of_account)), &letting_in(&[ROOT, A]));
    assert_eq!(spared(&narrowed), [A, ROOT]);
    let text = written(&narrowed).to_owned();
    assert!(
        found(Some(&text), &letting_in(&[ROOT, A]))
            .differences
            .is_empty()
    );
    let mut wider = letting_in(&[ROOT, EVERYBODY]);
    let kept = found(Some(&text), &wider);
    assert!(kept.changes.is_empty(), "{:?}", kept.changes);
    assert!(
        kept.differences
            .iter()
            .all(crate::model::Difference::is_harmless)
    );
    wider.weaker.insert(Setting::AllowedPrincipals);
    assert_eq!(spared(&found(Some(&text), &wider)), [EVERYBODY, ROOT]);
}

#[test]
fn whoever_writes_a_policy_is_let_in_by_what_is_written() {
    let by = |wanted: &Wanted, arn: &str| {
        let mut wanted = wanted.clone();
        wanted.callers = vec![Caller::new(arn, None)];
        wanted
    };
    let hint = |found: Findings| match found.lockout {
        Some(BucketError::LocksOut { hint, .. }) => hint,
        other => panic!("{other:?}"),
    };
    let user = "arn:aws:iam::111111111111:user/me";
    // The manifest does not let it in.
    let refused = found(None, &by(&letting_in(&[ROOT, A]), user));
    assert!(hint(refused).contains("add it to `bucket.allowed_principals`"));
    assert_eq!(
        found(None, &by(&letting_in(&[ROOT, user]), user)).lockout,
        None
    );
    // The manifest does, and what was there does not; the policy is written for another reason.
    let before = found(None, &letting_in(&[ROOT, A, B]));
    let narrower = by(&letting_in(&[ROOT, A, user]), user);
    let refused = found(Some(written(&before)), &narrower);
    assert!(hint(refused).contains("`--allow-weaker allowed_principals` lets it in"));
    // What is not written locks nobody out.
    let before = found(None, &letting_in(&[ROOT, A]));
    let same = found(Some(written(&before)), &narrower);
    assert!(same.changes.is_empty() && same.lockout.is_none());
    // Every identity of tfw's in the bucket counts.
    let mut two = letting_in(&[ROOT, user]);
    two.callers = vec![
        Caller::new(user, None),
        Caller::new("arn:aws:iam::111111111111:user/you", None),
    ];
    assert!(found(None, &two).lockout.is_some());
}

#[test]
fn tls_only_is_not_written_without_tls() {
    let mut wanted = tls();
    wanted.by_tls = false;
    assert!(found(None, &wanted).lockout.is_some());
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
fn whom_a_changed_statement_of_tfws_shuts_out_it_shuts_out_mended_and_what_it_denies_it_denies() {
    let first = found(None, &letting_in(&[ROOT, A]));
    let changed = written(&first).replace("s3:PutObject*", "s3:GetBucketTagging");
    let mended = found(Some(&changed), &letting_in(&[ROOT, A, B]));
    assert_eq!(spared(&mended), [A, ROOT], "B was not spared");
    assert!(written(&mended).contains("s3:GetBucketTagging"));
    assert!(written(&mended).contains("s3:PutObject*"));
    assert!(!written(&mended).contains("TfwOtherAccounts"));
    let again = found(Some(written(&mended)), &letting_in(&[ROOT, A]));
    assert!(again.changes.is_empty());
}

#[test]
fn what_tfw_does_not_understand_under_its_own_name_it_leaves() {
    let first = found(None, &letting_in(&[ROOT, A]));
    let odd = written(&first).replace("\"Action\"", "\"NotAction\"");
    let mut wanted = letting_in(&[ROOT, A]);
    let left = found(Some(&odd), &wanted);
    assert!(left.changes.is_empty());
    assert!(!left.differences[0].is_harmless() && !left.differences[0].is_unknown());
    wanted.weaker.insert(Setting::AllowedPrincipals);
    assert_eq!(written(&found(Some(&odd), &wanted)), written(&first));
}

#[test]
fn what_is_no_longer_asked_for_stays_unless_that_is_allowed() {
    let mut both = letting_in(&[ROOT, A]);
    both.force_tls = true;
    let first = found(None, &both);
    let mut nothing = wanted();
    nothing.spec.force_tls = Some(false);
    let kept = found(Some(written(&first)), &nothing);
    assert!(kept.changes.is_empty());
    insta::assert_snapshot!(lines(&kept.differences).join("\n"), @r"
    Keep force_tls TLS only → not asked for (Stronger)
    Keep allowed_principals only arn:aws:iam::111111111111:role/A, arn:aws:iam::111111111111:root → not asked for (Stronger)
    ");
    nothing.weaker = [Setting::ForceTls, Setting::AllowedPrincipals].into();
    let gone = found(Some(written(&first)), &nothing);
    assert_eq!(written(&gone), "(none)");
    // Whoever never said anything of TLS is not told.
    let mut silent = wanted();
    silent.weaker = nothing.weaker.clone();
    silent.weaker.remove(&Setting::AllowedPrincipals);
    let kept = found(Some(written(&first)), &silent);
    assert_eq!(kept.differences.len(), 1);
}

#[test]
fn others_are_no_longer_let_in_by_an_emptied_list() {
    let first = found(None, &letting_in(&[ROOT, B]));
    let emptied = found(Some(written(&first)), &wanted());
    assert!(!written(&emptied).contains("TfwOtherAccounts"));
    assert_eq!(spared(&emptied), [ROOT, B]);
}

#[test]
fn a_change_of_the_policy_says_what_it_is_for() {
    let first = found(None, &letting_in(&[ROOT, A]));
    let mut both = letting_in(&[ROOT, A]);
    both.force_tls = true;
    let second = found(Some(written(&first)), &both);
    let [Change::Policy { settings, .. }] = &second.changes[..] else {
        panic!("{:?}", second.changes);
    };
    assert_eq!(settings[..], [Setting::ForceTls]);
}

#[test]
fn a_role_that_replicates_the_bucket_is_missed() {
    let mut actual = Actual::bare();
    actual.replication_role = Some("arn:aws:iam::111111111111:role/Copy".to_owned());
    let told = found_of(&actual, &letting_in(&[ROOT, A]));
    assert!(
        told.differences
            .iter()
            .any(|each| each.to_string().contains("role/Copy`, which replicates"))
    );
    let fine = found_of(&actual, &letting_in(&[ROOT, EVERYBODY]));
    assert_eq!(fine.differences.len(), 1);
}

#[test]
fn what_is_no_policy_is_left() {
    let left = found(Some("{"), &tls());
    assert!(left.changes.is_empty());
    assert!(left.differences[0].is_unknown());
    assert!(found(Some("{"), &wanted()).differences.is_empty());
}
