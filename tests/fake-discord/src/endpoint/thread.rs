//! Threads, which are channels below a channel.

use serde_json::{Value, json};

use super::{Answer, Reply};
use crate::clock;
use crate::gateway::intent;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::{Room, World, draft};

/// A flag of messages: there is a thread with the same id.
const HAS_THREAD: u64 = 1 << 5;

pub(crate) fn from_message(world: &mut World, request: &Request) -> Answer {
    let (channel, message) = (request.id(0), request.id(1));
    world.room(request.bot, channel)?.visible(message)?;
    if world.rooms.contains_key(&message) {
        return Err(Refusal::new(400, 160_004, "A thread has already been created for this message"));
    }
    let thread = world.thread(channel, Some(message), &request.body, request.bot, 11)?;
    Ok(Reply::created(thread))
}

pub(crate) fn create(world: &mut World, request: &Request) -> Answer {
    world.room(request.bot, request.id(0))?;
    let kind = request.body["type"].as_u64().unwrap_or(12);
    let thread = world.thread(request.id(0), None, &request.body, request.bot, kind)?;
    Ok(Reply::created(thread))
}

pub(crate) fn membership(world: &mut World, request: &Request) -> Answer {
    let room = world.room(request.bot, request.id(0))?;
    match room.object.get("thread_metadata") {
        Some(_) => Ok(Reply::nothing()),
        None => Err(Refusal::new(400, 50_024, "Cannot execute action on this channel type")),
    }
}

pub(crate) fn update(world: &mut World, request: &Request) -> Answer {
    let id = request.id(0);
    let room = world.room(request.bot, id)?;
    let is_thread = room.object.get("thread_metadata").is_some();
    for (key, value) in request.body.as_object().into_iter().flatten() {
        let place = match key.as_str() {
            "archived" | "locked" | "auto_archive_duration" if is_thread => {
                &mut room.object["thread_metadata"][key]
            }
            _ => &mut room.object[key],
        };
        *place = value.clone();
    }
    let object = room.object.clone();
    let event = if is_thread { "THREAD_UPDATE" } else { "CHANNEL_UPDATE" };
    world.tell(id, |_| intent::GUILDS, event, &object);
    Ok(Reply::ok(object))
}

pub(crate) fn delete(world: &mut World, request: &Request) -> Answer {
    let id = request.id(0);
    let object = world.room(request.bot, id)?.object.clone();
    let event = if object.get("thread_metadata").is_some() { "THREAD_DELETE" } else { "CHANNEL_DELETE" };
    world.tell(id, |_| intent::GUILDS, event, &object);
    world.rooms.remove(&id);
    Ok(Reply::ok(object))
}

impl World {
    /// Makes a thread, and tells the bot. `body` has its name and may have a duration in minutes.
    pub(crate) fn thread(
        &mut self,
        parent: u64,
        message: Option<u64>,
        body: &Value,
        owner: u64,
        kind: u64,
    ) -> Result<Value, Refusal> {
        let room = &self.rooms[&parent];
        let (bot, guild) = (room.bot, room.guild);
        let guild = guild
            .filter(|_| room.object.get("thread_metadata").is_none())
            .ok_or_else(|| Refusal::new(400, 50_024, "Cannot execute action on this channel type"))?;
        let id = message.unwrap_or_else(|| self.id());
        let now = clock::stamp(self.now());
        let object = json!({
            "id": id.to_string(),
            "type": kind,
            "flags": 0,
            "guild_id": guild.to_string(),
            "parent_id": parent.to_string(),
            "name": body["name"],
            "owner_id": owner.to_string(),
            "last_message_id": null,
            "rate_limit_per_user": body["rate_limit_per_user"].as_u64().unwrap_or(0),
            "message_count": 0,
            "member_count": 1,
            "total_message_sent": 0,
            "thread_metadata": {
                "archived": false,
                "archive_timestamp": now,
                "auto_archive_duration": body["auto_archive_duration"].as_u64().unwrap_or(1_440),
                "locked": false,
                "create_timestamp": now,
            },
        });
        self.rooms.insert(id, Room::new(bot, Some(guild), object.clone()));
        let mut told = object.clone();
        told["newly_created"] = true.into();
        told["member"] = json!({
            "id": id.to_string(),
            "user_id": owner.to_string(),
            "join_timestamp": now,
            "flags": 1,
        });
        self.tell(id, |_| intent::GUILDS, "THREAD_CREATE", &told);
        match message {
            Some(message) => self.mark_started(parent, message, &object),
            None if kind != 12 => self.announce(parent, &object, owner),
            None => {}
        }
        Ok(object)
    }

    fn mark_started(&mut self, parent: u64, message: u64, thread: &Value) {
        let room = self.rooms.get_mut(&parent).expect("it is there");
        let started = room.messages.get_mut(&message).expect("it was found");
        started["flags"] = (crate::world::flags(started) | HAS_THREAD).into();
        started["thread"] = thread.clone();
        self.changed(parent, message);
    }

    /// A thread without a message is told of in its channel.
    fn announce(&mut self, parent: u64, thread: &Value, owner: u64) {
        let author = self.user_object(owner);
        let name = thread["name"].as_str().unwrap_or_default();
        let mut message = draft(self, parent, &author, name);
        message["type"] = 18.into();
        message["message_reference"] =
            json!({"type": 0, "channel_id": thread["id"], "guild_id": thread["guild_id"]});
        self.post(parent, message);
    }

    pub(crate) fn user_object(&self, id: u64) -> Value {
        let known = self.users.get(&id).map(crate::world::User::object);
        known.unwrap_or_else(|| self.account(id).user.object())
    }
}
