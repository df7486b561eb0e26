//! How far everything was received. It is kept in one value, which is small, so that all of it is of one moment.

use std::collections::BTreeMap;
use std::time::Duration;

use openpact_sdk::serde_json::{self, json};
use openpact_sdk::{kv, log};

use crate::stamp::Stamp;
use crate::thread;

/// Slack sends what was not acknowledged again for so long at most: only what is older than that is done with when
/// something newer came.
const LAG: Duration = Duration::from_mins(10);
/// What is older is not answered any more.
const OLDEST: Duration = Duration::from_hours(24);
/// How many conversations are known, those in which something was said last.
const CONVERSATIONS: usize = 1_000;
/// How many threads, those in which the assistant was spoken to last.
const THREADS: usize = 100;

/// What is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub(super) struct Marks {
    /// Whatever was said until then is stored, or was given up; conversations that are behind aside.
    done: Stamp,
    /// The conversations, and when something was said there last.
    known: BTreeMap<String, Stamp>,
    /// Those in which later things may have been missed, and until when everything is done with there.
    behind: BTreeMap<String, Stamp>,
    threads: Vec<Place>,
    /// Since when the settings name these channels and bots.
    named: BTreeMap<String, Stamp>,
    trial: Option<Trial>,
}

/// A thread in which the assistant was spoken to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Place {
    channel: String,
    root: Stamp,
    /// When somebody spoke to it there last.
    last: Stamp,
}

/// A message that is about to be delivered with those behind it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Trial {
    channel: String,
    first: Stamp,
    /// How often it came to that.
    times: u32,
}

impl Marks {
    /// What was kept for an account, with the channels and bots that the settings name now.
    pub(super) fn load<'a>(account: &str, named: impl IntoIterator<Item = &'a String>) -> Self {
        let kept = kv::get(&key(account)).unwrap_or_else(|error| {
            log::warn(&format!("what was received last cannot be read: {error:?}"));
            None
        });
        let kept = kept.and_then(|value| serde_json::from_slice(&value).ok());
        let mut marks: Self = kept.unwrap_or_default();
        let since = |id: &String| marks.named.get(id).copied().unwrap_or_else(Stamp::now);
        let named = named.into_iter().map(|id| (id.clone(), since(id))).collect();
        if marks.named != named {
            marks.named = named;
            marks.save(account);
        }
        marks
    }

    /// Keeps it.
    pub(super) fn save(&self, account: &str) {
        thread::keep(&key(account), json!(self).to_string().as_bytes());
    }

    /// Something was said; whether nothing was said in that conversation before.
    pub(super) fn heard(&mut self, channel: &str, at: Stamp) -> bool {
        let earlier = self.done;
        self.done = self.done.max(at.before(LAG));
        if let Some(last) = self.known.get_mut(channel) {
            *last = at.max(*last);
            return false;
        }
        self.known.insert(channel.to_owned(), at);
        // It may be that it was spoken to there before, and nobody listened.
        if earlier > Stamp::default() {
            self.behind.insert(channel.to_owned(), earlier);
        }
        if self.known.len() > CONVERSATIONS
            && let Some(oldest) = self.known.iter().min_by_key(|(_, last)| **last)
        {
            let oldest = oldest.0.clone();
            self.forget(&oldest);
        }
        true
    }

    /// Somebody spoke to the assistant in a thread; whether only this mark tells of it.
    pub(super) fn spoke(&mut self, channel: &str, root: Stamp, at: Stamp) -> bool {
        let found = self.threads.iter_mut().find(|place| place.channel == channel && place.root == root);
        if let Some(place) = found {
            place.last = at.max(place.last);
            return false;
        }
        self.threads.push(Place { channel: channel.to_owned(), root, last: at });
        self.threads.sort_by_key(|place| place.last);
        self.threads.drain(..self.threads.len().saturating_sub(THREADS));
        // The history of the conversation has those that are newer.
        root <= self.done
    }

    /// Something may have been missed everywhere. Gives the conversations, those first that are furthest behind, and of
    /// them those in which something was said last.
    pub(super) fn fall_behind(&mut self) -> Vec<String> {
        for channel in self.known.keys() {
            self.behind.entry(channel.clone()).or_insert(self.done);
        }
        let mut channels: Vec<_> = self.known.iter().collect();
        channels.sort_by_key(|(channel, last)| (self.behind[*channel], std::cmp::Reverse(**last)));
        channels.into_iter().map(|(channel, _)| channel.clone()).collect()
    }

    /// Something may have been missed there.
    pub(super) fn fall_behind_in(&mut self, channel: &str) {
        self.behind.entry(channel.to_owned()).or_insert(self.done);
    }

    /// Behind which message something may have been missed there, that is still answered; `None` where nothing was.
    pub(super) fn after(&self, channel: &str) -> Option<Stamp> {
        self.behind.get(channel).map(|after| Stamp::now().before(OLDEST).max(*after))
    }

    /// Everything until then is done with there.
    pub(super) fn advance(&mut self, channel: &str, to: Stamp) {
        if let Some(after) = self.behind.get_mut(channel) {
            *after = to.max(*after);
        }
    }

    /// Everything is done with there.
    pub(super) fn caught_up(&mut self, channel: &str) {
        self.behind.remove(channel);
    }

    /// Nothing can be read there.
    pub(super) fn forget(&mut self, channel: &str) {
        self.known.remove(channel);
        self.behind.remove(channel);
        self.threads.retain(|place| place.channel != channel);
    }

    /// The threads of a conversation in which the assistant was spoken to lately, and when.
    pub(super) fn threads(&self, channel: &str) -> Vec<(Stamp, Stamp)> {
        let oldest = Stamp::now().before(OLDEST);
        let of_it = self.threads.iter().filter(|place| place.channel == channel && place.last >= oldest);
        of_it.map(|place| (place.root, place.last)).collect()
    }

    /// There is no such thread.
    pub(super) fn forget_thread(&mut self, channel: &str, root: Stamp) {
        self.threads.retain(|place| place.channel != channel || place.root != root);
    }

    /// Whether the settings named this channel or bot when that was said.
    pub(super) fn was_named(&self, id: &str, at: Stamp) -> bool {
        self.named.get(id).is_some_and(|since| *since < at)
    }

    /// A message is about to be delivered; says how often it came to that without coming to its end.
    pub(super) fn begin_trial(&mut self, channel: &str, first: Stamp) -> u32 {
        let same = self.trial.take().filter(|trial| trial.channel == channel && trial.first == first);
        let times = same.map_or(1, |trial| trial.times.saturating_add(1));
        self.trial = Some(Trial { channel: channel.to_owned(), first, times });
        times
    }

    /// It came to its end.
    pub(super) fn end_trial(&mut self) {
        self.trial = None;
    }
}

fn key(account: &str) -> String {
    format!("missed/{account}")
}

#[cfg(test)]
mod tests;
