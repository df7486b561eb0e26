//! Uses of commands and buttons.

use openpact_sdk::adapter::{ButtonPress, Channel, CommandUse, Happening, InboundEvent};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serenity::model::application::{
    CommandData, CommandDataOption, CommandDataOptionValue, CommandType, ComponentInteractionDataKind,
    Interaction as Received, InteractionContext,
};
use serenity::model::user::User;

use super::place::Place;
use super::{Places, Read, Reader, Unread, place, raw, time};
use crate::api::Exchange;
use crate::command;

/// What an answer to an interaction needs. Its token is good for fifteen minutes and for this interaction alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interaction {
    /// Its id.
    pub(crate) id: String,
    /// Its token.
    pub(crate) token: String,
    /// The application that it is for.
    pub(crate) application: String,
    /// What was used.
    pub(crate) origin: Origin,
}

/// What was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// A command: its answer takes the place of "is thinking".
    Command,
    /// A button: its answer is a message more.
    Button,
}

impl Reader<'_> {
    pub(super) fn interaction(
        &self,
        data: &Value,
        places: &mut Places,
        api: &impl Exchange,
    ) -> Result<Option<Read>, Unread> {
        let received = raw::interaction(data)?;
        let interaction = |origin: Origin| Interaction {
            id: received.id().to_string(),
            token: received.token().to_owned(),
            application: received.application_id().to_string(),
            origin,
        };
        let text = |interaction: &Interaction| serde_json::json!(interaction).to_string();
        let (user, place, context, interaction, happening) = match &received {
            Received::Command(used) if used.data.kind == CommandType::ChatInput => {
                let Some(name) = command::spelling(&used.data.name) else { return Ok(None) };
                let interaction = interaction(Origin::Command);
                let happening = Happening::Command(CommandUse {
                    interaction: Some(text(&interaction)),
                    message: None,
                    arguments: arguments(&used.data, &command::order(&name)),
                    name,
                });
                (&used.user, used.channel_id, used.context, interaction, happening)
            }
            Received::Component(pressed) if is_button(&pressed.data.kind) => {
                let interaction = interaction(Origin::Button);
                let happening = Happening::Button(ButtonPress {
                    interaction: text(&interaction),
                    message: pressed.message.id.to_string(),
                    value: pressed.data.custom_id.clone(),
                });
                (&pressed.user, pressed.channel_id, pressed.context, interaction, happening)
            }
            _ => return Ok(None),
        };
        if user.bot && !self.bots.contains(&user.id.get()) {
            return Ok(None);
        }
        let id = received.id().get();
        let channel = if data.get("guild_id").is_some_and(|server| !server.is_null()) {
            in_server(place.get(), time(id), data, places, api)?
        } else {
            Some(outside(place.get(), context, user))
        };
        let Some(channel) = channel else { return Ok(None) };
        let event = InboundEvent {
            account: self.me.to_string(),
            id: format!("interaction:{id}"),
            revision: 0,
            time: time(id),
            channel,
            sender: self.sender(user, data.pointer("/member/nick"), false),
            happening,
        };
        Ok(Some(Read { event, interaction: Some(interaction) }))
    }
}

/// The channel of a server in which it was used. Discord says along what that is, and of what it is a thread; it is asked
/// only where it does not.
fn in_server(
    id: u64,
    now: u64,
    data: &Value,
    places: &mut Places,
    api: &impl Exchange,
) -> Result<Option<Channel>, Unread> {
    let place = match data.get("channel").and_then(|channel| places.told(id, channel)) {
        Some(place) => Some(place),
        None => places.find(id, now, api)?,
    };
    let parent = place.as_ref().and_then(Place::thread_of).and_then(|parent| places.known(parent));
    Ok(place.map(|place| place.channel(id, parent)))
}

/// Outside a server. Between people, and where several are, the assistant takes no part: what is said there is for a
/// group.
fn outside(id: u64, context: Option<InteractionContext>, user: &User) -> Channel {
    match context {
        Some(InteractionContext::BotDm) => {
            place::direct(id, user.global_name.clone().unwrap_or_else(|| user.name.clone()))
        }
        // Between people, or in a place that is not known yet.
        _ => place::group(id),
    }
}

fn is_button(kind: &ComponentInteractionDataKind) -> bool {
    matches!(kind, ComponentInteractionDataKind::Button)
}

/// What stands behind a command: the values of its options, in the order in which the command has them; people fill them
/// in as they like.
fn arguments(data: &CommandData, order: &[String]) -> String {
    let place = |option: &&CommandDataOption| {
        order.iter().position(|name| *name == option.name).unwrap_or(order.len())
    };
    let mut options: Vec<_> = data.options.iter().collect();
    options.sort_by_key(place);
    options.into_iter().filter_map(value).collect::<Vec<_>>().join(" ")
}

fn value(option: &CommandDataOption) -> Option<String> {
    match &option.value {
        CommandDataOptionValue::String(text) => Some(text.trim().to_owned()),
        CommandDataOptionValue::Integer(number) => Some(number.to_string()),
        CommandDataOptionValue::Number(number) => Some(number.to_string()),
        CommandDataOptionValue::Boolean(value) => Some(value.to_string()),
        // No such option is registered.
        _ => None,
    }
}
