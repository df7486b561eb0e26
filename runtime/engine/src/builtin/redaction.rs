//! Takes the values of secrets out of what is said, once it is put together: the door sees the bytes of an answer, in
//! which a value may be spread over many events or be written with escapes.

use bytes::Bytes;
use openpact_egress::redact::{Redactor, Stream};
use serde_json::Value;

use super::provider::Echo;
use crate::Turn;
use crate::session::{Body, Call};

/// One text without the values of secrets.
pub(super) fn text(redactor: &Redactor, text: &mut String) {
    let clean = match redactor.redact(text) {
        std::borrow::Cow::Borrowed(_) => return,
        std::borrow::Cow::Owned(clean) => clean,
    };
    *text = clean;
}

/// A message.
pub(super) fn body(redactor: &Redactor, body: &mut Body) {
    match body {
        Body::User { text } | Body::Summary { text } => self::text(redactor, text),
        Body::Tool { id, text, .. } => {
            self::text(redactor, id);
            self::text(redactor, text);
        }
        Body::Assistant { text, calls } => {
            self::text(redactor, text);
            for call in calls {
                self::call(redactor, call);
            }
        }
    }
}

/// A call. Its arguments are looked at as they are written and as they are read.
pub(super) fn call(redactor: &Redactor, call: &mut Call) {
    let Call { id, name, arguments } = call;
    text(redactor, id);
    text(redactor, name);
    text(redactor, arguments);
    if let Ok(read) = serde_json::from_str::<Value>(arguments) {
        let mut clean = read.clone();
        redactor.redact_json(&mut clean);
        if clean != read {
            *arguments = clean.to_string();
        }
    }
}

/// What a provider wants to see again.
pub(super) fn echo(redactor: &Redactor, echo: &mut Echo) {
    let mut value = Value::Object(std::mem::take(echo));
    redactor.redact_json(&mut value);
    if let Value::Object(clean) = value {
        *echo = clean;
    }
}

/// What the person and the orchestrator say.
pub(super) fn turn(redactor: &Redactor, turn: &mut Turn) {
    for said in [&mut turn.system, &mut turn.text, &mut turn.raw] {
        text(redactor, said);
    }
}

/// A text that comes in pieces. Its end may be held back until it is known not to be the start of a secret.
pub(super) struct Pieces(Stream);

impl Pieces {
    pub(super) fn new(redactor: &Redactor) -> Self {
        Self(redactor.stream())
    }

    /// What can be shown, now that this came.
    pub(super) fn push(&mut self, piece: String) -> String {
        shown(&self.0.push(Bytes::from(piece)))
    }

    /// What was held back.
    pub(super) fn finish(&mut self) -> String {
        shown(&self.0.finish())
    }
}

/// Secrets are whole texts, so what is held back begins between two characters.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
