//! A time of Slack's, such as `1700000000.000100`: it names a message in its conversation, and later ones are larger.

use std::fmt;
use std::time::Duration;

use openpact_sdk::clock;

/// Microseconds in a second.
const SECOND: u64 = 1_000_000;

/// A time, in microseconds since 1970; that of nonsense is 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub(crate) struct Stamp(u64);

impl Stamp {
    /// Reads it as Slack writes it.
    pub(crate) fn read(ts: &str) -> Self {
        let (seconds, rest) = ts.split_once('.').unwrap_or((ts, ""));
        let digits: String =
            rest.chars().filter(char::is_ascii_digit).chain("000000".chars()).take(6).collect();
        let seconds: u64 = seconds.parse().unwrap_or(0);
        Self(seconds.saturating_mul(SECOND).saturating_add(digits.parse().unwrap_or(0)))
    }

    /// What the clock of this machine says.
    pub(crate) fn now() -> Self {
        Self(u64::try_from(clock::now().as_micros()).unwrap_or(u64::MAX))
    }

    /// So long before.
    pub(crate) fn before(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// As Slack writes it.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / SECOND, self.0 % SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_it_was_read() {
        for (written, again) in [
            ("1700000000.000100", "1700000000.000100"),
            ("1.2", "1.200000"),
            ("5", "5.000000"),
            ("x", "0.000000"),
            ("1.12345678", "1.123456"),
            ("99999999999999999999.0", "0.000000"),
        ] {
            assert_eq!(Stamp::read(written).to_string(), again, "{written}");
        }
        assert!(Stamp::read("1.2") < Stamp::read("1.200001"));
        assert_eq!(Stamp::read("61.5").before(Duration::from_mins(1)), Stamp::read("1.5"));
        assert_eq!(Stamp::read("1.5").before(Duration::from_mins(1)), Stamp::default());
    }
}
