//! What is noted about one call, or one run without an end, while it lasts; it outlives its instance.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openpact_model::clock::Clock;
use openpact_model::tool::{Limit, ToolFailure};

use crate::bucket::Bucket;
use crate::failure::LimitHit;
use crate::stdio::{Capture, Level};
use crate::tally::Tally;

/// The record of one instance.
pub(crate) struct Ledger {
    peak_memory: AtomicU64,
    requests: AtomicU32,
    capture: Arc<Mutex<Capture>>,
    refused: Mutex<Option<Refusal>>,
    tally: Arc<Tally>,
    /// The limits that were met, each once however often.
    reached: Mutex<HashSet<Limit>>,
    /// Of a run without an end: what it may ask of the network in a time, in place of a number for its life.
    pace: Option<Pace>,
}

struct Pace {
    requests: Mutex<Bucket>,
    clock: Arc<dyn Clock>,
}

/// The first thing that the host refused a guest with an ordinary error. When the guest then gives up, this is why.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    Limit(LimitHit),
    Denied,
    Requests,
}

/// Requests that one call may attempt, WebSocket connections among them. Each one costs the host a line in the audit log, and is granted or not.
pub(crate) const MAX_REQUESTS: u32 = 500;

/// HTTP requests for each second of a run without an end; as many as a call may make are possible at once.
const REQUESTS_PER_SECOND: u64 = 10;

impl Ledger {
    pub(crate) fn new(capture: Capture, tally: Arc<Tally>) -> Self {
        Self::with(capture, tally, None)
    }

    /// For a run without an end.
    pub(crate) fn lasting(capture: Capture, tally: Arc<Tally>, clock: Arc<dyn Clock>) -> Self {
        let most = u64::from(MAX_REQUESTS);
        let requests = Mutex::new(Bucket::full(REQUESTS_PER_SECOND, most, clock.monotonic()));
        Self::with(capture, tally, Some(Pace { requests, clock }))
    }

    fn with(capture: Capture, tally: Arc<Tally>, pace: Option<Pace>) -> Self {
        Self {
            pace,
            tally,
            reached: Mutex::default(),
            peak_memory: AtomicU64::new(0),
            requests: AtomicU32::new(0),
            capture: Arc::new(Mutex::new(capture)),
            refused: Mutex::new(None),
        }
    }

    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::new(Capture::for_tests(1 << 16), Self::tally_for_tests())
    }

    #[cfg(test)]
    fn tally_for_tests() -> Arc<Tally> {
        Arc::new(Tally::new(Arc::new(openpact_model::clock::SystemClock)))
    }

    /// Memories and tables take `bytes` now.
    pub(crate) fn memory(&self, bytes: u64) {
        self.peak_memory.fetch_max(bytes, Ordering::Relaxed);
    }

    pub(crate) fn peak_memory(&self) -> u64 {
        self.peak_memory.load(Ordering::Relaxed)
    }

    /// One more HTTP request or WebSocket connection; whether it may be tried at all.
    pub(crate) fn request(&self) -> bool {
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        if self.pace.is_some() {
            return true;
        }
        if before == MAX_REQUESTS {
            let text =
                format!("more than {MAX_REQUESTS} HTTP requests in one call: the rest is denied unasked");
            self.capture().message(Level::Warn, &text);
        }
        if before >= MAX_REQUESTS {
            lock(&self.refused).get_or_insert(Refusal::Requests);
            self.reached(Limit::Requests, u64::from(MAX_REQUESTS));
        }
        before < MAX_REQUESTS
    }

    /// Waits until a run without an end may make its next request; a call never waits.
    pub(crate) async fn pace(&self) {
        let Some(pace) = &self.pace else { return };
        loop {
            let taken = lock(&pace.requests).take(pace.clock.monotonic());
            let Err(wait) = taken else { return };
            tokio::time::sleep(wait).await;
        }
    }

    /// A request was let through. In a run without an end, what was refused before it explains nothing any more.
    pub(crate) fn let_through(&self) {
        if self.pace.is_some() {
            *lock(&self.refused) = None;
        }
    }

    /// Whether the last thing of note was that a grant was missing.
    pub(crate) fn was_denied(&self) -> bool {
        matches!(*lock(&self.refused), Some(Refusal::Denied))
    }

    /// The limit of requests, if that was the first thing that a call was refused.
    pub(crate) fn out_of_requests(&self) -> Option<ToolFailure> {
        matches!(*lock(&self.refused), Some(Refusal::Requests)).then(requests_reached)
    }

    pub(crate) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The capture of output and log, for the streams that write into it.
    pub(crate) fn shared_capture(&self) -> Arc<Mutex<Capture>> {
        Arc::clone(&self.capture)
    }

    pub(crate) fn capture(&self) -> MutexGuard<'_, Capture> {
        lock(&self.capture)
    }

    /// An operation was refused at `limit`, which is `value`.
    pub(crate) fn refused_at(&self, limit: Limit, value: u64) {
        lock(&self.refused).get_or_insert(Refusal::Limit(LimitHit { limit, value }));
        self.reached(limit, value);
    }

    /// A limit was met, which is `value`. Counted once for each call or run, however often it is met.
    pub(crate) fn reached(&self, limit: Limit, value: u64) {
        if lock(&self.reached).insert(limit) {
            self.tally.reached(limit, value);
        }
    }

    /// The call or the run is over, however it ended, and took so much processor time. Gives the lines that it wrote.
    /// To be called once, before whoever waits for the end is told.
    pub(crate) fn ended(&self, cpu: Duration, failure: Option<&ToolFailure>) -> Vec<String> {
        let (lines, overrun) = {
            let mut capture = self.capture();
            (capture.finish(), capture.overrun())
        };
        if let Some(most) = overrun {
            self.reached(Limit::Output, most);
        }
        if let Some(ToolFailure::LimitReached { limit, value }) = failure {
            self.reached(*limit, *value);
        }
        self.tally.ended(cpu, failure);
        lines
    }

    /// An operation was refused because no grant allows it.
    pub(crate) fn denied(&self) {
        lock(&self.refused).get_or_insert(Refusal::Denied);
    }

    /// What the failure of a call really was. A guest that was refused something and then gave up or broke says so in
    /// its own words; the host knows which limit or grant it was.
    pub(crate) fn explain(&self, failure: ToolFailure) -> ToolFailure {
        let own_words =
            matches!(failure, ToolFailure::Failed(_) | ToolFailure::Unavailable(_) | ToolFailure::Broken(_));
        if self.pace.is_some() {
            // What was refused may lie weeks back.
            return failure;
        }
        match *lock(&self.refused) {
            Some(Refusal::Limit(hit)) if own_words => hit.into(),
            Some(Refusal::Denied) if own_words => {
                ToolFailure::Denied("the tool asked for something that it has not been granted".into())
            }
            Some(Refusal::Requests) if own_words => requests_reached(),
            _ => failure,
        }
    }
}

