//! State locks that are held for long.

use jiff::{SignedDuration, Timestamp};

use super::findings::grouped;
use crate::model::{Area, Backend, Check, Lock, Unit, UnitId};
use crate::stage::SafeBackend;
use crate::stage::context::at_once;
use crate::stage::failure::Failure;
use crate::stage::record::Record;
use crate::stage::state_lock::WayOut;
use crate::stage::states;

/// No plan or apply should take longer than this.
const LONG: SignedDuration = SignedDuration::from_hours(1);

/// Asks who holds the lock of each unit; `there`: whether its bucket is.
pub(super) async fn look(
    records: &[Record<'_>],
    prepared: &[Result<SafeBackend, Failure>],
    there: &[bool],
) -> Vec<Check> {
    let units = records.iter().zip(prepared).zip(there);
    let looked = at_once(units.map(async |((record, safe), there)| {
        let unit = record.unit;
        let safe = safe.as_ref().ok()?;
        if !can_tell(unit, *there) {
            return None;
        }
        Some(
            match states::lock_holder(unit, safe.state_account()).await {
                Ok(lock) => of_lock(&unit.id, lock.as_ref(), Timestamp::now(), |id| {
                    WayOut::of(unit).release(id)
                }),
                Err(failure) => Check::unknown(Area::Lock, failure.reason).of([&unit.id]),
            },
        )
    }))
    .await;
    grouped(looked.into_iter().flatten())
}

/// Whether tfw can tell who holds the lock: without the lock file it is in DynamoDB, or there is
/// none.
fn can_tell(unit: &Unit, there: bool) -> bool {
    match &unit.backend {
        Backend::S3(s3) => there && s3.use_lockfile,
        Backend::Local(_) => true,
        Backend::Other(_) => false,
    }
}

/// `release`: the command that releases the lock of an id, in backticks.
fn of_lock(
    unit: &UnitId,
    lock: Option<&Lock>,
    now: Timestamp,
    release: impl FnOnce(&str) -> String,
) -> Check {
    let Some(lock) = lock else {
        return Check::ok(Area::Lock, "not locked").of([unit]);
    };
    let held = format!(
        "locked by {} since {}, for `{}`",
        lock.who,
        lock.since(),
        lock.doing()
    );
    let created = lock.created.parse::<Timestamp>().ok();
    // Of a time that nobody can read nothing is known.
    let is_new = created.is_some_and(|created| now.duration_since(created) < LONG);
    let check = if is_new {
        Check::ok(Area::Lock, held)
    } else {
        Check::warning(Area::Lock, held).with_hint(format!(
            "where nobody works any more, {} releases it",
            release(&lock.id)
        ))
    };
    check.of([unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CheckStatus;

    #[test]
    fn an_hour_is_long() {
        let check = |created: &str| {
            let lock = Lock {
                id: "4bb6".to_owned(),
                who: "alice@host".to_owned(),
                operation: "OperationTypeApply".to_owned(),
                created: created.to_owned(),
            };
            let now = "2026-01-02T12:00:00Z".parse().expect("a time");
            of_lock(&"dev".parse().expect("a unit"), Some(&lock), now, |id| {
                format!("`release {id}`")
            })
        };
        let new = check("2026-01-02T11:00:01Z");
        assert_eq!((new.status, &new.hint), (CheckStatus::Ok, &None));
        let old = check("2026-01-02T10:59:59.123Z");
        assert_eq!(old.status, CheckStatus::Warning);
        assert_eq!(
            old.message,
            "locked by alice@host since 2026-01-02 10:59:59 UTC, for `apply`"
        );
        assert_eq!(
            old.hint.as_deref(),
            Some("where nobody works any more, `release 4bb6` releases it")
        );
        assert_eq!(check("some day").status, CheckStatus::Warning);
    }
}
