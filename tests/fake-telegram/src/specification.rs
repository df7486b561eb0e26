//! The published description of the API (`bot-api.json`) as judge of every request and of every answer.

use std::collections::HashMap;
use std::sync::Arc;

use openpact_fake_kit::description::{self, Loaded, is_boolean, shorten};
use openpact_fake_kit::{Parameter, Parameters};
use serde::Deserialize;
use serde_json::Value;

/// What the API takes and gives.
#[derive(Debug, Deserialize)]
pub(crate) struct Specification {
    version: String,
    methods: HashMap<String, Method>,
    types: HashMap<String, Type>,
}

#[derive(Debug, Deserialize)]
struct Method {
    name: String,
    returns: Vec<String>,
    #[serde(default)]
    fields: Vec<Field>,
}

#[derive(Debug, Deserialize)]
struct Type {
    #[serde(default)]
    fields: Vec<Field>,
    #[serde(default)]
    subtypes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Field {
    name: String,
    types: Vec<String>,
    required: bool,
}

/// The description, read once for the process.
pub(crate) fn load() -> Option<Arc<Specification>> {
    static LOADED: Loaded<Specification> = Loaded::new();
    description::load(&LOADED, "telegram/bot-api.json", description::parse)
}

impl Specification {
    /// Which version of the API it is.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The method as it is spelled; the server does not care for case.
    pub(crate) fn method(&self, name: &str) -> Option<&str> {
        let mut methods = self.methods.values();
        methods.find(|method| method.name.eq_ignore_ascii_case(name)).map(|method| method.name.as_str())
    }

    /// What is wrong with a request.
    pub(crate) fn judge_request(&self, name: &str, parameters: &Parameters) -> Vec<String> {
        let Some(method) = self.methods.get(name) else {
            return vec![format!("{name}: there is no such method")];
        };
        let mut wrong = Vec::new();
        for Parameter { name: key, value, typed } in parameters.all() {
            match method.fields.iter().find(|field| field.name == *key) {
                None => wrong.push(format!("{name}: there is no parameter '{key}'")),
                Some(field) => wrong.extend(
                    self.one_of(&field.types, value, *typed).err().map(|why| format!("{name}.{key}: {why}")),
                ),
            }
        }
        for field in method.fields.iter().filter(|field| field.required) {
            if !parameters.has(&field.name) {
                wrong.push(format!("{name}: the parameter '{}' is missing", field.name));
            }
        }
        wrong
    }

    /// What is wrong with an answer of our own.
    pub(crate) fn judge_answer(&self, name: &str, result: &Value) -> Option<String> {
        let method = self.methods.get(name)?;
        self.one_of(&method.returns, result, true)
            .err()
            .map(|why| format!("the fake's answer to {name}: {why}"))
    }

    /// What is wrong with a value of that type.
    pub(crate) fn judge(&self, kind: &str, value: &Value) -> Result<(), String> {
        self.is(kind, value, true)
    }

    fn one_of(&self, kinds: &[String], value: &Value, typed: bool) -> Result<(), String> {
        let mut why = Vec::new();
        for kind in kinds {
            match self.is(kind, value, typed) {
                Ok(()) => return Ok(()),
                Err(wrong) => why.push(wrong),
            }
        }
        Err(why.join(", and "))
    }

    /// `typed`: the value stood in JSON; otherwise it is a text that says it.
    fn is(&self, kind: &str, value: &Value, typed: bool) -> Result<(), String> {
        let expected = || Err(format!("expected {kind}, got {}", shorten(value)));
        let text = value.as_str().filter(|_| !typed);
        match kind {
            "String" | "InputFile" if value.is_string() => Ok(()),
            "Integer" if value.is_i64() || text.is_some_and(|text| text.parse::<i64>().is_ok()) => Ok(()),
            "Float" if value.is_number() || text.is_some_and(|text| text.parse::<f64>().is_ok()) => Ok(()),
            "Boolean" if value.is_boolean() || text.is_some_and(is_boolean) => Ok(()),
            "True" if value == true => Ok(()),
            "String" | "InputFile" | "Integer" | "Float" | "Boolean" | "True" => expected(),
            kind => match text {
                Some(text) => match serde_json::from_str(text) {
                    Ok(value) => self.is(kind, &value, true),
                    Err(_) => expected(),
                },
                None => self.structure(kind, value),
            },
        }
    }

    fn structure(&self, kind: &str, value: &Value) -> Result<(), String> {
        if let Some(item) = kind.strip_prefix("Array of ") {
            let items = value.as_array().ok_or_else(|| format!("expected a list, got {}", shorten(value)))?;
            return items.iter().try_for_each(|value| self.is(item, value, true));
        }
        let Some(described) = self.types.get(kind) else {
            return Err(format!("the description has no type {kind}"));
        };
        if !described.subtypes.is_empty() {
            return self.one_of(&described.subtypes, value, true);
        }
        let object = value.as_object().ok_or_else(|| format!("expected {kind}, got {}", shorten(value)))?;
        for (key, value) in object {
            let Some(field) = described.fields.iter().find(|field| field.name == *key) else {
                return Err(format!("{kind} has no field '{key}'"));
            };
            self.one_of(&field.types, value, true).map_err(|why| format!("{kind}.{key}: {why}"))?;
        }
        let missing =
            described.fields.iter().find(|field| field.required && !object.contains_key(&field.name));
        missing.map_or(Ok(()), |field| Err(format!("{kind}: the field '{}' is missing", field.name)))
    }
}
