//! How an adapter is connected, and where it brings what happened.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::Event;

/// An account of the assistant on the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// As the platform names it; never changes.
    pub id: String,
    /// The name that the platform shows.
    pub name: String,
}

/// How a connection is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "value", rename_all = "kebab-case")]
pub enum Connection {
    /// It is being made.
    Connecting,
    /// It works, for this account.
    Connected(Account),
    /// It is lost and will be made again; why, for the admin.
    Lost(String),
}

/// Why an event was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliverError {
    /// It does not make sense. Delivering it again does not help.
    #[error("this event makes no sense: {0}")]
    Invalid(String),
    /// It names an account that this instance has not reported, or that belongs to another.
    #[error("the account is not one of this adapter's")]
    WrongAccount,
    /// It could not be stored. It is not acknowledged to the platform.
    #[error("the event could not be stored: {0}")]
    Unavailable(String),
}

/// The host's side of the receive loop.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Takes an event of `instance`. On disk when it returns without an error.
    ///
    /// # Errors
    /// When it was not taken.
    async fn deliver(&self, instance: &str, event: Event) -> Result<(), DeliverError>;

    /// Is told how the connection of `instance` is. An account has to be reported before its events are delivered.
    ///
    /// # Errors
    /// [`DeliverError::WrongAccount`] where another instance has that account.
    async fn report(&self, instance: &str, connection: Connection) -> Result<(), DeliverError>;
}
