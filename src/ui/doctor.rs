//! The screen of `tfw doctor`: what is well in few words, what is not with how to mend it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;

use anstyle::Style;

use super::Options;
use super::style::{BOLD, CYAN, GREEN, RED, YELLOW, count, wrap};
use crate::model::{Area, Check, CheckStatus, UnitId};

/// So many units of one line are named.
const NAMED: usize = 3;
/// Where text begins: behind the longest status.
const INDENT: usize = 9;

/// What `tfw doctor` prints, as wide as stdout.
pub fn doctor(checks: &[Check], options: Options) -> String {
    let columns = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_col);
    // A pipe has no width, and some terminals say zero.
    let width = if columns > 0 {
        usize::from(columns)
    } else {
        usize::MAX
    };
    let text = render(checks, width, options.quiet);
    if options.colour {
        text
    } else {
        anstream::adapter::strip_str(&text).to_string()
    }
}

fn render(checks: &[Check], width: usize, quiet: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    for area in checks.chunk_by(|one, other| one.area == other.area) {
        let (well, amiss): (Vec<&Check>, Vec<&Check>) = area.iter().partition(|each| each.is_ok());
        if !well.is_empty() && !quiet {
            lines.push(line(CheckStatus::Ok, area[0].area, &summary(&well)));
        }
        for (index, check) in amiss.iter().enumerate() {
            let whose = names(&check.units);
            let colon = if whose.is_empty() { "" } else { ": " };
            let text = format!("{whose}{colon}{}", check.message);
            lines.push(line(check.status, check.area, &text));
            // What is mended together is told how to be mended once.
            let next = amiss.get(index + 1);
            if let Some(hint) = &check.hint
                && next.is_none_or(|next| next.hint.as_ref() != Some(hint))
            {
                lines.push(format!("{:INDENT$}hint: {hint}", ""));
            }
        }
    }
    let mut text = lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{}", wrap(line, width, INDENT));
        text
    });
    let blank = if text.is_empty() { "" } else { "\n" };
    let _ = writeln!(text, "{blank}{BOLD}{}{BOLD:#}", total(checks));
    text
}

fn line(status: CheckStatus, area: Area, text: &str) -> String {
    let (word, style) = word(status);
    let blanks = " ".repeat(INDENT - word.len());
    let title = title(area);
    format!("{style}{word}{style:#}{blanks}{BOLD}{title}{BOLD:#}: {text}")
}

fn word(status: CheckStatus) -> (&'static str, Style) {
    match status {
        CheckStatus::Ok => ("ok", GREEN),
        CheckStatus::Warning => ("warning", YELLOW),
        CheckStatus::Problem => ("problem", RED.bold()),
        CheckStatus::Unknown => ("unknown", CYAN),
    }
}

fn title(area: Area) -> &'static str {
    match area {
        Area::Tools => "tools",
        Area::Manifest => "manifest",
        Area::Credentials => "credentials",
        Area::Bucket => "bucket",
        Area::Kms => "KMS key",
        Area::Lock => "lock",
        Area::Module => "root module",
        Area::LockFile => "provider lock file",
        Area::StateFiles => "state files",
        Area::Git => "git",
    }
}

/// What is well in one area: itself where it is one thing or concerns no units, else how many there
/// are of it.
fn summary(well: &[&Check]) -> String {
    let units: BTreeSet<&UnitId> = well.iter().flat_map(|check| &check.units).collect();
    if let [only] = well {
        return match units.len() {
            0 => only.message.clone(),
            1 => format!("{}: {}", names(&only.units), only.message),
            many => format!("{}: {}", count(many, "unit"), only.message),
        };
    }
    if units.is_empty() {
        let messages: Vec<&str> = well.iter().map(|check| check.message.as_str()).collect();
        return messages.join(", ");
    }
    let things = match well[0].area {
        Area::Credentials => Some("principal"),
        Area::Bucket => Some("bucket"),
        Area::Kms => Some("key"),
        _ => None,
    };
    let things = things.map(|thing| format!(", {}", count(well.len(), thing)));
    format!(
        "{}{}",
        count(units.len(), "unit"),
        things.unwrap_or_default()
    )
}

/// `dev, prod, test and 3 more`.
fn names(units: &[UnitId]) -> String {
    let names: Vec<String> = units.iter().map(ToString::to_string).collect();
    if names.len() <= NAMED + 1 {
        return names.join(", ");
    }
    let rest = names.len() - NAMED;
    format!("{} and {rest} more", names[..NAMED].join(", "))
}

