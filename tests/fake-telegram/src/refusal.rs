//! Refusals, in the words of the real server.

use openpact_fake_kit::NotJson;
use serde_json::{Value, json};

/// Why a request is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) description: String,
    pub(crate) retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(code: u16, description: String) -> Self {
        Self { code, description, retry_after: None }
    }

    pub(crate) fn bad(what: &str) -> Self {
        Self::new(400, format!("Bad Request: {what}"))
    }

    pub(crate) fn forbidden(what: &str) -> Self {
        Self::new(403, format!("Forbidden: {what}"))
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized".to_owned())
    }

    pub(crate) fn conflict() -> Self {
        let why = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
        Self::new(409, why.to_owned())
    }

    pub(crate) fn too_many(seconds: u64) -> Self {
        let why = format!("Too Many Requests: retry after {seconds}");
        Self { retry_after: Some(seconds), ..Self::new(429, why) }
    }

    /// The envelope that carries it.
    pub(crate) fn envelope(&self) -> Value {
        let mut envelope = json!({"ok": false, "error_code": self.code, "description": self.description});
        if let Some(seconds) = self.retry_after {
            envelope["parameters"] = json!({ "retry_after": seconds });
        }
        envelope
    }
}

/// For descriptions that are whole, as parsing gives them.
impl From<String> for Refusal {
    fn from(description: String) -> Self {
        Self::new(400, description)
    }
}

/// For parameters that are to be objects or lists.
impl From<NotJson> for Refusal {
    fn from(NotJson(name): NotJson) -> Self {
        Self::bad(&format!("can't parse {} JSON object", name.replace('_', " ")))
    }
}
