//! The turns that run now. A caller is a turn id that this table issued and has not closed; nothing that a model, a
//! guest or a client says can name another one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openpact_model::id::{SessionId, TurnId};
use openpact_model::random::Random;
use openpact_model::role::{Audience, Caller, Channel, Role};
use openpact_model::tool::ProgressSink;
use tokio_util::sync::CancellationToken;

/// A running turn as the host knows it.
pub(super) struct Turn {
    pub(super) id: TurnId,
    pub(super) caller: Caller,
    pub(super) session: Option<SessionId>,
    pub(super) channel: Option<Channel>,
    /// Cancelled when the turn is stopped or closed.
    pub(super) cancel: CancellationToken,
    /// Who wants to know how far its calls are.
    pub(super) progress: ProgressSink,
    tainted: AtomicBool,
}

/// What a turn is opened with.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Who caused it.
    pub caller: Caller,
    /// The conversation that it belongs to.
    pub session: Option<SessionId>,
    /// Where it was said.
    pub channel: Option<Channel>,
    /// Cancelled when it is to stop.
    pub cancel: CancellationToken,
    /// Its id where it was issued before, for a turn that is on disk; else one is made. Never one that somebody else
    /// named.
    pub id: Option<TurnId>,
    /// Who wants to know how far its calls are.
    pub progress: ProgressSink,
}

impl Opening {
    /// A turn of `caller` without a session or a place.
    pub fn new(caller: Caller, cancel: &CancellationToken) -> Self {
        let (cancel, progress) = (cancel.clone(), ProgressSink::default());
        Self { caller, session: None, channel: None, cancel, id: None, progress }
    }
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
    pub(super) fn open(self: &Arc<Self>, random: &dyn Random, opening: Opening) -> OpenTurn {
        let Opening { mut caller, session, channel, cancel, id, progress } = opening;
        // A private channel is one that the owner alone reads. Whoever else speaks in it reads it too.
        if caller.role != Role::Owner {
            caller.audience = Audience::Group;
        }
        let tainted = AtomicBool::new(caller.role != Role::Owner);
        let cancel = cancel.child_token();
        let id = id.unwrap_or_else(|| TurnId::generate(random));
        let turn = Arc::new(Turn { id, caller, session, channel, cancel, progress, tainted });
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
