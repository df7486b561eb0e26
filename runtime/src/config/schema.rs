//! The JSON schema of the configuration, and what is answered from it: which keys there are, what an unknown one was
//! probably meant to be, and whether a text stands for itself or for a number.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::document::{Document, join};
use super::error::Problem;

/// How alike two keys have to be for one to be suggested for the other: 0 is nothing, 1 is equal.
pub(super) const ALIKE: f64 = 0.7;

/// A JSON schema (2020-12).
pub(super) struct Schema(Value);

impl Schema {
    /// The schema of a type.
    pub(super) fn of<T: JsonSchema>() -> Self {
        let mut generator = SchemaSettings::draft2020_12()
            .with(|settings| settings.inline_subschemas = true)
            .into_generator();
        Self(generator.root_schema_for::<T>().into())
    }

    /// The schema as a file.
    pub(super) fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(&self.0).expect("a JSON value can be written");
        text.push('\n');
        text
    }

    /// The schema itself.
    pub(super) fn root(&self) -> &Value {
        &self.0
    }

    /// Every key of the document that the schema does not know.
    pub(super) fn unknown_keys(&self, document: &Document) -> Vec<Problem> {
        let mut problems = Vec::new();
        unknown(&self.0, &document.value, &mut Vec::new(), &mut |path, message| {
            problems.push(document.problem(&join(path), message));
        });
        problems
    }

    /// The path of the key that an environment variable names.
    ///
    /// # Errors
    /// One sentence, when there is no such key.
    pub(super) fn locate(&self, parts: &[String]) -> Result<Vec<String>, String> {
        let mut schema = &self.0;
        let mut path: Vec<String> = Vec::new();
        for part in parts {
            let Some(object) = object(schema) else {
                return Err(format!("'{}' has no keys below it, so '{part}' cannot be set", join(&path)));
            };
            let (key, below) = match properties(object).and_then(|known| known.get_key_value(part)) {
                Some((key, below)) => (key.clone(), below),
                // Names in a mapping, such as those of components, have '-' where a variable can only have '_'.
                None => match object.get("additionalProperties").filter(|below| below.is_object()) {
                    Some(below) => (part.replace('_', "-"), below),
                    None => return Err(no_such_key(object, &path, part)),
                },
            };
            path.push(key);
            schema = below;
        }
        Ok(path)
    }

    /// What `text` stands for at that path: itself where a text is wanted, else what YAML makes of it.
    pub(super) fn scalar(&self, path: &[String], text: &str) -> Value {
        let wants_text = self.at(path).is_some_and(|schema| admits(schema, "string"));
        if wants_text {
            return Value::String(text.to_owned());
        }
        serde_saphyr::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
    }

    fn at(&self, path: &[String]) -> Option<&Value> {
        let mut schema = &self.0;
        for part in path {
            schema = if part.starts_with('[') {
                variant(schema, "array")?.get("items")?
            } else {
                let object = object(schema)?;
                properties(object)
                    .and_then(|known| known.get(part))
                    .or_else(|| object.get("additionalProperties"))?
            };
        }
        Some(schema)
    }
}

/// The part of a schema that describes values of a JSON type; `anyOf` and `oneOf` are looked into.
fn variant<'a>(schema: &'a Value, kind: &str) -> Option<&'a Value> {
    let own = match schema.get("type") {
        Some(Value::String(own)) => own == kind,
        Some(Value::Array(all)) => all.iter().any(|own| own == kind),
        _ => false,
    };
    if own {
        return Some(schema);
    }
    let choices = ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array());
    choices.flatten().find_map(|choice| variant(choice, kind))
}

fn object(schema: &Value) -> Option<&Map<String, Value>> {
    variant(schema, "object")?.as_object()
}

fn admits(schema: &Value, kind: &str) -> bool {
    variant(schema, kind).is_some() || (kind == "string" && has_words(schema))
}

/// Whether the schema lists words that may stand there.
fn has_words(schema: &Value) -> bool {
    let choices = ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array());
    schema.get("enum").is_some() || schema.get("const").is_some() || choices.flatten().any(has_words)
}

fn properties(object: &Map<String, Value>) -> Option<&Map<String, Value>> {
    object.get("properties")?.as_object()
}

fn unknown(schema: &Value, value: &Value, path: &mut Vec<String>, report: &mut dyn FnMut(&[String], String)) {
    match value {
        Value::Object(map) => {
            let Some(object) = object(schema) else { return };
            for (key, value) in map {
                let known = properties(object).and_then(|known| known.get(key));
                let below =
                    known.or_else(|| object.get("additionalProperties").filter(|below| **below != false));
                path.push(key.clone());
                match below {
                    Some(below) => unknown(below, value, path, report),
                    None => report(path, no_such_key(object, &path[..path.len() - 1], key)),
                }
                path.pop();
            }
        }
        Value::Array(items) => {
            let Some(below) = variant(schema, "array").and_then(|schema| schema.get("items")) else { return };
            for (index, value) in items.iter().enumerate() {
                path.push(format!("[{index}]"));
                unknown(below, value, path, report);
                path.pop();
            }
        }
        _ => {}
    }
}

/// The sentence about a key that is not there.
fn no_such_key(object: &Map<String, Value>, path: &[String], key: &str) -> String {
    let place = if path.is_empty() { "at the top".to_owned() } else { format!("in '{}'", join(path)) };
    let known = || properties(object).into_iter().flat_map(Map::keys);
    let distance = |name: &&String| strsim::jaro_winkler(&key.to_lowercase(), name);
    let nearest =
        known().max_by(|a, b| distance(a).total_cmp(&distance(b))).filter(|name| distance(name) >= ALIKE);
    let hint = nearest.map_or_else(
        || format!("the keys there are {}", known().map(String::as_str).collect::<Vec<_>>().join(", ")),
        |name| format!("did you mean '{name}'?"),
    );
    format!("unknown key '{key}' {place}; {hint}")
}
