//! `sendMessage` and `sendChatAction`.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use openpact_fake_kit::clock;
use serde_json::{Value, json};

use super::Answer;
use crate::markup::{self, Entity, Text};
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::world::{Flood, Room, Sent, World};

/// The longest text after it was parsed, in UTF-16 code units.
const MAX_TEXT: usize = 4_096;

const ACTIONS: [&str; 11] = [
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
];

pub(super) fn message(world: &mut World, token: &str, parameters: &Parameters) -> Answer {
    let text = text(parameters)?;
    let keyboard = keyboard(parameters)?;
    let chat = super::chat(world, token, parameters)?;
    let now = world.now();
    let flood = world.flood;
    let number = world.sent + 1;
    let account = world.account(token)?;
    let room = &account.room[&chat];
    let thread = thread(room, parameters)?;
    let reply_to = reply(room, parameters)?;
    if let Some(flood) = flood {
        check_flood(flood, now, &mut account.times, account.room.get_mut(&chat).expect("it was found"))?;
    }
    let id = account.message_id(chat);
    let me = account.user.object();
    let room = account.room.get_mut(&chat).expect("it was found");
    let mut message = json!({
        "message_id": id,
        "from": me,
        "chat": room.object,
        "date": clock::seconds(now),
        "text": text.text,
    });
    if room.kind() == "channel" {
        message.as_object_mut().expect("it is an object").remove("from");
        message["sender_chat"] = room.object.clone();
    }
    decorate(&mut message, &text, keyboard.as_ref());
    if let Some(thread) = thread {
        message["message_thread_id"] = thread.into();
        message["is_topic_message"] = true.into();
    }
    if let Some(replied) = reply_to.and_then(|id| room.messages.get(&id)) {
        let mut replied = replied.clone();
        replied.as_object_mut().expect("it is an object").remove("reply_to_message");
        message["reply_to_message"] = replied;
    }
    room.messages.insert(id, message.clone());
    room.sent.push(Sent {
        number,
        message_id: id,
        chat,
        thread,
        text: text.text,
        entities: text.entities,
        parse_mode: parameters.text("parse_mode"),
        source: parameters.text("text").unwrap_or_default(),
        reply_to,
        buttons: buttons(keyboard.as_ref()),
        at: clock::now(),
        edits: Vec::new(),
        deleted: false,
        told: true,
    });
    world.sent = number;
    Ok(message)
}

/// The text of a request, parsed and measured.
pub(super) fn text(parameters: &Parameters) -> Result<Text, Refusal> {
    let source = parameters.text("text").unwrap_or_default();
    let mode = parameters.text("parse_mode");
    let entities = parameters.structure("entities")?.filter(|_| mode.is_none());
    let text = match entities {
        Some(entities) => {
            let entities: Vec<Entity> =
                serde_json::from_value(entities).map_err(|_| Refusal::bad("can't parse MessageEntity"))?;
            markup::with_entities(&source, entities)?
        }
        None => markup::parse(mode.as_deref(), &source)?,
    };
    match markup::units(&text.text) {
        0 => Err(Refusal::bad("message text is empty")),
        length if length > MAX_TEXT => Err(Refusal::bad("message is too long")),
        _ => Ok(text),
    }
}

/// The markup below a message, if it is in order.
pub(super) fn keyboard(parameters: &Parameters) -> Result<Option<Value>, Refusal> {
    let Some(keyboard) = parameters.structure("reply_markup")? else { return Ok(None) };
    if !keyboard.is_object() {
        return Err(Refusal::bad("object expected as reply markup"));
    }
    let rows = keyboard["inline_keyboard"].as_array().map(Vec::as_slice).unwrap_or_default();
    for button in rows.iter().flat_map(|row| row.as_array().into_iter().flatten()) {
        if button["text"].as_str().is_none_or(str::is_empty) {
            return Err(Refusal::bad(
                "can't parse inline keyboard button: Field \"text\" must be a non-empty String",
            ));
        }
        if let Some(data) = button["callback_data"].as_str()
            && !(1..=64).contains(&data.len())
        {
            return Err(Refusal::bad("BUTTON_DATA_INVALID"));
        }
    }
    Ok(Some(keyboard))
}

