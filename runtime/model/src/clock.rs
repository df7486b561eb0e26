//! The clock, injected so that tests can set it.

use std::time::{Duration, Instant};

use jiff::{Timestamp, Zoned, tz::TimeZone};

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time of day, UTC; may jump when an administrator sets the clock.
    fn now(&self) -> Timestamp;

    /// A point on a clock that never goes backwards; only differences mean anything.
    fn monotonic(&self) -> Instant;

    /// The time zone of this machine, for the date that people see.
    fn zone(&self) -> TimeZone;

    /// The local date and time.
    fn local(&self) -> Zoned {
        self.now().to_zoned(self.zone())
    }

    /// The time since `start`, which came from [`Clock::monotonic`].
    fn since(&self, start: Instant) -> Duration {
        self.monotonic().saturating_duration_since(start)
    }
}

/// The system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the monotonic clock")]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }

    fn zone(&self) -> TimeZone {
        TimeZone::system()
    }
}
