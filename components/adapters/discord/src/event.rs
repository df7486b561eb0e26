//! What the gateway dispatches, as events of the host.

mod interaction;
mod place;
mod raw;
mod text;

use std::collections::BTreeSet;

use openpact_sdk::adapter::{
    Attachment, Channel, Happening, InboundEvent, InboundMessage, Occasion, Quoted, Sender, SenderKind,
    ThreadStart,
};
use serde_json::Value;
use serenity::model::channel::{Message, MessageReferenceKind, MessageType};
use serenity::model::user::User;

use crate::api::{Exchange, Failure};

pub(crate) use interaction::{Interaction, Origin};
pub(crate) use place::Places;
pub(crate) use raw::{Unreadable, number};

/// The first millisecond of Discord's ids (API Reference, "Snowflakes").
pub(crate) const EPOCH: u64 = 1_420_070_400_000;

/// For whom events are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    /// The bot itself.
    pub(crate) me: u64,
    /// The channels in which everything is answered.
    pub(crate) respond_all: &'a BTreeSet<u64>,
    /// The other bots and the webhooks that are listened to.
    pub(crate) bots: &'a BTreeSet<u64>,
}

/// Why there is no event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Unread {
    /// It is in a form that is not known.
    Unreadable(Unreadable),
    /// Discord does not say now what has to be known for it.
    Unavailable(String),
}

impl From<Unreadable> for Unread {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unreadable(unreadable)
    }
}

impl From<Failure> for Unread {
    fn from(failure: Failure) -> Self {
        Self::Unavailable(failure.text())
    }
}

/// An event, and what is to be acknowledged once it is delivered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Read {
    /// The event.
    pub(crate) event: InboundEvent,
    /// The interaction that it is.
    pub(crate) interaction: Option<Interaction>,
}

