//! From the body of a request to a message: what may be in it, and what becomes of it.

use std::collections::HashSet;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::world::{File, Stored, World, draft, mentioned, number_components};

/// The longest text of a bot, in characters.
const MAX_CONTENT: usize = 2_000;
/// The most characters in all embeds of a message.
const MAX_EMBEDS: usize = 6_000;
/// How long a link to a file holds.
const LINK_HOLDS: Duration = Duration::from_hours(24);
/// The flags that a bot may set: no embeds, no push notification, components of the second kind.
const SETTABLE: u64 = 1 << 2 | 1 << 12 | 1 << 15;

/// What the description alone cannot say of a message.
pub(super) fn check(body: &Value) -> Result<(), Refusal> {
    let length = body["content"].as_str().unwrap_or_default().chars().count();
    if length > MAX_CONTENT {
        let why = format!("Must be {MAX_CONTENT} or fewer in length.");
        return Err(Refusal::field("content", "BASE_TYPE_MAX_LENGTH", &why));
    }
    if embed_length(&body["embeds"]) > MAX_EMBEDS {
        let why = format!("Embed size exceeds maximum size of {MAX_EMBEDS}");
        return Err(Refusal::field("embeds", "MAX_EMBED_SIZE_EXCEEDED", &why));
    }
    check_mentions(&body["allowed_mentions"])?;
    check_buttons(&body["components"])
}

/// Whether there is anything in a message.
pub(super) fn is_empty(message: &Value) -> bool {
    let nothing = |key: &str| message[key].as_array().is_none_or(Vec::is_empty);
    let content = message["content"].as_str().unwrap_or_default();
    content.trim().is_empty() && nothing("embeds") && nothing("attachments") && nothing("components")
}

fn embed_length(embeds: &Value) -> usize {
    let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let of = |embed: &Value| {
        let fields = embed["fields"].as_array().into_iter().flatten();
        let fields: usize = fields.map(|field| length(&field["name"]) + length(&field["value"])).sum();
        let ends = length(&embed["footer"]["text"]) + length(&embed["author"]["name"]);
        length(&embed["title"]) + length(&embed["description"]) + fields + ends
    };
    embeds.as_array().into_iter().flatten().map(of).sum()
}

fn check_mentions(allowed: &Value) -> Result<(), Refusal> {
    let parse = allowed["parse"].as_array().map(Vec::as_slice).unwrap_or_default();
    for kind in ["users", "roles"] {
        let named = allowed[kind].as_array().is_some_and(|ids| !ids.is_empty());
        if named && parse.iter().any(|one| one == kind) {
            let why = format!("parse:[\"{kind}\"] and {kind}: [ids...] are mutually exclusive.");
            return Err(Refusal::field("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", &why));
        }
    }
    Ok(())
}

fn check_buttons(components: &Value) -> Result<(), Refusal> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut seen = HashSet::new();
    for (row_index, row) in list(components).iter().enumerate() {
        let inner = list(&row["components"]);
        let path = format!("components/{row_index}/components");
        if row["type"] == 1 && !(1..=5).contains(&inner.len()) {
            return Err(Refusal::field(&path, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length."));
        }
        for (index, button) in inner.iter().enumerate().filter(|(_, one)| one["type"] == 2) {
            let path = format!("{path}/{index}");
            let (id, link) = (button["custom_id"].as_str(), button["style"] == 5);
            if id.is_none() && !link && button["style"] != 6 {
                let path = format!("{path}/custom_id");
                return Err(Refusal::field(&path, "BASE_TYPE_REQUIRED", "A custom id is required"));
            }
            if link && button["url"].is_null() {
                let path = format!("{path}/url");
                return Err(Refusal::field(&path, "BASE_TYPE_REQUIRED", "A url is required"));
            }
            if id.is_some_and(|id| !seen.insert(id.to_owned())) {
                let path = format!("{path}/custom_id");
                let why = "Component custom id cannot be duplicated";
                return Err(Refusal::field(&path, "COMPONENT_CUSTOM_ID_DUPLICATED", why));
            }
        }
    }
    Ok(())
}

/// A message as a bot writes it, without an id.
pub(super) fn compose(
    world: &mut World,
    bot: u64,
    channel: u64,
    body: &Value,
    files: &[File],
) -> Result<Value, Refusal> {
    check(body)?;
    let author = world.account(bot).user.object();
    let mut message = draft(world, channel, &author, "");
    apply(world, channel, &mut message, body, files)?;
    message["flags"] = (body["flags"].as_u64().unwrap_or(0) & SETTABLE).into();
    message["tts"] = (body["tts"] == true).into();
    Ok(message)
}

/// Puts into a message what a body says; what it does not name stays.
pub(super) fn apply(
    world: &mut World,
    channel: u64,
    message: &mut Value,
    body: &Value,
    files: &[File],
) -> Result<(), Refusal> {
    if let Some(content) = body.get("content") {
        message["content"] = content.as_str().unwrap_or_default().into();
    }
    if let Some(embeds) = body.get("embeds") {
        message["embeds"] = embeds.as_array().cloned().unwrap_or_default().into();
        let embeds = message["embeds"].as_array_mut().into_iter().flatten();
        for embed in embeds.filter_map(Value::as_object_mut) {
            embed.insert("type".to_owned(), "rich".into());
            embed.retain(|_, value| !value.is_null());
        }
    }
    if let Some(components) = body.get("components") {
        message["components"] = components.as_array().cloned().unwrap_or_default().into();
        number_components(&mut message["components"], &mut 1);
    }
    attach(world, channel, message, body, files)?;
    mention(world, message, &body["allowed_mentions"]);
    if is_empty(message) { Err(Refusal::empty()) } else { Ok(()) }
}

/// The attachments: those that are kept, and the files that came.
fn attach(
    world: &mut World,
    channel: u64,
    message: &mut Value,
    body: &Value,
    files: &[File],
) -> Result<(), Refusal> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let described = body["attachments"].as_array();
    let mut attachments = message["attachments"].as_array().cloned().unwrap_or_default();
    if let Some(described) = described {
        let (kept, new): (Vec<_>, Vec<_>) = described
            .iter()
            .map(|one| text(&one["id"]))
            .partition(|id| attachments.iter().any(|known| known["id"] == **id));
        attachments.retain(|known| kept.iter().any(|id| known["id"] == **id));
        let missing = new.iter().find(|id| !files.iter().any(|file| file.index.to_string() == **id));
        if missing.is_some() {
            let why = "Uploaded attachment not found.";
            return Err(Refusal::field("attachments", "ATTACHMENT_NOT_FOUND", why));
        }
    }
    for file in files {
        let mut stored = world.store(channel, &file.name, &file.media_type, &file.bytes);
        let mut all = described.into_iter().flatten();
        if let Some(said) = all.find(|one| text(&one["id"]) == file.index.to_string()) {
            for key in ["filename", "description", "title"] {
                if let Some(value) = said.get(key).filter(|value| value.is_string()) {
                    stored[key] = value.clone();
                }
            }
        }
        attachments.push(stored);
    }
    message["attachments"] = attachments.into();
    Ok(())
}

