//! The statements that tfw writes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::covers;
use crate::model::AccountId;

/// Denies what does not come over TLS.
pub(in crate::bucket) const TLS_ONLY: &str = "TfwTlsOnly";
/// Denies the objects to all but a few.
pub(in crate::bucket) const INSIDERS_ONLY: &str = "TfwAllowedPrincipalsOnly";
/// Allows the objects to those of the few who are of other accounts.
pub(in crate::bucket) const OTHER_ACCOUNTS: &str = "TfwOtherAccounts";
/// Allows the same to remove the lock files of Terraform for good.
pub(in crate::bucket) const OTHER_ACCOUNTS_LOCKS: &str = "TfwOtherAccountsLocks";
/// The same on a key, before the bucket's name.
const KEY_SID: &str = "TfwOtherAccountsOf";
/// Keeps the account in charge of a key.
pub(in crate::bucket) const ACCOUNT_IN_CHARGE: &str = "TfwAccountInCharge";

fn both(partition: &str, bucket: &str) -> [String; 2] {
    [
        format!("arn:{partition}:s3:::{bucket}"),
        format!("arn:{partition}:s3:::{bucket}/*"),
    ]
}

/// Denies every request that does not come over TLS.
pub(in crate::bucket) fn tls_only(partition: &str, bucket: &str) -> Value {
    json!({
        "Sid": TLS_ONLY,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": both(partition, bucket),
        "Condition": { "Bool": { "aws:SecureTransport": "false" } },
    })
}

/// What is denied to outsiders: all that objects and lists are about. The settings of the bucket are
/// not denied, so that nobody is locked out for good.
const OUTSIDERS_MAY_NOT: [&str; 9] = [
    "s3:GetObject*",
    "s3:PutObject*",
    "s3:DeleteObject*",
    "s3:RestoreObject",
    "s3:ReplicateObject",
    "s3:ReplicateDelete",
    "s3:AbortMultipartUpload",
    "s3:ListMultipartUploadParts",
    "s3:ListBucket*",
];

/// Denies objects and lists to everybody but the insiders, and whatever else is in `more`.
pub(in crate::bucket) fn insiders_only(
    partition: &str,
    bucket: &str,
    insiders: &BTreeSet<String>,
    more: &[String],
) -> Value {
    let is_new = |action: &&String| {
        let action = action.to_lowercase();
        let mut denied = OUTSIDERS_MAY_NOT.iter();
        !denied.any(|denied| covers(&denied.to_lowercase(), &action))
    };
    let more = more.iter().filter(is_new).map(String::as_str);
    let actions: Vec<&str> = OUTSIDERS_MAY_NOT.into_iter().chain(more).collect();
    json!({
        "Sid": INSIDERS_ONLY,
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": both(partition, bucket),
        "Condition": { "ArnNotLike": { "aws:PrincipalArn": insiders } },
    })
}

