//! An adapter at work: its pace, its places for calls, and the channels into which something is sent.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use openpact_model::chat::{Adapter, Outbound, Part, SendError};
use openpact_model::role::Channel;
use openpact_store::outbox::Row;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account::Accounts;
use super::pace::Pacer;
use super::{Config, Pace, lock};

/// Calls of `typing` at once: it must take no places from what is sent.
const TYPING: usize = 4;

/// Files that are fetched at once: each may be in memory as a whole.
const FETCHING: usize = 16;
/// Calls at once that show answers which are being written, for the same reason.
const PARTIALS: usize = 8;

/// How long the calls of an adapter that was detached may take to end.
const LEAVE: Duration = Duration::from_secs(5);

/// An adapter, from `attach` to `detach`.
pub(super) struct Attached {
    pub(super) adapter: Arc<dyn Adapter>,
    pub(super) accounts: Accounts,
    pub(super) pacer: Pacer,
    pub(super) slots: Semaphore,
    pub(super) typing: Semaphore,
    pub(super) fetching: Semaphore,
    pub(super) partials: Semaphore,
    /// Nothing more is sent.
    pub(super) stop: CancellationToken,
    /// What is being sent is let go of.
    pub(super) abandon: CancellationToken,
    /// What waits for a better time does so no longer.
    pub(super) flush: CancellationToken,
    pub(super) senders: Senders,
    /// What the platform calls channels that had another name when something was sent there. Held while something is
    /// stored for such a channel, so that nothing is stored for a name that has just been left.
    pub(super) moved: tokio::sync::Mutex<HashMap<String, String>>,
    pub(super) tasks: TaskTracker,
    deadline: Duration,
}

/// The channels into which something is sent.
#[derive(Default)]
pub(super) struct Senders(Mutex<HashMap<Channel, Sender>>);

#[derive(Default)]
struct Sender {
    arrived: u64,
    /// A part that was taken for sending when it was stored.
    taken: Option<Row>,
}

impl Attached {
    pub(super) fn new(adapter: Arc<dyn Adapter>, pace: Pace, config: &Config) -> Self {
        Self {
            pacer: Pacer::new(adapter.info(), pace),
            adapter,
            accounts: Accounts::default(),
            slots: Semaphore::new(config.sends.max(1)),
            typing: Semaphore::new(TYPING),
            fetching: Semaphore::new(FETCHING),
            partials: Semaphore::new(PARTIALS),
            stop: CancellationToken::new(),
            abandon: CancellationToken::new(),
            flush: CancellationToken::new(),
            senders: Senders::default(),
            moved: tokio::sync::Mutex::default(),
            tasks: TaskTracker::new(),
            deadline: config.call_deadline,
        }
    }

    pub(super) fn instance(&self) -> &str {
        self.adapter.instance()
    }

    /// Puts a message into the platform's form.
    pub(super) async fn render(&self, message: &Outbound) -> Result<Vec<Part>, SendError> {
        self.bounded(self.adapter.render(message)).await.unwrap_or_else(|| Err(late()))
    }

    /// What a call gives; `None` where it took too long or broke.
    pub(super) async fn bounded<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        let call = AssertUnwindSafe(call).catch_unwind();
        match tokio::time::timeout(self.deadline, call).await {
            Ok(Ok(given)) => Some(given),
            Ok(Err(_panic)) => {
                tracing::error!(instance = self.instance(), "a call of an adapter broke");
                None
            }
            Err(_late) => {
                tracing::warn!(instance = self.instance(), "a call of an adapter took too long");
                None
            }
        }
    }

    /// Counts parts that may be there twice when they are sent again.
    pub(super) fn count_ambiguous(&self, count: u64) {
        let instance = self.instance();
        let deduplicated = self.adapter.info().abilities.idempotent_send;
        tracing::warn!(instance, count, deduplicated, "messages are sent again that may have arrived");
        if !deduplicated {
            metrics::counter!("openpact_outbox_ambiguous_total", "provider" => instance.to_owned())
                .increment(count);
        }
    }

    /// Waits until nothing is sent by it any more.
    pub(super) async fn finish(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(LEAVE, self.tasks.wait()).await.is_err() {
            self.abandon.cancel();
            self.tasks.wait().await;
        }
    }

    /// Sends what can be sent until `end`, and lets go of the rest.
    pub(super) async fn flush(&self, end: Instant) {
        self.flush.cancel();
        self.tasks.close();
        if tokio::time::timeout_at(end, self.tasks.wait()).await.is_err() {
            self.stop.cancel();
            self.abandon.cancel();
            self.tasks.wait().await;
        }
    }
}

impl Senders {
    /// There is something to send; says whether nobody does.
    pub(super) fn arrive(&self, channel: &Channel, taken: Option<Row>) -> bool {
        let mut senders = lock(&self.0);
        let is_new = !senders.contains_key(channel);
        let sender = senders.entry(channel.clone()).or_default();
        sender.arrived += 1;
        if taken.is_some() {
            sender.taken = taken;
        }
        is_new
    }

    /// What a sender remembers before it looks, and what was taken for it.
    pub(super) fn look(&self, channel: &Channel) -> (u64, Option<Row>) {
        let mut senders = lock(&self.0);
        senders.get_mut(channel).map_or((0, None), |sender| (sender.arrived, sender.taken.take()))
    }

    /// A sender ends, unless something came since it looked; says whether it may.
    pub(super) fn leave(&self, channel: &Channel, seen: u64) -> bool {
        let mut senders = lock(&self.0);
        if senders.get(channel).is_some_and(|sender| sender.arrived != seen) {
            return false;
        }
        senders.remove(channel);
        true
    }
}

impl Senders {
    /// A sender ends whatever came: nothing more is sent.
    pub(super) fn remove(&self, channel: &Channel) {
        lock(&self.0).remove(channel);
    }
}

fn late() -> SendError {
    SendError::Unavailable("it did not answer in time".to_owned())
}
