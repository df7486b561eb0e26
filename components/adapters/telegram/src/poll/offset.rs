//! How far the updates were received, over a restart.

use std::time::Duration;

use openpact_sdk::{clock, kv, log};

/// How often the adapter may die of one update before it is passed.
pub(super) const DEATHS: u32 = 3;
/// The most updates of one poll, which is the most that there are.
pub(super) const LIMIT: u8 = 100;
/// After a week without updates Telegram begins with another number (Bot API, `Update`): an offset from before it could
/// acknowledge what nobody has seen.
const LIFE: Duration = Duration::from_hours(6 * 24);

/// How far the updates of an account were received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offset {
    key: String,
    /// The number of the next update.
    pub(super) next: Option<u64>,
    /// When the last one was received, since 1970.
    at: Duration,
    /// How often the next one was begun without an end.
    tries: u32,
}

impl Offset {
    /// What was stored for this account.
    pub(crate) fn load(account: &str) -> Self {
        let key = format!("offset/{account}");
        let stored = kv::get(&key).unwrap_or_else(|error| {
            // Telegram then sends again what it holds; the host has it already.
            log::warn(&format!("the offset cannot be read: {error:?}"));
            None
        });
        match stored.and_then(|bytes| read(&bytes)) {
            Some((next, at, tries)) => Self { key, next: Some(next), at: Duration::from_secs(at), tries },
            None => Self { key, next: None, at: Duration::ZERO, tries: 0 },
        }
    }

    /// Keeps that this update is about to be read, and that all before it are passed. `false` for one of which the
    /// adapter died too often: it is not to be read.
    #[must_use]
    pub(super) fn begin(&mut self, update: u64) -> bool {
        let deaths = if self.next == Some(update) { self.tries } else { 0 };
        let may_be_read = deaths < DEATHS;
        if may_be_read {
            self.keep(update, deaths + 1);
        }
        may_be_read
    }

    /// The update was read and not taken, which is no fault of its own.
    pub(super) fn put_back(&mut self) {
        if let Some(next) = self.next {
            self.keep(next, 0);
        }
    }

    /// The update is done with.
    pub(super) fn pass(&mut self, update: u64) {
        self.keep(update + 1, 0);
    }

    fn keep(&mut self, next: u64, tries: u32) {
        (self.next, self.at, self.tries) = (Some(next), clock::now(), tries);
        let value = format!("{next} {} {tries}", self.at.as_secs());
        if let Err(error) = kv::set(&self.key, value.as_bytes()) {
            log::warn(&format!("the offset cannot be stored: {error:?}"));
        }
    }

    /// How many updates the next poll may bring: where the adapter died, only the one of which it may have been.
    pub(super) fn limit(&self) -> u8 {
        if self.tries > 0 { 1 } else { LIMIT }
    }

    /// The number of the next update, where it is not too old to be trusted.
    pub(super) fn fresh_number(&self) -> Option<u64> {
        self.next.filter(|_| clock::now().saturating_sub(self.at) < LIFE)
    }

    /// What the next poll states; nothing where it is too old to be trusted.
    pub(super) fn fresh(&self) -> Option<i32> {
        self.fresh_number().and_then(|next| i32::try_from(next).ok())
    }
}

fn read(stored: &[u8]) -> Option<(u64, u64, u32)> {
    let mut numbers = std::str::from_utf8(stored).ok()?.split(' ');
    let read = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    numbers.next().is_none().then_some(read)
}
