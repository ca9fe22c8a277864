//! Who gets at the states of a bucket, and whether those who act are among them.

use std::collections::BTreeSet;

use super::covers;
use crate::model::{AccountId, Principal, RoleArn};

/// What the names of the roles of IAM Identity Center begin with, and where they lie: below this
/// path, in most regions with the region as one more folder
/// (<https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html>).
const SSO_NAME: &str = "AWSReservedSSO_";
const SSO_PATH: &str = "aws-reserved/sso.amazonaws.com/";

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

    /// Those of these whom a policy has let in before that let in `old`: as much as can be let in
    /// without letting in anybody who was shut out. Of an account that was let in and a role of it,
    /// it is the role, whichever of the two was there before.
    pub(in crate::bucket) fn among(&self, old: &BTreeSet<String>) -> Self {
        let old_ones = Self(old.clone());
        let stay = self.0.iter().filter(|each| old_ones.match_all_of(each));
        let narrower = old.iter().filter(|each| self.match_all_of(each));
        Self(stay.chain(narrower).cloned().collect())
    }

    /// Whether whatever this pattern matches is let in by one of them.
    pub(in crate::bucket) fn match_all_of(&self, pattern: &str) -> bool {
        self.0.iter().any(|each| covers(each, pattern))
    }

    /// Whether a caller is one of them, whatever is not known of it.
    pub(in crate::bucket) fn include(&self, caller: &Caller) -> bool {
        caller.may_be.iter().all(|arn| self.match_all_of(arn))
    }
}

/// Whoever acts, as far as it is known what `aws:PrincipalArn` is then: for a session that is its
/// role, with the path
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html>), which
/// the session's own ARN does not tell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// In the words of STS.
    arn: String,
    /// Patterns: it is one of these.
    may_be: Vec<String>,
    /// The account's part of the ARN of a role, and the role's name, where its path is not known.
    unknown: Option<(String, String)>,
}

impl Caller {
    /// Whoever acts with this ARN, which STS has told. `role`: the one that tfw has assumed, where
    /// the manifest names one.
    pub fn new(arn: &str, role: Option<&RoleArn>) -> Self {
        let known = |may_be: String| Self {
            arn: arn.to_owned(),
            may_be: vec![may_be],
            unknown: None,
        };
        let Some((roles, name)) = role_of_session(arn) else {
            return known(arn.to_owned());
        };
        let is_it = |role: &&RoleArn| {
            let role = role.as_str();
            role.starts_with(&roles) && role.rsplit('/').next() == Some(name)
        };
        if let Some(role) = role.filter(is_it) {
            return known(role.to_string());
        }
        let path = if name.starts_with(SSO_NAME) {
            SSO_PATH
        } else {
            ""
        };
        Self {
            arn: arn.to_owned(),
            may_be: vec![
                format!("{roles}{path}{name}"),
                format!("{roles}{path}*/{name}"),
            ],
            unknown: Some((format!("{roles}{path}"), name.to_owned())),
        }
    }

    /// In the words of STS.
    pub(in crate::bucket) fn arn(&self) -> &str {
        &self.arn
    }

    /// What lets it in.
    pub(in crate::bucket) fn hint(&self) -> String {
        let by_role = "let tfw use a role (`assume_role`), which is let in by itself";
        match &self.unknown {
            Some((path, name)) => format!(
                "a session does not tell the path of its role: add `{path}*{name}` to `bucket.allowed_principals`, or {by_role}"
            ),
            None => format!("add it to `bucket.allowed_principals`, or {by_role}"),
        }
    }
}

