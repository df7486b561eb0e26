//! What was said while nobody listened: Slack sends an event again three times within about five minutes, and never
//! after that, so the rest is read in the history of the conversations.
//!
//! Until when everything was received is kept in [`marks`]. Whenever a connection begins that does not take the place of
//! another one, every conversation that is known has fallen behind; they are read one after the other ([`reading`]),
//! page by page between the frames of the connection, and delivered oldest first, a few at a time. What came the usual
//! way meanwhile, or before, has the same identity, and the host drops it. A program that dies goes on where the last
//! messages were stored.

mod marks;
mod reading;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use openpact_sdk::adapter::{Happening, InboundEvent, InboundMessage, Occasion, SenderKind};
use openpact_sdk::log;
use openpact_sdk::serde_json::Value;

use crate::api::Failure;
use crate::event::Reader;
use crate::stamp::Stamp;
use crate::thread::Thread;

use marks::Marks;
use reading::Reading;

pub(crate) use reading::Fields;

/// The methods take about fifty calls in a minute (Web API, "Rate limits", Tier 3): so many at once, then one after the
/// other.
const BURST: u32 = 20;
const PAUSE: Duration = Duration::from_millis(1_200);
/// How long frames of the connection go first.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait after something went wrong: longer and longer. After so many times another conversation is next.
const WAITS: [u64; 5] = [2, 5, 10, 30, 60];
/// The messages that are delivered at once.
const CHUNK: usize = 20;
/// How often the adapter may die of some messages until they are delivered one by one, and then of one message until it
/// is passed over.
const CAREFUL: u32 = 3;
const DEADLY: u32 = 6;
/// How often what was received is kept: less only means that more is read again.
const KEEP: Duration = Duration::from_mins(1);
/// The same while conversations are read in which there was nothing.
const KEEP_READING: Duration = Duration::from_secs(10);

/// What is known of it.
#[derive(Debug)]
pub(crate) struct Missed {
    account: String,
    marks: Marks,
    /// The conversations that are to be read.
    queue: VecDeque<String>,
    reading: Option<Reading>,
    /// Before this moment nothing is done.
    due: Duration,
    calls: u32,
    /// How often in a row it went wrong.
    failures: usize,
    /// Whether messages are delivered one by one.
    is_careful: bool,
    /// What the admin was told.
    told: BTreeSet<String>,
    /// Whether something is to be kept, and when that was done.
    is_changed: bool,
    saved: Duration,
}

impl Missed {
    /// What was kept for the account of a reader.
    pub(crate) fn load(reader: &Reader) -> Self {
        Self {
            account: reader.user.clone(),
            marks: Marks::load(&reader.user, reader.respond_all.iter().chain(&reader.bots)),
            queue: VecDeque::new(),
            reading: None,
            due: Duration::ZERO,
            calls: 0,
            failures: 0,
            is_careful: false,
            told: BTreeSet::new(),
            is_changed: false,
            saved: Duration::ZERO,
        }
    }

    /// A connection begins, and before it there was none.
    pub(crate) fn begin(&mut self, now: Duration) {
        let all = self.marks.fall_behind();
        if let Some(reading) = self.reading.take() {
            self.queue.push_front(reading.channel);
        }
        let new: Vec<_> = all.into_iter().filter(|channel| !self.queue.contains(channel)).collect();
        self.queue.extend(new);
        self.due = self.due.max(now);
    }