/// What is not well, counted as it is told.
fn total(checks: &[Check]) -> String {
    let counted = |status, what: &str| {
        let number = checks.iter().filter(|each| each.status == status).count();
        (number > 0).then(|| count(number, what))
    };
    let unknown = checks
        .iter()
        .filter(|each| each.status == CheckStatus::Unknown)
        .count();
    let parts: Vec<String> = [
        counted(CheckStatus::Problem, "problem"),
        counted(CheckStatus::Warning, "warning"),
        (unknown > 0).then(|| format!("{unknown} unknown")),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() {
        "all is well".to_owned()
    } else {
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(names: &str) -> Vec<UnitId> {
        let names = names.split(' ');
        names.map(|name| name.parse().expect("a unit")).collect()
    }

    fn shown(checks: &[Check], width: usize) -> String {
        anstream::adapter::strip_str(&render(checks, width, false)).to_string()
    }

    fn set_up() -> Vec<Check> {
        let (area, ensure) = (Area::Bucket, "`tfw backend ensure dev` mends it");
        vec![
            Check::ok(Area::Tools, "Terraform 1.11.4 (`/usr/bin/terraform`)"),
            Check::ok(Area::Tools, "git 2.43.0"),
            Check::ok(Area::Credentials, "role Terraform in account 111111111111")
                .of(&units("dev")),
            Check::ok(Area::Credentials, "role Terraform in account 222222222222")
                .of(&units("prod/eks prod/network")),
            Check::problem(
                Area::Credentials,
                "cannot assume the role `arn:aws:iam::333333333333:role/Terraform`: access denied",
            )
            .with_hint("the trust policy must let the caller in")
            .of(&units("lab")),
            Check::warning(area, "`versioning` of `acme` is not set, should be Enabled")
                .with_hint(ensure)
                .of(&units("dev")),
            Check::warning(area, "`tags` of `acme` is not set, should be a=b")
                .with_hint(ensure)
                .of(&units("dev")),
            Check::unknown(Area::Lock, "cannot read `s3://acme/x`: access denied")
                .of(&units("dev")),
            Check::ok(Area::Lock, "not locked").of(&units("prod/eks prod/network")),
            Check::warning(Area::LockFile, "no `.terraform.lock.hcl`")
                .with_hint("`tfw init UNIT` writes it; commit it")
                .of(&units("a b c d e")),
        ]
    }

    #[test]
    fn what_is_well_is_short_and_what_is_not_has_a_hint() {
        insta::assert_snapshot!(shown(&set_up(), usize::MAX), @r"
        ok       tools: Terraform 1.11.4 (`/usr/bin/terraform`), git 2.43.0
        ok       credentials: 3 units, 2 principals
        problem  credentials: lab: cannot assume the role `arn:aws:iam::333333333333:role/Terraform`: access denied
                 hint: the trust policy must let the caller in
        warning  bucket: dev: `versioning` of `acme` is not set, should be Enabled
        warning  bucket: dev: `tags` of `acme` is not set, should be a=b
                 hint: `tfw backend ensure dev` mends it
        ok       lock: 2 units: not locked
        unknown  lock: dev: cannot read `s3://acme/x`: access denied
        warning  provider lock file: a, b, c and 2 more: no `.terraform.lock.hcl`
                 hint: `tfw init UNIT` writes it; commit it

        1 problem, 3 warnings, 1 unknown
        ");
    }

    #[test]
    fn a_narrow_screen_gets_it_in_its_columns() {
        insta::assert_snapshot!(shown(&set_up()[4..7], 60), @r"
        problem  credentials: lab: cannot assume the role
                 `arn:aws:iam::333333333333:role/Terraform`: access
                 denied
                 hint: the trust policy must let the caller in
        warning  bucket: dev: `versioning` of `acme` is not set,
                 should be Enabled
        warning  bucket: dev: `tags` of `acme` is not set, should be
                 a=b
                 hint: `tfw backend ensure dev` mends it

        1 problem, 2 warnings
        ");
    }

    #[test]
    fn nothing_wrong_is_said_too() {
        let text = shown(&[Check::ok(Area::Git, "not a git repository")], 80);
        assert_eq!(text, "ok       git: not a git repository\n\nall is well\n");
    }

    #[test]
    fn a_quiet_screen_has_only_what_is_not_well() {
        let quiet = |checks: &[Check]| {
            let text = render(checks, usize::MAX, true);
            anstream::adapter::strip_str(&text).to_string()
        };
        let text = quiet(&set_up());
        assert!(text.starts_with("problem  credentials: lab: "), "{text}");
        assert!(!text.contains("\nok "), "{text}");
        assert_eq!(quiet(&set_up()[..2]), "all is well\n");
    }
}