/// The values of inline buttons.
pub(super) fn buttons(keyboard: Option<&Value>) -> Vec<Vec<String>> {
    let rows = keyboard.and_then(|keyboard| keyboard["inline_keyboard"].as_array()).into_iter().flatten();
    let value = |button: &Value| button["callback_data"].as_str().unwrap_or_default().to_owned();
    rows.map(|row| row.as_array().into_iter().flatten().map(value).collect()).collect()
}

/// Puts entities and inline buttons into a message.
pub(super) fn decorate(message: &mut Value, text: &Text, keyboard: Option<&Value>) {
    let object = message.as_object_mut().expect("a message is an object");
    object.remove("entities");
    object.remove("reply_markup");
    if !text.entities.is_empty() {
        message["entities"] = json!(text.entities);
    }
    if let Some(keyboard) = keyboard.filter(|keyboard| keyboard.get("inline_keyboard").is_some()) {
        message["reply_markup"] = keyboard.clone();
    }
}

/// The topic of a request, if it is there. The general topic has no number for bots that write.
fn thread(room: &Room, parameters: &Parameters) -> Result<Option<i64>, Refusal> {
    match parameters.integer("message_thread_id") {
        None | Some(0) => Ok(None),
        Some(thread) if thread != 1 && room.topics.contains_key(&thread) => Ok(Some(thread)),
        Some(_) => Err(Refusal::bad("message thread not found")),
    }
}

fn reply(room: &Room, parameters: &Parameters) -> Result<Option<i64>, Refusal> {
    let Some(reply) = parameters.structure("reply_parameters")? else { return Ok(None) };
    let Some(id) = reply["message_id"].as_i64() else {
        return Err(Refusal::bad("can't parse reply parameters: Field \"message_id\" is missing"));
    };
    if room.messages.contains_key(&id) {
        return Ok(Some(id));
    }
    match reply["allow_sending_without_reply"].as_bool() {
        Some(true) => Ok(None),
        _ => Err(Refusal::bad("message to be replied not found")),
    }
}

/// Counts a message, or says how long to wait.
fn check_flood(
    flood: Flood,
    now: SystemTime,
    overall: &mut VecDeque<SystemTime>,
    room: &mut Room,
) -> Result<(), Refusal> {
    let group = room.kind() != "private";
    let second = Duration::from_secs(1);
    let minute = Duration::from_mins(1);
    let waits = [
        wait(overall, now, second, flood.overall),
        wait(&room.times, now, second, flood.per_chat),
        if group { wait(&room.times, now, minute, flood.per_group) } else { None },
    ];
    if let Some(wait) = waits.into_iter().flatten().max() {
        return Err(Refusal::too_many(wait.as_secs() + 1));
    }
    for times in [overall, &mut room.times] {
        while times.front().is_some_and(|time| *time + minute < now) {
            times.pop_front();
        }
        times.push_back(now);
    }
    Ok(())
}

/// How long until one more fits into the window.
fn wait(times: &VecDeque<SystemTime>, now: SystemTime, window: Duration, most: usize) -> Option<Duration> {
    let oldest = times.len().checked_sub(most).and_then(|index| times.get(index))?;
    (*oldest + window).duration_since(now).ok().filter(|wait| !wait.is_zero())
}

pub(super) fn action(world: &mut World, token: &str, parameters: &Parameters) -> Answer {
    let action = parameters.text("action").unwrap_or_default();
    if !ACTIONS.contains(&action.as_str()) {
        return Err(Refusal::bad("wrong parameter action in request"));
    }
    let chat = super::chat(world, token, parameters)?;
    let account = world.account(token)?;
    let room = account.room.get_mut(&chat).expect("it was found");
    if parameters.integer("message_thread_id") != Some(1) {
        thread(room, parameters)?;
    }
    room.actions.push((clock::now(), action));
    Ok(true.into())
}
