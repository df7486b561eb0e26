//! How a component fares: what it used, which limits it met, and how it failed last.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::tool::Limit;

/// How a component has fared since the program started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Calls that are over, functions of an adapter included.
    pub calls: u64,
    /// Those of them that broke, met a limit or were lost.
    pub failed: u64,
    /// Processor time of all of them, milliseconds.
    pub cpu_ms: u64,
    /// The limits that were met, the latest first.
    pub limits: Vec<Reached>,
    /// The last call that failed, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
}

/// A limit that was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// Which.
    pub limit: Limit,
    /// Its value when it was met last, in the unit of [`Limit`].
    pub value: u64,
    /// How many calls met it.
    pub times: u64,
    /// When one met it last.
    pub last: Timestamp,
}

/// How a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastFailure {
    /// The stable word of [`crate::tool::ToolFailure::code`].
    pub code: String,
    /// What the caller was told, one line.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

impl Reached {
    /// Such as "memory 64 MiB (3 times, last 2 minutes ago)".
    pub fn sentence(&self, now: Timestamp) -> String {
        let times = if self.times == 1 { "once".to_owned() } else { format!("{} times", self.times) };
        let (word, amount) = (self.limit.word(), self.limit.amount(self.value));
        format!("{word} {amount} ({times}, last {})", ago(self.last, now))
    }
}

/// How long ago, in the largest unit that fits.
fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second());
    let (number, unit) = match seconds {
        ..1 => return "just now".to_owned(),
        1..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{} ago", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_told_with_its_value_how_often_and_when() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let check = |limit, value, times, seconds_ago: i64| {
            let last = Timestamp::from_second(1_000_000 - seconds_ago).unwrap();
            Reached { limit, value, times, last }.sentence(now)
        };
        assert_eq!(check(Limit::Memory, 64 << 20, 3, 130), "memory 64 MiB (3 times, last 2 minutes ago)");
        assert_eq!(check(Limit::Time, 30_000, 1, 0), "time 30 s (once, last just now)");
        assert_eq!(check(Limit::Cpu, 150, 2, 1), "cpu 150 ms (2 times, last 1 second ago)");
        assert_eq!(check(Limit::Queue, 64, 1, 7200), "queue 64 (once, last 2 hours ago)");
        assert_eq!(check(Limit::Files, 1000, 1, 90_000), "files 1000 bytes (once, last 1 day ago)");
        assert_eq!(
            check(Limit::Time, 1, 1, -50),
            "time 1 ms (once, last just now)",
            "a clock that was set back"
        );
    }

    #[test]
    fn it_travels_as_json() {
        let at = Timestamp::from_second(1_000_000).unwrap();
        let reached = Reached { limit: Limit::Hostcall, value: 8 << 20, times: 1, last: at };
        let last_failure = Some(LastFailure { code: "broken".into(), why: "x".into(), at });
        let health = Health { calls: 2, failed: 1, cpu_ms: 3, limits: vec![reached], last_failure };
        let json = serde_json::to_string(&health).unwrap();
        assert!(json.contains("\"hostcall\""), "{json}");
        assert_eq!(serde_json::from_str::<Health>(&json).unwrap(), health);
    }
}
