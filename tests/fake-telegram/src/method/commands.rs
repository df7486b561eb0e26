//! The list of commands that the platform offers.

use serde_json::{Value, json};

use super::Answer;
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::world::World;

/// The most commands.
const MOST: usize = 100;

pub(super) fn set(world: &mut World, token: &str, parameters: &Parameters) -> Answer {
    let commands = parameters.structure("commands")?.unwrap_or(Value::Null);
    let Some(list) = commands.as_array() else {
        return Err(Refusal::bad("can't parse commands: expected an Array of BotCommand"));
    };
    if list.len() > MOST {
        return Err(Refusal::bad("BOT_COMMANDS_TOO_MUCH"));
    }
    for command in list {
        let name = command["command"].as_str().unwrap_or_default();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > 32 || !name.chars().all(fits) {
            return Err(Refusal::bad("BOT_COMMAND_INVALID"));
        }
        let description = command["description"].as_str().unwrap_or_default().chars().count();
        if !(1..=256).contains(&description) {
            return Err(Refusal::bad("BOT_COMMAND_DESCRIPTION_INVALID"));
        }
    }
    let key = key(parameters)?;
    world.account(token)?.commands.insert(key, commands);
    Ok(true.into())
}

pub(super) fn get(world: &mut World, token: &str, parameters: &Parameters) -> Answer {
    let key = key(parameters)?;
    Ok(world.account(token)?.commands.get(&key).cloned().unwrap_or_else(|| json!([])))
}

pub(super) fn delete(world: &mut World, token: &str, parameters: &Parameters) -> Answer {
    let key = key(parameters)?;
    world.account(token)?.commands.remove(&key);
    Ok(true.into())
}

fn key(parameters: &Parameters) -> Result<(String, String), Refusal> {
    let scope = parameters.structure("scope")?.unwrap_or_else(|| json!({"type": "default"}));
    Ok((scope.to_string(), parameters.text("language_code").unwrap_or_default()))
}
