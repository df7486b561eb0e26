//! What was done for a stranger a short while ago, so that a flood of messages costs a look into memory each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most that are kept in mind; when they are too many, all are forgotten, and the store decides.
const MOST: usize = 8192;

/// Accounts, with the moment until which they count as recent.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<HashMap<(String, String), Instant>>);

impl Recent {
    /// Whether this account is not recent; it is for `span` from now on.
    pub(super) fn first(&self, account: (&str, &str), now: Instant, span: Duration) -> bool {
        let mut until = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = own(account);
        if until.get(&key).is_some_and(|until| now < *until) {
            return false;
        }
        if until.len() >= MOST {
            until.retain(|_, until| now < *until);
        }
        if until.len() >= MOST {
            until.clear();
        }
        until.insert(key, now + span);
        true
    }

    pub(super) fn forget(&self, account: (&str, &str)) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&own(account));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

fn own((provider, user): (&str, &str)) -> (String, String) {
    (provider.to_owned(), user.to_owned())
}

#[cfg(test)]
mod tests {
    use openpact_model::clock::{Clock as _, SystemClock};

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn an_account_is_recent_until_its_time_is_over() {
        let (recent, now) = (Recent::default(), SystemClock.monotonic());
        assert!(recent.first(("a", "1"), now, HOUR));
        assert!(!recent.first(("a", "1"), now + Duration::from_nanos(3_599_999_999_999), HOUR));
        assert!(recent.first(("b", "1"), now, HOUR), "another provider is another account");
        assert!(recent.first(("a", "1"), now + HOUR, HOUR));
        recent.forget(("a", "1"));
        assert!(recent.first(("a", "1"), now + HOUR, HOUR));
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let (recent, now) = (Recent::default(), SystemClock.monotonic());
        for number in 0..MOST * 2 + 5 {
            recent.first(("a", &number.to_string()), now, HOUR);
            assert!(recent.len() <= MOST);
        }
    }
}
