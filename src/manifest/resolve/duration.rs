//! Durations as Go, and so Terraform, writes them: `30s`, `1h30m`.

use std::time::Duration;

use jiff::SignedDuration;

/// What a duration looks like, for messages.
pub(super) const EXPECTED: &str = "a duration such as `30s`, `5m` or `1h30m`";

/// Parses a duration that is not negative.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    // jiff reads more than Go does ("1 hour", "PT1H"): only Go's letters get that far.
    let is_go = text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'h' | b'm' | b's'));
    if !is_go {
        return None;
    }
    let duration: SignedDuration = text.parse().ok()?;
    duration.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gos_durations_are_read() {
        for (text, seconds) in [
            ("0s", Some(0.0)),
            ("90s", Some(90.0)),
            ("5m", Some(300.0)),
            ("1h30m", Some(5400.0)),
            ("1.5h", Some(5400.0)),
            ("500ms", Some(0.5)),
            ("", None),
            ("5", None),
            ("-5s", None),
            ("5 s", None),
            ("PT5S", None),
            ("1d", None),
            ("1hour", None),
            ("h", None),
        ] {
            assert_eq!(parse(text).map(|d| d.as_secs_f64()), seconds, "{text}");
        }
    }
}
