//! Sessions, which outlive their connections, and the events that they are told of.

use std::collections::VecDeque;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::fault::GatewayFault;
use crate::clock;
use crate::world::World;

/// How many events are kept for sessions that are resumed.
const KEPT: usize = 10_000;

/// A frame that a bot sent over the gateway.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Received {
    /// The number of the connection, from 1.
    pub connection: u64,
    /// 1 heartbeat, 2 identify, 3 presence, 6 resume, and so on.
    pub opcode: u64,
    /// What came with it. Tokens are kept: they are those of a fake.
    pub data: Value,
    /// When.
    pub at: SystemTime,
}

/// What a connection has to do next.
pub(crate) enum Order {
    Event(Event),
    Disturb(GatewayFault),
}

/// An event of a session.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) sequence: u64,
    pub(crate) name: String,
    pub(crate) text: String,
}

pub(crate) struct Session {
    pub(crate) bot: u64,
    pub(crate) intents: u64,
    pub(crate) sequence: u64,
    events: VecDeque<Event>,
    /// The number of its connection, and the way to it.
    connection: Option<(u64, UnboundedSender<Order>)>,
}

impl Session {
    pub(crate) fn new(bot: u64, intents: u64) -> Self {
        Self { bot, intents, sequence: 0, events: VecDeque::new(), connection: None }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Joins it with a connection; one that it had before is closed.
    pub(crate) fn join(&mut self, number: u64, orders: UnboundedSender<Order>) {
        self.disturb(GatewayFault::Close(4_000));
        self.connection = Some((number, orders));
    }

    /// The connection is gone; one that came after it stays.
    pub(crate) fn part(&mut self, number: u64) {
        if self.connection.as_ref().is_some_and(|(known, _)| *known == number) {
            self.connection = None;
        }
    }

    pub(crate) fn disturb(&self, fault: GatewayFault) {
        if let Some((_, orders)) = &self.connection {
            // A connection that has just ended needs no disturbance.
            let _ = orders.send(Order::Disturb(fault));
        }
    }

    /// A new event: kept, and sent if there is a connection.
    pub(crate) fn event(&mut self, name: &str, data: &Value) {
        self.sequence += 1;
        let text = json!({"op": 0, "s": self.sequence, "t": name, "d": data}).to_string();
        let event = Event { sequence: self.sequence, name: name.to_owned(), text };
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event.clone());
        if let Some((_, orders)) = &self.connection {
            // What a connection that has just ended does not get is there when the session is resumed.
            let _ = orders.send(Order::Event(event));
        }
    }

    /// Goes on with another connection: what came after that event, and that the session was resumed. `None` when some
    /// of it is no longer there.
    pub(crate) fn rejoin(
        &mut self,
        sequence: u64,
        number: u64,
        orders: UnboundedSender<Order>,
    ) -> Option<Vec<String>> {
        let first = self.events.front().map_or(1, |event| event.sequence);
        if sequence + 1 < first {
            return None;
        }
        self.join(number, orders);
        let missed = self.events.iter().filter(|event| event.sequence > sequence);
        let mut texts: Vec<String> = missed.map(|event| event.text.clone()).collect();
        self.sequence += 1;
        let data = json!({"_trace": ["[\"fake\"]"]});
        texts.push(json!({"op": 0, "s": self.sequence, "t": "RESUMED", "d": data}).to_string());
        Some(texts)
    }
}

impl World {
    /// Tells the sessions of a bot; `data` gives what one with these intents is told.
    pub(crate) fn dispatch(&mut self, bot: u64, name: &str, data: impl Fn(u64) -> Option<Value>) {
        for session in self.sessions.values_mut().filter(|session| session.bot == bot) {
            if let Some(data) = data(session.intents) {
                session.event(name, &data);
            }
        }
    }

    /// Begins a session: Ready, and the guilds that the bot is in.
    pub(crate) fn begin(
        &mut self,
        bot: u64,
        intents: u64,
        connection: u64,
        orders: UnboundedSender<Order>,
    ) -> String {
        let id = format!("{:032x}", self.id());
        let guilds: Vec<_> = self.guilds.iter().filter(|(_, guild)| guild.bot == bot).collect();
        let ids = guilds.iter().map(|(id, _)| json!({"id": id.to_string(), "unavailable": true}));
        let account = self.account(bot);
        let mut user = account.user.object();
        user["verified"] = true.into();
        user["mfa_enabled"] = false.into();
        user["email"] = Value::Null;
        let flags = super::intent::application_flags(account.privileged);
        let ready = json!({
            "v": 10,
            "user": user,
            "guilds": ids.collect::<Vec<_>>(),
            "session_id": id,
            "resume_gateway_url": format!("{}/resume", self.gateway_url()),
            "session_type": "normal",
            "private_channels": [],
            "relationships": [],
            "application": {"id": bot.to_string(), "flags": flags},
            "_trace": ["[\"fake\"]"],
        });
        let told: Vec<Value> = guilds.iter().map(|(id, _)| self.guild_object(**id)).collect();
        let mut session = Session::new(bot, intents);
        session.join(connection, orders);
        session.event("READY", &ready);
        if intents & super::intent::GUILDS != 0 {
            for guild in &told {
                session.event("GUILD_CREATE", guild);
            }
        }
        self.sessions.insert(id.clone(), session);
        id
    }

    /// Notes a frame of a bot.
    pub(crate) fn receive(&mut self, connection: u64, opcode: u64, data: Value) {
        self.received.push(Received { connection, opcode, data, at: clock::now() });
    }
}
