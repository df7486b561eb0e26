//! Settings of a component: what the configuration says, judged by the schema in its manifest.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::config::chat::{Channel, Respond};
use crate::config::components::Component as Stated;

/// Whether the configuration's settings fit the component.
///
/// # Errors
/// One sentence that names the setting.
pub(super) fn check(schema: Option<&Value>, secret: &[&str], stated: &Stated) -> Result<(), String> {
    let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
    let known = || properties.into_iter().flat_map(Map::keys).map(String::as_str);
    for key in stated.settings.keys() {
        if secret.contains(&key.as_str()) {
            return Err(format!(
                "its setting '{key}' is a secret: store it with 'openpact secret set', and name it under \
                 'credentials' instead of 'settings'"
            ));
        }
        if !known().any(|name| name == key) {
            return Err(unknown(key, &known().collect::<Vec<_>>()));
        }
    }
    let Some(schema) = schema else { return Ok(()) };
    let schema = without_secrets(schema, secret);
    let validator = jsonschema::validator_for(&schema);
    let validator =
        validator.map_err(|error| format!("the schema of its settings cannot be used: {error}"))?;
    let values = Value::Object(with_defaults(properties, &stated.settings));
    validator.validate(&values).map_err(|error| format!("its setting {}: {error}", error.instance_path()))
}

/// The settings that a component gets: those of the configuration, and the machine's time zone for a component that
/// has a setting `timezone` which is not set, since a sandbox has no zone of its own.
pub(super) fn with_zone(
    schema: Option<&Value>,
    set: &Map<String, Value>,
    zone: Option<&str>,
) -> Map<String, Value> {
    let mut settings = set.clone();
    let asks = schema.is_some_and(|schema| schema.pointer("/properties/timezone").is_some());
    if let Some(zone) = zone.filter(|_| asks) {
        settings.entry("timezone").or_insert_with(|| zone.into());
    }
    settings
}

/// Adds what the section `chat` says about single channels, for an adapter that has a setting `respond_all`: the
/// channels in which it is to deliver every message.
pub(super) fn with_channels(
    schema: Option<&Value>,
    mut settings: Map<String, Value>,
    channels: Option<&BTreeMap<String, Channel>>,
) -> Map<String, Value> {
    let asks = schema.is_some_and(|schema| schema.pointer("/properties/respond_all").is_some());
    let all = channels.into_iter().flatten().filter(|(_, channel)| channel.respond == Respond::All);
    let all: Vec<Value> = all.map(|(id, _)| id.as_str().into()).collect();
    if asks && !all.is_empty() {
        settings.insert("respond_all".to_owned(), all.into());
    }
    settings
}

fn unknown(key: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!("'{key}' is set, but it has no settings");
    }
    format!("it has no setting '{key}', only {}", known.join(", "))
}

/// The schema for what is not secret: a secret is supplied elsewhere, so nothing can be said about it here.
fn without_secrets(schema: &Value, secret: &[&str]) -> Value {
    let mut schema = schema.clone();
    let is_secret = |name: &Value| name.as_str().is_some_and(|name| secret.contains(&name));
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| !is_secret(name));
    }
    schema
}

fn with_defaults(properties: Option<&Map<String, Value>>, set: &Map<String, Value>) -> Map<String, Value> {
    let defaults = properties.into_iter().flatten();
    let defaults = defaults.filter_map(|(key, schema)| Some((key.clone(), schema.get("default")?.clone())));
    let mut values: Map<String, Value> = defaults.collect();
    values.extend(set.iter().map(|(key, value)| (key.clone(), value.clone())));
    values
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_settings(settings: Value, expected: Result<(), &str>) {
        let schema = json!({
            "type": "object",
            "required": ["url", "token"],
            "properties": {
                "url": { "type": "string" },
                "days": { "type": "integer", "maximum": 31, "default": 7 },
                "token": { "type": "string", "secret": true },
            },
        });
        let Value::Object(settings) = settings else { panic!("settings are an object") };
        let stated = Stated { settings, ..Stated::default() };
        let result = check(Some(&schema), &["token"], &stated);
        match expected {
            Ok(()) => assert_eq!(result, Ok(())),
            Err(part) => assert!(result.as_ref().is_err_and(|why| why.contains(part)), "{part}: {result:?}"),
        }
    }

    #[test]
    fn settings_fit_the_schema_or_are_named() {
        check_settings(json!({ "url": "https://a" }), Ok(()));
        check_settings(json!({ "url": "https://a", "days": 31 }), Ok(()));
        check_settings(json!({ "url": "https://a", "days": 32 }), Err("/days"));
        check_settings(json!({ "url": 1 }), Err("/url"));
        check_settings(json!({}), Err("\"url\" is a required property"));
        check_settings(
            json!({ "url": "https://a", "dais": 1 }),
            Err("no setting 'dais', only url, days, token"),
        );
        check_settings(json!({ "url": "https://a", "token": "x" }), Err("'token' is a secret"));
    }

    #[test]
    fn a_component_without_settings_takes_none() {
        let set = Stated { settings: Map::from_iter([("a".to_owned(), json!(1))]), ..Stated::default() };
        assert!(check(None, &[], &set).unwrap_err().contains("has no settings"));
        assert_eq!(check(None, &[], &Stated::default()), Ok(()));
    }
}
