//! Limits on requests and on connections, as the real server has them
//! (<https://discord.com/developers/docs/topics/rate-limits>).

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::clock;

/// What the headers say while no limit is set.
const GENEROUS: u64 = 50;

/// Limits. At first there are none but those that every connection to the gateway has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The most requests on one route, for one channel, in each window.
    pub route: Option<u64>,
    /// The length of such a window in milliseconds; 0 is one second.
    pub window: u64,
    /// The most requests of one bot in one second, over all routes.
    pub global: Option<u64>,
    /// Milliseconds between two Identify; one that comes sooner is told that its session is invalid.
    pub identify: Option<u64>,
    /// How many sessions may be started; without it, 1,000.
    pub starts: Option<u64>,
    /// Milliseconds in which an interaction has to be answered; without it, 3,000. A test on a machine that is busy with
    /// something else may want more.
    pub answer: Option<u64>,
}

/// The windows that are open.
#[derive(Debug, Default)]
pub(crate) struct Windows(HashMap<String, Window>);

#[derive(Debug, Clone, Copy)]
struct Window {
    ends: SystemTime,
    used: u64,
}

/// What the headers of an answer say of its route.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    pub(crate) reset: f64,
    pub(crate) reset_after: f64,
}

/// Over a limit: how long to wait, and whether it is the global one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Over {
    pub(crate) wait: f64,
    pub(crate) global: bool,
}

impl Windows {
    /// Counts a request. `resource` is the channel or the like for which a route counts apart; `bot` is missing where
    /// the global limit does not count.
    pub(crate) fn take(
        &mut self,
        limits: Limits,
        now: SystemTime,
        operation: &str,
        resource: &str,
        bot: Option<u64>,
    ) -> (Bucket, Option<Over>) {
        let name = bucket(operation);
        let length = Duration::from_millis(if limits.window == 0 { 1_000 } else { limits.window });
        let key = format!("{name}:{resource}");
        let (used, left) = self.count(&key, now, length);
        let limit = limits.route.unwrap_or(GENEROUS);
        let over = limits.route.is_some_and(|limit| used > limit);
        let bucket = Bucket {
            name,
            limit,
            remaining: if limits.route.is_some() { limit.saturating_sub(used) } else { limit - 1 },
            reset: clock::seconds(now + left),
            reset_after: left.as_secs_f64(),
        };
        if over {
            return (bucket, Some(Over { wait: left.as_secs_f64(), global: false }));
        }
        let Some((bot, most)) = bot.zip(limits.global) else { return (bucket, None) };
        let (used, left) = self.count(&format!("global:{bot}"), now, Duration::from_secs(1));
        let over = (used > most).then_some(Over { wait: left.as_secs_f64(), global: true });
        (bucket, over)
    }

    fn count(&mut self, key: &str, now: SystemTime, length: Duration) -> (u64, Duration) {
        let window = self.0.entry(key.to_owned()).or_insert(Window { ends: now + length, used: 0 });
        if window.ends <= now {
            *window = Window { ends: now + length, used: 0 };
        }
        window.used += 1;
        (window.used, window.ends.duration_since(now).unwrap_or(Duration::ZERO))
    }
}

/// The name of a route's bucket, which says nothing, as with the real server.
pub(crate) fn bucket(operation: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", operation.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}
