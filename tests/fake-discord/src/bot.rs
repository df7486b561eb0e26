//! A bot, and a guild that it is in, as a test holds them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::channel::Channel;
use crate::gateway::{GatewayFault, intent};
use crate::server::Shared;
use crate::world::{Guild as Kept, Room, User, World};

/// A bot of a server.
#[derive(Clone)]
pub struct Bot {
    pub(crate) shared: Arc<Shared>,
    token: Arc<str>,
    id: u64,
}

impl Bot {
    pub(crate) fn new(shared: Arc<Shared>, token: &str, id: u64) -> Self {
        Self { shared, token: token.into(), id }
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        self.shared.change(change)
    }

    /// Its id, which is that of its application too.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Its token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// It as others see it.
    pub fn user(&self) -> User {
        self.change(|world| world.account(self.id).user.clone())
    }

    /// Switches the intent for what messages say on or off; without it, an Identify that asks for it is refused with
    /// 4014.
    pub fn message_content(&self, on: bool) {
        self.change(|world| {
            let privileged = &mut world.account_mut(self.id).privileged;
            *privileged = if on { intent::PRIVILEGED } else { intent::PRIVILEGED & !intent::MESSAGE_CONTENT };
        });
    }

    /// Takes its token back: requests get 401, its connections are closed with 4004.
    pub fn revoke(&self) {
        self.change(|world| world.account_mut(self.id).revoked = true);
        self.disturb(GatewayFault::Close(4_004));
    }

    /// Lets something go wrong with its connections to the gateway, now.
    pub fn disturb(&self, fault: GatewayFault) {
        self.change(|world| {
            let own = world.sessions.values().filter(|session| session.bot == self.id);
            own.for_each(|session| session.disturb(fault));
        });
    }

    /// Whether it has a session that is connected.
    pub fn is_connected(&self) -> bool {
        self.change(|world| world.is_connected(self.id))
    }

    /// The commands that it has registered, as the API gives them.
    pub fn commands(&self) -> Vec<Value> {
        self.change(|world| world.commands(self.id))
    }

    /// The private channel of a person with it.
    pub fn direct(&self, user: &User) -> Channel {
        let id = self.change(|world| world.direct(self.id, user));
        Channel::new(self.clone(), id)
    }

    /// A guild that it is in; its sessions are told.
    pub fn guild(&self, id: u64, name: &str) -> Guild {
        self.change(|world| {
            world.guilds.insert(id, Kept { bot: self.id, name: name.to_owned() });
            let object = world.guild_object(id);
            world.dispatch(self.id, "GUILD_CREATE", |intents| {
                (intents & intent::GUILDS != 0).then(|| object.clone())
            });
        });
        Guild { bot: self.clone(), id }
    }

    /// Tells its sessions of an event of any shape, whatever they asked for.
    pub fn push(&self, event: &str, data: &Value) {
        self.change(|world| world.dispatch(self.id, event, |_| Some(data.clone())));
    }
}

/// A guild, which people call a server.
#[derive(Clone)]
pub struct Guild {
    bot: Bot,
    id: u64,
}

impl Guild {
    /// Its id.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// A new channel for text; the bot's sessions are told.
    pub fn channel(&self, id: u64, name: &str) -> Channel {
        let object = json!({
            "id": id.to_string(),
            "type": 0,
            "flags": 0,
            "guild_id": self.id.to_string(),
            "name": name,
            "position": 0,
            "parent_id": null,
            "topic": null,
            "nsfw": false,
            "last_message_id": null,
            "rate_limit_per_user": 0,
            "permission_overwrites": [],
        });
        self.bot.change(|world| {
            world.judge("GuildChannelResponse", &object);
            world.rooms.insert(id, Room::new(self.bot.id, Some(self.id), object.clone()));
            world.tell(id, |_| intent::GUILDS, "CHANNEL_CREATE", &object);
        });
        Channel::new(self.bot.clone(), id)
    }
}
