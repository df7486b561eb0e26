//! What an event of Slack's means to the host.

mod raw;

use std::collections::BTreeSet;

use openpact_sdk::adapter::{
    Audience, ButtonPress, Channel, CommandUse, Happening, InboundEvent, InboundMessage, Occasion, Sender,
    SenderKind,
};
use openpact_sdk::serde_json::{self, Value};
use openpact_text::foreign::name;
use slack_morphism::events::{SlackCommandEvent, SlackInteractionBlockActionsEvent, SlackInteractionEvent};

use crate::command;
use crate::mrkdwn;
use crate::render::ACTION;
use crate::thread::{self, Mentions, Thread};

pub(crate) use raw::FileId;
use raw::{Attached, Said};

/// The kind, as we name it, of a direct message in which the assistant may not be.
const PEOPLES: &str = "people's";

/// For whom events are read.
#[derive(Debug)]
pub(crate) struct Reader {
    /// The user of the app's bot: the account.
    pub(crate) user: String,
    /// The bot itself, as it stands in its messages.
    pub(crate) bot: Option<String>,
    /// Its name.
    pub(crate) name: String,
    /// The channels in which everything is answered.
    pub(crate) respond_all: BTreeSet<String>,
    /// The other bots that are listened to.
    pub(crate) bots: BTreeSet<String>,
    /// Who mentioned it where.
    pub(crate) mentions: Mentions,
}

/// Why there is no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is not what its kind should be.
    Unknown(String),
    /// What decides about it cannot be read now.
    Unavailable(String),
}

/// What an answer to a command or a press of a button needs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Interaction {
    /// The address that takes answers for half an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// Where it was.
    pub(crate) channel: String,
    /// Who it was.
    pub(crate) user: String,
    /// The thread there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thread: Option<String>,
}

