//! The threads in which the assistant takes part, and what is known of channels: kept, because the loop and every send
//! have an instance of their own.
//!
//! It takes part where it says something or is about to, which the host decides, and never because it was mentioned:
//! anybody can do that, and would make it listen to everybody else there.
//!
//! A key of a thread begins with its time, so that the oldest come first when room is needed.

use std::collections::BTreeMap;

use openpact_sdk::{kv, log};

use crate::stamp::Stamp;

/// Keys that make room at once.
const ROOM: u32 = 500;

/// How many people are remembered who mentioned it.
const PEOPLE: usize = 1_000;

/// A thread of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thread<'a> {
    /// The account that takes part.
    pub(crate) account: &'a str,
    /// The channel.
    pub(crate) channel: &'a str,
    /// The message that the thread grew from.
    pub(crate) root: &'a str,
}

impl Thread<'_> {
    fn key(self) -> String {
        format!("thread/{}/{}/{}", self.account, self.root, self.channel)
    }

    /// What is said here after this message is said to the assistant, if what was said before is not already.
    pub(crate) fn join(self, message: &str) {
        if self.is_joined() != Ok(true) {
            keep(&self.key(), message.as_bytes());
        }
    }

    /// Whether the assistant answered here, or is about to.
    pub(crate) fn is_joined(self) -> Result<bool, kv::Error> {
        kv::get(&self.key()).map(|value| value.is_some())
    }

    /// Behind which message what is said here is said to the assistant, where that is known.
    pub(crate) fn since(self) -> Option<Stamp> {
        let value = kv::get(&self.key()).ok().flatten()?;
        String::from_utf8(value).ok().map(|message| Stamp::read(&message))
    }
}

/// The thread in which each person mentioned the assistant last. Until it has answered there, what that person adds is
/// said to it too. What others say is not, and one person takes one place.
#[derive(Debug, Default)]
pub(crate) struct Mentions(BTreeMap<String, (String, String)>);

impl Mentions {
    /// The person mentioned it there.
    pub(crate) fn add(&mut self, person: &str, channel: &str, root: &str) {
        if self.0.len() >= PEOPLE && !self.0.contains_key(person) {
            self.0.clear();
        }
        self.0.insert(person.to_owned(), (channel.to_owned(), root.to_owned()));
    }

    /// Whether that is where the person mentioned it last.
    pub(crate) fn has(&self, person: &str, channel: &str, root: &str) -> bool {
        self.0.get(person).is_some_and(|at| at.0 == channel && at.1 == root)
    }
}

/// Keeps what kind of channel this is, as Slack names it.
pub(crate) fn keep_kind(channel: &str, kind: &str) {
    let key = format!("channel/{channel}");
    if kv::get(&key).ok().flatten().as_deref() != Some(kind.as_bytes()) {
        keep(&key, kind.as_bytes());
    }
}

/// What kind of channel this is, where it was told before.
pub(crate) fn kind(channel: &str) -> Option<String> {
    kv::get(&format!("channel/{channel}")).ok().flatten().and_then(|value| String::from_utf8(value).ok())
}

/// Sets a key; where there is no room the oldest threads go.
pub(crate) fn keep(key: &str, value: &[u8]) {
    let mut kept = kv::set(key, value);
    if kept == Err(kv::Error::OverQuota) {
        for old in kv::list_keys("thread/", None, ROOM).unwrap_or_default() {
            // What cannot be removed now is removed another time.
            let _ = kv::delete(&old);
        }
        kept = kv::set(key, value);
    }
    if let Err(error) = kept {
        log::warn(&format!("what was learnt of a channel or thread cannot be stored: {error:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_was_joined_is_known() {
        let thread = Thread { account: "U1", channel: "C1", root: "1.2" };
        assert_eq!((thread.is_joined(), thread.since()), (Ok(false), None));
        thread.join("1.5");
        thread.join("1.7");
        assert_eq!((thread.is_joined(), thread.since()), (Ok(true), Some(Stamp::read("1.5"))));
        for other in [
            Thread { account: "U2", ..thread },
            Thread { channel: "C2", ..thread },
            Thread { root: "1.3", ..thread },
        ] {
            assert_eq!(other.is_joined(), Ok(false));
        }
    }

    #[test]
    fn who_mentioned_it_is_known_by_the_last_place_and_so_many_are() {
        let mut mentions = Mentions::default();
        mentions.add("U1", "C1", "1.2");
        for (person, channel, root) in [("U2", "C1", "1.2"), ("U1", "C2", "1.2"), ("U1", "C1", "1.3")] {
            assert!(!mentions.has(person, channel, root), "{person} {channel} {root}");
        }
        mentions.add("U1", "C2", "1.4");
        assert!(mentions.has("U1", "C2", "1.4") && !mentions.has("U1", "C1", "1.2"));
        for person in 2..=PEOPLE {
            mentions.add(&format!("U{person}"), "C1", "1.2");
        }
        // Whoever is known takes no new place.
        mentions.add("U1", "C1", "1.2");
        assert!(mentions.has("U1", "C1", "1.2") && mentions.has("U2", "C1", "1.2"));
        mentions.add("one more", "C1", "1.2");
        assert!(mentions.has("one more", "C1", "1.2") && !mentions.has("U1", "C1", "1.2"));
    }

    #[test]
    fn the_kind_of_a_channel_is_the_last_one() {
        assert_eq!(kind("C1"), None);
        keep_kind("C1", "group");
        keep_kind("C1", "channel");
        assert_eq!(kind("C1").as_deref(), Some("channel"));
    }
}
