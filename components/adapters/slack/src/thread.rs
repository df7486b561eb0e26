//! The threads in which the assistant takes part, and what is known of channels: kept, because the loop and every send
//! have an instance of their own.
//!
//! A key of a thread begins with its time, so that the oldest come first when room is needed.

use openpact_sdk::{kv, log};

/// Keys that make room at once.
const ROOM: u32 = 500;

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

    /// From now on what is said here is said to the assistant.
    pub(crate) fn join(self) {
        keep(&self.key(), b"");
    }

    /// Whether the assistant answered here, or was mentioned.
    pub(crate) fn is_joined(self) -> Result<bool, kv::Error> {
        kv::get(&self.key()).map(|value| value.is_some())
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
fn keep(key: &str, value: &[u8]) {
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
        assert_eq!(thread.is_joined(), Ok(false));
        thread.join();
        assert_eq!(thread.is_joined(), Ok(true));
        for other in [
            Thread { account: "U2", ..thread },
            Thread { channel: "C2", ..thread },
            Thread { root: "1.3", ..thread },
        ] {
            assert_eq!(other.is_joined(), Ok(false));
        }
    }

    #[test]
    fn the_kind_of_a_channel_is_the_last_one() {
        assert_eq!(kind("C1"), None);
        keep_kind("C1", "group");
        keep_kind("C1", "channel");
        assert_eq!(kind("C1").as_deref(), Some("channel"));
    }
}
