//! The host's side of the receive loop. Outside a component it is a stand-in of the calling thread that keeps what it
//! is given, so that a test can look at it.

use super::{AdapterError, InboundEvent};

/// An account of the assistant on the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// As the platform names it; never changes.
    pub id: String,
    /// The name that the platform shows.
    pub name: String,
}

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// It is being made.
    Connecting,
    /// It works, for this account.
    Connected(Account),
    /// It is lost and will be made again; the text is for the admin.
    Lost(String),
}

/// Why an event, or a report, was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// It does not make sense; the text says where. Delivering it again does not help: it is acknowledged to the
    /// platform all the same.
    Invalid(String),
    /// It names an account that this instance has not reported, or that belongs to another one.
    WrongAccount,
    /// It could not be stored. It is not acknowledged to the platform, and delivered again.
    Unavailable(String),
}

/// What it means for the receive loop: that it ends.
impl From<Error> for AdapterError {
    fn from(error: Error) -> Self {
        match error {
            Error::WrongAccount => {
                Self::Conflict("another adapter of this program has this bot already".to_owned())
            }
            Error::Invalid(why) => Self::Protocol(why),
            Error::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

/// Gives an event to the host. When this returns without an error the event is on disk, now or from an earlier
/// delivery: only then is it acknowledged to the platform.
///
/// # Errors
/// See [`Error`].
pub fn deliver(event: InboundEvent) -> Result<(), Error> {
    host::deliver(event)
}

/// Tells how the connection is, for the admin. An account has to be reported before its events are delivered.
///
/// # Errors
/// See [`Error`]: another instance has the account.
pub fn report(connection: Connection) -> Result<(), Error> {
    host::report(connection)
}

#[cfg(not(target_family = "wasm"))]
pub use host::{answer_for_test, delivered_for_test, reported_for_test, trap_for_test};

#[cfg(target_family = "wasm")]
mod host {
    use super::{Connection, Error, InboundEvent};
    use crate::adapter::bindings::openpact::chat::inbox;

    pub(super) fn deliver(event: InboundEvent) -> Result<(), Error> {
        inbox::deliver(&event).map_err(error)
    }

    pub(super) fn report(connection: Connection) -> Result<(), Error> {
        let connection = match connection {
            Connection::Connecting => inbox::Connection::Connecting,
            Connection::Connected(account) => {
                inbox::Connection::Connected(inbox::Account { id: account.id, name: account.name })
            }
            Connection::Lost(why) => inbox::Connection::Lost(why),
        };
        inbox::report(&connection).map_err(error)
    }

    fn error(error: inbox::DeliverError) -> Error {
        match error {
            inbox::DeliverError::Invalid(text) => Error::Invalid(text),
            inbox::DeliverError::WrongAccount => Error::WrongAccount,
            inbox::DeliverError::Unavailable(text) => Error::Unavailable(text),
        }
    }
}

#[cfg(not(target_family = "wasm"))]
mod host {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use super::{Connection, Error, InboundEvent};

    #[derive(Default)]
    struct Seen {
        events: Vec<InboundEvent>,
        reports: Vec<Connection>,
        answers: VecDeque<Result<(), Error>>,
        deadly: Option<String>,
    }

    thread_local! {
        static SEEN: RefCell<Seen> = RefCell::default();
    }

    pub(super) fn deliver(event: InboundEvent) -> Result<(), Error> {
        let is_deadly = SEEN.with_borrow(|seen| seen.deadly.as_ref() == Some(&event.id));
        assert!(!is_deadly, "the event {} traps, as the test wants it", event.id);
        SEEN.with_borrow_mut(|seen| {
            let answer = seen.answers.pop_front().unwrap_or(Ok(()));
            if answer.is_ok() {
                seen.events.push(event);
            }
            answer
        })
    }

    #[expect(clippy::unnecessary_wraps, reason = "inside a component it can fail")]
    pub(super) fn report(connection: Connection) -> Result<(), Error> {
        SEEN.with_borrow_mut(|seen| seen.reports.push(connection));
        Ok(())
    }

    /// What the next deliveries of this thread's tests are answered, in this order; then they succeed. Not there inside
    /// a component.
    pub fn answer_for_test(answers: impl IntoIterator<Item = Result<(), Error>>) {
        SEEN.with_borrow_mut(|seen| seen.answers.extend(answers));
    }

    /// From now on the event with this id ends the loop on this thread, as a trap would: by a panic. Not there inside a
    /// component.
    pub fn trap_for_test(id: &str) {
        SEEN.with_borrow_mut(|seen| seen.deadly = Some(id.to_owned()));
    }

    /// Takes out the events that were delivered on this thread. Not there inside a component.
    pub fn delivered_for_test() -> Vec<InboundEvent> {
        SEEN.with_borrow_mut(|seen| std::mem::take(&mut seen.events))
    }

    /// Takes out what was reported on this thread. Not there inside a component.
    pub fn reported_for_test() -> Vec<Connection> {
        SEEN.with_borrow_mut(|seen| std::mem::take(&mut seen.reports))
    }
}
