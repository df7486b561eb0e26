//! Times, in the forms in which the API states them.

use std::time::SystemTime;

pub(crate) use openpact_fake_kit::clock::now;
use openpact_fake_kit::clock::since_epoch;

/// Seconds since 1970, with their fraction, as the API states ends of rate limits.
pub(crate) fn seconds(time: SystemTime) -> f64 {
    since_epoch(time).as_secs_f64()
}

/// Milliseconds since 1970, as ids hold them.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    u64::try_from(since_epoch(time).as_millis()).unwrap_or(u64::MAX)
}

/// The form in which the API states times.
pub(crate) fn stamp(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}
