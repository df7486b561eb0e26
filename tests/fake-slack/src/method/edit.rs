//! Changing and taking back what the bot said.

use serde_json::{Value, json};

use super::Answer;
use super::send::{self, Content};
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::world::World;

/// The longest text with which a message can be changed, in characters. It is shorter than that of a new message, as
/// the field reports (<https://github.com/seratch/ChatGPT-in-Slack/issues/102>).
const MAX_TEXT: usize = 4_000;

/// The channel and the message that a request names, if the bot wrote it.
fn own(world: &mut World, parameters: &Parameters, refusal: &str) -> Result<(String, String), Refusal> {
    let channel = super::channel(world, parameters, "channel")?;
    let ts = parameters.needed("ts")?;
    let me = world.account().user.id.clone();
    match world.conversation(&channel).messages.get(&ts) {
        None => Err(Refusal::new("message_not_found")),
        Some(message) if message["subtype"] == "tombstone" => Err(Refusal::new("message_not_found")),
        Some(message) if message["user"] != me.as_str() => Err(Refusal::new(refusal)),
        Some(_) => Ok((channel, ts)),
    }
}

pub(super) fn update(world: &mut World, parameters: &Parameters) -> Answer {
    let content = send::content(parameters, MAX_TEXT)?;
    let (channel, ts) = own(world, parameters, "cant_update_message")?;
    let message = replace(world, &channel, &ts, &content, parameters);
    Ok(json!({"channel": channel, "ts": ts, "text": message["text"], "message": message}))
}

/// Puts other content into a message of the bot, and tells the app of it.
pub(crate) fn replace(
    world: &mut World,
    channel: &str,
    ts: &str,
    content: &Content,
    parameters: &Parameters,
) -> Value {
    let (id, now) = (world.number(), world.ts());
    let me = world.account().user.id.clone();
    let conversation = world.conversation(channel);
    let Some(message) = conversation.messages.get_mut(ts) else { return Value::Null };
    let before = message.clone();
    // A text without blocks takes the blocks away; blocks without a text keep it.
    let text = if parameters.has("text") || parameters.has("markdown_text") {
        content.text.clone()
    } else {
        before["text"].as_str().unwrap_or_default().to_owned()
    };
    let content = Content {
        text: text.clone(),
        blocks: content.blocks.clone(),
        attachments: content.attachments.clone(),
        metadata: content.metadata.clone(),
        files: Value::Null,
    };
    send::fill(message, &content, id);
    if content.blocks.is_null() {
        message["edited"] = json!({"user": me, "ts": now});
    }
    let after = message.clone();
    if let Some(said) = conversation.posted.iter_mut().find(|said| said.ts == ts) {
        said.edits.push(std::mem::replace(&mut said.text, text));
        said.blocks = content.blocks;
        said.arguments = parameters.record();
    }
    world.changed(channel, &before, &after);
    after
}

pub(super) fn delete(world: &mut World, parameters: &Parameters) -> Answer {
    let (channel, ts) = own(world, parameters, "cant_delete_message")?;
    remove(world, &channel, &ts);
    Ok(json!({"channel": channel, "ts": ts}))
}

/// Takes a message back, and tells the app of it.
pub(crate) fn remove(world: &mut World, channel: &str, ts: &str) -> Vec<String> {
    let conversation = world.conversation(channel);
    if let Some(said) = conversation.posted.iter_mut().find(|said| said.ts == ts) {
        said.deleted = true;
    }
    let Some(before) = conversation.messages.get(ts).cloned() else { return Vec::new() };
    // The first message of a thread that goes on stays as a stone.
    if before["reply_count"].as_u64().unwrap_or(0) > 0 {
        let message = conversation.messages.get_mut(ts).expect("it was found");
        message["subtype"] = "tombstone".into();
        message["text"] = "This message was deleted.".into();
        message["hidden"] = true.into();
        let after = message.clone();
        return vec![world.changed(channel, &before, &after)];
    }
    conversation.messages.remove(ts);
    if let Some(root) = before["thread_ts"].as_str() {
        conversation.count(root);
    }
    let kind = conversation.kind.word();
    let now = world.ts();
    let event = json!({
        "type": "message",
        "subtype": "message_deleted",
        "channel": channel,
        "channel_type": kind,
        "hidden": true,
        "deleted_ts": ts,
        "previous_message": before,
        "ts": now,
        "event_ts": now,
    });
    vec![world.emit("MessageDeleted", &event)]
}

impl World {
    /// Tells the app that a message has changed; gives the id of the event.
    pub(crate) fn changed(&mut self, channel: &str, before: &Value, after: &Value) -> String {
        let now = self.ts();
        let kind = self.conversation(channel).kind.word();
        let event = json!({
            "type": "message",
            "subtype": "message_changed",
            "channel": channel,
            "channel_type": kind,
            "hidden": true,
            "message": after,
            "previous_message": before,
            "ts": now,
            "event_ts": now,
        });
        self.emit("MessageChanged", &event)
    }
}
