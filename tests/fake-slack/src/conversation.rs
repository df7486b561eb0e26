//! A conversation as the workspace keeps it, and what the bot did there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Value, json};

/// What kind of conversation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Open to all.
    Channel,
    /// A private channel.
    Group,
    /// A direct message between several.
    Mpim,
    /// A direct message.
    Im,
}

impl Kind {
    /// As events name it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Group => "group",
            Self::Mpim => "mpim",
            Self::Im => "im",
        }
    }

    /// As `conversations.list` names it.
    pub(crate) fn listed(self) -> &'static str {
        match self {
            Self::Channel => "public_channel",
            Self::Group => "private_channel",
            other => other.word(),
        }
    }
}

/// Something that the bot said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Posted {
    /// Its number in the order of everything that was said on this server.
    pub number: u64,
    /// How: the method, `response_url`, or `acknowledgement`.
    pub method: String,
    /// The conversation.
    pub channel: String,
    /// Its timestamp, which is its id there.
    pub ts: String,
    /// The thread.
    pub thread_ts: Option<String>,
    /// The text, as it was given.
    pub text: String,
    /// The blocks; null where there are none.
    pub blocks: Value,
    /// The metadata; null where there are none.
    pub metadata: Value,
    /// All that was given.
    pub arguments: Value,
    /// Who alone sees it.
    pub only_for: Option<String>,
    /// The texts that it had before.
    pub edits: Vec<String>,
    /// Whether it was taken back.
    pub deleted: bool,
    /// Whether the bot could learn that it was said: no fault stood in the way of the answer.
    pub told: bool,
    /// When.
    pub at: SystemTime,
}

impl Posted {
    /// The ids of its buttons, in order.
    pub fn buttons(&self) -> Vec<String> {
        let actions = self.blocks.as_array().into_iter().flatten().filter(|block| block["type"] == "actions");
        let elements = actions.flat_map(|block| block["elements"].as_array().into_iter().flatten());
        elements.filter_map(|element| element["action_id"].as_str().map(str::to_owned)).collect()
    }
}

/// What the bot showed that it was doing, in a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The thread.
    pub thread_ts: String,
    /// What is shown; empty where it was taken away.
    pub status: String,
    /// When.
    pub at: SystemTime,
}

/// A conversation.
pub(crate) struct Conversation {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) members: BTreeSet<String>,
    pub(crate) archived: bool,
    /// Everything that is there, by timestamp.
    pub(crate) messages: BTreeMap<String, Value>,
    pub(crate) posted: Vec<Posted>,
    pub(crate) ephemeral: Vec<Posted>,
    pub(crate) statuses: Vec<Status>,
    /// What is shown now as being done, by thread.
    pub(crate) shown: BTreeMap<String, String>,
    /// When the bot said something, for limits.
    pub(crate) times: VecDeque<SystemTime>,
}

impl Conversation {
    pub(crate) fn new(id: &str, name: &str, kind: Kind) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            kind,
            members: BTreeSet::new(),
            archived: false,
            messages: BTreeMap::new(),
            posted: Vec::new(),
            ephemeral: Vec::new(),
            statuses: Vec::new(),
            shown: BTreeMap::new(),
            times: VecDeque::new(),
        }
    }

    /// The object of the API, as the bot with that id sees it.
    pub(crate) fn object(&self, bot: &str) -> Value {
        let kind = self.kind;
        let mut object = json!({
            "id": self.id,
            "created": 1_700_000_000,
            "is_channel": kind == Kind::Channel,
            "is_group": kind == Kind::Group,
            "is_im": kind == Kind::Im,
            "is_mpim": kind == Kind::Mpim,
            "is_private": kind != Kind::Channel,
            "is_archived": self.archived,
            "is_org_shared": false,
        });
        if kind == Kind::Im {
            object["user"] = self.members.iter().find(|member| *member != bot).cloned().into();
            object["is_open"] = true.into();
        } else {
            object["name"] = self.name.as_str().into();
            object["name_normalized"] = self.name.as_str().into();
            object["is_member"] = self.members.contains(bot).into();
            object["is_general"] = false.into();
            object["creator"] = "U0FAKEADMIN".into();
            object["num_members"] = self.members.len().into();
            object["topic"] = json!({"value": "", "creator": "", "last_set": 0});
            object["purpose"] = json!({"value": "", "creator": "", "last_set": 0});
        }
        object
    }

    /// The first message of the thread in which that message stands, or would stand.
    pub(crate) fn root(&self, ts: &str) -> Option<String> {
        let message = self.messages.get(ts)?;
        Some(message["thread_ts"].as_str().unwrap_or(ts).to_owned())
    }

    /// The answers in a thread, in order.
    pub(crate) fn replies(&self, root: &str) -> Vec<Value> {
        let of_it = |(ts, message): &(&String, &Value)| message["thread_ts"] == root && ts.as_str() != root;
        self.messages.iter().filter(of_it).map(|(_, message)| message.clone()).collect()
    }

    /// Puts a message where it belongs; the first of its thread counts it.
    pub(crate) fn keep(&mut self, message: Value) {
        let ts = message["ts"].as_str().unwrap_or_default().to_owned();
        let thread = message["thread_ts"].as_str().map(str::to_owned);
        self.messages.insert(ts, message);
        if let Some(root) = thread {
            self.count(&root);
        }
    }

    /// Brings the numbers of a thread up to date.
    pub(crate) fn count(&mut self, root: &str) {
        let replies = self.replies(root);
        let Some(first) = self.messages.get_mut(root) else { return };
        let mut users: Vec<&Value> = replies.iter().map(|reply| &reply["user"]).collect();
        users.dedup();
        first["thread_ts"] = root.into();
        first["reply_count"] = replies.len().into();
        first["reply_users_count"] = users.len().into();
        first["reply_users"] = json!(users);
        first["latest_reply"] = replies.last().map(|reply| reply["ts"].clone()).unwrap_or_default();
        first["is_locked"] = false.into();
        first["subscribed"] = false.into();
    }
}
