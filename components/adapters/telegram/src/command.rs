//! Commands: spelt as Telegram wants them, `_` for `-`.

use openpact_sdk::adapter::{AdapterError, CommandSpec};
use teloxide_core::payloads::{DeleteMyCommands, SetMyCommands};
use teloxide_core::types::BotCommand;

use crate::api::{self, Exchange};

/// The longest description in characters (Bot API, `BotCommand`).
const DESCRIPTION: usize = 256;

/// Makes these the commands that Telegram offers for this bot, in all chats and languages.
pub(crate) fn register(api: &impl Exchange, commands: &[CommandSpec]) -> Result<(), AdapterError> {
    if commands.is_empty() {
        return api::call(api, &DeleteMyCommands::new()).map(drop).map_err(Into::into);
    }
    let commands = commands.iter().map(|command| {
        let description: String = command.description.chars().take(DESCRIPTION).collect();
        // Telegram refuses the whole list for one empty description.
        let description = if description.trim().is_empty() { command.name.clone() } else { description };
        BotCommand::new(command.name.replace('-', "_"), description)
    });
    api::call(api, &SetMyCommands::new(commands)).map(drop).map_err(Into::into)
}

/// How the host spells a command: `mode-full` for `MODE_full`. `None` where the host can have no such command.
pub(crate) fn spelling(command: &str) -> Option<String> {
    // Telegram's own word for the beginning of a chat, which every new user sends.
    let command = if command.eq_ignore_ascii_case("start") { "help" } else { command };
    let name = command.to_ascii_lowercase().replace('_', "-");
    let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 32
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    valid.then_some(name)
}
