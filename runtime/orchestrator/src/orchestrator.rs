//! Takes messages in and gives every channel its lane.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use openpact_engine::Engine;
use openpact_engine::event::ErrorKind;
use openpact_model::clock::Clock;
use openpact_model::random::Random;
use openpact_model::role::Channel;
use openpact_store::Store;
use tokio_util::task::TaskTracker;

use crate::command::{self, Parsed};
use crate::context::{Budget, Prompt};
use crate::lane::{Lanes, Pushed};
use crate::message::{Inbound, Reply, Updates};
use crate::people::People;
use crate::router::Router;
use crate::turn::{self, Job};
use crate::{Error, interruption, metric};

const CLOSING: &str = "OpenPact is shutting down and takes no more messages; try again when it is back.";

/// How the orchestrator bounds its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Messages that may wait in one channel, the running one not counted; at least 1.
    pub queue: usize,
    /// Bytes of one message.
    pub message_bytes: usize,
    /// Wall time of one turn, all tool calls included.
    pub turn_deadline: Duration,
    /// How long an engine may take to stop when it is told to, before its turn is abandoned.
    pub grace: Duration,
    /// Wall time of one command.
    pub command_deadline: Duration,
    /// How much of each file goes into the system prompt.
    pub budget: Budget,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue: 32,
            message_bytes: 256 * 1024,
            turn_deadline: turn::DEADLINE,
            grace: Duration::from_secs(5),
            command_deadline: Duration::from_secs(30),
            budget: Budget::default(),
        }
    }
}

/// What the orchestrator works with.
pub struct Ports {
    /// Sessions by channel, the journal, settings.
    pub store: Store,
    /// Who answers.
    pub engine: Arc<dyn Engine>,
    /// Who calls tools.
    pub router: Arc<Router>,
    /// Who may speak.
    pub people: Arc<People>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For ids.
    pub random: Arc<dyn Random>,
    /// The folder with SOUL.md and the other files of the assistant.
    pub ai_data: PathBuf,
}

/// Runs the turns and commands of all channels. Needs to be made and used within a tokio runtime.
pub struct Orchestrator {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) router: Arc<Router>,
    pub(crate) people: Arc<People>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) prompt: Arc<Prompt>,
    pub(crate) lanes: Lanes<Job>,
    pub(crate) turn_deadline: Duration,
    pub(crate) grace: Duration,
    command_deadline: Duration,
    pub(crate) message_bytes: usize,
    accepting: AtomicBool,
    tasks: TaskTracker,
}

impl Config {
    /// An orchestrator. Makes the files that the assistant lacks, and takes over the tool calls that an earlier run of
    /// the program left without an end.
    ///
    /// # Errors
    /// When the folder of the assistant or the store cannot be used.
    pub async fn build(self, ports: Ports) -> Result<Orchestrator, Error> {
        let Ports { store, engine, router, people, clock, random: _, ai_data } = ports;
        let (budget, prompt_clock) = (self.budget, Arc::clone(&clock));
        let opening = tokio::task::spawn_blocking(move || Prompt::open(ai_data, budget, prompt_clock));
        let prompt = Arc::new(opening.await.map_err(|_| Error::Panicked)??);
        interruption::collect(&store).await?;
        let shared = Shared {
            store,
            engine,
            router,
            people,
            clock,
            prompt,
            lanes: Lanes::new(self.queue.max(1)),
            turn_deadline: self.turn_deadline,
            grace: self.grace,
            command_deadline: self.command_deadline,
            message_bytes: self.message_bytes,
            accepting: AtomicBool::new(true),
            tasks: TaskTracker::new(),
        };
        Ok(Orchestrator { shared: Arc::new(shared) })
    }
}

