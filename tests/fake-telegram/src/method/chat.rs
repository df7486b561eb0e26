//! Asking about chats and files.

use serde_json::{Value, json};

use super::Answer;
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::world::World;

pub(super) fn get(world: &mut World, token: &str, parameters: &Parameters) -> Answer {
    let chat = super::chat(world, token, parameters)?;
    let mut object = world.account(token)?.room[&chat].object.clone();
    object["accent_color_id"] = 0.into();
    object["max_reaction_count"] = 11.into();
    object["accepted_gift_types"] =
        ["unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels"]
            .into_iter()
            .map(|kind| (kind.to_owned(), Value::Bool(false)))
            .collect::<serde_json::Map<_, _>>()
            .into();
    Ok(object)
}

pub(super) fn member(world: &mut World, token: &str, parameters: &Parameters) -> Answer {
    super::chat(world, token, parameters)?;
    let me = world.account(token)?.user.clone();
    if parameters.integer("user_id") == Some(me.id) {
        return Ok(json!({"status": "member", "user": me.object()}));
    }
    Err(Refusal::bad("member not found"))
}

pub(super) fn file(world: &mut World, token: &str, parameters: &Parameters) -> Answer {
    let id = parameters.text("file_id").unwrap_or_default();
    let Some(bytes) = world.account(token)?.files.get(&id) else {
        return Err(Refusal::bad("invalid file_id"));
    };
    let path = format!("documents/{id}");
    Ok(
        json!({"file_id": id, "file_unique_id": format!("u{id}"), "file_size": bytes.len(), "file_path": path}),
    )
}
