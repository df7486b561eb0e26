//! Waiting for something to happen on a server.

use std::sync::PoisonError;
use std::time::Duration;

use serde_json::Value;

use super::{Fake, Server};
use crate::clock;

impl<F: Fake> Server<F> {
    /// Waits until `check` gives something, looking at every change.
    ///
    /// # Panics
    /// When that takes longer than `deadline`; the message says what was waited for and what was sent.
    pub async fn wait_for<T>(&self, what: &str, deadline: Duration, check: impl FnMut(&F) -> Option<T>) -> T {
        let found = self.try_wait_for(deadline, check).await;
        found.unwrap_or_else(|| self.in_vain(what, deadline))
    }

    /// The same, and `None` when it takes longer.
    pub async fn try_wait_for<T>(
        &self,
        deadline: Duration,
        mut check: impl FnMut(&F) -> Option<T>,
    ) -> Option<T> {
        let until = tokio::time::Instant::now() + deadline;
        loop {
            let changed = self.shared.changed();
            if let Some(found) = check(&self.shared.world()) {
                return Some(found);
            }
            tokio::time::timeout_at(until, changed).await.ok()?;
        }
    }

    /// The same for tests without a runtime.
    ///
    /// # Panics
    /// As [`Server::wait_for`].
    pub fn wait<T>(&self, what: &str, deadline: Duration, check: impl FnMut(&F) -> Option<T>) -> T {
        self.try_wait(deadline, check).unwrap_or_else(|| self.in_vain(what, deadline))
    }

    /// The same, and `None` when it takes longer.
    pub fn try_wait<T>(&self, deadline: Duration, mut check: impl FnMut(&F) -> Option<T>) -> Option<T> {
        let until = clock::now() + deadline;
        let mut world = self.shared.world();
        loop {
            if let Some(found) = check(&world) {
                return Some(found);
            }
            let left = until.duration_since(clock::now()).ok()?;
            let waited = self.shared.changed_too.wait_timeout(world, left);
            world = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The same for an order of a script, which is told how much there is, or that it waited in vain.
    ///
    /// # Errors
    /// When it takes longer.
    pub async fn wait_for_script(
        &self,
        seconds: u64,
        check: impl FnMut(&F) -> Option<u64>,
    ) -> Result<Value, String> {
        let found = self.try_wait_for(Duration::from_secs(seconds), check).await;
        found.map(Value::from).ok_or_else(|| format!("waited {seconds} s in vain: {}", self.summary()))
    }

    fn in_vain<T>(&self, what: &str, deadline: Duration) -> T {
        panic!("waited {deadline:?} in vain for {what}:\n{}", self.summary())
    }
}
