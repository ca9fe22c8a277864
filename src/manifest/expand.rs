//! Placeholders: `{environment}`, `{stack}`, `{account_id}`, `{region}`.

use std::borrow::Cow;

use super::suggest::nearest;

/// What a placeholder stands for in one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot<'a> {
    /// This.
    Value(&'a str),
    /// Nothing: the unit does not have it.
    Missing,
    /// Something that has been reported already.
    Invalid,
}

/// What the placeholders stand for in one unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) environment: &'a str,
    pub(super) stack: Option<&'a str>,
    pub(super) account_id: Slot<'a>,
    pub(super) region: Slot<'a>,
}

/// Why a text does not expand.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ExpandError {
    /// There is no such placeholder.
    Unknown(String),
    /// `{stack}` without a `/` after it, in a unit without a stack.
    NoStack,
    /// The unit has no account or no region.
    NoValue(&'static str),
    /// A brace that is neither doubled nor part of a placeholder.
    StrayBrace(char),
    /// The value of the placeholder is wrong itself, and reported.
    Silent,
}

const PLACEHOLDERS: [&str; 4] = ["environment", "stack", "account_id", "region"];

/// An error in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Explanation {
    /// What is wrong.
    pub(super) summary: String,
    /// The piece of the text that is wrong.
    pub(super) piece: String,
    /// What was probably meant.
    pub(super) label: Option<String>,
    /// What to do, where nothing was probably meant.
    pub(super) hint: Option<String>,
}

impl ExpandError {
    /// The error in words; `None` where they have been said already.
    pub(super) fn explain(&self) -> Option<Explanation> {
        const LITERAL: &str = "literal braces are written `{{` and `}}`";
        let (summary, piece, hint) = match self {
            Self::Unknown(name) => {
                let piece = format!("{{{name}}}");
                let found = nearest(name, PLACEHOLDERS);
                let known = "there are `{environment}`, `{stack}`, `{account_id}` and `{region}`";
                return Some(Explanation {
                    summary: format!("unknown placeholder `{piece}`"),
                    piece,
                    label: found.map(|found| format!("did you mean `{{{found}}}`?")),
                    hint: found.is_none().then(|| format!("{known}; {LITERAL}")),
                });
            }
            Self::NoStack => (
                "`{stack}` has no value in a unit without a stack".to_owned(),
                "{stack}".to_owned(),
                "only `{stack}/` may stand here: it is nothing where there is no stack".to_owned(),
            ),
            Self::NoValue(name) => (
                format!("`{{{name}}}` has no value here"),
                format!("{{{name}}}"),
                format!("set `{name}`"),
            ),
            Self::StrayBrace(brace) => (
                format!("a single `{brace}`"),
                brace.to_string(),
                LITERAL.to_owned(),
            ),
            Self::Silent => return None,
        };
        Some(Explanation {
            summary,
            piece,
            label: None,
            hint: Some(hint),
        })
    }
}

/// Expands a text once: what a placeholder stands for is not looked at again.
pub(super) fn expand<'t>(text: &'t str, scope: &Scope<'_>) -> Result<Cow<'t, str>, ExpandError> {
    if !text.contains(['{', '}']) {
        return Ok(Cow::Borrowed(text));
    }
    let mut expanded = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        expanded.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("{{") {
            expanded.push('{');
            rest = after;
        } else if let Some(after) = rest.strip_prefix("}}") {
            expanded.push('}');
            rest = after;
        } else if rest.starts_with('}') {
            return Err(ExpandError::StrayBrace('}'));
        } else {
            let (name, after) = rest[1..]
                .split_once('}')
                .ok_or(ExpandError::StrayBrace('{'))?;
            rest = after;
            match (name, scope.stack) {
                ("environment", _) => expanded.push_str(scope.environment),
                ("stack", Some(stack)) => expanded.push_str(stack),
                ("stack", None) => {
                    rest = rest.strip_prefix('/').ok_or(ExpandError::NoStack)?;
                }
                ("account_id", _) => expanded.push_str(value(scope.account_id, "account_id")?),
                ("region", _) => expanded.push_str(value(scope.region, "region")?),
                _ => return Err(ExpandError::Unknown(name.to_owned())),
            }
        }
    }
    expanded.push_str(rest);
    Ok(Cow::Owned(expanded))
}

fn value<'a>(slot: Slot<'a>, name: &'static str) -> Result<&'a str, ExpandError> {
    match slot {
        Slot::Value(text) => Ok(text),
        Slot::Missing => Err(ExpandError::NoValue(name)),
        Slot::Invalid => Err(ExpandError::Silent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(stack: Option<&'static str>) -> Scope<'static> {
        Scope {
            environment: "dev",
            stack,
            account_id: Slot::Value("111111111111"),
            region: Slot::Missing,
        }
    }

    #[test]
    fn placeholders_expand_once() {
        for (text, stack, expected) in [
            ("plain", None, "plain"),
            (
                "acme-{environment}-{account_id}",
                None,
                "acme-dev-111111111111",
            ),
            (
                "{stack}/terraform.tfstate",
                Some("eks"),
                "eks/terraform.tfstate",
            ),
            ("{stack}/terraform.tfstate", None, "terraform.tfstate"),
            ("a/{stack}/b", None, "a/b"),
            ("{{environment}}", None, "{environment}"),
            ("{{{environment}}}", None, "{dev}"),
            ("{stack}", Some("{environment}"), "{environment}"),
        ] {
            assert_eq!(
                expand(text, &scope(stack)).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn what_does_not_expand_says_why() {
        for (text, expected) in [
            (
                "{envronment}",
                ExpandError::Unknown("envronment".to_owned()),
            ),
            ("{}", ExpandError::Unknown(String::new())),
            ("{stack}-x", ExpandError::NoStack),
            ("{region}", ExpandError::NoValue("region")),
            ("a}", ExpandError::StrayBrace('}')),
            ("a{b", ExpandError::StrayBrace('{')),
        ] {
            assert_eq!(expand(text, &scope(None)), Err(expected), "{text}");
        }
        let explanation = ExpandError::Unknown("envronment".to_owned())
            .explain()
            .expect("told");
        assert_eq!(
            explanation.label.as_deref(),
            Some("did you mean `{environment}`?")
        );
        assert_eq!(ExpandError::Silent.explain(), None);
    }
}
