//! What a statement of a policy means, as far as two can be compared.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::covers;

/// A statement, with all that can be written in two ways written in one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::bucket) struct Statement {
    /// Its name.
    pub(in crate::bucket) sid: Option<String>,
    effect: String,
    /// `*` for everybody, else `TYPE NAME`.
    principals: BTreeSet<String>,
    /// In lower case, since AWS does not care.
    actions: BTreeSet<String>,
    resources: BTreeSet<String>,
    conditions: BTreeMap<Condition, BTreeSet<String>>,
    /// Whether there is nothing else in it, such as `NotAction`, that would give it another meaning.
    is_plain: bool,
}

/// An operator and a key, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Condition {
    operator: String,
    key: String,
}

impl Statement {
    /// Reads a statement; `None`: it is none.
    pub(in crate::bucket) fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        Self::of(&value)
    }

    /// The meaning of a statement that tfw writes.
    pub(in crate::bucket) fn of(value: &Value) -> Option<Self> {
        let elements = value.as_object()?;
        let mut statement = Self {
            is_plain: true,
            ..Self::default()
        };
        for (name, value) in elements {
            match name.as_str() {
                "Sid" => statement.sid = value.as_str().map(str::to_owned),
                "Effect" => value
                    .as_str()
                    .unwrap_or_default()
                    .clone_into(&mut statement.effect),
                "Principal" => statement.principals = principals(value),
                "Action" => {
                    let actions = texts(value).into_iter();
                    statement.actions = actions.map(|action| action.to_lowercase()).collect();
                }
                "Resource" => statement.resources = texts(value),
                "Condition" => {
                    let read = conditions(value.as_object()?);
                    statement.is_plain &= read.is_some();
                    statement.conditions = read.unwrap_or_default();
                }
                _ => statement.is_plain = false,
            }
        }
        Some(statement)
    }

    /// Whether this one, where it stands, does at least what `wanted` would do: denies whatever
    /// that denies, or allows whatever that allows.
    pub(in crate::bucket) fn covers(&self, wanted: &Self) -> bool {
        self.is_plain
            && self.effect == wanted.effect
            && (self.principals.contains("*") || self.principals.is_superset(&wanted.principals))
            && all_match(&self.actions, &wanted.actions)
            && all_match(&self.resources, &wanted.resources)
            && self.conditions.iter().all(|(condition, values)| {
                wanted.conditions.get(condition).is_some_and(|wanted| {
                    // What is denied to all but a few is denied to more when they are fewer.
                    let (more, fewer) = if condition.is_negated() {
                        (wanted, values)
                    } else {
                        (values, wanted)
                    };
                    if condition.takes_patterns() {
                        fewer.is_empty() || all_match(more, fewer)
                    } else {
                        fewer.is_subset(more)
                    }
                })
            })
    }

    /// Whether it denies something, and nothing in it is beyond tfw's understanding.
    pub(in crate::bucket) fn plainly_denies(&self) -> bool {
        self.denies() && self.is_plain
    }

    /// Whether it denies something.
    pub(in crate::bucket) fn denies(&self) -> bool {
        self.effect == "Deny"
    }

    /// Whether it allows something to everybody in the world. What S3 itself calls public is wider.
    pub(in crate::bucket) fn is_public(&self) -> bool {
        self.effect == "Allow" && self.is_about_all()
    }

    /// Whether it is about everybody, whatever else is the case.
    pub(in crate::bucket) fn is_about_all(&self) -> bool {
        self.principals.contains("*") && self.conditions.is_empty()
    }

    /// The values of a negated condition on `aws:PrincipalArn`: all others are meant.
    pub(in crate::bucket) fn spared_principals(&self) -> Option<&BTreeSet<String>> {
        let spared = self.conditions.iter();
        spared
            .filter(|(condition, _)| condition.operator == "arnnotlike")
            .find_map(|(condition, values)| condition.takes_patterns().then_some(values))
    }
}

impl Condition {
    /// Whether it holds for all other values.
    fn is_negated(&self) -> bool {
        self.operator.contains("not")
    }

