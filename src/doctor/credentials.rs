//! Whether each unit gets credentials, and whether they belong to the manifest's account.

use super::findings::{grouped, of_failure};
use crate::model::{Area, Check, Unit};
use crate::stage::SafeBackend;
use crate::stage::failure::Failure;
use crate::stage::record::Record;

/// The units' roles have been assumed already, each once.
pub(super) fn look(
    records: &[Record<'_>],
    prepared: &[Result<SafeBackend, Failure>],
) -> Vec<Check> {
    let units = records.iter().map(|record| record.unit);
    grouped(units.zip(prepared).flat_map(|(unit, safe)| {
        match safe {
            Ok(safe) => vec![check(unit, safe)],
            Err(failure) => of_failure(Area::Credentials, unit, failure)
                .into_iter()
                .map(without_preamble)
                .collect(),
        }
    }))
}

/// That it is about credentials, the area says.
fn without_preamble(check: Check) -> Check {
    let message = check.message.strip_prefix("no credentials: ");
    Check {
        message: message.unwrap_or(&check.message).to_owned(),
        ..check
    }
}

fn check(unit: &Unit, safe: &SafeBackend) -> Check {
    let area = Area::Credentials;
    let check = match (safe.account().principal(), &unit.account_id) {
        (Some(own), _) => match safe.state_account().principal() {
            Some(other) if other != own => Check::ok(area, format!("{own}; its state as {other}")),
            _ => Check::ok(area, own),
        },
        (None, Some(account)) => Check::warning(
            area,
            format!("no AWS credentials, and the manifest says account {account}"),
        )
        .with_hint("sign in (`aws sso login`), set `AWS_PROFILE`, or take out `account_id`"),
        (None, None) => Check::ok(area, "no AWS credentials are needed"),
    };
    check.of([&unit.id])
}
