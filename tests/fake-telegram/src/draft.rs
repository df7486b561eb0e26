//! A message of a person on its way to the bot.

use serde_json::{Value, json};

use crate::chat::Chat;
use crate::markup::{self, Entity};
use crate::world::{Update, User};

/// Who writes for an anonymous admin, and for a channel in its group (as the platform has it).
const ANONYMOUS: (i64, &str, &str) = (1_087_968_824, "Group", "GroupAnonymousBot");

/// A message that is not sent yet.
#[must_use = "it is sent by `send`"]
pub struct Draft {
    chat: Chat,
    message: Value,
    text: String,
    caption: bool,
    entities: Option<Vec<Entity>>,
    reply_to: Option<i64>,
    service: bool,
}

impl Draft {
    pub(crate) fn new(chat: Chat, user: Option<&User>, text: &str) -> Self {
        let object = chat.room(|room| room.object.clone());
        let mut message = json!({"chat": object});
        match user {
            Some(user) => message["from"] = user.object(),
            None => message["sender_chat"] = object,
        }
        let text = text.to_owned();
        Self { chat, message, text, caption: false, entities: None, reply_to: None, service: false }
    }

    /// The platform itself says that something happened.
    pub(crate) fn service(mut self) -> Self {
        self.service = true;
        self
    }

    /// Any field, with any value.
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.message[field] = value;
        self
    }

    /// In a topic.
    pub fn thread(self, topic: i64) -> Self {
        self.with("message_thread_id", topic.into()).with("is_topic_message", true.into())
    }

    /// As a reply to that message.
    pub fn reply_to(mut self, message_id: i64) -> Self {
        self.reply_to = Some(message_id);
        self
    }

    /// Forwarded: somebody else wrote it.
    pub fn forwarded_from(self, user: &User) -> Self {
        let date = self.chat.date();
        self.with("forward_origin", json!({"type": "user", "date": date, "sender_user": user.object()}))
    }

    /// Forwarded from somebody who does not want to be named.
    pub fn forwarded_from_hidden(self, name: &str) -> Self {
        let date = self.chat.date();
        self.with("forward_origin", json!({"type": "hidden_user", "date": date, "sender_user_name": name}))
    }

    /// By an admin of the group who does not show who they are.
    pub fn anonymous(mut self) -> Self {
        let (id, name, username) = ANONYMOUS;
        let from = User { id, name: name.to_owned(), username: Some(username.to_owned()), is_bot: true };
        self.message["from"] = from.object();
        self.message["sender_chat"] = self.message["chat"].clone();
        self
    }

    /// With these entities in place of those that the platform finds.
    pub fn entities(mut self, entities: Vec<Entity>) -> Self {
        self.entities = Some(entities);
        self
    }

    /// The text stands below a picture or a file.
    pub fn caption(mut self, text: &str) -> Self {
        self.caption = true;
        text.clone_into(&mut self.text);
        self
    }

    /// With a file; the text becomes its caption.
    pub fn document(mut self, name: &str, media_type: &str, bytes: &[u8]) -> Self {
        let id = self.chat.bot.file(bytes);
        self.caption = true;
        self.with(
            "document",
            json!({"file_id": id, "file_unique_id": format!("u{id}"), "file_name": name, "mime_type": media_type, "file_size": bytes.len()}),
        )
    }

    /// Sends it. A bot in privacy mode does not see it unless it is meant for it.
    pub fn send(mut self) -> Update {
        let id = self.chat.next_message();
        self.message["message_id"] = id.into();
        self.message["date"] = self.chat.date().into();
        if !self.text.is_empty() {
            let (text, entities) =
                if self.caption { ("caption", "caption_entities") } else { ("text", "entities") };
            self.message[text] = self.text.as_str().into();
            let found = self.entities.take().unwrap_or_else(|| markup::detect(&self.text));
            if !found.is_empty() {
                self.message[entities] = json!(found);
            }
        }
        self.reply();
        let message = self.message.clone();
        self.chat.room(|room| room.messages.insert(id, message.clone()));
        if !self.is_seen() {
            return Update { update_id: 0, message_id: id };
        }
        let kind = if message["chat"]["type"] == "channel" { "channel_post" } else { "message" };
        self.chat.bot.enqueue(json!({ kind: message }), id)
    }

    /// Puts in the message that it replies to. In supergroups without topics the platform numbers the chain of replies
    /// as a thread, which is none to write to.
    fn reply(&mut self) {
        let Some(id) = self.reply_to else { return };
        let replied = self.chat.room(|room| room.messages.get(&id).cloned());
        let mut replied = replied.expect("a message that was sent");
        if self.message["chat"]["type"] == "supergroup" && self.message.get("message_thread_id").is_none() {
            let root = replied.get("message_thread_id").cloned().unwrap_or_else(|| id.into());
            self.message["message_thread_id"] = root;
        }
        replied.as_object_mut().expect("a message is an object").remove("reply_to_message");
        self.message["reply_to_message"] = replied;
    }

    /// Whether the bot gets it. In privacy mode it gets of a group what is certain to be meant for it, and a mention is
    /// not (<https://core.telegram.org/bots/faq#what-messages-will-my-bot-get>).
    fn is_seen(&self) -> bool {
        let private = !matches!(self.message["chat"]["type"].as_str(), Some("group" | "supergroup"));
        let privacy = self.chat.bot.change(|account| account.privacy);
        private || !privacy || self.service || self.is_reply_to_bot() || self.is_command_for_bot()
    }

    fn is_reply_to_bot(&self) -> bool {
        self.message["reply_to_message"]["from"]["id"] == self.chat.bot.user().id
    }

    /// A command that names the bot, or none while the bot was the last one to speak.
    fn is_command_for_bot(&self) -> bool {
        let command = self.text.split_whitespace().next().filter(|word| word.starts_with('/'));
        let Some(command) = command.filter(|_| !self.caption) else { return false };
        let me = self.chat.bot.user();
        if let Some((_, named)) = command.split_once('@') {
            return me.username.is_some_and(|username| username == named);
        }
        self.chat.room(|room| {
            let last = room.messages.values().rfind(|message| message["from"]["is_bot"] == true);
            last.is_some_and(|message| message["from"]["id"] == me.id)
        })
    }
}
