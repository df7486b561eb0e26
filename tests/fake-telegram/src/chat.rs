//! A chat with a bot in it, as a test holds it.

use openpact_fake_kit::clock;
use serde_json::{Value, json};

use crate::album::Album;
use crate::bot::Bot;
use crate::draft::Draft;
use crate::markup;
use crate::world::{Room, Sent, Update, User};

/// A chat with a bot in it.
#[derive(Clone)]
pub struct Chat {
    pub(crate) bot: Bot,
    id: i64,
}

impl Chat {
    pub(crate) fn new(bot: Bot, id: i64) -> Self {
        Self { bot, id }
    }

    /// Its id.
    pub fn id(&self) -> i64 {
        self.id
    }

    pub(crate) fn room<T>(&self, change: impl FnOnce(&mut Room) -> T) -> T {
        self.bot.change(|account| change(account.room.get_mut(&self.id).expect("chats are never forgotten")))
    }

    pub(crate) fn date(&self) -> i64 {
        self.bot.with_world(|world| clock::seconds(world.now()))
    }

    pub(crate) fn next_message(&self) -> i64 {
        self.bot.change(|account| account.message_id(self.id))
    }

    /// A new topic, for chats made by [`Bot::forum`]; gives its id.
    pub fn topic(&self, name: &str) -> i64 {
        let id = self.next_message();
        self.room(|room| room.topics.insert(id, name.to_owned()));
        id
    }

    /// A person says something.
    pub fn say(&self, user: &User, text: &str) -> Update {
        self.draft(user, text).send()
    }

    /// A message to which more is to be said before it is sent.
    pub fn draft(&self, user: &User, text: &str) -> Draft {
        Draft::new(self.clone(), Some(user), text)
    }

    /// A post, in a channel.
    pub fn post(&self, text: &str) -> Update {
        Draft::new(self.clone(), None, text).send()
    }

    /// A person changes a message: its text, or else what stands below its picture.
    ///
    /// # Panics
    /// When there is no such message.
    pub fn edit(&self, message_id: i64, text: &str) -> Update {
        let date = self.date();
        let message = self.room(|room| {
            let message = room.messages.get_mut(&message_id).expect("a message that was sent");
            let (words, marks) = if message["text"].is_string() {
                ("text", "entities")
            } else {
                ("caption", "caption_entities")
            };
            message[words] = text.into();
            message["edit_date"] = date.into();
            message.as_object_mut().expect("a message is an object").remove(marks);
            let entities = markup::detect(text);
            if !entities.is_empty() {
                message[marks] = json!(entities);
            }
            message.clone()
        });
        let kind =
            if message["chat"]["type"] == "channel" { "edited_channel_post" } else { "edited_message" };
        self.bot.enqueue(json!({ kind: message }), message_id)
    }

    /// A person presses a button below a message; gives the update and the id of the query.
    ///
    /// # Panics
    /// When there is no such message.
    pub fn press(&self, user: &User, message_id: i64, data: &str) -> (Update, String) {
        let message = self.room(|room| room.messages.get(&message_id).cloned());
        let message = message.expect("a message that was sent");
        let id = self.bot.change(|account| {
            let id = format!("{}{:09}", account.user.id, account.next_update);
            account.queries.insert(id.clone());
            id
        });
        let query = json!({
            "id": id,
            "from": user.object(),
            "message": message,
            "chat_instance": format!("{}", self.id.unsigned_abs()),
            "data": data,
        });
        (self.bot.enqueue(json!({ "callback_query": query }), message_id), id)
    }

    /// A service message: `{"new_chat_title": "x"}` and the like.
    pub fn service(&self, user: &User, fields: &Value) -> Update {
        let mut draft = self.draft(user, "").service();
        for (key, value) in fields.as_object().into_iter().flatten() {
            draft = draft.with(key, value.clone());
        }
        draft.send()
    }

    /// An album of photos, which are messages of their own; the caption is the first one's.
    pub fn album(&self, user: &User, caption: &str, photos: &[&[u8]]) -> Album {
        Album::new(self, user, caption, photos)
    }

    /// What the bot sent here, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.room(|room| room.sent.clone())
    }

    /// From now on the bot may not write here, as when the person has blocked it.
    pub fn block(&self, why: &str) {
        self.room(|room| room.closed = Some(why.to_owned()));
    }

    /// It may again.
    pub fn unblock(&self) {
        self.room(|room| room.closed = None);
    }
}
