//! The parameters of a request: from the query, and from a body in JSON, as a form, or as a form with files.

use bytes::Bytes;
use http::request::Parts;
use serde_json::{Map, Value};

use crate::refusal::Refusal;

/// The largest body, in bytes: the real server takes files of 1 GB, no test sends one.
pub(crate) const MAX_BODY: usize = 8 << 20;

pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) value: Value,
    /// It stood in JSON, so its type was said.
    pub(crate) typed: bool,
}

/// What came with a request.
#[derive(Default)]
pub(crate) struct Parameters {
    list: Vec<Parameter>,
    /// A warning that the answer carries, about how they came.
    pub(crate) warning: Option<&'static str>,
    /// The token, where it came among them.
    pub(crate) token: Option<String>,
    /// Whether they came as JSON.
    pub(crate) json: bool,
}

impl Parameters {
    /// Those of this request.
    pub(crate) async fn read(parts: &Parts, body: Bytes) -> Result<Self, Refusal> {
        let mut parameters = Self::default();
        parameters.form(parts.uri.query().unwrap_or_default().as_bytes());
        // A token in an address is none, and neither is one in JSON.
        parameters.list.retain(|parameter| parameter.name != "token");
        let kind =
            parts.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let charset = kind.contains("charset");
        match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/json" => {
                parameters.json(&body)?;
                parameters.warning = (!charset).then_some("missing_charset");
            }
            "application/x-www-form-urlencoded" => {
                parameters.form(&body);
                parameters.warning = charset.then_some("superfluous_charset");
            }
            "multipart/form-data" => parameters.multipart(kind, body).await?,
            "" if body.is_empty() => {}
            "" => return Err(Refusal::new("missing_post_type")),
            _ => return Err(Refusal::new("invalid_post_type")),
        }
        let at = parameters.list.iter().position(|parameter| parameter.name == "token");
        if let Some(at) = at {
            let token = parameters.list.remove(at);
            parameters.token = token.value.as_str().filter(|_| !token.typed).map(str::to_owned);
        }
        Ok(parameters)
    }

    /// Those in an object of JSON.
    pub(crate) fn of(object: Value) -> Self {
        let mut parameters = Self { json: true, ..Self::default() };
        if let Value::Object(object) = object {
            for (name, value) in object {
                parameters.add(&name, value, true);
            }
        }
        parameters
    }

    fn form(&mut self, text: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(text) {
            self.add(&name, Value::String(value.into_owned()), false);
        }
    }

    fn json(&mut self, body: &[u8]) -> Result<(), Refusal> {
        self.json = true;
        if body.is_empty() {
            return Ok(());
        }
        let value: Value = serde_json::from_slice(body).map_err(|_| Refusal::new("invalid_json"))?;
        let Value::Object(object) = value else { return Err(Refusal::new("json_not_object")) };
        for (name, value) in object {
            self.add(&name, value, true);
        }
        Ok(())
    }

    async fn multipart(&mut self, kind: &str, body: Bytes) -> Result<(), Refusal> {
        let refused = |_: multer::Error| Refusal::new("invalid_form_data");
        let boundary = multer::parse_boundary(kind).map_err(refused)?;
        let stream = futures::stream::iter([Ok::<_, std::io::Error>(body)]);
        let mut fields = multer::Multipart::new(stream, boundary);
        while let Some(field) = fields.next_field().await.map_err(refused)? {
            let name = field.name().unwrap_or_default().to_owned();
            let value = field.bytes().await.map_err(refused)?;
            self.add(&name, Value::String(String::from_utf8_lossy(&value).into_owned()), false);
        }
        Ok(())
    }

    fn add(&mut self, name: &str, value: Value, typed: bool) {
        self.list.push(Parameter { name: name.to_owned(), value, typed });
    }

    /// All of them but the token.
    pub(crate) fn all(&self) -> &[Parameter] {
        &self.list
    }

    /// All of them as one object, for the record.
    pub(crate) fn record(&self) -> Value {
        let pairs = self.list.iter().map(|parameter| (parameter.name.clone(), parameter.value.clone()));
        pairs.collect::<Map<_, _>>().into()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.list.iter().find(|known| known.name == name).map(|parameter| &parameter.value)
    }

    /// The text of a parameter; one that is empty is not there.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let text = match self.get(name)? {
            Value::String(text) => text.clone(),
            Value::Null => return None,
            other => other.to_string(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// A parameter that has to be there.
    pub(crate) fn needed(&self, name: &str) -> Result<String, Refusal> {
        let missing = || Refusal::arguments(&[format!("missing required field: {name}")]);
        self.text(name).ok_or_else(missing)
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// `None` where it does not stand there.
    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        self.text(name).map(|text| text.eq_ignore_ascii_case("true") || text == "1")
    }

    /// A parameter that is an object or a list; the refusal if it is neither.
    pub(crate) fn structure(&self, name: &str, refusal: &str) -> Result<Option<Value>, Refusal> {
        let value = match self.get(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| Refusal::new(refusal))?,
            Some(value) => value.clone(),
        };
        if value.is_array() || value.is_object() { Ok(Some(value)) } else { Err(Refusal::new(refusal)) }
    }
}
