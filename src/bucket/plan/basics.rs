//! Settings that every state bucket must have: versions, no public access, no ACLs.

use super::{Change, Findings, Setting};
use crate::aws::{PublicAccessBlock, Versioning};
use crate::bucket::Actual;

const ENFORCED: &str = "BucketOwnerEnforced";

/// Blocks of public access first, then ACLs.
pub(super) fn access(actual: &Actual, found: &mut Findings) {
    let desired = "all four blocks";
    let setting = Setting::PublicAccessBlock;
    if let Some(block) = found.known(&actual.public_access, setting, desired)
        && *block != PublicAccessBlock::ALL
    {
        found.add(setting, partly_blocked(*block), desired);
        found.change(Change::BlockPublicAccess);
    }
    let setting = Setting::ObjectOwnership;
    if let Some(ownership) = found.known(&actual.ownership, setting, ENFORCED)
        && ownership.as_deref() != Some(ENFORCED)
    {
        found.add(setting, ownership.clone(), ENFORCED);
        found.change(Change::EnforceObjectOwnership);
    }
}

pub(super) fn versioning(actual: &Actual, found: &mut Findings) {
    let desired = "Enabled";
    let Some(versioning) = found.known(&actual.versioning, Setting::Versioning, desired) else {
        return;
    };
    let is = match versioning {
        Versioning::Enabled => return,
        Versioning::Suspended => Some("Suspended".to_owned()),
        Versioning::Off => None,
    };
    found.add(Setting::Versioning, is, desired);
    found.change(Change::EnableVersioning);
}

/// What is blocked, where it is not all; `None`: nothing.
fn partly_blocked(block: PublicAccessBlock) -> Option<String> {
    let on: Vec<&str> = [
        (block.block_public_acls, "BlockPublicAcls"),
        (block.ignore_public_acls, "IgnorePublicAcls"),
        (block.block_public_policy, "BlockPublicPolicy"),
        (block.restrict_public_buckets, "RestrictPublicBuckets"),
    ]
    .into_iter()
    .filter_map(|(on, name)| on.then_some(name))
    .collect();
    (!on.is_empty()).then(|| format!("only {}", on.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::testing::lines;
    use super::*;

    #[test]
    fn what_is_partly_there_is_a_change() {
        let mut actual = Actual::bare();
        actual.versioning = Ok(Versioning::Suspended);
        actual.ownership = Ok(Some("ObjectWriter".to_owned()));
        actual.public_access = Ok(PublicAccessBlock {
            block_public_acls: true,
            ..PublicAccessBlock::default()
        });
        let mut found = Findings::default();
        access(&actual, &mut found);
        versioning(&actual, &mut found);
        insta::assert_snapshot!(lines(&found.differences).join("\n"), @r"
        Change public_access_block only BlockPublicAcls → all four blocks
        Change object_ownership ObjectWriter → BucketOwnerEnforced
        Change versioning Suspended → Enabled
        ");
        assert_eq!(
            found.changes,
            [
                Change::BlockPublicAccess,
                Change::EnforceObjectOwnership,
                Change::EnableVersioning
            ]
        );
    }

    #[test]
    fn what_may_not_be_read_is_not_written() {
        let mut actual = Actual::bare();
        actual.versioning = Err("denied".to_owned());
        actual.ownership = Err("denied".to_owned());
        actual.public_access = Ok(PublicAccessBlock::ALL);
        let mut found = Findings::default();
        access(&actual, &mut found);
        versioning(&actual, &mut found);
        assert!(found.changes.is_empty());
        assert!(
            found
                .differences
                .iter()
                .all(crate::model::Difference::is_unknown)
        );
        assert_eq!(found.differences.len(), 2);
    }
}