impl Orchestrator {
    /// Takes a message in. A command is done at once, beside whatever runs; everything else waits for its turn in its
    /// channel. The answer ends with [`crate::Update::Done`], whatever happens.
    pub fn submit(&self, inbound: Inbound) -> Updates {
        let (reply, updates) = Reply::new();
        let shared = &self.shared;
        if !shared.accepting.load(Ordering::Acquire) {
            reply.notice(CLOSING);
            return updates;
        }
        if inbound.text.trim().is_empty() {
            reply.notice("There is nothing in this message to answer.");
            return updates;
        }
        if inbound.text.len() > shared.message_bytes {
            reply.notice(format!(
                "This message has {} bytes; at most {} are taken. Put long texts into a file instead.",
                inbound.text.len(),
                shared.message_bytes
            ));
            return updates;
        }
        match command::parse(&inbound.text) {
            Parsed::Text => shared.enqueue(Job { inbound, reply, stored: None }),
            Parsed::Command(command) => shared.start_command(command, inbound, reply),
            Parsed::Wrong(text) => reply.notice(text),
        }
        updates
    }

    /// Takes no more messages, waits until the running turns are done or `deadline` has passed, then stops them.
    /// Messages that still wait are told that they were not answered.
    pub async fn shutdown(&self, deadline: Duration) {
        let shared = &self.shared;
        shared.accepting.store(false, Ordering::Release);
        shared.tasks.close();
        for job in shared.lanes.clear() {
            job.reply.error(ErrorKind::Aborted, CLOSING);
        }
        if tokio::time::timeout(deadline, shared.tasks.wait()).await.is_ok() {
            return;
        }
        shared.lanes.stop_all();
        let last = shared.grace.saturating_mul(3);
        if tokio::time::timeout(last, shared.tasks.wait()).await.is_err() {
            tracing::warn!("turns were still running at the end and were left");
        }
    }
}

impl Shared {
    fn enqueue(self: &Arc<Self>, job: Job) {
        let channel = job.inbound.channel.clone();
        match self.lanes.push(&channel, job) {
            Pushed::Start => {
                let this = Arc::clone(self);
                self.tasks.spawn(async move { this.serve(&channel).await });
            }
            Pushed::Waits(_) => {}
            Pushed::Full(job) => job.reply.notice(
                "Too many messages wait in this channel already; this one was not taken. Wait for the answers, or say \
                 /stop to end the running one.",
            ),
        }
    }

    /// Works off one channel's queue.
    async fn serve(&self, channel: &Channel) {
        while let Some(next) = self.lanes.next(channel) {
            let turn = async {
                if let Some(after) = next.after {
                    after.cancelled().await;
                }
                self.run_turn(&next.job, next.cancel).await;
            };
            if AssertUnwindSafe(turn).catch_unwind().await.is_err() {
                tracing::error!(%channel, "a turn broke");
                if !next.job.reply.has_ended() {
                    next.job.reply.error(ErrorKind::Engine, Error::Panicked.told());
                }
            }
        }
    }

    fn start_command(self: &Arc<Self>, command: command::Command, inbound: Inbound, reply: Reply) {
        metric::command(command.name());
        let this = Arc::clone(self);
        if command.is_immediate() {
            self.tasks.spawn(async move { this.command(command, &inbound, &reply).await });
            return;
        }
        // The place is taken here, in the order in which messages come in, not when the task first runs.
        let place = self.lanes.command(&inbound.channel);
        self.tasks.spawn(async move {
            place.wait().await;
            this.command(command, &inbound, &reply).await;
            drop(place);
        });
    }

    async fn command(&self, command: command::Command, inbound: &Inbound, reply: &Reply) {
        reply.notice(self.command_text(command, inbound).await);
    }

    /// What a command answers.
    pub(crate) async fn command_text(&self, command: command::Command, inbound: &Inbound) -> String {
        let run = AssertUnwindSafe(self.run_command(command, inbound)).catch_unwind();
        match tokio::time::timeout(self.command_deadline, run).await {
            Ok(Ok(Ok(text))) => text,
            Ok(Ok(Err(error))) => {
                tracing::error!(error = error.chain(), "a command failed");
                format!("That did not work: {}.", error.told())
            }
            Ok(Err(_panic)) => {
                tracing::error!("a command broke");
                format!("That did not work: {}.", Error::Panicked.told())
            }
            Err(_late) => {
                "That took too long and was given up; the engine does not answer. Try again later.".to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests;
