//! `credentials`: where they come from, and how Terraform gets them.

use std::time::Duration;

use super::context::{Context, Reported};
use super::duration;
use crate::manifest::problem::{Collector, Problem};
use crate::manifest::raw;
use crate::model::{CredentialsSpec, Delivery, MfaSerial, MfaSpec};

/// What AWS allows for the session of an IAM user
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_GetSessionToken.html>).
const SHORTEST: Duration = Duration::from_mins(15);
const LONGEST: Duration = Duration::from_hours(36);
/// A working day.
const DEFAULT: Duration = Duration::from_hours(8);

/// Resolves `credentials`.
pub(super) fn credentials(
    context: &Context<'_>,
    raw: Option<&raw::Credentials>,
    problems: &mut Collector,
) -> Result<CredentialsSpec, Reported> {
    if context.is_invalid("credentials") {
        return Err(Reported);
    }
    let nothing = raw::Credentials::default();
    let raw = raw.unwrap_or(&nothing);
    let mfa = mfa(context, raw, problems);
    Ok(CredentialsSpec {
        profile: raw.profile.clone(),
        mfa: mfa?,
        delivery: raw.delivery.map(|delivery| match delivery {
            raw::Delivery::Env => Delivery::Env,
            raw::Delivery::Server => Delivery::Server,
        }),
    })
}

fn mfa(
    context: &Context<'_>,
    raw: &raw::Credentials,
    problems: &mut Collector,
) -> Result<Option<MfaSpec>, Reported> {
    let serial = context.optional::<MfaSerial>(
        problems,
        "credentials.mfa_serial",
        raw.mfa_serial.as_deref(),
    )?;
    let path = "credentials.session_duration";
    let session_duration = match raw.session_duration.as_deref() {
        None => Ok(DEFAULT),
        Some(text) => match duration::parse(text) {
            Some(duration) if (SHORTEST..=LONGEST).contains(&duration) => Ok(duration),
            Some(_) => Err(context.wrong(problems, path, || {
                Problem::error(format!("AWS allows no session of `{text}`"))
                    .label("from `15m` to `36h`")
            })),
            None => Err(context.wrong(problems, path, || {
                Problem::error(format!("`{text}` is not {}", duration::EXPECTED))
            })),
        },
    };
    let process = raw.mfa_process.clone().unwrap_or_default();
    if serial.is_none() {
        let without = [
            ("credentials.mfa_process", raw.mfa_process.is_some()),
            (path, raw.session_duration.is_some()),
        ];
        if let Some((path, _)) = without.into_iter().find(|(_, is_set)| *is_set) {
            let key = path.trim_start_matches("credentials.");
            return Err(context.wrong(problems, path, || {
                Problem::error(format!("`{key}` does nothing without `mfa_serial`"))
                    .hint("set `credentials.mfa_serial`, or take it out")
            }));
        }
    }
    if raw.mfa_process.is_some() && process.first().is_none_or(String::is_empty) {
        return Err(context.wrong(problems, "credentials.mfa_process", || {
            Problem::error("`mfa_process` names no program")
        }));
    }
    let session_duration = session_duration?;
    Ok(serial.map(|serial| MfaSpec {
        serial,
        process,
        session_duration,
    }))
}
