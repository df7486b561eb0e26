//! Global commands of an application.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::{Answer, Reply};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::World;

/// The most slash commands of one application.
const MAX_COMMANDS: usize = 100;

fn own(world: &mut World, request: &Request) -> Result<(), Refusal> {
    let is_own = world.account(request.bot).user.id == request.id(0);
    let why = "You are not authorized to perform this action on this application";
    if is_own { Ok(()) } else { Err(Refusal::new(403, 20_012, why)) }
}

fn known(world: &World, request: &Request) -> Result<Value, Refusal> {
    let commands = &world.account(request.bot).commands;
    commands.get(&request.id(1)).cloned().ok_or_else(|| Refusal::unknown(10_063, "application command"))
}

/// What the description alone cannot say of a command; `at` is its place in the body.
fn check(command: &Value, at: &str) -> Result<(), Refusal> {
    let slash = command["type"].as_u64().unwrap_or(1) == 1;
    let name = command["name"].as_str().unwrap_or_default();
    if slash && !is_name(name) {
        let why = "Command name is invalid";
        return Err(Refusal::field(&format!("{at}name"), "APPLICATION_COMMAND_INVALID_NAME", why));
    }
    if slash && command["description"].as_str().is_none_or(str::is_empty) {
        let path = format!("{at}description");
        return Err(Refusal::field(&path, "BASE_TYPE_REQUIRED", "This field is required"));
    }
    let mut optional = false;
    for (index, option) in command["options"].as_array().into_iter().flatten().enumerate() {
        let path = format!("{at}options/{index}");
        if !is_name(option["name"].as_str().unwrap_or_default()) {
            let why = "Command name is invalid";
            return Err(Refusal::field(&format!("{path}/name"), "APPLICATION_COMMAND_INVALID_NAME", why));
        }
        if option["required"] == true && optional {
            let why = "Required options must be placed before non-required options";
            return Err(Refusal::field(&path, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", why));
        }
        optional |= option["required"] != true;
    }
    Ok(())
}

/// Lower case letters, digits, `-`, `_` and `'`, up to 32.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '\'');
    (1..=32).contains(&name.chars().count()) && name.chars().all(fits) && name.to_lowercase() == name
}

/// A command as the API gives it.
fn complete(world: &mut World, request: &Request, id: u64, command: &Value) -> Value {
    let version = world.id();
    let permissions = match &command["default_member_permissions"] {
        Value::Number(number) => number.to_string().into(),
        other => other.clone(),
    };
    let mut whole = json!({
        "id": id.to_string(),
        "application_id": request.bot.to_string(),
        "version": version.to_string(),
        "default_member_permissions": permissions,
        "type": command["type"].as_u64().unwrap_or(1),
        "name": command["name"],
        "description": command["description"].as_str().unwrap_or_default(),
        "dm_permission": command["dm_permission"].as_bool().unwrap_or(true),
        "contexts": command["contexts"],
        "integration_types": command["integration_types"].as_array().cloned().unwrap_or(vec![0.into()]),
        "nsfw": command["nsfw"].as_bool().unwrap_or(false),
    });
    if let Some(options) = command["options"].as_array().filter(|options| !options.is_empty()) {
        whole["options"] = options.clone().into();
        let options = whole["options"].as_array_mut().into_iter().flatten();
        for option in options.filter_map(Value::as_object_mut) {
            option.retain(|_, value| !value.is_null());
        }
    }
    whole
}

fn same_name(world: &World, bot: u64, command: &Value) -> Option<u64> {
    let kind = command["type"].as_u64().unwrap_or(1);
    let commands = &world.account(bot).commands;
    let mut same = commands.iter().filter(|(_, one)| one["name"] == command["name"] && one["type"] == kind);
    same.next().map(|(id, _)| *id)
}

pub(crate) fn list(world: &mut World, request: &Request) -> Answer {
    own(world, request)?;
    Ok(Reply::ok(world.commands(request.bot).into()))
}

pub(crate) fn get(world: &mut World, request: &Request) -> Answer {
    own(world, request)?;
    Ok(Reply::ok(known(world, request)?))
}

pub(crate) fn replace(world: &mut World, request: &Request) -> Answer {
    own(world, request)?;
    let wanted = request.body.as_array().cloned().unwrap_or_default();
    if wanted.len() > MAX_COMMANDS {
        return Err(Refusal::new(400, 30_032, "Maximum number of application commands reached (100)"));
    }
    let mut names = HashSet::new();
    for (index, command) in wanted.iter().enumerate() {
        check(command, &format!("{index}/"))?;
        if !names.insert((command["type"].as_u64().unwrap_or(1), command["name"].to_string())) {
            let why = "Application command names must be unique";
            let path = index.to_string();
            return Err(Refusal::field(&path, "APPLICATION_COMMANDS_DUPLICATE_NAME", why));
        }
    }
    let mut commands = BTreeMap::new();
    for command in &wanted {
        let id = same_name(world, request.bot, command).unwrap_or_else(|| world.id());
        commands.insert(id, complete(world, request, id, command));
    }
    let all: Vec<Value> = commands.values().cloned().collect();
    world.account_mut(request.bot).commands = commands;
    Ok(Reply::ok(all.into()))
}

pub(crate) fn create(world: &mut World, request: &Request) -> Answer {
    own(world, request)?;
    check(&request.body, "")?;
    let known = same_name(world, request.bot, &request.body);
    if known.is_none() && world.account(request.bot).commands.len() >= MAX_COMMANDS {
        return Err(Refusal::new(400, 30_032, "Maximum number of application commands reached (100)"));
    }
    let id = known.unwrap_or_else(|| world.id());
    let command = complete(world, request, id, &request.body);
    world.account_mut(request.bot).commands.insert(id, command.clone());
    Ok(if known.is_some() { Reply::ok(command) } else { Reply::created(command) })
}

pub(crate) fn update(world: &mut World, request: &Request) -> Answer {
    own(world, request)?;
    let mut command = known(world, request)?;
    for (key, value) in request.body.as_object().into_iter().flatten() {
        command[key] = value.clone();
    }
    check(&command, "")?;
    let command = complete(world, request, request.id(1), &command);
    world.account_mut(request.bot).commands.insert(request.id(1), command.clone());
    Ok(Reply::ok(command))
}

pub(crate) fn delete(world: &mut World, request: &Request) -> Answer {
    own(world, request)?;
    known(world, request)?;
    world.account_mut(request.bot).commands.remove(&request.id(1));
    Ok(Reply::nothing())
}
