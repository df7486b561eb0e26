//! What an update means to the host.

mod album;
mod attachment;
mod raw;

use std::collections::BTreeSet;

use openpact_sdk::adapter::{
    Audience, ButtonPress, Channel, CommandUse, Happening, InboundEvent, InboundMessage, Occasion, Quoted,
    Sender, SenderKind,
};
use openpact_sdk::serde_json::Value;
use openpact_text::foreign::name;
use teloxide_core::types::{
    CallbackQuery, Chat, MediaKind, Message, MessageEntity, MessageEntityKind, MessageKind, MessageOrigin,
    UpdateKind, User,
};

use crate::command;
use crate::entity::Text;

pub(crate) use raw::{Album, Raw, Unreadable};

/// For whom updates are read.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    /// The bot itself.
    pub(crate) me: User,
    /// The chats in which everything is answered.
    pub(crate) respond_all: BTreeSet<String>,
    /// The other bots that are listened to.
    pub(crate) bots: BTreeSet<String>,
}

impl Reader {
    /// The event that an update is; `None` for one that is not for the assistant.
    pub(crate) fn read(&self, raw: &Raw) -> Result<Option<InboundEvent>, Unreadable> {
        Ok(match raw.kind()? {
            UpdateKind::Message(message) | UpdateKind::ChannelPost(message) => {
                self.message(&[message], &[], None)
            }
            UpdateKind::EditedMessage(message) => {
                let revision = revision(&message, raw.id);
                self.message(&[message], &[], Some(revision))
            }
            UpdateKind::CallbackQuery(query) => self.press(&query),
            _ => None,
        })
    }

    /// What was said in these messages, which are one to the person who sent them: the first one names it. `beside` them
    /// others of the same album were delivered.
    fn message(&self, parts: &[Message], beside: &[Message], edit: Option<u64>) -> Option<InboundEvent> {
        let parts: Vec<_> = parts.iter().filter(|part| is_said(part, edit.is_some())).collect();
        let message = *parts.first()?;
        let sender = self.sender(message)?;
        let is_own = edit.is_none() && !is_of_others(message) && parts.len() == 1;
        let happening = match self.command(message).filter(|_| is_own) {
            Some(Command::Ours(command)) => Happening::Command(command),
            Some(Command::Others) => return None,
            None => {
                let occasion = self.occasion(message, parts.iter().copied().chain(beside))?;
                let body = self.inbound(&parts, occasion)?;
                if edit.is_some() { Happening::Edit(body) } else { Happening::Message(body) }
            }
        };
        Some(InboundEvent {
            account: self.me.id.to_string(),
            id: format!("{}:{}", message.chat.id, message.id),
            revision: edit.unwrap_or(0),
            time: milliseconds(message.date.timestamp()),
            channel: channel(message),
            sender,
            happening,
        })
    }

    /// Who wrote it; `None` for those who are not listened to.
    ///
    /// What an anonymous administrator or a channel writes comes in the name of a chat (`sender_chat`; `from` is then a
    /// stand-in of Telegram's). The sender is that chat: its id is negative, so that it is never that of a person. What
    /// is posted in a channel may be written by another bot, which nothing shows: it counts as one.
    fn sender(&self, message: &Message) -> Option<Sender> {
        if let Some(chat) = &message.sender_chat {
            let kind = if message.chat.is_channel() { SenderKind::Bot } else { SenderKind::Person };
            return (chat.id.0 < 0).then(|| Sender {
                id: chat.id.to_string(),
                display_name: chat.title().unwrap_or("a chat").to_owned(),
                handle: chat.username().map(str::to_owned),
                kind,
            });
        }
        self.user(message.from.as_ref()?)
    }

    fn user(&self, user: &User) -> Option<Sender> {
        let id = user.id.to_string();
        if user.id == self.me.id || user.is_bot && !self.bots.contains(&id) {
            return None;
        }
        let kind = if user.is_bot { SenderKind::Bot } else { SenderKind::Person };
        Some(Sender { id, display_name: user.full_name(), handle: user.username.clone(), kind })
    }

