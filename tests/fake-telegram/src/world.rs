//! Everything that the server knows.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use openpact_fake_kit::Ledger;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::fault::Rule;
use crate::markup::Entity;
use crate::refusal::Refusal;

/// How long updates are kept for a bot that does not fetch them.
const KEPT: Duration = Duration::from_hours(24);

/// Updates that a bot gets only when it asks for them.
const ON_REQUEST: [&str; 3] = ["chat_member", "message_reaction", "message_reaction_count"];

/// A person, or another bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The id; never changes.
    pub id: i64,
    /// The first name.
    pub name: String,
    /// The name for mentions.
    pub username: Option<String>,
    /// Whether it is a bot.
    pub is_bot: bool,
}

impl User {
    /// The object of the API.
    pub(crate) fn object(&self) -> Value {
        let mut object = json!({"id": self.id, "is_bot": self.is_bot, "first_name": self.name});
        if let Some(username) = &self.username {
            object["username"] = username.as_str().into();
        }
        object
    }
}

/// A message that a bot sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Its number in the order of everything that was sent on this server.
    pub number: u64,
    /// Its id in the chat.
    pub message_id: i64,
    /// The chat.
    pub chat: i64,
    /// The topic.
    pub thread: Option<i64>,
    /// What is shown.
    pub text: String,
    /// The entities of what is shown.
    pub entities: Vec<Entity>,
    /// The markup that was asked for.
    pub parse_mode: Option<String>,
    /// The text before it was parsed.
    pub source: String,
    /// The message that it replies to.
    pub reply_to: Option<i64>,
    /// The values of its buttons, row by row.
    pub buttons: Vec<Vec<String>>,
    /// When.
    pub at: SystemTime,
    /// The texts that it had before.
    pub edits: Vec<String>,
    /// Whether it was taken back.
    pub deleted: bool,
    /// Whether the bot could learn that it was sent: no fault stood in the way of the answer.
    pub told: bool,
}

/// A request, once it has been answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    /// The method as it was asked for.
    pub method: String,
    /// What came with it.
    pub parameters: Value,
    /// When.
    pub at: SystemTime,
    /// The status of the answer; 0 where the connection was broken.
    pub status: u16,
}

/// An update that was put into a bot's queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Update {
    /// Its id.
    pub update_id: i64,
    /// The message that it is about; 0 where it is about none.
    pub message_id: i64,
}

/// Limits on sending, as the real server has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flood {
    /// The most messages in one chat in one second.
    pub per_chat: usize,
    /// The most messages in one group in one minute.
    pub per_group: usize,
    /// The most messages in one second.
    pub overall: usize,
}

impl Default for Flood {
    fn default() -> Self {
        Self { per_chat: 1, per_group: 20, overall: 30 }
    }
}

/// Everything that the server knows.
#[derive(Default)]
pub struct World {
    pub(crate) bots: BTreeMap<String, Account>,
    pub(crate) flood: Option<Flood>,
    pub(crate) sent: u64,
    pub(crate) ledger: Ledger<Rule, Call>,
}

/// A bot.
pub(crate) struct Account {
    pub(crate) user: User,
    pub(crate) revoked: bool,
    /// Whether it sees only what is meant for it in groups.
    pub(crate) privacy: bool,
    pub(crate) room: HashMap<i64, Room>,
    pub(crate) queue: VecDeque<Queued>,
    /// No poll gets anything now.
    pub(crate) held: bool,
    /// The poll that gives what is in front of this update does not give it; the one after does.
    pub(crate) apart: Option<i64>,
    pub(crate) next_update: i64,
    pub(crate) next_message: i64,
    pub(crate) allowed: Vec<String>,
    pub(crate) webhook: String,
    pub(crate) commands: BTreeMap<(String, String), Value>,
    pub(crate) queries: HashSet<String>,
    pub(crate) files: HashMap<String, Vec<u8>>,
    /// Counts getUpdates: a newer one ends an older one.
    pub(crate) poll: u64,
    pub(crate) conflicts: u64,
    pub(crate) arrived: Arc<Notify>,
    pub(crate) times: VecDeque<SystemTime>,
}

pub(crate) struct Queued {
    pub(crate) id: i64,
    pub(crate) at: SystemTime,
    pub(crate) value: Value,
}

/// A chat as one bot sees it.
pub(crate) struct Room {
    /// The `Chat` object.
    pub(crate) object: Value,
    pub(crate) topics: BTreeMap<i64, String>,
    pub(crate) messages: BTreeMap<i64, Value>,
    pub(crate) sent: Vec<Sent>,
    /// The person blocked the bot, or it was removed from the group.
    pub(crate) closed: Option<String>,
    pub(crate) next_message: i64,
    pub(crate) actions: Vec<(SystemTime, String)>,
    pub(crate) times: VecDeque<SystemTime>,
}

impl Room {
    pub(crate) fn new(object: Value) -> Self {
        Self {
            object,
            topics: BTreeMap::new(),
            messages: BTreeMap::new(),
            sent: Vec::new(),
            closed: None,
            next_message: 0,
            actions: Vec::new(),
            times: VecDeque::new(),
        }
    }

    pub(crate) fn kind(&self) -> &str {
        self.object["type"].as_str().unwrap_or_default()
    }
}

