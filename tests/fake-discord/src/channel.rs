//! A channel, as a test holds it: what people do there, and what the bot said.

use serde_json::{Value, json};

use crate::bot::Bot;
use crate::clock;
use crate::draft::Draft;
use crate::gateway::intent;
use crate::refusal::Refusal;
use crate::world::{Interaction, Room, Sent, User, World};

/// A channel of a guild, a thread, or the private channel of a person with the bot.
#[derive(Clone)]
pub struct Channel {
    pub(crate) bot: Bot,
    id: u64,
}

impl Channel {
    pub(crate) fn new(bot: Bot, id: u64) -> Self {
        Self { bot, id }
    }

    /// Its id.
    pub fn id(&self) -> u64 {
        self.id
    }

    fn room<T>(&self, change: impl FnOnce(&mut Room) -> T) -> T {
        self.bot.change(|world| change(world.rooms.get_mut(&self.id).expect("channels stay")))
    }

    /// Somebody says something; gives the id of the message.
    pub fn say(&self, user: &User, text: &str) -> u64 {
        self.draft(user, text).send()
    }

    /// A message of somebody that is not sent yet.
    pub fn draft(&self, user: &User, text: &str) -> Draft {
        Draft::new(self.clone(), user, text)
    }

    /// A message changes.
    ///
    /// # Panics
    /// When there is no such message.
    pub fn edit(&self, message: u64, text: &str) {
        self.bot.change(|world| {
            let now = clock::stamp(world.now());
            let room = world.rooms.get_mut(&self.id).expect("channels stay");
            let edited = room.messages.get_mut(&message).expect("a message that was sent");
            edited["content"] = text.into();
            edited["edited_timestamp"] = now.into();
            world.changed(self.id, message);
        });
    }

    /// A message goes.
    pub fn delete(&self, message: u64) {
        self.bot.change(|world| world.remove(self.id, message));
    }

    /// Somebody types.
    pub fn typing(&self, user: &User) {
        self.bot.change(|world| {
            let mut told = json!({
                "channel_id": self.id.to_string(),
                "user_id": user.id.to_string(),
                "timestamp": clock::milliseconds(world.now()) / 1_000,
            });
            world.place(&mut told, self.id);
            if told.get("guild_id").is_some() {
                told["member"] = World::member();
                told["member"]["user"] = user.object();
            }
            world.tell(self.id, intent::typing, "TYPING_START", &told);
        });
    }

    /// Somebody makes a thread: from a message, or without one.
    ///
    /// # Panics
    /// When this is no channel that can have threads.
    #[must_use]
    pub fn thread(&self, user: &User, message: Option<u64>, name: &str) -> Channel {
        let body = json!({ "name": name });
        let made = self.bot.change(|world| world.thread(self.id, message, &body, user.id, 11));
        let object = made.expect("channels of guilds have threads");
        let id = object["id"].as_str().and_then(|id| id.parse().ok()).expect("threads have ids");
        Channel::new(self.bot.clone(), id)
    }

    /// A thread that the bot made.
    #[must_use]
    pub fn at(&self, thread: u64) -> Channel {
        Channel::new(self.bot.clone(), thread)
    }

