//! What goes wrong on the gateway, at which point of a connection, how often.

use serde::{Deserialize, Serialize};

use crate::dice::{Chance, Dice};

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

    /// After so many times that fit.
    #[must_use]
    pub fn skip(mut self, skip: u64) -> Self {
        self.chance.skip = skip;
        self
    }

    /// So many times.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.chance.times = Some(times);
        self
    }

    /// With this likelihood, from 0 to 1.
    #[must_use]
    pub fn chance(mut self, chance: f64) -> Self {
        self.chance.chance = Some(chance);
        self
    }

    fn fits(&self, stage: Stage, event: Option<&str>) -> bool {
        self.stage == stage && (self.event.is_none() || self.event.as_deref() == event)
    }
}

/// The rules that hold.
#[derive(Debug, Default)]
pub(crate) struct GatewaySwitchboard {
    rules: Vec<GatewayRule>,
}

impl GatewaySwitchboard {
    pub(crate) fn add(&mut self, rule: GatewayRule) {
        self.rules.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// What goes wrong now; counted as used.
    pub(crate) fn strike(
        &mut self,
        dice: &mut Dice,
        stage: Stage,
        event: Option<&str>,
    ) -> Option<GatewayFault> {
        let mut fitting = self.rules.iter_mut().filter(|rule| rule.fits(stage, event));
        fitting.find_map(|rule| rule.chance.strikes(dice).then_some(rule.fault))
    }
}
