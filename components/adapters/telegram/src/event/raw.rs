//! An update as it comes, read with care: Telegram adds things faster than any crate follows.

use openpact_sdk::serde_json::{self, Map, Value};
use teloxide_core::types::{Message, MessageEntity, MessageKind, Update, UpdateKind};

/// The kinds of updates that hold a message.
const MESSAGES: [&str; 4] = ["message", "edited_message", "channel_post", "edited_channel_post"];

/// The kind of updates that change a message.
const EDIT: &str = "edited_message";

/// What a message needs to be understood where the rest of it is not.
const NEEDED: [&str; 16] = [
    "message_id",
    "message_thread_id",
    "is_topic_message",
    "from",
    "sender_chat",
    "via_bot",
    "date",
    "edit_date",
    "chat",
    "forward_origin",
    "is_automatic_forward",
    "text",
    "entities",
    "caption",
    "caption_entities",
    "reply_to_message",
];

/// The longest id of an album, in bytes; Telegram's have about twenty.
const ALBUM: usize = 64;

/// An update: its number is there even where the rest makes no sense.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    /// Its number.
    pub(crate) id: u64,
    /// The album that it brings a part of, or changes one of.
    pub(crate) album: Option<Album>,
    update: Value,
}

/// What the parts of an album have in common: the id that Telegram gives it, the chat and topic, and who sent it. One
/// person's words never stand in the name of another, whatever the ids say.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Album(String);

/// The update is of a kind that nobody knows, or is not what its kind should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// The kind as Telegram names it.
    pub(crate) kind: String,
}

impl Raw {
    /// `None` for what has no number, and so can be neither told apart nor acknowledged.
    pub(crate) fn new(update: Value) -> Option<Self> {
        let id = update.get("update_id")?.as_u64()?;
        let read = ["message", EDIT, "channel_post"];
        let album = read.into_iter().find_map(|kind| album(update.get(kind)?));
        Some(Self { id, album, update })
    }

    /// Whether it changes a message that was there before.
    pub(crate) fn is_edit(&self) -> bool {
        self.update.get(EDIT).is_some()
    }

    /// The message in it.
    pub(crate) fn message(&self) -> Result<Message, Unreadable> {
        match self.kind()? {
            UpdateKind::Message(message)
            | UpdateKind::EditedMessage(message)
            | UpdateKind::ChannelPost(message) => Ok(message),
            _ => Err(self.unreadable()),
        }
    }

    /// What it is.
    pub(crate) fn kind(&self) -> Result<UpdateKind, Unreadable> {
        let Value::Object(update) = &self.update else { return Err(self.unreadable()) };
        let mut update = update.clone();
        let message = MESSAGES.into_iter().find(|kind| update.contains_key(*kind));
        if let Some(Value::Object(message)) = message.and_then(|kind| update.get_mut(kind)) {
            keep_known_entities(message);
        }
        let read = read(&update);
        let Some(kind) = message else { return read.ok_or_else(|| self.unreadable()) };
        let Some(Value::Object(message)) = update.get_mut(kind) else { return Err(self.unreadable()) };
        let has_text = message.contains_key("text") || message.contains_key("caption");
        match read {
            Some(read) if is_common(&read) || !has_text => Ok(read),
            // A text with something about it that is not known yet is still a text.
            _ if has_text => {
                reduce(message);
                self::read(&update).ok_or_else(|| self.unreadable())
            }
            _ => Err(self.unreadable()),
        }
    }

    fn unreadable(&self) -> Unreadable {
        let keys = self.update.as_object().into_iter().flat_map(Map::keys);
        let kind = keys.filter(|key| *key != "update_id").map(String::as_str).next().unwrap_or("nothing");
        Unreadable {
            kind: kind.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(64).collect(),
        }
    }
}

fn album(message: &Value) -> Option<Album> {
    let group = message.get("media_group_id")?.as_str().filter(|group| group.len() <= ALBUM)?;
    let id = |path: &str| message.pointer(path).and_then(Value::as_i64).unwrap_or_default();
    // Where there are no topics, this is the number of a chain of replies, in which not every part need stand.
    let is_topic = message.get("is_topic_message").and_then(Value::as_bool) == Some(true);
    let thread = if is_topic { id("/message_thread_id") } else { 0 };
    let (chat, person, sender) = (id("/chat/id"), id("/from/id"), id("/sender_chat/id"));
    Some(Album(format!("{chat} {thread} {person} {sender} {group}")))
}

fn read(update: &Map<String, Value>) -> Option<UpdateKind> {
    // From text and not from the value: teloxide-core reads the key of the kind as a borrowed string, and takes an
    // update whose keys are owned for one that it does not know.
    let text = serde_json::to_string(update).ok()?;
    let update: Update = serde_json::from_str(&text).ok()?;
    (!matches!(update.kind, UpdateKind::Error(_))).then_some(update.kind)
}

fn is_common(kind: &UpdateKind) -> bool {
    match kind {
        UpdateKind::Message(message)
        | UpdateKind::EditedMessage(message)
        | UpdateKind::ChannelPost(message)
        | UpdateKind::EditedChannelPost(message) => matches!(message.kind, MessageKind::Common(_)),
        _ => false,
    }
}

/// Leaves out formatting that is not known yet: the text says enough.
fn keep_known_entities(message: &mut Map<String, Value>) {
    for key in ["entities", "caption_entities"] {
        if let Some(Value::Array(entities)) = message.get_mut(key) {
            entities.retain(|entity| serde_json::from_value::<MessageEntity>(entity.clone()).is_ok());
        }
    }
    for key in ["reply_to_message", "quote", "pinned_message"] {
        if let Some(Value::Object(inner)) = message.get_mut(key) {
            keep_known_entities(inner);
        }
    }
}

/// Leaves what is needed of a message, and makes a text of a caption whose picture is not understood.
fn reduce(message: &mut Map<String, Value>) {
    message.retain(|key, _| NEEDED.contains(&key.as_str()));
    for (caption, text) in [("caption", "text"), ("caption_entities", "entities")] {
        if let Some(value) = message.remove(caption) {
            message.entry(text).or_insert(value);
        }
    }
    if let Some(Value::Object(replied)) = message.get_mut("reply_to_message") {
        replied.remove("reply_to_message");
        reduce(replied);
    }
}
