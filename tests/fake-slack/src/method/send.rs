//! What the bot says, to all or to one, and what it shows that it is doing.

use std::time::Duration;

use serde_json::{Value, json};

use super::Answer;
use crate::blocks;
use crate::conversation::{Kind, Posted, Status};
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::world::{TEAM, World};

/// The longest text of a message, in characters.
pub(crate) const MAX_TEXT: usize = 40_000;

/// The longest text in Markdown, in characters.
const MAX_MARKDOWN: usize = 12_000;

/// What a message holds.
pub(crate) struct Content {
    pub(crate) text: String,
    pub(crate) blocks: Value,
    pub(crate) attachments: Value,
    pub(crate) metadata: Value,
    pub(crate) files: Value,
}

/// Where a message goes.
pub(crate) struct Place {
    pub(crate) channel: String,
    pub(crate) thread: Option<String>,
    pub(crate) broadcast: bool,
}

/// The content of a request, measured.
pub(crate) fn content(parameters: &Parameters, most: usize) -> Result<Content, Refusal> {
    let given = parameters.structure("blocks", "invalid_blocks_format")?;
    given.as_ref().map_or(Ok(()), blocks::check)?;
    // An empty list is none.
    let blocks = given.filter(|blocks| *blocks != json!([])).unwrap_or_default();
    let attachments = parameters.structure("attachments", "invalid_attachments")?.unwrap_or_default();
    if attachments.as_array().is_some_and(|list| list.len() > 100) {
        return Err(Refusal::new("too_many_attachments"));
    }
    let metadata = parameters.structure("metadata", "invalid_metadata_format")?.unwrap_or_default();
    let typed = metadata["event_type"].is_string() && metadata["event_payload"].is_object();
    if !metadata.is_null() && !typed {
        return Err(Refusal::new("invalid_metadata_schema"));
    }
    let (text, markdown) = (parameters.text("text"), parameters.text("markdown_text"));
    if markdown.is_some() && (text.is_some() || !blocks.is_null()) {
        return Err(Refusal::new("markdown_text_conflict"));
    }
    let length = |text: &Option<String>| text.as_deref().map_or(0, |text| text.chars().count());
    if length(&text) > most || length(&markdown) > MAX_MARKDOWN {
        return Err(Refusal::new("msg_too_long"));
    }
    let empty = |value: &Value| value.as_array().is_none_or(Vec::is_empty);
    let text = text.or(markdown).unwrap_or_default();
    if text.is_empty() && empty(&blocks) && empty(&attachments) {
        return Err(Refusal::new("no_text"));
    }
    Ok(Content { text, blocks, attachments, metadata, files: Value::Null })
}

pub(super) fn message(world: &mut World, parameters: &Parameters) -> Answer {
    let content = content(parameters, MAX_TEXT)?;
    let named = parameters.needed("channel")?;
    let channel = world.find_by_any(&named)?;
    writable(world, &channel)?;
    if let Some(earlier) = earlier(world, &channel, parameters) {
        return Ok(earlier);
    }
    let thread = thread(world, &channel, parameters)?;
    if let Some(limits) = world.limits {
        let now = world.now();
        let times = &mut world.conversation(&channel).times;
        super::fits(times, now, Duration::from_secs(1), limits.per_channel)?;
    }
    let broadcast = parameters.boolean("reply_broadcast") == Some(true);
    let place = Place { channel, thread, broadcast };
    let message = post(world, &place, &content, parameters, "chat.postMessage");
    Ok(json!({"channel": place.channel, "ts": message["ts"], "message": message}))
}

/// The answer of the first request with the same `client_msg_id`, where the server is set to know it.
fn earlier(world: &mut World, channel: &str, parameters: &Parameters) -> Option<Value> {
    let id = parameters.text("client_msg_id").filter(|_| world.deduplicates)?;
    let conversation = world.conversation(channel);
    let said = conversation.posted.iter().find(|said| said.arguments["client_msg_id"] == id.as_str())?;
    let message = conversation.messages.get(&said.ts)?;
    Some(json!({"channel": channel, "ts": said.ts, "message": message}))
}

/// Whether the bot may write there.
fn writable(world: &mut World, channel: &str) -> Result<(), Refusal> {
    let me = world.account().user.id.clone();
    let conversation = world.conversation(channel);
    if conversation.archived {
        return Err(Refusal::new("is_archived"));
    }
    if !conversation.members.contains(&me) {
        return Err(Refusal::new("not_in_channel"));
    }
    Ok(())
}

/// The thread of a request, if it is there.
fn thread(world: &mut World, channel: &str, parameters: &Parameters) -> Result<Option<String>, Refusal> {
    let Some(ts) = parameters.text("thread_ts") else { return Ok(None) };
    let Some(root) = world.conversation(channel).root(&ts) else {
        return Err(Refusal::new("thread_not_found"));
    };
    if root != ts {
        world.complain([format!("thread_ts {ts} is an answer; the thread is {root}")]);
    }
    Ok(Some(root))
}

