//! The `telegram` component: the Bot API (<https://core.telegram.org/bots/api>), and nothing else.
//!
//! - [`poll`] is the receive loop: `getUpdates`, each update delivered before the next poll acknowledges it.
//! - [`event`] turns an update into an event, [`entity`] Telegram's formatting into Markdown.
//! - [`render`] turns a message of the host into parts: Telegram's HTML, at most 4,096 UTF-16 code units each.
//! - [`send`] sends them, [`attachment`] fetches files, [`command`] registers commands.
//! - [`api`] is one exchange with the Bot API. The token is a reference that the host fills in; it is never here.

mod api;
mod attachment;
mod command;
mod entity;
mod event;
mod poll;
mod render;
mod send;
mod settings;

use openpact_sdk::adapter::{
    Abilities, Adapter, AdapterError, AdapterInfo, CommandSpec, LengthUnit, Outbound, Part, SendError, Sent,
    Target,
};

/// The most UTF-16 code units of a message's text (Bot API, `sendMessage`).
const MESSAGE_LENGTH: usize = 4_096;

/// The adapter.
#[derive(Debug)]
pub struct Telegram;

openpact_sdk::export_adapter!(Telegram);

impl Adapter for Telegram {
    fn describe() -> AdapterInfo {
        AdapterInfo {
            platform: "telegram".to_owned(),
            title: "Telegram".to_owned(),
            abilities: Abilities::EDIT
                | Abilities::DELETE
                | Abilities::TYPING
                | Abilities::REPLY
                | Abilities::THREADS
                | Abilities::BUTTONS
                | Abilities::COMMANDS,
            message_length: 4_096,
            length_unit: LengthUnit::Utf16,
            // The action is shown for five seconds (Bot API, `sendChatAction`).
            typing_interval: Some(4_000),
            edit_interval: 1_000,
            // https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
            send_interval: 1_000,
            send_rate: Some(30),
        }
    }

    fn run() -> Result<(), AdapterError> {
        poll::run()
    }

    fn render(message: Outbound) -> Vec<Part> {
        render::parts(&message)
    }

    fn send_part(target: Target, part: Part, _key: String) -> Result<Sent, SendError> {
        send::send(&api::Api::connect()?, &target, &part)
    }

    fn edit_part(target: Target, id: String, part: Part) -> Result<(), SendError> {
        send::edit(&api::Api::connect()?, &target, &id, &part)
    }

    fn delete_part(target: Target, id: String) -> Result<(), SendError> {
        send::delete(&api::Api::connect()?, &target, &id)
    }

    fn typing(target: Target) -> Result<(), SendError> {
        send::typing(&api::Api::connect()?, &target)
    }

    fn answer_interaction(interaction: String, answer: Outbound) -> Result<(), SendError> {
        send::answer(&api::Api::connect()?, &interaction, &answer)
    }

    fn fetch_attachment(id: String, limit: u64) -> Result<Vec<u8>, SendError> {
        attachment::fetch(&api::Api::connect()?, &id, limit)
    }

    fn register_commands(commands: Vec<CommandSpec>) -> Result<(), AdapterError> {
        command::register(&api::Api::connect()?, &commands)
    }
}
