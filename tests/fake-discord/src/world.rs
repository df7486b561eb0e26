//! Everything that the server knows.

mod guild;
mod message;
mod post;
mod record;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::{Deref, DerefMut};
use std::time::{Duration, SystemTime};

use openpact_fake_kit::{Ledger, Switchboard};
use serde_json::{Value, json};

use crate::clock;
use crate::fault::Rule;
use crate::gateway::{GatewayFault, GatewayRule, Received, Session, Stage};
use crate::limits::{Limits, Windows};
use crate::refusal::Refusal;

pub(crate) use message::{draft, mentioned, number_components};
pub(crate) use post::{EPHEMERAL, LOADING, flags};
pub use record::{Answered, Button, Call, File, Interaction, Sent, User};

/// Milliseconds from 1970 to the first second of 2015, from which ids count.
const EPOCH: u64 = 1_420_070_400_000;

/// Everything that the server knows.
#[derive(Default)]
pub struct World {
    pub(crate) bots: BTreeMap<String, Account>,
    pub(crate) users: BTreeMap<u64, User>,
    pub(crate) guilds: BTreeMap<u64, Guild>,
    pub(crate) rooms: BTreeMap<u64, Room>,
    pub(crate) interactions: BTreeMap<u64, Interaction>,
    pub(crate) sessions: BTreeMap<String, Session>,
    /// What can be fetched, by its path.
    pub(crate) files: HashMap<String, Stored>,
    pub(crate) gateway_faults: Switchboard<GatewayRule>,
    pub(crate) limits: Limits,
    pub(crate) windows: Windows,
    pub(crate) heartbeat: Option<Duration>,
    /// Fields that the description does not name are passed over.
    pub(crate) tolerant: bool,
    pub(crate) received: Vec<Received>,
    pub(crate) connections: u64,
    pub(crate) sent: u64,
    pub(crate) ledger: Ledger<Rule, Call>,
    pub(crate) last_id: u64,
    /// The address of the server, for links.
    pub(crate) base: String,
}

/// A bot, which is an application too, with the same id.
pub(crate) struct Account {
    pub(crate) user: User,
    pub(crate) revoked: bool,
    /// The privileged intents that were switched on for it.
    pub(crate) privileged: u64,
    pub(crate) commands: BTreeMap<u64, Value>,
    pub(crate) starts: u64,
    pub(crate) last_start: Option<SystemTime>,
}

pub(crate) struct Guild {
    pub(crate) bot: u64,
    pub(crate) name: String,
}

pub(crate) struct Stored {
    pub(crate) bytes: Vec<u8>,
    pub(crate) media_type: String,
    pub(crate) signature: String,
    pub(crate) expires: SystemTime,
}

/// A channel, with what happened in it.
pub(crate) struct Room {
    pub(crate) bot: u64,
    pub(crate) guild: Option<u64>,
    /// The channel as the API gives it.
    pub(crate) object: Value,
    pub(crate) messages: BTreeMap<u64, Value>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) typing: Vec<SystemTime>,
    pub(crate) nonces: Vec<(SystemTime, String, u64)>,
    /// Why the bot may not write here.
    pub(crate) closed: Option<Refusal>,
}

