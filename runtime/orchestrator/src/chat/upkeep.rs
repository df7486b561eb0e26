//! Forgets what is old enough.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Chat, lock};
use crate::Error;

/// How often it is looked for what is old, when something happens at all.
const EVERY: Duration = Duration::from_hours(1);

/// Rows that are forgotten in one transaction.
const MOST: u32 = 1000;

/// When it was last done.
#[derive(Default)]
pub(super) struct Upkeep(Mutex<Option<Instant>>);

impl Chat {
    /// Forgets what is old, unless that was done a short while ago. In a task of its own.
    pub(super) fn keep_up(&self) {
        let now = self.clock.monotonic();
        {
            let mut last = lock(&self.upkeep.0);
            if last.is_some_and(|last| now.saturating_duration_since(last) < EVERY) {
                return;
            }
            *last = Some(now);
        }
        let Some(this) = self.this() else { return };
        self.tasks.spawn(async move {
            if let Err(error) = this.prune().await {
                tracing::warn!(error = error.chain(), "old messages could not be forgotten");
            }
        });
    }

    /// Forgets what is old, a part at a time so that nobody waits long for the database.
    pub(super) async fn prune(&self) -> Result<(), Error> {
        *lock(&self.upkeep.0) = Some(self.clock.monotonic());
        let now = self.clock.now();
        let before = |time: Duration| now.checked_sub(time).unwrap_or(now);
        let keep = self.config.keep;
        let (bodies, identities) = (before(keep), before(self.config.keep_identity.max(keep)));
        while self.store.inbox().prune(bodies, identities, MOST).await? > 0 && !self.is_closing() {}
        while self.store.outbox().prune(bodies, identities, MOST).await? > 0 && !self.is_closing() {}
        Ok(())
    }
}
