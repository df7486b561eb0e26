//! Sends what lies in the outbox: for each channel one part after the other, channels beside each other.

use std::sync::Arc;
use std::time::Duration;

use openpact_model::chat::{SendError, Sent};
use openpact_model::role::Channel;
use openpact_store::outbox::{Act, Failure, Row};
use tokio::time::Instant;

use super::answer::lost_record;
use super::attached::Attached;
use super::pace::backoff;
use super::{Chat, Config};

/// Attempts of a part at which its adapter breaks, until it is taken for the part's fault.
const MOST_BROKEN: u32 = 10;

/// Names of channels that are kept in mind because the platform has other ones for them.
const MOST_MOVED: usize = 10_000;

/// What comes after an attempt.
pub(super) enum After {
    /// This part, taken already.
    Part(Box<Row>),
    /// Whatever lies there.
    Look,
    /// Nothing: the sender ends.
    Stop,
}

impl Chat {
    /// Something is to be sent into a channel; `taken` is marked as being sent already.
    pub(super) fn send_from(&self, attached: &Arc<Attached>, channel: &Channel, taken: Option<Row>) {
        if !attached.senders.arrive(channel, taken) {
            return;
        }
        let Some(this) = self.this() else { return };
        let (channel, attached) = (channel.clone(), Arc::clone(attached));
        let tasks = attached.tasks.clone();
        tasks.spawn(async move { this.send_all(&attached, &channel).await });
    }

    /// Has what was stored be sent: `first` is marked as being sent already, by `sender`. Where that one is not
    /// attached any more, it waits for whoever is.
    pub(super) async fn hand_over(
        &self,
        channel: &Channel,
        first: Option<Row>,
        sender: Option<Arc<Attached>>,
    ) {
        let now = self.attached(&channel.provider);
        if let (Some(sender), Some(now)) = (&sender, &now)
            && Arc::ptr_eq(sender, now)
        {
            return self.send_from(now, channel, first);
        }
        // An adapter that was attached meanwhile may have taken it; then this changes nothing.
        if let Some(first) = first
            && let Err(error) = self.store.outbox().put_back(&first, "the adapter is away", false).await
        {
            // It counts as one that may have arrived when the adapter is attached again.
            tracing::error!(%channel, error = &error as &dyn std::error::Error, "a message was not put back");
        }
        // Such an adapter has looked before this was put back.
        if let Some(attached) = self.attached(&channel.provider) {
            self.send_from(&attached, channel, None);
        }
    }

    async fn send_all(&self, attached: &Attached, channel: &Channel) {
        let mut next = None;
        let mut failures = 0;
        loop {
            let (seen, taken) = attached.senders.look(channel);
            let part = match next.take().or(taken) {
                Some(part) => Ok(Some(part)),
                None if attached.stop.is_cancelled() => Ok(None),
                None => self.store.outbox().take(channel).await,
            };
            let after = match part {
                Ok(Some(part)) => self.send(attached, channel, part).await,
                Ok(None) if attached.senders.leave(channel, seen) => return,
                Ok(None) => After::Look,
                Err(error) => {
                    tracing::error!(%channel, error = &error as &dyn std::error::Error, "the outbox does not answer");
                    failures += 1;
                    self.wait(attached, failures, Duration::ZERO).await
                }
            };
            match after {
                After::Part(part) => next = Some(*part),
                After::Look => {}
                After::Stop => {
                    attached.senders.remove(channel);
                    return;
                }
            }
        }
    }

    /// Tries to send a part.
    async fn send(&self, attached: &Attached, channel: &Channel, part: Row) -> After {
        let slot = tokio::select! {
            biased;
            () = attached.stop.cancelled() => {
                self.put_back(attached, &part, "the program ended", false).await;
                return After::Stop;
            }
            slot = async {
                attached.pacer.wait(&part.target.channel).await;
                attached.slots.acquire().await.expect("the semaphore is never closed")
            } => slot,
        };
        let given = tokio::select! {
            biased;
            given = attached.bounded(super::replace::act(attached, &part)) => given,
            // It may have been sent; the part stays in that state.
            () = attached.abandon.cancelled() => return After::Stop,
        };
        drop(slot);
        match given
            .unwrap_or_else(|| Err(SendError::Unknown("the adapter did not answer in time".to_owned())))
        {
            Ok(sent) => self.sent(attached, channel, &part, sent).await,
            Err(error) => self.failed(attached, channel, &part, error).await,
        }
    }

    pub(super) async fn sent(&self, attached: &Attached, channel: &Channel, part: &Row, sent: Sent) -> After {
        if !matches!(part.act, Act::Delete(_)) {
            let provider = channel.provider.clone();
            metrics::counter!("openpact_messages_sent_total", "provider" => provider).increment(1);
        }
        let place = &part.target.channel;
        if let Some(pause) = sent.pause {
            attached.pacer.pause(place, Instant::now(), Duration::from_millis(pause.into()));
        }
        if let Some(to) = sent.moved_to.as_deref().filter(|to| to != place) {
            return self.moved(attached, channel, part, &sent.id, to).await;
        }
        let mut failures = 0;
        loop {
            let next = attached.pacer.is_free(place, Instant::now()) && !attached.stop.is_cancelled();
            match self.store.outbox().sent(part, &sent.id, next).await {
                Ok(Some(part)) => return After::Part(Box::new(part)),
                Ok(None) => return After::Look,
                Err(error) => {
                    tracing::error!(%channel, error = &error as &dyn std::error::Error, "a sent message was not noted");
                    failures += 1;
                    if let After::Stop = self.wait(attached, failures, Duration::ZERO).await {
                        return After::Stop;
                    }
                }
            }
        }
    }

