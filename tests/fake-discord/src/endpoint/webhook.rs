//! What follows the first answer to an interaction; the token is that of the interaction
//! (<https://discord.com/developers/docs/interactions/receiving-and-responding#followup-messages>).

use std::time::Duration;

use serde_json::Value;

use super::{Answer, Reply, compose, interaction};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::{EPHEMERAL, Interaction, LOADING, World, flags};

/// How long the token of an interaction holds.
const HOLDS: Duration = Duration::from_mins(15);

/// The interaction of this token, which must have been answered.
fn answered(world: &World, request: &Request) -> Result<Interaction, Refusal> {
    let unknown = || Refusal::unknown(10_015, "Webhook");
    let mut all = world.interactions.values();
    let found = all.find(|one| one.token == request.path[1] && one.bot == request.id(0));
    let found = found.ok_or_else(unknown)?;
    if found.at + HOLDS < world.now() {
        return Err(Refusal::new(401, 50_027, "Invalid Webhook Token"));
    }
    if found.answered.is_none() {
        return Err(unknown());
    }
    Ok(found.clone())
}

fn original(world: &World, request: &Request) -> Result<(u64, u64), Refusal> {
    let interaction = answered(world, request)?;
    let id = interaction.original.ok_or_else(Refusal::unknown_message)?;
    Ok((interaction.channel, id))
}

fn followed(world: &World, request: &Request) -> Result<(u64, u64), Refusal> {
    let interaction = answered(world, request)?;
    let id = request.id(2);
    let known = interaction.followups.contains(&id) || interaction.original == Some(id);
    if known { Ok((interaction.channel, id)) } else { Err(Refusal::unknown_message()) }
}

fn message(world: &World, (channel, id): (u64, u64)) -> Result<Value, Refusal> {
    world.rooms[&channel].messages.get(&id).cloned().ok_or_else(Refusal::unknown_message)
}

pub(crate) fn get_original(world: &mut World, request: &Request) -> Answer {
    Ok(Reply::ok(message(world, original(world, request)?)?))
}

pub(crate) fn get(world: &mut World, request: &Request) -> Answer {
    Ok(Reply::ok(message(world, followed(world, request)?)?))
}

pub(crate) fn update_original(world: &mut World, request: &Request) -> Answer {
    let place = original(world, request)?;
    change(world, request, place)
}

pub(crate) fn update(world: &mut World, request: &Request) -> Answer {
    let place = followed(world, request)?;
    change(world, request, place)
}

fn change(world: &mut World, request: &Request, (channel, id): (u64, u64)) -> Answer {
    let mut changed = message(world, (channel, id))?;
    // What was said that a message would come ends with that message.
    changed["flags"] = (flags(&changed) & !LOADING).into();
    Ok(Reply::ok(world.edit(channel, id, changed, request)?))
}

pub(crate) fn delete_original(world: &mut World, request: &Request) -> Answer {
    let (channel, id) = original(world, request)?;
    remove(world, channel, id)
}

pub(crate) fn delete(world: &mut World, request: &Request) -> Answer {
    let (channel, id) = followed(world, request)?;
    remove(world, channel, id)
}

fn remove(world: &mut World, channel: u64, id: u64) -> Answer {
    message(world, (channel, id))?;
    world.remove(channel, id);
    Ok(Reply::nothing())
}

/// A message that follows. The first one after an answer that said it would come takes its place.
pub(crate) fn follow_up(world: &mut World, request: &Request) -> Answer {
    let known = answered(world, request)?;
    if let Some(id) = known.original {
        let waiting = message(world, (known.channel, id)).is_ok_and(|message| flags(&message) & LOADING != 0);
        if waiting {
            return change(world, request, (known.channel, id));
        }
    }
    let (body, files) = (&request.body, &request.files);
    let mut composed = compose::compose(world, known.bot, known.channel, body, files)?;
    let ephemeral = body["flags"].as_u64().unwrap_or(0) & EPHEMERAL;
    composed["flags"] = (flags(&composed) | ephemeral).into();
    interaction::mark(world, &known, &mut composed);
    let id = world.post_sent(known.channel, composed, Some(known.id));
    let kept = world.interactions.get_mut(&known.id).expect("it was found");
    kept.followups.push(id);
    Ok(Reply::ok(message(world, (known.channel, id))?))
}
