//! A message of a person on its way into a channel.

use serde_json::{Map, Value, json};

use crate::blocks;
use crate::channel::Channel;
use crate::conversation::Kind;
use crate::file::File;
use crate::world::{Person, Said, TEAM, World};

/// A message that is not sent yet.
#[must_use = "it is sent by `send`"]
pub struct Draft {
    channel: Channel,
    person: Person,
    text: String,
    thread: Option<String>,
    broadcast: bool,
    legacy: bool,
    subtype: Option<String>,
    files: Vec<(String, String, Vec<u8>)>,
    fields: Map<String, Value>,
}

impl Draft {
    pub(crate) fn new(channel: Channel, person: &Person, text: &str) -> Self {
        Self {
            channel,
            person: person.clone(),
            text: text.to_owned(),
            thread: None,
            broadcast: false,
            legacy: false,
            subtype: None,
            files: Vec::new(),
            fields: Map::new(),
        }
    }

    /// Any field, with any value.
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.fields.insert(field.to_owned(), value);
        self
    }

    /// In the thread of that message.
    pub fn thread(mut self, ts: &str) -> Self {
        self.thread = Some(ts.to_owned());
        self
    }

    /// To the channel as well, out of the thread (`thread_broadcast`).
    pub fn broadcast(mut self) -> Self {
        self.broadcast = true;
        self
    }

    /// Of that subtype, such as `me_message` or `channel_topic`.
    pub fn subtype(mut self, subtype: &str) -> Self {
        self.subtype = Some(subtype.to_owned());
        self
    }

    /// As apps wrote before bots were users: a `bot_message` without a user.
    pub fn legacy(mut self) -> Self {
        self.legacy = true;
        self.subtype("bot_message")
    }

    /// With a file (`file_share`).
    pub fn file(mut self, name: &str, media_type: &str, bytes: &[u8]) -> Self {
        self.files.push((name.to_owned(), media_type.to_owned(), bytes.to_vec()));
        self
    }

    /// With a message of somebody else that is passed on.
    pub fn shared(self, author: &Person, text: &str) -> Self {
        let attachment = json!({
            "id": 1,
            "is_msg_unfurl": true,
            "is_share": true,
            "author_id": author.id,
            "author_name": author.name,
            "channel_id": self.channel.id(),
            "channel_team": TEAM,
            "text": text,
            "fallback": format!("[{}]: {text}", author.name),
            "ts": "1700000000.000100",
            "mrkdwn_in": ["text"],
        });
        self.with("attachments", json!([attachment]))
    }

    /// Sends it. The bot is told of it if it is in the channel, and of a mention in any case.
    pub fn send(self) -> Said {
        let channel = self.channel.clone();
        channel.change(|world| self.put(world))
    }

    fn put(mut self, world: &mut World) -> Said {
        let (ts, number) = (world.ts(), world.number());
        let mut message = self.message(&ts, number);
        self.attach(world, &mut message);
        let id = self.channel.id().to_owned();
        let conversation = world.conversation(&id);
        if let Some(thread) = &self.thread {
            let root = conversation.root(thread).unwrap_or_else(|| thread.clone());
            let first = conversation.messages.get(&root).cloned().unwrap_or_default();
            message["thread_ts"] = root.as_str().into();
            message["parent_user_id"] = first["user"].clone();
            if self.broadcast {
                message["subtype"] = "thread_broadcast".into();
                message["root"] = json!({"type": "message", "text": first["text"], "user": first["user"], "ts": root, "thread_ts": root, "reply_count": first["reply_count"].as_u64().unwrap_or(0) + 1});
            }
        }
        for (name, value) in std::mem::take(&mut self.fields) {
            message[name] = value;
        }
        conversation.members.insert(self.person.id.clone());
        conversation.keep(message.clone());
        let events = tell(world, &id, &message);
        Said { ts, events }
    }

    fn message(&self, ts: &str, number: u64) -> Value {
        let mut message = json!({
            "type": "message",
            "user": self.person.id,
            "text": self.text,
            "team": TEAM,
            "ts": ts,
        });
        match &self.person.bot_id {
            None => {
                message["client_msg_id"] = format!("fa4e0000-0000-4000-8000-{number:012x}").into();
                if !self.text.is_empty() {
                    message["blocks"] = blocks::of_text(&self.text, number);
                }
            }
            Some(bot) => {
                message["bot_id"] = bot.as_str().into();
                message["app_id"] = "A0OTHER".into();
            }
        }
        if self.legacy {
            let object = message.as_object_mut().expect("a message is an object");
            object.retain(|name, _| {
                !["user", "team", "app_id", "client_msg_id", "blocks"].contains(&name.as_str())
            });
            message["username"] = self.person.name.as_str().into();
        }
        if let Some(subtype) = &self.subtype {
            message["subtype"] = subtype.as_str().into();
            let object = message.as_object_mut().expect("a message is an object");
            object.remove("client_msg_id");
            object.remove("blocks");
        }
        message
    }

    fn attach(&mut self, world: &mut World, message: &mut Value) {
        let base = world.base.clone();
        let mut objects = Vec::new();
        for (name, media_type, bytes) in self.files.drain(..) {
            let id = format!("F0FAKE{:05}", world.number());
            let file = File::new(&id, &name, &media_type, &self.person.id, &bytes);
            objects.push(file.object(&base));
            world.files.insert(id, file);
        }
        if !objects.is_empty() {
            message["files"] = objects.into();
            message["upload"] = false.into();
            message["display_as_bot"] = false.into();
            message["subtype"] = "file_share".into();
            message.as_object_mut().expect("a message is an object").remove("client_msg_id");
        }
    }
}

/// Tells the app of a message: as a message, and again if it names the bot.
fn tell(world: &mut World, channel: &str, message: &Value) -> Vec<String> {
    let me = world.account().user.clone();
    let conversation = world.conversation(channel);
    let (kind, member) = (conversation.kind, conversation.members.contains(&me.id));
    let mut event = message.clone();
    event["channel"] = channel.into();
    event["event_ts"] = message["ts"].clone();
    let mut mention = event.clone();
    event["channel_type"] = kind.word().into();
    let mut events = Vec::new();
    if member {
        events.push(world.emit(sample(&event), &event));
    }
    let named = message["text"].as_str().is_some_and(|text| text.contains(&me.mention()));
    if named && kind != Kind::Im {
        mention["type"] = "app_mention".into();
        let object = mention.as_object_mut().expect("an event is an object");
        object.remove("root");
        object.remove("subtype");
        events.push(world.emit("AppMention", &mention));
    }
    events
}

/// The sample that an event is held against.
fn sample(event: &Value) -> &'static str {
    match event["subtype"].as_str() {
        None => "Message",
        Some("bot_message") => "MessageBot",
        Some("channel_join") => "MessageChannelJoin",
        Some("file_share") => "MessageFileShare",
        Some("me_message") => "MessageMe",
        Some("thread_broadcast") => "MessageThreadBroadcast",
        Some(_) => "",
    }
}
