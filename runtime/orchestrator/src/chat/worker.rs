//! Works off the events of one channel, one after the other, for as long as there are any.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt as _;
use openpact_engine::event::ErrorKind;
use openpact_model::chat::{Event, Happening, Message, SendError};
use openpact_model::role::Channel;
use openpact_store::inbox::{Row, State};
use tokio::time::Instant;

use super::admission::{Admitted, inbound};
use super::outcome::{Outcome, notice};
use super::{Chat, Config, said};
use crate::Error;
use crate::message::Reply;
use crate::turn::{Job, Stored};

/// What a turn is not kept waiting for: the first sign that somebody writes. Most answers need none.
const TYPING_AFTER: Duration = Duration::from_millis(300);

/// The least time between two signs that somebody writes.
const TYPING_LEAST: Duration = Duration::from_secs(1);

/// Failures to send that a turn is told of at once.
const MOST_LOST: u32 = 5;

/// Failures to work on one event, one after the other, until it is taken for the event's fault.
const MOST_FAILURES: u32 = 10;

/// What somebody is told whose message failed that often.
pub(super) const HOPELESS: &str = "This could not be worked on, however often it was tried; the log says why. Say it in other words, \
                        or /retry.";

/// The event that failed last, and how often.
#[derive(Default)]
struct Failing {
    number: i64,
    times: u32,
}

impl Failing {
    /// It failed once more; how often by now.
    fn again(&mut self, number: i64) -> u32 {
        self.times = if self.number == number { self.times + 1 } else { 1 };
        self.number = number;
        self.times
    }
}

