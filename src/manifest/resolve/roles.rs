//! `credentials` and `assume_role`.

use std::time::Duration;

use super::context::{Context, Reported};
use super::duration;
use crate::manifest::problem::{Collector, Problem};
use crate::manifest::raw;
use crate::manifest::source::Span;
use crate::manifest::tree::Value;
use crate::model::{AssumeRole, RoleArn, WebIdentity};

/// AWS allows sessions from 15 minutes to 12 hours
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>).
const SHORTEST: Duration = Duration::from_mins(15);
const LONGEST: Duration = Duration::from_hours(12);

/// Resolves the roles to assume, in order.
pub(super) fn assume_role(
    context: &Context<'_>,
    raw: Option<&raw::AssumeRoles>,
    problems: &mut Collector,
) -> Result<Vec<AssumeRole>, Reported> {
    let roles: Vec<&raw::AssumeRole> = match raw {
        None if context.is_invalid("assume_role") => return Err(Reported),
        None => return Ok(Vec::new()),
        // All that was inherited is unset by `role_arn = ""`, or by nothing but empty strings.
        Some(raw::AssumeRoles::One(role)) if *role == raw::AssumeRole::default() => {
            return if context
                .invalid
                .iter()
                .any(|path| path.starts_with("assume_role"))
            {
                Err(Reported)
            } else {
                Ok(Vec::new())
            };
        }
        Some(raw::AssumeRoles::One(role)) => vec![role],
        Some(raw::AssumeRoles::Chain(roles)) => roles.iter().collect(),
    };
    let is_chain = matches!(raw, Some(raw::AssumeRoles::Chain(_)));
    let mut resolved = Vec::with_capacity(roles.len());
    let mut failed = false;
    for (index, role) in roles.into_iter().enumerate() {
        let place = Place {
            context,
            link: is_chain.then_some(index),
        };
        match place.role(role, problems) {
            Ok(role) => resolved.push(role),
            Err(Reported) => failed = true,
        }
    }
    if resolved.is_empty() && !failed {
        return Ok(resolved);
    }
    let account = context.required_account(problems, "it assumes a role");
    if failed {
        return Err(Reported);
    }
    account?;
    Ok(resolved)
}

/// Where a role stands: as a table, or as one link of a chain.
struct Place<'c, 'a> {
    context: &'c Context<'a>,
    link: Option<usize>,
}

