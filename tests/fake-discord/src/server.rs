//! The server of the fake.

use std::collections::BTreeMap;
use std::io;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use openpact_fake_kit::{Fake, wire};

use crate::bot::Bot;
use crate::fault::Rule;
use crate::gateway::{GatewayRule, intent};
use crate::limits::Limits;
use crate::world::{Account, Call, Interaction, Sent, User, World};
use crate::{respond, specification};

/// A running server. It stops when this is dropped.
pub struct Server(openpact_fake_kit::Server<World>);

pub(crate) type Shared = openpact_fake_kit::Shared<World>;

impl Deref for Server {
    type Target = openpact_fake_kit::Server<World>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Fake for World {
    type Rule = Rule;
    type Call = Call;

    const NAME: &'static str = "fake-discord";

    async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<wire::Body>> {
        respond::answer(shared, request).await
    }

    fn judges() -> bool {
        specification::load().is_some()
    }

    fn state(&self) -> String {
        let opcodes: Vec<u64> = self.received.iter().map(|received| received.opcode).collect();
        let last = &opcodes[opcodes.len().saturating_sub(50)..];
        format!("{} connections, opcodes {last:?}", self.connections)
    }

    fn said(&self) -> Vec<(u64, String)> {
        let line = |sent: &Sent| (sent.number, format!("to {}: {:?}", sent.channel, sent.content));
        self.rooms.values().flat_map(|room| &room.sent).map(line).collect()
    }
}

impl Server {
    /// Starts a server on a free port of the loopback address.
    ///
    /// # Errors
    /// When no port or no thread is to be had.
    pub fn start() -> io::Result<Self> {
        Self::start_on(0)
    }

    /// Starts a server on this port of the loopback address.
    ///
    /// # Errors
    /// When the port or a thread is not to be had.
    pub fn start_on(port: u16) -> io::Result<Self> {
        let make = |base| World { base, ..World::default() };
        openpact_fake_kit::Server::start(port, make).map(Self)
    }

    /// What a client is given in place of `https://discord.com/api/v10`.
    pub fn api_url(&self) -> String {
        format!("{}/api/v10", self.base_url())
    }

    /// What a client is told in place of `wss://gateway.discord.gg`. Sessions are resumed at `/resume` below it.
    pub fn gateway_url(&self) -> String {
        format!("ws://{}", self.address())
    }

    /// A new bot with that id, which is that of its application too, and that token. All privileged intents are
    /// switched on for it.
    pub fn bot(&self, id: u64, token: &str) -> Bot {
        let user = User { id, name: format!("Fake{id}"), is_bot: true };
        let account = Account {
            user: user.clone(),
            revoked: false,
            privileged: intent::PRIVILEGED,
            commands: BTreeMap::new(),
            starts: 0,
            last_start: None,
        };
        let mut world = self.shared().world();
        world.users.insert(id, user);
        world.bots.insert(token.to_owned(), account);
        drop(world);
        Bot::new(self.shared().clone(), token, id)
    }

    /// A person. Ids of people are what authority comes from; names are not.
    pub fn user(&self, id: u64, name: &str) -> User {
        let user = User { id, name: name.to_owned(), is_bot: false };
        self.shared().world().users.insert(id, user.clone());
        user
    }

    /// Somebody else's bot.
    pub fn other_bot(&self, id: u64, name: &str) -> User {
        let user = User { id, name: name.to_owned(), is_bot: true };
        self.shared().world().users.insert(id, user.clone());
        user
    }

    /// Lets something go wrong on the gateway from now on.
    pub fn gateway_fault(&self, rule: GatewayRule) {
        self.shared().world().gateway_faults.add(rule);
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        let mut world = self.shared().world();
        world.faults.clear();
        world.gateway_faults.clear();
    }

    /// Sets limits; at first there are none.
    pub fn limits(&self, limits: Limits) {
        self.shared().world().limits = limits;
    }

    /// From now on, fields that the description does not name are passed over, as by the real server; at first they are
    /// refused and noted. Stock clients send some.
    pub fn ignore_unknown_fields(&self) {
        self.shared().world().tolerant = true;
    }

    /// The interval of heartbeats that connections from now on are asked for; at first it is that of the real server,
    /// 41.25 seconds.
    pub fn heartbeat_interval(&self, interval: Duration) {
        self.shared().world().heartbeat = Some(interval);
    }

    /// What the bot said in that channel, in order.
    pub fn sent(&self, channel: u64) -> Vec<Sent> {
        self.shared().world().sent(channel)
    }

    /// An interaction, with what the bot answered.
    ///
    /// # Panics
    /// When there is none with that id.
    pub fn interaction(&self, id: u64) -> Interaction {
        self.look(|world| world.interaction(id).cloned()).expect("an interaction that a person began")
    }
}