    /// Whether its values are patterns of the ARNs of principals.
    fn takes_patterns(&self) -> bool {
        matches!(self.operator.as_str(), "arnnotlike" | "arnlike") && self.key == "aws:principalarn"
    }
}

/// Whether each of `wanted` is matched by one of the patterns.
fn all_match(patterns: &BTreeSet<String>, wanted: &BTreeSet<String>) -> bool {
    !wanted.is_empty()
        && wanted
            .iter()
            .all(|wanted| patterns.iter().any(|pattern| covers(pattern, wanted)))
}

/// A text, or an array of texts; booleans and numbers are written as texts as well.
fn texts(value: &Value) -> BTreeSet<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::String(text) => BTreeSet::from([text.clone()]),
        Value::Bool(_) | Value::Number(_) => BTreeSet::from([value.to_string()]),
        Value::Null | Value::Object(_) => BTreeSet::new(),
    }
}

/// `"*"` and `{"AWS": "*"}` are everybody, and an account's id is its root user.
fn principals(value: &Value) -> BTreeSet<String> {
    let Some(kinds) = value.as_object() else {
        return texts(value);
    };
    let named = kinds.iter().flat_map(|(kind, names)| {
        texts(names)
            .into_iter()
            .map(move |name| match kind.as_str() {
                "AWS" if name == "*" => name,
                "AWS" => format!(
                    "AWS {}",
                    name.strip_suffix(":root").map_or(name.as_str(), |arn| {
                        arn.rsplit(':').next().unwrap_or(arn)
                    })
                ),
                _ => format!("{kind} {name}"),
            })
    });
    named.collect()
}

/// All must hold. `None`: two of them are about the same in a way that is not one condition.
fn conditions(operators: &Map<String, Value>) -> Option<BTreeMap<Condition, BTreeSet<String>>> {
    let mut conditions: BTreeMap<Condition, BTreeSet<String>> = BTreeMap::new();
    for (operator, keys) in operators {
        for (key, values) in keys.as_object().into_iter().flatten() {
            let values = texts(values);
            let key = key.to_lowercase();
            let operator = canonical(&operator.to_lowercase(), &key, &values);
            let condition = Condition { operator, key };
            match conditions.get_mut(&condition) {
                None => drop(conditions.insert(condition, values)),
                // Neither one of these nor one of those: none of all of them.
                Some(others) if condition.is_negated() => others.extend(values),
                Some(_) => return None,
            }
        }
    }
    Some(conditions)
}

