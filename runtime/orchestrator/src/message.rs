//! What comes in and what goes out.

use std::sync::atomic::{AtomicBool, Ordering};

use openpact_engine::Event;
use openpact_engine::event::ErrorKind;
use openpact_model::id::TurnId;
use openpact_model::role::{Audience, Channel, Role, Sender};
use tokio::sync::mpsc;

/// One message of a person, as the host knows it. Role and audience come from the host's own tables, never from text.
#[derive(Debug, Clone)]
pub struct Inbound {
    /// Where it was written.
    pub channel: Channel,
    /// Who wrote it.
    pub sender: Sender,
    /// What they may do.
    pub role: Role,
    /// Who reads the answer. `Private` means the owner alone; for any other role it counts as `Group`.
    pub audience: Audience,
    /// What they wrote.
    pub text: String,
    /// The id of the turn, where it was issued and stored before.
    pub turn: Option<TurnId>,
}

/// A piece of the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// From the engine. A turn's last event is `End` or `Error`.
    Event(Event),
    /// From the host: the answer to a command, or something that the person should know. Plain text, several lines.
    Notice(String),
    /// Nothing more comes. Always the last one, exactly once.
    Done,
}

/// The answer, piece by piece. Not bounded: a reader that is slow or gone holds up no turn, and what one turn says is
/// bounded by the engine.
pub type Updates = mpsc::UnboundedReceiver<Update>;

/// The sending side of [`Updates`]; says [`Update::Done`] when dropped, whatever happened.
pub(crate) struct Reply {
    updates: mpsc::UnboundedSender<Update>,
    ended: AtomicBool,
}

impl Inbound {
    /// Who reads the answer, on the safe side: a channel in which somebody else than the owner writes is no private
    /// one, whatever was said.
    pub(crate) fn effective_audience(&self) -> Audience {
        if self.role == Role::Owner { self.audience } else { Audience::Group }
    }
}

impl Reply {
    pub(crate) fn new() -> (Self, Updates) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { updates: sender, ended: AtomicBool::new(false) }, receiver)
    }

    /// Whether a turn's last event was sent.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn event(&self, event: Event) {
        if matches!(event, Event::End | Event::Error { .. }) {
            self.ended.store(true, Ordering::Release);
        }
        self.send(Update::Event(event));
    }

    pub(crate) fn notice(&self, text: impl Into<String>) {
        self.send(Update::Notice(text.into()));
    }

    /// Ends a turn that the engine did not end.
    pub(crate) fn error(&self, kind: ErrorKind, message: impl Into<String>) {
        self.event(Event::Error { kind, message: message.into() });
    }

    fn send(&self, update: Update) {
        // Nobody reads any more: the turn goes on all the same, its session keeps the answer.
        let _: Result<(), _> = self.updates.send(update);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.send(Update::Done);
    }
}
