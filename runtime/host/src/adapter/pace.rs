//! How much a receive loop may deliver and report. One that does more is made to wait, never refused: after an outage a
//! platform has much to tell, and a flood must not fill the disk, the log or the processor of everybody else.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use openpact_model::chat::Event;
use openpact_model::clock::Clock;

use crate::bucket::Bucket;
use crate::ledger::lock;

/// Events for each second, and at once after a quiet time.
const EVENTS: u64 = 50;
const EVENTS_AT_ONCE: u64 = 1000;
/// Bytes of events for each second, and at once: a few of the largest messages, or very many that people write.
const BYTES: u64 = 256 * 1024;
const BYTES_AT_ONCE: u64 = 8 * 1024 * 1024;
/// What it says of its connection for each second, and at once.
const REPORTS: u64 = 1;
const REPORTS_AT_ONCE: u64 = 20;

/// The allowance of an adapter. It outlives the runs, so that ending and being started again gives no fresh one.
pub(crate) struct Pace {
    events: Mutex<Bucket>,
    bytes: Mutex<Bucket>,
    reports: Mutex<Bucket>,
    clock: Arc<dyn Clock>,
}

impl Pace {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let now = clock.monotonic();
        let full = |per_second, most| Mutex::new(Bucket::full(per_second, most, now));
        Self {
            events: full(EVENTS, EVENTS_AT_ONCE),
            bytes: full(BYTES, BYTES_AT_ONCE),
            reports: full(REPORTS, REPORTS_AT_ONCE),
            clock,
        }
    }

    /// Waits until one more event may be looked at, whatever comes of it.
    pub(crate) async fn event(&self) {
        self.spend(&self.events, 1).await;
    }

    /// Waits until an event may be handed on.
    pub(crate) async fn bytes(&self, event: &Event) {
        self.spend(&self.bytes, weight(event)).await;
    }

    /// Waits until one more report may be looked at.
    pub(crate) async fn report(&self) {
        self.spend(&self.reports, 1).await;
    }

    async fn spend(&self, bucket: &Mutex<Bucket>, tokens: u64) {
        if let Some(wait) = spent(bucket, tokens, self.clock.monotonic()) {
            tokio::time::sleep(wait).await;
        }
    }
}

/// Takes what is used, and tells how long it takes until that is paid.
fn spent(bucket: &Mutex<Bucket>, tokens: u64, now: Instant) -> Option<Duration> {
    let mut bucket = lock(bucket);
    bucket.spend(tokens, now);
    bucket.wait(0, now)
}

/// About as many bytes as an event takes where it is stored.
fn weight(event: &Event) -> u64 {
    let mut count = Count(0);
    // Counting does not fail, and whatever could not be written down would have no weight.
    drop(serde_json::to_writer(&mut count, event));
    count.0
}

/// Counts what is written to it.
struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