impl Reader<'_> {
    /// The event that a dispatch is; `None` for one that is not for the assistant.
    pub(crate) fn read(
        &self,
        kind: &str,
        data: &Value,
        places: &mut Places,
        api: &impl Exchange,
    ) -> Result<Option<Read>, Unread> {
        match kind {
            "MESSAGE_CREATE" => Ok(self.message(data, false, places, api)?.map(Read::of)),
            "MESSAGE_UPDATE" => Ok(self.message(data, true, places, api)?.map(Read::of)),
            "INTERACTION_CREATE" => self.interaction(data, places, api),
            "THREAD_CREATE" => Ok(self.thread(data, places).map(Read::of)),
            _ => Ok(None),
        }
    }

    fn message(
        &self,
        data: &Value,
        is_edit: bool,
        places: &mut Places,
        api: &impl Exchange,
    ) -> Result<Option<InboundEvent>, Unread> {
        // Discord updates a message too when it has looked at a link in it; then nobody has changed it.
        if is_edit && data.get("edited_timestamp").is_none_or(Value::is_null) {
            return Ok(None);
        }
        // Most messages of a server are for others: that is found out before anything else.
        if !self.is_heard(data) {
            return Ok(None);
        }
        let message = raw::message(data)?;
        if !matches!(
            message.kind,
            MessageType::Regular
                | MessageType::InlineReply
                | MessageType::ChatInputCommand
                | MessageType::ContextMenuCommand
        ) {
            return Ok(None);
        }
        // What is said in a server is never taken for a direct message, even where its name is missing.
        let is_direct = message.guild_id.is_none()
            && data.get("member").is_none()
            && places.known(message.channel_id.get()).is_none();
        let occasion = if is_direct { Some(Occasion::Direct) } else { self.occasion(&message, places, api)? };
        let Some(occasion) = occasion else { return Ok(None) };
        let Some(inbound) = self.inbound(&message, data, occasion, places.roles()) else { return Ok(None) };
        let Some(channel) = channel(&message, is_direct, places, api)? else { return Ok(None) };
        let revision = if is_edit { edited(&message) } else { 0 };
        let happening = if is_edit { Happening::Edit(inbound) } else { Happening::Message(inbound) };
        Ok(Some(InboundEvent {
            account: self.me.to_string(),
            id: message.id.to_string(),
            revision,
            time: time(message.id.get()),
            channel,
            sender: self.sender(&message.author, data.pointer("/member/nick"), message.webhook_id.is_some()),
            happening,
        }))
    }

    /// Whether its author is listened to.
    fn is_heard(&self, data: &Value) -> bool {
        let Some(author) = data.pointer("/author/id").and_then(number) else { return false };
        let is_program = data.pointer("/author/bot").and_then(Value::as_bool).unwrap_or(false)
            || data.pointer("/author/system").and_then(Value::as_bool).unwrap_or(false)
            || data.get("webhook_id").is_some_and(|id| !id.is_null());
        author != self.me && (!is_program || self.bots.contains(&author))
    }

    fn sender(&self, user: &User, nick: Option<&Value>, is_webhook: bool) -> Sender {
        let nick = nick.and_then(Value::as_str).map(str::to_owned);
        let is_bot = user.bot || is_webhook || self.bots.contains(&user.id.get());
        Sender {
            id: user.id.to_string(),
            display_name: nick.or_else(|| user.global_name.clone()).unwrap_or_else(|| user.name.clone()),
            handle: Some(user.name.clone()).filter(|name| !name.is_empty()),
            kind: if is_bot { SenderKind::Bot } else { SenderKind::Person },
        }
    }

    /// Why it is said to the assistant in a server; `None` where it is not.
    fn occasion(
        &self,
        message: &Message,
        places: &mut Places,
        api: &impl Exchange,
    ) -> Result<Option<Occasion>, Unread> {
        if text::mentions(&message.content, self.me, places.roles()) {
            return Ok(Some(Occasion::Mention));
        }
        if message.referenced_message.as_ref().is_some_and(|replied| self.is_ours(replied)) {
            return Ok(Some(Occasion::Reply));
        }
        let channel = message.channel_id.get();
        if self.respond_all.is_empty() || self.respond_all.contains(&channel) {
            return Ok(self.respond_all.contains(&channel).then_some(Occasion::EveryMessage));
        }
        let parent = places.find(channel, time(message.id.get()), api)?.and_then(|place| place.thread_of());
        let is_open = parent.is_some_and(|parent| self.respond_all.contains(&parent));
        Ok(is_open.then_some(Occasion::EveryMessage))
    }

    fn is_ours(&self, message: &Message) -> bool {
        message.author.id.get() == self.me
    }

    fn inbound(
        &self,
        message: &Message,
        data: &Value,
        occasion: Occasion,
        roles: &BTreeSet<u64>,
    ) -> Option<InboundMessage> {
        let own = text::without_leading_mention(&message.content, self.me, roles);
        let mut lines = vec![text::named(own, &message.mentions)];
        let stickers = text::stickers(data);
        // Whoever made a sticker has named it.
        let others = text::is_of_others(message) || !stickers.is_empty();
        lines.extend(stickers);
        lines.extend(text::of_others(message));
        lines.retain(|line| !line.trim().is_empty());
        let attachments = attachments(message);
        // A mention alone is said to the assistant too; what has no text and no file is nothing.
        if lines.is_empty() && attachments.is_empty() && occasion != Occasion::Mention {
            return None;
        }
        Some(InboundMessage {
            id: message.id.to_string(),
            text: lines.join("\n\n"),
            others,
            attachments,
            reply_to: self.quoted(message),
            occasion,
        })
    }

    fn quoted(&self, message: &Message) -> Option<Quoted> {
        if let Some(replied) = &message.referenced_message {
            let mut lines = vec![text::named(&replied.content, &replied.mentions)];
            lines.extend(text::of_others(replied));
            lines.retain(|line| !line.trim().is_empty());
            return Some(Quoted {
                id: replied.id.to_string(),
                sender: Some(replied.author.id.to_string()),
                ours: self.is_ours(replied),
                others: text::is_of_others(replied),
                text: Some(lines.join("\n\n")).filter(|text| !text.is_empty()),
            });
        }
        // It is not there any more, or Discord did not look.
        let reference = message.message_reference.as_ref()?;
        let id = reference.message_id.filter(|_| reference.kind == MessageReferenceKind::Default)?;
        Some(Quoted { id: id.to_string(), sender: None, ours: false, others: false, text: None })
    }

    /// A thread that is new. Discord tells of old ones too, when the bot comes into them.
    fn thread(&self, data: &Value, places: &Places) -> Option<InboundEvent> {
        if data.get("newly_created").and_then(Value::as_bool) != Some(true) {
            return None;
        }
        let (id, owner) = (data.get("id").and_then(number)?, data.get("owner_id").and_then(number)?);
        if owner == self.me {
            return None;
        }
        let parent = data.get("parent_id").and_then(number)?;
        let place = places.known(id)?;
        // In a forum the first message has the id of its thread; elsewhere Discord does not say what it grew from.
        let message = places.known(parent).filter(|parent| parent.is_forum()).map(|_| id.to_string());
        Some(InboundEvent {
            account: self.me.to_string(),
            id: format!("thread:{id}"),
            revision: 0,
            time: time(id),
            channel: place.channel(id, places.known(parent)),
            // Discord says no more of who made it.
            sender: Sender {
                id: owner.to_string(),
                display_name: owner.to_string(),
                handle: None,
                kind: if self.bots.contains(&owner) { SenderKind::Bot } else { SenderKind::Person },
            },
            happening: Happening::Thread(ThreadStart { parent: parent.to_string(), message }),
        })
    }
}

