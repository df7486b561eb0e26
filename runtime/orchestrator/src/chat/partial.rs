//! Shows an answer while it is written: as messages that are sent when there is something to see and then changed in
//! place, one call of the adapter after the other and at a bounded rate.
//!
//! It is a favour and no delivery. It takes only moments that nothing else waits for, and what fails is left out. The
//! answer itself goes through the outbox as ever; all that is kept of this are the ids of its messages, whose places the
//! end of the event takes, whatever that is (`openpact_store::partial`). An id is written down as soon as the platform
//! has told it: a message that was sent in the instant in which the program died, or whose id never came back, stays
//! where it is, beside the answer.
//!
//! What an engine says in pieces has no secret in it, and none that is cut in two: it holds the beginning of one back
//! until more is known (`openpact_engine::builtin`). So this shows only what the answer will say.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use openpact_model::chat::{Part, SendError, Sent, Target};
use openpact_model::role::Channel;
use openpact_store::inbox::Row;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Chat;
use super::answer::{message_of, target};
use super::attached::Attached;
use super::outcome::Outcome;
use super::pace::LONGEST_WAIT;
use super::render::MOST_PARTS;
use crate::Error;
use crate::message::Updates;

/// The longest time between two calls, however often the platform asks to wait.
const LONGEST: Duration = Duration::from_secs(30);

/// How long a change may take. The next one makes up for it, and the answer must not wait for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Failures one after the other until nothing more of the answer is shown before its end.
const MOST_FAILURES: u32 = 3;

/// Where answers are shown while they are written. Nowhere by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Streaming {
    /// The providers in all of whose channels they are.
    pub providers: HashSet<String>,
    /// What holds for single channels, by provider and channel.
    pub channels: HashMap<(String, String), bool>,
}

impl Streaming {
    pub(super) fn holds_in(&self, channel: &Channel) -> bool {
        let stated = self.channels.get(&(channel.provider.clone(), channel.channel.clone()));
        stated.copied().unwrap_or_else(|| self.providers.contains(&channel.provider))
    }
}

/// An answer on show.
struct Show<'a> {
    chat: &'a Chat,
    channel: &'a Channel,
    row: &'a Row,
    /// Its messages in their order.
    messages: Vec<Shown>,
    /// Between two calls.
    interval: Duration,
    /// Until when the platform asked to wait.
    closed: Option<Instant>,
    failures: u32,
}

struct Shown {
    id: String,
    /// What it says, where that is known.
    part: Option<Part>,
}

/// What comes after a look at the answer.
enum Next {
    /// All of it is shown: nothing until there is more of it.
    Rest,
    /// There is more to show, a while later.
    Later,
    /// Nothing more is shown before the end.
    Stop,
}

/// One call of an adapter.
struct Call {
    attached: Arc<Attached>,
    position: usize,
    part: Part,
}

impl Chat {
    /// Where answers are shown while they are written; for turns that begin from now on.
    pub fn set_streaming(&self, streaming: Streaming) {
        *self.streaming.write().unwrap_or_else(PoisonError::into_inner) = streaming;
    }

    fn is_streaming(&self, channel: &Channel) -> bool {
        self.streaming.read().unwrap_or_else(PoisonError::into_inner).holds_in(channel)
    }

    /// Everything until the turn's last event, shown meanwhile where that is wanted. When this returns, nothing of it
    /// is under way any more: what comes next finds the messages as they are.
    pub(super) async fn listen(&self, channel: &Channel, row: &Row, mut updates: Updates) -> Outcome {
        if !self.is_streaming(channel) {
            return Outcome::collect(updates).await;
        }
        let (grown, growing) = watch::channel(Outcome::default());
        let ended = CancellationToken::new();
        let collect = async {
            let mut is_open = true;
            while is_open {
                let update = updates.recv().await;
                grown.send_modify(|outcome| is_open = outcome.take(update));
            }
            ended.cancel();
        };
        tokio::join!(collect, self.show(channel, row, growing, &ended));
        grown.send_replace(Outcome::default())
    }

