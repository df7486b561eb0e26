//! How often, how long, how much.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::rule::Rate;

/// Limits where neither rule nor caller states any.
pub const DEFAULT_TOTAL: Duration = Duration::from_mins(1);
/// The longest request body where the rule states none.
pub const DEFAULT_REQUEST_MAX: u64 = 10 << 20;
/// The longest answer, decoded, where the rule states none.
pub const DEFAULT_RESPONSE_MAX: u64 = 32 << 20;

/// The caller's own wishes. The shorter of a wish and the host's limit holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// To find the address, connect, and shake hands.
    pub connect: Option<Duration>,
    /// To wait for the head of the answer, connecting included.
    pub first_byte: Option<Duration>,
    /// To wait for each further piece of the answer.
    pub between_bytes: Option<Duration>,
    /// For the exchange from its start to the last byte of the answer.
    pub total: Option<Duration>,
}

/// The times that hold for one request: the shorter of the host's limit and the caller's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) connect: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) between_bytes: Duration,
    pub(crate) total: Duration,
}

impl Times {
    pub(crate) fn new(connect: Duration, rule: Option<Duration>, wished: Options) -> Self {
        let shorter = |own: Duration, wished: Option<Duration>| wished.map_or(own, |wished| wished.min(own));
        let total = shorter(rule.unwrap_or(DEFAULT_TOTAL), wished.total);
        Self {
            connect: shorter(connect, wished.connect),
            first_byte: shorter(total, wished.first_byte),
            between_bytes: shorter(total, wished.between_bytes),
            total,
        }
    }
}

/// A token bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    state: Mutex<Option<(f64, Instant)>>,
}

impl Bucket {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, state: Mutex::new(None) }
    }

    /// Takes one token, or says when there will be one.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Duration> {
        let (burst, per_second) = (f64::from(self.rate.burst), f64::from(self.rate.per_second));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, since) = state.unwrap_or((burst, now));
        let tokens = (tokens + now.saturating_duration_since(since).as_secs_f64() * per_second).min(burst);
        if tokens < 1.0 {
            *state = Some((tokens, now));
            return Err(Duration::from_secs_f64((1.0 - tokens) / per_second));
        }
        *state = Some((tokens - 1.0, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a bucket needs some instant to start from")]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let bucket = Bucket::new(Rate { per_second: 2, burst: 3 });
        let start = Instant::now();
        for _ in 0..3 {
            bucket.take(start).unwrap();
        }
        assert_eq!(bucket.take(start), Err(Duration::from_millis(500)));
        let later = start + Duration::from_millis(500);
        bucket.take(later).unwrap();
        assert!(bucket.take(later).is_err());
        // A long rest fills it to the burst and no further.
        let much_later = later + Duration::from_hours(1);
        for _ in 0..3 {
            bucket.take(much_later).unwrap();
        }
        assert!(bucket.take(much_later).is_err());
    }

    #[test]
    fn the_shorter_of_wish_and_limit_holds() {
        let second = Duration::from_secs;
        let wished = Options { connect: Some(second(1)), first_byte: Some(second(99)), ..Options::default() };
        let times = Times::new(second(10), Some(second(30)), wished);
        assert_eq!((times.connect, times.first_byte), (second(1), second(30)));
        assert_eq!((times.between_bytes, times.total), (second(30), second(30)));
        let wished = Options { total: Some(second(5)), ..Options::default() };
        assert_eq!(Times::new(second(10), None, wished).total, second(5));
        assert_eq!(Times::new(second(10), None, Options::default()).total, DEFAULT_TOTAL);
    }
}
