//! Version constraints in Terraform's grammar, and what a version must be able to do.
//!
//! The semantics are those of `HashiCorp`'s go-version, which Terraform uses for
//! `required_version`: <https://pkg.go.dev/github.com/hashicorp/go-version#Constraints>.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use semver::{BuildMetadata, Prerelease, Version};

/// `~> 1.11, != 1.11.2`: all of these must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constraint(Vec<Clause>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    operator: Operator,
    version: Version,
    /// How many numbers were written: `~>` depends on it.
    numbers: usize,
    /// As written.
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Pessimistic,
}

/// A text that is no version constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{clause}` is not a version constraint")]
pub struct InvalidConstraint {
    /// The part that is wrong.
    pub clause: String,
}

impl InvalidConstraint {
    /// What to do about it.
    pub fn hint(&self) -> String {
        "write constraints like `~> 1.11`, `>= 1.11, < 2.0` or `= 1.11.4`".to_owned()
    }
}

/// A version that may not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionRefused {
    /// The manifest asks for another one.
    #[error("version {version} does not satisfy `terraform.version = \"{constraint}\"`")]
    Unsatisfied {
        /// What is installed.
        version: Version,
        /// What the manifest asks for.
        constraint: String,
    },
    /// It cannot lock by a file in S3.
    #[error(
        "version {version} cannot lock state in S3 by `use_lockfile`, which came with {NATIVE_LOCK}"
    )]
    NoNativeLock {
        /// What is installed.
        version: Version,
    },
}

impl VersionRefused {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Unsatisfied { constraint, .. } => format!(
                "install a version that satisfies `{constraint}`, or name another binary by `--terraform`"
            ),
            Self::NoNativeLock { .. } => format!(
                "install {NATIVE_LOCK} or newer, or set `use_lockfile = false` and lock in another way"
            ),
        }
    }
}

/// The first version, of Terraform and of `OpenTofu`, whose S3 backend knows `use_lockfile`.
pub(super) const NATIVE_LOCK: Version = Version::new(1, 10, 0);

/// Lets a version pass that satisfies the constraint.
///
/// # Errors
/// It does not.
pub(super) fn gate(version: &Version, constraint: &Constraint) -> Result<(), VersionRefused> {
    if constraint.allows(version) {
        return Ok(());
    }
    Err(VersionRefused::Unsatisfied {
        version: version.clone(),
        constraint: constraint.to_string(),
    })
}

/// Lets a version pass that can lock state in S3 natively. Ask only where a unit needs that.
///
/// # Errors
/// It is too old.
pub(super) fn gate_native_lock(version: &Version) -> Result<(), VersionRefused> {
    // A prerelease of 1.10 has it already.
    if (version.major, version.minor) >= (NATIVE_LOCK.major, NATIVE_LOCK.minor) {
        return Ok(());
    }
    Err(VersionRefused::NoNativeLock {
        version: version.clone(),
    })
}

impl Constraint {
    /// Whether a version satisfies all of it.
    pub fn allows(&self, version: &Version) -> bool {
        self.0.iter().all(|clause| clause.allows(version))
    }
}

impl Clause {
    fn allows(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        match self.operator {
            Operator::Equal => order == Ordering::Equal,
            Operator::NotEqual => order != Ordering::Equal,
            Operator::Greater => self.admits_prerelease(version) && order == Ordering::Greater,
            Operator::GreaterOrEqual => self.admits_prerelease(version) && order != Ordering::Less,
            Operator::Less => self.admits_prerelease(version) && order == Ordering::Less,
            Operator::LessOrEqual => self.admits_prerelease(version) && order != Ordering::Greater,
            Operator::Pessimistic => {
                let same = [
                    version.major == self.version.major,
                    version.minor == self.version.minor,
                ];
                self.admits_prerelease(version)
                    && (self.version.pre.is_empty() || !version.pre.is_empty())
                    && order != Ordering::Less
                    // All numbers but the last one written must be the same.
                    && same[..self.numbers - 1].iter().all(|same| *same)
            }
        }
    }

    /// A prerelease satisfies a range only where the constraint names a prerelease of the same
    /// version.
    fn admits_prerelease(&self, version: &Version) -> bool {
        let numbers = |version: &Version| (version.major, version.minor, version.patch);
        version.pre.is_empty()
            || (!self.version.pre.is_empty() && numbers(version) == numbers(&self.version))
    }
}

impl FromStr for Constraint {
    type Err = InvalidConstraint;

