//! A token bucket: so much for each second, and a stock for bursts.

use std::time::{Duration, Instant};

/// Parts of a token that are counted: what one nanosecond brings is `per_second` of them.
const PARTS: i128 = 1_000_000_000;

/// A bucket that starts full. The times that it is given come from one monotonic clock.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_second: i128,
    most: i128,
    /// May lie below zero: what was used before it could be refused is paid back.
    level: i128,
    at: Instant,
}

impl Bucket {
    /// `per_second` tokens come in each second, and at most `most` are kept.
    pub(crate) fn full(per_second: u64, most: u64, now: Instant) -> Self {
        let most = i128::from(most) * PARTS;
        Self { per_second: i128::from(per_second.max(1)), most, level: most, at: now }
    }

    /// Takes tokens that are used already.
    pub(crate) fn spend(&mut self, tokens: u64, now: Instant) {
        self.refill(now);
        self.level -= i128::from(tokens) * PARTS;
    }

    /// Takes a token if one is there; else tells how long until one is.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        match self.wait(1, now) {
            None => {
                self.level -= PARTS;
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }

    /// The whole tokens that are there.
    pub(crate) fn left(&mut self, now: Instant) -> u64 {
        self.refill(now);
        u64::try_from(self.level / PARTS).unwrap_or_default()
    }

    /// How long until `tokens` are there; `None` where they are.
    pub(crate) fn wait(&mut self, tokens: u64, now: Instant) -> Option<Duration> {
        self.refill(now);
        let missing = i128::from(tokens) * PARTS - self.level;
        let nanos = (missing + self.per_second - 1).div_euclid(self.per_second);
        (missing > 0).then(|| Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at);
        self.at = self.at.max(now);
        let nanos = i128::try_from(elapsed.as_nanos()).unwrap_or(i128::MAX);
        self.level = self.level.saturating_add(nanos.saturating_mul(self.per_second)).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use openpact_model::clock::{Clock as _, SystemClock};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_followed_by_the_rate() {
        let start = SystemClock.monotonic();
        let mut bucket = Bucket::full(10, 3, start);
        for _ in 0..3 {
            assert_eq!(bucket.take(start), Ok(()));
        }
        assert_eq!(bucket.take(start), Err(Duration::from_millis(100)));
        let almost = start + Duration::from_nanos(99_999_999);
        assert_eq!(bucket.take(almost), Err(Duration::from_nanos(1)));
        assert_eq!(bucket.take(start + Duration::from_millis(100)), Ok(()));
        assert_eq!(bucket.left(start + SECOND * 1000), 3, "no more than the stock is kept");
    }

    #[test]
    fn what_was_used_is_paid_back() {
        let start = SystemClock.monotonic();
        let mut bucket = Bucket::full(10, 5, start);
        bucket.spend(25, start);
        assert_eq!(bucket.left(start), 0);
        assert_eq!(bucket.wait(1, start), Some(Duration::from_millis(2100)));
        assert_eq!(bucket.wait(1, start + SECOND * 2), Some(Duration::from_millis(100)));
        assert_eq!(bucket.wait(1, start + Duration::from_millis(2100)), None);
    }

    #[test]
    fn many_short_times_count_as_much_as_a_long_one() {
        let start = SystemClock.monotonic();
        let mut bucket = Bucket::full(3, 10, start);
        bucket.spend(10, start);
        for step in 1..=1_000_000 {
            bucket.left(start + Duration::from_micros(step));
        }
        assert_eq!(bucket.left(start + SECOND), 3);
    }
}