impl<'a> Place<'_, 'a> {
    fn of(&self, key: &str) -> &'a Span {
        let Some(index) = self.link else {
            let path = format!("assume_role.{key}");
            return match self.context.find(&path) {
                Some(_) => self.context.place(&path),
                None => self.context.place("assume_role"),
            };
        };
        let chain = self
            .context
            .leaf("assume_role")
            .map(|leaf| &leaf.node.value);
        let link = chain
            .and_then(Value::as_array)
            .and_then(|links| links.get(index));
        let Some(link) = link else {
            return self.context.place("assume_role");
        };
        let entry = link.value.as_table().and_then(|table| table.get(key));
        entry.map_or(&link.span, |entry| &entry.node.span)
    }

    fn wrong(&self, problems: &mut Collector, key: &'static str, problem: Problem) -> Reported {
        problems.add_for(self.context.id, key, Some(self.of(key)), |_| problem);
        Reported
    }

    fn role(
        &self,
        raw: &raw::AssumeRole,
        problems: &mut Collector,
    ) -> Result<AssumeRole, Reported> {
        let given = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
        let role_arn = match given(&raw.role_arn).map(RoleArn::new) {
            Some(Ok(arn)) => Ok(arn),
            Some(Err(error)) => {
                Err(self.wrong(problems, "role_arn", Problem::error(error.to_string())))
            }
            None if self.context.is_invalid("assume_role.role_arn") => Err(Reported),
            None => Err(self.wrong(
                problems,
                "role_arn",
                Problem::error("`assume_role` has no `role_arn`"),
            )),
        };
        let external_id = self.text(
            problems,
            "external_id",
            given(&raw.external_id),
            is_external_id,
            "an external id (2 to 1224 letters, digits or `+=,.@:/-_`)",
        );
        let session_name = self.text(
            problems,
            "session_name",
            given(&raw.session_name),
            is_session_name,
            "a session name (2 to 64 letters, digits or `+=,.@-_`)",
        );
        let duration = match given(&raw.duration) {
            None => Ok(None),
            Some(text) => match duration::parse(&text) {
                Some(duration) if (SHORTEST..=LONGEST).contains(&duration) => Ok(Some(duration)),
                Some(_) => Err(self.wrong(
                    problems,
                    "duration",
                    Problem::error(format!("AWS allows no session of `{text}`"))
                        .label("from `15m` to `12h`"),
                )),
                None => Err(self.wrong(
                    problems,
                    "duration",
                    Problem::error(format!("`{text}` is not {}", duration::EXPECTED)),
                )),
            },
        };
        let source_identity = self.text(
            problems,
            "source_identity",
            given(&raw.source_identity),
            is_session_name,
            "a source identity (2 to 64 letters, digits or `+=,.@-_`)",
        );
        let policy = (!raw.policy.is_empty())
            .then(|| serde_json::Value::Object(raw.policy.clone()).to_string());
        let transitive = raw.transitive_tag_keys.clone().unwrap_or_default();
        let unknown = transitive.iter().find(|key| !raw.tags.contains_key(*key));
        let transitive = match unknown {
            Some(key) => Err(self.wrong(
                problems,
                "transitive_tag_keys",
                Problem::error(format!("`{key}` is no tag of this role")).hint("add it to `tags`"),
            )),
            None => Ok(transitive),
        };
        let web_identity = self.web_identity(raw, problems);
        Ok(AssumeRole {
            external_id: external_id?,
            session_name: session_name?,
            duration: duration?,
            tags: raw.tags.clone(),
            transitive_tag_keys: transitive?,
            source_identity: source_identity?,
            policy,
            policy_arns: raw.policy_arns.clone().unwrap_or_default(),
            web_identity: web_identity?,
            ..AssumeRole::new(role_arn?)
        })
    }

    /// A token stands in for base credentials, which only the first role is assumed with.
    fn web_identity(
        &self,
        raw: &raw::AssumeRole,
        problems: &mut Collector,
    ) -> Result<Option<WebIdentity>, Reported> {
        let given = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
        let file = given(&raw.web_identity_token_file);
        let variable = given(&raw.web_identity_token_env);
        let (key, found) = match (file, variable) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(self.wrong(
                    problems,
                    "web_identity_token_env",
                    Problem::error("the token comes from a file and from a variable")
                        .hint("take one of the two out"),
                ));
            }
            (Some(file), None) => ("web_identity_token_file", WebIdentity::File(file.into())),
            (None, Some(name)) => ("web_identity_token_env", WebIdentity::Variable(name)),
        };
        if self.link.is_some_and(|index| index > 0) {
            return Err(self.wrong(
                problems,
                key,
                Problem::error("only the first role of a chain is assumed with a token"),
            ));
        }
        if !raw.tags.is_empty() || raw.external_id.is_some() || raw.source_identity.is_some() {
            return Err(self.wrong(
                problems,
                key,
                Problem::error(
                    "`tags`, `external_id` and `source_identity` have no effect with a token",
                )
                .detail("AWS takes them from the token itself"),
            ));
        }
        Ok(Some(found))
    }

    fn text(
        &self,
        problems: &mut Collector,
        key: &'static str,
        value: Option<String>,
        is_valid: fn(&str) -> bool,
        expected: &str,
    ) -> Result<Option<String>, Reported> {
        match value {
            Some(text) if !is_valid(&text) => Err(self.wrong(
                problems,
                key,
                Problem::error(format!("`{text}` is not {expected}")),
            )),
            other => Ok(other),
        }
    }
}

fn is_external_id(text: &str) -> bool {
    (2..=1224).contains(&text.len()) && text.chars().all(|c| is_word(c) || matches!(c, ':' | '/'))
}

fn is_session_name(text: &str) -> bool {
    (2..=64).contains(&text.len()) && text.chars().all(is_word)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '=' | ',' | '.' | '@' | '-')
}
