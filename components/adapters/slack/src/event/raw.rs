//! A message as Slack sends it, in whichever event.
//!
//! The crate's types are given what they are needed for and no more, so that a block or an icon of a new form does not
//! lose a message; what they leave out (forwarded messages, sizes of files) is read beside them.

use openpact_sdk::adapter::Attachment;
use openpact_sdk::serde_json::{self, Map, Value};
use openpact_text::foreign::name;
use serde::Deserialize;
use slack_morphism::events::{
    SlackAppMentionEvent, SlackEventCallbackBody, SlackInteractionActionContainer, SlackMessageEvent,
    SlackMessageEventType,
};
use slack_morphism::{SlackFile, SlackMessageEdited, SlackMessageOrigin};

use super::Unread;

/// The keys of a message that are read.
const NEEDED: [&str; 12] = [
    "type",
    "subtype",
    "ts",
    "channel",
    "channel_type",
    "thread_ts",
    "user",
    "bot_id",
    "username",
    "text",
    "hidden",
    "client_msg_id",
];

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Said {
    pub(crate) channel: String,
    /// The kind of the channel, where the event tells it.
    pub(crate) kind: Option<String>,
    pub(crate) ts: String,
    /// The message that its thread grew from, if that is another one.
    pub(crate) thread: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) bot: Option<String>,
    /// Whether its subtype is that of bots.
    pub(crate) is_bots: bool,
    /// The name that is shown.
    pub(crate) name: Option<String>,
    /// Slack's mrkdwn.
    pub(crate) text: String,
    /// Whether Slack says that it mentions the app.
    pub(crate) is_mention: bool,
    /// When Slack changed it, if somebody edited it.
    pub(crate) edited: Option<String>,
    /// Its files.
    pub(crate) attached: Vec<Attached>,
    /// The messages that are forwarded with it.
    pub(crate) shared: Vec<Shared>,
}

/// A message that is forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shared {
    /// Who wrote it: text, never identity.
    pub(crate) author: Option<String>,
    /// Slack's mrkdwn.
    pub(crate) text: String,
}

/// A file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attached {
    file: SlackFile,
    size: Option<u64>,
}

/// What names a file to [`crate::send::fetch`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, Deserialize)]
pub(crate) struct FileId {
    /// Where its bytes are, if Slack has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_type: Option<String>,
}

impl Said {
    /// What the payload of `events_api` says; `None` for an event that is no message for anybody.
    pub(super) fn read(payload: &Value) -> Result<Option<Self>, Unread> {
        let Some(event) = payload.get("event").and_then(Value::as_object) else {
            return Err(Unread::Unknown("a payload without an event".to_owned()));
        };
        let text = |key: &str| event.get(key).and_then(Value::as_str);
        match (text("type"), text("subtype")) {
            (Some("message"), Some("message_changed")) => Self::changed(event),
            (Some("message"), _) => Self::message(event),
            (Some("app_mention"), _) => Self::mention(event),
            _ => Ok(None),
        }
    }

    /// A message that was changed, if somebody edited it: Slack also changes one by itself, such as to show what a link
    /// leads to.
    fn changed(event: &Map<String, Value>) -> Result<Option<Self>, Unread> {
        let Some(Value::Object(message)) = event.get("message") else {
            return Err(Unread::Unknown("a changed message without the message".to_owned()));
        };
        let edited = |message: Option<&Value>| {
            let edited = message.and_then(|message| message.get("edited")).cloned();
            edited.and_then(|edited| serde_json::from_value::<SlackMessageEdited>(edited).ok())
        };
        let before = event.get("previous_message");
        // Slack tells the second of an edit; in one second there may be two.
        let is_other = |now: &SlackMessageEdited| {
            Some(now) != edited(before).as_ref()
                || before.is_some_and(|before| before.get("text") != message.get("text"))
        };
        let Some(now) = edited(event.get("message")).filter(is_other) else { return Ok(None) };
        let changed = ["event_ts", "ts"].into_iter().find_map(|key| event.get(key)?.as_str());
        let changed = changed.unwrap_or(&now.ts.0).to_owned();
        let mut message = message.clone();
        for key in ["channel", "channel_type"] {
            if let Some(value) = event.get(key) {
                message.insert(key.to_owned(), value.clone());
            }
        }
        message.insert("type".to_owned(), "message".into());
        let said = Self::message(&message)?;
        Ok(said.map(|said| Self { edited: Some(changed), ..said }))
    }

    fn message(event: &Map<String, Value>) -> Result<Option<Self>, Unread> {
        let SlackEventCallbackBody::Message(message) = body(event)? else {
            return Err(Unread::Unknown("a message of another form".to_owned()));
        };
        if !is_spoken(message.subtype.as_ref()) || message.hidden == Some(true) {
            return Ok(None);
        }
        let SlackMessageEvent { origin, content, sender, subtype, .. } = message;
        let said = Self {
            user: sender.user.map(|user| user.0),
            bot: sender.bot_id.map(|bot| bot.0),
            is_bots: subtype == Some(SlackMessageEventType::BotMessage),
            name: sender.username.or_else(|| shown_name(event)),
            text: content.and_then(|content| content.text).unwrap_or_default(),
            ..Self::default()
        };
        said.with(event, origin)
    }

