//! How findings become checks: equal ones of several units are one, and what other rooms say of
//! failures is said as they say it.

use crate::model::{Area, Check, CheckStatus, Diagnostic, Severity, Unit, UnitId};
use crate::stage::failure::Failure;

/// Stands in a hint for the names of all units that it is about, as a command takes them.
pub(super) const UNITS: &str = "{units}";

/// A command that is meant to be typed names no more units than this.
const MOST_NAMED: usize = 5;

/// What begins a line of a diagnostic's detail that is a hint.
const HINT: &str = "hint: ";

/// Equal checks as one with all their units, in the order of the first; hints name their units.
pub(super) fn grouped(checks: impl IntoIterator<Item = Check>) -> Vec<Check> {
    let mut groups: Vec<Check> = Vec::new();
    for check in checks {
        let equal = |group: &&mut Check| {
            (group.area, group.status, &group.message, &group.hint)
                == (check.area, check.status, &check.message, &check.hint)
        };
        match groups.iter_mut().find(equal) {
            Some(group) => group.units.extend(check.units),
            None => groups.push(check),
        }
    }
    for group in &mut groups {
        if let Some(hint) = &mut group.hint {
            *hint = hint.replace(UNITS, &typed(&group.units));
        }
    }
    groups
}

/// Units as words of a command line.
fn typed(units: &[UnitId]) -> String {
    if units.len() > MOST_NAMED {
        return "UNIT".to_owned();
    }
    let names: Vec<String> = units.iter().map(ToString::to_string).collect();
    names.join(" ")
}

/// A diagnostic as a check of the set-up as a whole: its place, summary and detail are the message,
/// its hints the hint.
pub(super) fn of_diagnostic(area: Area, diagnostic: &Diagnostic) -> Check {
    let status = match diagnostic.severity {
        Severity::Error => CheckStatus::Problem,
        Severity::Warning => CheckStatus::Warning,
    };
    let mut message = match (&diagnostic.file, diagnostic.line) {
        (Some(file), Some(line)) => format!("{file}:{line}: {}", diagnostic.summary),
        (Some(file), None) => format!("{file}: {}", diagnostic.summary),
        (None, _) => diagnostic.summary.clone(),
    };
    let mut hints = Vec::new();
    for line in diagnostic.detail.iter().flat_map(|detail| detail.lines()) {
        if let Some(hint) = line.strip_prefix(HINT) {
            hints.push(hint);
        } else {
            message.push_str("; ");
            message.push_str(line.trim());
        }
    }
    let check = Check::new(area, status, message);
    if hints.is_empty() {
        check
    } else {
        check.with_hint(hints.join("; "))
    }
}

/// Why something of a unit failed, or would be refused, as checks that are equal for all units that
/// fail alike.
pub(super) fn of_failure(area: Area, unit: &Unit, failure: &Failure) -> Vec<Check> {
    let id = &unit.id;
    let general = |mut check: Check| {
        check.message = check.message.replacen(&format!(" for `{id}`"), "", 1);
        check.hint = check
            .hint
            .map(|hint| hint.replace(&format!(" {id}`"), &format!(" {UNITS}`")));
        check.of([id])
    };
    if failure.diagnostics.is_empty() {
        return vec![general(Check::unknown(area, &failure.reason))];
    }
    let diagnostics = failure.diagnostics.iter();
    diagnostics
        .map(|diagnostic| general(of_diagnostic(area, diagnostic)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(name: &str) -> UnitId {
        name.parse().expect("a unit")
    }

    #[test]
    fn equal_findings_are_one_and_its_hint_names_the_units() {
        let finding = |name: &str| {
            Check::warning(Area::LockFile, "no lock file")
                .with_hint("`tfw init {units}` writes it")
                .of([&unit(name)])
        };
        let other = Check::ok(Area::LockFile, "there").of([&unit("test")]);
        let groups = grouped([finding("dev"), other.clone(), finding("prod")]);
        let group = Check {
            hint: Some("`tfw init dev prod` writes it".to_owned()),
            ..finding("dev").of([&unit("prod")])
        };
        assert_eq!(groups, [group, other]);
        let many = grouped(["a", "b", "c", "d", "e", "f"].map(finding));
        assert_eq!(many[0].hint.as_deref(), Some("`tfw init UNIT` writes it"));
    }

    #[test]
    fn a_diagnostic_is_one_line_and_a_hint() {
        let diagnostic = Diagnostic::error("wrong")
            .with_detail("because")
            .with_hint("mend it")
            .with_hint("or leave it")
            .at("tfw.toml", Some(3));
        let check = of_diagnostic(Area::Manifest, &diagnostic);
        assert_eq!(check.status, CheckStatus::Problem);
        assert_eq!(check.message, "tfw.toml:3: wrong; because");
        assert_eq!(check.hint.as_deref(), Some("mend it; or leave it"));
    }
}
