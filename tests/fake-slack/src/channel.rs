//! A conversation, as a test holds it.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::blocks;
use crate::conversation::{Conversation, Posted, Status};
use crate::draft::Draft;
use crate::event::Trigger;
use crate::method::{edit, reactions};
use crate::server::Shared;
use crate::world::{Person, Said, TEAM, World};

/// A channel, a private one, or a direct message.
#[derive(Clone)]
pub struct Channel {
    shared: Arc<Shared>,
    id: Arc<str>,
}

impl Channel {
    pub(crate) fn new(shared: Arc<Shared>, id: &str) -> Self {
        Self { shared, id: id.into() }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        self.shared.change(change)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Conversation) -> T) -> T {
        self.change(|world| change(world.conversation(&self.id)))
    }

    /// A person says something, in Slack's form: `&lt;` for `<`, `<@U…>` for a mention.
    pub fn say(&self, person: &Person, text: &str) -> Said {
        self.draft(person, text).send()
    }

    /// A person answers in a thread.
    pub fn reply(&self, person: &Person, thread_ts: &str, text: &str) -> Said {
        self.draft(person, text).thread(thread_ts).send()
    }

    /// A message to which more is to be said before it is sent.
    pub fn draft(&self, person: &Person, text: &str) -> Draft {
        Draft::new(self.clone(), person, text)
    }

    /// A person changes a message.
    ///
    /// # Panics
    /// When there is no such message.
    pub fn edit(&self, ts: &str, text: &str) -> Said {
        self.alter(ts, |message, now, number| {
            message["text"] = text.into();
            message["blocks"] = blocks::of_text(text, number);
            message["edited"] = json!({"user": message["user"], "ts": now});
        })
    }

    /// Slack shows what lies behind a link of a message: the message changes, and nobody has edited it.
    ///
    /// # Panics
    /// When there is no such message.
    pub fn unfurl(&self, ts: &str, link: &str) -> Said {
        self.alter(ts, |message, _, _| {
            message["attachments"] = json!([{"id": 1, "from_url": link, "original_url": link, "title": "A page", "fallback": "A page"}]);
        })
    }

    fn alter(&self, ts: &str, change: impl FnOnce(&mut Value, &str, u64)) -> Said {
        let event = self.change(|world| {
            let (now, number) = (world.ts(), world.number());
            let message = world.conversation(&self.id).messages.get_mut(ts).expect("a message that was sent");
            let before = message.clone();
            change(message, &now, number);
            let after = message.clone();
            world.changed(&self.id, &before, &after)
        });
        Said { ts: ts.to_owned(), events: vec![event] }
    }

    /// A person takes a message back. The first one of a thread that goes on stays as a stone.
    pub fn delete(&self, ts: &str) -> Said {
        let events = self.change(|world| edit::remove(world, &self.id, ts));
        Said { ts: ts.to_owned(), events }
    }

    /// A person comes in: a message of Slack's (`channel_join`) and an event of its own.
    pub fn join(&self, person: &Person) -> Said {
        let text = format!("{} has joined the channel", person.mention());
        let mut said = self.draft(person, &text).subtype("channel_join").send();
        let event = self.change(|world| {
            let now = world.ts();
            let conversation = world.conversation(&self.id);
            conversation.members.insert(person.id.clone());
            let kind = conversation.kind.word()[..1].to_uppercase();
            world.emit(
                "MemberJoinedChannel",
                &json!({"type": "member_joined_channel", "user": person.id, "channel": &*self.id, "channel_type": kind, "team": TEAM, "event_ts": now}),
            )
        });
        said.events.push(event);
        said
    }

    /// A person reacts to a message with an emoji, named without colons.
    ///
    /// # Panics
    /// When there is no such message.
    pub fn react(&self, person: &Person, ts: &str, name: &str) -> Said {
        let event = self.change(|world| {
            let now = world.ts();
            let message = world.conversation(&self.id).messages.get_mut(ts).expect("a message that was sent");
            reactions::react(message, &person.id, name);
            let author = message["user"].clone();
            world.emit(
                "ReactionAdded",
                &json!({"type": "reaction_added", "user": person.id, "reaction": name, "item_user": author, "item": {"type": "message", "channel": &*self.id, "ts": ts}, "event_ts": now}),
            )
        });
        Said { ts: ts.to_owned(), events: vec![event] }
    }

    /// A person uses a command, such as `/openpact`.
    pub fn command(&self, person: &Person, command: &str, text: &str) -> Trigger {
        self.change(|world| {
            world.conversation(&self.id).members.insert(person.id.clone());
            world.command(&self.id, &person.id, command, text)
        })
    }

    /// A person presses a button of a message that the bot wrote.
    ///
    /// # Panics
    /// When there is no such message, or no such button.
    pub fn press(&self, person: &Person, ts: &str, action_id: &str) -> Trigger {
        self.change(|world| {
            let message = world.conversation(&self.id).messages.get(ts).cloned();
            let message = message.expect("a message that was sent");
            let action = button(&message, action_id).expect("a button of that message");
            world.press(&self.id, &person.id, &message, &action)
        })
    }

    /// What the bot said here to all, in order.
    pub fn posted(&self) -> Vec<Posted> {
        self.with(|conversation| conversation.posted.clone())
    }

    /// What the bot said here to one person alone, in order.
    pub fn ephemeral(&self) -> Vec<Posted> {
        self.with(|conversation| conversation.ephemeral.clone())
    }

    /// What the bot showed here that it was doing, in order.
    pub fn statuses(&self) -> Vec<Status> {
        self.with(|conversation| conversation.statuses.clone())
    }

    /// What is shown now in a thread as being done: what the bot said last about it, until it says something there.
    pub fn shown(&self, thread_ts: &str) -> Option<String> {
        let shown = self.with(|conversation| conversation.shown.get(thread_ts).cloned());
        shown.filter(|shown| !shown.is_empty())
    }

    /// A message as the API gives it.
    pub fn message(&self, ts: &str) -> Option<Value> {
        self.with(|conversation| conversation.messages.get(ts).cloned())
    }

    /// Nobody can write here any more.
    pub fn archive(&self) {
        self.with(|conversation| conversation.archived = true);
    }

    /// The bot is taken out: it can neither read nor write, and is told of mentions alone.
    pub fn remove_bot(&self) {
        self.change(|world| {
            let me = world.account().user.id.clone();
            world.conversation(&self.id).members.remove(&me);
        });
    }
}

/// The button with that id, as a press tells of it.
fn button(message: &Value, action_id: &str) -> Option<Value> {
    let of_block = |block: &Value| {
        let elements = block["elements"].as_array().into_iter().flatten().chain([&block["accessory"]]);
        let mut elements = elements.filter(|element| element["action_id"] == action_id);
        let mut action = elements.next()?.clone();
        action["block_id"] = block["block_id"].clone();
        Some(action)
    };
    message["blocks"].as_array()?.iter().find_map(of_block)
}
