//! Token buckets by key, for what is neither a tool call nor worth more than a number.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openpact_model::clock::Clock;

/// The most buckets. Who comes when they are all in use shares one with everybody else who does.
const MANY: usize = 1024;
/// How often those that are full again are looked for and forgotten, at most.
const SWEEP: Duration = Duration::from_secs(1);

/// A place, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// There is one.
    Free,
    /// There was one, and it was the last for now.
    Last,
    /// There is none.
    None,
}

/// Buckets of one size.
pub(crate) struct Buckets<K> {
    clock: Arc<dyn Clock>,
    burst: u32,
    /// The time after which one place more is free.
    every: Duration,
    levels: Mutex<Levels<K>>,
}

/// What was left in a bucket, and when.
type Level = (f64, Instant);

struct Levels<K> {
    of: HashMap<K, Level>,
    /// The one that those share for whom there is none.
    shared: Option<Level>,
    swept: Option<Instant>,
}

impl<K: Hash + Eq> Buckets<K> {
    pub(crate) fn new(clock: Arc<dyn Clock>, burst: u32, every: Duration) -> Self {
        let levels = Levels { of: HashMap::new(), shared: None, swept: None };
        Self { clock, burst, every, levels: Mutex::new(levels) }
    }

    pub(crate) fn take(&self, key: K) -> Place {
        let now = self.clock.monotonic();
        let full = f64::from(self.burst);
        let level = |(tokens, at): Level| {
            let passed = now.saturating_duration_since(at).as_secs_f64() / self.every.as_secs_f64();
            (tokens + passed).min(full)
        };
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let levels = &mut *levels;
        let is_new = !levels.of.contains_key(&key);
        let is_due = levels.swept.is_none_or(|at| now.saturating_duration_since(at) >= SWEEP);
        if is_new && levels.of.len() >= MANY && is_due {
            levels.swept = Some(now);
            levels.of.retain(|_, kept| level(*kept) < full);
        }
        let kept = if is_new && levels.of.len() >= MANY {
            levels.shared.get_or_insert((full, now))
        } else {
            levels.of.entry(key).or_insert((full, now))
        };
        let tokens = level(*kept);
        if tokens < 1.0 {
            *kept = (tokens, now);
            return Place::None;
        }
        *kept = (tokens - 1.0, now);
        if tokens < 2.0 { Place::Last } else { Place::Free }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use openpact_model::clock::SystemClock;

    use super::*;

    /// A clock that stands still until it is moved.
    struct Still(Instant, Mutex<Duration>);

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Instant {
            self.0 + *self.1.lock().unwrap()
        }

        fn zone(&self) -> TimeZone {
            TimeZone::UTC
        }
    }

    fn still() -> Arc<Still> {
        Arc::new(Still(SystemClock.monotonic(), Mutex::default()))
    }

    #[test]
    fn a_bucket_is_emptied_once_and_the_last_place_is_told() {
        let buckets = Buckets::new(Arc::new(SystemClock), 3, Duration::from_hours(1));
        let taken: Vec<_> = (0..5).map(|_| buckets.take("a")).collect();
        assert_eq!(taken, [Place::Free, Place::Free, Place::Last, Place::None, Place::None]);
        assert_eq!(buckets.take("b"), Place::Free);
    }

    #[test]
    fn there_are_only_so_many_buckets_and_the_rest_share_one() {
        let buckets = Buckets::new(still(), 3, Duration::from_hours(1));
        let taken: Vec<_> = (0..MANY + 5).map(|key| buckets.take(key)).collect();
        assert!(taken[..MANY].iter().all(|place| *place == Place::Free));
        let rest = [Place::Free, Place::Free, Place::Last, Place::None, Place::None];
        assert_eq!(taken[MANY..], rest, "one of them for all");
        assert_eq!(buckets.take(0), Place::Free, "who has one keeps it");
        assert_eq!(buckets.levels.lock().unwrap().of.len(), MANY);
    }

    #[test]
    fn full_buckets_are_forgotten_but_not_looked_for_all_the_time() {
        let clock = still();
        let forward = |by| *clock.1.lock().unwrap() += by;
        let buckets = Buckets::new(Arc::clone(&clock) as Arc<dyn Clock>, 1, Duration::from_millis(10));
        let count = || buckets.levels.lock().unwrap().of.len();
        for key in 0..=MANY {
            buckets.take(key);
        }
        forward(SWEEP.checked_sub(Duration::from_nanos(1)).unwrap());
        buckets.take(MANY + 1);
        assert_eq!(count(), MANY, "they were looked for a moment ago");
        forward(Duration::from_nanos(1));
        buckets.take(MANY + 2);
        assert_eq!(count(), 1);
    }
}
