//! A policy that would lock out whoever is about to set it is not set.

use super::{Findings, Setting};
use crate::bucket::policy::{self, Insiders, Policy};
use crate::bucket::{BucketError, Wanted};

/// Notes why a policy that is about to be written would lock somebody out who uses the bucket.
pub(super) fn check(policy: &Policy, wanted: &Wanted, found: &mut Findings) {
    let refusal = |setting, because: String, hint: String| BucketError::LocksOut {
        bucket: wanted.bucket.clone(),
        setting,
        because,
        hint,
    };
    if policy.own(policy::TLS_ONLY).is_some_and(|own| own.denies()) && !wanted.by_tls {
        found.lockout = Some(refusal(
            Setting::ForceTls,
            "S3 is reached without TLS here".to_owned(),
            "take `bucket.force_tls` out, or reach S3 by `https://`".to_owned(),
        ));
        return;
    }
    let own = policy
        .own(policy::INSIDERS_ONLY)
        .filter(policy::Statement::denies);
    let Some(own) = own else { return };
    let let_in = Insiders(own.spared_principals().cloned().unwrap_or_default());
    let outside = wanted.callers.iter().find(|each| !let_in.include(each));
    let Some(caller) = outside else { return };
    let setting = Setting::AllowedPrincipals;
    // Whom the manifest lets in, the policy of before does not.
    let is_wanted = match &wanted.insiders {
        Some(insiders) => insiders.include(caller),
        None => true,
    };
    let hint = if is_wanted {
        format!("the policy shuts it out already: `--allow-weaker {setting}` lets it in")
    } else {
        caller.hint()
    };
    found.lockout = Some(refusal(
        setting,
        format!(
            "`{}`, which tfw uses, is not among those let in",
            caller.arn()
        ),
        hint,
    ));
}
