//! Revoking sessions: the policy that ends them, and the sessions that outlive it. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::model::{AccountId, AssumeRole, Backend, RoleArn, Unit, UnitId};

/// The inline policy's name, by which `--undo` finds it.
pub const REVOKING_POLICY: &str = "TfwRevokeOlderSessions";

/// How long a session lives where nobody says so (STS API reference, `AssumeRole`,
/// `DurationSeconds`).
const USUAL_LIFE: Duration = Duration::from_hours(1);

/// Sessions of one role, assumed before in a run of tfw, that go on until they end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outliving {
    /// The role.
    pub role_arn: RoleArn,
    /// Its account.
    pub account_id: Option<AccountId>,
    /// Who works by it.
    pub units: Vec<UnitId>,
    /// How long tfw lets one live.
    pub at_most: Duration,
}

/// The first moment at which a session may have been issued to go on. `aws:TokenIssueTime` has
/// whole seconds, so that of the current second all are revoked.
pub fn cutoff(now: Timestamp) -> Timestamp {
    let whole = Timestamp::from_second(now.as_second()).unwrap_or(now);
    whole
        .saturating_add(SignedDuration::from_secs(1))
        .unwrap_or(whole)
}

/// Denies everything to sessions that were issued before then.
///
/// It is the policy that the console writes (IAM User Guide, "Revoke IAM role temporary security
/// credentials"). The key `aws:TokenIssueTime` is only there in requests with temporary
/// credentials (IAM User Guide, "AWS global condition context keys"), and a condition on a key that
/// is not there does not hold: so the access keys of a user go on.
pub fn revoking_policy(before: Timestamp) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": REVOKING_POLICY,
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {
                "DateLessThan": { "aws:TokenIssueTime": before.to_string() }
            }
        }]
    })
}

/// The roles of the manifest, in its order: what was assumed before has permissions of its own, and
/// no policy of the identity that assumed it takes them away.
pub fn outliving(units: &[Unit]) -> Vec<Outliving> {
    let mut found: Vec<Outliving> = Vec::new();
    for unit in units {
        for (role_arn, life) in roles(unit) {
            let known = found.iter_mut().find(|each| each.role_arn == *role_arn);
            match known {
                Some(known) => {
                    known.at_most = known.at_most.max(life);
                    if !known.units.contains(&unit.id) {
                        known.units.push(unit.id.clone());
                    }
                }
                None => found.push(Outliving {
                    account_id: account_of(role_arn),
                    role_arn: role_arn.clone(),
                    units: vec![unit.id.clone()],
                    at_most: life,
                }),
            }
        }
    }
    found
}

/// The roles that a unit works by, each with the life of its sessions.
fn roles(unit: &Unit) -> impl Iterator<Item = (&RoleArn, Duration)> {
    let life = |role: &AssumeRole| role.duration.unwrap_or(USUAL_LIFE);
    let own = unit
        .assume_role
        .iter()
        .map(move |role| (&role.role_arn, life(role)));
    let of_state = match &unit.backend {
        Backend::S3(s3) => s3.role_arn.as_ref(),
        Backend::Local(_) | Backend::Other(_) => None,
    };
    own.chain(of_state.map(|role_arn| (role_arn, USUAL_LIFE)))
}

fn account_of(role_arn: &RoleArn) -> Option<AccountId> {
    let account = role_arn.as_str().split(':').nth(4)?;
    AccountId::new(account).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_the_current_second_are_revoked_too() {
        let cutoff = |now: &str| cutoff(now.parse().expect("a time")).to_string();
        assert_eq!(cutoff("2026-01-02T03:04:05.999Z"), "2026-01-02T03:04:06Z");
        assert_eq!(cutoff("2026-01-02T03:04:05Z"), "2026-01-02T03:04:06Z");
    }

    #[test]
    fn the_policy_denies_what_is_older() {
        let before = "2026-01-02T03:04:06Z".parse().expect("a time");
        let policy = serde_json::to_string_pretty(&revoking_policy(before)).expect("JSON");
        insta::assert_snapshot!(policy, @r#"
        {
          "Version": "2012-10-17",
          "Statement": [
            {
              "Sid": "TfwRevokeOlderSessions",
              "Effect": "Deny",
              "Action": "*",
              "Resource": "*",
              "Condition": {
                "DateLessThan": {
                  "aws:TokenIssueTime": "2026-01-02T03:04:06Z"
                }
              }
            }
          ]
        }
        "#);
    }
}
