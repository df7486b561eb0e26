//! What goes wrong, with which requests, how often.

use openpact_fake_kit::Chance;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::refusal::Refusal;

/// What goes wrong. Unless it says otherwise, the request is not executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// 401: the token was revoked.
    Unauthorized,
    /// 409: another poller, or a webhook.
    Conflict,
    /// 403, such as when the person blocked the bot.
    Forbidden,
    /// 400 with this description.
    BadRequest(String),
    /// 429 with the seconds to wait, in `parameters` and in the header.
    TooManyRequests(u64),
    /// 429 with the seconds to wait in the header alone, and a page of a proxy.
    TooManyRequestsPage(u64),
    /// A status of 500 and more with the API's envelope.
    ServerError(u16),
    /// A status of 500 and more with a page of a proxy.
    ServerErrorPage(u16),
    /// The connection breaks; no byte of an answer is written.
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
    /// With this method alone.
    #[serde(default)]
    pub method: Option<String>,
    /// In this chat alone.
    #[serde(default)]
    pub chat: Option<i64>,
    /// How often.
    #[serde(flatten)]
    pub chance: Chance,
}

impl Rule {
    /// This fault with every request, for ever.
    pub fn new(fault: Fault) -> Self {
        Self { fault, method: None, chat: None, chance: Chance::default() }
    }

    /// With this method alone.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// In this chat alone.
    #[must_use]
    pub fn chat(mut self, chat: i64) -> Self {
        self.chat = Some(chat);
        self
    }

    pub(crate) fn fits(&self, method: &str, chat: Option<i64>) -> bool {
        let method = self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method));
        method && (self.chat.is_none() || self.chat == chat)
    }
}

openpact_fake_kit::rule!(Rule, Fault);

impl Fault {
    /// The refusal that it is, where it is one.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        Some(match self {
            Self::Unauthorized => Refusal::unauthorized(),
            Self::Conflict => Refusal::conflict(),
            Self::Forbidden => Refusal::forbidden("bot was blocked by the user"),
            Self::BadRequest(why) => Refusal::new(400, why.clone()),
            Self::TooManyRequests(seconds) => Refusal::too_many(*seconds),
            Self::ServerError(status) => Refusal::new(*status, "Internal Server Error".to_owned()),
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

/// Something that is JSON and no answer of this API.
pub(crate) fn misshapen() -> Value {
    json!({"ok": "yes", "result": {"unexpected": [1, null]}})
}
