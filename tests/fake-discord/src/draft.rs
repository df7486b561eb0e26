//! A message of a person on its way to the bot.

use serde_json::{Value, json};

use crate::channel::Channel;
use crate::world::{User, draft, mentioned};

/// A message that is not sent yet.
#[must_use = "it is sent by `send`"]
pub struct Draft {
    channel: Channel,
    message: Value,
    reply_to: Option<u64>,
    pings: bool,
}

impl Draft {
    pub(crate) fn new(channel: Channel, user: &User, text: &str) -> Self {
        let id = channel.id();
        let message = channel.bot.change(|world| draft(world, id, &user.object(), text));
        Self { channel, message, reply_to: None, pings: true }
    }

    /// Any field, with any value.
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.message[field] = value;
        self
    }

    /// Mentions somebody in front of the text.
    pub fn mention(mut self, user: &User) -> Self {
        let text = self.message["content"].as_str().unwrap_or_default();
        self.message["content"] = format!("<@{}> {text}", user.id).into();
        self
    }

    /// As a reply to that message, which tells its author.
    pub fn reply_to(mut self, message: u64) -> Self {
        self.reply_to = Some(message);
        self
    }

    /// As a reply that does not tell the author.
    pub fn quiet_reply_to(mut self, message: u64) -> Self {
        self.pings = false;
        self.reply_to(message)
    }

    /// With a file.
    ///
    /// # Panics
    /// When the field `attachments` was given another value.
    pub fn attachment(mut self, name: &str, media_type: &str, bytes: &[u8]) -> Self {
        let id = self.channel.id();
        let attachment = self.channel.bot.change(|world| world.store(id, name, media_type, bytes));
        self.message["attachments"].as_array_mut().expect("it is a list").push(attachment);
        self
    }

    /// A forwarded message: what it said lies beside the text, which is empty, and nobody says who wrote it.
    pub fn forwarded(self, text: &str) -> Self {
        let stamp = self.message["timestamp"].clone();
        let snapshot = json!({"message": {
            "type": 0,
            "content": text,
            "mentions": [],
            "mention_roles": [],
            "attachments": [],
            "embeds": [],
            "timestamp": stamp,
            "edited_timestamp": null,
            "flags": 0,
            "components": [],
        }});
        let elsewhere = json!({"type": 1, "channel_id": "1", "message_id": "1"});
        self.with("content", "".into())
            .with("message_reference", elsewhere)
            .with("message_snapshots", json!([snapshot]))
            .with("flags", (1 << 14).into())
    }

    /// By a webhook, which has a name of its own.
    pub fn webhook(mut self, id: u64, name: &str) -> Self {
        let author = User { id, name: name.to_owned(), is_bot: true };
        self.message["author"] = author.object();
        self.message["author"]["discriminator"] = "0000".into();
        self.with("webhook_id", id.to_string().into())
    }

    /// A message of the system, such as 7: somebody joined.
    pub fn system(self, kind: u64) -> Self {
        self.with("type", kind.into())
    }

    /// Sends it; gives its id.
    ///
    /// # Panics
    /// When the message that it replies to is not there.
    pub fn send(mut self) -> u64 {
        let channel = self.channel.id();
        let bot = self.channel.bot.clone();
        bot.change(|world| {
            let content = self.message["content"].as_str().unwrap_or_default();
            let known = mentioned(content).into_iter().filter(|id| world.users.contains_key(id));
            let mut mentions: Vec<Value> = known.map(|id| world.user_object(id)).collect();
            if let Some(id) = self.reply_to {
                let replied = world.rooms[&channel].messages.get(&id).cloned();
                let mut replied = replied.expect("a message that was sent");
                if self.pings && !mentions.contains(&replied["author"]) {
                    mentions.push(replied["author"].clone());
                }
                replied.as_object_mut().expect("a message is an object").remove("referenced_message");
                let mut reference =
                    json!({"type": 0, "channel_id": channel.to_string(), "message_id": id.to_string()});
                world.place(&mut reference, channel);
                self.message["message_reference"] = reference;
                self.message["referenced_message"] = replied;
                self.message["type"] = 19.into();
            }
            self.message["mention_everyone"] = content_names_everyone(&self.message).into();
            self.message["mentions"] = mentions.into();
            world.post(channel, self.message)
        })
    }
}

fn content_names_everyone(message: &Value) -> bool {
    let content = message["content"].as_str().unwrap_or_default();
    content.contains("@everyone") || content.contains("@here")
}
