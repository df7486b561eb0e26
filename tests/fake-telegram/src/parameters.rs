//! The parameters of a request: from the query, and from a body in JSON, as a form, or as a form with files.

use bytes::Bytes;
use http::request::Parts;
use serde_json::{Map, Value};

/// The largest body, in bytes: the real server takes files of 50 MB, no test sends one.
pub(crate) const MAX_BODY: usize = 8 << 20;

struct Parameter {
    name: String,
    value: Value,
    /// It stood in JSON, so its type was said.
    typed: bool,
}

/// The parameters of a request.
#[derive(Default)]
pub(crate) struct Parameters(Vec<Parameter>);

impl Parameters {
    /// Those of this request; the error is the description of a refusal.
    pub(crate) async fn read(parts: &Parts, body: Bytes) -> Result<Self, String> {
        let mut parameters = Self::default();
        parameters.form(parts.uri.query().unwrap_or_default().as_bytes());
        let kind =
            parts.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        match kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/json" => parameters.json(&body)?,
            "application/x-www-form-urlencoded" => parameters.form(&body),
            "multipart/form-data" => parameters.multipart(kind, body).await?,
            // As the real server does with a body that it does not know.
            _ => {}
        }
        Ok(parameters)
    }

    fn form(&mut self, text: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(text) {
            self.add(&name, Value::String(value.into_owned()), false);
        }
    }

    fn json(&mut self, body: &[u8]) -> Result<(), String> {
        if body.is_empty() {
            return Ok(());
        }
        let object: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|_| "Bad Request: can't parse JSON object of the request".to_owned())?;
        for (name, value) in object {
            self.add(&name, value, true);
        }
        Ok(())
    }

    async fn multipart(&mut self, kind: &str, body: Bytes) -> Result<(), String> {
        let refused = |why: multer::Error| format!("Bad Request: can't parse multipart data: {why}");
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
        self.0.push(Parameter { name: name.to_owned(), value, typed });
    }

    /// Name, value, and whether the value stood in JSON.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &Value, bool)> {
        self.0.iter().map(|parameter| (parameter.name.as_str(), &parameter.value, parameter.typed))
    }

    /// All of them as one object, for the record.
    pub(crate) fn record(&self) -> Value {
        self.all().map(|(name, value, _)| (name.to_owned(), value.clone())).collect::<Map<_, _>>().into()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.all().find(|(known, ..)| *known == name).map(|(_, value, _)| value)
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

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    pub(crate) fn boolean(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1")
    }

    /// A parameter that is an object or a list.
    pub(crate) fn structure(&self, name: &str) -> Result<Option<Value>, String> {
        match self.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text)
                .map(Some)
                .map_err(|_| format!("Bad Request: can't parse {} JSON object", name.replace('_', " "))),
            Some(value) => Ok(Some(value.clone())),
        }
    }
}
