//! One connection to the gateway (<https://discord.com/developers/docs/events/gateway>): what its frames mean, what is
//! due and what is to be sent. It has neither a socket nor a clock; whoever drives it has both.
//!
//! The sequence of the session passes an event only when [`Machine::took`] says so, which is after the host has stored
//! it: what was not stored is sent again when the session is resumed.

mod close;
mod session;

use std::collections::BTreeSet;
use std::time::Duration;

use openpact_sdk::adapter::AdapterError;
use openpact_sdk::adapter::inbox::Account;
use serde::Deserialize;
use serde_json::{Value, json};
use serenity::model::gateway::GatewayIntents;

use crate::event::number;

pub(crate) use session::Session;

/// How long a connection may take until its session is there.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest wait for a frame at once.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// The shortest interval of heartbeats that is believed.
const SHORTEST_INTERVAL: u64 = 1_000;

/// The events that are used: messages in servers and direct ones with what they say, threads, and the channels that they
/// are in.
pub(crate) const INTENTS: GatewayIntents = GatewayIntents::GUILDS
    .union(GatewayIntents::GUILD_MESSAGES)
    .union(GatewayIntents::DIRECT_MESSAGES)
    .union(GatewayIntents::MESSAGE_CONTENT);

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// Send this text.
    Send(String),
    /// The session is there: resumed, or begun with these servers, each of which tells its channels next.
    Connected(Option<BTreeSet<u64>>),
    /// Something happened. [`Machine::took`] is to be called when it is done with.
    Dispatch(Dispatch),
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dispatch {
    /// Its number in the session.
    pub(crate) sequence: u64,
    /// Its kind, such as `MESSAGE_CREATE`.
    pub(crate) kind: String,
    /// What it is.
    pub(crate) data: Value,
}

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// It is to be made again after this wait, with the session that [`Machine::session`] then has.
    Again {
        /// Why, for the admin.
        why: String,
        /// How long to wait first.
        wait: Duration,
    },
    /// It would end the same way again.
    Fatal(AdapterError),
}

impl End {
    /// To be made again at once.
    pub(crate) fn again(why: impl Into<String>) -> Self {
        Self::Again { why: why.into(), wait: Duration::ZERO }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing came yet.
    Greeting,
    /// A session is asked for.
    Identifying,
    /// The session of before is asked for, and what was missed comes.
    Resuming,
    /// The session is there.
    Live,
}

/// The opcodes that a client receives (Opcodes and Status Codes, "Gateway Opcodes").
mod opcode {
    pub(super) const DISPATCH: u64 = 0;
    pub(super) const HEARTBEAT: u64 = 1;
    pub(super) const RECONNECT: u64 = 7;
    pub(super) const INVALID_SESSION: u64 = 9;
    pub(super) const HELLO: u64 = 10;
    pub(super) const HEARTBEAT_ACK: u64 = 11;
}

#[derive(Deserialize)]
struct Frame {
    op: u64,
    #[serde(default)]
    s: Option<u64>,
    #[serde(default)]
    t: Option<String>,
    #[serde(default)]
    d: Value,
}

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct Machine {
    token: String,
    session: Option<Session>,
    phase: Phase,
    /// Until when the session has to be there.
    deadline: Duration,
    interval: Option<Duration>,
    next_beat: Duration,
    is_acknowledged: bool,
    /// From 0 to 1, once for each connection.
    jitter: f64,
}

impl Machine {
    /// A connection that is open since `now`, with the reference to the token and the session of before, if any.
    pub(crate) fn new(token: String, session: Option<Session>, now: Duration, jitter: f64) -> Self {
        Self {
            token,
            session,
            phase: Phase::Greeting,
            deadline: now + PATIENCE,
            interval: None,
            next_beat: now,
            is_acknowledged: true,
            jitter: jitter.clamp(0.0, 1.0),
        }
    }

    /// The session as it is now.
    pub(crate) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Whether the session was there.
    pub(crate) fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// How long to wait for a frame before [`tick`](Self::tick) is due.
    pub(crate) fn wait(&self, now: Duration) -> Duration {
        let beat = self.interval.map(|_| self.next_beat);
        let deadline = (!self.is_live()).then_some(self.deadline);
        let due = [beat, deadline].into_iter().flatten().min();
        due.map_or(LONGEST_WAIT, |due| due.saturating_sub(now).min(LONGEST_WAIT))
    }

    /// What is due.
    pub(crate) fn tick(&mut self, now: Duration) -> Result<Option<Act>, End> {
        if !self.is_live() && now >= self.deadline {
            return Err(End::again("the gateway did not begin a session in time"));
        }
        let Some(interval) = self.interval.filter(|_| now >= self.next_beat) else { return Ok(None) };
        if !self.is_acknowledged {
            return Err(End::again("the gateway did not acknowledge a heartbeat: the connection is dead"));
        }
        self.next_beat = now + interval;
        Ok(Some(self.beat()))
    }

