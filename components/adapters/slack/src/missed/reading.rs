//! What was said in one conversation, and in its threads, since a moment. All of it is read before any of it is
//! delivered, so that it comes in the order in which it was said.

use std::collections::{BTreeMap, BTreeSet};

use openpact_sdk::serde_json::{Map, Value, json};

use crate::stamp::Stamp;
use crate::thread;

/// The messages of a page: at first, and where so many are too large.
const PAGE: u32 = 200;
/// How many pages of a conversation are read, and of a thread.
const PAGES: u32 = 10;
const THREAD_PAGES: u32 = 5;
/// How many threads of a conversation are read, those in which something was said last.
const THREADS: usize = 50;
/// How many bytes of messages are read for one conversation.
const WEIGHT: usize = 4 * 1024 * 1024;

/// The keys of a message that are not needed, and may be long. That somebody edited it is left out too: it is the
/// message itself that counts, which the host knows if it was there before.
const NEEDLESS: [&str; 6] = ["blocks", "metadata", "reactions", "root", "edited", "icons"];
/// What Slack writes when somebody comes in.
const JOINS: [&str; 2] = ["channel_join", "group_join"];

/// The fields of a request.
pub(crate) type Fields = Vec<(&'static str, String)>;

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    History,
    /// The thread that grew from this message.
    Thread(Stamp),
}

/// A conversation that is being read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) channel: String,
    /// The user of the bot.
    me: String,
    /// What is not later is not delivered.
    after: Stamp,
    /// The same when the pages of this part were begun: a cursor goes with it.
    oldest: Stamp,
    /// What is asked for now; nothing where all of it is there.
    part: Option<Part>,
    cursor: Option<String>,
    pages: u32,
    size: u32,
    found: BTreeMap<Stamp, Value>,
    weight: usize,
    /// The messages of the conversation itself.
    seen: BTreeSet<Stamp>,
    /// Threads of which this history may not tell: from which message they grew, and when somebody spoke there last.
    kept: Vec<(Stamp, Stamp)>,
    /// The threads that are to be read: when somebody spoke there last, and from which message they grew. The next one
    /// is the last.
    threads: Vec<(Stamp, Stamp)>,
    /// Whether there was more than is read.
    pub(super) is_cut: bool,
}

impl Reading {
    /// Begins with a conversation behind a moment; `kept` are threads there that are known.
    pub(super) fn new(channel: String, me: &str, after: Stamp, kept: Vec<(Stamp, Stamp)>) -> Self {
        Self {
            channel,
            me: me.to_owned(),
            after,
            oldest: after,
            part: Some(Part::History),
            cursor: None,
            pages: 0,
            size: PAGE,
            found: BTreeMap::new(),
            weight: 0,
            seen: BTreeSet::new(),
            kept,
            threads: Vec::new(),
            is_cut: false,
        }
    }

    /// The next page to ask for; `None` where everything is there.
    pub(super) fn request(&self) -> Option<(&'static str, Fields)> {
        let mut fields = vec![("channel", self.channel.clone())];
        let method = match self.part? {
            Part::History => "conversations.history",
            Part::Thread(root) => {
                fields.push(("ts", root.to_string()));
                "conversations.replies"
            }
        };
        fields.extend([("oldest", self.oldest.to_string()), ("limit", self.size.to_string())]);
        fields.extend(self.cursor.clone().map(|cursor| ("cursor", cursor)));
        Some((method, fields))
    }

    /// Takes a page.
    pub(super) fn take(&mut self, answer: Value) {
        let next = answer.pointer("/response_metadata/next_cursor").and_then(Value::as_str);
        let next = next.filter(|cursor| !cursor.is_empty()).map(str::to_owned);
        if let Value::Object(mut answer) = answer
            && let Some(Value::Array(messages)) = answer.remove("messages")
        {
            for message in messages {
                self.message(message);
            }
        }
        self.pages += 1;
        let most = if self.part == Some(Part::History) { PAGES } else { THREAD_PAGES };
        let is_full = self.pages >= most || self.weight >= WEIGHT;
        self.is_cut |= next.is_some() && is_full;
        self.cursor = next.filter(|_| !is_full);
        if self.cursor.is_none() {
            self.end_part();
        }
    }

