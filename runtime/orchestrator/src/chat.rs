//! Delivery: from the event of a platform to the answer that lies there, so that no message is lost and none is
//! answered twice, at whatever instant the program is killed.
//!
//! An event is on disk before its adapter hears that it was taken. A worker for each channel that has something to do
//! takes its events in order; commands, presses of buttons and edits go beside it. What an event leads to is stored in
//! one transaction with its end, in the platform's own form, and sent from there. A channel in which nothing happens
//! has nothing in memory.

mod account;
mod admission;
mod announce;
mod answer;
mod arrival;
mod attach;
mod attached;
mod attachment;
mod control;
mod interaction;
mod lane;
mod native;
mod notify;
mod outcome;
mod pace;
mod partial;
mod places;
mod recovery;
mod render;
mod replace;
mod said;
mod sender;
#[cfg(test)]
mod tests;
mod upkeep;
mod worker;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use openpact_model::chat::{Connection, DeliverError, Detail, Event, Inbox};
use openpact_model::clock::Clock;
use openpact_model::random::Random;
use openpact_model::role::Channel;
use openpact_store::Store;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bucket::Buckets;
use crate::people::People;
use crate::{Error, Orchestrator};

pub use partial::Streaming;

use attached::Attached;
use lane::Lanes;
use places::Places;

pub use native::{NATIVE, NoPlace, Place};

/// How delivery bounds its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The adapters that may speak for owners at first; see [`Chat::set_asserts_owner`].
    pub asserts_owner: BTreeSet<String>,
    /// Messages that may wait in one channel; at least 1. What comes beyond is refused.
    pub queue: usize,
    /// Commands, edits and presses of buttons that may wait in one channel; at least 1. What comes beyond is refused.
    pub controls: usize,
    /// Turns that run at once over all channels; at least 1. An eighth of them is kept from guests.
    pub turns: usize,
    /// Turns that run at once for one person who is no owner; at least 1.
    pub turns_each: usize,
    /// Calls of one adapter that send at once; at least 1.
    pub sends: usize,
    /// From the first that can be seen of an answer until it is shown before its end.
    pub show_after: Duration,
    /// The least time between two calls of an adapter that show one answer before its end.
    pub show_every: Duration,
    /// Wall time of one call of an adapter.
    pub call_deadline: Duration,
    /// How long a message is tried until it is given up.
    pub give_up: Duration,
    /// The wait after the first failure to send; it doubles each time.
    pub backoff: Duration,
    /// The longest such wait.
    pub longest_backoff: Duration,
    /// How often the program may end in the middle of a turn until its message is not tried again.
    pub attempts: u32,
    /// Messages of other programs that are answered in a channel without a person writing there.
    pub bot_exchanges: u32,
    /// How long no program has to write in a channel until those messages are counted anew. Where only programs write,
    /// such as in a channel of Telegram, nobody else ends the count; a loop never pauses so long.
    pub bot_quiet: Duration,
    /// How long what was said is kept in inbox and outbox. Sessions keep their own messages.
    pub keep: Duration,
    /// How long the identity of an event is kept, so that it is known when it comes again; at least `keep`.
    pub keep_identity: Duration,
}

impl Default for Config {
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            asserts_owner: BTreeSet::new(),
            queue: 1000,
            controls: 100,
            turns: 512,
            turns_each: 32,
            sends: 32,
            show_after: Duration::from_millis(700),
            show_every: Duration::from_secs(1),
            call_deadline: Duration::from_mins(1),
            give_up: DAY,
            backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_mins(5),
            attempts: 3,
            bot_exchanges: 5,
            bot_quiet: Duration::from_hours(1),
            keep: 7 * DAY,
            keep_identity: 30 * DAY,
        }
    }
}

/// What delivery works with.
pub struct Ports {
    /// Inbox, outbox, channels.
    pub store: Store,
    /// Who runs turns and commands.
    pub orchestrator: Arc<Orchestrator>,
    /// Who may speak.
    pub people: Arc<People>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For keys and the spread of retries.
    pub random: Arc<dyn Random>,
}

