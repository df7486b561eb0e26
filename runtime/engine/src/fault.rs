//! Why a turn ended before its time.

use std::time::Duration;

use openpact_store as store;

use crate::event::{ErrorKind, Event};

/// Why a turn ended before its time: what its last event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
}

impl Fault {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn aborted() -> Self {
        Self::new(ErrorKind::Aborted, "stopped; what was said and done so far is kept")
    }

    pub(crate) fn too_long(limit: Duration) -> Self {
        let message =
            format!("stopped: the turn took longer than {}; what was said so far is kept", human(limit));
        Self::new(ErrorKind::Deadline, message)
    }

    pub(crate) fn too_quiet(limit: Duration) -> Self {
        let message = format!(
            "stopped: nothing came from the model for {}; what was said so far is kept, so try again",
            human(limit)
        );
        Self::new(ErrorKind::Deadline, message)
    }

    pub(crate) fn broken() -> Self {
        Self::new(ErrorKind::Engine, "the engine broke while it worked on this; the log says where")
    }

    pub(crate) fn shut_down() -> Self {
        Self::new(ErrorKind::Engine, "the assistant is shutting down; ask again when it is back")
    }

    pub(crate) fn into_event(self) -> Event {
        Event::Error { kind: self.kind, message: self.message }
    }
}

impl From<store::Error> for Fault {
    /// The store's own words tell a person what to do.
    fn from(error: store::Error) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "a turn could not be stored");
        Self::new(ErrorKind::Engine, error.to_string())
    }
}

/// A length of time in the unit that suits it.
pub(crate) fn human(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} milliseconds", time.as_millis()),
        1 => "1 second".to_owned(),
        _ if seconds >= 120 && seconds.is_multiple_of(60) => format!("{} minutes", seconds / 60),
        _ => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_the_unit_that_suits_them() {
        for (time, said) in [
            (Duration::from_millis(250), "250 milliseconds"),
            (Duration::from_secs(1), "1 second"),
            (Duration::from_secs(90), "90 seconds"),
            (Duration::from_mins(30), "30 minutes"),
        ] {
            assert_eq!(human(time), said);
        }
    }
}
