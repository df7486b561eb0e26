//! Wall time, processor time and memory.

use std::fmt;
use std::time::{Duration, Instant};

/// What some messages took.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spent {
    messages: usize,
    wall: Duration,
    processor: Duration,
}

/// A measurement that runs.
pub(crate) struct Watch {
    wall: Instant,
    processor: Duration,
}

/// Bytes of the process that are in RAM.
#[derive(Clone, Copy)]
pub(crate) struct Memory(u64);

/// Now.
#[expect(clippy::disallowed_methods, reason = "this measures; it is no part of the runtime")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

impl Watch {
    pub(crate) fn start() -> Self {
        Self { wall: now(), processor: processor() }
    }

    pub(crate) fn stop(&self, messages: usize) -> Spent {
        let processor = processor().saturating_sub(self.processor);
        Spent { messages, wall: self.wall.elapsed(), processor }
    }
}

/// Processor time of the whole process, in user and kernel.
fn processor() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let (seconds, nanoseconds) =
        (time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default());
    Duration::new(seconds, nanoseconds)
}

impl Spent {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            wall: self.wall + other.wall,
            processor: self.processor + other.processor,
        }
    }

    /// Milliseconds.
    pub(crate) fn wall_each(&self) -> f64 {
        self.wall.as_secs_f64() * 1e3 / count(self.messages)
    }

    /// Milliseconds.
    pub(crate) fn processor_each(&self) -> f64 {
        self.processor.as_secs_f64() * 1e3 / count(self.messages)
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of messages are small")]
fn count(messages: usize) -> f64 {
    messages.max(1) as f64
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = count(self.messages) / self.wall.as_secs_f64();
        let (wall, processor) = (self.wall_each(), self.processor_each());
        write!(f, "{rate:.0} turns/s; per message {wall:.3} ms of wall time, {processor:.3} ms of processor")
    }
}

/// Median, 99 of 100, and the longest.
pub(crate) fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    format!("median {:.2} ms, p99 {:.2} ms, longest {:.2} ms", at(50), at(99), at(100))
}

/// How much memory the process has now.
pub(crate) fn memory() -> Memory {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    Memory(pages * rustix::param::page_size() as u64)
}

impl Memory {
    pub(crate) fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB", u32::try_from(self.0 / 1024).map_or(0.0, f64::from) / 1024.0)
    }
}