/// How fast an adapter sends, where that is not as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// The least time between two messages in one channel.
    pub per_channel: Option<Duration>,
    /// The most messages in one second over all channels; at least 1.
    pub per_second: Option<u32>,
}

/// What lies in inbox and outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Events that wait.
    pub received: u64,
    /// Events whose turn runs.
    pub running: u64,
    /// Messages that wait to be sent.
    pub waiting: u64,
    /// Messages that were refused or given up, as far as that is remembered.
    pub given_up: u64,
}

/// Delivery. Needs to be made and used within a tokio runtime.
pub struct Chat {
    /// For tasks, which keep it alive.
    this: Weak<Self>,
    config: Config,
    store: Store,
    orchestrator: Arc<Orchestrator>,
    people: Arc<People>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    adapters: Mutex<HashMap<String, Arc<Attached>>>,
    /// Adapters that were detached, until their last calls have ended.
    leaving: Mutex<HashMap<String, Arc<Attached>>>,
    /// Held while an adapter is attached.
    attaching: tokio::sync::Mutex<()>,
    /// Told whenever an adapter is attached, and when delivery ends.
    changed: Notify,
    lanes: Lanes,
    turns: Places,
    /// The adapters that speak for owners.
    asserts_owner: RwLock<BTreeSet<String>>,
    /// By provider and channel.
    details: RwLock<HashMap<(String, String), Detail>>,
    /// Where tools may send to besides, by provider.
    send_to: RwLock<HashMap<String, BTreeSet<Place>>>,
    /// Where answers are shown while they are written.
    streaming: RwLock<Streaming>,
    tasks: TaskTracker,
    /// Nothing is taken any more, and no turn begins.
    closing: AtomicBool,
    /// The turns that still run are stopped, and run again at the next start.
    parking: CancellationToken,
    upkeep: upkeep::Upkeep,
    /// How often those are answered for whom nothing is done.
    courtesy: Buckets<interaction::Courtesy>,
    owners: announce::Owners,
    announced: announce::Announced,
    /// Room for the images of turns.
    files: attachment::Room,
}

impl Config {
    /// Delivery without an adapter.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn build(self, ports: Ports) -> Result<Arc<Chat>, Error> {
        let Ports { store, orchestrator, people, clock, random } = ports;
        let turns = Places::new(self.turns, self.turns_each);
        let chat = Arc::new_cyclic(|this| Chat {
            this: Weak::clone(this),
            asserts_owner: RwLock::new(self.asserts_owner.clone()),
            config: self,
            store,
            orchestrator,
            people,
            courtesy: Buckets::new(Arc::clone(&clock)),
            clock,
            random,
            adapters: Mutex::default(),
            leaving: Mutex::default(),
            attaching: tokio::sync::Mutex::default(),
            changed: Notify::new(),
            lanes: Lanes::default(),
            turns,
            details: RwLock::default(),
            send_to: RwLock::default(),
            streaming: RwLock::default(),
            tasks: TaskTracker::new(),
            closing: AtomicBool::new(false),
            parking: CancellationToken::new(),
            upkeep: upkeep::Upkeep::default(),
            owners: announce::Owners::default(),
            announced: announce::Announced::default(),
            files: attachment::Room::default(),
        });
        chat.prune().await?;
        chat.tell_accepted();
        chat.tell_decided();
        Ok(chat)
    }
}

impl Chat {
    /// What is shown in channels where nobody chose it by a command, by provider and channel; from now on.
    pub fn set_details(&self, details: HashMap<(String, String), Detail>) {
        *self.details.write().unwrap_or_else(PoisonError::into_inner) = details;
    }