    /// Somebody uses a slash command of the bot; gives the id of the interaction. Subcommands and their options are
    /// given as they stand in the event.
    ///
    /// # Panics
    /// When the bot has registered no such command, or not with these options.
    pub fn command(&self, user: &User, name: &str, options: &[(&str, Value)]) -> u64 {
        self.try_command(user, name, options).unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same.
    ///
    /// # Errors
    /// When the bot has registered no such command, or not with these options.
    pub fn try_command(&self, user: &User, name: &str, options: &[(&str, Value)]) -> Result<u64, String> {
        let registered = self.bot.commands();
        let command = registered.iter().find(|one| one["name"] == name && one["type"] == 1);
        let command = command.ok_or_else(|| format!("the bot has no command '{name}'"))?;
        let known = command["options"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut given = Vec::new();
        for (option, value) in options {
            let known = known.iter().find(|one| one["name"] == *option);
            let known = known.ok_or_else(|| format!("'{name}' has no option '{option}'"))?;
            given.push(json!({"name": option, "type": known["type"], "value": value}));
        }
        let missing = known
            .iter()
            .find(|one| one["required"] == true && !options.iter().any(|(name, _)| one["name"] == *name));
        if let Some(missing) = missing {
            return Err(format!("'{name}' needs the option {}", missing["name"]));
        }
        let mut data = json!({"id": command["id"], "name": name, "type": 1});
        if !given.is_empty() {
            data["options"] = given.into();
        }
        Ok(self.bot.change(|world| world.interact(self.id, user, 2, name, &data, None)))
    }

    /// Somebody presses a button below a message; gives the id of the interaction.
    ///
    /// # Panics
    /// When there is no such button, or it cannot be pressed.
    pub fn press(&self, user: &User, message: u64, custom_id: &str) -> u64 {
        self.try_press(user, message, custom_id).unwrap_or_else(|why| panic!("{why}"))
    }

    /// The same.
    ///
    /// # Errors
    /// When there is no such button, or it cannot be pressed.
    pub fn try_press(&self, user: &User, message: u64, custom_id: &str) -> Result<u64, String> {
        let found = self.sent().into_iter().find(|sent| sent.id == message && !sent.deleted);
        let found = found.ok_or("there is no such message of the bot")?;
        let mut buttons = found.buttons.into_iter().flatten();
        let button = buttons.find(|button| button.custom_id.as_deref() == Some(custom_id));
        let button = button.ok_or_else(|| format!("there is no button '{custom_id}'"))?;
        if button.disabled {
            return Err(format!("the button '{custom_id}' cannot be pressed"));
        }
        let data = json!({"custom_id": custom_id, "component_type": 2, "id": 1});
        let press = |world: &mut World| world.interact(self.id, user, 3, custom_id, &data, Some(message));
        Ok(self.bot.change(press))
    }

    /// What the bot said here, in order.
    pub fn sent(&self) -> Vec<Sent> {
        self.room(|room| room.sent.clone())
    }

    /// From now on the bot may not write here: in a private channel as when the person does not want its messages, in a
    /// guild as when it lacks the permission.
    pub fn block(&self) {
        self.room(|room| {
            room.closed = Some(match room.guild {
                None => Refusal::new(403, 50_007, "Cannot send messages to this user"),
                Some(_) => Refusal::new(403, 50_013, "Missing Permissions"),
            });
        });
    }

    /// It may again.
    pub fn unblock(&self) {
        self.room(|room| room.closed = None);
    }
}

impl World {
    /// Begins an interaction, and tells the bot.
    fn interact(
        &mut self,
        channel: u64,
        user: &User,
        kind: u64,
        name: &str,
        data: &Value,
        message: Option<u64>,
    ) -> u64 {
        let id = self.id();
        let token = format!("interaction{id}token{:016x}", id.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let room = &self.rooms[&channel];
        let (bot, direct) = (room.bot, room.is_direct());
        let owner = room.guild.map_or_else(|| "0".to_owned(), |guild| guild.to_string());
        let mut event = json!({
            "id": id.to_string(),
            "application_id": bot.to_string(),
            "type": kind,
            "data": data,
            "channel": room.object,
            "channel_id": channel.to_string(),
            "token": token,
            "version": 1,
            "locale": "en-US",
            "app_permissions": "2248473465835073",
            "entitlements": [],
            "authorizing_integration_owners": {"0": owner},
            "context": u64::from(direct),
            "attachment_size_limit": 10_485_760,
        });
        if let Some(message) = message {
            event["message"] = room.messages[&message].clone();
        }
        self.place(&mut event, channel);
        if direct {
            event["user"] = user.object();
        } else {
            event["guild_locale"] = "en-US".into();
            event["guild"] = json!({"id": owner, "features": [], "locale": "en-US"});
            event["member"] = Self::member();
            event["member"]["user"] = user.object();
            event["member"]["permissions"] = "2248473465835073".into();
        }
        let interaction = Interaction {
            id,
            token,
            kind,
            name: name.to_owned(),
            bot,
            user: user.id,
            channel,
            message,
            at: self.now(),
            answered: None,
            original: None,
            followups: Vec::new(),
        };
        self.interactions.insert(id, interaction);
        self.dispatch(bot, "INTERACTION_CREATE", |_| Some(event.clone()));
        id
    }
}
