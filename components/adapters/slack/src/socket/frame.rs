//! What comes over a Socket Mode connection (<https://docs.slack.dev/apis/events-api/using-socket-mode>).
//!
//! The payloads are slack-morphism's; the envelopes are read here, because the crate hides its own and acknowledges by
//! itself.

use openpact_sdk::serde_json::{self, Value, json};
use serde::Deserialize;

/// One frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Frame {
    /// The connection works.
    Hello {
        /// How many connections the app has now.
        connections: u32,
    },
    /// The connection will be closed, for this reason.
    Disconnect(String),
    /// Something that wants to be acknowledged.
    Envelope(Envelope),
    /// Something else.
    Other,
}

/// Something that wants to be acknowledged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Envelope {
    /// What it is acknowledged by.
    pub(super) id: String,
    /// What the payload is.
    pub(super) kind: Kind,
    /// What happened.
    pub(super) payload: Value,
}

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of the Events API.
    Event,
    /// The use of a slash command.
    Slash,
    /// The press of a button, and more.
    Interactive,
    /// Of a kind that nobody asked for.
    Unknown,
}

/// The frame as Slack writes it.
#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    num_connections: Option<u32>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    envelope_id: Option<String>,
    #[serde(default)]
    payload: Value,
}

impl Frame {
    /// Reads a text; `None` for what is no frame.
    pub(super) fn read(text: &str) -> Option<Self> {
        let wire: Wire = serde_json::from_str(text).ok()?;
        let kind = match wire.kind.as_str() {
            "hello" => return Some(Self::Hello { connections: wire.num_connections.unwrap_or(1) }),
            "disconnect" => return Some(Self::Disconnect(wire.reason.unwrap_or_default())),
            "events_api" => Kind::Event,
            "slash_commands" => Kind::Slash,
            "interactive" => Kind::Interactive,
            _ => Kind::Unknown,
        };
        Some(match wire.envelope_id {
            Some(id) => Self::Envelope(Envelope { id, kind, payload: wire.payload }),
            None => Self::Other,
        })
    }
}

impl Envelope {
    /// What acknowledges it.
    pub(super) fn acknowledgement(&self) -> String {
        json!({ "envelope_id": self.id }).to_string()
    }
}
