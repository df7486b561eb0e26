//! What goes wrong on the gateway, at which point of a connection, how often.

use openpact_fake_kit::Chance;
use serde::{Deserialize, Serialize};

/// What goes wrong with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GatewayFault {
    /// The connection breaks without a closing frame.
    Cut,
    /// The server closes with this code.
    Close(u16),
    /// The server does not react to what the point is about: no Hello, no Ready, no acknowledgement, no event. An
    /// event that is lost like that is there when the session is resumed.
    Ignore,
    /// From now on no heartbeat is acknowledged on this connection.
    NoAcknowledgement,
    /// From now on the server says nothing on this connection.
    Silence,
    /// Opcode 9: the session is invalid, and can be resumed or not.
    InvalidSession(bool),
    /// Opcode 7: the server asks for a new connection, and closes this one half a second later.
    Reconnect,
    /// Opcode 1: the server asks for a heartbeat at once.
    AskHeartbeat,
    /// A message that is not JSON.
    Malformed,
    /// A message that is JSON of a shape that is none of the gateway's.
    Misshapen,
    /// An opcode that does not exist, and an event that nobody knows.
    Unknown,
    /// The event comes twice.
    Duplicate,
    /// The event comes after the one that follows it.
    Swap,
    /// The message comes in frames of a few bytes.
    Pieces,
    /// The same, with so many milliseconds between them.
    Slow(u64),
    /// The message comes so many milliseconds late, and all that follow it.
    Delay(u64),
}

/// A point in the life of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The connection is open, and Hello is to be said.
    BeforeHello,
    /// Hello was said.
    AfterHello,
    /// Identify came and was right; Ready is to be said.
    Identify,
    /// Resume came and was right; what was missed is to be said.
    Resume,
    /// Ready or Resumed was said.
    Ready,
    /// A heartbeat came and is to be acknowledged.
    Heartbeat,
    /// An event is to be said; those of a replay are not meant.
    Event,
}

/// When it goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayRule {
    /// What.
    pub fault: GatewayFault,
    /// At which point.
    pub stage: Stage,
    /// With this event alone, such as `MESSAGE_CREATE`.
    #[serde(default)]
    pub event: Option<String>,
    /// How often.
    #[serde(flatten)]
    pub chance: Chance,
}

impl GatewayRule {
    /// This fault each time, for ever.
    pub fn new(stage: Stage, fault: GatewayFault) -> Self {
        Self { fault, stage, event: None, chance: Chance::default() }
    }

    /// This fault with an event of that name.
    pub fn event(event: &str, fault: GatewayFault) -> Self {
        Self { event: Some(event.to_owned()), ..Self::new(Stage::Event, fault) }
    }

    pub(crate) fn fits(&self, stage: Stage, event: Option<&str>) -> bool {
        self.stage == stage && (self.event.is_none() || self.event.as_deref() == event)
    }
}

openpact_fake_kit::rule!(GatewayRule, GatewayFault);
