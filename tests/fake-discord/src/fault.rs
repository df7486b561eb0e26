//! What goes wrong, with which requests, how often.

use openpact_fake_kit::Chance;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

/// Who is over a limit, and in which form that is said. The seconds are those to wait.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limited {
    /// The route: `X-RateLimit-Scope: user`.
    Route(f64),
    /// The bot as a whole: `X-RateLimit-Global: true`, no bucket.
    Global(f64),
    /// The resource, which others use too: `X-RateLimit-Scope: shared`. The buckets headers leave room.
    Shared(f64),
    /// The address, by Cloudflare: a page of HTML with `Retry-After` and without any other header of limits.
    Cloudflare(u64),
}

/// What goes wrong. Unless it says otherwise, the request is not executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// 401: the token was reset.
    Unauthorized,
    /// 403 with code 50013: permissions are missing.
    Forbidden,
    /// A refusal with this status, code and message.
    Refuse(u16, u64, String),
    /// 429.
    TooManyRequests(Limited),
    /// A status of 500 and more with the API's body.
    ServerError(u16),
    /// A status of 500 and more with a page of a proxy.
    ServerErrorPage(u16),
    /// The connection breaks before the body is read; no byte of an answer is written.
    CutBefore,
    /// The request is executed and the connection breaks before a byte of the answer is written: whoever asked cannot
    /// know.
    CutAfter,
    /// The request is executed and the connection breaks in the middle of the answer.
    CutBody,
    /// The request is executed and the answer comes in small pieces, with so many milliseconds between them.
    Drip(u64),
    /// The request is executed so many milliseconds later.
    Delay(u64),
    /// No answer, until the other side leaves.
    Hang,
    /// The request is executed and no answer comes, until the other side leaves.
    HangAfter,
    /// The request is executed and the answer is not JSON.
    Malformed,
    /// The request is executed and the answer is JSON of another shape than promised.
    Misshapen,
}

/// When it goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What.
    pub fault: Fault,
    /// With this operation alone, named as Discord's description names it: `create_message`. Opening the gateway's
    /// connection is `connect_gateway`, fetching a file `attachment`.
    #[serde(default)]
    pub operation: Option<String>,
    /// In this channel alone.
    #[serde(default)]
    pub channel: Option<u64>,
    /// How often.
    #[serde(flatten)]
    pub chance: Chance,
}

impl Rule {
    /// This fault with every request, for ever.
    pub fn new(fault: Fault) -> Self {
        Self { fault, operation: None, channel: None, chance: Chance::default() }
    }

    /// With this operation alone.
    #[must_use]
    pub fn operation(mut self, operation: &str) -> Self {
        self.operation = Some(operation.to_owned());
        self
    }

    /// In this channel alone.
    #[must_use]
    pub fn channel(mut self, channel: u64) -> Self {
        self.channel = Some(channel);
        self
    }

    pub(crate) fn fits(&self, operation: &str, channel: Option<u64>) -> bool {
        self.operation.as_ref().is_none_or(|wanted| wanted == operation)
            && (self.channel.is_none() || self.channel == channel)
    }
}

openpact_fake_kit::rule!(Rule, Fault);

impl Fault {
    /// The refusal that it is, where it is one.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        Some(match self {
            Self::Unauthorized => Refusal::unauthorized(),
            Self::Forbidden => Refusal::new(403, 50_013, "Missing Permissions"),
            Self::Refuse(status, code, message) => Refusal::new(*status, *code, message),
            Self::ServerError(status) => {
                Refusal::new(*status, 0, &format!("{status}: Internal Server Error"))
            }
            _ => return None,
        })
    }

    /// Whether the request is executed all the same.
    pub(crate) fn executes(&self) -> bool {
        self.hides() || matches!(self, Self::Drip(_) | Self::Delay(_))
    }

    /// Whether it is executed and whoever asked cannot learn of it.
    pub(crate) fn hides(&self) -> bool {
        matches!(self, Self::CutAfter | Self::CutBody | Self::HangAfter | Self::Malformed | Self::Misshapen)
    }
}
