//! How much a guest may write into the log: so much for a call, or so much in a time for one that runs for weeks.

use std::sync::Arc;

use openpact_model::clock::Clock;

use crate::bucket::Bucket;

/// Bytes of log for each second of a guest without an end.
const PER_SECOND: u64 = 1024;

/// What may still be written.
pub(crate) enum Allowance {
    /// So many bytes and no more.
    Once(usize),
    /// A stock that fills up again.
    Steady {
        bucket: Bucket,
        most: usize,
        clock: Arc<dyn Clock>,
        /// Whether nothing is taken until half of the stock is there again: cut lines in an endless row help nobody.
        muted: bool,
    },
}

impl Allowance {
    /// `most` bytes at once, and 1 KiB for each second.
    pub(crate) fn steady(most: usize, clock: Arc<dyn Clock>) -> Self {
        let bucket = Bucket::full(PER_SECOND, most as u64, clock.monotonic());
        Self::Steady { bucket, most, clock, muted: false }
    }

    /// The bytes that are left now.
    pub(crate) fn left(&mut self) -> usize {
        match self {
            Self::Once(left) => *left,
            Self::Steady { bucket, most, clock, muted } => {
                let left = usize::try_from(bucket.left(clock.monotonic())).unwrap_or(usize::MAX);
                *muted = *muted && left < *most / 2;
                if *muted { 0 } else { left }
            }
        }
    }

    /// Takes bytes off.
    pub(crate) fn spend(&mut self, bytes: usize) {
        match self {
            Self::Once(left) => *left = left.saturating_sub(bytes),
            Self::Steady { bucket, most: _, clock, muted } => {
                let now = clock.monotonic();
                let left = bucket.left(now);
                bucket.spend((bytes as u64).min(left), now);
                *muted = bytes as u64 >= left;
            }
        }
    }

    /// Whether what is written is kept for the end.
    pub(crate) fn keeps(&self) -> bool {
        matches!(self, Self::Once(_))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::{Duration, Instant};

    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use openpact_model::clock::SystemClock;

    use super::*;
    use crate::ledger::lock;

    /// A clock that goes on when it is told to.
    struct Stepping(Mutex<Instant>);

    impl Clock for Stepping {
        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Instant {
            *lock(&self.0)
        }

        fn zone(&self) -> TimeZone {
            TimeZone::UTC
        }
    }

    #[test]
    fn a_steady_allowance_is_used_up_and_comes_back_half_full() {
        let clock = Arc::new(Stepping(Mutex::new(SystemClock.monotonic())));
        let pass = |time| *lock(&clock.0) += time;
        let mut allowance = Allowance::steady(8192, Arc::clone(&clock) as Arc<dyn Clock>);
        assert!(!allowance.keeps() && Allowance::Once(1).keeps());
        allowance.spend(8191);
        assert_eq!(allowance.left(), 1);
        allowance.spend(100);
        assert_eq!(allowance.left(), 0);
        pass(Duration::from_secs(3));
        assert_eq!(allowance.left(), 0, "less than half is there");
        pass(Duration::from_secs(1));
        assert_eq!(allowance.left(), 4096);
        pass(Duration::from_hours(1000));
        assert_eq!(allowance.left(), 8192);
    }
}
