//! Everything that the server knows.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::SystemTime;

use openpact_fake_kit::{Ledger, clock};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::conversation::{Conversation, Kind, Posted, Status};
use crate::event::Interaction;
use crate::exchange::{Delivery, Exchange};
use crate::fault::{Fault, Rule, Stage};
use crate::file::File;
use crate::refusal::Refusal;
use crate::specification::Specification;

/// The workspace.
pub(crate) const TEAM: &str = "T0FAKE0001";

/// The workspace's part of addresses.
pub(crate) const DOMAIN: &str = "fake";

/// A person, or the bot of another app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The id; never changes. Names do, and are not unique.
    pub id: String,
    /// The name that is shown.
    pub name: String,
    /// The id of the bot, where it is one.
    pub bot_id: Option<String>,
}

impl Person {
    /// What stands in a text that names them.
    pub fn mention(&self) -> String {
        format!("<@{}>", self.id)
    }

    /// The object of the API.
    pub(crate) fn object(&self) -> Value {
        json!({
            "id": self.id,
            "team_id": TEAM,
            "name": self.name.to_lowercase().replace(' ', "."),
            "real_name": self.name,
            "deleted": false,
            "is_bot": self.bot_id.is_some(),
            "is_app_user": false,
            "is_admin": false,
            "is_owner": false,
            "is_restricted": false,
            "is_ultra_restricted": false,
            "tz": "Europe/Berlin",
            "tz_offset": 3600,
            "updated": 1_700_000_000,
            "profile": {"real_name": self.name, "display_name": self.name, "team": TEAM, "bot_id": self.bot_id},
        })
    }
}

/// A request, once it has been answered.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    /// The method, or `files`, `upload`, `response_url`.
    pub method: String,
    /// What came with it, but for the token.
    pub parameters: Value,
    /// When.
    pub at: SystemTime,
    /// The status of the answer; 0 where the connection was broken.
    pub status: u16,
    /// The error in the answer.
    pub error: Option<String>,
}

/// Something that a person did in a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The timestamp of the message, which is its id in the channel.
    pub ts: String,
    /// The ids of the events that tell of it: none where the bot is not told, two for a mention.
    pub events: Vec<String>,
}

/// Limits on requests, as the real server has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The most messages of the bot in one channel in one second.
    pub per_channel: usize,
    /// The most requests of one method in one minute.
    pub per_method: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_channel: 1, per_method: 50 }
    }
}

/// The app and its bot.
pub(crate) struct Account {
    pub(crate) bot_token: String,
    pub(crate) app_token: String,
    pub(crate) app_id: String,
    pub(crate) user: Person,
    pub(crate) bot_id: String,
    pub(crate) revoked: bool,
    /// Whether Socket Mode is switched on.
    pub(crate) linked: bool,
}

/// Everything that the server knows.
pub struct World {
    pub(crate) base: String,
    pub(crate) specification: Option<Arc<Specification>>,
    pub(crate) account: Option<Account>,
    pub(crate) people: BTreeMap<String, Person>,
    pub(crate) conversations: BTreeMap<String, Conversation>,
    pub(crate) files: BTreeMap<String, File>,
    pub(crate) interactions: BTreeMap<String, Interaction>,
    pub(crate) views: Vec<Value>,
    pub(crate) exchange: Exchange,
    pub(crate) limits: Option<Limits>,
    pub(crate) times: HashMap<String, VecDeque<SystemTime>>,
    pub(crate) deduplicates: bool,
    pub(crate) said: u64,
    pub(crate) ledger: Ledger<Rule, Call>,
    next: u64,
    stamp: (u64, u64),
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
    pub(crate) fn new(base: String, specification: Option<Arc<Specification>>) -> Self {
        Self {
            base,
            specification,
            account: None,
            people: BTreeMap::new(),
            conversations: BTreeMap::new(),
            files: BTreeMap::new(),
            interactions: BTreeMap::new(),
            views: Vec::new(),
            exchange: Exchange::default(),
            limits: None,
            times: HashMap::new(),
            deduplicates: false,
            said: 0,
            ledger: Ledger::default(),
            next: 0,
            stamp: (0, 0),
        }
    }

    /// What goes wrong there; counted as used.
    pub(crate) fn goes_wrong(&mut self, stage: Stage, method: &str, channel: Option<&str>) -> Option<Fault> {
        self.strike(|rule| rule.fits(stage, method, channel))
    }