impl Chat {
    /// Something came that waits for its turn.
    pub(super) fn start_worker(&self, channel: &Channel, count: u64) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if !self.lanes.arrive(channel, count) {
            return;
        }
        let Some(this) = self.this() else { return };
        let channel = channel.clone();
        self.tasks.spawn(async move { this.serve(&channel).await });
    }

    async fn serve(&self, channel: &Channel) {
        let mut failures = 0;
        let mut failing = Failing::default();
        loop {
            // Before it looks, so that what comes meanwhile is not overlooked.
            let seen = self.lanes.arrived(channel);
            let is_idle = match self.serve_next(channel, &mut failing).await {
                Ok(found) => {
                    failures = 0;
                    !found
                }
                Err(error) => {
                    tracing::error!(%channel, error = error.chain(), "a message could not be worked on; it waits");
                    failures += 1;
                    self.rest(failures).await;
                    self.is_closing()
                }
            };
            if is_idle && self.lanes.leave(channel, seen) {
                return;
            }
            // What came is left for the next start.
            if self.is_closing() {
                while !self.lanes.leave(channel, self.lanes.arrived(channel)) {}
                return;
            }
        }
    }

    /// Works on the next event; says whether there was one.
    async fn serve_next(&self, channel: &Channel, failing: &mut Failing) -> Result<bool, Error> {
        if self.is_closing() || self.attached(&channel.provider).is_none() {
            return Ok(false);
        }
        let Some(row) = self.store.inbox().next(channel).await? else { return Ok(false) };
        for control in self.lanes.controls_before(channel, row.number) {
            control.cancelled().await;
        }
        let worked = AssertUnwindSafe(self.work(channel, &row)).catch_unwind().await;
        let worked = match worked.unwrap_or(Err(Error::Panicked)) {
            Err(error) if self.is_hopeless(&row, failing.again(row.number), &error) => {
                self.give_up(channel, &row, &error).await
            }
            worked => worked,
        };
        self.lanes.end(channel);
        self.keep_up();
        worked.map(|()| true)
    }

    /// Whether trying an event again that failed so often helps nobody. What the store does not do is not its fault.
    pub(super) fn is_hopeless(&self, row: &Row, failures: u32, error: &Error) -> bool {
        let age = Duration::try_from(self.clock.now().duration_since(row.received)).unwrap_or_default();
        let is_old = age >= self.config.give_up;
        failures >= MOST_FAILURES && (is_old || !matches!(error, Error::Store(_)))
    }

    /// Ends an event that fails again and again, so that what is behind it does not wait for ever.
    pub(super) async fn give_up(&self, channel: &Channel, row: &Row, error: &Error) -> Result<(), Error> {
        tracing::error!(%channel, number = row.number, error = error.chain(), "a message is given up");
        let record = super::render::unrendered_record(channel, row.number, &error.told());
        self.conclude(channel, &row.event, row.number, State::Failed, Some(notice(HOPELESS)), Some(record))
            .await
    }

    async fn work(&self, channel: &Channel, row: &Row) -> Result<(), Error> {
        if row.state == State::Running {
            // Nobody but this worker runs turns of this channel: it is from before.
            return self.settle(channel, row, row.after.is_none()).await;
        }
        let (Happening::Message(message) | Happening::Edit(message)) = &row.event.happening else {
            return self.conclude(channel, &row.event, row.number, State::Answered, None, None).await;
        };
        if row.attempts >= self.config.attempts {
            let text = "The program ended each time while it worked on this message, so it is not tried again; say it \
                        in other words, or /retry.";
            return self
                .conclude(channel, &row.event, row.number, State::Failed, Some(notice(text)), None)
                .await;
        }
        match self.admit(channel, &row.event, row.attempts == 0).await? {
            Admitted::No { told, event } => {
                let told = told.map(notice);
                self.conclude(channel, &row.event, row.number, State::Refused, told, event).await
            }
            Admitted::Yes { role } => {
                if let Some(wrong) = self.unanswerable(message) {
                    let told = Some(notice(wrong));
                    return self.conclude(channel, &row.event, row.number, State::Answered, told, None).await;
                }
                let stored = Stored {
                    number: row.number,
                    is_tainted: said::brings_others(message, &row.event.author.id),
                    is_forwarded: message.others,
                    edits: row.edits,
                    ..Stored::default()
                };
                let inbound = inbound(channel, &row.event, role, &message.text);
                self.turn(channel, row, inbound, stored).await
            }
        }
    }

    /// What is answered to a message that is none.
    fn unanswerable(&self, message: &Message) -> Option<String> {
        let most = self.orchestrator.shared.message_bytes;
        if message.text.len() > most {
            let bytes = message.text.len();
            return Some(format!(
                "This message has {bytes} bytes; at most {most} are taken. Put long texts into a file instead."
            ));
        }
        let is_empty = message.text.trim().is_empty() && message.attachments.is_empty();
        is_empty.then(|| "There is nothing in this message to answer.".to_owned())
    }

    async fn turn(
        &self,
        channel: &Channel,
        row: &Row,
        inbound: crate::Inbound,
        mut stored: Stored,
    ) -> Result<(), Error> {
        let whose = self.people.whose(&inbound.sender.provider, &inbound.sender.user);
        let place = self.turns.take(whose, inbound.role).await;
        if self.is_closing() {
            return Ok(());
        }
        let lost = self.store.outbox().lost(channel, MOST_LOST).await?;
        // Why is what an adapter says, and no words of an adapter stand where the runtime speaks to the model.
        stored.notes.extend(lost.iter().map(|lost| match &lost.elsewhere {
            None => {
                "A message of yours in this channel was not delivered; the audit log says why.".to_owned()
            }
            Some(place) => {
                let place = openpact_model::text::one_line(&place.to_string(), 200);
                format!("A message that you sent to {place} was not delivered; the audit log says why.")
            }
        }));
        let cancel = self.parking.child_token();
        self.lanes.begin(channel, row.number, &cancel);
        let (reply, updates) = Reply::new();
        let is_overtaken = Arc::clone(&stored.is_overtaken);
        let mut job = Job { inbound, reply, stored: Some(stored) };
        let run = async {
            let run = self.run_with_files(channel, &row.event, &mut job, cancel);
            let run = AssertUnwindSafe(run).catch_unwind();
            if run.await.is_err() {
                tracing::error!(%channel, "a turn broke");
                if !job.reply.has_ended() {
                    job.reply.error(ErrorKind::Engine, Error::Panicked.told());
                }
            }
            // Says that nothing more comes.
            drop(job);
        };
        let answer = async {
            let outcome = tokio::select! {
                outcome = self.listen(channel, row, updates) => outcome,
                never = self.keep_typing(channel, &row.event) => match never {},
            };
            // An answer that waits for its adapter takes no place from others.
            drop(place);
            // Whatever it is now, it is looked at anew.
            if is_overtaken.load(Ordering::Acquire) {
                return Ok(());
            }
            if let Some(last) = lost.last() {
                self.store.outbox().told(channel, last.number).await?;
            }
            self.answer(channel, row, outcome).await
        };
        let ((), answered) = tokio::join!(run, answer);
        answered
    }

    async fn answer(&self, channel: &Channel, row: &Row, outcome: Outcome) -> Result<(), Error> {
        let state = match &outcome.failure {
            // It was stopped because the program ends, and is done at the next start.
            Some(_) if self.parking.is_cancelled() => return self.park(channel, row.number).await,
            None | Some((ErrorKind::Aborted, _)) => State::Answered,
            Some(_) => State::Failed,
        };
        let detail = self.detail(channel).await?;
        let outbound = outcome.into_outbound(detail);
        self.conclude(channel, &row.event, row.number, state, Some(outbound), None).await
    }

    /// Shows that an answer is being written for as long as this is polled: one call after the other, so that slow ones
    /// do not pile up.
    async fn keep_typing(&self, channel: &Channel, event: &Event) -> std::convert::Infallible {
        tokio::time::sleep(TYPING_AFTER).await;
        let target = super::answer::target(event, None);
        loop {
            let Some(attached) = self.attached(&channel.provider) else {
                return std::future::pending().await;
            };
            let info = attached.adapter.info();
            let Some(interval) = info.typing_interval.filter(|_| info.abilities.typing) else {
                return std::future::pending().await;
            };
            // Nothing depends on it: where too many are under way already, or there is no moment to spare, this one
            // is left out.
            if let Ok(_slot) = attached.typing.try_acquire()
                && attached.pacer.may_type(&target.channel, Instant::now())
                && let Some(Err(error)) = attached.bounded(attached.adapter.typing(&target)).await
            {
                tracing::debug!(%channel, %error, "typing was not shown");
                if let SendError::RateLimited { retry_after, global } = error {
                    let wait = Duration::from_millis(retry_after);
                    attached.pacer.typing_limited(&target.channel, Instant::now(), wait, global);
                }
            }
            tokio::time::sleep(Duration::from_millis(interval.into()).max(TYPING_LEAST)).await;
        }
    }

    /// Waits after failure number `failures`, or until delivery ends.
    pub(super) async fn rest(&self, failures: u32) {
        let Config { backoff, longest_backoff, .. } = self.config;
        let wait = super::pace::backoff(backoff, longest_backoff, failures, &*self.random);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.closed() => {}
        }
    }
}