impl Room {
    pub(crate) fn new(bot: u64, guild: Option<u64>, object: Value) -> Self {
        Self {
            bot,
            guild,
            object,
            messages: BTreeMap::new(),
            sent: Vec::new(),
            typing: Vec::new(),
            nonces: Vec::new(),
            closed: None,
        }
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
    /// A new id, later than all before.
    pub(crate) fn id(&mut self) -> u64 {
        let from_time = clock::milliseconds(self.now()).saturating_sub(EPOCH) << 22;
        self.last_id = from_time.max(self.last_id + 1);
        self.last_id
    }

    pub(crate) fn account(&self, bot: u64) -> &Account {
        let mut accounts = self.bots.values();
        accounts.find(|account| account.user.id == bot).expect("bots are never forgotten")
    }

    pub(crate) fn account_mut(&mut self, bot: u64) -> &mut Account {
        let mut accounts = self.bots.values_mut();
        accounts.find(|account| account.user.id == bot).expect("bots are never forgotten")
    }

    /// The channel, if it is there and this bot is in it.
    pub(crate) fn room(&mut self, bot: u64, channel: u64) -> Result<&mut Room, Refusal> {
        let room = self.rooms.get_mut(&channel).ok_or_else(Refusal::unknown_channel)?;
        if room.bot == bot { Ok(room) } else { Err(Refusal::new(403, 50_001, "Missing Access")) }
    }

    pub(crate) fn strike_gateway(&mut self, stage: Stage, event: Option<&str>) -> Option<GatewayFault> {
        self.gateway_faults.strike(&mut self.ledger.dice, |rule| rule.fits(stage, event))
    }

    /// The private channel of a person with a bot, which is made when it is not there.
    pub(crate) fn direct(&mut self, bot: u64, user: &User) -> u64 {
        let wanted = json!(user.id.to_string());
        let mut rooms = self.rooms.iter();
        let known = rooms.find(|(_, room)| room.bot == bot && room.object["recipients"][0]["id"] == wanted);
        if let Some((id, _)) = known {
            return *id;
        }
        let id = self.id();
        let object = json!({
            "id": id.to_string(),
            "type": 1,
            "flags": 0,
            "last_message_id": null,
            "recipients": [user.object()],
        });
        self.rooms.insert(id, Room::new(bot, None, object));
        id
    }

    /// What the bot said in that channel, in order.
    pub fn sent(&self, channel: u64) -> Vec<Sent> {
        self.rooms.get(&channel).map(|room| room.sent.clone()).unwrap_or_default()
    }

    /// How many messages bots sent at all.
    pub fn sent_total(&self) -> u64 {
        self.sent
    }

    /// What came over the gateway, in order.
    pub fn received(&self) -> &[Received] {
        &self.received
    }

    /// How many connections to the gateway were opened.
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// How many frames with that opcode came over the gateway.
    pub fn received_count(&self, opcode: u64) -> usize {
        self.received.iter().filter(|received| received.opcode == opcode).count()
    }

    /// Whether a session of that bot is connected and was told that it is ready, or resumed.
    pub fn is_connected(&self, bot: u64) -> bool {
        self.sessions.values().any(|session| session.bot == bot && session.is_connected())
    }

    /// When the bot showed in that channel that it is typing.
    pub fn typing(&self, channel: u64) -> Vec<SystemTime> {
        self.rooms.get(&channel).map(|room| room.typing.clone()).unwrap_or_default()
    }

    /// The commands that a bot has registered, as the API gives them.
    pub fn commands(&self, bot: u64) -> Vec<Value> {
        self.account(bot).commands.values().cloned().collect()
    }

    /// An interaction, with what the bot answered.
    pub fn interaction(&self, id: u64) -> Option<&Interaction> {
        self.interactions.get(&id)
    }

    /// All channels that are threads, by id and name.
    pub fn threads(&self) -> Vec<(u64, String)> {
        let threads = self.rooms.iter().filter(|(_, room)| room.object.get("thread_metadata").is_some());
        threads.map(|(id, room)| (*id, room.object["name"].as_str().unwrap_or_default().to_owned())).collect()
    }

    /// Answers with 401, 403 and 429: the real server shuts an address out after 10,000 of them in ten minutes.
    pub fn invalid_requests(&self) -> usize {
        self.calls().iter().filter(|call| matches!(call.status, 401 | 403 | 429)).count()
    }

    /// Messages of that channel that were sent more than once: same text, reply to the same message.
    pub fn duplicates(&self, channel: u64) -> Vec<Sent> {
        let mut seen = HashSet::new();
        let mut twice = self.sent(channel);
        twice.retain(|sent| !seen.insert((sent.reply_to, sent.content.clone())));
        twice
    }
}
