//! The first answer to an interaction
//! (<https://discord.com/developers/docs/interactions/receiving-and-responding#responding-to-an-interaction>).

use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, Reply, compose};
use crate::clock;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::{Answered, EPHEMERAL, Interaction, LOADING, World, draft, flags};

/// How many milliseconds the first answer may take.
const FIRST: u64 = 3_000;

pub(crate) fn respond(world: &mut World, request: &Request) -> Answer {
    let (now, first) = (world.now(), Duration::from_millis(world.limits.answer.unwrap_or(FIRST)));
    let found = world.interactions.get(&request.id(0)).filter(|one| one.token == request.path[1]);
    let found = found.filter(|one| one.at + first >= now || one.answered.is_some());
    let interaction = found.cloned().ok_or_else(|| Refusal::unknown(10_062, "interaction"))?;
    if interaction.answered.is_some() {
        return Err(Refusal::new(400, 40_060, "Interaction has already been acknowledged."));
    }
    let kind = request.body["type"].as_u64().unwrap_or(0);
    let button = interaction.kind == 3;
    let original = match kind {
        4 | 5 => Some(first_message(world, request, &interaction, kind == 5)?),
        6 if button => interaction.message,
        7 if button => Some(change(world, request, &interaction)?),
        9 => None,
        _ => {
            let why = "Value must be one of those that fit this interaction";
            return Err(Refusal::field("type", "BASE_TYPE_CHOICES", why));
        }
    };
    let kept = world.interactions.get_mut(&interaction.id).expect("it was found");
    kept.answered = Some(Answered { kind, at: clock::now() });
    kept.original = original;
    if request.query("with_response") == Some("true") {
        return Ok(Reply::ok(outcome(world, &interaction, kind, original)));
    }
    Ok(Reply::nothing())
}

/// The message that answers, or says that the bot is thinking.
fn first_message(
    world: &mut World,
    request: &Request,
    interaction: &Interaction,
    later: bool,
) -> Result<u64, Refusal> {
    let data = &request.body["data"];
    let mut message = if later {
        let author = world.account(interaction.bot).user.object();
        let mut message = draft(world, interaction.channel, &author, "");
        message["flags"] = LOADING.into();
        message
    } else {
        compose::compose(world, interaction.bot, interaction.channel, data, &request.files)?
    };
    let ephemeral = data["flags"].as_u64().unwrap_or(0) & EPHEMERAL;
    message["flags"] = (flags(&message) | ephemeral).into();
    mark(world, interaction, &mut message);
    Ok(world.post_sent(interaction.channel, message, Some(interaction.id)))
}

/// Changes the message with the button.
fn change(world: &mut World, request: &Request, interaction: &Interaction) -> Result<u64, Refusal> {
    let id = interaction.message.expect("buttons are below messages");
    let message = world.rooms[&interaction.channel].messages.get(&id).cloned();
    let message = message.ok_or_else(Refusal::unknown_message)?;
    let inner = Request {
        bot: interaction.bot,
        path: Vec::new(),
        query: Vec::new(),
        body: request.body["data"].clone(),
        files: request.files.clone(),
    };
    world.edit(interaction.channel, id, message, &inner)?;
    Ok(id)
}

/// Says in a message which interaction it comes from.
pub(super) fn mark(world: &World, interaction: &Interaction, message: &mut Value) {
    let mut metadata = json!({
        "id": interaction.id.to_string(),
        "type": interaction.kind,
        "user": world.user_object(interaction.user),
        "authorizing_integration_owners": {"0": "0"},
    });
    message["application_id"] = interaction.bot.to_string().into();
    message["webhook_id"] = interaction.bot.to_string().into();
    if let Some(button) = interaction.message {
        metadata["interacted_message_id"] = button.to_string().into();
    }
    let reply_to = interaction.original.or(interaction.message);
    message["type"] = if reply_to.is_some() { 19 } else { 20 }.into();
    if let Some(id) = reply_to {
        let mut reference = json!({
            "type": 0,
            "channel_id": interaction.channel.to_string(),
            "message_id": id.to_string(),
        });
        world.place(&mut reference, interaction.channel);
        message["message_reference"] = reference;
    }
    message["interaction_metadata"] = metadata;
}

/// What is told when the answer was asked for.
fn outcome(world: &World, interaction: &Interaction, kind: u64, original: Option<u64>) -> Value {
    let mut outcome = json!({
        "interaction": {
            "id": interaction.id.to_string(),
            "type": interaction.kind,
            "channel_id": interaction.channel.to_string(),
        },
    });
    world.place(&mut outcome["interaction"], interaction.channel);
    let message = original.and_then(|id| world.rooms[&interaction.channel].messages.get(&id));
    if let Some(message) = message {
        let flags = flags(message);
        outcome["interaction"]["response_message_id"] = message["id"].clone();
        outcome["interaction"]["response_message_loading"] = (flags & LOADING != 0).into();
        outcome["interaction"]["response_message_ephemeral"] = (flags & EPHEMERAL != 0).into();
        if matches!(kind, 4 | 5 | 7) {
            // A message that comes later is told of as one that has come.
            let kind = if kind == 5 { 4 } else { kind };
            outcome["resource"] = json!({"type": kind, "message": message});
        }
    }
    outcome
}