fn requests_reached() -> ToolFailure {
    ToolFailure::LimitReached { limit: Limit::Requests, value: u64::from(MAX_REQUESTS) }
}

/// Takes a lock whose data stays sound whatever its holder did: counters and text.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdio::Channel;

    #[test]
    fn requests_of_one_call_are_counted_and_end() {
        let ledger = Ledger::for_tests();
        let failed = ToolFailure::Failed("HttpRequestDenied".into());
        assert!((0..MAX_REQUESTS).all(|_| ledger.request()));
        assert_eq!(ledger.explain(failed.clone()), failed);
        assert!((0..10).all(|_| !ledger.request()));
        assert_eq!(ledger.requests(), MAX_REQUESTS + 10);
        let told = ToolFailure::LimitReached { limit: Limit::Requests, value: 500 };
        assert_eq!(ledger.explain(failed), told);
        let lines = ledger.ended(Duration::ZERO, Some(&told));
        let health = ledger.tally.health();
        assert_eq!((health.limits.len(), health.limits[0].times, health.failed), (1, 1, 1), "counted once");
        let noted = "more than 500 HTTP requests in one call: the rest is denied unasked";
        assert_eq!(lines, [noted], "once");
    }

    #[test]
    fn output_that_is_cut_counts_however_late_it_shows() {
        // The last line has no end, so what of it does not fit shows when the call is over.
        let unfinished = Ledger::new(Capture::for_tests(100), Ledger::tally_for_tests());
        unfinished.capture().write(Channel::Output, &[b'x'; 90]);
        unfinished.capture().write(Channel::Error, &[b'x'; 90]);
        // And in a run without an end it is told, and forgotten, as soon as there is room again.
        let clock = Arc::new(openpact_model::clock::SystemClock);
        let lasting = Ledger::lasting(Capture::lasting_for_tests(100), Ledger::tally_for_tests(), clock);
        lasting.capture().message(Level::Info, &"x".repeat(101));
        lasting.capture().finish();
        for ledger in [unfinished, lasting] {
            ledger.ended(Duration::from_millis(2), None);
            let health = ledger.tally.health();
            let met: Vec<_> = health.limits.iter().map(|met| (met.limit, met.value, met.times)).collect();
            assert_eq!((met, health.calls, health.cpu_ms), (vec![(Limit::Output, 100, 1)], 1, 2));
        }
        let short = Ledger::for_tests();
        short.capture().message(Level::Info, "short");
        assert_eq!(short.ended(Duration::ZERO, None), ["short"]);
        assert_eq!(short.tally.health().limits, []);
    }

    #[tokio::test]
    async fn a_run_without_an_end_has_a_rate_in_place_of_a_number() {
        let clock = Arc::new(openpact_model::clock::SystemClock);
        let ledger = Ledger::lasting(Capture::for_tests(100), Ledger::tally_for_tests(), clock);
        for _ in 0..MAX_REQUESTS {
            assert!(ledger.request());
            ledger.pace().await;
        }
        assert!(ledger.request(), "one more than a call may make");
        let pace = ledger.pace.as_ref().unwrap();
        let taken = lock(&pace.requests).take(pace.clock.monotonic());
        assert!(taken.is_err(), "it has to wait: {taken:?}");
    }

    #[test]
    fn what_was_refused_long_ago_explains_nothing() {
        let clock = Arc::new(openpact_model::clock::SystemClock);
        let ledger = Ledger::lasting(Capture::for_tests(100), Ledger::tally_for_tests(), clock);
        ledger.denied();
        assert!(ledger.was_denied());
        let broken = ToolFailure::Broken("trap".into());
        assert_eq!(ledger.explain(broken.clone()), broken);
        ledger.let_through();
        assert!(!ledger.was_denied(), "a later request went through");
    }

    #[test]
    fn the_first_refusal_explains_a_guest_that_gave_up() {
        let ledger = Ledger::for_tests();
        let failed = ToolFailure::Failed("os error 69".into());
        assert_eq!(ledger.explain(failed.clone()), failed);
        ledger.refused_at(Limit::Files, 10);
        ledger.denied();
        assert_eq!(ledger.explain(failed), ToolFailure::LimitReached { limit: Limit::Files, value: 10 });
        let own = ToolFailure::NotFound("x".into());
        assert_eq!(ledger.explain(own.clone()), own, "an answer with a meaning of its own stays");
    }
}
