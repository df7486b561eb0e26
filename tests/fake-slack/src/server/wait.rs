//! Waiting for something to happen on a server.

use std::sync::PoisonError;
use std::time::Duration;

use super::Server;
use crate::clock;
use crate::world::World;

impl Server {
    /// Waits until `check` gives something, looking at every change.
    ///
    /// # Panics
    /// When that takes longer than `deadline`; the message says what was waited for and what was sent.
    pub async fn wait_for<T>(
        &self,
        what: &str,
        deadline: Duration,
        mut check: impl FnMut(&World) -> Option<T>,
    ) -> T {
        match self.try_wait_for(deadline, &mut check).await {
            Some(found) => found,
            None => panic!("waited {deadline:?} in vain for {what}:\n{}", self.summary()),
        }
    }

    /// The same, and `None` when it takes longer.
    pub async fn try_wait_for<T>(
        &self,
        deadline: Duration,
        mut check: impl FnMut(&World) -> Option<T>,
    ) -> Option<T> {
        let until = tokio::time::Instant::now() + deadline;
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
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
    pub fn wait<T>(&self, what: &str, deadline: Duration, check: impl FnMut(&World) -> Option<T>) -> T {
        match self.try_wait(deadline, check) {
            Some(found) => found,
            None => panic!("waited {deadline:?} in vain for {what}:\n{}", self.summary()),
        }
    }

    /// The same, and `None` when it takes longer.
    pub fn try_wait<T>(&self, deadline: Duration, mut check: impl FnMut(&World) -> Option<T>) -> Option<T> {
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
}
