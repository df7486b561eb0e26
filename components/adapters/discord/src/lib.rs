//! The `discord` component: Discord's gateway and API, version 10 (<https://discord.com/developers/docs>), and nothing
//! else.
//!
//! - [`receive`] is the receive loop, [`gateway`] the state of one connection to the gateway: what comes, what is due,
//!   what is sent, with neither a socket nor a clock.
//! - [`event`] turns what the gateway dispatches into events.
//! - [`render`] turns a message of the host into parts: Markdown as it is, at most 2,000 characters each, and embeds.
//! - [`send`] sends them, [`answer`] answers interactions, [`attachment`] fetches files, [`command`] registers commands.
//! - [`api`] is one exchange with the API. The token is a reference that the host fills in; it is never here.

mod answer;
mod api;
mod attachment;
mod command;
mod event;
mod gateway;
mod receive;
mod render;
mod send;
mod settings;

use openpact_sdk::adapter::{
    Abilities, Adapter, AdapterError, AdapterInfo, CommandSpec, LengthUnit, Outbound, Part, SendError, Sent,
    Target,
};

/// The most characters of a message's content (Message Resource, "Create Message").
const MESSAGE_LENGTH: usize = 2_000;

/// The adapter.
#[derive(Debug)]
pub struct Discord;

openpact_sdk::export_adapter!(Discord);

impl Adapter for Discord {
    fn describe() -> AdapterInfo {
        AdapterInfo {
            platform: "discord".to_owned(),
            title: "Discord".to_owned(),
            abilities: Abilities::EDIT
                | Abilities::DELETE
                | Abilities::TYPING
                | Abilities::REPLY
                | Abilities::THREADS
                | Abilities::BUTTONS
                | Abilities::COMMANDS
                | Abilities::FILES
                | Abilities::IDEMPOTENT_SEND,
            message_length: 2_000,
            length_unit: LengthUnit::Characters,
            // It is shown for ten seconds (Channel Resource, "Trigger Typing Indicator").
            typing_interval: Some(8_000),
            // Five edits in five seconds; Discord tells when that is used up.
            edit_interval: 1_000,
            send_interval: 0,
            // All requests of a bot together (Rate Limits, "Global Rate Limit").
            send_rate: Some(50),
        }
    }

    fn run() -> Result<(), AdapterError> {
        receive::run()
    }

    fn render(message: Outbound) -> Vec<Part> {
        render::parts(&message)
    }

    fn send_part(target: Target, part: Part, key: String) -> Result<Sent, SendError> {
        send::send(&mindful()?, &target, part, &key)
    }

    fn edit_part(target: Target, id: String, part: Part) -> Result<(), SendError> {
        send::edit(&mindful()?, &target, &id, part)
    }

    fn delete_part(target: Target, id: String) -> Result<(), SendError> {
        send::delete(&mindful()?, &target, &id)
    }

    fn typing(target: Target) -> Result<(), SendError> {
        send::typing(&mindful()?, &target)
    }

    fn answer_interaction(interaction: String, answer: Outbound) -> Result<(), SendError> {
        answer::answer(&mindful()?, &interaction, &answer)
    }

    fn fetch_attachment(id: String, limit: u64) -> Result<Vec<u8>, SendError> {
        attachment::fetch(&api::Api::connect()?, &id, limit)
    }

    fn register_commands(commands: Vec<CommandSpec>) -> Result<(), AdapterError> {
        command::register(&api::Api::connect()?, &commands)
    }
}

/// The API, for what is sent.
fn mindful() -> Result<api::Mindful<api::Api>, api::Unusable> {
    api::Api::connect().map(api::Mindful)
}
