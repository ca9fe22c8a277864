//! What a statement of a policy means, as far as two can be compared.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

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
                "Condition" => statement.conditions = conditions(value.as_object()?),
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
                    if condition.operator.contains("not") {
                        values.is_subset(wanted)
                    } else {
                        values.is_superset(wanted)
                    }
                })
            })
    }

    /// The values of a negated condition on `aws:PrincipalArn`: all others are meant.
    pub(in crate::bucket) fn spared_principals(&self) -> Option<&BTreeSet<String>> {
        self.conditions.iter().find_map(|(condition, values)| {
            (condition.operator == "arnnotlike" && condition.key == "aws:principalarn")
                .then_some(values)
        })
    }
}

/// Whether each of `wanted` is matched by one of the patterns.
fn all_match(patterns: &BTreeSet<String>, wanted: &BTreeSet<String>) -> bool {
    !wanted.is_empty()
        && wanted.iter().all(|wanted| {
            patterns
                .iter()
                .any(|pattern| matches_pattern(pattern, wanted))
        })
}

/// Whether a text matches a pattern of IAM: `*` is anything, `?` one character.
pub(in crate::bucket) fn matches_pattern(pattern: &str, text: &str) -> bool {
    // Only the two wildcards of IAM are any; the rest of a glob's are escaped.
    let mut glob = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        if matches!(c, '[' | ']' | '{' | '}' | '!' | '\\') {
            glob.push('\\');
        }
        glob.push(c);
    }
    globset::GlobBuilder::new(&glob)
        .literal_separator(false)
        .backslash_escape(true)
        .build()
        .is_ok_and(|glob| glob.compile_matcher().is_match(text))
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

fn conditions(operators: &Map<String, Value>) -> BTreeMap<Condition, BTreeSet<String>> {
    let mut conditions = BTreeMap::new();
    for (operator, keys) in operators {
        for (key, values) in keys.as_object().into_iter().flatten() {
            let values = texts(values);
            let key = key.to_lowercase();
            let operator = canonical(&operator.to_lowercase(), &key, &values);
            conditions.insert(Condition { operator, key }, values);
        }
    }
    conditions
}

/// Operators that mean the same on the keys that tfw cares for
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>).
fn canonical(operator: &str, key: &str, values: &BTreeSet<String>) -> String {
    let has_wildcard = values.iter().any(|value| value.contains(['*', '?']));
    let same = match (operator, key) {
        // Each request of S3 says whether it came over TLS.
        ("boolifexists", "aws:securetransport") => "bool",
        ("arnnotequals" | "stringnotlike", "aws:principalarn") => "arnnotlike",
        ("stringnotequals", "aws:principalarn") if !has_wildcard => "arnnotlike",
        ("arnequals" | "stringlike", "aws:principalarn") => "arnlike",
        ("stringequals", "aws:principalarn") if !has_wildcard => "arnlike",
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
    fn patterns_are_iams() {
        assert!(matches_pattern(
            "arn:aws:iam::1:role/*",
            "arn:aws:iam::1:role/a/b"
        ));
        assert!(matches_pattern("s3:get?bject", "s3:getobject"));
        assert!(!matches_pattern(
            "arn:aws:iam::1:role/A",
            "arn:aws:iam::1:role/AB"
        ));
        assert!(matches_pattern("a[b]{c}", "a[b]{c}"));
    }
}
