//! The time. A fake of a server in the world has the world's clock.
#![expect(clippy::disallowed_methods, reason = "it stands for a server outside, whose clock no port sets")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now.
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// Seconds since 1970, as the API states times.
pub(crate) fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    i64::try_from(since).unwrap_or(i64::MAX)
}
