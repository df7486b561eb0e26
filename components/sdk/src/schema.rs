//! JSON Schemas from Rust types, in the form that models read best.

use std::fmt::Write as _;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// The JSON Schema (2020-12) of `T`: without references, titles and the number formats that only Rust knows; an enum of
/// names is a list of them, explained in its description.
pub fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    schema
}

/// Takes out what says nothing to a model: the titles that are names of Rust types, and formats such as `uint32`.
fn tidy(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    object.remove("title");
    if object.get("format").and_then(Value::as_str).is_some_and(is_rust_format) {
        object.remove("format");
    }
    if let Some(Value::String(description)) = object.get_mut("description") {
        *description = paragraphs(description);
    }
    list_names(object);
    for (key, value) in object.iter_mut() {
        match (key.as_str(), value) {
            // Their keys are names that the author chose, not keywords: a property may be called `title`.
            ("properties" | "patternProperties" | "$defs" | "dependentSchemas", Value::Object(named)) => {
                named.values_mut().for_each(tidy);
            }
            ("items" | "additionalProperties" | "contains" | "not" | "if" | "then" | "else", value) => {
                tidy(value);
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(several)) => {
                several.iter_mut().for_each(tidy);
            }
            _ => {}
        }
    }
}

/// The text without the line ends that only keep a doc comment narrow.
fn paragraphs(text: &str) -> String {
    text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

/// Makes `enum` of a `oneOf` of documented names: many models know only the former.
fn list_names(object: &mut Map<String, Value>) {
    let Some(Value::Array(cases)) = object.get("oneOf") else { return };
    let name = |case: &Value| {
        let case = case.as_object()?;
        let known = case.keys().all(|key| matches!(key.as_str(), "type" | "const" | "description"));
        let description = case.get("description").and_then(Value::as_str).map(paragraphs);
        known.then_some((case.get("const")?.as_str()?.to_owned(), description))
    };
    let Some(names) = cases.iter().map(name).collect::<Option<Vec<_>>>() else { return };
    let mut description = object.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    for (name, meaning) in &names {
        if let Some(meaning) = meaning {
            let _ = write!(description, "\n- `{name}`: {meaning}");
        }
    }
    object.remove("oneOf");
    object.insert("type".to_owned(), "string".into());
    object.insert("enum".to_owned(), names.into_iter().map(|(name, _)| name).collect());
    object.insert("description".to_owned(), description.trim_start().into());
}

fn is_rust_format(format: &str) -> bool {
    let digits = format.trim_start_matches("uint").trim_start_matches("int");
    digits.len() < format.len() && digits.chars().all(|digit| digit.is_ascii_digit())
        || format == "double"
        || format == "float"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Arguments {
        /// Its title.
        title: String,
        /// How many.
        format: Option<u32>,
        /// Where.
        inner: Inner,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Inner {
        size: u64,
    }

    #[test]
    fn properties_keep_their_names_and_lose_noise() {
        assert_eq!(
            schema_of::<Arguments>(),
            json!({
                "type": "object",
                "properties": {
                    "title": { "description": "Its title.", "type": "string" },
                    "format": { "description": "How many.", "type": ["integer", "null"], "minimum": 0 },
                    "inner": {
                        "description": "Where.",
                        "type": "object",
                        "properties": { "size": { "type": "integer", "minimum": 0 } },
                        "required": ["size"]
                    }
                },
                "additionalProperties": false,
                "required": ["title", "inner"]
            })
        );
    }

    /// How it is done.
    #[derive(JsonSchema)]
    #[schemars(rename_all = "lowercase")]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Mode {
        /// With
        /// haste.
        Fast,
        /// With care.
        Slow,
    }

    #[test]
    fn an_enum_of_names_is_a_list() {
        assert_eq!(
            schema_of::<Mode>(),
            json!({
                "description": "How it is done.\n- `fast`: With haste.\n- `slow`: With care.",
                "type": "string",
                "enum": ["fast", "slow"]
            })
        );
    }

    #[test]
    fn formats_that_others_know_stay() {
        for (format, rust) in
            [("uint32", true), ("int64", true), ("uint", true), ("date-time", false), ("uri", false)]
        {
            assert_eq!(is_rust_format(format), rust, "{format}");
        }
    }
}