    /// Why it is said to the assistant, where one of `all` shows it; `None` where none does.
    fn occasion<'a>(
        &self,
        message: &Message,
        all: impl Iterator<Item = &'a Message> + Clone,
    ) -> Option<Occasion> {
        if message.chat.is_private() {
            return Some(Occasion::Direct);
        }
        let mentions = |message: &Message| {
            let text = text(message);
            text.spans.iter().any(|span| text.mentions(span, &self.me))
        };
        if all.clone().any(mentions) {
            return Some(Occasion::Mention);
        }
        if all.filter_map(replied).any(|replied| self.is_ours(replied)) {
            return Some(Occasion::Reply);
        }
        self.respond_all.contains(&message.chat.id.to_string()).then_some(Occasion::EveryMessage)
    }

    fn is_ours(&self, message: &Message) -> bool {
        message.sender_chat.is_none() && message.from.as_ref().is_some_and(|user| user.id == self.me.id)
    }

    fn inbound(&self, parts: &[&Message], occasion: Occasion) -> Option<InboundMessage> {
        let message = parts.first()?;
        let mut lines: Vec<String> = vec![];
        for part in parts {
            // What holds for a whole album, such as where it was forwarded from, is said once.
            let more: Vec<_> = self.lines(part).into_iter().filter(|line| !lines.contains(line)).collect();
            lines.extend(more);
        }
        let attachments: Vec<_> = parts.iter().filter_map(|part| attachment::file(part)).collect();
        // A mention alone is said to the assistant too; what has no text and no file is nothing.
        if lines.is_empty() && attachments.is_empty() && occasion != Occasion::Mention {
            return None;
        }
        Some(InboundMessage {
            id: message.id.to_string(),
            text: lines.join("\n"),
            others: parts.iter().any(|part| is_of_others(part)),
            attachments,
            reply_to: parts.iter().find_map(|part| Some(self.quoted(part, replied(part)?))),
            occasion,
        })
    }

    /// What is said in it, and how it came about.
    fn lines(&self, message: &Message) -> Vec<String> {
        let mut lines = vec![];
        if let Some(origin) = message.forward_origin() {
            lines.push(format!("[forwarded from {}]", origin_name(origin)));
        }
        if let Some(bot) = &message.via_bot {
            lines.push(format!("[sent by way of {}]", name(&bot.full_name())));
        }
        lines.extend(attachment::other(message));
        let body = text(message).without_leading_mention(&self.me).markdown();
        lines.extend(Some(body).filter(|body| !body.trim().is_empty()));
        lines
    }

    fn quoted(&self, message: &Message, replied: &Message) -> Quoted {
        let sender = match &replied.sender_chat {
            Some(chat) => Some(chat.id.to_string()),
            None => replied.from.as_ref().map(|user| user.id.to_string()),
        };
        // What the person picked out of it, or else all of it.
        let text = match message.quote() {
            Some(quote) => quote.text.clone(),
            None => [attachment::line(replied), Some(text(replied).markdown())]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("\n"),
        };
        Quoted {
            id: replied.id.to_string(),
            sender,
            ours: self.is_ours(replied),
            others: is_of_others(replied),
            text: Some(text).filter(|text| !text.trim().is_empty()),
        }
    }

    /// The command that a message is.
    fn command(&self, message: &Message) -> Option<Command> {
        message.text()?;
        let text = text(message).without_leading_mention(&self.me);
        let span = text.spans.iter().find(|span| span.kind == MessageEntityKind::BotCommand)?;
        if !text.text[..span.range.start].trim().is_empty() {
            return None;
        }
        let command = text.of(span).trim_start_matches('/');
        let (name, bot) = match command.split_once('@') {
            Some((name, bot)) => (name, Some(bot)),
            None => (command, None),
        };
        let ours = bot.is_none_or(|bot| {
            self.me.username.as_deref().is_some_and(|username| username.eq_ignore_ascii_case(bot))
        });
        if !ours {
            return Some(Command::Others);
        }
        Some(Command::Ours(CommandUse {
            interaction: None,
            message: Some(message.id.to_string()),
            name: command::spelling(name)?,
            arguments: text.text[span.range.end..].trim().to_owned(),
        }))
    }

    fn press(&self, query: &CallbackQuery) -> Option<InboundEvent> {
        let message = query.message.as_ref()?;
        let regular = message.regular_message();
        let channel = match regular {
            Some(message) => channel(message),
            None => place(message.chat(), None),
        };
        let interaction = Interaction {
            query: query.id.0.clone(),
            chat: channel.id.clone(),
            thread: channel.thread.clone(),
            message: message.id().to_string(),
        };
        Some(InboundEvent {
            account: self.me.id.to_string(),
            id: format!("callback:{}", query.id.0),
            revision: 0,
            // Telegram does not say when a button was pressed.
            time: milliseconds(openpact_sdk::clock::now().as_secs().try_into().unwrap_or(0)),
            channel,
            sender: self.user(&query.from)?,
            happening: Happening::Button(ButtonPress {
                interaction: interaction.to_text(),
                message: message.id().to_string(),
                value: query.data.clone()?,
            }),
        })
    }
}