    fn mention(event: &Map<String, Value>) -> Result<Option<Self>, Unread> {
        let SlackEventCallbackBody::AppMention(mention) = body(event)? else {
            return Err(Unread::Unknown("a mention of another form".to_owned()));
        };
        let SlackAppMentionEvent { user, channel, content, origin, .. } = mention;
        // An edit that adds a mention comes as a change of the message too, which tells when.
        if event.contains_key("edited") {
            return Ok(None);
        }
        let bot = event.get("bot_id").and_then(Value::as_str).map(str::to_owned);
        let said = Self {
            user: Some(user.0),
            bot,
            name: shown_name(event),
            text: content.text.unwrap_or_default(),
            is_mention: true,
            ..Self::default()
        };
        said.with(event, SlackMessageOrigin { channel: Some(channel), ..origin })
    }

    fn with(self, event: &Map<String, Value>, origin: SlackMessageOrigin) -> Result<Option<Self>, Unread> {
        let Some(channel) = origin.channel else {
            return Err(Unread::Unknown("a message without a channel".to_owned()));
        };
        let thread = origin.thread_ts.map(|ts| ts.0).filter(|root| *root != origin.ts.0);
        Ok(Some(Self {
            channel: channel.0,
            kind: origin.channel_type.map(|kind| kind.0),
            ts: origin.ts.0,
            thread,
            attached: list(event, "files").filter_map(Attached::read).collect(),
            shared: list(event, "attachments").filter_map(Shared::read).collect(),
            ..self
        }))
    }
}

/// The crate's type of an event, made of what is needed.
fn body(event: &Map<String, Value>) -> Result<SlackEventCallbackBody, Unread> {
    serde_json::from_value(Value::Object(only(event, &NEEDED)))
        .map_err(|error| Unread::Unknown(error.to_string()))
}

/// These keys of an object.
fn only(object: &Map<String, Value>, keys: &[&str]) -> Map<String, Value> {
    let kept = |key: &&str| object.get(*key).map(|value| ((*key).to_owned(), value.clone()));
    keys.iter().filter_map(kept).collect()
}

/// Whether a message of this subtype is one that somebody wrote.
fn is_spoken(subtype: Option<&SlackMessageEventType>) -> bool {
    use SlackMessageEventType as Type;
    matches!(subtype, None | Some(Type::FileShare | Type::ThreadBroadcast | Type::BotMessage))
}

fn list<'a>(event: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a Value> {
    event.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The name in the profile that Slack sometimes sends along.
fn shown_name(event: &Map<String, Value>) -> Option<String> {
    let profile = event.get("user_profile").or_else(|| event.get("bot_profile"))?;
    let name = |key: &str| profile.get(key).and_then(Value::as_str).filter(|name| !name.is_empty());
    name("display_name").or_else(|| name("real_name")).or_else(|| name("name")).map(str::to_owned)
}

impl Shared {
    /// An attachment that is a forwarded message. Others are what Slack shows of links, which nobody wrote here.
    fn read(attachment: &Value) -> Option<Self> {
        let is_share = attachment.get("is_share").and_then(Value::as_bool) == Some(true);
        let text = |key: &str| attachment.get(key).and_then(Value::as_str).map(str::to_owned);
        is_share.then(|| Self {
            author: text("author_name").or_else(|| text("author_subname")),
            text: text("text").or_else(|| text("fallback")).unwrap_or_default(),
        })
    }
}

impl Attached {
    fn read(file: &Value) -> Option<Self> {
        let size = file.get("size").and_then(Value::as_u64);
        let keys = ["id", "name", "title", "mimetype", "url_private", "url_private_download", "is_external"];
        let mut needed = only(file.as_object()?, &keys);
        // One whose address is none is named all the same.
        let read = serde_json::from_value(Value::Object(needed.clone())).ok();
        let file = read.or_else(|| {
            needed.retain(|key, _| !key.starts_with("url_"));
            serde_json::from_value(Value::Object(needed)).ok()
        })?;
        Some(Self { file, size })
    }

    /// Where its bytes are, if Slack has them.
    fn url(&self) -> Option<String> {
        let url = self.file.url_private_download.as_ref().or(self.file.url_private.as_ref())?;
        (self.file.flags.is_external != Some(true)).then(|| url.to_string())
    }

    fn title(&self) -> String {
        let title = self.file.name.as_deref().or(self.file.title.as_deref()).map(name);
        title.filter(|title| !title.is_empty()).unwrap_or_else(|| "a file".to_owned())
    }

    /// As the host takes it, also where nobody can fetch it: a name that somebody gave to a file is no word of the
    /// sender's.
    pub(super) fn attachment(&self) -> Attachment {
        let media_type = self.file.mimetype.as_ref().map(|media_type| media_type.0.clone());
        let media_type = media_type.filter(|media_type| !media_type.is_empty());
        let id = FileId { url: self.url(), media_type: media_type.clone() };
        let id = serde_json::json!(id).to_string();
        Attachment { id, name: Some(self.title()), media_type, size: self.size }
    }
}

/// The payload of an interaction without the message's own content, which is ours.
pub(super) fn without_blocks(payload: &Value) -> Value {
    let mut payload = payload.clone();
    if let Value::Object(payload) = &mut payload {
        for key in ["message", "state", "view"] {
            payload.remove(key);
        }
    }
    payload
}

/// The thread that the message with the button is in.
pub(super) fn container_thread(payload: &Value) -> Option<String> {
    let at = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str);
    at("/container/thread_ts").or_else(|| at("/message/thread_ts")).map(str::to_owned)
}

/// The message that has the button.
pub(super) fn container_message(container: &SlackInteractionActionContainer) -> Option<String> {
    match container {
        SlackInteractionActionContainer::Message(message) => Some(message.message_ts.0.clone()),
        SlackInteractionActionContainer::MessageAttachment(message) => Some(message.message_ts.0.clone()),
        SlackInteractionActionContainer::View(_) => None,
    }
}
