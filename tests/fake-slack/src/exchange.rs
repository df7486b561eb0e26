//! What goes over Socket Mode: tickets, connections, envelopes on their way, and what became of them.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// The most connections at the same time, as documented.
pub(crate) const MAX_CONNECTIONS: usize = 10;

/// How long a ticket opens something.
const TICKET: Duration = Duration::from_secs(30);

/// Something to deliver.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) payload: Value,
    /// Whether the acknowledgement may carry an answer.
    pub(crate) accepts: bool,
    pub(crate) attempt: usize,
    /// The channel that it is about.
    pub(crate) channel: Option<String>,
    /// The interaction that it tells of: those are not delivered again.
    pub(crate) interaction: Option<String>,
    /// Since when it waits.
    pub(crate) since: SystemTime,
}

impl Envelope {
    /// What is written.
    pub(crate) fn text(&self) -> String {
        let mut whole = json!({
            "envelope_id": self.id,
            "payload": self.payload,
            "type": self.kind,
            "accepts_response_payload": self.accepts,
        });
        if self.kind == "events_api" {
            whole["retry_attempt"] = self.attempt.into();
            whole["retry_reason"] = if self.attempt > 0 { "timeout" } else { "" }.into();
        }
        whole.to_string()
    }
}

/// What a connection is told to do.
#[derive(Debug)]
pub(crate) enum Order {
    Deliver(Envelope),
    /// Says that it will end, and ends unless it is only a warning.
    Disconnect(String),
    /// Any text.
    Text(String),
    /// Breaks.
    Cut,
}

struct Connection {
    ready: bool,
    /// It is to be refreshed: others are preferred to it.
    leaving: bool,
    orders: mpsc::UnboundedSender<Order>,
}

struct Flying {
    envelope: Envelope,
    connection: u64,
    since: SystemTime,
}

/// An envelope that was given to a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Its id, new for each attempt.
    pub envelope_id: String,
    /// The id of the event in it, the same for each attempt; none in other envelopes.
    pub event_id: Option<String>,
    /// `events_api`, `slash_commands`, `interactive`.
    pub kind: String,
    /// How often it had been tried before.
    pub attempt: usize,
    /// The number of the connection, in the order of their opening from 1.
    pub connection: u64,
    /// Whether it was acknowledged in time.
    pub acknowledged: bool,
}

/// The state of Socket Mode.
pub(crate) struct Exchange {
    tickets: BTreeMap<String, SystemTime>,
    connections: BTreeMap<u64, Connection>,
    pub(crate) opened: u64,
    waiting: VecDeque<Envelope>,
    flying: BTreeMap<String, Flying>,
    later: Vec<(SystemTime, Envelope)>,
    turn: usize,
    next: u64,
    pub(crate) deliveries: Vec<Delivery>,
    /// Events that were given up.
    pub(crate) lost: u64,
    /// Acknowledgements of what was not to be acknowledged, or not any more.
    pub(crate) strays: u64,
    pub(crate) within: Duration,
    pub(crate) retries: Vec<Duration>,
    /// Interactions that were not acknowledged in time; whoever sweeps takes them.
    pub(crate) overdue: Vec<String>,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            tickets: BTreeMap::new(),
            connections: BTreeMap::new(),
            opened: 0,
            waiting: VecDeque::new(),
            flying: BTreeMap::new(),
            later: Vec::new(),
            turn: 0,
            next: 0,
            deliveries: Vec::new(),
            lost: 0,
            strays: 0,
            within: Duration::from_secs(3),
            retries: vec![Duration::ZERO, Duration::from_mins(1), Duration::from_mins(5)],
            overdue: Vec::new(),
        }
    }
}

impl Exchange {
    /// A new ticket.
    pub(crate) fn ticket(&mut self, now: SystemTime) -> String {
        self.next += 1;
        let ticket = format!("{:032x}", u128::from(self.next) * 0x9E37_79B9_7F4A_7C15);
        self.tickets.insert(ticket.clone(), now + TICKET);
        ticket
    }

    /// Whether a ticket opens something; it does so once.
    pub(crate) fn redeem(&mut self, ticket: &str, now: SystemTime) -> bool {
        self.tickets.remove(ticket).is_some_and(|until| now <= until)
    }

    /// A new connection: its number, and what tells it what to do.
    pub(crate) fn connect(&mut self) -> (u64, mpsc::UnboundedReceiver<Order>) {
        self.opened += 1;
        let (orders, receiver) = mpsc::unbounded_channel();
        self.connections.insert(self.opened, Connection { ready: false, leaving: false, orders });
        (self.opened, receiver)
    }

    /// How many connections there are.
    pub(crate) fn open(&self) -> usize {
        self.connections.len()
    }

    /// How many have been greeted and are not about to end.
    pub(crate) fn ready(&self) -> usize {
        let staying = |connection: &&Connection| connection.ready && !connection.leaving;
        self.connections.values().filter(staying).count()
    }

    /// Whether any takes envelopes.
    pub(crate) fn takes(&self) -> bool {
        self.connections.values().any(|connection| connection.ready)
    }

