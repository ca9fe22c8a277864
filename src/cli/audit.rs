//! `tfw audit`.

use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::args::{GlobalArgs, SelectionArgs};
use super::error::Error;
use super::frame::{Done, Frame};
use crate::env_vars::EnvSnapshot;
use crate::manifest::parse_duration;
use crate::model::{AuditEvent, Diagnostic, Period};
use crate::pipeline::{self, Audit};
use crate::report::{ExitCode, to_document};
use crate::ui;

const DAY: Duration = Duration::from_hours(24);
/// How far CloudTrail's event history goes back (CloudTrail User Guide, "Working with CloudTrail
/// event history").
const HISTORY: Duration = Duration::from_hours(90 * 24);

/// Show who read and wrote states, from CloudTrail
///
/// Looks up in CloudTrail's event history who had KMS decrypt a state, or encrypt a new one: a user
/// or a role with its session, when, and from where if that is told. Runs of tfw are known by their
/// sessions. Each key is looked up once, two requests a second: that is all that CloudTrail takes.
/// Ctrl-C ends it, and shows what was found. What it cannot show of your set-up is said below, with
/// what to turn on. No Terraform runs.
///
/// An event that names the bucket alone may be about any state in it, and counts for all of them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tfw audit prod                      the last seven days
  tfw audit --all --since 36h         every state, since yesterday
  tfw audit prod/eks --since 14d --until 7d
  tfw audit --all --since 90d --csv > audit.csv")]
pub(super) struct AuditArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Since when: so long ago (`7d`, `36h`), or a time as RFC 3339 has it
    ///
    /// CloudTrail's event history goes back 90 days.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = moment, help_heading = "Time")]
    since: Moment,
    /// Until when, in the same form [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment, help_heading = "Time")]
    until: Option<Moment>,
    /// Print the events as CSV, with a header
    ///
    /// What begins with `=`, `+`, `-`, `@`, a tab or a line break gets a `'` before it, so that no
    /// spreadsheet takes it for a formula.
    #[arg(long, conflicts_with = "json", help_heading = "Output")]
    csv: bool,
}

/// A time as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// So long ago.
    Ago(Duration),
    At(Timestamp),
}

impl Moment {
    fn resolve(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Ago(duration) => {
                let duration = SignedDuration::try_from(duration).ok()?;
                now.checked_sub(duration).ok()
            }
            Self::At(time) => Some(time),
        }
    }
}

/// `7d`, `1d12h`, `36h`, `2026-01-02T03:04:05Z`.
fn moment(text: &str) -> Result<Moment, String> {
    let ago = || {
        let (days, rest) = match text.split_once('d') {
            Some((days, rest)) => {
                let is_number = days.bytes().all(|b| b.is_ascii_digit());
                (days.parse().ok().filter(|_| is_number)?, rest)
            }
            None => (0_u32, text),
        };
        let rest = match rest {
            "" if text.ends_with('d') => Duration::ZERO,
            rest => parse_duration(rest)?,
        };
        DAY.checked_mul(days)?.checked_add(rest)
    };
    let moment = ago()
        .map(Moment::Ago)
        .or_else(|| text.parse().ok().map(Moment::At));
    moment.ok_or_else(|| {
        "neither a duration such as `7d` or `36h`, nor a time such as `2026-01-02T03:04:05Z`"
            .to_owned()
    })
}

fn period(since: Moment, until: Option<Moment>, now: Timestamp) -> Result<Period, Diagnostic> {
    let too_early = || {
        Diagnostic::error("`--since` is more than 90 days ago: the history does not go back as far")
            .with_hint(
                "`--since 90d` is all of it; what is older only the files of a trail have, where there is one",
            )
    };
    let earliest = Moment::Ago(HISTORY).resolve(now);
    let since = since
        .resolve(now)
        .filter(|since| Some(*since) >= earliest)
        .ok_or_else(too_early)?;
    let until = match until {
        Some(until) => until.resolve(now),
        None => Some(now),
    };
    match until {
        Some(until) if until > since => Ok(Period { since, until }),
        _ => Err(Diagnostic::error(
            "`--until` is not later than `--since`: that is no time at all",
        )
        .with_hint("`--since 7d --until 1d` ends a day ago")),
    }
}

pub(super) fn run(
    args: AuditArgs,
    global: &GlobalArgs,
    environment: &EnvSnapshot,
) -> Result<ExitCode, Error> {
    let now = Timestamp::now();
    let period = period(args.since, args.until, now).map_err(Error::Usage)?;
    let csv = args.csv;
    Frame {
        without_terraform: true,
        yields_stdout: true,
        ..Frame::new("audit", global, environment, args.selection)
    }
    .run(async |ctx| {
        let audit = pipeline::audit(ctx, period).await;
        if csv {
            pipeline::warn_of_caveats(ctx, &audit.caveats);
        }
        let Audit {
            events,
            caveats,
            is_complete,
            ..
        } = &audit;
        let text = if csv {
            ui::audit_csv(events.iter().flat_map(AuditEvent::rows))
        } else {
            let options = global.output(environment);
            ui::audit(events, caveats, *is_complete, period, now, options)
        };
        Done {
            document: Some(document(&audit, period)),
            text: Some(text),
            ..Done::default()
        }
    })
}

fn document(audit: &Audit, period: Period) -> String {
    let rows: Vec<_> = audit.events.iter().flat_map(AuditEvent::rows).collect();
    to_document(&json!({
        "schema": 1,
        "since": period.since,
        "until": period.until,
        "events": rows,
        "caveats": audit.caveats,
        "diagnostics": audit.diagnostics,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_days_and_hours_ago_or_dates() {
        let ago = |hours| Some(Moment::Ago(Duration::from_hours(hours)));
        for (text, expected) in [
            ("7d", ago(7 * 24)),
            ("36h", ago(36)),
            ("1d12h", ago(36)),
            ("90m", Some(Moment::Ago(Duration::from_mins(90)))),
            (
                "2026-01-02T03:04:05Z",
                Some(Moment::At("2026-01-02T03:04:05Z".parse().unwrap())),
            ),
            (
                "2026-01-02T03:04:05+01:00",
                Some(Moment::At("2026-01-02T02:04:05Z".parse().unwrap())),
            ),
            ("7", None),
            ("d", None),
            ("+7d", None),
            ("7d7", None),
            ("7dd", None),
            ("yesterday", None),
            ("99999999999d", None),
            ("", None),
        ] {
            assert_eq!(moment(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn the_history_is_ninety_days_long() {
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        let of = |since, until: Option<&str>| {
            period(
                moment(since).unwrap(),
                until.map(|until| moment(until).unwrap()),
                now,
            )
        };
        assert!(of("90d", None).is_ok());
        let told = of("91d", None).unwrap_err();
        assert!(told.summary.contains("90 days"), "{}", told.summary);
        assert!(of("2020-01-01T00:00:00Z", None).is_err());
        assert!(of("4294967295d", None).is_err());
        assert!(of("7d", Some("8d")).is_err());
        let ended = of("7d", Some("1d")).unwrap();
        assert_eq!(ended.until.to_string(), "2026-05-31T00:00:00Z");
    }
}
