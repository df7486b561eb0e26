//! Channels, and that somebody types in them.

use super::{Answer, Reply};
use crate::clock;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::World;

pub(crate) fn get(world: &mut World, request: &Request) -> Answer {
    Ok(Reply::ok(world.room(request.bot, request.id(0))?.object.clone()))
}

pub(crate) fn typing(world: &mut World, request: &Request) -> Answer {
    let room = world.room(request.bot, request.id(0))?;
    if let Some(refusal) = &room.closed {
        return Err(refusal.clone());
    }
    room.typing.push(clock::now());
    Ok(Reply::nothing())
}

pub(crate) fn direct(world: &mut World, request: &Request) -> Answer {
    let wanted = &request.body["recipient_id"];
    let id = wanted.as_str().and_then(|id| id.parse().ok()).or_else(|| wanted.as_u64());
    let user = id.and_then(|id| world.users.get(&id)).filter(|user| !user.is_bot).cloned();
    let Some(user) = user else {
        return Err(Refusal::new(400, 50_033, "Invalid Recipient(s)"));
    };
    let id = world.direct(request.bot, &user);
    Ok(Reply::ok(world.rooms[&id].object.clone()))
}
