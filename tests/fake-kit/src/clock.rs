//! The time. A fake of a server in the world has the world's clock.
#![expect(clippy::disallowed_methods, reason = "it stands for a server outside, whose clock no port sets")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now.
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// The time since 1970.
pub fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

/// Whole seconds since 1970.
pub fn seconds(time: SystemTime) -> i64 {
    i64::try_from(since_epoch(time).as_secs()).unwrap_or(i64::MAX)
}