    /// An event has come, whether it is for the assistant or not.
    pub(crate) fn heard(&mut self, payload: &Value, now: Duration) {
        let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str);
        let (Some("message" | "app_mention"), Some(channel), Some(at)) =
            (text("/event/type"), text("/event/channel"), text("/event/ts"))
        else {
            return;
        };
        self.is_changed = true;
        if self.marks.heard(channel, Stamp::read(at)) {
            self.want(channel);
            self.save(now);
        }
    }

    /// An event is stored.
    pub(crate) fn stored(&mut self, event: &InboundEvent, now: Duration) {
        let (Some(message), Some(root)) = (message(event), &event.channel.thread) else { return };
        self.is_changed = true;
        if self.marks.spoke(&event.channel.id, Stamp::read(root), Stamp::read(&message.id)) {
            self.save(now);
        }
    }

    /// An event could not be stored: it is looked for later, if Slack does not send it again.
    pub(crate) fn failed_to_store(&mut self, payload: &Value, now: Duration) {
        let Some(channel) = payload.pointer("/event/channel").and_then(Value::as_str) else { return };
        self.marks.fall_behind_in(channel);
        self.want(channel);
        self.wait_longer(now);
    }

    fn want(&mut self, channel: &str) {
        let is_read = self.reading.as_ref().is_some_and(|reading| reading.channel == channel);
        if self.marks.after(channel).is_some() && !is_read && !self.queue.iter().any(|one| one == channel) {
            self.queue.push_back(channel.to_owned());
        }
    }

    /// Keeps how far it is, if it is time for that.
    pub(crate) fn keep(&mut self, now: Duration) {
        if self.is_changed && now.saturating_sub(self.saved) >= KEEP {
            self.save(now);
        }
    }

    fn save(&mut self, now: Duration) {
        self.marks.save(&self.account);
        (self.is_changed, self.saved) = (false, now);
    }

    fn is_open(&self) -> bool {
        self.reading.is_some() || !self.queue.is_empty()
    }

    /// How long until something is to be done; `None` where there is nothing.
    pub(crate) fn wait(&self, now: Duration) -> Option<Duration> {
        self.is_open().then(|| self.due.saturating_sub(now))
    }

    /// Whether something is to be done now, where frames came or not.
    pub(crate) fn is_due(&self, now: Duration, is_idle: bool) -> bool {
        self.is_open() && now >= self.due + if is_idle { Duration::ZERO } else { PATIENCE }
    }

    /// Does the next thing. Gives the next messages, oldest first, in payloads as their events would have; how many of
    /// them are done with is told to [`pass`](Self::pass).
    pub(crate) fn step(
        &mut self,
        now: Duration,
        ask: impl FnOnce(&str, Fields) -> Result<Value, Failure>,
    ) -> Vec<Value> {
        self.due = now;
        let reading = self.reading.take().or_else(|| self.next_reading());
        let Some(reading) = reading else { return vec![] };
        let request = reading.request();
        let reading = self.reading.insert(reading);
        let Some((method, fields)) = request else { return self.chunk(now) };
        self.calls += 1;
        if self.calls > BURST {
            self.due = now + PAUSE;
        }
        match ask(method, fields) {
            Ok(answer) => {
                self.failures = 0;
                reading.take(answer);
            }
            Err(failure) => self.failed(&failure, now),
        }
        vec![]
    }

    fn next_reading(&mut self) -> Option<Reading> {
        while let Some(channel) = self.queue.pop_front() {
            if let Some(after) = self.marks.after(&channel) {
                let threads = self.marks.threads(&channel);
                return Some(Reading::new(channel, &self.account, after, threads));
            }
        }
        None
    }

    /// The next messages of the conversation that is read; at their end it has caught up.
    fn chunk(&mut self, now: Duration) -> Vec<Value> {
        let Some(reading) = &mut self.reading else { return vec![] };
        let channel = reading.channel.clone();
        let Some(first) = reading.first() else {
            self.end(now);
            return vec![];
        };
        let times = self.marks.begin_trial(&channel, first);
        if times > DEADLY {
            log::warn(&format!(
                "the adapter broke {DEADLY} times over the message {first} in the channel {channel}; it is passed over"
            ));
            reading.pass(1);
            self.marks.advance(&channel, first);
            self.marks.end_trial();
            self.save(now);
            return vec![];
        }
        self.is_careful |= times > CAREFUL;
        let payloads = reading.payloads(if self.is_careful { 1 } else { CHUNK });
        self.save(now);
        payloads
    }

    fn end(&mut self, now: Duration) {
        let Some(reading) = self.reading.take() else { return };
        if reading.is_cut {
            log::warn(&format!(
                "more was said in the channel {} while nobody listened than is read; the rest is not answered",
                reading.channel
            ));
        }
        self.marks.caught_up(&reading.channel);
        (self.is_careful, self.is_changed) = (false, true);
        if self.queue.is_empty() {
            // The next time may take a burst again.
            self.calls = 0;
        }
        if self.queue.is_empty() || now.saturating_sub(self.saved) >= KEEP_READING {
            self.save(now);
        }
    }

    /// So many of the messages that were to be delivered are done with. Those that are not are tried again.
    pub(crate) fn pass(&mut self, done: usize, of: usize, now: Duration) {
        let Some(reading) = &mut self.reading else { return };
        if let Some(last) = reading.pass(done) {
            self.marks.advance(&reading.channel, last);
        }
        self.marks.end_trial();
        self.is_changed = true;
        if done < of {
            self.wait_longer(now);
        } else {
            self.failures = 0;
        }
    }

    /// Whether a message of the history is said to the assistant, as its event would have been when it was said.
    pub(crate) fn was_said(&self, event: &InboundEvent) -> bool {
        let Some((_, ts)) = event.id.split_once(':') else { return false };
        let at = Stamp::read(ts);
        if event.sender.kind == SenderKind::Bot && !self.marks.was_named(&event.sender.id, at) {
            return false;
        }
        match (message(event).map(|message| message.occasion), &event.channel.thread) {
            (Some(Occasion::EveryMessage), _) => self.marks.was_named(&event.channel.id, at),
            (Some(Occasion::Thread), Some(root)) => {
                let thread = Thread { account: &event.account, channel: &event.channel.id, root };
                thread.since().is_none_or(|since| since < at)
            }
            _ => true,
        }
    }

    fn failed(&mut self, failure: &Failure, now: Duration) {
        let Some(reading) = &mut self.reading else { return };
        let channel = reading.channel.clone();
        let says = |words: &[&str]| words.iter().any(|word| failure.says(word));
        match failure {
            Failure::Limited(wait) => self.due = now + *wait,
            Failure::TooLarge(_) if reading.shrink() => {}
            Failure::Denied { .. } | Failure::NoToken(..) => {
                self.tell(format!("what was said while nobody listened is not read: {}", failure.text()));
                self.queue.clear();
                self.reading = None;
            }
            failure if failure.is_passing() => {
                self.wait_longer(now);
                if self.failures.is_multiple_of(WAITS.len()) {
                    self.queue.push_back(channel);
                    self.reading = None;
                }
            }
            _ if says(&["thread_not_found", "message_not_found"]) && reading.thread().is_some() => {
                if let Some(root) = reading.thread() {
                    self.marks.forget_thread(&channel, root);
                }
                reading.next_part();
            }
            _ if says(&["channel_not_found", "not_in_channel"]) => {
                log::info(&format!(
                    "what was missed in the channel {channel} is not read: {}",
                    failure.text()
                ));
                self.marks.forget(&channel);
                self.is_changed = true;
                self.reading = None;
            }
            // It stays behind: when this is mended, it is read.
            _ => {
                self.tell(format!("what was said while nobody listened is not read: {}", failure.text()));
                self.reading = None;
            }
        }
    }

    fn wait_longer(&mut self, now: Duration) {
        let wait = WAITS[self.failures.min(WAITS.len() - 1)];
        self.failures += 1;
        self.due = self.due.max(now + Duration::from_secs(wait));
    }

    /// Tells the admin once.
    fn tell(&mut self, text: String) {
        if !self.told.contains(&text) {
            log::warn(&text);
            self.told.insert(text);
        }
    }
}

fn message(event: &InboundEvent) -> Option<&InboundMessage> {
    match &event.happening {
        Happening::Message(message) | Happening::Edit(message) => Some(message),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
