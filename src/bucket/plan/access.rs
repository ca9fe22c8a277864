//! The bucket policy: TLS only, and only a few.

use std::collections::BTreeSet;

use super::{Change, Findings, Setting};
use crate::bucket::policy::{self, Insiders, Policy, Statement};
use crate::bucket::{Actual, Wanted};
use crate::model::{Action, Reason};

const TLS: &str = "TLS only";
const FREE: &str = "not asked for";

/// Who is let in when all is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::bucket) enum LetIn {
    /// Whoever has permissions: the manifest says nothing of it.
    Anybody,
    /// Only these.
    Only(Insiders),
    /// It cannot be told, and nothing is done about it.
    Unknown,
}

impl LetIn {
    /// Those of other accounts than the owner's; `None`: it cannot be told.
    pub(super) fn others(&self, wanted: &Wanted) -> Option<BTreeSet<String>> {
        match self {
            Self::Anybody => Some(BTreeSet::new()),
            Self::Only(insiders) => Some(insiders.others(&wanted.owner)),
            Self::Unknown => None,
        }
    }
}

/// tfw's own statement that denies all to outsiders, as it is.
enum Own {
    /// It is not there, or allows something, which is none of tfw's.
    None,
    /// It spares these.
    Sparing(BTreeSet<String>),
    /// Somebody has made something else of it.
    Odd,
}

impl Own {
    fn of(policy: &Policy) -> Self {
        match policy.own(policy::INSIDERS_ONLY) {
            Some(own) if own.denies() => match own.spared_principals() {
                Some(spared) if own.plainly_denies() => Self::Sparing(spared.clone()),
                None if own.plainly_denies() && own.is_about_all() => {
                    Self::Sparing(BTreeSet::new())
                }
                _ => Self::Odd,
            },
            _ => Self::None,
        }
    }
}

/// Who is let in when all is done: those of the manifest, but for whoever was shut out before.
pub(super) fn let_in(actual: &Actual, wanted: &Wanted) -> LetIn {
    let Some(insiders) = &wanted.insiders else {
        return LetIn::Anybody;
    };
    let Ok(policy) = read(actual) else {
        return LetIn::Unknown;
    };
    let may_weaken = wanted.may_weaken(Setting::AllowedPrincipals);
    match Own::of(&policy) {
        Own::Sparing(is) if !may_weaken => LetIn::Only(insiders.among(&is)),
        Own::Odd if !may_weaken => LetIn::Unknown,
        Own::None | Own::Sparing(_) | Own::Odd => LetIn::Only(insiders.clone()),
    }
}

pub(super) fn policy(actual: &Actual, wanted: &Wanted, let_in: &LetIn, found: &mut Findings) {
    let mut policy = match read(actual) {
        Ok(policy) => policy,
        Err(why) => {
            let reason = || Reason::Unreadable(why.clone());
            if wanted.force_tls {
                found.keep(Setting::ForceTls, None, TLS, reason());
            }
            if let Some(insiders) = &wanted.insiders {
                let all = only(&insiders.0);
                found.keep(Setting::AllowedPrincipals, None, all, reason());
            }
            return;
        }
    };
    let before = policy.text();
    let first = found.differences.len();
    tls(&mut policy, wanted, found);
    match (&wanted.insiders, let_in) {
        (Some(insiders), LetIn::Only(let_in)) => few(&mut policy, insiders, let_in, wanted, found),
        (Some(insiders), _) => found.keep(
            Setting::AllowedPrincipals,
            Some(format!("another `{}`", policy::INSIDERS_ONLY)),
            only(&insiders.0),
            Reason::Foreign(
                "somebody has changed tfw's statement in a way that it does not understand; `--allow-weaker allowed_principals` replaces it"
                    .to_owned(),
            ),
        ),
        (None, _) => freed(&mut policy, wanted, found),
    }
    if let LetIn::Only(let_in) = let_in {
        replication(actual, let_in, found);
    }
    if policy.text() == before {
        return;
    }
    let mut settings: Vec<Setting> = [Setting::ForceTls, Setting::AllowedPrincipals].into();
    settings.retain(|setting| {
        found.differences[first..]
            .iter()
            .any(|each| each.setting == setting.name() && each.action != Action::Keep)
    });
    super::lockout::check(&policy, wanted, found);
    found.change(Change::Policy {
        is_public: policy.statements().iter().any(Statement::is_public),
        text: (!policy.is_empty()).then(|| policy.text()),
        before: actual.policy.clone().unwrap_or_default(),
        settings,
    });
}

fn read(actual: &Actual) -> Result<Policy, String> {
    let text = actual.policy.as_ref().map_err(Clone::clone)?;
    let parsed = text.as_deref().map_or(Ok(Policy::new()), Policy::parse);
    parsed.map_err(|why| format!("what is there is no policy: {why}"))
}

