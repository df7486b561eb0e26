//! Section `chat`: the chat platforms, and how often people may write.

use std::collections::{BTreeMap, BTreeSet};

use openpact_model::chat::Detail;
use openpact_model::role::Role;
use openpact_orchestrator::chat::Place;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tools::Rate;
use super::unit::Span;
use super::users::Identifier;

/// The chat platforms, and how often people may write.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Chat {
    /// The platforms, by the name of the component that connects each.
    #[schemars(extend("x-example-name" = "telegram"))]
    pub(crate) providers: BTreeMap<String, Provider>,
    /// How often people may write: a number at once, and then so many a minute.
    pub(crate) rate: Rates,
}

/// One platform.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Provider {
    /// Whether it is connected; `true` unless stated.
    #[schemars(extend("examples" = [true]))]
    pub(crate) enabled: Option<bool>,
    /// What people may do whom nobody named: `nobody` answers them once with a code by which an owner can let them
    /// in, `guest` lets everybody talk who finds the assistant.
    pub(crate) default: Unknown,
    /// How fast messages are sent, where it should be slower than the platform allows.
    pub(crate) pace: Pace,
    /// Whether an answer is shown while it is written: its messages are changed in place, about once a second. Each
    /// change counts against the limits of the platform.
    pub(crate) stream: bool,
    /// Single channels, by the identifier that the platform gives them.
    #[schemars(extend("x-example-name" = "\"-1001234567890\""))]
    pub(crate) channels: BTreeMap<String, Channel>,
    /// Where `chat_send` may send to besides the current channel and people who are known: `channel:ID` or `user:ID`.
    /// What is private may go there, too.
    #[schemars(extend("examples" = [["channel:-1001234567890", "user:123456789"]]))]
    pub(crate) send_to: Vec<Identifier>,
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Channel {
    /// What people may do here whom nobody named, in place of what holds for the platform.
    #[schemars(extend("examples" = ["guest"]))]
    pub(crate) default: Option<Unknown>,
    /// What the assistant answers: what is said to it (`addressed`), or every message (`all`).
    pub(crate) respond: Respond,
    /// How much of its work the assistant shows, until '/mode' says otherwise.
    #[schemars(with = "Option<DetailName>", extend("examples" = ["simple"]))]
    pub(crate) detail: Option<Detail>,
    /// Whether an answer is shown while it is written, in place of what holds for the platform.
    #[schemars(extend("examples" = [true]))]
    pub(crate) stream: Option<bool>,
}

/// What somebody is whom nobody named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unknown {
    /// Nobody: refused.
    #[default]
    Nobody,
    /// A guest.
    Guest,
}

/// What the assistant answers in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Respond {
    /// What is said to it.
    #[default]
    Addressed,
    /// Every message.
    All,
}

/// How fast messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Pace {
    /// The most messages in one second over all channels.
    #[schemars(extend("examples" = [30]), range(min = 1))]
    pub(crate) per_second: Option<u32>,
    /// The least time between two messages in one channel.
    #[schemars(extend("examples" = ["1s"]))]
    pub(crate) per_channel: Option<Span>,
}

/// How often people may write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rates {
    /// One owner or member.
    pub(crate) person: Rate,
    /// One guest.
    pub(crate) guest: Rate,
    /// All together in one channel.
    pub(crate) channel: Rate,
}

/// The names of the detail modes, for the schema.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase", inline)]
#[expect(dead_code, reason = "only its schema is used: the mode itself knows nothing of schemas")]
enum DetailName {
    /// The text alone.
    Simple,
    /// The model's reasoning too.
    Thinking,
    /// The calls of tools too.
    Tools,
    /// Both.
    Full,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            person: Rate { burst: 10, per_minute: 20 },
            guest: Rate { burst: 5, per_minute: 5 },
            channel: Rate { burst: 30, per_minute: 60 },
        }
    }
}

impl Unknown {
    /// The role that such a person has, if any.
    pub(crate) fn role(self) -> Option<Role> {
        match self {
            Self::Nobody => None,
            Self::Guest => Some(Role::Guest),
        }
    }
}

impl Chat {
    /// What cannot be meant: the key, and a sentence.
    pub(super) fn contradictions(&self) -> Vec<(String, String)> {
        let Rates { person, guest, channel } = &self.rate;
        let rates = [("person", person), ("guest", guest), ("channel", channel)];
        let zero = rates.into_iter().filter(|(_, rate)| rate.burst == 0 || rate.per_minute == 0);
        let rates = zero.map(|(key, _)| {
            let key = format!("chat.rate.{key}");
            let message = format!(
                "'{key}': a rate of 0 would let nobody speak; 'openpact user remove' takes one person out"
            );
            (key, message)
        });
        let paces = self.providers.iter().filter(|(_, provider)| provider.pace.per_second == Some(0));
        let paces = paces.map(|(name, _)| {
            let key = format!("chat.providers.{name}.pace.per_second");
            let message = format!("'{key}': 0 messages a second would send nothing; use 'enabled: false' to switch a platform off");
            (key, message)
        });
        let targets = self.providers.iter().flat_map(|(name, provider)| {
            let key = format!("chat.providers.{name}.send_to");
            provider.send_to.iter().filter_map(move |one| {
                let why = one.0.parse::<Place>().err()?;
                Some((key.clone(), format!("'{key}': '{}': {why}", one.0)))
            })
        });
        rates.chain(paces).chain(targets).collect()
    }
}

impl Provider {
    /// Where tools may send to besides. What is no place was refused when the configuration was read.
    pub(crate) fn places(&self) -> BTreeSet<Place> {
        self.send_to.iter().filter_map(|one| one.0.parse().ok()).collect()
    }
}
