//! How state buckets differ from the manifest: a bucket a paragraph, a difference a line.

use std::fmt::Write as _;

use super::Options;
use super::style::{BOLD, CYAN, DIM, GREEN, YELLOW, count, wrap};
use crate::model::{Action, BucketCondition, Difference};

/// What `tfw backend check` prints, as wide as stdout.
pub fn backends(conditions: &[BucketCondition], options: Options) -> String {
    let width = super::stdout_width().unwrap_or(usize::MAX);
    let mut text: String = lines(conditions)
        .lines()
        .fold(String::new(), |mut text, line| {
            let _ = writeln!(text, "{}", wrap(line, width, 4));
            text
        });
    let differing = conditions
        .iter()
        .filter(|each| each.differences.iter().any(|each| !each.is_harmless()))
        .count();
    if !conditions.is_empty() {
        let checked = count(conditions.len(), "bucket");
        let in_sync = conditions.len() - differing;
        let _ = writeln!(
            text,
            "\n{BOLD}{checked}: {in_sync} in sync, {differing} not{BOLD:#}"
        );
    }
    super::coloured(text, options)
}

/// The lines, coloured.
pub(super) fn lines(conditions: &[BucketCondition]) -> String {
    let mut text = String::new();
    for condition in conditions {
        let units: Vec<String> = condition.units.iter().map(ToString::to_string).collect();
        let units = match &units[..] {
            [first, second, third, rest @ ..] if !rest.is_empty() => {
                format!("{first}, {second}, {third} and {} more", rest.len())
            }
            all => all.join(", "),
        };
        let _ = write!(
            text,
            "{BOLD}{}{BOLD:#} {DIM}(account {}; {units}){DIM:#}",
            condition.bucket, condition.account_id
        );
        if condition.differences.is_empty() {
            let _ = writeln!(text, ": {GREEN}in sync{GREEN:#}");
            continue;
        }
        text.push('\n');
        for difference in &condition.differences {
            let _ = writeln!(text, "  {}", coloured(difference));
        }
    }
    text
}

fn coloured(difference: &Difference) -> String {
    let style = match difference.action {
        Action::Add => GREEN,
        Action::Keep if difference.is_harmless() => CYAN,
        Action::Change | Action::Keep => YELLOW,
    };
    let text = difference.to_string();
    let sign = text.chars().next().map_or(0, char::len_utf8);
    let (sign, rest) = text.split_at(sign);
    format!("{style}{sign}{style:#}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reason;

    #[test]
    fn a_bucket_is_a_paragraph() {
        let difference =
            |setting, actual: Option<&str>, desired: &str, action, reason| Difference {
                setting,
                actual: actual.map(str::to_owned),
                desired: desired.to_owned(),
                action,
                reason,
            };
        let condition = |bucket: &str, differences| BucketCondition {
            bucket: bucket.to_owned(),
            account_id: "111111111111".parse().expect("an account"),
            units: ["dev/a", "dev/b", "dev/c", "dev/d", "dev/e"]
                .map(|unit| unit.parse().expect("a unit"))
                .to_vec(),
            differences,
        };
        let text = lines(&[
            condition(
                "acme",
                vec![
                    difference("versioning", None, "Enabled", Action::Add, None),
                    difference(
                        "encryption",
                        Some("AES256"),
                        "aws:kms alias/s",
                        Action::Change,
                        None,
                    ),
                    difference(
                        "noncurrent_days",
                        Some("365"),
                        "90",
                        Action::Keep,
                        Some(Reason::Stronger),
                    ),
                    difference(
                        "tags",
                        None,
                        "a=b",
                        Action::Keep,
                        Some(Reason::Unreadable("access denied".to_owned())),
                    ),
                ],
            ),
            condition("other", Vec::new()),
        ]);
        insta::assert_snapshot!(anstream::adapter::strip_str(&text).to_string(), @r"
        acme (account 111111111111; dev/a, dev/b, dev/c and 2 more)
          + versioning Enabled
          ~ encryption AES256 → aws:kms alias/s
          ! noncurrent_days 365: stronger than asked (90), kept
          ? tags should be a=b, but may not be read: access denied
        other (account 111111111111; dev/a, dev/b, dev/c and 2 more): in sync
        ");
    }
}