    /// From now on a connection gets envelopes, or does not.
    pub(crate) fn set_ready(&mut self, number: u64, ready: bool, now: SystemTime) {
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.ready = ready;
        }
        self.dispatch(now);
    }

    /// A connection is to be refreshed: it gets envelopes only where there is no other.
    pub(crate) fn set_leaving(&mut self, number: u64, now: SystemTime) {
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.leaving = true;
        }
        self.dispatch(now);
    }

    /// The kind and the channel of an envelope that waits to be acknowledged.
    pub(crate) fn about(&self, id: &str) -> Option<(String, Option<String>)> {
        self.flying.get(id).map(|flying| (flying.envelope.kind.clone(), flying.envelope.channel.clone()))
    }

    /// A connection is gone: what it had not acknowledged is tried again.
    pub(crate) fn disconnected(&mut self, number: u64, now: SystemTime) {
        self.connections.remove(&number);
        let held = self.flying.iter().filter(|(_, flying)| flying.connection == number);
        let held: Vec<String> = held.map(|(id, _)| id.clone()).collect();
        for id in held {
            if let Some(flying) = self.flying.remove(&id) {
                self.again(flying.envelope, now);
            }
        }
        self.dispatch(now);
    }

    /// Tells all connections to do something.
    pub(crate) fn order(&mut self, order: impl Fn() -> Order) {
        for connection in self.connections.values() {
            // One that is gone takes no orders, and says so itself.
            let _ = connection.orders.send(order());
        }
    }

    pub(crate) fn next_id(&mut self) -> String {
        self.next += 1;
        let n = self.next;
        format!("fa4e0000-{:04x}-4000-8000-{n:012x}", n >> 16)
    }

    pub(crate) fn enqueue(&mut self, envelope: Envelope) {
        let now = envelope.since;
        self.waiting.push_back(envelope);
        self.dispatch(now);
    }

    fn again(&mut self, mut envelope: Envelope, now: SystemTime) {
        if let Some(interaction) = envelope.interaction {
            self.overdue.push(interaction);
            return;
        }
        let Some(pause) = self.retries.get(envelope.attempt).copied() else {
            self.lost += 1;
            return;
        };
        envelope.attempt += 1;
        envelope.id = self.next_id();
        envelope.since = now + pause;
        self.later.push((now + pause, envelope));
        self.later.sort_by_key(|(at, _)| *at);
    }

    /// Gives what waits to connections, in turn.
    fn dispatch(&mut self, now: SystemTime) {
        while !self.waiting.is_empty() {
            let stays = self.ready() > 0;
            let takes = |connection: &Connection| connection.ready && !(stays && connection.leaving);
            let ready = self.connections.iter().filter(|(_, connection)| takes(connection));
            let numbers: Vec<u64> = ready.map(|(number, _)| *number).collect();
            if numbers.is_empty() {
                return;
            }
            self.turn += 1;
            let number = numbers[self.turn % numbers.len()];
            let envelope = self.waiting.pop_front().expect("something waits");
            let order = Order::Deliver(envelope.clone());
            if self.connections[&number].orders.send(order).is_err() {
                self.waiting.push_front(envelope);
                self.connections.remove(&number);
                continue;
            }
            self.deliveries.push(Delivery {
                envelope_id: envelope.id.clone(),
                event_id: envelope.payload["event_id"].as_str().map(str::to_owned),
                kind: envelope.kind.clone(),
                attempt: envelope.attempt,
                connection: number,
                acknowledged: false,
            });
            self.flying.insert(envelope.id.clone(), Flying { envelope, connection: number, since: now });
        }
    }

    /// Takes an acknowledgement; gives the envelope, if one waited for it.
    pub(crate) fn acknowledge(&mut self, id: &str) -> Option<Envelope> {
        let Some(flying) = self.flying.remove(id) else {
            self.strays += 1;
            return None;
        };
        let mut deliveries = self.deliveries.iter_mut().rev();
        if let Some(delivery) = deliveries.find(|delivery| delivery.envelope_id == id) {
            delivery.acknowledged = true;
        }
        Some(flying.envelope)
    }

    /// Does what is due; says when the next thing is.
    pub(crate) fn sweep(&mut self, now: SystemTime) -> Option<SystemTime> {
        let due = |flying: &Flying| flying.since + self.within <= now;
        let late: Vec<String> =
            self.flying.iter().filter(|(_, flying)| due(flying)).map(|(id, _)| id.clone()).collect();
        for id in late {
            if let Some(flying) = self.flying.remove(&id) {
                self.again(flying.envelope, now);
            }
        }
        while self.later.first().is_some_and(|(at, _)| *at <= now) {
            self.waiting.push_back(self.later.remove(0).1);
        }
        let kept: Duration = self.retries.iter().sum();
        let before = self.waiting.len();
        self.waiting.retain(|envelope| envelope.since + kept + self.within >= now);
        self.lost += (before - self.waiting.len()) as u64;
        self.dispatch(now);
        let flying = self.flying.values().map(|flying| flying.since + self.within).min();
        flying.into_iter().chain(self.later.first().map(|(at, _)| *at)).min()
    }

    /// Gives up all events that were not acknowledged.
    pub(crate) fn give_up(&mut self) {
        self.lost += self.pending() as u64;
        self.waiting.clear();
        self.flying.clear();
        self.later.clear();
    }

    /// How many events were not delivered or not acknowledged yet.
    pub(crate) fn pending(&self) -> usize {
        self.waiting.len() + self.flying.len() + self.later.len()
    }
}
