//! Refusals, in the words of the real server.

use serde_json::{Value, json};

/// Why a request is not done. Slack answers with status 200 and says so in the body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) error: String,
    pub(crate) messages: Vec<String>,
    pub(crate) retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(error: &str) -> Self {
        Self { error: error.to_owned(), messages: Vec::new(), retry_after: None }
    }

    /// A refusal that says what is wrong, line by line.
    pub(crate) fn because(error: &str, messages: Vec<String>) -> Self {
        Self { messages, ..Self::new(error) }
    }

    /// Arguments that the method does not take, or not in that form.
    pub(crate) fn arguments(wrong: &[String]) -> Self {
        Self::because("invalid_arguments", wrong.iter().map(|why| format!("[ERROR] {why}")).collect())
    }

    pub(crate) fn too_many(seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..Self::new("ratelimited") }
    }

    /// The body that carries it.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({"ok": false, "error": self.error});
        if !self.messages.is_empty() {
            body["response_metadata"] = json!({"messages": self.messages});
        }
        body
    }
}
