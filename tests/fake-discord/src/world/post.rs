//! What happens to messages, and who is told.

use serde_json::{Value, json};

use crate::clock;
use crate::gateway::intent;
use crate::refusal::Refusal;
use crate::world::{Button, Room, Sent, World};

/// A flag of messages: only one person sees it.
pub(crate) const EPHEMERAL: u64 = 1 << 6;
/// A flag of messages: the bot is thinking.
pub(crate) const LOADING: u64 = 1 << 7;

impl Room {
    pub(crate) fn is_direct(&self) -> bool {
        self.guild.is_none()
    }

    /// A message that everybody here sees.
    pub(crate) fn visible(&self, message: u64) -> Result<&Value, Refusal> {
        let found = self.messages.get(&message).filter(|message| flags(message) & EPHEMERAL == 0);
        found.ok_or_else(Refusal::unknown_message)
    }
}

pub(crate) fn flags(message: &Value) -> u64 {
    message["flags"].as_u64().unwrap_or(0)
}

impl World {
    /// Puts a message into its channel, and tells the bot. Gives its id.
    pub(crate) fn post(&mut self, channel: u64, mut message: Value) -> u64 {
        let id = self.id();
        message["id"] = id.to_string().into();
        self.judge("MessageResponse", &message);
        let room = self.rooms.get_mut(&channel).expect("messages are made in channels that are there");
        room.object["last_message_id"] = message["id"].clone();
        room.messages.insert(id, message);
        self.tell_message("MESSAGE_CREATE", channel, id);
        id
    }

    /// Puts a message of a bot into its channel, on the record too.
    pub(crate) fn post_sent(&mut self, channel: u64, message: Value, interaction: Option<u64>) -> u64 {
        let id = self.post(channel, message);
        self.sent += 1;
        let (number, at) = (self.sent, clock::now());
        let room = self.rooms.get_mut(&channel).expect("it is there");
        let mut sent = Sent {
            number,
            id,
            channel,
            content: String::new(),
            embeds: Vec::new(),
            buttons: Vec::new(),
            reply_to: None,
            nonce: None,
            pings: Vec::new(),
            pings_everyone: false,
            files: Vec::new(),
            ephemeral: false,
            loading: false,
            interaction,
            at,
            edits: Vec::new(),
            deleted: false,
            told: true,
        };
        sent.follow(&room.messages[&id]);
        room.sent.push(sent);
        id
    }

    /// A message was changed: the record follows, and the bot is told.
    pub(crate) fn changed(&mut self, channel: u64, id: u64) {
        let room = self.rooms.get_mut(&channel).expect("it is there");
        let Some(message) = room.messages.get(&id).cloned() else { return };
        if let Some(sent) = room.sent.iter_mut().find(|sent| sent.id == id) {
            let before = std::mem::take(&mut sent.content);
            sent.edits.push(before);
            sent.follow(&message);
        }
        self.judge("MessageResponse", &message);
        self.tell_message("MESSAGE_UPDATE", channel, id);
    }

    /// Takes a message away.
    pub(crate) fn remove(&mut self, channel: u64, id: u64) {
        let room = self.rooms.get_mut(&channel).expect("it is there");
        let gone = room.messages.remove(&id);
        if let Some(sent) = room.sent.iter_mut().find(|sent| sent.id == id) {
            sent.deleted = true;
        }
        let Some(gone) = gone else { return };
        let mut told = json!({"id": id.to_string(), "channel_id": channel.to_string()});
        if flags(&gone) & EPHEMERAL != 0 {
            return self.tell(channel, |_| intent::messages(true), "MESSAGE_DELETE", &told);
        }
        self.place(&mut told, channel);
        self.tell(channel, intent::messages, "MESSAGE_DELETE", &told);
    }

    /// Adds the guild, where there is one.
    pub(crate) fn place(&self, value: &mut Value, channel: u64) {
        if let Some(guild) = self.rooms[&channel].guild {
            value["guild_id"] = guild.to_string().into();
        }
    }

