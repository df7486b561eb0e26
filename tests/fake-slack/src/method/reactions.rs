//! Reactions.

use serde_json::{Value, json};

use super::Answer;
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::world::World;

/// The message that a request names, and who the bot is.
fn message<'a>(world: &'a mut World, parameters: &Parameters) -> Result<(&'a mut Value, String), Refusal> {
    let channel = super::channel(world, parameters, "channel")?;
    let ts = parameters.needed("timestamp")?;
    let me = world.account().user.id.clone();
    let message = world.conversation(&channel).messages.get_mut(&ts);
    message.map(|message| (message, me)).ok_or_else(|| Refusal::new("message_not_found"))
}

fn name(parameters: &Parameters) -> Result<String, Refusal> {
    let name = parameters.needed("name")?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-+:".contains(c);
    if name.chars().all(allowed) { Ok(name) } else { Err(Refusal::new("invalid_name")) }
}

/// Puts somebody's reaction to a message; false if it is there.
pub(crate) fn react(message: &mut Value, user: &str, name: &str) -> bool {
    if !message["reactions"].is_array() {
        message["reactions"] = json!([]);
    }
    let reactions = message["reactions"].as_array_mut().expect("it was made a list");
    let known = reactions.iter_mut().find(|reaction| reaction["name"] == name);
    let Some(reaction) = known else {
        reactions.push(json!({"name": name, "users": [user], "count": 1}));
        return true;
    };
    let users = reaction["users"].as_array_mut().expect("it was made a list");
    if users.iter().any(|known| known == user) {
        return false;
    }
    users.push(user.into());
    reaction["count"] = users.len().into();
    true
}

pub(super) fn add(world: &mut World, parameters: &Parameters) -> Answer {
    let name = name(parameters)?;
    let (message, me) = message(world, parameters)?;
    if react(message, &me, &name) { Ok(json!({})) } else { Err(Refusal::new("already_reacted")) }
}

pub(super) fn remove(world: &mut World, parameters: &Parameters) -> Answer {
    let name = name(parameters)?;
    let (message, me) = message(world, parameters)?;
    let reactions = message["reactions"].as_array_mut();
    let mut mine = reactions.into_iter().flatten().filter(|reaction| reaction["name"] == name.as_str());
    let users = mine.next().and_then(|reaction| reaction["users"].as_array_mut());
    let Some(users) = users else { return Err(Refusal::new("no_reaction")) };
    let before = users.len();
    users.retain(|user| *user != me.as_str());
    if users.len() < before { Ok(json!({})) } else { Err(Refusal::new("no_reaction")) }
}
