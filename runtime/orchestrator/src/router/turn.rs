//! The turns that run now. A caller is a turn id that this table issued and has not closed; nothing that a model, a
//! guest or a client says can name another one.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openpact_model::id::{SessionId, TurnId};
use openpact_model::random::Random;
use openpact_model::role::{Audience, Caller, Channel, Role};
use openpact_model::tool::ProgressSink;
use tokio_util::sync::CancellationToken;

use super::address;

/// A running turn as the host knows it.
pub(super) struct Turn {
    pub(super) id: TurnId,
    pub(super) caller: Caller,
    /// What the owner calls the caller, if anything.
    pub(super) person: Option<String>,
    pub(super) session: Option<SessionId>,
    pub(super) channel: Option<Channel>,
    /// Cancelled when the turn is stopped or closed.
    pub(super) cancel: CancellationToken,
    /// Who wants to know how far its calls are.
    pub(super) progress: ProgressSink,
    tainted: AtomicBool,
    is_private: AtomicBool,
    /// Addresses that a person wrote for this turn alone.
    pub(super) written: BTreeSet<String>,
}

/// What a turn is opened with.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Who caused it.
    pub caller: Caller,
    /// What the owner calls them, where they are somebody who is known: what they call counts together then, whatever
    /// account it comes from. `None` where the account is all that is known. Never what somebody says of themselves.
    pub person: Option<String>,
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
    /// Whether private things of the owner are in front of the model from the beginning. As a rule they are where the
    /// owner alone reads.
    pub is_private: bool,
    /// The arguments of a call that a person wrote by hand: the addresses in them may be fetched. What is said in a
    /// session is kept with it by [`super::Router::heard`].
    pub written: Option<String>,
}

impl Opening {
    /// A turn of `caller` without a session or a place.
    pub fn new(caller: Caller, cancel: &CancellationToken) -> Self {
        let (cancel, progress) = (cancel.clone(), ProgressSink::default());
        let is_private = caller.audience == Audience::Private;
        Self {
            caller,
            person: None,
            session: None,
            channel: None,
            cancel,
            id: None,
            progress,
            is_private,
            written: None,
        }
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

    /// Whether private things were in front of the model from the beginning, or came there in this turn. A session's own
    /// mark is in the store.
    pub(super) fn is_private(&self) -> bool {
        self.is_private.load(Ordering::Acquire)
    }

    pub(super) fn hold_private(&self) {
        self.is_private.store(true, Ordering::Release);
    }

    /// Who it is, for the audit log.
    pub(super) fn actor(&self) -> String {
        let sender = &self.caller.sender;
        openpact_model::text::one_line(&format!("{}:{}", sender.provider, sender.user), 128)
    }
}

impl Turns {
    pub(super) fn open(self: &Arc<Self>, random: &dyn Random, opening: Opening) -> OpenTurn {
        let Opening { mut caller, person, session, channel, cancel, id, progress, is_private, written } =
            opening;
        // A private channel is one that the owner alone reads. Whoever else speaks in it reads it too.
        if caller.role != Role::Owner {
            caller.audience = Audience::Group;
        }
        let tainted = AtomicBool::new(caller.role != Role::Owner);
        let cancel = cancel.child_token();
        let id = id.unwrap_or_else(|| TurnId::generate(random));
        let is_private = AtomicBool::new(is_private);
        let written = written.as_deref().map(address::in_arguments).unwrap_or_default();
        let turn =
            Turn { id, caller, person, session, channel, cancel, progress, tainted, is_private, written };
        let turn = Arc::new(turn);
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