    /// The member of a guild that an event names beside a user.
    pub(crate) fn member() -> Value {
        json!({
            "roles": [],
            "nick": null,
            "avatar": null,
            "banner": null,
            "premium_since": null,
            "joined_at": "2020-01-01T00:00:00.000000+00:00",
            "communication_disabled_until": null,
            "flags": 0,
            "pending": false,
            "deaf": false,
            "mute": false,
        })
    }

    /// Tells the sessions of the bot in that channel of a message, each with as much of it as it may see. One that only
    /// one person sees comes like a private one, as the description has it: by that intent, and without the guild.
    fn tell_message(&mut self, event: &str, channel: u64, id: u64) {
        let room = &self.rooms[&channel];
        let mut message = room.messages[&id].clone();
        let (bot, direct) = (room.bot, room.is_direct() || flags(&message) & EPHEMERAL != 0);
        message["channel_type"] = room.object["type"].clone();
        if !direct {
            self.place(&mut message, channel);
            for user in message["mentions"].as_array_mut().into_iter().flatten() {
                user["member"] = Self::member();
            }
            if message["webhook_id"].is_null() {
                message["member"] = Self::member();
            }
        }
        let open = direct || intent::concerns(&message, bot);
        self.dispatch(bot, event, |intents| {
            if intents & intent::messages(direct) == 0 {
                return None;
            }
            let mut seen = message.clone();
            if !open && intents & intent::MESSAGE_CONTENT == 0 {
                intent::hide(&mut seen);
            }
            Some(seen)
        });
    }

    /// Tells the sessions of the bot in that channel, if they asked for such events.
    pub(crate) fn tell(&mut self, channel: u64, wanted: fn(bool) -> u64, event: &str, data: &Value) {
        let room = &self.rooms[&channel];
        let (bot, wanted) = (room.bot, wanted(room.is_direct()));
        self.dispatch(bot, event, |intents| (intents & wanted != 0).then(|| data.clone()));
    }

    /// Notes where something that the fake made itself is not as described.
    pub(crate) fn judge(&mut self, component: &str, value: &Value) {
        let Some(specification) = crate::specification::load() else { return };
        for wrong in specification.judge(component, value) {
            self.complain([format!("the fake's {component}: {}", wrong.line())]);
        }
    }
}

impl Sent {
    /// Takes over what a message shows now.
    fn follow(&mut self, message: &Value) {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let id = |value: &Value| value.as_str().and_then(|id| id.parse().ok());
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        self.content = text(&message["content"]).unwrap_or_default();
        self.embeds = list(&message["embeds"]);
        self.buttons = buttons(&message["components"]);
        self.reply_to = id(&message["message_reference"]["message_id"]);
        self.nonce = text(&message["nonce"]).or_else(|| message["nonce"].as_i64().map(|n| n.to_string()));
        // Nobody is told of a change, but for that of a message that has just begun to say something.
        if self.edits.is_empty() || self.loading {
            self.pings = list(&message["mentions"]).iter().filter_map(|user| id(&user["id"])).collect();
            self.pings_everyone = message["mention_everyone"] == true;
        }
        self.files =
            list(&message["attachments"]).iter().filter_map(|file| text(&file["filename"])).collect();
        self.ephemeral = flags(message) & EPHEMERAL != 0;
        self.loading = flags(message) & LOADING != 0;
    }
}

/// The buttons among components, row by row.
fn buttons(components: &Value) -> Vec<Vec<Button>> {
    let of = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let button = |value: &Value| Button {
        custom_id: value["custom_id"].as_str().map(str::to_owned),
        label: value["label"].as_str().unwrap_or_default().to_owned(),
        style: value["style"].as_u64().unwrap_or(0),
        disabled: value["disabled"] == true,
    };
    let rows = of(components).into_iter().filter(|row| row["type"] == 1);
    rows.map(|row| of(&row["components"]).iter().filter(|one| one["type"] == 2).map(button).collect())
        .collect()
}
