//! What was said while no session was there: it is asked for where a session cannot be resumed.
//!
//! Kept are the newest message that is done with and the channels of direct messages. When a new session begins, each
//! server tells its channels with the newest message of each; those that are newer, and the direct messages, are asked
//! for, page by page, beside what comes meanwhile. Until all of them are delivered nothing that is kept changes, and the
//! session is not kept either: a program that dies before starts from the same place. Whatever is delivered twice has the
//! same identity, and the host drops it.
//!
//! A server that has an outage tells its channels when that is over, whenever that is. Nothing else waits for it: where
//! its messages are to be asked for is kept beside the rest, and it is caught up when it comes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use openpact_sdk::adapter::{Audience, InboundEvent};
use openpact_sdk::{kv, log};
use reqwest::Method;
use serde_json::{Value, json};
use serenity::model::Timestamp;

use crate::api::{self, Call, Exchange, Failure, SHORTLY};
use crate::event::{EPOCH, number};

/// Where the newest message stands that is done with, and the channels of direct messages, the latest last.
const NEWEST: &str = "newest";
const DIRECT: &str = "direct";

/// The servers with an outage, and the message of each behind which it is to be asked.
const LATE: &str = "late";

/// How often it was begun to ask for what was missed, without an end in order. That the host stops the adapter is one:
/// it loses the connection first.
const BEGUN: &str = "begun";

/// How often that may be: the adapter may die of what comes.
const STARTS: u32 = 4;
/// How many channels of direct messages are kept.
const DIRECTS: usize = 200;
/// How many channels of a server are asked, those with the newest messages, and how many of all servers.
const CHANNELS: usize = 100;
const ALL_CHANNELS: usize = 500;
/// How many servers with an outage are kept.
const LATES: usize = 200;
/// The kinds of channels whose messages are in threads alone: forums, and those of pictures.
const FORUMS: [u64; 2] = [15, 16];
/// How many pages of one channel are asked for, and the messages of a page (Message Resource, "Get Channel Messages").
const PAGES: u32 = 5;
const PAGE: usize = 100;
/// How often a page is asked for that does not come, and how long to wait between.
const TRIES: u32 = 5;
const RETRY: Duration = Duration::from_secs(5);
/// How long servers may take to tell their channels.
const PATIENCE: Duration = Duration::from_mins(1);
/// Messages of several channels do not come in the order of their ids: so far before the newest one is begun.
const OVERLAP: u64 = 60_000;
/// What is older is not answered any more, in milliseconds.
const OLDEST: u64 = 3 * 24 * 60 * 60 * 1_000;

/// What may have been said in a channel.
#[derive(Debug)]
struct Gap {
    channel: u64,
    /// The server that it is in.
    server: Option<u64>,
    /// The message behind which it begins.
    after: u64,
    pages: u32,
    tries: u32,
}

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Missed {
    /// The newest message that was seen, and the one that is kept.
    newest: u64,
    kept: u64,
    direct: Vec<u64>,
    /// The servers with an outage, with the message behind which each begins; and what is kept of that.
    late: BTreeMap<u64, u64>,
    kept_late: BTreeMap<u64, u64>,
    begun: u32,
    /// Whether it is being asked for.
    is_open: bool,
    after: u64,
    /// The servers that have not told their channels.
    awaited: BTreeSet<u64>,
    /// How many of their channels were to be asked.
    asked: usize,
    until: Duration,
    gaps: VecDeque<Gap>,
    /// Before this moment nothing is asked for.
    due: Duration,
}

impl Missed {
    /// What was kept.
    pub(super) fn load() -> Self {
        let read = |key: &str| {
            kv::get(key).unwrap_or_else(|error| {
                log::warn(&format!("what was received last cannot be read: {error:?}"));
                None
            })
        };
        let count = |key: &str| read(key).and_then(|value| serde_json::from_slice(&value).ok());
        let newest: u64 = count(NEWEST).unwrap_or(0);
        let begun = count(BEGUN).and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
        let direct = read(DIRECT).and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default();
        let late: BTreeMap<u64, u64> =
            read(LATE).and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default();
        Self { newest, kept: newest, direct, kept_late: late.clone(), late, begun, ..Self::default() }
    }

    /// Whether something is still asked for.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// A new session has begun, at this moment and this time in milliseconds since 1970.
    pub(super) fn begin(&mut self, servers: BTreeSet<u64>, now: Duration, time: u64) {
        // Before the first message nothing can have been missed.
        self.is_open = self.kept > 0 && self.start();
        self.after = before(self.kept).max(oldest(time));
        self.late.retain(|server, _| self.is_open && servers.contains(server));
        (self.awaited, self.asked) = (servers, 0);
        (self.until, self.due) = (now + PATIENCE, now);
        let direct = self.direct.iter().rev().filter(|_| self.is_open);
        self.gaps = direct.map(|channel| Gap::new(*channel, None, self.after)).collect();
    }

