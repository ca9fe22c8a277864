//! The JSON Schema of the manifest.

use std::sync::OnceLock;

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde_json::Value;

use super::raw;

/// The JSON Schema (draft 7, which is what editors' TOML plugins read) of `tfw.toml`.
pub fn schema() -> Value {
    checked().clone()
}

/// The schema, generated once.
pub(super) fn checked() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let mut generator = SchemaSettings::draft07()
            .with(|settings| settings.inline_subschemas = true)
            .into_generator();
        let mut schema = generator.root_schema_for::<raw::Manifest>();
        RecursiveTransform(tidy).transform(&mut schema);
        schema.to_value()
    })
}

/// Takes out what only Rust knows: TOML has no null, and Rust's integer sizes mean nothing to it.
fn tidy(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = object.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(branches)) = object.get_mut("anyOf") {
        branches.retain(|branch| branch.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(only)] = branches.as_slice() {
            let mut only = only.clone();
            object.remove("anyOf");
            // The description at the key says more than the one at the type.
            only.extend(object.clone());
            *object = only;
        }
    }
    if let Some(Value::String(description)) = object.get_mut("description") {
        // Doc comments are wrapped where the code is.
        *description = description.replace('\n', " ");
    }
    object.remove("format");
    if object.get("default").is_some_and(|value| {
        value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
    }) {
        object.remove("default");
    }
    if object.contains_key("title") && !object.contains_key("$schema") {
        object.remove("title");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(schema: &'a Value, path: &str) -> &'a Value {
        schema.pointer(path).unwrap_or_else(|| panic!("no {path}"))
    }

    #[test]
    fn the_schema_knows_what_editors_need() {
        let schema = schema();
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
        assert_eq!(schema["required"], serde_json::json!(["environments"]));
        let environment = at(
            &schema,
            "/properties/environments/patternProperties/^[A-Za-z0-9][A-Za-z0-9_-]*$",
        );
        assert_eq!(environment["additionalProperties"], false);
        assert_eq!(
            at(environment, "/properties/account_id/pattern"),
            raw::ACCOUNT_ID
        );
        assert_eq!(
            at(environment, "/properties/bucket/properties/encryption/enum"),
            &serde_json::json!(["AES256", "aws:kms"])
        );
        assert_eq!(
            at(
                &schema,
                "/properties/terraform/properties/parallelism/minimum"
            ),
            1
        );
    }

    #[test]
    fn every_key_is_described_and_no_null_is_left() {
        fn visit(path: &str, schema: &Value) {
            let object = schema.as_object().expect("an object");
            assert_ne!(object.get("type"), Some(&Value::from("null")), "{path}");
            for (name, property) in object
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
            {
                let path = format!("{path}/{name}");
                assert!(
                    property.get("description").is_some(),
                    "{path} has no description"
                );
                visit(&path, property);
            }
            for inner in object
                .get("patternProperties")
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(serde_json::Map::values)
            {
                visit(path, inner);
            }
        }
        visit("", &schema());
        assert!(!schema().to_string().contains("null"));
    }
}
