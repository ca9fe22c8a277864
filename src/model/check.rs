//! What is right and wrong with a set-up: the words of `tfw doctor`.

use serde::Serialize;

use super::UnitId;

/// What a check is about, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// Terraform and git.
    Tools,
    /// The manifest.
    Manifest,
    /// The credentials of units, and the accounts that they belong to.
    Credentials,
    /// State buckets.
    Bucket,
    /// KMS keys of state buckets.
    Kms,
    /// State locks.
    Lock,
    /// Root modules: their backend block, and what they are initialised for.
    Module,
    /// Provider lock files.
    LockFile,
    /// States and plans that lie about.
    StateFiles,
    /// What git tracks.
    Git,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// It is as it should be.
    Ok,
    /// It works, and should be mended.
    Warning,
    /// Something does not work, or is in danger.
    Problem,
    /// It could not be told.
    Unknown,
}

/// One thing that was looked at, for all units of which it is true alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is about.
    pub area: Area,
    /// The units that it concerns; none: the set-up as a whole.
    pub units: Vec<UnitId>,
    /// How it came out.
    pub status: CheckStatus,
    /// One line: what is so.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// A check of one unit at most, as documents have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitCheck<'a> {
    area: Area,
    unit: Option<&'a UnitId>,
    status: CheckStatus,
    message: &'a str,
    hint: Option<&'a str>,
}

impl Check {
    /// A check of the set-up as a whole.
    pub fn new(area: Area, status: CheckStatus, message: impl Into<String>) -> Self {
        Self {
            area,
            units: Vec::new(),
            status,
            message: message.into(),
            hint: None,
        }
    }

    /// Something that is as it should be.
    pub fn ok(area: Area, message: impl Into<String>) -> Self {
        Self::new(area, CheckStatus::Ok, message)
    }

    /// Something that works, and should be mended.
    pub fn warning(area: Area, message: impl Into<String>) -> Self {
        Self::new(area, CheckStatus::Warning, message)
    }

    /// Something that does not work, or is in danger.
    pub fn problem(area: Area, message: impl Into<String>) -> Self {
        Self::new(area, CheckStatus::Problem, message)
    }

    /// Something that could not be told.
    pub fn unknown(area: Area, message: impl Into<String>) -> Self {
        Self::new(area, CheckStatus::Unknown, message)
    }

    /// Says how to mend it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says which units it concerns.
    #[must_use]
    pub fn of<'u>(mut self, units: impl IntoIterator<Item = &'u UnitId>) -> Self {
        self.units.extend(units.into_iter().cloned());
        self
    }

    /// Whether it is as it should be.
    pub fn is_ok(&self) -> bool {
        self.status == CheckStatus::Ok
    }

    /// The check for each of its units.
    pub fn of_units(&self) -> Vec<UnitCheck<'_>> {
        let of = |unit| UnitCheck {
            area: self.area,
            unit,
            status: self.status,
            message: &self.message,
            hint: self.hint.as_deref(),
        };
        if self.units.is_empty() {
            return vec![of(None)];
        }
        self.units.iter().map(|unit| of(Some(unit))).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_has_a_check_for_each_unit_with_every_field() {
        let units = ["dev", "prod/eks"].map(|unit| unit.parse().expect("a unit"));
        let check = Check::warning(Area::LockFile, "no lock file").with_hint("write one");
        let check = check.of(&units);
        let entry = |unit| {
            json!({
                "area": "lock_file", "unit": unit, "status": "warning",
                "message": "no lock file", "hint": "write one",
            })
        };
        assert_eq!(
            json!(check.of_units()),
            json!([entry("dev"), entry("prod/eks")])
        );
        let whole = Check::ok(Area::Tools, "git");
        assert_eq!(
            json!(whole.of_units()),
            json!([{ "area": "tools", "unit": null, "status": "ok", "message": "git", "hint": null }])
        );
    }
}