    /// Keeps that it is begun; whether it is.
    fn start(&mut self) -> bool {
        let is_begun = self.begun < STARTS;
        if !is_begun {
            let (message, since) = (self.kept, Timestamp::from_millis(milliseconds(self.kept)));
            let since = since.map_or_else(|_| "then".to_owned(), |since| since.to_string());
            log::warn(&format!(
                "the adapter broke {STARTS} times over what was said while no session was there. It is not read: what \
                 came behind the message {message}, from {since} until now, in servers and in {} direct conversations. \
                 Whoever wrote then gets no answer",
                self.direct.len()
            ));
        }
        self.begun = if is_begun { self.begun + 1 } else { 0 };
        store(BEGUN, &self.begun.to_string());
        is_begun
    }

    /// The connection ended in order: nothing was wrong with what came.
    pub(super) fn put_back(&mut self) {
        if std::mem::take(&mut self.begun) > 0 {
            store(BEGUN, "0");
        }
        self.keep();
    }

    /// Takes from an event at this time, in milliseconds since 1970, which messages there are.
    pub(super) fn learn(&mut self, kind: &str, data: &Value, time: u64) {
        match kind {
            "MESSAGE_CREATE" => {
                let id = data.get("id").and_then(number).unwrap_or(0);
                self.newest = self.newest.max(id);
            }
            // It may come to say that there is an outage.
            "GUILD_CREATE" if !is_unavailable(data) => self.server(data, time),
            "GUILD_CREATE" | "GUILD_DELETE" => self.gone(data),
            _ => {}
        }
    }

    /// A server has an outage, or the bot is not in it any more.
    fn gone(&mut self, data: &Value) {
        let Some(server) = data.get("id").and_then(number) else { return };
        let is_awaited = self.awaited.remove(&server);
        if is_unavailable(data) {
            let after = if is_awaited && self.is_open { self.after } else { before(self.newest) };
            self.put_off(server, after);
        } else {
            self.late.remove(&server);
        }
    }

    /// The server tells its channels when its outage is over.
    fn put_off(&mut self, server: u64, after: u64) {
        // Before the first message nothing can have been missed.
        if self.newest == 0 || (self.late.len() >= LATES && !self.late.contains_key(&server)) {
            return;
        }
        self.late.entry(server).or_insert(after);
    }

    fn server(&mut self, data: &Value, time: u64) {
        let Some(server) = data.get("id").and_then(number) else { return };
        // One that the bot has come into just now has said nothing to it.
        let late = self.late.remove(&server);
        if !self.awaited.remove(&server) && late.is_none() {
            return;
        }
        if late.is_some() && !self.is_open {
            (self.is_open, self.asked) = (self.start(), 0);
        }
        let after = late.unwrap_or(self.after).max(oldest(time));
        let channels = ["channels", "threads"].into_iter().filter_map(|key| data.get(key)?.as_array());
        let is_read = |channel: &&Value| {
            !channel.get("type").and_then(Value::as_u64).is_some_and(|kind| FORUMS.contains(&kind))
        };
        let last = |channel: &Value| {
            Some((channel.get("last_message_id").and_then(number)?, channel.get("id").and_then(number)?))
        };
        let mut lasts: Vec<_> = channels.flatten().filter(is_read).filter_map(last).collect();
        lasts.sort_unstable();
        self.newest = self.newest.max(lasts.last().map_or(0, |(last, _)| *last));
        if self.is_open {
            let room = ALL_CHANNELS.saturating_sub(self.asked).min(CHANNELS);
            let newer: Vec<_> =
                lasts.into_iter().rev().filter(|(last, _)| *last > after).take(room).collect();
            self.asked += newer.len();
            self.gaps.extend(newer.into_iter().map(|(_, channel)| Gap::new(channel, Some(server), after)));
        }
    }

    /// Keeps where direct messages come from.
    pub(super) fn delivered(&mut self, event: &InboundEvent) {
        let Some(channel) =
            event.channel.id.parse().ok().filter(|_| event.channel.audience == Audience::Direct)
        else {
            return;
        };
        if self.direct.last() == Some(&channel) {
            return;
        }
        self.direct.retain(|other| *other != channel);
        self.direct.push(channel);
        self.direct.drain(..self.direct.len().saturating_sub(DIRECTS));
        store(DIRECT, &json!(self.direct).to_string());
    }

    /// Keeps the newest message, unless older ones are still to come; and before it the servers of which this does not
    /// hold.
    pub(super) fn keep(&mut self) {
        if self.is_open {
            return;
        }
        if self.late != self.kept_late {
            self.kept_late.clone_from(&self.late);
            store(LATE, &json!(self.late).to_string());
        }
        if self.newest > self.kept {
            self.kept = self.newest;
            store(NEWEST, &self.newest.to_string());
        }
    }