/// Whom a message names, as far as that is allowed.
fn mention(world: &World, message: &mut Value, allowed: &Value) {
    let list = |key: &str| allowed[key].as_array().cloned().unwrap_or_default();
    let parse = |kind: &str| !allowed.is_object() || list("parse").iter().any(|one| one == kind);
    let content = message["content"].as_str().unwrap_or_default();
    let is_named =
        |id: u64| list("users").iter().any(|one| *one == json!(id.to_string()) || *one == json!(id));
    let mut ids = mentioned(content);
    ids.retain(|id| parse("users") || is_named(*id));
    let everyone = parse("everyone") && (content.contains("@everyone") || content.contains("@here"));
    let users = ids.iter().filter(|id| world.users.contains_key(id)).map(|id| world.user_object(*id));
    message["mentions"] = users.collect::<Vec<_>>().into();
    message["mention_everyone"] = everyone.into();
}

/// Makes a message a reply; whom it replies to is told unless that is not wanted.
pub(super) fn reply(
    world: &mut World,
    channel: u64,
    message: &mut Value,
    body: &Value,
) -> Result<(), Refusal> {
    let reference = &body["message_reference"];
    if !reference.is_object() {
        return Ok(());
    }
    if reference["type"] == 1 {
        world.complain(["the fake forwards nothing".to_owned()]);
        return Err(Refusal::field("message_reference/type", "BASE_TYPE_CHOICES", "It forwards nothing"));
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let elsewhere = reference.get("channel_id").is_some_and(|id| text(id) != channel.to_string());
    let id = text(&reference["message_id"]).parse().unwrap_or(0);
    let room = &world.rooms[&channel];
    let Some(replied) = room.visible(id).ok().filter(|_| !elsewhere).cloned() else {
        if reference["fail_if_not_exists"] == false {
            return Ok(());
        }
        return Err(Refusal::field("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message"));
    };
    message["type"] = 19.into();
    let mut reference = json!({
        "type": 0,
        "channel_id": channel.to_string(),
        "message_id": id.to_string(),
    });
    world.place(&mut reference, channel);
    message["message_reference"] = reference;
    let allowed = &body["allowed_mentions"];
    let wanted = allowed["replied_user"].as_bool().unwrap_or(!allowed.is_object());
    let author = replied["author"].clone();
    let mentions = message["mentions"].as_array_mut().expect("a message has mentions");
    if wanted && replied["webhook_id"].is_null() && !mentions.contains(&author) {
        mentions.push(author);
    }
    let mut replied = replied;
    for inner in ["referenced_message", "thread"] {
        replied.as_object_mut().expect("a message is an object").remove(inner);
    }
    message["referenced_message"] = replied;
    Ok(())
}

impl World {
    /// Keeps a file where it can be fetched, and gives it as an attachment.
    pub(crate) fn store(&mut self, channel: u64, name: &str, media_type: &str, bytes: &[u8]) -> Value {
        let id = self.id();
        let path = format!("/attachments/{channel}/{id}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC));
        let path = path.replace("%2E", ".").replace("%2D", "-").replace("%5F", "_");
        let expires = self.now() + LINK_HOLDS;
        let signature = crate::limits::bucket(&path).repeat(4);
        // The times are in hexadecimal seconds, as in the links of the real server.
        let seconds = crate::clock::milliseconds(expires) / 1_000;
        let issued = seconds - LINK_HOLDS.as_secs();
        let url = format!("{}{path}?ex={seconds:x}&is={issued:x}&hm={signature}&", self.base);
        let stored = Stored { bytes: bytes.to_vec(), media_type: media_type.to_owned(), signature, expires };
        self.files.insert(path, stored);
        json!({
            "id": id.to_string(),
            "filename": name,
            "size": bytes.len(),
            "url": url,
            "proxy_url": url,
            "content_type": media_type,
        })
    }
}