fn tls(policy: &mut Policy, wanted: &Wanted, found: &mut Findings) {
    let setting = Setting::ForceTls;
    if wanted.force_tls {
        let statement = policy::tls_only(wanted.partition, &wanted.bucket);
        if !policy.covers(&statement) {
            policy.set(policy::TLS_ONLY, Some(&statement));
            found.add(setting, None, TLS);
        }
    } else if wanted.spec.force_tls == Some(false)
        && policy.own(policy::TLS_ONLY).is_some_and(|own| own.denies())
    {
        if wanted.may_weaken(setting) {
            policy.set(policy::TLS_ONLY, None);
            found.add(setting, Some(TLS.to_owned()), FREE);
        } else {
            found.keep(setting, Some(TLS.to_owned()), FREE, Reason::Stronger);
        }
    }
}

/// Lets in `let_in` and nobody else; `insiders` are those of the manifest.
fn few(
    policy: &mut Policy,
    insiders: &Insiders,
    let_in: &Insiders,
    wanted: &Wanted,
    found: &mut Findings,
) {
    let setting = Setting::AllowedPrincipals;
    let own = Own::of(policy);
    let may_weaken = wanted.may_weaken(setting);
    // What somebody has denied beside is denied still.
    let more = match own {
        Own::Sparing(_) if !may_weaken => policy.own_actions(policy::INSIDERS_ONLY),
        _ => Vec::new(),
    };
    let deny =
        |more: &[String]| policy::insiders_only(wanted.partition, &wanted.bucket, &let_in.0, more);
    let was = match own {
        Own::None => (!policy.covers(&deny(&[]))).then_some(None),
        Own::Odd => Some(Some("another one".to_owned())),
        Own::Sparing(is) if is != let_in.0 => Some(Some(only(&is))),
        Own::Sparing(_) => {
            let meaning = Statement::of(&deny(&[])).unwrap_or_default();
            let own = policy.own(policy::INSIDERS_ONLY).unwrap_or_default();
            (!own.covers(&meaning)).then(|| Some("denied in part".to_owned()))
        }
    };
    if let Some(was) = was {
        policy.set(policy::INSIDERS_ONLY, Some(&deny(&more)));
        found.add(setting, was, only(&let_in.0));
    }
    others(policy, &let_in.others(&wanted.owner), wanted, found);
    if insiders.0.iter().any(|each| !let_in.match_all_of(each)) {
        found.keep(
            setting,
            Some(only(&let_in.0)),
            only(&insiders.0),
            Reason::Stronger,
        );
    }
}

/// What tfw wrote for a list that is not in the manifest any more: it shuts out, and stays, unless
/// it may go. Those of other accounts are let in no longer in any case.
fn freed(policy: &mut Policy, wanted: &Wanted, found: &mut Findings) {
    let setting = Setting::AllowedPrincipals;
    let is = match Own::of(policy) {
        Own::None => None,
        Own::Sparing(is) => Some(only(&is)),
        Own::Odd => Some("only a few".to_owned()),
    };
    match is {
        Some(is) if wanted.may_weaken(setting) => {
            policy.set(policy::INSIDERS_ONLY, None);
            found.add(setting, Some(is), FREE);
        }
        Some(is) => found.keep(setting, Some(is), FREE, Reason::Stronger),
        None => {}
    }
    others(policy, &BTreeSet::new(), wanted, found);
}

/// Allows these of other accounts, and nobody else of them, what Terraform does.
fn others(policy: &mut Policy, others: &BTreeSet<String>, wanted: &Wanted, found: &mut Findings) {
    let mut was = false;
    let mut changed = false;
    for (sid, allow) in policy::others_may_use(wanted.partition, &wanted.bucket, others) {
        let has = policy.own(sid);
        was |= has.is_some();
        let fits = match &allow {
            Some(allow) => has == Statement::of(allow) || has.is_none() && policy.covers(allow),
            None => has.is_none(),
        };
        if !fits {
            policy.set(sid, allow.as_ref());
            changed = true;
        }
    }
    if !changed {
        return;
    }
    let names: Vec<&str> = others.iter().map(String::as_str).collect();
    let desired = if names.is_empty() {
        "none of other accounts".to_owned()
    } else {
        format!("let in {}", names.join(", "))
    };
    let was = was.then(|| "others of other accounts".to_owned());
    found.add(Setting::AllowedPrincipals, was, desired);
}

/// S3 replicates as a role of its own, which a policy shuts out like everybody else.
fn replication(actual: &Actual, let_in: &Insiders, found: &mut Findings) {
    let Some(role) = &actual.replication_role else {
        return;
    };
    if !let_in.match_all_of(role) {
        found.keep(
            Setting::AllowedPrincipals,
            Some(format!("without `{role}`, which replicates the bucket")),
            "with it",
            Reason::Foreign("add it to `bucket.allowed_principals`".to_owned()),
        );
    }
}

pub(super) fn only(insiders: &BTreeSet<String>) -> String {
    if insiders.is_empty() {
        return "nobody at all".to_owned();
    }
    let names: Vec<&str> = insiders.iter().map(String::as_str).collect();
    format!("only {}", names.join(", "))
}

#[cfg(test)]
mod tests;