    /// How long until something is to be asked for; `None` where there is nothing.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        (!self.gaps.is_empty()).then(|| self.due.saturating_sub(now))
    }

    /// Whether all of it is there now.
    pub(super) fn close(&mut self, now: Duration) -> bool {
        let is_complete = self.gaps.is_empty() && (self.awaited.is_empty() || now >= self.until);
        if !self.is_open || !is_complete {
            return false;
        }
        for server in std::mem::take(&mut self.awaited) {
            self.put_off(server, self.after);
        }
        self.is_open = false;
        self.put_back();
        true
    }

    /// The next messages, oldest first, as they would have come. They are done with when [`pass`](Self::pass) is called.
    /// `None` where they do not come now.
    pub(super) fn ask(&mut self, api: &impl Exchange, now: Duration) -> Option<Vec<Value>> {
        let gap = self.gaps.front_mut().filter(|_| now >= self.due)?;
        let call =
            Call::new(Method::GET, &["channels", &gap.channel.to_string(), "messages"]).within(SHORTLY);
        let call = call.query("after", gap.after.to_string()).query("limit", PAGE.to_string());
        match api::call(api, &call) {
            Ok(reply) => {
                self.due = now + Duration::from_millis(reply.pause.unwrap_or(0).into());
                Some(gap.messages(reply.value))
            }
            Err(failure) => {
                self.failed(&failure, now);
                None
            }
        }
    }

    /// These messages are delivered.
    pub(super) fn pass(&mut self, messages: &[Value]) {
        let Some(gap) = self.gaps.front_mut() else { return };
        let newest = messages.iter().filter_map(|message| message.get("id").and_then(number)).max();
        (gap.after, gap.pages, gap.tries) = (newest.unwrap_or(gap.after).max(gap.after), gap.pages + 1, 0);
        self.newest = self.newest.max(gap.after);
        let is_full = messages.len() >= PAGE;
        if is_full && gap.pages >= PAGES {
            let channel = gap.channel;
            log::warn(&format!(
                "more than {} messages came in the channel {channel} while the session was not there; the latest of \
                 them are not read",
                PAGE * PAGES as usize
            ));
        }
        if !is_full || gap.pages >= PAGES {
            self.gaps.pop_front();
        }
    }

    fn failed(&mut self, failure: &Failure, now: Duration) {
        let Some(gap) = self.gaps.front_mut() else { return };
        let text = failure.text();
        if let Failure::Limited(limit) = failure {
            self.due = now + Duration::from_millis(limit.retry_after);
            return;
        }
        if let Failure::Denied { .. } = failure {
            log::warn(&format!("what was said while the session was not there is not read: {text}"));
            self.gaps.clear();
            self.awaited.clear();
            return;
        }
        gap.tries += 1;
        let is_final = matches!(failure, Failure::Refused(refusal) if refusal.status < 500);
        if is_final || gap.tries >= TRIES {
            // Most often a channel that the bot may not read.
            let channel = gap.channel;
            log::info(&format!("what was missed in the channel {channel} is not read: {text}"));
            self.gaps.pop_front();
        } else {
            self.due = now + RETRY;
        }
    }
}

impl Gap {
    fn new(channel: u64, server: Option<u64>, after: u64) -> Self {
        Self { channel, server, after, pages: 0, tries: 0 }
    }

    /// The messages of a page in the order in which they were sent. Only the gateway says of a message which server it
    /// is in.
    fn messages(&self, page: Value) -> Vec<Value> {
        let Value::Array(mut messages) = page else { return vec![] };
        messages.sort_by_key(|message| message.get("id").and_then(number));
        for message in messages.iter_mut().filter_map(Value::as_object_mut) {
            if let Some(server) = self.server {
                message.insert("guild_id".to_owned(), json!(server.to_string()));
            }
        }
        messages
    }
}

/// Whether a server has an outage.
fn is_unavailable(server: &Value) -> bool {
    server.get("unavailable").and_then(Value::as_bool) == Some(true)
}

/// The message behind which it is begun where this one was the newest.
fn before(newest: u64) -> u64 {
    newest.saturating_sub(OVERLAP << 22)
}

/// What would be the oldest message that is still answered at this time, in milliseconds since 1970.
fn oldest(time: u64) -> u64 {
    time.saturating_sub(EPOCH + OLDEST) << 22
}

/// When a message was sent, in milliseconds since 1970.
fn milliseconds(message: u64) -> i64 {
    i64::try_from((message >> 22) + EPOCH).unwrap_or(i64::MAX)
}

fn store(key: &str, value: &str) {
    if let Err(error) = kv::set(key, value.as_bytes()) {
        log::warn(&format!("what was received last cannot be stored: {error:?}"));
    }
}
