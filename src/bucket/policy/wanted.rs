//! The statements that tfw writes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::matches_pattern;
use crate::model::{AccountId, Principal, RoleArn};

/// Denies what does not come over TLS.
pub(in crate::bucket) const TLS_ONLY: &str = "TfwTlsOnly";
/// Denies the objects to all but a few.
pub(in crate::bucket) const INSIDERS_ONLY: &str = "TfwAllowedPrincipalsOnly";
/// Allows the objects to those of the few who are of other accounts.
pub(in crate::bucket) const OTHER_ACCOUNTS: &str = "TfwOtherAccounts";
/// Keeps the account in charge of a key.
pub(in crate::bucket) const ACCOUNT_IN_CHARGE: &str = "TfwAccountInCharge";

/// Whoever gets at the states of a bucket: patterns of `aws:PrincipalArn`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::bucket) struct Insiders(pub(in crate::bucket) BTreeSet<String>);

impl Insiders {
    /// The principals of the manifest, the roles that tfw uses, and the owner's root user.
    pub(in crate::bucket) fn new(
        allowed: &[Principal],
        roles: &[RoleArn],
        owner: &AccountId,
        partition: &str,
    ) -> Self {
        let allowed = allowed.iter().map(|each| each.pattern(partition));
        let roles = roles.iter().map(ToString::to_string);
        let root = format!("arn:{partition}:iam::{owner}:root");
        Self(allowed.chain(roles).chain([root]).collect())
    }

    /// Those of other accounts than the owner's.
    pub(in crate::bucket) fn others(&self, owner: &AccountId) -> BTreeSet<String> {
        let of_owner = format!("::{owner}:");
        let others = self.0.iter().filter(|each| !each.contains(&of_owner));
        others.cloned().collect()
    }

    /// Whether whoever acts with this ARN, which STS has told, is one of them. The ARN of a session
    /// names its role without the path, so that any path counts.
    pub(in crate::bucket) fn include(&self, arn: &str) -> bool {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, partition, "sts", _, account, resource] = parts[..] else {
            return self.0.iter().any(|each| matches_pattern(each, arn));
        };
        let Some(role) = resource
            .strip_prefix("assumed-role/")
            .and_then(|session| session.split('/').next())
        else {
            return self.0.iter().any(|each| matches_pattern(each, arn));
        };
        let plain = format!("arn:{partition}:iam::{account}:role/{role}");
        let of_roles = format!("arn:{partition}:iam::{account}:role/");
        self.0.iter().any(|each| {
            let without_path = each
                .strip_prefix(&of_roles)
                .and_then(|name| name.rsplit('/').next())
                .map(|name| format!("{of_roles}{name}"));
            matches_pattern(each, &plain)
                || without_path.is_some_and(|each| matches_pattern(&each, &plain))
        })
    }
}

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

/// Denies objects and lists to everybody but the insiders. The settings of the bucket are not
/// denied, so that nobody is locked out for good.
pub(in crate::bucket) fn insiders_only(
    partition: &str,
    bucket: &str,
    insiders: &BTreeSet<String>,
) -> Value {
    json!({
        "Sid": INSIDERS_ONLY,
        "Effect": "Deny",
        "Principal": "*",
        "Action": [
            "s3:GetObject*",
            "s3:PutObject*",
            "s3:DeleteObject*",
            "s3:RestoreObject",
            "s3:ReplicateObject",
            "s3:ReplicateDelete",
            "s3:AbortMultipartUpload",
            "s3:ListMultipartUploadParts",
            "s3:ListBucket*",
        ],
        "Resource": both(partition, bucket),
        "Condition": { "ArnNotLike": { "aws:PrincipalArn": insiders } },
    })
}

/// Allows what Terraform does with a state to insiders of other accounts, whose own policies alone
/// let them nowhere. `None`: there are none.
pub(in crate::bucket) fn others_may_use(
    partition: &str,
    bucket: &str,
    others: &BTreeSet<String>,
) -> Option<Value> {
    Some(json!({
        "Sid": OTHER_ACCOUNTS,
        "Effect": "Allow",
        "Principal": { "AWS": roots(partition, others)? },
        "Action": [
            "s3:GetObject",
            "s3:GetObjectVersion",
            "s3:PutObject",
            "s3:DeleteObject",
            "s3:ListBucket",
            "s3:ListBucketVersions",
        ],
        "Resource": both(partition, bucket),
        "Condition": { "ArnLike": { "aws:PrincipalArn": others } },
    }))
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

/// Allows what S3 asks of a key on behalf of insiders of other accounts. `None`: there are none.
pub(in crate::bucket) fn others_may_use_key(
    partition: &str,
    others: &BTreeSet<String>,
) -> Option<Value> {
    Some(json!({
        "Sid": OTHER_ACCOUNTS,
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

    const OWNER: &str = "111111111111";

    fn insiders(allowed: &[&str], roles: &[&str]) -> Insiders {
        let allowed: Vec<Principal> = allowed.iter().map(|each| each.parse().unwrap()).collect();
        let roles: Vec<RoleArn> = roles.iter().map(|each| each.parse().unwrap()).collect();
        Insiders::new(&allowed, &roles, &OWNER.parse().unwrap(), "aws")
    }

    #[test]
    fn the_owners_root_user_is_always_let_in() {
        let insiders = insiders(&["222222222222"], &[]);
        assert!(insiders.include("arn:aws:iam::111111111111:root"));
        assert!(insiders.include("arn:aws:sts::222222222222:assumed-role/Any/session"));
        assert!(!insiders.include("arn:aws:iam::111111111111:user/alice"));
        let others = insiders.others(&OWNER.parse().unwrap());
        assert_eq!(
            others,
            BTreeSet::from(["arn:aws:iam::222222222222:*".to_owned()])
        );
    }

    #[test]
    fn a_session_is_known_by_its_role_whatever_its_path() {
        let insiders = insiders(
            &["arn:aws:iam::111111111111:user/bob"],
            &["arn:aws:iam::111111111111:role/team/Deploy"],
        );
        assert!(insiders.include("arn:aws:sts::111111111111:assumed-role/Deploy/s"));
        assert!(!insiders.include("arn:aws:sts::111111111111:assumed-role/Other/s"));
        assert!(!insiders.include("arn:aws:sts::333333333333:assumed-role/Deploy/s"));
        assert!(insiders.include("arn:aws:iam::111111111111:user/bob"));
    }

    #[test]
    fn without_other_accounts_nobody_is_allowed_anything() {
        assert_eq!(others_may_use("aws", "b", &BTreeSet::new()), None);
        let others = BTreeSet::from(["arn:aws:iam::222222222222:role/CI-*".to_owned()]);
        let allow = others_may_use("aws", "b", &others).unwrap();
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
