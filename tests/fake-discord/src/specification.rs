//! The published description of the API (Discord's `OpenAPI` document) as judge of every request and of every answer.

mod wrong;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::{Draft, PatternOptions, Registry, Validator};
use openpact_fake_kit::description::{self, Loaded};
use serde_json::{Map, Value, json};

pub(crate) use wrong::Wrong;

/// Where the two forms of the document are registered: as published, and without room for fields that it does not name.
const PUBLISHED: &str = "https://openapi.invalid/published";
const STRICT: &str = "https://openapi.invalid/strict";

/// What the API takes and gives.
pub(crate) struct Specification {
    document: Value,
    registry: Registry<'static>,
    /// Compiled schemas by their address; `None` where the document has none there.
    validators: Mutex<HashMap<String, Option<Arc<Validator>>>>,
}

/// The description, read once for the process.
pub(crate) fn load() -> Option<Arc<Specification>> {
    static LOADED: Loaded<Specification> = Loaded::new();
    let read = |file: &Path| description::parse(file).and_then(Specification::new);
    description::load(&LOADED, "discord/openapi.json", read)
}

impl Specification {
    fn new(mut document: Value) -> Result<Self, String> {
        // The guide for people knows forwarded messages, the document does not.
        let kinds = document.pointer_mut("/components/schemas/MessageReferenceType/oneOf");
        if let Some(kinds) = kinds.and_then(Value::as_array_mut) {
            kinds.push(json!({"title": "FORWARD", "const": 1}));
        }
        let mut strict = document.clone();
        restrict(&mut strict);
        let registry = Registry::new()
            .add(PUBLISHED, document.clone())
            .and_then(|registry| registry.add(STRICT, strict))
            .and_then(jsonschema::RegistryBuilder::prepare)
            .map_err(|error| error.to_string())?;
        Ok(Self { document, registry, validators: Mutex::default() })
    }

    /// What is wrong with the body of a request.
    pub(crate) fn judge_body(&self, method: &str, template: &str, body: &Value) -> Vec<Wrong> {
        let place = ["paths", template, method, "requestBody", "content", "application/json", "schema"];
        self.errors(STRICT, &place, body)
    }

    /// What is wrong with the query of a request.
    pub(crate) fn judge_query(&self, method: &str, template: &str, query: &[(String, String)]) -> Vec<Wrong> {
        let operation = pointer(&["paths", template, method, "parameters"]);
        let none = Vec::new();
        let described = self.document.pointer(&operation).and_then(Value::as_array).unwrap_or(&none);
        let mut wrong = Vec::new();
        for (name, value) in query {
            let index = described.iter().position(|one| one["name"] == **name && one["in"] == "query");
            let Some(index) = index else {
                wrong.push(Wrong::unknown(name));
                continue;
            };
            let place = ["paths", template, method, "parameters", &index.to_string(), "schema"];
            let text = Value::String(value.clone());
            let mut found = self.errors(PUBLISHED, &place, &text);
            // In a query, numbers and truth are written as text.
            if let Some(typed) = serde_json::from_str(value).ok().filter(|_| !found.is_empty()) {
                found = self.errors(PUBLISHED, &place, &typed);
            }
            wrong.extend(found.into_iter().map(|error| error.below(name)));
        }
        wrong
    }

    /// What is wrong with an answer of our own.
    pub(crate) fn judge_answer(&self, method: &str, template: &str, status: u16, body: &Value) -> Vec<Wrong> {
        let status = status.to_string();
        let place =
            ["paths", template, method, "responses", &status, "content", "application/json", "schema"];
        self.errors(STRICT, &place, body)
    }

    /// What is wrong with a value that must be one of the components, such as `MessageResponse`.
    pub(crate) fn judge(&self, component: &str, value: &Value) -> Vec<Wrong> {
        self.errors(PUBLISHED, &["components", "schemas", component], value)
    }

    fn errors(&self, form: &str, place: &[&str], value: &Value) -> Vec<Wrong> {
        let Some(validator) = self.validator(form, &pointer(place)) else { return Vec::new() };
        wrong::flatten(validator.iter_errors(value))
    }

    fn validator(&self, form: &str, pointer: &str) -> Option<Arc<Validator>> {
        let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        let address = format!("{form}#{}", fragment(pointer));
        if let Some(known) = validators.get(&address) {
            return known.clone();
        }
        let built = self.document.pointer(pointer).is_some().then(|| {
            let validator = jsonschema::options()
                .with_draft(Draft::Draft202012)
                .offline()
                .should_validate_formats(false)
                .with_pattern_options(PatternOptions::regex())
                .with_registry(&self.registry)
                .build(&json!({ "$ref": address }));
            Arc::new(validator.expect("the description is a valid one"))
        });
        validators.insert(address, built.clone());
        built
    }
}

fn pointer(place: &[&str]) -> String {
    let escaped = place.iter().map(|key| key.replace('~', "~0").replace('/', "~1"));
    std::iter::once(String::new()).chain(escaped).collect::<Vec<_>>().join("/")
}

/// A pointer as the fragment of an address.
fn fragment(pointer: &str) -> String {
    pointer.replace('{', "%7B").replace('}', "%7D")
}

/// Takes room for unnamed fields out of every object, and gives room for what the server is known to take beyond the
/// document: ids as numbers, and permissions as the text that it answers with.
fn restrict(document: &mut Value) {
    if let Some(id) = document.pointer_mut("/components/schemas/SnowflakeType") {
        id["type"] = json!(["string", "integer"]);
    }
    close(document);
}

fn close(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(close),
        Value::Object(object) => {
            if let Some(permissions) = object.get_mut("default_member_permissions") {
                permissions["type"] = json!(["integer", "string", "null"]);
            }
            if is_plain_object(object) {
                object.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            object.values_mut().for_each(close);
        }
        _ => {}
    }
}

fn is_plain_object(schema: &Map<String, Value>) -> bool {
    let combined = ["allOf", "anyOf", "oneOf", "additionalProperties"];
    schema.get("type") == Some(&json!("object"))
        && schema.get("properties").and_then(Value::as_object).is_some_and(|named| !named.is_empty())
        && !combined.iter().any(|key| schema.contains_key(*key))
}
