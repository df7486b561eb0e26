//! The published description of the API (`web-api-2021.json`) as judge of every request and of answers, and the
//! published samples (`events/`) as judge of the events that the fake makes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use openpact_fake_kit::Parameter;
use openpact_fake_kit::description::{self, Loaded, is_boolean, parse, shorten};
use serde::Deserialize;
use serde_json::Value;

use crate::additions;
use crate::parameters::Parameters;

/// Parameters that the description calls texts and that are objects or lists, which a form gives as JSON in a text.
const STRUCTURES: [&str; 5] = ["attachments", "blocks", "metadata", "unfurls", "view"];

/// What the API takes and gives.
pub(crate) struct Specification {
    version: String,
    methods: HashMap<String, Method>,
    samples: HashMap<String, Value>,
}

#[derive(Deserialize)]
struct Document {
    info: Info,
    paths: HashMap<String, HashMap<String, Operation>>,
}

#[derive(Deserialize)]
struct Info {
    version: String,
}

#[derive(Deserialize)]
struct Operation {
    #[serde(default)]
    parameters: Vec<Field>,
    #[serde(default)]
    responses: HashMap<String, Value>,
}

#[derive(Deserialize)]
struct Field {
    name: String,
    r#type: String,
    #[serde(default)]
    required: bool,
}

struct Method {
    fields: Vec<Field>,
    answer: Value,
}

/// The description, read once for the process.
pub(crate) fn load() -> Option<Arc<Specification>> {
    static LOADED: Loaded<Specification> = Loaded::new();
    description::load(&LOADED, "slack", Specification::read)
}

impl Specification {
    fn read(folder: &Path) -> Result<Self, String> {
        let document: Document = parse(&folder.join("web-api-2021.json"))?;
        let mut methods = HashMap::new();
        for (path, operations) in document.paths {
            for operation in operations.into_values() {
                let answer = operation.responses.get("200").map(|answer| answer["schema"].clone());
                let method = Method { fields: operation.parameters, answer: answer.unwrap_or_default() };
                methods.insert(path.trim_start_matches('/').to_owned(), method);
            }
        }
        let mut samples = HashMap::new();
        // Samples are a help; where there are none, events are not judged.
        for entry in std::fs::read_dir(folder.join("events")).into_iter().flatten().flatten() {
            let name = entry.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
            samples.insert(name, parse(&entry.path())?);
        }
        let mut specification = Self { version: document.info.version, methods, samples };
        specification.add();
        Ok(specification)
    }

    /// What was documented since.
    fn add(&mut self) {
        let field = |name: &str, kind: &str, required| Field {
            name: name.to_owned(),
            r#type: kind.to_owned(),
            required,
        };
        for (method, name, kind) in additions::PARAMETERS {
            if let Some(method) = self.methods.get_mut(method) {
                method.fields.push(field(name, kind, false));
            }
        }
        for method in additions::METHODS {
            let fields = method.parameters.iter().map(|(name, kind, needed)| field(name, kind, *needed));
            let described = Method { fields: fields.collect(), answer: Value::Null };
            self.methods.insert(method.name.to_owned(), described);
        }
    }

    /// Which version of the API it is.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn has(&self, method: &str) -> bool {
        self.methods.contains_key(method)
    }

    /// What is wrong with the arguments of a request, in the words of the real server.
    pub(crate) fn judge_request(&self, name: &str, parameters: &Parameters) -> Vec<String> {
        let Some(method) = self.methods.get(name) else { return Vec::new() };
        let mut wrong = Vec::new();
        for parameter in parameters.all() {
            match method.fields.iter().find(|field| field.name == parameter.name) {
                None if parameter.name == additions::EVERYWHERE => {}
                None => wrong.push(format!("invalid additional property: {}", parameter.name)),
                Some(field) => wrong.extend(unfit(&field.r#type, parameter)),
            }
        }
        let needed = method.fields.iter().filter(|field| field.required && field.name != "token");
        let missing = needed.filter(|field| !parameters.has(&field.name));
        wrong.extend(missing.map(|field| format!("missing required field: {}", field.name)));
        wrong
    }

    /// What is wrong with an answer of our own. Only what stands at its top is judged: what lies below has changed in
    /// many ways since the description was published.
    pub(crate) fn judge_answer(&self, name: &str, answer: &Value) -> Vec<String> {
        let Some(method) = self.methods.get(name) else { return Vec::new() };
        let mut wrong = Vec::new();
        for field in method.answer["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if answer.get(field).is_none() {
                wrong.push(format!("the fake's answer to {name}: the field '{field}' is missing"));
            }
        }
        for (field, schema) in method.answer["properties"].as_object().into_iter().flatten() {
            let fits = match (schema["type"].as_str(), answer.get(field)) {
                (Some("string"), Some(value)) => value.is_string(),
                (Some("boolean"), Some(value)) => value.is_boolean(),
                (Some("integer"), Some(value)) => value.is_i64(),
                (Some("array"), Some(value)) => value.is_array(),
                (Some("object"), Some(value)) => value.is_object(),
                _ => true,
            };
            if !fits {
                wrong.push(format!("the fake's answer to {name}: the field '{field}' is of another type"));
            }
        }
        wrong
    }

    /// What is wrong with something that the fake delivers, held against the sample of that name.
    pub(crate) fn judge_event(&self, sample: &str, payload: &Value) -> Vec<String> {
        let Some(like) = self.samples.get(sample) else { return Vec::new() };
        let mut wrong = Vec::new();
        compare(sample, like.get("event").unwrap_or(like), payload, &mut wrong);
        wrong
    }
}

/// Every field must be in the sample, and be of its type.
fn compare(place: &str, like: &Value, value: &Value, wrong: &mut Vec<String>) {
    match (like, value) {
        (Value::Object(like), Value::Object(value)) => {
            for (key, value) in value {
                match like.get(key) {
                    Some(like) => compare(&format!("{place}.{key}"), like, value, wrong),
                    None if additions::FIELDS.contains(&&**key) => {}
                    None => wrong.push(format!("the fake's event: {place} has no field '{key}'")),
                }
            }
        }
        // A list of a sample shows items of many kinds, which are not told apart here.
        (_, Value::Null)
        | (Value::Array(_), Value::Array(_))
        | (Value::String(_), Value::String(_))
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Number(_), Value::Number(_)) => {}
        _ => wrong.push(format!("the fake's event: {place} is of another type")),
    }
}

/// Why a value is not of that type. What does not stand in JSON is a text that says it.
fn unfit(kind: &str, parameter: &Parameter) -> Option<String> {
    let Parameter { name, value, typed } = parameter;
    let text = value.as_str();
    let structure = kind == "object" || STRUCTURES.contains(&name.as_str());
    let fits = match kind {
        _ if value.is_null() => true,
        _ if structure => value.is_object() || value.is_array() || text.is_some_and(is_structure),
        "string" => text.is_some(),
        "boolean" => value.is_boolean() || (!typed && text.is_some_and(is_boolean)),
        "integer" => value.is_i64() || (!typed && text.is_some_and(|text| text.parse::<i64>().is_ok())),
        // These are timestamps, which are texts in JSON: as numbers they lose their last digits.
        "number" => text.is_some_and(|text| text.parse::<f64>().is_ok()),
        _ => true,
    };
    (!fits).then(|| format!("{name} must be a valid {kind}, got {}", shorten(value)))
}

fn is_structure(text: &str) -> bool {
    text.is_empty() || matches!(serde_json::from_str(text), Ok(Value::Array(_) | Value::Object(_)))
}