impl Account {
    pub(crate) fn new(user: User) -> Self {
        Self {
            user,
            revoked: false,
            privacy: false,
            room: HashMap::new(),
            queue: VecDeque::new(),
            held: false,
            apart: None,
            next_update: 100_000_001,
            next_message: 0,
            allowed: Vec::new(),
            webhook: String::new(),
            commands: BTreeMap::new(),
            queries: HashSet::new(),
            files: HashMap::new(),
            poll: 0,
            conflicts: 0,
            arrived: Arc::new(Notify::new()),
            times: VecDeque::new(),
        }
    }

    /// The id of the next message in that chat: supergroups and channels count for themselves.
    pub(crate) fn message_id(&mut self, chat: i64) -> i64 {
        let room = self.room.get_mut(&chat).expect("messages are made in chats that are there");
        let counter = match room.kind() {
            "supergroup" | "channel" => &mut room.next_message,
            _ => &mut self.next_message,
        };
        *counter += 1;
        *counter
    }

    /// Puts an update into the queue, if the bot wants its kind. Gives its id, which is used up in any case.
    pub(crate) fn enqueue(&mut self, at: SystemTime, value: Value) -> i64 {
        let kind = value.as_object().and_then(|object| object.keys().next()).cloned().unwrap_or_default();
        if self.allowed.contains(&kind) || (self.allowed.is_empty() && !ON_REQUEST.contains(&kind.as_str())) {
            return self.force(at, value);
        }
        self.next_update += 1;
        self.next_update - 1
    }

    /// Puts an update into the queue, and gives its id.
    pub(crate) fn force(&mut self, at: SystemTime, mut value: Value) -> i64 {
        let id = self.next_update;
        self.next_update += 1;
        value["update_id"] = id.into();
        self.queue.push_back(Queued { id, at, value });
        self.arrived.notify_waiters();
        id
    }

    /// What a call of getUpdates gets now.
    pub(crate) fn fetch(&mut self, now: SystemTime, offset: i64, limit: usize) -> Vec<Value> {
        self.queue.retain(|queued| queued.at + KEPT > now);
        if offset < 0 {
            let keep = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
            self.queue.drain(..self.queue.len().saturating_sub(keep));
        } else {
            while self.queue.front().is_some_and(|queued| queued.id < offset) {
                self.queue.pop_front();
            }
        }
        let mut given = Vec::new();
        let limit = if self.held { 0 } else { limit };
        for queued in self.queue.iter().take(limit) {
            if self.apart.take_if(|id| *id == queued.id).is_some() && !given.is_empty() {
                break;
            }
            given.push(queued.value.clone());
        }
        given
    }
}

impl Deref for World {
    type Target = Ledger<Rule, Call>;

    fn deref(&self) -> &Self::Target {
        &self.ledger
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.ledger
    }
}

impl World {
    /// The bot with that token.
    pub(crate) fn account(&mut self, token: &str) -> Result<&mut Account, Refusal> {
        let account = self.bots.get_mut(token).filter(|account| !account.revoked);
        account.ok_or_else(Refusal::unauthorized)
    }

    fn rooms(&self, chat: i64) -> impl Iterator<Item = &Room> {
        self.bots.values().filter_map(move |account| account.room.get(&chat))
    }

    /// What was sent to that chat, in order.
    pub fn sent(&self, chat: i64) -> Vec<Sent> {
        self.rooms(chat).flat_map(|room| room.sent.iter().cloned()).collect()
    }

    /// How many messages were sent to that chat.
    pub fn sent_count(&self, chat: i64) -> usize {
        self.rooms(chat).map(|room| room.sent.len()).sum()
    }

    /// How many messages were sent at all.
    pub fn sent_total(&self) -> u64 {
        self.sent
    }

    /// What the bot showed that it was doing in that chat, such as `typing`.
    pub fn actions(&self, chat: i64) -> Vec<(SystemTime, String)> {
        self.rooms(chat).flat_map(|room| room.actions.iter().cloned()).collect()
    }

    /// How many updates wait for bots, or were not confirmed.
    pub fn pending(&self) -> usize {
        self.bots.values().map(|account| account.queue.len()).sum()
    }

    /// How many calls of getUpdates have begun; those that wait now included.
    pub fn polls(&self) -> u64 {
        self.bots.values().map(|account| account.poll).sum()
    }

    /// How often a poller was ended by a newer one.
    pub fn conflicts(&self) -> u64 {
        self.bots.values().map(|account| account.conflicts).sum()
    }

    /// The commands that bots have set, as `[scope, language, commands]`.
    pub fn commands(&self) -> Vec<(String, String, Value)> {
        let all = self.bots.values().flat_map(|account| &account.commands);
        all.map(|((scope, language), commands)| (scope.clone(), language.clone(), commands.clone())).collect()
    }

    /// Messages of that chat that were sent more than once: same text, same topic, reply to the same message.
    pub fn duplicates(&self, chat: i64) -> Vec<Sent> {
        let mut seen = HashSet::new();
        let mut twice = self.sent(chat);
        twice.retain(|sent| !seen.insert((sent.thread, sent.reply_to, sent.source.clone())));
        twice
    }
}
