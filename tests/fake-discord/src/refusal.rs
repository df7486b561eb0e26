//! Refusals, in the words of the real server
//! (<https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>).

use serde_json::{Value, json};

use crate::fault::Limited;

/// Why a request is not done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: u64,
    pub(crate) message: String,
    /// What is wrong with each field of the body.
    pub(crate) errors: Option<Box<Value>>,
    /// The limit that it is over.
    pub(crate) limited: Option<Limited>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: u64, message: &str) -> Self {
        Self { status, code, message: message.to_owned(), errors: None, limited: None }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, 0, "401: Unauthorized")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, 0, "404: Not Found")
    }

    pub(crate) fn unknown(code: u64, what: &str) -> Self {
        Self::new(404, code, &format!("Unknown {what}"))
    }

    pub(crate) fn unknown_channel() -> Self {
        Self::unknown(10_003, "Channel")
    }

    pub(crate) fn unknown_message() -> Self {
        Self::unknown(10_008, "Message")
    }

    pub(crate) fn empty() -> Self {
        Self::new(400, 50_006, "Cannot send an empty message")
    }

    /// A body in which one field is wrong; `path` has the form `embeds/0/title`.
    pub(crate) fn field(path: &str, code: &str, message: &str) -> Self {
        Self::form(vec![(path.to_owned(), code.to_owned(), message.to_owned())])
    }

    /// A body in which these fields are wrong: path, code, message.
    pub(crate) fn form(wrong: Vec<(String, String, String)>) -> Self {
        let mut errors = json!({});
        for (path, code, message) in wrong {
            let mut place = &mut errors;
            for key in path.split('/').filter(|key| !key.is_empty()) {
                place = &mut place[key];
            }
            let error = json!({"code": code, "message": message});
            match place.get_mut("_errors").and_then(Value::as_array_mut) {
                Some(errors) => errors.push(error),
                None => place["_errors"] = json!([error]),
            }
        }
        Self { errors: Some(Box::new(errors)), ..Self::new(400, 50_035, "Invalid Form Body") }
    }

    /// The body that carries it.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({"message": self.message, "code": self.code});
        if let Some(errors) = &self.errors {
            body["errors"] = Value::clone(errors);
        }
        body
    }
}