impl Interaction {
    fn to_text(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

impl Reader {
    /// The event that the payload of `events_api` is; `None` for one that is not for the assistant.
    pub(crate) fn event(&mut self, payload: &Value) -> Result<Option<InboundEvent>, Unread> {
        let Some(said) = Said::read(payload)? else { return Ok(None) };
        if let Some(kind) = &said.kind {
            thread::keep_kind(&said.channel, kind);
        }
        let Some(sender) = self.sender(&said) else { return Ok(None) };
        let Some(occasion) = self.occasion(&said, &sender)? else { return Ok(None) };
        let channel = channel(&said);
        if let (Occasion::Mention, Some(root)) = (occasion, &channel.thread) {
            self.mentions.add(&sender.id, &channel.id, root);
        }
        let others = !said.shared.is_empty();
        let is_own = !others && said.edited.is_none() && said.attached.is_empty();
        let happening = if let Some(command) = self.command(&said, occasion).filter(|_| is_own) {
            Happening::Command(command)
        } else {
            let Some(message) = self.inbound(&said, occasion) else { return Ok(None) };
            if said.edited.is_some() { Happening::Edit(message) } else { Happening::Message(message) }
        };
        Ok(Some(InboundEvent {
            account: self.user.clone(),
            id: format!("{}:{}", said.channel, said.ts),
            revision: said.edited.as_deref().map_or(0, milliseconds),
            time: milliseconds(said.edited.as_deref().unwrap_or(&said.ts)),
            channel,
            sender,
            happening,
        }))
    }

    /// Who wrote it; `None` for those who are not listened to.
    fn sender(&self, said: &Said) -> Option<Sender> {
        let user = said.user.as_deref();
        let bot = said.bot.as_deref();
        if user == Some(self.user.as_str()) || bot.is_some() && bot == self.bot.as_deref() {
            return None;
        }
        if bot.is_some() || said.is_bots {
            // The one by which it is listed is the one that never changes.
            let id = [user, bot].into_iter().flatten().find(|id| self.bots.contains(*id))?;
            let name = said.name.clone().unwrap_or_else(|| id.to_owned());
            return Some(Sender {
                id: id.to_owned(),
                display_name: name,
                handle: None,
                kind: SenderKind::Bot,
            });
        }
        let id = user?.to_owned();
        // Slackbot speaks for the workspace.
        let kind = match id.as_str() {
            "USLACKBOT" if !self.bots.contains("USLACKBOT") => return None,
            "USLACKBOT" => SenderKind::Bot,
            _ => SenderKind::Person,
        };
        let display_name = said.name.clone().unwrap_or_else(|| id.clone());
        Some(Sender { id, display_name, handle: None, kind })
    }

    /// Why it is said to the assistant; `None` where it is not.
    fn occasion(&self, said: &Said, sender: &Sender) -> Result<Option<Occasion>, Unread> {
        if audience(said.kind.as_deref(), &said.channel) == Audience::Direct {
            return Ok(Some(Occasion::Direct));
        }
        if said.is_mention || mrkdwn::mentions(&said.text, &self.user) {
            return Ok(Some(Occasion::Mention));
        }
        if let Some(root) = &said.thread {
            let thread = Thread { account: &self.user, channel: &said.channel, root };
            let joined = if self.mentions.has(&sender.id, &said.channel, root) {
                Ok(true)
            } else {
                thread.is_joined()
            };
            if joined.map_err(|error| Unread::Unavailable(format!("{error:?}")))? {
                return Ok(Some(Occasion::Thread));
            }
        }
        Ok(self.respond_all.contains(&said.channel).then_some(Occasion::EveryMessage))
    }

    /// The command that a message is: one that begins with a slash, in a direct message or behind a mention.
    fn command(&self, said: &Said, occasion: Occasion) -> Option<CommandUse> {
        let text = mrkdwn::without_leading_mention(&said.text, &self.user);
        let is_addressed = occasion == Occasion::Direct || text.len() < said.text.len();
        let (name, arguments) = command::in_message(&mrkdwn::plain(text)).filter(|_| is_addressed)?;
        Some(CommandUse { interaction: None, message: Some(said.ts.clone()), name, arguments })
    }

    fn inbound(&self, said: &Said, occasion: Occasion) -> Option<InboundMessage> {
        let markdown = |text: &str| mrkdwn::markdown(text, &self.user, &self.name);
        let mut lines = vec![];
        let text = markdown(mrkdwn::without_leading_mention(&said.text, &self.user));
        if !text.trim().is_empty() {
            lines.push(text);
        }
        for shared in &said.shared {
            let author = shared.author.as_deref().map_or_else(|| "somebody".to_owned(), name);
            let quoted = markdown(&shared.text);
            let quoted = quoted.lines().map(|line| format!("> {line}")).collect::<Vec<_>>().join("\n");
            lines.push(format!("[forwarded from {author}]\n{quoted}"));
        }
        let attachments: Vec<_> = said.attached.iter().map(Attached::attachment).collect();
        // A mention alone is said to the assistant too; what has no text and no file is nothing.
        if lines.is_empty() && attachments.is_empty() && occasion != Occasion::Mention {
            return None;
        }
        Some(InboundMessage {
            id: said.ts.clone(),
            text: lines.join("\n"),
            others: !said.shared.is_empty(),
            attachments,
            reply_to: None,
            occasion,
        })
    }

    /// The event that the payload of `slash_commands` is.
    pub(crate) fn slash(&self, payload: &Value) -> Result<Option<InboundEvent>, Unread> {
        let command: SlackCommandEvent = read("slash command", payload.clone())?;
        let text = mrkdwn::plain(command.text.as_deref().unwrap_or_default());
        let Some((name, arguments)) = command::read(&command.command.0, &text) else { return Ok(None) };
        let user = command.user_id.0;
        let channel = place(&command.channel_id.0, command.channel_name.as_deref(), None);
        let interaction = Interaction {
            url: Some(command.response_url.0.to_string()),
            channel: channel.id.clone(),
            user: user.clone(),
            thread: None,
        };
        let handle = payload.get("user_name").and_then(Value::as_str).map(str::to_owned);
        Ok(Some(InboundEvent {
            account: self.user.clone(),
            id: format!("command:{}", command.trigger_id.0),
            revision: 0,
            // Slack does not say when a command was used.
            time: now(),
            channel,
            sender: person(user, handle),
            happening: Happening::Command(CommandUse {
                interaction: Some(interaction.to_text()),
                message: None,
                name,
                arguments,
            }),
        }))
    }

    /// The event that the payload of `interactive` is.
    pub(crate) fn interaction(&self, payload: &Value) -> Result<Option<InboundEvent>, Unread> {
        if payload.get("type").and_then(Value::as_str) != Some("block_actions") {
            return Ok(None);
        }
        let thread = raw::container_thread(payload);
        let SlackInteractionEvent::BlockActions(pressed) = read("press", raw::without_blocks(payload))?
        else {
            return Ok(None);
        };
        Ok(self.press(pressed, thread))
    }

    fn press(
        &self,
        pressed: SlackInteractionBlockActionsEvent,
        thread: Option<String>,
    ) -> Option<InboundEvent> {
        let actions = pressed.actions.unwrap_or_default();
        let action = actions.into_iter().find(|action| action.action_id.0.starts_with(ACTION))?;
        let message = raw::container_message(&pressed.container)?;
        let place_of = pressed.channel?;
        let user = pressed.user?;
        let name = place_of.name.as_deref();
        // A message that begins a thread stands in it, as in the events of messages.
        let mut channel = place(&place_of.id.0, name, thread);
        if channel.thread.is_none() && channel.audience != Audience::Direct {
            channel.thread = Some(message.clone());
        }
        let interaction = Interaction {
            url: pressed.response_url.map(|url| url.0.to_string()),
            channel: channel.id.clone(),
            user: user.id.0.clone(),
            thread: channel.thread.clone(),
        };
        Some(InboundEvent {
            account: self.user.clone(),
            id: format!("action:{}", pressed.trigger_id.0),
            revision: 0,
            time: action.action_ts.as_ref().map_or_else(now, |ts| milliseconds(&ts.0)),
            channel,
            sender: person(user.id.0, user.username.or(user.name)),
            happening: Happening::Button(ButtonPress {
                interaction: interaction.to_text(),
                message,
                value: action.value?,
            }),
        })
    }
}

fn read<T: serde::de::DeserializeOwned>(what: &str, payload: Value) -> Result<T, Unread> {
    serde_json::from_value(payload).map_err(|error| Unread::Unknown(format!("{what}: {error}")))
}

fn person(id: String, handle: Option<String>) -> Sender {
    let display_name = handle.clone().unwrap_or_else(|| id.clone());
    Sender { id, display_name, handle, kind: SenderKind::Person }
}

/// Where a message is. Outside direct messages every message is in a thread: its own, if it is in no other. What the
/// assistant answers stands there, and what is answered to that belongs to the same conversation.
fn channel(said: &Said) -> Channel {
    let audience = audience(said.kind.as_deref(), &said.channel);
    let own = || (audience != Audience::Direct).then(|| said.ts.clone());
    Channel { id: said.channel.clone(), thread: said.thread.clone().or_else(own), name: None, audience }
}

/// Where an interaction is: its payload has the kind of the channel in place of a name, where the name is secret. Anybody
/// can give a channel such a name, so it counts only where nothing better is known, and never for a direct message: people
/// use commands in those that they have with each other, too. One with the assistant is known by what was said there.
fn place(id: &str, name: Option<&str>, thread: Option<String>) -> Channel {
    let kind = match name {
        _ if id.starts_with('D') => Some(PEOPLES),
        Some("privategroup") => Some("group"),
        Some(name) if name.starts_with("mpdm-") => Some("mpim"),
        _ => None,
    };
    let name = name.filter(|_| kind.is_none()).map(str::to_owned);
    let known = thread::kind(id);
    Channel { id: id.to_owned(), thread, name, audience: audience(known.as_deref().or(kind), id) }
}

/// Who can read a channel: as this event says, or an earlier one.
fn audience(kind: Option<&str>, id: &str) -> Audience {
    let earlier = || thread::kind(id);
    match kind.map(str::to_owned).or_else(earlier).as_deref() {
        Some("im" | "app_home") => Audience::Direct,
        Some("mpim" | "group" | PEOPLES) => Audience::Group,
        // The ids of direct messages alone begin so.
        None if id.starts_with('D') => Audience::Direct,
        _ => Audience::Public,
    }
}

/// A time of Slack's, `1700000000.000100`, in milliseconds.
pub(crate) fn milliseconds(ts: &str) -> u64 {
    let (seconds, rest) = ts.split_once('.').unwrap_or((ts, ""));
    let digits: String = rest.chars().filter(char::is_ascii_digit).chain("000".chars()).take(3).collect();
    let seconds: u64 = seconds.parse().unwrap_or(0);
    seconds.saturating_mul(1_000).saturating_add(digits.parse().unwrap_or(0))
}

fn now() -> u64 {
    u64::try_from(openpact_sdk::clock::now().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
