//! The parameters of a request, in the form in which the platform takes them.

use std::ops::Deref;

use bytes::Bytes;
use http::request::Parts;
use openpact_fake_kit::form;
use serde_json::Value;

use crate::refusal::Refusal;

/// The largest body, in bytes: the real server takes files of 1 GB, no test sends one.
pub(crate) const MAX_BODY: usize = 8 << 20;

/// What came with a request.
#[derive(Default)]
pub(crate) struct Parameters {
    list: openpact_fake_kit::Parameters,
    /// A warning that the answer carries, about how they came.
    pub(crate) warning: Option<&'static str>,
    /// The token, where it came among them.
    pub(crate) token: Option<String>,
    /// Whether they came as JSON.
    pub(crate) json: bool,
}

/// All of them but the token.
impl Deref for Parameters {
    type Target = openpact_fake_kit::Parameters;

    fn deref(&self) -> &Self::Target {
        &self.list
    }
}

impl Parameters {
    /// Those of this request.
    pub(crate) async fn read(parts: &Parts, body: Bytes) -> Result<Self, Refusal> {
        let mut parameters = Self::default();
        parameters.list.form(parts.uri.query().unwrap_or_default().as_bytes());
        // A token in an address is none, and neither is one in JSON.
        while parameters.list.take("token").is_some() {}
        let kind = form::content_type(parts);
        let charset = kind.contains("charset");
        match form::media_type(kind).as_str() {
            "application/json" => {
                parameters.json(&body)?;
                parameters.warning = (!charset).then_some("missing_charset");
            }
            "application/x-www-form-urlencoded" => {
                parameters.list.form(&body);
                parameters.warning = charset.then_some("superfluous_charset");
            }
            "multipart/form-data" => {
                let parts = form::parts(kind, body).await;
                parameters.list.parts(parts.map_err(|_| Refusal::new("invalid_form_data"))?);
            }
            "" if body.is_empty() => {}
            "" => return Err(Refusal::new("missing_post_type")),
            _ => return Err(Refusal::new("invalid_post_type")),
        }
        if let Some(token) = parameters.list.take("token") {
            parameters.token = token.value.as_str().filter(|_| !token.typed).map(str::to_owned);
        }
        Ok(parameters)
    }

    /// Those in an object of JSON.
    pub(crate) fn of(object: Value) -> Self {
        let mut parameters = Self { json: true, ..Self::default() };
        if let Value::Object(object) = object {
            parameters.list.object(object);
        }
        parameters
    }

    fn json(&mut self, body: &[u8]) -> Result<(), Refusal> {
        self.json = true;
        if body.is_empty() {
            return Ok(());
        }
        let value: Value = serde_json::from_slice(body).map_err(|_| Refusal::new("invalid_json"))?;
        let Value::Object(object) = value else { return Err(Refusal::new("json_not_object")) };
        self.list.object(object);
        Ok(())
    }

    /// A parameter that has to be there.
    pub(crate) fn needed(&self, name: &str) -> Result<String, Refusal> {
        let missing = || Refusal::arguments(&[format!("missing required field: {name}")]);
        self.text(name).ok_or_else(missing)
    }

    /// A parameter that is an object or a list; the refusal if it is neither.
    pub(crate) fn structure(&self, name: &str, refusal: &str) -> Result<Option<Value>, Refusal> {
        let value = self.list.structure(name).map_err(|_| Refusal::new(refusal))?;
        let fits = value.as_ref().is_none_or(|value| value.is_array() || value.is_object());
        if fits { Ok(value) } else { Err(Refusal::new(refusal)) }
    }
}