    /// A part was sent into a channel that the platform calls otherwise: what comes after it is sent under that name, in
    /// one order with everything else that goes there.
    async fn moved(
        &self,
        attached: &Attached,
        channel: &Channel,
        part: &Row,
        message: &str,
        to: &str,
    ) -> After {
        let mut moved = attached.moved.lock().await;
        let mut failures = 0;
        while let Err(error) = self.store.outbox().moved(part, message, to).await {
            tracing::error!(%channel, error = &error as &dyn std::error::Error, "a sent message was not noted");
            failures += 1;
            if let After::Stop = self.wait(attached, failures, Duration::ZERO).await {
                return After::Stop;
            }
        }
        if moved.len() >= MOST_MOVED {
            moved.clear();
        }
        moved.insert(part.target.channel.clone(), to.to_owned());
        drop(moved);
        let channel = Channel { channel: to.to_owned(), ..channel.clone() };
        self.hand_over(&channel, None, None).await;
        After::Look
    }

    async fn failed(&self, attached: &Attached, channel: &Channel, part: &Row, error: SendError) -> After {
        let why = error.to_string();
        let provider = channel.provider.clone();
        metrics::counter!("openpact_message_send_failures_total", "provider" => provider, "kind" => kind(&error))
            .increment(1);
        tracing::debug!(%channel, part = part.number, why, "a message was not sent");
        let is_final = match &error {
            SendError::Gone(_) | SendError::Refused(_) | SendError::TooLarge(_) => true,
            SendError::Broken(_) => part.attempts + 1 >= MOST_BROKEN,
            _ => false,
        };
        let is_too_old = self.is_too_old(part);
        if let Some(after) = self.unreplaced(attached, channel, part, &error, (is_final, is_too_old)).await {
            return after;
        }
        if is_final {
            return self.lose(attached, channel, part, Failure::Refused, &why).await;
        }
        if is_too_old {
            return self.lose(attached, channel, part, Failure::GivenUp, &why).await;
        }
        // An adapter that broke may have sent it before.
        if part.act == Act::Send && matches!(error, SendError::Unknown(_) | SendError::Broken(_)) {
            attached.count_ambiguous(1);
        }
        let (counted, asked) = match error {
            SendError::RateLimited { retry_after, global } => {
                let (now, wait) = (Instant::now(), Duration::from_millis(retry_after));
                attached.pacer.limited(&part.target.channel, now, wait, global);
                // The pace keeps the time; this only keeps it from being asked in a circle.
                (false, wait.max(Duration::from_millis(1)))
            }
            _ => (true, Duration::ZERO),
        };
        self.put_back(attached, part, &why, counted).await;
        let failures = if counted { part.attempts + 1 } else { 0 };
        self.wait(attached, failures, asked).await
    }

    async fn lose(
        &self,
        attached: &Attached,
        channel: &Channel,
        part: &Row,
        failure: Failure,
        why: &str,
    ) -> After {
        let outcome = match failure {
            Failure::Refused => "refused",
            Failure::GivenUp => "given-up",
        };
        tracing::warn!(%channel, part = part.number, outcome, why, "a message is not delivered");
        let provider = channel.provider.clone();
        metrics::counter!("openpact_messages_lost_total", "provider" => provider, "outcome" => outcome)
            .increment(1);
        let record = lost_record(channel, part.number, outcome, why);
        if let Err(error) = self.store.outbox().lose(part.number, failure, why, record).await {
            tracing::error!(%channel, error = &error as &dyn std::error::Error, "a lost message was not noted");
            self.put_back(attached, part, why, false).await;
        }
        After::Look
    }

    /// Has a part wait that was not sent. Where that cannot be written, it stays as one that is being sent, and counts
    /// as ambiguous when its adapter is attached again.
    pub(super) async fn put_back(&self, attached: &Attached, part: &Row, why: &str, counted: bool) {
        let mut failures = 0;
        while let Err(error) = self.store.outbox().put_back(part, why, counted).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a part of the outbox was not put back"
            );
            failures += 1;
            if attached.stop.is_cancelled()
                || matches!(self.wait(attached, failures, Duration::ZERO).await, After::Stop)
            {
                return;
            }
        }
    }

    fn is_too_old(&self, part: &Row) -> bool {
        let age = self.clock.now().duration_since(part.created);
        Duration::try_from(age).is_ok_and(|age| age >= self.config.give_up)
    }

    /// Waits after failure number `failures`, or for as long as was asked for, or until the sender is to end.
    pub(super) async fn wait(&self, attached: &Attached, failures: u32, asked: Duration) -> After {
        let Config { backoff: base, longest_backoff, .. } = self.config;
        let wait = match failures {
            0 => asked.min(longest_backoff),
            _ => backoff(base, longest_backoff, failures, &*self.random),
        };
        tokio::select! {
            biased;
            () = attached.stop.cancelled() => After::Stop,
            // When the program ends, what failed is tried after the next start.
            () = attached.flush.cancelled() => After::Stop,
            () = tokio::time::sleep(wait) => After::Look,
        }
    }
}

fn kind(error: &SendError) -> &'static str {
    match error {
        SendError::RateLimited { .. } => "rate-limited",
        SendError::Unavailable(_) => "unavailable",
        SendError::Unknown(_) => "unknown",
        SendError::Gone(_) => "gone",
        SendError::Refused(_) => "refused",
        SendError::Denied => "denied",
        SendError::TooLarge(_) => "too-large",
        SendError::Broken(_) => "broken",
    }
}
