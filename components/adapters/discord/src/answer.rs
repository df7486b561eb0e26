//! Interactions: acknowledging them in time, and answering them (Receiving and Responding).
//!
//! Answers are for whoever used the command or the button, and are shown to nobody else. A command is acknowledged with
//! "is thinking", which its answer takes the place of; a button without a word, so that nothing is left behind where the
//! host answers by a message.

use openpact_sdk::adapter::{Detail, Outbound, Part, Piece, SendError, Stage};
use reqwest::Method;
use serde_json::{Map, Value, json};
use serenity::builder::{CreateInteractionResponse, CreateInteractionResponseMessage};
use serenity::model::channel::MessageFlags;

use crate::api::{self, Call, Exchange, Failure, SHORTLY};
use crate::event::{Interaction, Origin};
use crate::render;
use crate::send::{name_files, with_files};

/// A response that is a message ("Interaction Callback Type").
const MESSAGE: u64 = 4;

/// Acknowledges an interaction, which Discord wants within three seconds.
pub(crate) fn defer(api: &impl Exchange, interaction: &Interaction) -> Result<(), Failure> {
    let response = match interaction.origin {
        Origin::Command => {
            let shown = CreateInteractionResponseMessage::new().ephemeral(true);
            CreateInteractionResponse::Defer(shown)
        }
        Origin::Button => CreateInteractionResponse::Acknowledge,
    };
    let mut response = json!(response);
    // What is null, or empty, is not said.
    if let Some(data) = response.get_mut("data").and_then(Value::as_object_mut) {
        data.remove("attachments");
    }
    if response.get("data").is_some_and(Value::is_null)
        && let Some(response) = response.as_object_mut()
    {
        response.remove("data");
    }
    api::call(api, &callback(interaction).json(response).within(SHORTLY)).map(drop)
}

/// Answers an interaction.
pub(crate) fn answer(api: &impl Exchange, interaction: &str, answer: &Outbound) -> Result<(), SendError> {
    let interaction: Interaction = serde_json::from_str(interaction)
        .map_err(|_| SendError::Refused("this is no interaction of Discord's".to_owned()))?;
    let mut parts = render::parts(answer).into_iter();
    let first = match parts.next() {
        Some(first) => first,
        // "Is thinking" would stay for a quarter of an hour.
        None => render::parts(&done()).remove(0),
    };
    answer_first(api, &interaction, &first)?;
    parts.try_for_each(|part| follow_up(api, &interaction, &part).map_err(Into::into))
}

fn done() -> Outbound {
    let pieces = vec![Piece::Notice("Done.".to_owned())];
    Outbound { pieces, buttons: vec![], detail: Detail::Simple, stage: Stage::Complete }
}

fn answer_first(api: &impl Exchange, interaction: &Interaction, part: &Part) -> Result<(), SendError> {
    match in_place(api, interaction, part)? {
        // It was not acknowledged; the answer may still be in time.
        Err(failure) if failure.is_gone() => {}
        other => return other.map_err(Into::into),
    }
    let mut data = for_one(render::body(part)?);
    name_files(&mut data, &part.files);
    let response = json!({ "type": MESSAGE, "data": data });
    match api::call(api, &callback(interaction).files(response, part.files.clone())) {
        // The acknowledgement was on its way beside this.
        Err(failure) if failure.is_acknowledged() => in_place(api, interaction, part)?.map_err(Into::into),
        other => other.map(drop).map_err(Into::into),
    }
}

/// Answers what was acknowledged.
fn in_place(
    api: &impl Exchange,
    interaction: &Interaction,
    part: &Part,
) -> Result<Result<(), Failure>, SendError> {
    if interaction.origin == Origin::Button {
        return Ok(follow_up(api, interaction, part));
    }
    let path = ["webhooks", &interaction.application, &interaction.token, "messages", "@original"];
    let call = Call::new(Method::PATCH, &path).anonymous();
    Ok(api::call(api, &with_files(call, render::body(part)?, part.files.clone())).map(drop))
}

fn follow_up(api: &impl Exchange, interaction: &Interaction, part: &Part) -> Result<(), Failure> {
    let call = Call::new(Method::POST, &["webhooks", &interaction.application, &interaction.token]);
    let body = render::body(part).map_err(|_| Failure::Unsent("a part that is not ours".to_owned()))?;
    api::call(api, &with_files(call.anonymous(), for_one(body), part.files.clone())).map(drop)
}

/// Shown to whoever is answered, and to nobody else.
fn for_one(mut body: Map<String, Value>) -> Map<String, Value> {
    let flags = body.get("flags").and_then(Value::as_u64).unwrap_or(0) | MessageFlags::EPHEMERAL.bits();
    body.insert("flags".to_owned(), json!(flags));
    body
}

fn callback(interaction: &Interaction) -> Call {
    Call::new(Method::POST, &["interactions", &interaction.id, &interaction.token, "callback"]).anonymous()
}

#[cfg(test)]
mod tests;
