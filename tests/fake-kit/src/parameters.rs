//! The parameters of a request: from the query, and from a body in JSON or as a form.

use serde_json::{Map, Value};

use crate::form::Part;

/// A parameter of a request.
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Whether it stood in JSON, so that its type was said.
    pub typed: bool,
}

/// The parameters of a request.
#[derive(Default)]
pub struct Parameters(Vec<Parameter>);

/// The parameter of this name is not JSON, as it should be.
#[derive(Debug)]
pub struct NotJson(pub String);

impl Parameters {
    /// Adds those of a query, or of a form.
    pub fn form(&mut self, text: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(text) {
            self.add(name.into_owned(), value.into_owned().into(), false);
        }
    }

    /// Adds those of a form with files.
    pub fn parts(&mut self, parts: Vec<Part>) {
        for part in parts {
            let text = part.text();
            self.add(part.name, text.into(), false);
        }
    }

    /// Adds those of an object of JSON.
    pub fn object(&mut self, object: Map<String, Value>) {
        for (name, value) in object {
            self.add(name, value, true);
        }
    }

    fn add(&mut self, name: String, value: Value, typed: bool) {
        self.0.push(Parameter { name, value, typed });
    }

    /// Takes the first of that name out.
    pub fn take(&mut self, name: &str) -> Option<Parameter> {
        let at = self.0.iter().position(|parameter| parameter.name == name)?;
        Some(self.0.remove(at))
    }

    /// All of them.
    pub fn all(&self) -> &[Parameter] {
        &self.0
    }

    /// All of them as one object, for the record.
    pub fn record(&self) -> Value {
        let pairs = self.0.iter().map(|parameter| (parameter.name.clone(), parameter.value.clone()));
        pairs.collect::<Map<_, _>>().into()
    }

    /// Whether it is there.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|known| known.name == name).map(|parameter| &parameter.value)
    }

    /// The text of a parameter; one that is empty is not there.
    pub fn text(&self, name: &str) -> Option<String> {
        let text = match self.get(name)? {
            Value::String(text) => text.clone(),
            Value::Null => return None,
            other => other.to_string(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// A parameter that is a number.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// `None` where it does not stand there.
    pub fn boolean(&self, name: &str) -> Option<bool> {
        self.text(name).map(|text| text.eq_ignore_ascii_case("true") || text == "1")
    }

    /// A parameter that is an object or a list; one that is empty is not there.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn structure(&self, name: &str) -> Result<Option<Value>, NotJson> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => {
                serde_json::from_str(text).map(Some).map_err(|_| NotJson(name.to_owned()))
            }
            Some(value) => Ok(Some(value.clone())),
        }
    }
}