/// Allows what Terraform does with a state to insiders of other accounts, whose own policies alone
/// let them nowhere: statements by their Sid. A version is removed for good only of a lock file,
/// which is what releasing a lock is in a bucket that keeps versions. `None`: there are no others.
pub(in crate::bucket) fn others_may_use(
    partition: &str,
    bucket: &str,
    others: &BTreeSet<String>,
) -> [(&'static str, Option<Value>); 2] {
    let allow = |sid: &str, actions: &[&str], resource: Value| {
        Some(json!({
            "Sid": sid,
            "Effect": "Allow",
            "Principal": { "AWS": roots(partition, others)? },
            "Action": actions,
            "Resource": resource,
            "Condition": { "ArnLike": { "aws:PrincipalArn": others } },
        }))
    };
    let use_states = [
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:ListBucket",
        "s3:ListBucketVersions",
    ];
    let locks = format!("arn:{partition}:s3:::{bucket}/*.tflock");
    [
        (
            OTHER_ACCOUNTS,
            allow(OTHER_ACCOUNTS, &use_states, json!(both(partition, bucket))),
        ),
        (
            OTHER_ACCOUNTS_LOCKS,
            allow(
                OTHER_ACCOUNTS_LOCKS,
                &["s3:DeleteObjectVersion"],
                json!(locks),
            ),
        ),
    ]
}

/// Leaves a key to the IAM policies of its account: without it, nobody could change the key.
pub(in crate::bucket) fn account_in_charge(partition: &str, owner: &AccountId) -> Value {
    json!({
        "Sid": ACCOUNT_IN_CHARGE,
        "Effect": "Allow",
        "Principal": { "AWS": format!("arn:{partition}:iam::{owner}:root") },
        "Action": "kms:*",
        "Resource": "*",
    })
}

/// The Sid of tfw's statement on a key for one bucket: several may share a key, and each has a
/// statement of its own. A Sid takes letters and digits only, and bucket names no capitals.
pub(in crate::bucket) fn key_sid(bucket: &str) -> String {
    let bucket = bucket.replace('-', "D").replace('.', "P");
    format!("{KEY_SID}{bucket}")
}

/// Whether a Sid is one of these.
pub(in crate::bucket) fn is_key_sid(sid: Option<&str>) -> bool {
    sid.is_some_and(|sid| sid.starts_with(KEY_SID))
}

/// Allows what S3 asks of a key on behalf of insiders of other accounts. `None`: there are none.
pub(in crate::bucket) fn others_may_use_key(
    partition: &str,
    bucket: &str,
    others: &BTreeSet<String>,
) -> Option<Value> {
    Some(json!({
        "Sid": key_sid(bucket),
        "Effect": "Allow",
        "Principal": { "AWS": roots(partition, others)? },
        "Action": ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey"],
        "Resource": "*",
        "Condition": { "ArnLike": { "aws:PrincipalArn": others } },
    }))
}

/// The accounts of these patterns. Naming a role itself would tie the policy to the role's inner
/// id, which is another one when the role is made anew; and it takes no `*`.
fn roots(partition: &str, patterns: &BTreeSet<String>) -> Option<BTreeSet<String>> {
    let accounts: BTreeSet<String> = patterns
        .iter()
        .filter_map(|pattern| pattern.split(':').nth(4))
        .map(|account| format!("arn:{partition}:iam::{account}:root"))
        .collect();
    (!accounts.is_empty()).then_some(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_other_accounts_nobody_is_allowed_anything() {
        let none = others_may_use("aws", "b", &BTreeSet::new());
        assert!(none.iter().all(|(_, statement)| statement.is_none()));
        let others = BTreeSet::from(["arn:aws:iam::222222222222:role/CI-*".to_owned()]);
        for (sid, allow) in others_may_use("aws", "b", &others) {
            let allow = allow.unwrap();
            assert_eq!(allow["Sid"], sid);
            assert_eq!(
                allow["Principal"]["AWS"][0],
                "arn:aws:iam::222222222222:root"
            );
            assert_eq!(
                allow["Condition"]["ArnLike"]["aws:PrincipalArn"][0],
                "arn:aws:iam::222222222222:role/CI-*"
            );
        }
    }

    #[test]
    fn others_remove_versions_of_lock_files_only() {
        let others = BTreeSet::from(["arn:aws:iam::222222222222:*".to_owned()]);
        let [(_, states), (_, locks)] = others_may_use("aws", "b", &others);
        assert!(!states.unwrap().to_string().contains("DeleteObjectVersion"));
        let locks = locks.unwrap();
        assert_eq!(locks["Action"], json!(["s3:DeleteObjectVersion"]));
        assert_eq!(locks["Resource"], "arn:aws:s3:::b/*.tflock");
    }

    #[test]
    fn each_bucket_has_a_sid_of_its_own_on_a_key() {
        let sids = ["a-b", "a.b", "ab"].map(key_sid);
        assert_eq!(sids.iter().collect::<BTreeSet<_>>().len(), 3);
        assert!(
            sids.iter()
                .all(|sid| sid.chars().all(|c| c.is_ascii_alphanumeric()))
        );
    }
}
