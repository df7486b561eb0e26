//! Changing and taking back what was sent; answers to buttons.

use openpact_fake_kit::clock;
use serde_json::Value;

use super::{Answer, send};
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::world::{Account, Room, World};

/// The chat and the message that a request names, if the bot wrote it.
fn own(world: &mut World, token: &str, parameters: &Parameters, what: &str) -> Result<(i64, i64), Refusal> {
    let chat = super::chat(world, token, parameters)?;
    let Some(id) = parameters.integer("message_id") else {
        return Err(Refusal::bad("message identifier is not specified"));
    };
    let account = world.account(token)?;
    let me = account.user.id;
    match account.room[&chat].messages.get(&id) {
        None => Err(Refusal::bad(&format!("message to {what} not found"))),
        Some(message) if message["from"]["id"] != me && account.room[&chat].kind() != "channel" => {
            Err(Refusal::bad(&format!("message can't be {what}ed")))
        }
        Some(_) => Ok((chat, id)),
    }
}

fn room(account: &mut Account, chat: i64) -> &mut Room {
    account.room.get_mut(&chat).expect("it was found")
}

pub(super) fn text(world: &mut World, token: &str, parameters: &Parameters) -> Answer {
    let text = send::text(parameters)?;
    let keyboard = send::keyboard(parameters)?;
    let (chat, id) = own(world, token, parameters, "edit")?;
    let now = world.now();
    let room = room(world.account(token)?, chat);
    let message = room.messages.get_mut(&id).expect("it was found");
    let before = message.clone();
    message["text"] = text.text.as_str().into();
    send::decorate(message, &text, keyboard.as_ref());
    if *message == before {
        return Err(Refusal::bad(
            "message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message",
        ));
    }
    message["edit_date"] = clock::seconds(now).into();
    let message = message.clone();
    if let Some(sent) = room.sent.iter_mut().find(|sent| sent.message_id == id) {
        sent.edits.push(std::mem::replace(&mut sent.text, text.text));
        sent.entities = text.entities;
        sent.parse_mode = parameters.text("parse_mode");
        sent.source = parameters.text("text").unwrap_or_default();
        sent.buttons = send::buttons(keyboard.as_ref());
    }
    Ok(message)
}

pub(super) fn markup(world: &mut World, token: &str, parameters: &Parameters) -> Answer {
    let keyboard = send::keyboard(parameters)?;
    let (chat, id) = own(world, token, parameters, "edit")?;
    let room = room(world.account(token)?, chat);
    let message = room.messages.get_mut(&id).expect("it was found");
    match &keyboard {
        Some(keyboard) => message["reply_markup"] = keyboard.clone(),
        None => drop(message.as_object_mut().expect("it is an object").remove("reply_markup")),
    }
    let message = message.clone();
    if let Some(sent) = room.sent.iter_mut().find(|sent| sent.message_id == id) {
        sent.buttons = send::buttons(keyboard.as_ref());
    }
    Ok(message)
}

pub(super) fn delete(world: &mut World, token: &str, parameters: &Parameters) -> Answer {
    let (chat, id) = own(world, token, parameters, "delete")?;
    remove(room(world.account(token)?, chat), id);
    Ok(true.into())
}

fn remove(room: &mut Room, id: i64) {
    room.messages.remove(&id);
    if let Some(sent) = room.sent.iter_mut().find(|sent| sent.message_id == id) {
        sent.deleted = true;
    }
}

pub(super) fn delete_several(world: &mut World, token: &str, parameters: &Parameters) -> Answer {
    let chat = super::chat(world, token, parameters)?;
    let ids = parameters.structure("message_ids")?.unwrap_or(Value::Null);
    let ids: Vec<i64> = ids.as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    if !(1..=100).contains(&ids.len()) {
        return Err(Refusal::bad("message identifiers are not specified"));
    }
    let room = room(world.account(token)?, chat);
    // Those that are not there are passed over, as the description says.
    for id in ids {
        remove(room, id);
    }
    Ok(true.into())
}

pub(super) fn answer_query(world: &mut World, token: &str, parameters: &Parameters) -> Answer {
    if parameters.text("text").is_some_and(|text| text.chars().count() > 200) {
        return Err(Refusal::bad("MESSAGE_TOO_LONG"));
    }
    let id = parameters.text("callback_query_id").unwrap_or_default();
    if !world.account(token)?.queries.remove(&id) {
        return Err(Refusal::bad("query is too old and response timeout expired or query ID is invalid"));
    }
    Ok(true.into())
}