    fn from_str(text: &str) -> Result<Self, InvalidConstraint> {
        text.split(',')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl FromStr for Clause {
    type Err = InvalidConstraint;

    fn from_str(text: &str) -> Result<Self, InvalidConstraint> {
        let text = text.trim();
        let invalid = || InvalidConstraint {
            clause: text.to_owned(),
        };
        let digits = text
            .find(|c: char| c.is_ascii_digit() || c == 'v')
            .ok_or_else(invalid)?;
        let (operator, version) = text.split_at(digits);
        let operator = match operator.trim() {
            "" | "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            "~>" => Operator::Pessimistic,
            _ => return Err(invalid()),
        };
        let (version, numbers) = parse_version(version).ok_or_else(invalid)?;
        Ok(Self {
            operator,
            version,
            numbers,
            text: text.to_owned(),
        })
    }
}

/// Parses `1`, `1.11`, `v1.11.4-beta1`; says how many numbers were written.
fn parse_version(text: &str) -> Option<(Version, usize)> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = text.split_once('+').unwrap_or((text, ""));
    let (numbers, pre) = text.split_once('-').unwrap_or((text, ""));
    let numbers: Vec<u64> = numbers
        .split('.')
        .map(|number| {
            let plain = number.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| number.parse().ok()).flatten()
        })
        .collect::<Option<_>>()?;
    if numbers.len() > 3 || (text.ends_with('-') && pre.is_empty()) {
        return None;
    }
    let number = |position: usize| numbers.get(position).copied().unwrap_or(0);
    let version = Version {
        major: number(0),
        minor: number(1),
        patch: number(2),
        pre: Prerelease::new(pre).ok()?,
        build: BuildMetadata::new(build).ok()?,
    };
    Some((version, numbers.len()))
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, clause) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(f, "{separator}{}", clause.text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_satisfy_constraints_as_in_go_version() {
        let table = [
            ("~> 1.11", "1.11.0", true),
            ("~> 1.11", "1.99.3", true),
            ("~> 1.11", "2.0.0", false),
            ("~> 1.11", "1.10.9", false),
            ("~> 1.11.2", "1.11.2", true),
            ("~> 1.11.2", "1.11.9", true),
            ("~> 1.11.2", "1.11.1", false),
            ("~> 1.11.2", "1.12.0", false),
            ("~> 1", "7.0.0", true),
            ("~>1.0.0-beta1", "1.0.0-beta2", true),
            ("~> 1.0.0-beta1", "1.0.0", false),
            (">= 1.11, < 2.0", "1.11.4", true),
            (">= 1.11, < 2.0", "2.0.0", false),
            (">=1.11,<2.0,!=1.11.4", "1.11.4", false),
            ("1.11.4", "1.11.4", true),
            ("= v1.11.4", "1.11.4", true),
            ("= 1.11", "1.11.0", true),
            ("= 1.11", "1.11.4", false),
            ("> 1.11", "1.11.0", false),
            ("> 1.11", "1.11.1", true),
            ("<= 1.11.4", "1.11.4", true),
            // Prereleases satisfy only what names one of the same version.
            (">= 1.11", "1.12.0-beta1", false),
            (">= 1.12.0-alpha", "1.12.0-beta1", true),
            (">= 1.11.0-alpha", "1.12.0-beta1", false),
            (">= 1.11.0-alpha", "1.12.0", true),
            ("< 1.12.0", "1.12.0-beta1", false),
            ("= 1.12.0-beta1", "1.12.0-beta1", true),
            // Metadata does not count.
            ("= 1.11.4", "1.11.4+ent", true),
        ];
        for (constraint, version, expected) in table {
            let parsed: Constraint = constraint.parse().expect(constraint);
            let version = Version::parse(version).expect(version);
            assert_eq!(parsed.allows(&version), expected, "{version} {constraint}");
        }
    }

    #[test]
    fn what_is_no_constraint_is_named() {
        for bad in [
            "", "latest", "=> 1.11", "~> 1.x", ">= 1.11,", "1.2.3.4", "^1.11", "1.11-", "1..2",
        ] {
            let error = bad.parse::<Constraint>().expect_err(bad);
            assert!(!error.hint().is_empty());
        }
        let error = ">= 1.11, => 2".parse::<Constraint>().expect_err("bad");
        assert_eq!(error.to_string(), "`=> 2` is not a version constraint");
    }

    #[test]
    fn a_refusal_says_what_is_installed_and_what_is_asked_for() {
        let constraint: Constraint = "~> 1.12".parse().expect("valid");
        let error = gate(&Version::new(1, 11, 4), &constraint).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "version 1.11.4 does not satisfy `terraform.version = \"~> 1.12\"`"
        );
    }

    #[test]
    fn native_locking_came_with_1_10() {
        assert!(gate_native_lock(&Version::new(1, 11, 4)).is_ok());
        let error = gate_native_lock(&Version::new(1, 9, 8)).expect_err("refused");
        assert!(
            error.to_string().contains("1.9.8 cannot lock state in S3"),
            "{error}"
        );
    }
}
