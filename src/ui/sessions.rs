//! The MFA sessions that are kept, a line each.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::style::time;
use crate::model::KeptSession;

/// What `tfw session list` prints.
pub fn sessions(sessions: &[KeptSession], problems: &[String], now: Timestamp) -> String {
    let mut text = String::new();
    for session in sessions {
        let left = session.expires.duration_since(now).as_millis();
        let left = time(u64::try_from(left).unwrap_or_default());
        let _ = writeln!(
            text,
            "{} by the key {}: until {}, for {left} yet",
            session.mfa_serial,
            session.identity,
            session.expires.strftime("%Y-%m-%d %H:%M UTC")
        );
    }
    for problem in problems {
        let _ = writeln!(text, "warning: {problem}");
    }
    if text.is_empty() {
        text.push_str("no session is kept\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_a_line() {
        let session = KeptSession {
            kind: "mfa",
            identity: "AKIAALICE".to_owned(),
            account_id: Some("111111111111".parse().expect("an account")),
            mfa_serial: "arn:aws:iam::111111111111:mfa/alice".to_owned(),
            expires: "2026-01-02T12:00:00Z".parse().expect("a time"),
        };
        let now = "2026-01-02T09:53:00Z".parse().expect("a time");
        let problems = ["the cached MFA session `x` is none".to_owned()];
        insta::assert_snapshot!(sessions(&[session], &problems, now), @r"
        arn:aws:iam::111111111111:mfa/alice by the key AKIAALICE: until 2026-01-02 12:00 UTC, for 2h07m yet
        warning: the cached MFA session `x` is none
        ");
        assert_eq!(sessions(&[], &[], now), "no session is kept\n");
    }
}
