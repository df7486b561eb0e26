//! The place of an adapter at delivery: taken and given back whole, whatever happens to whoever asked for it.
//!
//! Attaching runs in a task of its own and to its end, since half of it would leave something behind that nobody knows.
//! What was given up meanwhile, and what failed, is detached.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openpact_model::chat;
use openpact_model::id::ComponentName;

use super::Desk;

/// The place of one adapter.
pub(super) struct Seat {
    desk: Arc<dyn Desk>,
    name: ComponentName,
    /// Held while somebody attaches.
    attaching: Arc<tokio::sync::Mutex<()>>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    adapter: Option<Arc<dyn chat::Adapter>>,
    /// Grows each time that the place is given back: an attach that began before that is undone.
    round: u64,
}

/// Why there is none.
pub(super) enum Trouble {
    /// It cannot be loaded.
    Load(String),
    /// It cannot be attached.
    Attach(String),
}

/// An attach that has not succeeded. Dropped, it is undone.
struct Attempt<'a> {
    seat: &'a Seat,
    round: u64,
}

impl Seat {
    pub(super) fn new(desk: Arc<dyn Desk>, name: ComponentName) -> Self {
        Self { desk, name, attaching: Arc::default(), taken: Mutex::default() }
    }

    /// The adapter, loaded and attached. An attach goes on when this is dropped.
    ///
    /// # Errors
    /// Where it cannot be had; nothing is attached then.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Arc<dyn chat::Adapter>, Trouble> {
        let only = Arc::clone(&self.attaching).lock_owned().await;
        let round = {
            let taken = self.lock();
            if let Some(adapter) = &taken.adapter {
                return Ok(Arc::clone(adapter));
            }
            taken.round
        };
        let adapter = self.desk.load(&self.name).await.map_err(Trouble::Load)?;
        let seat = Arc::clone(self);
        let attaching = tokio::spawn(async move {
            let attempt = Attempt { seat: &seat, round };
            let attached = seat.desk.attach(Arc::clone(&adapter)).await;
            let done = attached.and_then(|()| attempt.succeed(adapter));
            drop(only);
            done
        });
        let broke = |_| Err("it broke while it was attached (a defect of the program)".to_owned());
        attaching.await.unwrap_or_else(broke).map_err(Trouble::Attach)
    }

    /// Gives the place back, at once.
    pub(super) fn leave(&self) {
        let mut taken = self.lock();
        taken.round += 1;
        if taken.adapter.take().is_some() {
            self.desk.detach(&self.name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    /// Keeps what was attached, unless the place was given back since.
    fn succeed(self, adapter: Arc<dyn chat::Adapter>) -> Result<Arc<dyn chat::Adapter>, String> {
        let mut taken = self.seat.lock();
        if taken.round == self.round {
            taken.adapter = Some(Arc::clone(&adapter));
            drop(taken);
            return Ok(adapter);
        }
        drop(taken);
        Err("it was told to stop while it was attached".to_owned())
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.seat.lock().adapter.is_none() {
            self.seat.desk.detach(&self.seat.name);
        }
    }
}
