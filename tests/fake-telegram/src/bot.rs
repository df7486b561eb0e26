//! A bot, as a test holds it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::chat::Chat;
use crate::server::Shared;
use crate::specification;
use crate::world::{Account, Room, Update, User, World};

/// A bot of a server.
#[derive(Clone)]
pub struct Bot {
    pub(crate) shared: Arc<Shared>,
    token: Arc<str>,
}

impl Bot {
    pub(crate) fn new(shared: Arc<Shared>, token: &str) -> Self {
        Self { shared, token: token.into() }
    }

    /// Its token.
    pub fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Account) -> T) -> T {
        let mut world = self.shared.world();
        let account = world.bots.get_mut(&*self.token).expect("bots are never forgotten");
        let changed = change(account);
        drop(world);
        self.shared.touch();
        changed
    }

    pub(crate) fn with_world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.shared.world())
    }

    /// It as others see it.
    pub fn user(&self) -> User {
        self.change(|account| account.user.clone())
    }

    /// Its name for mentions, without `@`.
    ///
    /// # Panics
    /// Never: bots have names for mentions.
    pub fn username(&self) -> String {
        self.user().username.expect("bots have names for mentions")
    }

    /// Whether it sees only what is meant for it in groups (its privacy mode): commands and replies, but no mentions. At
    /// first it sees everything, other than a new bot of the real platform.
    pub fn privacy(&self, on: bool) {
        self.change(|account| account.privacy = on);
    }

    /// Takes its token back: from now on it gets 401.
    pub fn revoke(&self) {
        self.change(|account| {
            account.revoked = true;
            account.arrived.notify_waiters();
        });
    }

    /// The chat of a person with it.
    pub fn private(&self, user: &User) -> Chat {
        let mut object = json!({"id": user.id, "type": "private", "first_name": user.name});
        if let Some(username) = &user.username {
            object["username"] = username.as_str().into();
        }
        self.chat(user.id, object)
    }

    /// A group. Its id is below zero.
    pub fn group(&self, id: i64, title: &str) -> Chat {
        self.chat(id, json!({"id": id, "type": "group", "title": title}))
    }

    /// A supergroup. Its id starts with `-100`.
    pub fn supergroup(&self, id: i64, title: &str) -> Chat {
        self.chat(id, json!({"id": id, "type": "supergroup", "title": title}))
    }

    /// A supergroup with topics; [`Chat::topic`] makes them.
    pub fn forum(&self, id: i64, title: &str) -> Chat {
        let chat = self.chat(id, json!({"id": id, "type": "supergroup", "title": title, "is_forum": true}));
        // The number 1 is the general topic's.
        chat.room(|room| room.next_message = room.next_message.max(1));
        chat
    }

    /// A channel. Its id starts with `-100`.
    pub fn channel(&self, id: i64, title: &str) -> Chat {
        self.chat(id, json!({"id": id, "type": "channel", "title": title}))
    }

    fn chat(&self, id: i64, object: Value) -> Chat {
        self.change(|account| {
            account.room.entry(id).or_insert_with(|| Room::new(object));
        });
        Chat::new(self.clone(), id)
    }

    /// Puts an update of any shape into its queue, whether it asked for that kind or not; the fake adds the id.
    pub fn push(&self, update: Value) -> Update {
        let now = self.with_world(|world| world.now());
        let message_id = update["message"]["message_id"].as_i64().unwrap_or(0);
        let update_id = self.change(|account| account.force(now, update));
        Update { update_id, message_id }
    }

    /// An update as the API describes it.
    pub(crate) fn enqueue(&self, update: Value, message_id: i64) -> Update {
        let mut whole = update.clone();
        whole["update_id"] = 1.into();
        let judged = specification::load().map(|judge| judge.judge("Update", &whole));
        if let Some(Err(why)) = judged {
            self.with_world(|world| world.complain([format!("the fake's update: {why}: {whole}")]));
        }
        let now = self.with_world(|world| world.now());
        let update_id = self.change(|account| account.enqueue(now, update));
        Update { update_id, message_id }
    }

    /// A file for [`crate::Draft::document`] and `getFile`; gives its id.
    pub fn file(&self, bytes: &[u8]) -> String {
        self.change(|account| {
            let id = format!("file{}", account.files.len() + 1);
            account.files.insert(id.clone(), bytes.to_vec());
            id
        })
    }

    /// How many updates wait for it, or were not confirmed.
    pub fn pending(&self) -> usize {
        self.change(|account| account.queue.len())
    }

    /// How many presses of buttons wait for its answer: the button shows that it works until then.
    pub fn unanswered(&self) -> usize {
        self.change(|account| account.queries.len())
    }
}
