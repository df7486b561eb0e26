//! The switchboard of faults: what goes wrong, with which requests, how often.

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
    /// So many requests that fit are let through first.
    #[serde(default)]
    pub skip: u64,
    /// How many times; without it, for ever.
    #[serde(default)]
    pub times: Option<u64>,
    /// How likely each time, from 0 to 1; without it, each time.
    #[serde(default)]
    pub chance: Option<f64>,
}

impl Rule {
    /// This fault with every request, for ever.
    pub fn new(fault: Fault) -> Self {
        Self { fault, method: None, chat: None, skip: 0, times: None, chance: None }
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

    /// After so many requests that fit.
    #[must_use]
    pub fn skip(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// So many times.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// With this likelihood, from 0 to 1.
    #[must_use]
    pub fn chance(mut self, chance: f64) -> Self {
        self.chance = Some(chance);
        self
    }

    fn fits(&self, method: &str, chat: Option<i64>) -> bool {
        let method = self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method));
        method && (self.chat.is_none() || self.chat == chat) && self.times != Some(0)
    }
}

/// The rules that hold, and the dice.
#[derive(Debug)]
pub(crate) struct Switchboard {
    rules: Vec<Rule>,
    seed: u64,
}

impl Default for Switchboard {
    fn default() -> Self {
        Self { rules: Vec::new(), seed: 1 }
    }
}

impl Switchboard {
    pub(crate) fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn seed(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// What goes wrong with this request; counted as used.
    pub(crate) fn strike(&mut self, method: &str, chat: Option<i64>) -> Option<Fault> {
        for index in 0..self.rules.len() {
            let chance = self.rules[index].chance;
            let rule = &mut self.rules[index];
            if !rule.fits(method, chat) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if chance.is_some_and(|chance| self.dice() >= chance) {
                continue;
            }
            let rule = &mut self.rules[index];
            rule.times = rule.times.map(|times| times - 1);
            return Some(rule.fault.clone());
        }
        None
    }

    /// A number from 0 to 1 (`SplitMix64`).
    fn dice(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let top = u32::try_from((z ^ (z >> 31)) >> 32).expect("32 bits are left");
        f64::from(top) / f64::from(u32::MAX)
    }
}

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
        matches!(
            self,
            Self::CutAfter
                | Self::CutBody
                | Self::Drip(_)
                | Self::Delay(_)
                | Self::HangAfter
                | Self::Malformed
                | Self::Misshapen
        )
    }
}

/// Something that is JSON and no answer of this API.
pub(crate) fn misshapen() -> Value {
    json!({"ok": "yes", "result": {"unexpected": [1, null]}})
}