    /// Shows what there is until `ended`.
    async fn show(
        &self,
        channel: &Channel,
        row: &Row,
        mut growing: watch::Receiver<Outcome>,
        ended: &CancellationToken,
    ) {
        let Some(Ok(())) = ended.run_until_cancelled(growing.changed()).await else { return };
        let messages = match self.store.partials().of(row.number).await {
            // From before the program ended, or before the message was changed: it goes on with them.
            Ok(ids) => ids.into_iter().map(|id| Shown { id, part: None }).collect(),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(%channel, error, "an answer is not shown before its end");
                return;
            }
        };
        let interval = self.config.show_every;
        let mut show = Show { chat: self, channel, row, messages, interval, closed: None, failures: 0 };
        let mut due = None;
        loop {
            let at = due.unwrap_or_else(|| Instant::now() + self.config.show_after);
            if ended.run_until_cancelled(tokio::time::sleep_until(at)).await.is_none() {
                return;
            }
            let outcome = growing.borrow_and_update().clone();
            let Some(call) = ended.run_until_cancelled(show.look(&outcome)).await else { return };
            let next = match call {
                // Never cut off: the answer would come in between.
                Ok(call) => show.call(call).await,
                Err(next) => next,
            };
            match next {
                Next::Later => due = Some(Instant::now() + show.interval),
                Next::Rest => {
                    // From this look on: what grows need not be what is shown, and each look renders all of it.
                    due = (!show.messages.is_empty()).then(|| Instant::now() + show.interval);
                    let Some(Ok(())) = ended.run_until_cancelled(growing.changed()).await else { return };
                }
                Next::Stop => return,
            }
        }
    }
}

