//! The `slack` component: Socket Mode and the Web API (<https://docs.slack.dev/apis/>), and nothing else.
//!
//! - [`socket`] is the receive loop: each envelope is delivered before it is acknowledged.
//! - [`event`] turns an envelope into an event, [`mrkdwn`] Slack's formatting into Markdown, [`command`] reads commands.
//! - [`thread`] keeps in which threads the assistant takes part.
//! - [`missed`] reads in the history what was said while nobody listened.
//! - [`render`] turns a message of the host into parts: blocks of mrkdwn, about 4,000 characters each.
//! - [`send`] sends them, and files.
//! - [`api`] is one exchange with Slack. The tokens are references that the host fills in; they are never here.

mod api;
mod command;
mod event;
mod missed;
mod mrkdwn;
mod render;
mod send;
mod settings;
mod socket;
mod stamp;
mod thread;

use openpact_sdk::adapter::{
    Abilities, Adapter, AdapterError, AdapterInfo, CommandSpec, LengthUnit, Outbound, Part, SendError, Sent,
    Target,
};

/// The most characters of a message's text (`chat.postMessage`, "Truncating content").
const MESSAGE_LENGTH: u32 = 40_000;

/// The adapter.
#[derive(Debug)]
pub struct Slack;

openpact_sdk::export_adapter!(Slack);

impl Adapter for Slack {
    fn describe() -> AdapterInfo {
        AdapterInfo {
            platform: "slack".to_owned(),
            title: "Slack".to_owned(),
            // Slack has no key that would keep a message from appearing twice.
            abilities: Abilities::EDIT
                | Abilities::DELETE
                | Abilities::TYPING
                | Abilities::REPLY
                | Abilities::THREADS
                | Abilities::THREADS_ONLY
                | Abilities::BUTTONS
                | Abilities::COMMANDS
                | Abilities::FILES,
            message_length: MESSAGE_LENGTH,
            length_unit: LengthUnit::Characters,
            // The status stays for two minutes (`assistant.threads.setStatus`).
            typing_interval: Some(60_000),
            // About fifty changes in a minute for the whole workspace (`chat.update`, "Rate limits").
            edit_interval: 1_500,
            // https://docs.slack.dev/apis/web-api/rate-limits
            send_interval: 1_000,
            send_rate: None,
        }
    }

    fn run() -> Result<(), AdapterError> {
        socket::run()
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
        send::fetch(&api::Api::connect()?, &id, limit)
    }

    /// Slack offers the commands that stand in the app's manifest, which no bot can change.
    fn register_commands(_commands: Vec<CommandSpec>) -> Result<(), AdapterError> {
        Ok(())
    }
}
