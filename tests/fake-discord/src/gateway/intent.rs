//! Intents: which events a session gets, and how much of a message it sees.

use serde_json::{Value, json};

/// Guilds, channels and threads.
pub(crate) const GUILDS: u64 = 1;
const MEMBERS: u64 = 1 << 1;
const PRESENCES: u64 = 1 << 8;
const GUILD_MESSAGES: u64 = 1 << 9;
const GUILD_TYPING: u64 = 1 << 11;
const DIRECT_MESSAGES: u64 = 1 << 12;
const DIRECT_TYPING: u64 = 1 << 14;
/// What messages say.
pub(crate) const MESSAGE_CONTENT: u64 = 1 << 15;
/// Those that have to be switched on for an application.
pub(crate) const PRIVILEGED: u64 = MEMBERS | PRESENCES | MESSAGE_CONTENT;
/// Those that exist: 0 to 16, 20, 21, 24 and 25.
pub(crate) const ALL: u64 = 0x1_FFFF | 1 << 20 | 1 << 21 | 1 << 24 | 1 << 25;

/// The intent for messages.
pub(crate) fn messages(direct: bool) -> u64 {
    if direct { DIRECT_MESSAGES } else { GUILD_MESSAGES }
}

/// The intent for somebody typing.
pub(crate) fn typing(direct: bool) -> u64 {
    if direct { DIRECT_TYPING } else { GUILD_TYPING }
}

/// Whether a message is the bot's own, or mentions it: then it sees what the message says in any case.
pub(crate) fn concerns(message: &Value, bot: u64) -> bool {
    let bot = json!(bot.to_string());
    let mentions = message["mentions"].as_array().map(Vec::as_slice).unwrap_or_default();
    message["author"]["id"] == bot || mentions.iter().any(|user| user["id"] == bot)
}

/// Takes out of a message what only the intent shows.
pub(crate) fn hide(message: &mut Value) {
    message["content"] = "".into();
    for key in ["embeds", "attachments", "components"] {
        message[key] = json!([]);
    }
    if let Some(object) = message.as_object_mut() {
        object.remove("poll");
        object.remove("message_snapshots");
        if let Some(replied) = object.get_mut("referenced_message").filter(|replied| replied.is_object()) {
            hide(replied);
        }
    }
}

/// The flags of an application whose privileged intents these are, as one that is in few guilds has them.
pub(crate) fn application_flags(privileged: u64) -> u64 {
    let flag = |intent: u64, bit: u32| if privileged & intent == 0 { 0 } else { 1_u64 << bit };
    flag(PRESENCES, 13) | flag(MEMBERS, 15) | flag(MESSAGE_CONTENT, 19)
}