impl Show<'_> {
    /// The next call that shows more of the answer.
    async fn look(&mut self, outcome: &Outcome) -> Result<Call, Next> {
        let attached = self.chat.attached(&self.channel.provider);
        let Some(attached) = attached.filter(|attached| !attached.stop.is_cancelled()) else {
            return Err(Next::Later);
        };
        if self.closed.is_some_and(|until| until > Instant::now()) {
            return Err(Next::Later);
        }
        let info = attached.adapter.info();
        if !info.abilities.edit {
            return Err(Next::Stop);
        }
        self.interval = self.interval.max(Duration::from_millis(info.edit_interval.into()));
        let parts = match self.parts(&attached, outcome).await {
            Ok(parts) => parts,
            Err(why) => return Err(self.failed(&why)),
        };
        let is_new = |(position, part): &(usize, Part)| {
            self.messages.get(*position).is_none_or(|shown| shown.part.as_ref() != Some(part))
        };
        let Some((position, part)) = parts.into_iter().enumerate().take(MOST_PARTS).find(is_new) else {
            return Err(Next::Rest);
        };
        // What waits to be sent there comes first.
        if position >= self.messages.len() {
            match self.chat.store.outbox().is_idle(self.channel).await {
                Ok(true) => {}
                Ok(false) => return Err(Next::Later),
                Err(error) => return Err(self.failed(&Error::from(error).told())),
            }
        }
        Ok(Call { attached, position, part })
    }

    /// The answer so far in the platform's form.
    async fn parts(&self, attached: &Attached, outcome: &Outcome) -> Result<Vec<Part>, String> {
        let detail = self.chat.detail(self.channel).await.map_err(|error| error.told())?;
        let Some(outbound) = outcome.so_far(detail) else { return Ok(Vec::new()) };
        attached.render(&outbound).await.map_err(|error| error.to_string())
    }

    /// Makes the call, if there is a moment for it.
    async fn call(&mut self, call: Call) -> Next {
        let Call { attached, position, part } = call;
        let Ok(_slot) = attached.partials.try_acquire() else { return Next::Later };
        let (place, now) = (&self.row.event.place.id, Instant::now());
        if position < self.messages.len() {
            if attached.pacer.try_spare(place, now) {
                return self.change(&attached, position, part).await;
            }
        } else if attached.pacer.try_take(place, now) {
            return self.send(&attached, position, part).await;
        }
        Next::Later
    }

    /// Changes a message.
    async fn change(&mut self, attached: &Attached, position: usize, part: Part) -> Next {
        let target = self.target(position);
        let shown = &mut self.messages[position];
        let call = attached.adapter.edit_part(&target, &shown.id, &part);
        let given = under_way(attached, tokio::time::timeout(PATIENCE, call)).await;
        shown.part = None;
        match given {
            Some(Ok(Ok(()))) => {
                shown.part = Some(part);
                self.failures = 0;
                Next::Later
            }
            Some(Ok(Err(SendError::RateLimited { retry_after, global }))) => {
                self.limited(attached, retry_after, global)
            }
            Some(Ok(Err(SendError::Unavailable(why) | SendError::Unknown(why)))) => self.failed(&why),
            Some(Err(_late)) => self.failed("the adapter did not answer in time"),
            Some(Ok(Err(error))) => self.stop(&error.to_string()),
            None => self.stop("the adapter broke, or is away"),
        }
    }

    /// Sends another message.
    async fn send(&mut self, attached: &Attached, position: usize, part: Part) -> Next {
        let (target, key) = (self.target(position), self.chat.key());
        match under_way(attached, attached.adapter.send_part(&target, &part, &key)).await {
            Some(Ok(sent)) => self.sent(attached, position, part, sent).await,
            Some(Err(SendError::RateLimited { retry_after, global })) => {
                self.limited(attached, retry_after, global)
            }
            Some(Err(SendError::Unavailable(why))) => self.failed(&why),
            // It may be there, and a second one must not be.
            Some(Err(error)) => self.stop(&error.to_string()),
            None => self.stop("the adapter broke, did not answer in time, or is away"),
        }
    }

    /// Writes down that a message is there. One of which that does not work is taken back.
    async fn sent(&mut self, attached: &Attached, position: usize, part: Part, sent: Sent) -> Next {
        let Sent { id, pause, moved_to } = sent;
        if let Some(pause) = pause {
            let pause = Duration::from_millis(pause.into());
            attached.pacer.pause(&self.row.event.place.id, Instant::now(), pause);
        }
        let moved_to = moved_to.filter(|to| *to != self.row.event.place.id);
        let why = match &moved_to {
            // The answer goes to the old name, in which this message is not.
            Some(_) => "the channel has another name now".to_owned(),
            None => match self.chat.store.partials().record(self.row.number, position, &id).await {
                Ok(true) => {
                    self.messages.push(Shown { id, part: Some(part) });
                    self.failures = 0;
                    return Next::Later;
                }
                Ok(false) => "its event has ended".to_owned(),
                Err(error) => Error::from(error).told(),
            },
        };
        let target = self.target(position);
        let target = Target { channel: moved_to.unwrap_or(target.channel.clone()), ..target };
        if attached.adapter.info().abilities.delete {
            let taken_back = under_way(attached, attached.adapter.delete_part(&target, &id)).await;
            tracing::debug!(channel = %self.channel, ?taken_back, "a message is taken back");
        }
        self.stop(&why)
    }

    /// Where the message at `position` goes; the first one replies.
    fn target(&self, position: usize) -> Target {
        let event = &self.row.event;
        target(event, message_of(event).filter(|_| position == 0))
    }

    /// The platform asks to wait: from then on this calls more seldom, too. Where it says so of this channel, it is
    /// believed, however many others it says it of: messages that somebody waits for do not wait for a favour.
    fn limited(&mut self, attached: &Attached, retry_after: u64, global: bool) -> Next {
        let (place, now) = (&self.row.event.place.id, Instant::now());
        let wait = Duration::from_millis(retry_after).min(LONGEST_WAIT);
        if global {
            attached.pacer.limited(place, now, wait, true);
        } else {
            attached.pacer.pause(place, now, wait);
        }
        self.closed = Some(now + wait);
        self.slow_down();
        Next::Later
    }

    fn failed(&mut self, why: &str) -> Next {
        self.failures += 1;
        if self.failures >= MOST_FAILURES {
            return self.stop(why);
        }
        self.slow_down();
        Next::Later
    }

    fn slow_down(&mut self) {
        self.interval = (self.interval * 2).min(LONGEST.max(self.interval));
    }

    fn stop(&self, why: &str) -> Next {
        tracing::info!(channel = %self.channel, why, "no more of an answer is shown before its end");
        Next::Stop
    }
}

/// What a call gives that counts as being under way by its adapter; `None` where it took too long, broke, or its adapter
/// went away meanwhile.
async fn under_way<T>(attached: &Attached, call: impl Future<Output = T>) -> Option<T> {
    let call = async {
        tokio::select! {
            biased;
            given = attached.bounded(call) => given,
            () = attached.abandon.cancelled() => None,
        }
    };
    attached.tasks.track_future(call).await
}
