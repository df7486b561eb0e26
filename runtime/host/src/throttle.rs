//! The share of a processor that a receive loop gets. One that asks for more is made to wait, never ended: it runs for
//! weeks, and a busy hour is no fault.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use openpact_model::clock::Clock;

use crate::bucket::Bucket;
use crate::config::Share;
use crate::ledger::lock;
use crate::meter::Meter;

/// What has to be there before a loop that waited goes on, nanoseconds: less would only switch back and forth.
const QUANTUM: u64 = 10_000_000;

/// The processor time of an adapter's receive loop. It outlives the runs, so that ending and being started again gives
/// no fresh burst.
#[derive(Debug)]
pub(crate) struct Throttle(Mutex<Level>);

#[derive(Debug)]
struct Level {
    bucket: Bucket,
    used: Duration,
}

impl Throttle {
    pub(crate) fn new(share: Share, now: Instant) -> Self {
        let bucket = Bucket::full(nanos(share.per_second), nanos(share.burst), now);
        Self(Mutex::new(Level { bucket, used: Duration::ZERO }))
    }

    /// The processor time of all runs so far.
    pub(crate) fn used(&self) -> Duration {
        lock(&self.0).used
    }

    /// Takes `used` off, and tells how long the loop has to wait now.
    fn charge(&self, used: Duration, now: Instant) -> Option<Duration> {
        let mut level = lock(&self.0);
        level.used += used;
        level.bucket.spend(nanos(used), now);
        if level.bucket.left(now) > 0 { None } else { level.bucket.wait(QUANTUM, now) }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// One run, and what of its processor time has been taken off.
pub(crate) struct Account {
    throttle: Arc<Throttle>,
    meter: Arc<Meter>,
    clock: Arc<dyn Clock>,
    charged: Mutex<Duration>,
}

impl Account {
    pub(crate) fn open(throttle: Arc<Throttle>, meter: Arc<Meter>, clock: Arc<dyn Clock>) -> Self {
        Self { throttle, meter, clock, charged: Mutex::default() }
    }

    /// From the thread on which the guest runs: how long it has to wait.
    pub(crate) fn look(&self) -> Option<Duration> {
        self.settle(self.meter.running())
    }

    /// How long the run has to wait before it begins.
    pub(crate) fn begin(&self) -> Option<Duration> {
        self.settle(Duration::ZERO)
    }

    fn settle(&self, used: Duration) -> Option<Duration> {
        let mut charged = lock(&self.charged);
        let more = used.saturating_sub(*charged);
        *charged += more;
        self.throttle.charge(more, self.clock.monotonic())
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // What it used since it was looked at last.
        self.settle(self.meter.total());
    }
}

#[cfg(test)]
mod tests {
    use openpact_model::clock::SystemClock;

    use super::*;

    #[test]
    fn five_seconds_at_once_and_then_a_tenth() {
        let start = SystemClock.monotonic();
        let second = Duration::from_secs(1);
        let throttle = Throttle::new(Share { per_second: second / 10, burst: second * 5 }, start);
        for _ in 0..4 {
            assert_eq!(throttle.charge(second, start), None);
        }
        assert_eq!(throttle.charge(second, start), Some(Duration::from_millis(100)));
        assert_eq!(throttle.charge(Duration::ZERO, start + Duration::from_millis(100)), None);
        // A second of processor time costs ten.
        let over = throttle.charge(second, start + Duration::from_millis(100)).unwrap();
        assert_eq!(over, Duration::from_secs(10));
        assert_eq!(throttle.used(), Duration::from_secs(6));
    }
}
