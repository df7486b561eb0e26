//! The app and its bot, as a test holds them.

use std::sync::Arc;

use serde_json::Value;

use crate::channel::Channel;
use crate::conversation::{Conversation, Kind};
use crate::exchange::Order;
use crate::server::Shared;
use crate::world::{Account, Person, World};

/// The app of a server.
#[derive(Clone)]
pub struct App {
    shared: Arc<Shared>,
}

impl App {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Its bot, as others see it.
    pub fn user(&self) -> Person {
        self.shared.world().account().user.clone()
    }

    /// The id of its bot.
    pub fn bot_id(&self) -> String {
        self.shared.world().account().bot_id.clone()
    }

    /// What stands in a text that names its bot.
    pub fn mention(&self) -> String {
        self.user().mention()
    }

    /// Takes its tokens back: from now on they get `token_revoked`. Connections go on.
    pub fn revoke(&self) {
        self.account(|account| account.revoked = true);
    }

    fn account(&self, change: impl FnOnce(&mut Account)) {
        self.shared.change(|world| world.account.as_mut().map(change));
    }

    /// The direct message of a person with its bot.
    pub fn direct(&self, person: &Person) -> Channel {
        let id = self.shared.change(|world| world.direct(&person.id));
        Channel::new(self.shared.clone(), &id)
    }

    /// A channel with the bot in it. Its id starts with `C`.
    pub fn channel(&self, id: &str, name: &str) -> Channel {
        self.conversation(id, name, Kind::Channel, &[])
    }

    /// A private channel with the bot in it. Its id starts with `C` or `G`.
    pub fn group(&self, id: &str, name: &str) -> Channel {
        self.conversation(id, name, Kind::Group, &[])
    }

    /// A direct message between several, the bot among them. Its id starts with `C` or `G`.
    pub fn several(&self, id: &str, people: &[&Person]) -> Channel {
        self.conversation(id, "mpdm-several", Kind::Mpim, people)
    }

    fn conversation(&self, id: &str, name: &str, kind: Kind, people: &[&Person]) -> Channel {
        self.shared.change(|world| {
            let me = world.account().user.id.clone();
            let make = || Conversation::new(id, name, kind);
            let conversation = world.conversations.entry(id.to_owned()).or_insert_with(make);
            conversation.members.insert(me);
            conversation.members.extend(people.iter().map(|person| person.id.clone()));
        });
        Channel::new(self.shared.clone(), id)
    }

    /// Tells the app of an event of any shape; gives the id of the event.
    pub fn event(&self, event: &Value) -> String {
        self.shared.change(|world| world.emit("", event))
    }

    /// Delivers an envelope of any type with any payload.
    pub fn envelope(&self, kind: &str, payload: Value) {
        self.shared.change(|world| world.deliver(kind, payload, None, None));
    }

    /// Writes a text to every connection, as it is.
    pub fn write(&self, text: &str) {
        self.order(|| Order::Text(text.to_owned()));
    }

    /// Tells every connection that it will end: `warning`, `refresh_requested` (it ends ten seconds later), or
    /// `link_disabled` (at once).
    pub fn disconnect(&self, reason: &str) {
        self.order(|| Order::Disconnect(reason.to_owned()));
    }

    /// Breaks every connection without a word.
    pub fn cut(&self) {
        self.order(|| Order::Cut);
    }

    fn order(&self, order: impl Fn() -> Order) {
        self.shared.change(|world| world.exchange.order(order));
    }

    /// Switches Socket Mode on or off; off ends every connection and lets none begin.
    pub fn socket_mode(&self, on: bool) {
        self.account(|account| account.linked = on);
        if !on {
            self.disconnect("link_disabled");
        }
    }

    /// How many connections have been greeted and are not about to end.
    pub fn connections(&self) -> usize {
        self.look(World::connections)
    }

    /// How many envelopes were not delivered, or not acknowledged yet.
    pub fn pending(&self) -> usize {
        self.look(World::pending)
    }

    fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.shared.world())
    }
}
