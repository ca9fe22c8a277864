//! A policy document of which only tfw's own statements are touched.

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::Statement;

/// The language version of policies that tfw begins.
const VERSION: &str = "\"2012-10-17\"";

/// A policy: the elements in their order, each as it was written.
#[derive(Debug, Clone)]
pub(in crate::bucket) struct Policy {
    elements: IndexMap<String, Box<RawValue>>,
    statements: Vec<Box<RawValue>>,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// It is none: why.
    pub(in crate::bucket) fn parse(text: &str) -> Result<Self, String> {
        let elements: IndexMap<String, Box<RawValue>> =
            serde_json::from_str(text).map_err(|error| error.to_string())?;
        let statements = match elements.get("Statement") {
            None => Vec::new(),
            // One statement may stand by itself, without an array around it.
            Some(raw) if raw.get().starts_with('{') => vec![raw.clone()],
            Some(raw) => serde_json::from_str(raw.get())
                .map_err(|error| format!("its `Statement`: {error}"))?,
        };
        Ok(Self {
            elements,
            statements,
        })
    }

    /// A policy that says nothing yet.
    pub(in crate::bucket) fn new() -> Self {
        let mut elements = IndexMap::new();
        elements.insert("Version".to_owned(), raw(VERSION.to_owned()));
        Self {
            elements,
            statements: Vec::new(),
        }
    }

    /// The statements, as far as tfw understands them.
    pub(in crate::bucket) fn statements(&self) -> Vec<Statement> {
        let parsed = self.statements.iter();
        parsed
            .map(|raw| Statement::parse(raw.get()).unwrap_or_default())
            .collect()
    }

    /// tfw's statement with this Sid.
    pub(in crate::bucket) fn own(&self, sid: &str) -> Option<Statement> {
        let mut statements = self.statements().into_iter();
        statements.find(|statement| statement.sid.as_deref() == Some(sid))
    }

    /// The actions of tfw's statement with this Sid, as they were written.
    pub(in crate::bucket) fn own_actions(&self, sid: &str) -> Vec<String> {
        let own = self.statements.iter().find_map(|raw| {
            let value: serde_json::Value = serde_json::from_str(raw.get()).ok()?;
            (value.get("Sid")?.as_str()? == sid).then_some(value)
        });
        match own.as_ref().and_then(|own| own.get("Action")) {
            Some(serde_json::Value::String(action)) => vec![action.clone()],
            Some(serde_json::Value::Array(actions)) => {
                let actions = actions.iter().filter_map(|action| action.as_str());
                actions.map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether some statement, whoever wrote it, does what this one would.
    pub(in crate::bucket) fn covers(&self, statement: &serde_json::Value) -> bool {
        let meaning = Statement::of(statement).unwrap_or_default();
        self.statements().iter().any(|each| each.covers(&meaning))
    }

    /// Whether there is nothing in it, which AWS would refuse.
    pub(in crate::bucket) fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// Puts a statement in the place of the one with the same Sid, else at the end; `None` takes it
    /// out.
    pub(in crate::bucket) fn set(&mut self, sid: &str, statement: Option<&serde_json::Value>) {
        let position = self
            .statements()
            .iter()
            .position(|each| each.sid.as_deref() == Some(sid));
        let statement = statement.map(|statement| raw(statement.to_string()));
        match (position, statement) {
            (Some(position), Some(statement)) => self.statements[position] = statement,
            (Some(position), None) => drop(self.statements.remove(position)),
            (None, Some(statement)) => self.statements.push(statement),
            (None, None) => {}
        }
    }

    /// The document.
    pub(in crate::bucket) fn text(&self) -> String {
        let statements: Vec<&str> = self.statements.iter().map(|raw| raw.get()).collect();
        let statements = format!("[{}]", statements.join(","));
        let mut elements: Vec<String> = Vec::new();
        let mut placed = false;
        for (name, value) in &self.elements {
            let is_statement = name == "Statement";
            placed |= is_statement;
            let value = if is_statement {
                &statements
            } else {
                value.get()
            };
            elements.push(format!(
                "{}:{value}",
                serde_json::Value::from(name.as_str())
            ));
        }
        if !placed {
            elements.push(format!("\"Statement\":{statements}"));
        }
        format!("{{{}}}", elements.join(","))
    }
}

/// JSON that was just written.
fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).expect("JSON that serde_json wrote")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FOREIGN: &str = r#"{ "Sid" : "Theirs", "Effect":"Allow", "Principal":{"AWS":["111111111111"]},
        "Action":"s3:GetObject", "Resource":"arn:aws:s3:::b/*", "Odd": [1.50, 2e3] }"#;

    #[test]
    fn what_others_wrote_survives_byte_for_byte() {
        let text =
            format!(r#"{{"Id":"P","Version":"2008-10-17","Statement":[{FOREIGN}],"More":1.0}}"#);
        let mut policy = Policy::parse(&text).unwrap();
        policy.set("Ours", Some(&json!({"Sid": "Ours", "Effect": "Deny"})));
        assert_eq!(
            policy.text(),
            format!(
                r#"{{"Id":"P","Version":"2008-10-17","Statement":[{FOREIGN},{{"Sid":"Ours","Effect":"Deny"}}],"More":1.0}}"#
            )
        );
        policy.set("Ours", None);
        assert_eq!(policy.text(), text);
    }

    #[test]
    fn a_single_statement_becomes_one_of_many() {
        let mut policy = Policy::parse(&format!(r#"{{"Statement":{FOREIGN}}}"#)).unwrap();
        assert_eq!(policy.statements().len(), 1);
        policy.set("Ours", Some(&json!({"Sid": "Ours"})));
        assert_eq!(
            policy.text(),
            format!(r#"{{"Statement":[{FOREIGN},{{"Sid":"Ours"}}]}}"#)
        );
    }

    #[test]
    fn a_new_policy_has_the_current_version() {
        let mut policy = Policy::new();
        policy.set("Ours", Some(&json!({"Sid": "Ours"})));
        policy.set("Ours", Some(&json!({"Sid": "Ours", "Effect": "Deny"})));
        assert_eq!(
            policy.text(),
            r#"{"Version":"2012-10-17","Statement":[{"Sid":"Ours","Effect":"Deny"}]}"#
        );
    }

    #[test]
    fn garbage_is_no_policy() {
        for text in ["", "[]", "{", r#"{"Statement":"x"}"#] {
            assert!(Policy::parse(text).is_err(), "{text}");
        }
    }
}
