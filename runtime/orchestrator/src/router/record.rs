//! What the audit log says of a tool call: who, with what authority, which code, which arguments, how it ended.

use openpact_model::audit::{Event, Verdict};
use openpact_model::id::{CallId, Digest};
use openpact_model::text::one_line;
use serde_json::{Map, Value, json};

use super::registry::Tool;
use super::turn::Turn;

/// The kind of the record that is written before a call runs.
pub(super) const BEGIN: &str = "tool.call.begin";

/// The kind of the record of how a call ended, refused ones included.
pub(super) const END: &str = "tool.call";

/// Texts longer than this many bytes are told by their hash.
const LONG_TEXT: usize = 200;

/// Arguments that take more than this many bytes even so are told by their hash as a whole.
const LONG_ARGUMENTS: usize = 4096;

/// A record about a call of `turn`.
pub(super) fn event(kind: &str, turn: &Turn, tool: &str, verdict: Verdict) -> Event {
    let mut event = Event::new(kind, turn.actor(), one_line(tool, 80), verdict)
        .with("role", turn.caller.role.to_string())
        .with("audience", json!(turn.caller.audience))
        .with("turn", turn.id.as_str());
    if let Some(session) = &turn.session {
        event = event.with("session", session.as_str());
    }
    if let Some(channel) = &turn.channel {
        event = event.with("channel", one_line(&channel.to_string(), 200));
    }
    event
}

/// Adds which call it is and which code runs it.
pub(super) fn with_tool(mut event: Event, call: Option<&CallId>, tool: &Tool) -> Event {
    if let Some(call) = call {
        event = event.with("call", call.as_str());
    }
    if let Some(digest) = tool.digest {
        event = event.with("digest", digest.to_string());
    }
    event.with("principal", tool.principal.to_string())
}

/// Arguments without secrets (`redacted` has them out), made short.
pub(super) fn arguments(redacted: Value) -> Value {
    let short = shorten(redacted);
    let text = short.to_string();
    if text.len() > LONG_ARGUMENTS { hashed(&text) } else { short }
}

/// A text that is no arguments: its length and hash.
pub(super) fn hashed(text: &str) -> Value {
    json!({ "bytes": text.len(), "sha256": Digest::of(text.as_bytes()).to_string() })
}

fn shorten(value: Value) -> Value {
    match value {
        Value::String(text) if text.len() > LONG_TEXT => hashed(&text),
        Value::Array(items) => items.into_iter().map(shorten).collect(),
        Value::Object(fields) => {
            let short = |(key, value): (String, Value)| (one_line(&key, 80), shorten(value));
            Value::Object(fields.into_iter().map(short).collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_hashed_and_short_ones_kept() {
        let edge = "x".repeat(LONG_TEXT);
        let over = "x".repeat(LONG_TEXT + 1);
        let shown = arguments(json!({"path": "a.md", "edge": edge, "list": [over, 1]}));
        assert_eq!(shown["path"], "a.md");
        assert_eq!(shown["edge"], edge);
        assert_eq!(shown["list"][0], hashed(&over));
        assert_eq!(shown["list"][0]["bytes"], LONG_TEXT + 1);
        assert_eq!(shown["list"][1], 1);
    }

    #[test]
    fn many_short_values_are_hashed_as_a_whole() {
        let shown = arguments(json!({"list": vec!["abc"; 2000]}));
        assert!(shown["list"].is_null() && shown["sha256"].is_string(), "{shown}");
    }
}
