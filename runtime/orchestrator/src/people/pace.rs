//! How often people may write.

use std::time::Instant;

use openpact_model::role::Role;

use super::{People, Shared, Who, Whose};
use crate::Error;
use crate::bucket::Rate;

/// How often people may write: of one person and of one channel, a message needs a place in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// One owner or member, over all of their accounts.
    pub person: Rate,
    /// One guest.
    pub guest: Rate,
    /// All together in one channel, its threads included.
    pub channel: Rate,
}

/// Whether a message may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pace {
    /// It may.
    Fine,
    /// It is to be dropped.
    TooFast {
        /// What to tell the sender: once, until they or the channel have been quiet for long enough to write at full
        /// speed again.
        told: Option<String>,
    },
}

/// Whose bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Person(Whose),
    Channel { provider: String, channel: String },
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            person: Rate { burst: 10, per_minute: 20 },
            guest: Rate { burst: 5, per_minute: 5 },
            channel: Rate { burst: 30, per_minute: 60 },
        }
    }
}

impl Rates {
    pub(super) fn check(&self) -> Result<(), Error> {
        let named = [("person", self.person), ("guest", self.guest), ("channel", self.channel)];
        match named.into_iter().find(|(_, rate)| !rate.passes()) {
            Some((name, _)) => {
                Err(Error::People { why: format!("the rate '{name}' must let at least one message pass") })
            }
            None => Ok(()),
        }
    }
}

impl People {
    /// Takes a place for one message of somebody who was admitted with that role. What is refused uses nothing up.
    pub fn take(&self, who: &Who<'_>, role: Role) -> Pace {
        self.take_at(who, role, self.shared.clock.monotonic())
    }

    /// The same for a message that was written then: what comes late, because nobody could fetch it, was not written
    /// all at once.
    pub(crate) fn take_at(&self, who: &Who<'_>, role: Role, at: Instant) -> Pace {
        let rates = self.shared.rules().rates;
        let person = if role == Role::Guest { rates.guest } else { rates.person };
        let [by, within] = self.shared.keys(who);
        let Err(empty) = self.shared.pace.take_at(at, [(by, person), (within, rates.channel)]) else {
            return Pace::Fine;
        };
        let (kind, subject, rate) = match empty.index {
            0 => ("person", "You write", person),
            _ => ("channel", "This channel writes", rates.channel),
        };
        metrics::counter!("openpact_rate_limited_total", "kind" => kind).increment(1);
        let told = empty.first.then(|| {
            format!(
                "{subject} faster than I can answer (at most {} messages a minute). What comes in the next {} s is not \
                 answered; this was not, either.",
                rate.per_minute,
                empty.seconds(),
            )
        });
        Pace::TooFast { told }
    }

    /// Gives the place back that a message took which turned out to have come before.
    pub(crate) fn give_back(&self, who: &Who<'_>) {
        self.shared.pace.give_back(self.shared.keys(who));
    }
}

impl Shared {
    fn keys(&self, who: &Who<'_>) -> [Key; 2] {
        let by = Key::Person(self.whose(who.provider, who.user));
        let (provider, channel) = (who.provider.to_owned(), who.channel.channel.clone());
        [by, Key::Channel { provider, channel }]
    }
}
