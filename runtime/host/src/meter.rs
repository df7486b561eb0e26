//! Measures the processor time of a call.
//!
//! A call's future runs on a thread of the guest runtime for as long as one poll takes. The thread's own processor clock
//! is read when a poll begins and ends, and whenever the guest is looked at in between, so waiting for a processor, for
//! other guests or for the host does not count.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The processor time of one call. All numbers are nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Of the polls that are over.
    spent: AtomicU64,
    /// The thread's clock when the poll that runs began.
    started: AtomicU64,
    /// Whether the poll ends because the guest was looked at, and not because it waits for something.
    looked_at: AtomicBool,
}

impl Meter {
    /// The guest is looked at and has to let others go first.
    pub(crate) fn looked_at(&self) {
        self.looked_at.store(true, Ordering::Relaxed);
    }

    /// Whether it was since this was asked last.
    pub(crate) fn take_looked_at(&self) -> bool {
        self.looked_at.swap(false, Ordering::Relaxed)
    }

    /// The time so far, from the thread that polls the call.
    pub(crate) fn running(&self) -> Duration {
        let poll = thread_time().saturating_sub(self.started.load(Ordering::Relaxed));
        Duration::from_nanos(self.spent.load(Ordering::Relaxed).saturating_add(poll))
    }

    /// The time of all polls that are over.
    pub(crate) fn total(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Ordering::Acquire))
    }
}

/// A future whose polls are measured.
pub(crate) struct Metered<F> {
    inner: Option<Pin<Box<F>>>,
    meter: Arc<Meter>,
}

impl<F: Future> Metered<F> {
    pub(crate) fn new(meter: Arc<Meter>, inner: F) -> Self {
        Self { inner: Some(Box::pin(inner)), meter }
    }
}

impl<F> Metered<F> {
    /// Drops what is left of the future, measured as its polls are.
    pub(crate) fn end(&mut self) {
        if self.inner.is_some() {
            let _guard = Started::now(Arc::clone(&self.meter));
            self.inner = None;
        }
    }
}

impl<F> Drop for Metered<F> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let guard = Started::now(Arc::clone(&self.meter));
        let inner = self.inner.as_mut().expect("a future is not polled after its end");
        let result = inner.as_mut().poll(context);
        if result.is_ready() {
            // Inside the measured time: taking an instance apart costs as much as making it.
            self.inner = None;
        }
        drop(guard);
        result
    }
}

/// Counts from its making to its drop, panics included.
struct Started {
    meter: Arc<Meter>,
    at: u64,
}

impl Started {
    fn now(meter: Arc<Meter>) -> Self {
        let at = thread_time();
        meter.started.store(at, Ordering::Relaxed);
        Self { meter, at }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.meter.spent.fetch_add(thread_time().saturating_sub(self.at), Ordering::Release);
    }
}

fn thread_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burn(milliseconds: u64) {
        let until = thread_time() + milliseconds * 1_000_000;
        while thread_time() < until {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn work_counts_and_waiting_does_not() {
        let meter = Arc::new(Meter::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(Metered::new(Arc::clone(&meter), async {
            burn(5);
            tokio::time::sleep(Duration::from_millis(300)).await;
            burn(5);
        }));
        assert!(meter.total() >= Duration::from_millis(10));
        assert!(meter.total() < Duration::from_millis(200), "sleeping must not count: {:?}", meter.total());
    }

    #[test]
    fn a_running_poll_counts_at_once() {
        let meter = Arc::new(Meter::default());
        let inner = Arc::clone(&meter);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let seen = runtime.block_on(Metered::new(Arc::clone(&meter), async move {
            burn(3);
            inner.running()
        }));
        assert!(seen >= Duration::from_millis(3));
        assert!(meter.total() >= seen);
    }
}
