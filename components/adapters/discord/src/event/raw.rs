//! What comes, read with care: Discord adds things faster than any crate follows. What is used is kept, and what a type
//! wants besides is filled in.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use serenity::model::application::Interaction;
use serenity::model::channel::Message;

/// It is not what its kind should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const MESSAGE: [&str; 17] = [
    "id",
    "channel_id",
    "guild_id",
    "author",
    "content",
    "timestamp",
    "edited_timestamp",
    "mentions",
    "attachments",
    "embeds",
    "webhook_id",
    "application_id",
    "type",
    "message_reference",
    "referenced_message",
    "message_snapshots",
    "mention_everyone",
];
const USER: [&str; 5] = ["id", "username", "global_name", "bot", "system"];
const FILE: [&str; 5] = ["id", "filename", "size", "url", "content_type"];
const EMBED: [&str; 5] = ["type", "title", "description", "url", "fields"];
const INTERACTION: [&str; 12] = [
    "id",
    "application_id",
    "type",
    "data",
    "guild_id",
    "channel_id",
    "user",
    "token",
    "version",
    "message",
    "context",
    "locale",
];
const DATA: [&str; 7] = ["id", "name", "type", "options", "custom_id", "component_type", "values"];

/// An id, which Discord writes as a text.
pub(crate) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.parse().ok().filter(|id| *id > 0),
        other => other.as_u64().filter(|id| *id > 0),
    }
}

/// A message.
pub(super) fn message(data: &Value) -> Result<Message, Unreadable> {
    let mut data = object(data)?;
    keep_message(&mut data);
    read(data)
}

/// An interaction. In a server who did it stands in `member`.
pub(super) fn interaction(data: &Value) -> Result<Interaction, Unreadable> {
    let member = data.pointer("/member/user").cloned();
    let mut data = object(data)?;
    if let Some(user) = member {
        data.insert("user".to_owned(), user);
    }
    keep(&mut data, &INTERACTION);
    within(&mut data, "user", keep_user);
    within(&mut data, "message", keep_message);
    within(&mut data, "data", |data| keep(data, &DATA));
    defaults(
        &mut data,
        json!({ "version": 1, "locale": "en-US", "entitlements": [], "attachment_size_limit": 0 }),
    );
    read(data)
}

fn object(data: &Value) -> Result<Map<String, Value>, Unreadable> {
    data.as_object().cloned().ok_or_else(|| Unreadable("it is no object".to_owned()))
}

fn read<T: DeserializeOwned>(data: Map<String, Value>) -> Result<T, Unreadable> {
    serde_json::from_value(Value::Object(data)).map_err(|error| Unreadable(error.to_string()))
}

fn keep_message(message: &mut Map<String, Value>) {
    keep(message, &MESSAGE);
    keep_content(message);
    within(message, "author", keep_user);
    within(message, "referenced_message", |replied| {
        replied.remove("referenced_message");
        keep_message(replied);
    });
    // It may name a server alone, and then says nothing that is used.
    let names = message.get("message_reference").and_then(|reference| reference.get("channel_id"));
    if names.is_none() {
        message.remove("message_reference");
    }
    if let Some(Value::Array(snapshots)) = message.get_mut("message_snapshots") {
        for snapshot in snapshots.iter_mut().filter_map(Value::as_object_mut) {
            within(snapshot, "message", |message| {
                keep(message, &MESSAGE);
                keep_content(message);
            });
        }
    }
    defaults(
        message,
        json!({ "tts": false, "mention_everyone": false, "mention_roles": [], "pinned": false }),
    );
}

/// What a message has in common with one that is forwarded.
fn keep_content(message: &mut Map<String, Value>) {
    each(message, "mentions", keep_user);
    each(message, "attachments", |file| {
        keep(file, &FILE);
        defaults(file, json!({ "proxy_url": "", "size": 0, "filename": "file" }));
    });
    each(message, "embeds", |embed| keep(embed, &EMBED));
    defaults(
        message,
        json!({ "content": "", "mentions": [], "attachments": [], "embeds": [], "type": 0,
            "timestamp": "1970-01-01T00:00:00Z" }),
    );
}

fn keep_user(user: &mut Map<String, Value>) {
    keep(user, &USER);
    defaults(user, json!({ "username": "" }));
}

fn keep(object: &mut Map<String, Value>, keys: &[&str]) {
    object.retain(|key, _| keys.contains(&key.as_str()));
}

fn within(object: &mut Map<String, Value>, key: &str, change: impl FnOnce(&mut Map<String, Value>)) {
    match object.get_mut(key) {
        Some(Value::Object(inner)) => change(inner),
        Some(Value::Null) => drop(object.remove(key)),
        _ => {}
    }
}

fn each(object: &mut Map<String, Value>, key: &str, mut change: impl FnMut(&mut Map<String, Value>)) {
    if let Some(Value::Array(items)) = object.get_mut(key) {
        items.iter_mut().filter_map(Value::as_object_mut).for_each(&mut change);
    }
}

fn defaults(object: &mut Map<String, Value>, values: Value) {
    let Value::Object(values) = values else { return };
    for (key, value) in values {
        if object.get(&key).is_none_or(Value::is_null) {
            object.insert(key, value);
        }
    }
}