    /// What a frame means.
    pub(crate) fn frame(&mut self, text: &str, now: Duration) -> Result<Vec<Act>, End> {
        let Frame { op, s, t, d } = match serde_json::from_str(text) {
            Ok(frame) => frame,
            Err(error) => {
                return Err(End::again(format!("the gateway sent something that is no frame: {error}")));
            }
        };
        match op {
            opcode::HELLO => self.hello(&d, now),
            opcode::HEARTBEAT_ACK => {
                self.is_acknowledged = true;
                Ok(vec![])
            }
            opcode::HEARTBEAT => Ok(vec![self.beat()]),
            opcode::RECONNECT => Err(End::again("the gateway asked to connect anew")),
            opcode::INVALID_SESSION => Err(self.invalid_session(d.as_bool().unwrap_or(false))),
            opcode::DISPATCH => match (s, t) {
                (Some(sequence), Some(kind)) => self.dispatch(Dispatch { sequence, kind, data: d }),
                _ => Err(End::again("the gateway sent an event without a number or a name")),
            },
            // One that is new.
            _ => Ok(vec![]),
        }
    }

    /// What the end of the connection means.
    pub(crate) fn closed(&mut self, code: Option<u16>, reason: &str) -> End {
        match close::meaning(code, reason) {
            close::Meaning::Resume(why) => End::again(why),
            close::Meaning::Renew(why) => {
                self.session = None;
                End::again(why)
            }
            close::Meaning::Fatal(error) => End::Fatal(error),
        }
    }

    /// The event with this number is done with: a session that is resumed begins behind it.
    pub(crate) fn took(&mut self, sequence: u64) {
        if let Some(session) = &mut self.session {
            session.sequence = sequence;
            session.starts = 0;
        }
    }

    /// The session works: what it was resumed with has broken nothing.
    pub(crate) fn settle(&mut self) {
        if let Some(session) = &mut self.session {
            session.starts = 0;
        }
    }

    fn hello(&mut self, data: &Value, now: Duration) -> Result<Vec<Act>, End> {
        let Some(interval) = data.get("heartbeat_interval").and_then(Value::as_u64) else {
            return Err(End::again("the gateway's greeting states no interval of heartbeats"));
        };
        let interval = Duration::from_millis(interval.max(SHORTEST_INTERVAL));
        self.interval = Some(interval);
        // So that not all clients of a server that comes back beat at once.
        self.next_beat = now + interval.mul_f64(self.jitter);
        let text = if let Some(session) = &self.session {
            self.phase = Phase::Resuming;
            json!({ "op": 6, "d": { "token": self.token, "session_id": session.id, "seq": session.sequence } })
        } else {
            self.phase = Phase::Identifying;
            json!({ "op": 2, "d": {
                "token": self.token,
                "intents": INTENTS.bits(),
                "properties": { "os": std::env::consts::OS, "browser": "openpact", "device": "openpact" },
            } })
        };
        Ok(vec![Act::Send(text.to_string())])
    }

    fn beat(&mut self) -> Act {
        self.is_acknowledged = false;
        let sequence = self.session.as_ref().filter(|_| self.phase != Phase::Identifying);
        let sequence = sequence.map(|session| session.sequence);
        Act::Send(json!({ "op": 1, "d": sequence }).to_string())
    }

    fn invalid_session(&mut self, is_resumable: bool) -> End {
        if !is_resumable {
            self.session = None;
        }
        // Between one and five seconds, as Discord asks for ("Resuming").
        let wait = Duration::from_secs(1) + Duration::from_secs(4).mul_f64(self.jitter);
        let why = if is_resumable {
            "the gateway could not resume the session now"
        } else {
            "the gateway has ended the session: what was said in between is asked for"
        };
        End::Again { why: why.to_owned(), wait }
    }

    fn dispatch(&mut self, dispatch: Dispatch) -> Result<Vec<Act>, End> {
        let mut acts = vec![];
        match dispatch.kind.as_str() {
            "READY" => {
                self.session = Some(ready(&dispatch)?);
                self.phase = Phase::Live;
                return Ok(vec![Act::Connected(Some(servers(&dispatch.data)))]);
            }
            _ if self.session.is_none() => {
                return Err(End::again("the gateway sent an event before the session was there"));
            }
            // What was missed comes before the word that the session is resumed.
            _ if self.phase == Phase::Resuming => {
                self.phase = Phase::Live;
                acts.push(Act::Connected(None));
            }
            _ => {}
        }
        acts.push(Act::Dispatch(dispatch));
        Ok(acts)
    }
}

/// The session that a `READY` begins.
fn ready(dispatch: &Dispatch) -> Result<Session, End> {
    let text = |pointer: &str| dispatch.data.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let session = || {
        Some(Session {
            id: text("/session_id")?,
            url: text("/resume_gateway_url")?,
            sequence: dispatch.sequence,
            account: Account { id: text("/user/id")?, name: text("/user/username")? },
            starts: 0,
        })
    };
    session().ok_or_else(|| {
        let why = "the gateway's READY names no session, no address to resume it at, or no user";
        End::Fatal(AdapterError::Protocol(why.to_owned()))
    })
}

/// The servers that a `READY` names.
fn servers(data: &Value) -> BTreeSet<u64> {
    let servers = data.get("guilds").and_then(Value::as_array).into_iter().flatten();
    servers.filter_map(|server| server.get("id").and_then(number)).collect()
}

#[cfg(test)]
mod tests;
