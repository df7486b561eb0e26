//! Messages of channels.

use std::time::Duration;

use serde_json::Value;

use super::{Answer, Reply, compose};
use crate::clock;
use crate::gateway::intent;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::World;

/// How long a nonce keeps a message from being sent again; the description says "the past few minutes".
const NONCE_HOLDS: Duration = Duration::from_mins(5);

pub(crate) fn create(world: &mut World, request: &Request) -> Answer {
    let channel = request.id(0);
    let (now, body) = (world.now(), &request.body);
    let room = world.room(request.bot, channel)?;
    if let Some(refusal) = &room.closed {
        return Err(refusal.clone());
    }
    let nonce = body["nonce"].as_str().map(str::to_owned);
    let nonce = nonce.or_else(|| body["nonce"].as_i64().map(|number| number.to_string()));
    let enforced = nonce.clone().filter(|_| body["enforce_nonce"] == true);
    if let Some(nonce) = &enforced {
        room.nonces.retain(|(at, ..)| *at + NONCE_HOLDS > now);
        let known = room.nonces.iter().find(|(_, known, _)| known == nonce).map(|(.., id)| *id);
        if let Some(message) = known.and_then(|id| room.messages.get(&id)) {
            return Ok(Reply::ok(message.clone()));
        }
    }
    let mut message = compose::compose(world, request.bot, channel, body, &request.files)?;
    compose::reply(world, channel, &mut message, body)?;
    if nonce.is_some() {
        message["nonce"] = body["nonce"].clone();
    }
    let id = world.post_sent(channel, message, None);
    let room = world.room(request.bot, channel)?;
    if let Some(nonce) = nonce {
        room.nonces.push((now, nonce, id));
    }
    Ok(Reply::ok(room.messages[&id].clone()))
}

pub(crate) fn get(world: &mut World, request: &Request) -> Answer {
    let message = world.room(request.bot, request.id(0))?.visible(request.id(1))?.clone();
    Ok(Reply::ok(seen(world, request, message)))
}

pub(crate) fn list(world: &mut World, request: &Request) -> Answer {
    let number = |name: &str| request.query(name).and_then(|text| text.parse::<u64>().ok());
    let limit = usize::try_from(number("limit").unwrap_or(50)).unwrap_or(50);
    let room = world.room(request.bot, request.id(0))?;
    let ids = room.messages.keys().copied().filter(|id| room.visible(*id).is_ok());
    let before = number("before").unwrap_or(u64::MAX);
    let mut ids: Vec<u64> = ids.filter(|id| *id < before).collect();
    if let Some(after) = number("after") {
        ids.retain(|id| *id > after);
        ids.truncate(limit);
    }
    if let Some(around) = number("around") {
        ids.sort_by_key(|id| id.abs_diff(around));
        ids.truncate(limit);
        ids.sort_unstable();
    }
    let found: Vec<Value> = ids.iter().rev().take(limit).map(|id| room.messages[id].clone()).collect();
    let found: Vec<Value> = found.into_iter().map(|message| seen(world, request, message)).collect();
    Ok(Reply::ok(found.into()))
}

/// A message as that bot may see it: content is hidden over HTTP too.
fn seen(world: &World, request: &Request, mut message: Value) -> Value {
    let direct = world.rooms[&request.id(0)].is_direct();
    let allowed = world.account(request.bot).privileged & intent::MESSAGE_CONTENT != 0;
    if !direct && !allowed && !intent::concerns(&message, request.bot) {
        intent::hide(&mut message);
    }
    message
}

/// A message of that bot; everybody's may be deleted by moderators only, which the bot is not.
fn own(world: &mut World, request: &Request, code: u64, why: &str) -> Result<Value, Refusal> {
    let message = world.room(request.bot, request.id(0))?.visible(request.id(1))?;
    let is_own = message["author"]["id"] == *request.bot.to_string();
    if is_own { Ok(message.clone()) } else { Err(Refusal::new(403, code, why)) }
}

pub(crate) fn update(world: &mut World, request: &Request) -> Answer {
    let message = own(world, request, 50_005, "Cannot edit a message authored by another user")?;
    let changed = world.edit(request.id(0), request.id(1), message, request)?;
    Ok(Reply::ok(changed))
}

pub(crate) fn delete(world: &mut World, request: &Request) -> Answer {
    own(world, request, 50_013, "Missing Permissions")?;
    world.remove(request.id(0), request.id(1));
    Ok(Reply::nothing())
}

impl World {
    /// Changes a message as the body of a request says.
    pub(crate) fn edit(
        &mut self,
        channel: u64,
        id: u64,
        mut message: Value,
        request: &Request,
    ) -> Result<Value, Refusal> {
        compose::check(&request.body)?;
        compose::apply(self, channel, &mut message, &request.body, &request.files)?;
        message["edited_timestamp"] = clock::stamp(self.now()).into();
        let room = self.rooms.get_mut(&channel).expect("it was found");
        room.messages.insert(id, message.clone());
        self.changed(channel, id);
        Ok(message)
    }
}
