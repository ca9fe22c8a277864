//! The content of a state, in a form in which equal content is equal text.
//!
//! A migration gives a state a new lineage and serial, and notes the Terraform that wrote it
//! (Terraform 1.11.4): these three do not count. Everything else does, to the last digit: numbers
//! are compared as they are written, since a 64-bit float would call different ones equal.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::NotAState;
use crate::model::hex;

/// What a migration may change.
const NOT_CONTENT: [&str; 3] = ["lineage", "serial", "terraform_version"];

/// Deeper than any state is; deeper ones would overflow the stack.
const DEEPEST: usize = 200;

/// The SHA-256, in hexadecimal, of what a state says.
///
/// # Errors
/// The bytes are no JSON object.
pub fn content_hash(bytes: &[u8]) -> Result<String, NotAState> {
    let malformed = |error: &serde_json::Error| NotAState::Malformed {
        line: error.line(),
        column: error.column(),
    };
    let nowhere = || NotAState::Malformed { line: 1, column: 1 };
    let text = std::str::from_utf8(bytes).map_err(|_| nowhere())?;
    let mut fields: BTreeMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|error| malformed(&error))?;
    for name in NOT_CONTENT {
        fields.remove(name);
    }
    let mut hash = Sha256::new();
    object(&fields, &mut hash, 0).map_err(|error| match error {
        Unreadable::Json(error) => malformed(&error),
        Unreadable::TooDeep => nowhere(),
    })?;
    Ok(hex(&hash.finalize()))
}

enum Unreadable {
    Json(serde_json::Error),
    TooDeep,
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error)
    }
}

fn value(raw: &RawValue, hash: &mut Sha256, depth: usize) -> Result<(), Unreadable> {
    if depth > DEEPEST {
        return Err(Unreadable::TooDeep);
    }
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => object(&serde_json::from_str(text)?, hash, depth),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text)?;
            hash.update(b"[");
            for item in items {
                value(item, hash, depth + 1)?;
                hash.update(b",");
            }
            hash.update(b"]");
            Ok(())
        }
        // One character can be written in several ways.
        Some(b'"') => {
            let string: String = serde_json::from_str(text)?;
            hash.update(serde_json::to_string(&string)?);
            Ok(())
        }
        _ => {
            hash.update(text);
            Ok(())
        }
    }
}

fn object(
    fields: &BTreeMap<String, &RawValue>,
    hash: &mut Sha256,
    depth: usize,
) -> Result<(), Unreadable> {
    hash.update(b"{");
    for (name, field) in fields {
        hash.update(serde_json::to_string(name)?);
        hash.update(b":");
        value(field, hash, depth + 1)?;
        hash.update(b",");
    }
    hash.update(b"}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> String {
        content_hash(text.as_bytes()).unwrap()
    }

    #[test]
    fn order_layout_and_what_a_migration_changes_do_not_count() {
        let before = r#"{"version":4,"serial":7,"lineage":"a","terraform_version":"1.9.0",
            "outputs":{"o":{"value":"\u00e4","type":"string"}},"resources":[]}"#;
        let after = r#"{ "resources": [], "outputs": {"o": {"type": "string", "value": "ä"}},
            "terraform_version": "1.11.4", "lineage": "b", "serial": 1, "version": 4 }"#;
        assert_eq!(hash(before), hash(after));
    }

    #[test]
    fn everything_else_counts_to_the_last_digit() {
        let state = |value: &str| hash(&format!(r#"{{"outputs":{{"n":{{"value":{value}}}}}}}"#));
        // The same 64-bit float.
        assert_ne!(state("9007199254740993"), state("9007199254740992"));
        assert_ne!(state("1"), state("\"1\""));
        assert_ne!(state("[1,2]"), state("[2,1]"));
        assert_ne!(state("[[1],[2]]"), state("[[1,2]]"));
        assert_ne!(state("null"), state("false"));
        assert_ne!(hash(r#"{"a":{"serial":1}}"#), hash(r#"{"a":{"serial":2}}"#));
    }

    #[test]
    fn what_is_no_object_is_refused_and_nothing_is_quoted() {
        for text in ["", "hunter2", "[1]", "{\"a\":", "\u{ff}"] {
            let error = content_hash(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("it is not a Terraform state"), "{error}");
            assert!(!error.contains("hunter2"));
        }
        assert!(content_hash(&[0xff, 0xfe]).is_err());
    }

    #[test]
    fn endless_nesting_is_an_error_and_no_crash() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(content_hash(deep.as_bytes()).is_err());
    }
}