/// Says something to all, and tells the app of it, as the real server does.
pub(crate) fn post(
    world: &mut World,
    place: &Place,
    content: &Content,
    parameters: &Parameters,
    how: &str,
) -> Value {
    let (ts, id) = (world.ts(), world.number());
    let mut message = own(world, &ts);
    fill(&mut message, content, id);
    if let Some(thread) = &place.thread {
        message["thread_ts"] = thread.as_str().into();
        let conversation = world.conversation(&place.channel);
        let first = conversation.messages.get(thread);
        message["parent_user_id"] = first.map(|first| first["user"].clone()).unwrap_or_default();
        // What is said takes away what was shown as being done.
        conversation.shown.remove(thread);
    }
    record(world, place, content, parameters, how, &ts);
    let conversation = world.conversation(&place.channel);
    conversation.keep(message.clone());
    let kind = conversation.kind;
    let mut event = message.clone();
    event["channel"] = place.channel.as_str().into();
    event["channel_type"] = kind.word().into();
    event["event_ts"] = ts.into();
    let object = event.as_object_mut().expect("an event is an object");
    object.remove("metadata");
    let (sample, subtype) = match (place.broadcast, content.files.is_null()) {
        (true, _) => ("MessageThreadBroadcast", Some("thread_broadcast")),
        (false, false) => ("MessageFileShare", Some("file_share")),
        (false, true) => ("Message", None),
    };
    if let Some(subtype) = subtype {
        event["subtype"] = subtype.into();
    }
    world.emit(sample, &event);
    message
}

/// A message of the bot without content.
fn own(world: &World, ts: &str) -> Value {
    let account = world.account();
    json!({
        "type": "message",
        "user": account.user.id,
        "bot_id": account.bot_id,
        "app_id": account.app_id,
        "team": TEAM,
        "ts": ts,
        "bot_profile": {
            "id": account.bot_id,
            "deleted": false,
            "name": account.user.name,
            "updated": 1_700_000_000,
            "app_id": account.app_id,
            "team_id": TEAM,
        },
    })
}

/// Puts the content into a message. Where there are no blocks, Slack makes them of the text.
pub(super) fn fill(message: &mut Value, content: &Content, id: u64) {
    message["text"] = content.text.as_str().into();
    message["blocks"] = match &content.blocks {
        Value::Null => blocks::of_text(&content.text, id),
        given => named(given.clone(), id),
    };
    let more =
        [("attachments", &content.attachments), ("metadata", &content.metadata), ("files", &content.files)];
    for (name, value) in more {
        if !value.is_null() {
            message[name] = value.clone();
        }
    }
}

/// Blocks without an id get one.
fn named(mut blocks: Value, id: u64) -> Value {
    for (index, block) in blocks.as_array_mut().into_iter().flatten().enumerate() {
        if block["block_id"].is_null() {
            block["block_id"] = format!("b{id}-{index}").into();
        }
    }
    blocks
}

/// Remembers what was said, for tests.
fn record(
    world: &mut World,
    place: &Place,
    content: &Content,
    parameters: &Parameters,
    how: &str,
    ts: &str,
) -> Posted {
    world.said += 1;
    let said = Posted {
        number: world.said,
        method: how.to_owned(),
        channel: place.channel.clone(),
        ts: ts.to_owned(),
        thread_ts: place.thread.clone(),
        text: content.text.clone(),
        blocks: content.blocks.clone(),
        metadata: content.metadata.clone(),
        arguments: parameters.record(),
        only_for: None,
        edits: Vec::new(),
        deleted: false,
        told: true,
        at: world.now(),
    };
    world.conversation(&place.channel).posted.push(said.clone());
    said
}

/// Says something to one person alone; gives its timestamp.
pub(crate) fn whisper(
    world: &mut World,
    place: &Place,
    user: &str,
    content: &Content,
    parameters: &Parameters,
    how: &str,
) -> String {
    let ts = world.ts();
    let mut said = record(world, place, content, parameters, how, &ts);
    said.only_for = Some(user.to_owned());
    let conversation = world.conversation(&place.channel);
    conversation.posted.pop();
    conversation.ephemeral.push(said);
    ts
}

pub(super) fn ephemeral(world: &mut World, parameters: &Parameters) -> Answer {
    let content = content(parameters, MAX_TEXT)?;
    let channel = super::channel(world, parameters, "channel")?;
    writable(world, &channel)?;
    let user = parameters.needed("user")?;
    if !world.conversation(&channel).members.contains(&user) {
        return Err(Refusal::new("user_not_in_channel"));
    }
    let thread = thread(world, &channel, parameters)?;
    let place = Place { channel, thread, broadcast: false };
    let ts = whisper(world, &place, &user, &content, parameters, "chat.postEphemeral");
    Ok(json!({"message_ts": ts}))
}

pub(super) fn status(world: &mut World, parameters: &Parameters) -> Answer {
    let channel = super::channel(world, parameters, "channel_id")?;
    writable(world, &channel)?;
    let thread_ts = parameters.needed("thread_ts")?;
    // An empty one takes it away, so it may not be missing, but may be empty.
    let status = parameters.text("status").unwrap_or_default();
    let at = world.now();
    let conversation = world.conversation(&channel);
    if conversation.kind != Kind::Im && conversation.root(&thread_ts).is_none() {
        return Err(Refusal::new("invalid_thread_ts"));
    }
    conversation.shown.insert(thread_ts.clone(), status.clone());
    conversation.statuses.push(Status { thread_ts, status, at });
    Ok(json!({}))
}
