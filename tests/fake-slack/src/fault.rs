//! What goes wrong, where, how often.

use openpact_fake_kit::Chance;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What goes wrong. Of those that strike a request, those that do not say otherwise do not execute it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A request: `{"ok": false, "error": …}` with this error, such as `token_revoked` or `internal_error`.
    Error(String),
    /// A request: `missing_scope`, with the permission that the app would need.
    MissingScope(String),
    /// A request: 429.
    TooManyRequests(RetryAfter),
    /// A request: a status of 500 and more, with JSON.
    ServerError(u16),
    /// A request: any status with a page of HTML in place of JSON; Slack has sent such pages with 200, too.
    Page(u16),
    /// A request: the connection breaks when its head has been read, but not its body.
    CutUnread,
    /// A request: the connection breaks; no byte of an answer is written.
    CutBefore,
    /// A request is executed and the connection breaks before a byte of the answer is written: whoever asked cannot
    /// know.
    CutAfter,
    /// A request is executed and the connection breaks in the middle of the answer.
    CutBody,
    /// A request is executed and the answer comes in small pieces, with so many milliseconds between them.
    Drip(u64),
    /// A request is executed so many milliseconds later.
    Delay(u64),
    /// A request: no answer, until the other side leaves.
    Hang,
    /// A request is executed and no answer comes, until the other side leaves.
    HangAfter,
    /// A request is executed and the answer is not JSON.
    Malformed,
    /// A request is executed and the answer is JSON of another shape than promised.
    Misshapen,
    /// The request for an address of a WebSocket is answered with one whose ticket opens nothing.
    BadTicket,
    /// The handshake of a WebSocket is answered with this status.
    RefuseSocket(u16),
    /// The handshake of a WebSocket is not answered.
    HangSocket,
    /// A new WebSocket is told that there are too many, and closed.
    TooManySockets,
    /// A new WebSocket breaks before it is greeted.
    CutBeforeHello,
    /// A new WebSocket breaks when it has been greeted.
    CutAfterHello,
    /// A new WebSocket is not greeted.
    NoHello,
    /// A new WebSocket is greeted, and then never read or written again.
    Silence,
    /// A WebSocket breaks in place of delivering an envelope.
    CutBeforeEnvelope,
    /// A WebSocket breaks in the middle of an envelope.
    CutInEnvelope,
    /// A WebSocket breaks when an envelope is written, before it can be acknowledged.
    CutAfterEnvelope,
    /// A disconnect with this reason (`warning`, `refresh_requested`, `link_disabled`) comes before the envelope.
    DisconnectBeforeEnvelope(String),
    /// An envelope comes twice, the same to the letter.
    DuplicateEnvelope,
    /// An envelope comes after the one that follows it, or a second later.
    SwapEnvelope,
    /// An envelope is not JSON.
    MalformedEnvelope,
    /// An envelope comes in frames of so many bytes.
    FramedEnvelope(usize),
    /// An envelope comes byte by byte, with so many milliseconds between them.
    DripEnvelope(u64),
    /// An envelope, and all that follow it on this connection, come so many milliseconds later.
    DelayEnvelope(u64),
    /// An acknowledgement gets lost and the WebSocket breaks.
    CutBeforeAcknowledgement,
    /// An acknowledgement counts, and then the WebSocket breaks.
    CutAfterAcknowledgement,
    /// An acknowledgement gets lost.
    LoseAcknowledgement,
}

/// How long to wait, as the header of a 429 says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryAfter {
    /// So many seconds, which is what Slack sends.
    Seconds(u64),
    /// Nothing.
    Missing,
    /// Any text: a date, a fraction, nonsense.
    Text(String),
}

/// Where something can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Head,
    Request,
    Open,
    Hello,
    Envelope,
    Acknowledgement,
}

/// When it goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What.
    pub fault: Fault,
    /// With this method alone, such as `chat.postMessage`; for the rest of what can be asked for it is `files`,
    /// `upload` or `response_url`; for a connection it is `link`, and for envelopes it is their type.
    #[serde(default)]
    pub method: Option<String>,
    /// In this channel alone.
    #[serde(default)]
    pub channel: Option<String>,
    /// How often.
    #[serde(flatten)]
    pub chance: Chance,
}

impl Rule {
    /// This fault every time, for ever.
    pub fn new(fault: Fault) -> Self {
        Self { fault, method: None, channel: None, chance: Chance::default() }
    }

    /// This fault once.
    pub fn once(fault: Fault) -> Self {
        Self::new(fault).times(1)
    }

    /// With this method, or type of envelope, alone.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// In this channel alone.
    #[must_use]
    pub fn channel(mut self, channel: &str) -> Self {
        self.channel = Some(channel.to_owned());
        self
    }

    pub(crate) fn fits(&self, stage: Stage, method: &str, channel: Option<&str>) -> bool {
        self.fault.stage() == stage
            && self.method.as_deref().is_none_or(|wanted| wanted == method)
            && (self.channel.is_none() || self.channel.as_deref() == channel)
    }
}

openpact_fake_kit::rule!(Rule, Fault);

impl Fault {
    fn stage(&self) -> Stage {
        match self {
            Self::CutUnread => Stage::Head,
            Self::RefuseSocket(_) | Self::HangSocket => Stage::Open,
            Self::TooManySockets
            | Self::CutBeforeHello
            | Self::CutAfterHello
            | Self::NoHello
            | Self::Silence => Stage::Hello,
            Self::CutBeforeEnvelope
            | Self::CutInEnvelope
            | Self::CutAfterEnvelope
            | Self::DisconnectBeforeEnvelope(_)
            | Self::DuplicateEnvelope
            | Self::SwapEnvelope
            | Self::MalformedEnvelope
            | Self::FramedEnvelope(_)
            | Self::DripEnvelope(_)
            | Self::DelayEnvelope(_) => Stage::Envelope,
            Self::CutBeforeAcknowledgement | Self::CutAfterAcknowledgement | Self::LoseAcknowledgement => {
                Stage::Acknowledgement
            }
            _ => Stage::Request,
        }
    }

    /// Whether a request is executed all the same.
    pub(crate) fn executes(&self) -> bool {
        self.hides() || matches!(self, Self::Drip(_) | Self::Delay(_) | Self::BadTicket)
    }

    /// Whether whoever asked cannot learn what became of a request that was executed.
    pub(crate) fn hides(&self) -> bool {
        matches!(self, Self::CutAfter | Self::CutBody | Self::HangAfter | Self::Malformed | Self::Misshapen)
    }
}

/// Something that is JSON and no answer of this API.
pub(crate) fn misshapen() -> Value {
    json!({"ok": "yes", "channel": ["unexpected", null], "ts": 1, "message": 7})
}