    fn message(&mut self, message: Value) {
        let Value::Object(mut message) = message else { return };
        let text = |key: &str| message.get(key).and_then(Value::as_str);
        let at = Stamp::read(text("ts").unwrap_or_default());
        if self.part == Some(Part::History) {
            self.seen.insert(at);
            let is_mine = text("user") == Some(self.me.as_str());
            // What was said before it came in was not said to it.
            if is_mine && text("subtype").is_some_and(|subtype| JOINS.contains(&subtype)) {
                self.after = self.after.max(at);
            }
            if let Some(last) = latest_reply(&message, &self.me) {
                self.threads.push((last, at));
            }
        }
        // The first message of a thread always comes with it.
        if at <= self.after {
            return;
        }
        for key in NEEDLESS {
            message.remove(key);
        }
        let message = Value::Object(message);
        self.weight += message.to_string().len();
        self.found.insert(at, message);
    }

    /// Goes on with the next thread.
    fn end_part(&mut self) {
        if self.part == Some(Part::History) {
            let (after, seen) = (self.after, &self.seen);
            let unseen = self.kept.drain(..).filter(|(root, _)| !seen.contains(root));
            self.threads.retain(|(last, _)| *last > after);
            self.threads.extend(unseen.map(|(root, last)| (last, root)));
            self.threads.sort_unstable();
            self.is_cut |= self.threads.len() > THREADS;
            self.threads.drain(..self.threads.len().saturating_sub(THREADS));
        }
        self.next_part();
    }

    /// Leaves out the rest of what is being read.
    pub(super) fn next_part(&mut self) {
        self.part = self.threads.pop().map(|(_, root)| Part::Thread(root));
        (self.cursor, self.pages, self.oldest) = (None, 0, self.after);
        // What lies before the bot came in goes.
        let after = self.after;
        self.found.retain(|at, _| *at > after);
    }

    /// The thread that is being read.
    pub(super) fn thread(&self) -> Option<Stamp> {
        match self.part {
            Some(Part::Thread(root)) => Some(root),
            _ => None,
        }
    }

    /// Asks for fewer messages at once; whether that is possible.
    pub(super) fn shrink(&mut self) -> bool {
        self.size /= 2;
        self.size > 0
    }

    /// The oldest message that is left.
    pub(super) fn first(&self) -> Option<Stamp> {
        self.found.first_key_value().map(|(at, _)| *at)
    }

    /// The oldest messages that are left, as their events would tell of them.
    pub(super) fn payloads(&self, most: usize) -> Vec<Value> {
        let kind = thread::kind(&self.channel);
        let payload = |message: &Value| {
            let mut event = message.clone();
            event["type"] = "message".into();
            event["channel"] = self.channel.as_str().into();
            if let Some(kind) = &kind {
                event["channel_type"] = kind.as_str().into();
            }
            json!({ "type": "event_callback", "event": event })
        };
        self.found.values().take(most).map(payload).collect()
    }

    /// So many of them are done with; gives the last one.
    pub(super) fn pass(&mut self, count: usize) -> Option<Stamp> {
        (0..count).filter_map(|_| self.found.pop_first()).last().map(|(at, _)| at)
    }
}

/// When somebody else than the bot may have answered last in the thread of this message.
fn latest_reply(message: &Map<String, Value>, me: &str) -> Option<Stamp> {
    let last = message.get("latest_reply").and_then(Value::as_str)?;
    let is_mine = message
        .get("reply_users")
        .and_then(Value::as_array)
        .is_some_and(|users| matches!(users.as_slice(), [user] if user.as_str() == Some(me)));
    let count = message.get("reply_users_count").and_then(Value::as_u64);
    (!is_mine || count.is_some_and(|count| count > 1)).then(|| Stamp::read(last))
}

#[cfg(test)]
mod tests;
