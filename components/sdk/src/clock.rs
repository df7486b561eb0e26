//! The time, as the host tells it.

use std::time::{Duration, Instant};

/// The time since 1970-01-01T00:00:00Z; zero where the host's clock stands before that.
#[expect(clippy::disallowed_methods, reason = "this module owns the clock of a component")]
pub fn now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// A clock that only goes forward, to measure how long something takes.
#[expect(clippy::disallowed_methods, reason = "this module owns the clock of a component")]
pub fn monotonic() -> Instant {
    Instant::now()
}
