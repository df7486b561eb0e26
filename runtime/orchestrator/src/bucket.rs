//! Token buckets by key: so many at once, then so many a minute.
//!
//! Written here instead of taken from a crate (`governor` was looked at): something may need a place in several buckets
//! at once, and what finds one of them empty must not use up the others, which a keyed limiter of one state cannot do;
//! and the time comes from our clock.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use openpact_model::clock::Clock;

/// Above this many buckets, those that are full again are forgotten: they say nothing.
const MANY: usize = 1024;

/// How often they are looked for at most, unless their number doubles.
const SWEEP: Duration = Duration::from_secs(1);

/// A rate: so many at once, then so many a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At once; at least 1.
    pub burst: u32,
    /// A minute after that; at least 1.
    pub per_minute: u32,
}

/// Buckets. One that was never used is full.
pub(crate) struct Buckets<K> {
    clock: Arc<dyn Clock>,
    state: Mutex<State<K>>,
}

/// There was no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Empty {
    /// Which of the buckets is empty.
    pub(crate) index: usize,
    /// When there will be a place.
    pub(crate) wait: Duration,
    /// Whether this is the first time since that bucket was full.
    pub(crate) first: bool,
}

struct State<K> {
    levels: HashMap<K, Level>,
    swept: Instant,
    /// At this many it is swept at once.
    limit: usize,
}

/// How full a bucket was at a moment.
#[derive(Clone, Copy)]
struct Level {
    tokens: f64,
    at: Instant,
    rate: Rate,
    /// Whether somebody was told that it is empty.
    told: bool,
}

impl Rate {
    /// Whether anything can ever pass.
    pub(crate) fn passes(self) -> bool {
        self.burst > 0 && self.per_minute > 0
    }
}

impl<K: Hash + Eq> Buckets<K> {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let swept = clock.monotonic();
        Self { clock, state: Mutex::new(State { levels: HashMap::new(), swept, limit: MANY }) }
    }

    /// Takes a place in each of these, or in none.
    pub(crate) fn take<const N: usize>(&self, wanted: [(K, Rate); N]) -> Result<(), Empty> {
        self.take_at(self.clock.monotonic(), wanted)
    }

    /// The same for what happened at a time that may be past. The time of a bucket never goes back, so that what is
    /// told late fills no bucket twice.
    pub(crate) fn take_at<const N: usize>(&self, now: Instant, wanted: [(K, Rate); N]) -> Result<(), Empty> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.sweep(self.clock.monotonic());
        for (index, (key, rate)) in wanted.iter().enumerate() {
            if let Some(level) = state.levels.get_mut(key)
                && level.now(now) < 1.0
            {
                let missing = (1.0 - level.now(now)) * 60.0 / f64::from(rate.per_minute);
                let first = !std::mem::replace(&mut level.told, true);
                return Err(Empty { index, wait: Duration::from_secs_f64(missing), first });
            }
        }
        for (key, rate) in wanted {
            let burst = f64::from(rate.burst);
            let level =
                state.levels.entry(key).or_insert(Level { tokens: burst, at: now, rate, told: false });
            let tokens = level.now(now);
            let at = now.max(level.at);
            *level = Level { tokens: tokens - 1.0, at, rate, told: level.told && tokens < burst };
        }
        Ok(())
    }

    /// Gives a place in each of these back that was taken for nothing.
    pub(crate) fn give_back<const N: usize>(&self, keys: [K; N]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            if let Some(level) = state.levels.get_mut(&key) {
                level.tokens = (level.tokens + 1.0).min(f64::from(level.rate.burst));
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.state.lock().unwrap().levels.len()
    }
}

impl<K: Hash + Eq> State<K> {
    /// Forgets full buckets where there are many, seldom enough that it costs each user of them next to nothing.
    fn sweep(&mut self, now: Instant) {
        let count = self.levels.len();
        let due = count >= self.limit || now.saturating_duration_since(self.swept) >= SWEEP;
        if count < MANY || !due {
            return;
        }
        self.levels.retain(|_, level| level.now(now) < f64::from(level.rate.burst));
        self.levels.shrink_to(MANY.max(self.levels.len()));
        self.limit = MANY.max(self.levels.len() * 2);
        self.swept = now;
    }
}

impl Level {
    fn now(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        let filled = passed * f64::from(self.rate.per_minute) / 60.0;
        (self.tokens + filled).min(f64::from(self.rate.burst))
    }
}

impl Empty {
    /// The wait in whole seconds, after which there is a place for certain.
    pub(crate) fn seconds(self) -> u64 {
        self.wait.as_secs() + 1
    }
}
