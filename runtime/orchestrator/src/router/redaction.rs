//! Takes every known secret out of what a tool answers and out of what is recorded.

use std::sync::{Arc, Mutex, PoisonError};

use openpact_egress::redact::{Redactor, Scope};
use openpact_model::secret::SecretSource;
use openpact_model::tool::{Body, Content, ToolFailure, ToolOutput};
use serde_json::Value;

/// The matcher for the secrets as they are now; built again when they change.
pub(super) struct Redaction {
    secrets: Arc<dyn SecretSource>,
    built: Mutex<Option<Arc<Redactor>>>,
}

impl Redaction {
    pub(super) fn new(secrets: Arc<dyn SecretSource>) -> Self {
        Self { secrets, built: Mutex::default() }
    }

    /// The matcher of this moment. Taken after a call as well as before it: a secret that was set meanwhile counts.
    pub(super) fn current(&self) -> Arc<Redactor> {
        let snapshot = self.secrets.snapshot();
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(redactor) = built.as_ref().filter(|redactor| redactor.generation() == snapshot.generation)
        {
            return Arc::clone(redactor);
        }
        let redactor = Arc::new(Redactor::new(&snapshot, Scope::All));
        *built = Some(Arc::clone(&redactor));
        redactor
    }
}

/// A text without secrets.
pub(super) fn text(redactor: &Redactor, text: &str) -> String {
    redactor.redact(text).into_owned()
}

/// A JSON value without secrets.
pub(super) fn json(redactor: &Redactor, mut value: Value) -> Value {
    redactor.redact_json(&mut value);
    value
}

/// Whether the value of a secret stands in any text, name or number of `value`.
pub(super) fn finds(redactor: &Redactor, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(number) => redactor.find(number.to_string().as_bytes()).is_some(),
        Value::String(text) => redactor.find(text.as_bytes()).is_some(),
        Value::Array(items) => items.iter().any(|item| finds(redactor, item)),
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| redactor.find(name.as_bytes()).is_some() || finds(redactor, value)),
    }
}

/// An answer without secrets, in every piece.
pub(super) fn output(redactor: &Redactor, output: ToolOutput) -> ToolOutput {
    ToolOutput {
        content: output.content.into_iter().map(|piece| content(redactor, piece)).collect(),
        structured: output.structured.map(|value| json(redactor, value)),
    }
}

/// A failure without secrets in its text.
pub(super) fn failure(redactor: &Redactor, failure: ToolFailure) -> ToolFailure {
    match failure {
        ToolFailure::InvalidArguments(why) => ToolFailure::InvalidArguments(text(redactor, &why)),
        ToolFailure::NotFound(what) => ToolFailure::NotFound(text(redactor, &what)),
        ToolFailure::Denied(why) => ToolFailure::Denied(text(redactor, &why)),
        ToolFailure::Unavailable(why) => ToolFailure::Unavailable(text(redactor, &why)),
        ToolFailure::Failed(why) => ToolFailure::Failed(text(redactor, &why)),
        ToolFailure::Broken(why) => ToolFailure::Broken(text(redactor, &why)),
        ToolFailure::Host(why) => ToolFailure::Host(text(redactor, &why)),
        other @ (ToolFailure::LimitReached { .. } | ToolFailure::Cancelled | ToolFailure::Stopped) => other,
    }
}

fn content(redactor: &Redactor, piece: Content) -> Content {
    let clean = |dirty: String| text(redactor, &dirty);
    match piece {
        Content::Text { text } => Content::Text { text: clean(text) },
        Content::Json { value } => Content::Json { value: json(redactor, value) },
        Content::Image { data, media_type } => {
            // A mark in the middle of base64 would leave a broken picture, so all of it goes.
            if redactor.redact(&data) == data {
                Content::Image { data, media_type: clean(media_type) }
            } else {
                Content::text("[a picture was left out: it contained a secret]")
            }
        }
        Content::ResourceLink { uri, name, description, media_type } => Content::ResourceLink {
            uri: clean(uri),
            name: clean(name),
            description: description.map(clean),
            media_type: media_type.map(clean),
        },
        Content::Audio { data, media_type } => {
            if redactor.redact(&data) == data {
                Content::Audio { data, media_type: clean(media_type) }
            } else {
                Content::text("[a sound was left out: it contained a secret]")
            }
        }
        Content::Embedded { uri, media_type, body } => {
            let body = match body {
                Body::Text(text) => Body::Text(clean(text)),
                Body::Blob(data) if redactor.redact(&data) == data => Body::Blob(data),
                Body::Blob(_) => Body::Text("[bytes were left out: they contained a secret]".to_owned()),
            };
            Content::Embedded { uri: clean(uri), media_type: media_type.map(clean), body }
        }
    }
}
