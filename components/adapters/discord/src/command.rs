//! Commands, which Discord spells as the host does.

use std::collections::BTreeMap;

use openpact_sdk::adapter::{AdapterError, CommandOption, CommandSpec};
use openpact_sdk::{kv, log};
use reqwest::Method;
use serde_json::{Value, json};
use serenity::builder::{CreateCommand, CreateCommandOption};
use serenity::model::application::{CommandOptionType, CommandType, InstallationContext, InteractionContext};

use crate::api::{self, Call, Exchange};

/// The most commands of an application, options of a command, choices of an option; the longest description, and the
/// longest choice, in characters (Application Commands).
const COMMANDS: usize = 100;
const OPTIONS: usize = 25;
const CHOICES: usize = 25;
const TEXT: usize = 100;

/// Where the order of the options is kept.
const KEY: &str = "commands";

/// Makes these the commands that Discord offers for this application, in servers and in direct messages.
pub(crate) fn register(api: &impl Exchange, commands: &[CommandSpec]) -> Result<(), AdapterError> {
    let me = api::call(api, &Call::new(Method::GET, &["applications", "@me"]))?.value;
    let application = me.get("id").and_then(Value::as_str).ok_or_else(|| {
        AdapterError::Protocol("Discord's answer names no application of this bot".to_owned())
    })?;
    if commands.len() > COMMANDS {
        log::warn(&format!(
            "Discord takes {COMMANDS} commands; the last {} are left out",
            commands.len() - COMMANDS
        ));
    }
    let commands = &commands[..commands.len().min(COMMANDS)];
    let list: Vec<_> = commands.iter().map(|command| described(&json!(create(command)))).collect();
    // All at once: those that are not in the list are gone.
    let call = Call::new(Method::PUT, &["applications", application, "commands"]);
    api::call(api, &call.json(json!(list)))?;
    keep_order(commands);
    Ok(())
}

/// Without the fields that say nothing: serenity writes some that this kind of command or option does not have.
fn described(value: &Value) -> Value {
    let says_nothing = |value: &Value| {
        value.is_null() || *value == json!(false) || value.as_array().is_some_and(Vec::is_empty)
    };
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !says_nothing(value));
            fields.map(|(key, value)| (key.clone(), described(value))).collect()
        }
        Value::Array(items) => items.iter().map(described).collect(),
        other => other.clone(),
    }
}

fn create(command: &CommandSpec) -> CreateCommand {
    CreateCommand::new(&command.name)
        .kind(CommandType::ChatInput)
        .description(description(&command.description, &command.name))
        .set_options(in_order(command).into_iter().map(option).collect())
        .integration_types(vec![InstallationContext::Guild])
        .contexts(vec![InteractionContext::Guild, InteractionContext::BotDm])
}

/// Those that must be given come first, as Discord wants it.
fn in_order(command: &CommandSpec) -> Vec<&CommandOption> {
    let mut options: Vec<_> = command.options.iter().collect();
    options.sort_by_key(|option| !option.required);
    options.truncate(OPTIONS);
    options
}

fn option(option: &CommandOption) -> CreateCommandOption {
    let description = description(&option.description, &option.name);
    let created = CreateCommandOption::new(CommandOptionType::String, &option.name, description);
    let created = created.required(option.required);
    let fit = |choice: &String| (1..=TEXT).contains(&choice.chars().count());
    // More than Discord offers, or longer ones: any text then, which the host judges.
    if option.choices.len() > CHOICES || !option.choices.iter().all(fit) {
        return created;
    }
    option.choices.iter().fold(created, |created, choice| created.add_string_choice(choice, choice))
}

/// Discord refuses the whole list for one description that is empty.
fn description(text: &str, name: &str) -> String {
    let text = if text.trim().is_empty() { name } else { text };
    text.chars().take(TEXT).collect()
}

/// Keeps the order of the options for whoever reads the uses.
fn keep_order(commands: &[CommandSpec]) {
    let names = |command: &CommandSpec| command.options.iter().map(|option| option.name.clone()).collect();
    let several = commands.iter().filter(|command| command.options.len() > 1);
    let order: BTreeMap<String, Vec<String>> =
        several.map(|command| (command.name.clone(), names(command))).collect();
    if let Err(error) = kv::set(KEY, json!(order).to_string().as_bytes()) {
        log::warn(&format!("the order of the commands' options cannot be stored: {error:?}"));
    }
}

/// The options of a command in the order in which the host reads them.
pub(crate) fn order(command: &str) -> Vec<String> {
    let stored = kv::get(KEY).ok().flatten().unwrap_or_default();
    let mut order: BTreeMap<String, Vec<String>> = serde_json::from_slice(&stored).unwrap_or_default();
    order.remove(command).unwrap_or_default()
}

/// How the host spells a command. `None` where the host can have no such command.
pub(crate) fn spelling(command: &str) -> Option<String> {
    let name = command.to_ascii_lowercase().replace('_', "-");
    let is_valid = name.len() <= 32
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    is_valid.then_some(name)
}

#[cfg(test)]
mod tests;