    /// The adapters that may speak for owners, from now on. Nobody whom another one reports is more than a member.
    pub fn set_asserts_owner(&self, adapters: BTreeSet<String>) {
        *self.asserts_owner.write().unwrap_or_else(PoisonError::into_inner) = adapters;
    }

    fn asserts_owner(&self, instance: &str) -> bool {
        self.asserts_owner.read().unwrap_or_else(PoisonError::into_inner).contains(instance)
    }

    /// How much of the work is shown in a channel.
    async fn detail(&self, channel: &Channel) -> Result<Detail, Error> {
        let channels = self.store.chat_channels();
        if let Some(chosen) = channels.get(channel).await?.mode {
            return Ok(chosen);
        }
        // What was chosen for a channel holds in its threads, too.
        if channel.thread.is_some()
            && let Some(chosen) = channels.get(&Channel { thread: None, ..channel.clone() }).await?.mode
        {
            return Ok(chosen);
        }
        let key = (channel.provider.clone(), channel.channel.clone());
        let details = self.details.read().unwrap_or_else(PoisonError::into_inner);
        Ok(details.get(&key).copied().unwrap_or_default())
    }

    /// How the connection of an adapter is, as it said last; `None` where it said nothing or is not attached.
    pub fn connection(&self, instance: &str) -> Option<Connection> {
        self.attached(instance)?.accounts.connection()
    }

    /// What lies in inbox and outbox.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn counts(&self) -> Result<Counts, Error> {
        // In the order in which things go, so that an answer is seen in one of the two at least.
        let inbox = self.store.inbox().counts().await?;
        let outbox = self.store.outbox().counts().await?;
        let (received, running) = (inbox.received, inbox.running);
        Ok(Counts { received, running, waiting: outbox.waiting, given_up: outbox.lost })
    }

    /// Takes nothing more, lets the running turns end, stops those that do not in time so that they run again at the
    /// next start, and sends what waits, all within `deadline`. What is not done then is done after the next start.
    pub async fn drain(&self, deadline: Duration) {
        let end = tokio::time::Instant::now() + deadline;
        self.closing.store(true, Ordering::Release);
        self.changed.notify_waiters();
        self.tasks.close();
        // The last quarter is for stopping turns, and for sending what they said.
        if tokio::time::timeout(deadline.mul_f32(0.75), self.tasks.wait()).await.is_err() {
            if let Err(error) = self.store.inbox().park().await {
                tracing::error!(%error, "the turns that are stopped could not be marked");
            }
            self.parking.cancel();
            drop(tokio::time::timeout_at(end, self.tasks.wait()).await);
        }
        let attached: Vec<Arc<Attached>> =
            lock(&self.adapters).drain().map(|(_, attached)| attached).collect();
        futures::future::join_all(attached.iter().map(|attached| attached.flush(end))).await;
    }

    fn attached(&self, instance: &str) -> Option<Arc<Attached>> {
        lock(&self.adapters).get(instance).cloned()
    }

    fn all_attached(&self) -> Vec<Arc<Attached>> {
        lock(&self.adapters).values().cloned().collect()
    }

    /// The adapter of that name, as soon as there is one; `None` when delivery ends before that.
    async fn adapter(&self, instance: &str) -> Option<Arc<Attached>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(attached) = self.attached(instance) {
                return Some(attached);
            }
            if self.is_closing() {
                return None;
            }
            changed.await;
        }
    }

    /// Itself, for a task; `None` where it is about to be dropped.
    fn this(&self) -> Option<Arc<Self>> {
        self.this.upgrade()
    }

    /// Waits until nothing is taken any more.
    async fn closed(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.is_closing() {
                return;
            }
            changed.await;
        }
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

#[async_trait]
impl Inbox for Chat {
    async fn deliver(&self, instance: &str, event: Event) -> Result<(), DeliverError> {
        self.take_in(instance, event).await
    }

    async fn report(&self, instance: &str, connection: Connection) -> Result<(), DeliverError> {
        self.take_report(instance, connection)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
