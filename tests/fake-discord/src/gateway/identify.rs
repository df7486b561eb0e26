//! Identify and Resume: who may begin or go on with a session. An error is the code to close with.

use std::time::Duration;

use serde_json::Value;

use super::intent;
use crate::endpoint::me::STARTS;
use crate::world::World;

/// Who begins a session.
pub(super) struct Identity {
    pub(super) bot: u64,
    pub(super) intents: u64,
}

/// What becomes of an Identify.
pub(super) enum Begin {
    Session(Identity),
    /// Too soon after the one before, or one too many today.
    TooSoon,
}

/// What becomes of a Resume.
pub(super) enum GoOn {
    /// The session, and the last event that the bot has seen of it.
    Session { id: String, sequence: u64 },
    /// There is no such session any more.
    Gone,
}

fn bot(world: &World, token: &Value) -> Result<u64, u16> {
    let token = token.as_str().unwrap_or_default();
    let token = token.strip_prefix("Bot ").unwrap_or(token);
    let account = world.bots.get(token).filter(|account| !account.revoked);
    account.map(|account| account.user.id).ok_or(4_004)
}

pub(super) fn identify(world: &mut World, data: &Value) -> Result<Begin, u16> {
    if !data.is_object() {
        return Err(4_002);
    }
    let bot = bot(world, &data["token"])?;
    let properties = ["os", "browser", "device"];
    if properties.iter().any(|key| !data["properties"][key].is_string()) {
        world.complain(["Identify: 'properties' needs os, browser and device".to_owned()]);
        return Err(4_002);
    }
    if let Some(threshold) = data.get("large_threshold")
        && !threshold.as_u64().is_some_and(|members| (50..=250).contains(&members))
    {
        world.complain(["Identify: 'large_threshold' is from 50 to 250".to_owned()]);
        return Err(4_002);
    }
    check_shard(&data["shard"])?;
    let intents = data["intents"].as_u64().filter(|intents| intents & !intent::ALL == 0).ok_or(4_013_u16)?;
    let (now, limits) = (world.now(), world.limits);
    let account = world.account_mut(bot);
    if intents & intent::PRIVILEGED & !account.privileged != 0 {
        return Err(4_014);
    }
    let least = limits.identify.map(Duration::from_millis);
    let too_soon = account.last_start.zip(least).is_some_and(|(last, least)| last + least > now);
    if too_soon || account.starts >= limits.starts.unwrap_or(STARTS) {
        return Ok(Begin::TooSoon);
    }
    account.starts += 1;
    account.last_start = Some(now);
    Ok(Begin::Session(Identity { bot, intents }))
}

/// A shard is `[number, count]`, and the only one here is the first.
fn check_shard(shard: &Value) -> Result<(), u16> {
    let numbers: Vec<u64> = shard.as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    match numbers[..] {
        [] if shard.is_null() => Ok(()),
        [number, count] if number < count => Ok(()),
        _ => Err(4_010),
    }
}

pub(super) fn resume(world: &mut World, data: &Value) -> Result<GoOn, u16> {
    let bot = bot(world, &data["token"])?;
    let (Some(id), Some(sequence)) = (data["session_id"].as_str(), data["seq"].as_u64()) else {
        world.complain(["Resume: 'session_id' and 'seq' are needed".to_owned()]);
        return Err(4_002);
    };
    let Some(session) = world.sessions.get(id).filter(|session| session.bot == bot) else {
        return Ok(GoOn::Gone);
    };
    if sequence > session.sequence {
        return Err(4_007);
    }
    Ok(GoOn::Session { id: id.to_owned(), sequence })
}
