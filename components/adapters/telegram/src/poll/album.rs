//! Albums in the stream of updates.
//!
//! Telegram gives the parts of an album one by one and never says how many there are. So the updates from the first part
//! on are not acknowledged until a poll brought no further part, or there can be none, or it took too long; then all parts
//! are one event. Which updates it is made of is kept before it is delivered: when it is delivered again after a death it
//! is the same event of the same parts, and what came later is one of its own.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use openpact_sdk::{kv, log};
use teloxide_core::types::Message;

use crate::event::{Album, Raw};

/// The most parts of an album (Bot API, `sendMediaGroup`).
const MOST: usize = 10;
/// How long to wait for a further part: they come within about a second.
pub(super) const WAIT: Duration = Duration::from_secs(1);
/// How often to wait at most, while there are further ones each time.
const WAITS: u32 = 5;
/// Albums whose messages are kept in memory, for changes of their captions.
const KEPT: usize = 16;

/// The albums of an account.
#[derive(Debug)]
pub(crate) struct Albums {
    key: String,
    /// Those of which the parts are decided on, as long as one of these is not passed. This survives a death.
    decided: Vec<Decided>,
    /// Those that are waited for, by the number of their first update.
    awaited: BTreeMap<u64, Awaited>,
    /// The last ones that were delivered, with their messages.
    kept: VecDeque<Kept>,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Decided {
    album: Album,
    /// The numbers of the updates, in order.
    updates: Vec<u64>,
}

#[derive(Debug)]
struct Awaited {
    /// How many parts there were with the last poll.
    parts: usize,
    /// How often it was waited for.
    waits: u32,
}

#[derive(Debug)]
struct Kept {
    album: Album,
    parts: Vec<Message>,
}

/// What is to be done with an update.
#[derive(Debug)]
pub(super) enum Turn<'a> {
    /// It is delivered together with these; it is the first of them.
    Deliver(Vec<&'a Raw>),
    /// It was delivered with the first part of its album.
    Passed,
    /// There may be further parts of its album: the next poll brings them, and this one again.
    Wait,
}

impl Albums {
    /// What was decided for this account.
    pub(crate) fn load(account: &str) -> Self {
        let key = format!("albums/{account}");
        let stored = kv::get(&key).unwrap_or_else(|error| {
            log::warn(&format!("what was decided of albums cannot be read: {error:?}"));
            None
        });
        let decided = stored.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { key, decided, awaited: BTreeMap::new(), kept: VecDeque::new() }
    }

    /// What is to be done with an update, which is the first of these that came.
    pub(super) fn turn<'a>(&mut self, update: &'a Raw, updates: &'a [Raw]) -> Turn<'a> {
        let Some(album) = update.album.as_ref().filter(|_| !update.is_edit()) else {
            return Turn::Deliver(vec![update]);
        };
        if let Some(decided) = self.decision(album, update.id) {
            let is_part = |other: &&Raw| decided.updates.contains(&other.id) && is_part(other, album);
            let parts = updates.iter().filter(is_part).collect();
            let is_first = decided.updates.first() == Some(&update.id);
            return if is_first { Turn::Deliver(parts) } else { Turn::Passed };
        }
        let parts = self.parts(updates, album);
        let awaited = self.awaited.get(&update.id);
        let is_whole = parts.len() == MOST
            || awaited.is_some_and(|awaited| awaited.parts == parts.len() || awaited.waits >= WAITS);
        if !is_whole {
            self.wait(updates);
            return Turn::Wait;
        }
        self.decide(album, &parts);
        Turn::Deliver(parts)
    }

    /// Whether the next poll has to bring everything that there is, since it is about an album.
    pub(super) fn need_all(&self, next: Option<u64>) -> bool {
        let is_open = |decided: &Decided| decided.updates.last().copied() >= next;
        !self.awaited.is_empty() || self.decided.iter().any(is_open)
    }

    /// Everything that came was done with.
    pub(super) fn rest(&mut self) {
        self.awaited.clear();
    }

    fn decision(&self, album: &Album, update: u64) -> Option<&Decided> {
        self.decided.iter().find(|decided| decided.album == *album && decided.updates.contains(&update))
    }

    /// The parts of an album among these that nothing was decided about.
    fn parts<'a>(&self, updates: &'a [Raw], album: &Album) -> Vec<&'a Raw> {
        let is_new = |other: &&Raw| is_part(other, album) && self.decision(album, other.id).is_none();
        updates.iter().filter(is_new).take(MOST).collect()
    }

    /// Notes all albums among these, so that one wait is enough for all of them.
    fn wait(&mut self, updates: &[Raw]) {
        let before = std::mem::take(&mut self.awaited);
        let mut noted: Vec<u64> = vec![];
        for (index, update) in updates.iter().enumerate() {
            let Some(album) = update.album.as_ref().filter(|_| !update.is_edit()) else { continue };
            if noted.contains(&update.id) || self.decision(album, update.id).is_some() {
                continue;
            }
            let parts = self.parts(&updates[index..], album);
            noted.extend(parts.iter().map(|part| part.id));
            let waits = before.get(&update.id).map_or(0, |awaited| awaited.waits) + 1;
            self.awaited.insert(update.id, Awaited { parts: parts.len(), waits });
        }
    }

    fn decide(&mut self, album: &Album, parts: &[&Raw]) {
        let updates: Vec<u64> = parts.iter().map(|part| part.id).collect();
        let first = updates.first().copied();
        self.decided.retain(|decided| decided.updates.last().copied() >= first);
        self.decided.push(Decided { album: album.clone(), updates });
        let stored = serde_json::to_vec(&self.decided).unwrap_or_default();
        if let Err(error) = kv::set(&self.key, &stored) {
            log::warn(&format!("what was decided of albums cannot be stored: {error:?}"));
        }
    }

    /// The messages of this album that were delivered and are still known.
    pub(super) fn known(&self, album: &Album) -> Vec<Message> {
        let kept = self.kept.iter().filter(|kept| kept.album == *album);
        kept.flat_map(|kept| kept.parts.iter().cloned()).collect()
    }

    /// Keeps the messages of one event.
    pub(super) fn keep(&mut self, album: &Album, parts: Vec<Message>) {
        let first = |parts: &[Message]| parts.first().map(|part| part.id);
        self.kept.retain(|kept| kept.album != *album || first(&kept.parts) != first(&parts));
        self.kept.push_front(Kept { album: album.clone(), parts });
        self.kept.truncate(KEPT);
    }

    /// Takes in how a message is now; gives all parts of its event where they are still known.
    pub(super) fn change(&mut self, album: &Album, message: &Message) -> Option<&[Message]> {
        let mut kept = self.kept.iter_mut().filter(|kept| kept.album == *album);
        let (parts, index) = kept.find_map(|kept| {
            let index = kept.parts.iter().position(|part| part.id == message.id)?;
            Some((&mut kept.parts, index))
        })?;
        parts[index] = message.clone();
        Some(parts)
    }
}

fn is_part(update: &Raw, album: &Album) -> bool {
    update.album.as_ref() == Some(album) && !update.is_edit()
}