    /// A number that never comes again.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// A timestamp that never comes again, later than all before.
    pub(crate) fn ts(&mut self) -> String {
        let seconds = u64::try_from(clock::seconds(self.now())).unwrap_or_default();
        let (last, part) = self.stamp;
        self.stamp = if seconds > last { (seconds, 119) } else { (last, part + 1) };
        format!("{}.{:06}", self.stamp.0, self.stamp.1)
    }

    pub(crate) fn account(&self) -> &Account {
        self.account.as_ref().expect("an app is made first: `Server::app`")
    }

    /// Whether that token may call that method.
    pub(crate) fn authorise(&self, token: Option<&str>, method: &str) -> Result<(), Refusal> {
        let Some(token) = token else { return Err(Refusal::new("not_authed")) };
        let Some(account) = &self.account else { return Err(Refusal::new("invalid_auth")) };
        let connects = method == "apps.connections.open";
        if token != account.bot_token && token != account.app_token {
            return Err(Refusal::new("invalid_auth"));
        }
        if account.revoked {
            return Err(Refusal::new("token_revoked"));
        }
        if connects != (token == account.app_token) {
            return Err(Refusal::new("not_allowed_token_type"));
        }
        Ok(())
    }

    pub(crate) fn conversation(&mut self, id: &str) -> &mut Conversation {
        self.conversations.get_mut(id).expect("conversations are never forgotten")
    }

    /// The direct message with a person, opened if need be.
    pub(crate) fn direct(&mut self, user: &str) -> String {
        let me = self.account().user.id.clone();
        let id = format!("D{}", &user[1..]);
        let conversation =
            self.conversations.entry(id.clone()).or_insert_with(|| Conversation::new(&id, "", Kind::Im));
        conversation.members.extend([user.to_owned(), me]);
        id
    }

    /// The conversation with that id, if the bot sees it.
    pub(crate) fn find(&self, id: &str) -> Result<String, Refusal> {
        let me = &self.account().user.id;
        let found = self.conversations.get(id);
        let visible = |found: &&Conversation| found.kind == Kind::Channel || found.members.contains(me);
        found.filter(visible).map(|found| found.id.clone()).ok_or_else(|| Refusal::new("channel_not_found"))
    }

    /// The same for new messages, which can name a person by the id or a channel by its name as well.
    pub(crate) fn find_by_any(&mut self, named: &str) -> Result<String, Refusal> {
        if self.people.contains_key(named) {
            return Ok(self.direct(named));
        }
        let name = named.trim_start_matches('#');
        let by_name = self.conversations.values().find(|found| !name.is_empty() && found.name == name);
        let id = by_name.map_or(named, |found| &found.id).to_owned();
        self.find(&id)
    }

    /// What was said in that conversation, in order.
    pub fn posted(&self, channel: &str) -> Vec<Posted> {
        self.conversations.get(channel).map(|found| found.posted.clone()).unwrap_or_default()
    }

    /// What was said there to one person alone, in order.
    pub fn ephemeral(&self, channel: &str) -> Vec<Posted> {
        self.conversations.get(channel).map(|found| found.ephemeral.clone()).unwrap_or_default()
    }

    /// What was shown there as being done, in order.
    pub fn statuses(&self, channel: &str) -> Vec<Status> {
        self.conversations.get(channel).map(|found| found.statuses.clone()).unwrap_or_default()
    }

    /// How much was said at all.
    pub fn posted_total(&self) -> u64 {
        self.said
    }

    /// The views that were opened or published, in order.
    pub fn views(&self) -> &[Value] {
        &self.views
    }

    /// The envelopes that were given to connections, in order.
    pub fn deliveries(&self) -> &[Delivery] {
        &self.exchange.deliveries
    }

    /// How many envelopes were not delivered, or not acknowledged yet.
    pub fn pending(&self) -> usize {
        self.exchange.pending()
    }

    /// How many events were given up.
    pub fn lost(&self) -> u64 {
        self.exchange.lost
    }

    /// How many connections have been greeted and are not about to end.
    pub fn connections(&self) -> usize {
        self.exchange.ready()
    }

    /// How many connections were ever opened.
    pub fn connections_opened(&self) -> u64 {
        self.exchange.opened
    }

    /// How many acknowledgements named nothing that waited for one.
    pub fn stray_acknowledgements(&self) -> u64 {
        self.exchange.strays
    }

    /// What was said in that conversation more than once: same text in the same thread.
    pub fn duplicates(&self, channel: &str) -> Vec<Posted> {
        let mut seen = std::collections::HashSet::new();
        let mut twice = self.posted(channel);
        twice.retain(|said| {
            !seen.insert((said.thread_ts.clone(), said.text.clone(), said.blocks.to_string()))
        });
        twice
    }
}
