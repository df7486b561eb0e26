//! How a connection ended.

use std::time::Duration;

use tokio_tungstenite::tungstenite::Error as Fault;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::CloseReason;
use crate::error::{Error, Part, Phase};

/// The end of a connection.
#[derive(Debug, Clone)]
pub(super) enum End {
    /// One side said so and the other heard it.
    Closed(Option<CloseReason>),
    /// The other side broke off or broke the protocol: what it did.
    Broken(String),
    /// A message was longer than allowed.
    TooLarge(usize),
    /// It took too long.
    Late(Phase, Duration),
    /// The grants do not allow it any more.
    Withdrawn,
    /// Nobody holds it any more.
    Dropped,
}

impl End {
    /// What an error of the protocol's library was.
    pub(super) fn of(fault: &Fault, limit: usize) -> Self {
        match fault {
            Fault::ConnectionClosed | Fault::AlreadyClosed => Self::Closed(None),
            Fault::Capacity(CapacityError::MessageTooLong { .. }) => Self::TooLarge(limit),
            Fault::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                Self::Broken("it was cut off without being closed".to_owned())
            }
            Fault::Protocol(protocol) => Self::Broken(format!("it broke the protocol: {protocol}")),
            Fault::Utf8(_) => Self::Broken("it sent a text that is not UTF-8".to_owned()),
            Fault::Io(error) => Self::Broken(format!("the connection failed: {}", error.kind())),
            _ => Self::Broken("it broke the protocol".to_owned()),
        }
    }

    /// What whoever uses the connection is told.
    pub(super) fn error(&self, host: &str) -> Error {
        match self {
            Self::Closed(_) | Self::Dropped => Error::Closed,
            Self::Broken(why) => Error::Remote { host: host.to_owned(), why: why.clone() },
            Self::TooLarge(limit) => {
                Error::TooLarge { part: Part::Message, limit: crate::request::as_u64(*limit) }
            }
            Self::Late(phase, after) => Error::Timeout { phase: *phase, after: *after },
            Self::Withdrawn => {
                Error::denied(format!("the grant for the connection to {host} was taken back"))
            }
        }
    }

    /// What the other side is told last (RFC 6455, section 7.4.1); nothing where it is not to hear from us again.
    ///
    /// Nothing either where nobody holds the connection any more: protocols read 1000 and 1001 as a farewell after which
    /// there is nothing to resume, and whoever dropped it without a word, or was stopped, may want to go on later.
    pub(super) fn farewell(&self) -> Option<CloseCode> {
        match self {
            Self::Broken(why) if why.contains("UTF-8") => Some(CloseCode::Invalid),
            Self::Broken(_) => Some(CloseCode::Protocol),
            Self::TooLarge(_) => Some(CloseCode::Size),
            Self::Closed(_) | Self::Late(..) | Self::Withdrawn | Self::Dropped => None,
        }
    }
}