/// What the ARN of the role of a session begins with, and the role's name:
/// `arn:aws:sts::111111111111:assumed-role/NAME/SESSION`.
fn role_of_session(arn: &str) -> Option<(String, &str)> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "sts", _, account, resource] = parts[..] else {
        return None;
    };
    let name = resource.strip_prefix("assumed-role/")?.split('/').next()?;
    Some((format!("arn:{partition}:iam::{account}:role/"), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: &str = "111111111111";
    const SESSION: &str = "arn:aws:sts::111111111111:assumed-role/Deploy/s";

    fn insiders(allowed: &[&str], roles: &[&str]) -> Insiders {
        let allowed: Vec<Principal> = allowed.iter().map(|each| each.parse().unwrap()).collect();
        let roles: Vec<RoleArn> = roles.iter().map(|each| each.parse().unwrap()).collect();
        Insiders::new(&allowed, &roles, &OWNER.parse().unwrap(), "aws")
    }

    fn set(arns: &[&str]) -> BTreeSet<String> {
        arns.iter().map(|arn| (*arn).to_owned()).collect()
    }

    #[test]
    fn the_owners_root_user_is_always_let_in() {
        let insiders = insiders(&["222222222222"], &[]);
        let includes = |arn: &str| insiders.include(&Caller::new(arn, None));
        assert!(includes("arn:aws:iam::111111111111:root"));
        assert!(includes(
            "arn:aws:sts::222222222222:assumed-role/Any/session"
        ));
        assert!(!includes("arn:aws:iam::111111111111:user/alice"));
        let others = insiders.others(&OWNER.parse().unwrap());
        assert_eq!(others, set(&["arn:aws:iam::222222222222:*"]));
    }

    #[test]
    fn a_role_that_tfw_has_assumed_is_known_with_its_path() {
        let role = "arn:aws:iam::111111111111:role/team/Deploy";
        let insiders = insiders(&["arn:aws:iam::111111111111:user/bob"], &[role]);
        let role: RoleArn = role.parse().unwrap();
        assert!(insiders.include(&Caller::new(SESSION, Some(&role))));
        assert!(insiders.include(&Caller::new("arn:aws:iam::111111111111:user/bob", None)));
        for other in [
            "arn:aws:sts::111111111111:assumed-role/Other/s",
            "arn:aws:sts::333333333333:assumed-role/Deploy/s",
        ] {
            assert!(
                !insiders.include(&Caller::new(other, Some(&role))),
                "{other}"
            );
        }
    }

    #[test]
    fn a_session_of_a_role_whose_path_nobody_knows_takes_a_pattern_that_matches_every_path() {
        let caller = Caller::new(SESSION, None);
        for (allowed, is_let_in) in [
            ("arn:aws:iam::111111111111:role/Deploy", false),
            ("arn:aws:iam::111111111111:role/team/Deploy", false),
            ("arn:aws:iam::111111111111:role/*/Deploy", false),
            ("arn:aws:iam::111111111111:role/*Deploy", true),
            ("arn:aws:iam::111111111111:role/*", true),
            ("111111111111", true),
            ("222222222222", false),
        ] {
            assert_eq!(
                insiders(&[allowed], &[]).include(&caller),
                is_let_in,
                "{allowed}"
            );
        }
        assert!(
            caller
                .hint()
                .contains("`arn:aws:iam::111111111111:role/*Deploy`")
        );
    }

    #[test]
    fn a_session_of_identity_center_lies_below_its_path_in_some_region() {
        let arn = "arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Admin_0123/me";
        let caller = Caller::new(arn, None);
        let path = "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com";
        for (allowed, is_let_in) in [
            ("AWSReservedSSO_Admin_0123".to_owned(), false),
            ("eu-west-1/AWSReservedSSO_Admin_0123".to_owned(), false),
            ("*AWSReservedSSO_Admin_0123".to_owned(), true),
            ("*AWSReservedSSO_Admin_*".to_owned(), true),
        ] {
            let allowed = format!("{path}/{allowed}");
            assert_eq!(
                insiders(&[&allowed], &[]).include(&caller),
                is_let_in,
                "{allowed}"
            );
        }
        assert!(
            !insiders(&["arn:aws:iam::111111111111:role/AWSReservedSSO_*"], &[]).include(&caller)
        );
        assert!(
            caller
                .hint()
                .contains(&format!("`{path}/*AWSReservedSSO_Admin_0123`"))
        );
    }

    #[test]
    fn of_an_account_and_a_role_in_it_the_role_is_let_in_by_both() {
        let everybody = "arn:aws:iam::111111111111:*";
        let admin = "arn:aws:iam::111111111111:role/Admin";
        let root = "arn:aws:iam::111111111111:root";
        let narrowed = Insiders(set(&[admin, root])).among(&set(&[everybody, root]));
        assert_eq!(narrowed.0, set(&[admin, root]));
        let widened = Insiders(set(&[everybody, root])).among(&set(&[admin, root]));
        assert_eq!(widened.0, set(&[admin, root]));
        let others = Insiders(set(&["arn:aws:iam::2:role/B", root])).among(&set(&[admin, root]));
        assert_eq!(others.0, set(&[root]));
    }
}