impl Read {
    fn of(event: InboundEvent) -> Self {
        Self { event, interaction: None }
    }
}

/// Where it was said. Whether somebody may speak there, and what is shown, depends on the channel that a thread belongs
/// to: what cannot be found out now is not passed over, and what nobody says is.
fn channel(
    message: &Message,
    is_direct: bool,
    places: &mut Places,
    api: &impl Exchange,
) -> Result<Option<Channel>, Unread> {
    let (id, now) = (message.channel_id.get(), time(message.id.get()));
    if is_direct {
        let name = message.author.global_name.clone().unwrap_or_else(|| message.author.name.clone());
        return Ok(Some(place::direct(id, name)));
    }
    let Some(place) = places.find(id, now, api)? else { return Ok(None) };
    let parent = match place.thread_of() {
        // It tells who reads along, and is for everybody where that is not known.
        Some(parent) => places.find(parent, now, api).ok().flatten(),
        None => None,
    };
    Ok(Some(place.channel(id, parent.as_ref())))
}

/// The files of a message, and of what is forwarded with it.
fn attachments(message: &Message) -> Vec<Attachment> {
    let forwarded = message.message_snapshots.iter().flat_map(|snapshot| &snapshot.attachments);
    let file = |file: &serenity::model::channel::Attachment| Attachment {
        id: file.url.clone(),
        name: Some(file.filename.clone()),
        media_type: file.content_type.clone(),
        size: Some(u64::from(file.size)),
    };
    message.attachments.iter().chain(forwarded).map(file).collect()
}

/// When an id was made, in milliseconds since 1970.
fn time(id: u64) -> u64 {
    (id >> 22) + EPOCH
}

/// When it was changed, in milliseconds since 1970; never 0, which is the message as it was sent.
fn edited(message: &Message) -> u64 {
    let nanoseconds = message.edited_timestamp.map_or(0, |time| time.unix_timestamp_nanos());
    u64::try_from(nanoseconds / 1_000_000).unwrap_or(0).max(1)
}

#[cfg(test)]
mod tests;