/// Operators that mean the same on the keys that tfw cares for
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>).
fn canonical(operator: &str, key: &str, values: &BTreeSet<String>) -> String {
    let has_wildcard = values.iter().any(|value| value.contains(['*', '?']));
    // Parts of ARNs are matched each by itself, texts as a whole.
    let are_arns = values.iter().all(|value| value.split(':').count() >= 6);
    let same = match (operator, key) {
        // Each request of S3 says whether it came over TLS.
        ("boolifexists", "aws:securetransport") => "bool",
        ("arnnotequals", "aws:principalarn") => "arnnotlike",
        ("stringnotlike", "aws:principalarn") if are_arns => "arnnotlike",
        ("stringnotequals", "aws:principalarn") if are_arns && !has_wildcard => "arnnotlike",
        ("arnequals", "aws:principalarn") => "arnlike",
        ("stringlike", "aws:principalarn") if are_arns => "arnlike",
        ("stringequals", "aws:principalarn") if are_arns && !has_wildcard => "arnlike",
        (other, _) => other,
    };
    same.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tls(more: &Value) -> Statement {
        let mut statement = json!({
            "Effect": "Deny", "Principal": "*", "Action": "s3:*",
            "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
            "Condition": { "Bool": { "aws:SecureTransport": "false" } },
        });
        for (name, value) in more.as_object().unwrap() {
            statement[name] = value.clone();
        }
        Statement::of(&statement).unwrap()
    }

    #[test]
    fn the_same_may_be_written_in_many_ways() {
        let ours = tls(&json!({}));
        for same in [
            json!({ "Sid": "Other" }),
            json!({ "Principal": { "AWS": "*" } }),
            json!({ "Principal": { "AWS": ["*"] } }),
            json!({ "Action": ["S3:*"] }),
            json!({ "Action": "*" }),
            json!({ "Resource": "*" }),
            json!({ "Resource": ["arn:aws:s3:::b/*", "arn:aws:s3:::b", "arn:aws:s3:::c"] }),
            json!({ "Condition": { "Bool": { "AWS:secureTransport": [false] } } }),
            json!({ "Condition": { "BoolIfExists": { "aws:SecureTransport": false } } }),
        ] {
            assert!(tls(&same).covers(&ours), "{same}");
        }
    }

    #[test]
    fn less_is_not_the_same() {
        let ours = tls(&json!({}));
        for less in [
            json!({ "Effect": "Allow" }),
            json!({ "Principal": { "AWS": "111111111111" } }),
            json!({ "Action": "s3:GetObject" }),
            json!({ "Resource": "arn:aws:s3:::b/*" }),
            json!({ "Condition": { "Bool": { "aws:SecureTransport": "true" } } }),
            json!({ "Condition": { "Bool": { "aws:SecureTransport": "false", "aws:MultiFactorAuthPresent": "false" } } }),
            json!({ "NotAction": "s3:GetObject" }),
        ] {
            assert!(!tls(&less).covers(&ours), "{less}");
        }
    }

    #[test]
    fn a_shorter_list_of_the_spared_denies_more() {
        let sparing = |names: &[&str], operator: &str| {
            tls(&json!({ "Condition": { operator: { "aws:PrincipalArn": names } } }))
        };
        let both = sparing(
            &["arn:aws:iam::1:role/A", "arn:aws:iam::1:role/B"],
            "ArnNotLike",
        );
        let one = sparing(&["arn:aws:iam::1:role/A"], "StringNotEquals");
        assert!(one.covers(&both) && !both.covers(&one));
        assert_eq!(both.spared_principals().unwrap().len(), 2);
    }

    #[test]
    fn an_account_is_its_root_user() {
        let allow = |who: &str| {
            Statement::of(&json!({
                "Effect": "Allow", "Principal": { "AWS": who }, "Action": "kms:*", "Resource": "*",
            }))
            .unwrap()
        };
        let account = allow("111111111111");
        assert!(account.covers(&allow("arn:aws:iam::111111111111:root")));
        assert!(!account.covers(&allow("222222222222")));
    }

    #[test]
    fn two_operators_that_mean_the_same_are_both_heard() {
        let ours = |names: &[&str]| {
            tls(&json!({ "Condition": { "ArnNotLike": { "aws:PrincipalArn": names } } }))
        };
        let (a, b) = ("arn:aws:iam::1:role/A", "arn:aws:iam::1:role/B");
        let both = tls(&json!({ "Condition": {
            "ArnNotLike": { "aws:PrincipalArn": [a] },
            "StringNotEquals": { "aws:PrincipalArn": [b] },
        } }));
        assert_eq!(both.spared_principals().unwrap().len(), 2);
        assert!(both.covers(&ours(&[a, b])) && !both.covers(&ours(&[a])));
        let neither = tls(&json!({ "Condition": {
            "Bool": { "aws:SecureTransport": "false" },
            "BoolIfExists": { "aws:SecureTransport": "true" },
        } }));
        assert!(!neither.covers(&tls(&json!({}))) && !neither.plainly_denies());
    }

    #[test]
    fn who_is_spared_may_be_spared_by_a_wider_pattern() {
        let sparing = |name: &str| {
            tls(&json!({ "Condition": { "ArnNotLike": { "aws:PrincipalArn": name } } }))
        };
        let (account, role) = ("arn:aws:iam::1:*", "arn:aws:iam::1:role/A");
        assert!(sparing(role).covers(&sparing(account)));
        assert!(!sparing(account).covers(&sparing(role)));
    }
}