/// Whose command it is.
enum Command {
    Ours(CommandUse),
    Others,
}

/// What an answer to a press of a button needs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Interaction {
    /// The query.
    pub(crate) query: String,
    /// Where the button is.
    pub(crate) chat: String,
    /// The topic there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thread: Option<String>,
    /// The message that has the button.
    pub(crate) message: String,
}

impl Interaction {
    fn to_text(&self) -> String {
        openpact_sdk::serde_json::json!(self).to_string()
    }
}

/// Its text, or what is written below its picture.
fn text(message: &Message) -> Text {
    let (text, entities): (_, Option<&[MessageEntity]>) = match message.text() {
        Some(text) => (text, message.entities()),
        None => (message.caption().unwrap_or_default(), message.caption_entities()),
    };
    Text::new(text, entities.unwrap_or_default())
}

/// Whether it is something that is said at all, and not one of Telegram's own messages.
fn is_said(message: &Message, is_edited: bool) -> bool {
    let MessageKind::Common(common) = &message.kind else { return false };
    match common.media_kind {
        MediaKind::Migration(_) => false,
        // A live location is changed with every step of whoever shares it, and nobody edits a place by hand.
        MediaKind::Location(_) if is_edited => false,
        // What a channel posts is there once already: as the post itself.
        _ => !common.is_automatic_forward,
    }
}

/// Whether it holds what somebody else than the sender wrote: it is forwarded, or a bot made it on the sender's behalf, or
/// a line of ours repeats words that come with a contact or the like. Of a message that is not understood nobody knows.
fn is_of_others(message: &Message) -> bool {
    let MessageKind::Common(common) = &message.kind else { return true };
    common.forward_origin.is_some() || message.via_bot.is_some() || attachment::has_words(&common.media_kind)
}

/// The message that it replies to. In a topic, every message that replies to nothing seems to reply to the one that
/// began the topic.
fn replied(message: &Message) -> Option<&Message> {
    let replied = message.reply_to_message()?;
    let is_topic = message.thread_id.is_some_and(|thread| thread.0 == replied.id) && message.is_topic_message;
    (!is_topic).then_some(replied)
}

fn channel(message: &Message) -> Channel {
    // A thread id stands in replies of every supergroup; a topic it is only where Telegram says so.
    let thread = message.thread_id.filter(|_| message.is_topic_message);
    place(&message.chat, thread.map(|thread| thread.0.to_string()))
}

fn place(chat: &Chat, thread: Option<String>) -> Channel {
    let public = chat.is_channel() || chat.is_supergroup() && chat.username().is_some();
    let audience = if chat.is_private() {
        Audience::Direct
    } else if public || !(chat.is_group() || chat.is_supergroup()) {
        Audience::Public
    } else {
        Audience::Group
    };
    let person = || {
        let names = [chat.first_name(), chat.last_name()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        Some(names).filter(|names| !names.is_empty())
    };
    let name = chat.title().map(str::to_owned).or_else(person);
    Channel { id: chat.id.to_string(), thread, name, audience }
}

/// Who wrote first what was forwarded: text, never identity.
fn origin_name(origin: &MessageOrigin) -> String {
    match origin {
        MessageOrigin::User { sender_user, .. } => name(&sender_user.full_name()),
        MessageOrigin::HiddenUser { sender_user_name, .. } => name(sender_user_name),
        MessageOrigin::Chat { sender_chat: chat, .. } | MessageOrigin::Channel { chat, .. } => {
            name(chat.title().unwrap_or("a chat"))
        }
    }
}

/// The time of the edit in milliseconds. Telegram's clock has seconds only: the number of the update tells two edits
/// in one second apart.
fn revision(message: &Message, update: u64) -> u64 {
    let edited = message.edit_date().unwrap_or(&message.date).timestamp();
    milliseconds(edited).max(1_000) + update % 1_000
}

fn milliseconds(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000)
}

/// Takes a value apart that may not be there.
pub(crate) fn integer(value: &Value, key: &str) -> Option<i64> {
    value.get(key)?.as_i64()
}

#[cfg(test)]
mod tests;
