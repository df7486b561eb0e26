//! The turns that run now. A caller is a turn id that this table issued and has not closed; nothing that a model, a
//! guest or a client says can name another one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openpact_model::id::{SessionId, TurnId};
use openpact_model::random::Random;
use openpact_model::role::{Audience, Caller, Channel, Role};
use tokio_util::sync::CancellationToken;

/// A running turn as the host knows it.
pub(super) struct Turn {
    pub(super) id: TurnId,
    pub(super) caller: Caller,
    pub(super) session: Option<SessionId>,
    pub(super) channel: Option<Channel>,
    /// Cancelled when the turn is stopped or closed.
    pub(super) cancel: CancellationToken,
    tainted: AtomicBool,
}

/// All running turns.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<TurnId, Arc<Turn>>>);

/// A turn that runs until this is dropped; then its calls are cancelled and new ones refused.
pub struct OpenTurn {
    turns: Arc<Turns>,
    turn: Arc<Turn>,
}

impl Turn {
    /// Whether this turn itself saw untrusted text. A session's taint is in the store.
    pub(super) fn tainted(&self) -> bool {
        self.tainted.load(Ordering::Acquire)
    }

    pub(super) fn taint(&self) {
        self.tainted.store(true, Ordering::Release);
    }

    /// Who it is, for the audit log.
    pub(super) fn actor(&self) -> String {
        let sender = &self.caller.sender;
        openpact_model::text::one_line(&format!("{}:{}", sender.provider, sender.user), 128)
    }
}

impl Turns {
    pub(super) fn open(
        self: &Arc<Self>,
        random: &dyn Random,
        mut caller: Caller,
        session: Option<SessionId>,
        channel: Option<Channel>,
        cancel: &CancellationToken,
    ) -> OpenTurn {
        // A private channel is one that the owner alone reads. Whoever else speaks in it reads it too.
        if caller.role != Role::Owner {
            caller.audience = Audience::Group;
        }
        let tainted = AtomicBool::new(caller.role != Role::Owner);
        let cancel = cancel.child_token();
        let id = TurnId::generate(random);
        let turn = Arc::new(Turn { id, caller, session, channel, cancel, tainted });
        self.lock().insert(turn.id.clone(), Arc::clone(&turn));
        OpenTurn { turns: Arc::clone(self), turn }
    }

    pub(super) fn get(&self, id: &TurnId) -> Option<Arc<Turn>> {
        self.lock().get(id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TurnId, Arc<Turn>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenTurn {
    /// The id under which tool calls of this turn are taken.
    pub fn id(&self) -> &TurnId {
        &self.turn.id
    }

    /// Who caused it, as the router judges them.
    pub fn caller(&self) -> &Caller {
        &self.turn.caller
    }
}

impl Drop for OpenTurn {
    fn drop(&mut self) {
        self.turns.lock().remove(&self.turn.id);
        self.turn.cancel.cancel();
    }
}
